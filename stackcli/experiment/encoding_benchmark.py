"""The runs of `compare-pe`: the same encodings on several data sets, each with the settings that it needs."""

from collections.abc import Sequence
from pathlib import Path

from stackcli.common import registry
from stackcli.config import grid, overrides
from stackcli.config.yaml_files import UsageError
from stackcli.experiment.study import Arms

DEFAULT = ("subjects", "digits", "markov")
WANTED = {  # settings of each data set, where nothing else is typed
    "digits": ("epochs=16",),
    "markov": ("causal=true", "label_smoothing=0", "data.longest=8", "lr=0.003", "epochs=6"),
}
LANGUAGE = ("causal=true", "label_smoothing=0")  # of other data whose task is the next token


def encoding_arms(words: Sequence[str], folder: Path | None) -> Arms:
    """Returns the runs of `compare-pe`: one grid for each value of `data`, by default three. Raises UsageError."""
    typed = {axis.key: axis.values for axis in (overrides.parse_override(word, folder) for word in words)}
    names = [str(name) for name in typed.get("data", DEFAULT)]
    if len(names) == 1:
        return Arms.of_grid(
            grid.parse_grid(tuple(words), presets=default_settings(names[0]), needs="pe", config_dir=folder)
        )
    others = [word for word in words if word.partition("=")[0] != "data"]
    grids = []
    for name in names:
        own = [w for w in others if not w.startswith("data.") or w[5:].partition("=")[0] in _keys(name)]
        grids.append(
            grid.parse_grid((f"data={name}", *own), presets=default_settings(name), needs="pe", config_dir=folder)
        )
    known = {key for name in names for key in _keys(name)}
    strange = [w for w in others if w.startswith("data.") and w[5:].partition("=")[0] not in known]
    if strange:
        raise UsageError([f"unknown key {w.partition('=')[0]!r} for data={','.join(names)}" for w in strange])
    return Arms.of_questions(grids, ("pe", "data"), words)


def default_settings(name: str) -> tuple[str, ...]:
    """Returns the settings of a data set where nothing else is typed."""
    if name in WANTED or name not in registry.part_names("data"):
        return WANTED.get(name, ())
    return LANGUAGE if getattr(registry.load_part("data", name), "causal", False) else ()


def _keys(name: str) -> frozenset[str]:
    return frozenset(registry.keys_of("data", name)) if name in registry.part_names("data") else frozenset()
