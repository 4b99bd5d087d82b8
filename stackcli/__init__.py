"""stackattn: what happens when self-attention layers with position encodings are stacked?

`import stackcli as sa` gives the functions of `__all__`. Each is loaded when it is first used: the import itself loads
neither pandas nor PyTorch. docs/python.md shows them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackcli.api.commands import ablate_depth, compare_pe, sweep, train
    from stackcli.api.encoding_check import EncodingCheck, check
    from stackcli.api.stored_studies import Study, load, runs, studies
    from stackcli.api.study_figure import StudyFigure

__version__ = "0.1.0"
__all__ = [
    "EncodingCheck",
    "Study",
    "StudyFigure",
    "__version__",
    "ablate_depth",
    "check",
    "compare_pe",
    "load",
    "runs",
    "studies",
    "sweep",
    "train",
]
_MODULES = {
    "commands": ("ablate_depth", "compare_pe", "sweep", "train"),
    "encoding_check": ("EncodingCheck", "check"),
    "stored_studies": ("Study", "load", "runs", "studies"),
    "study_figure": ("StudyFigure",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"stackcli.api.{module}"), name)
    raise AttributeError(f"module 'stackcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
