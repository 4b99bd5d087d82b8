"""`check` as a function: also for a class that is defined in a notebook."""

import contextlib
import os
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.api.commands import Override, Setting
from stackcli.api.html_table import write_table
from stackcli.common import registry
from stackcli.config.written_settings import write_overrides, write_words

if TYPE_CHECKING:
    import pandas as pd

    from stackcli.diagnostics.checked_property import Property
    from stackcli.pe.base import PositionEncoding


class EncodingCheck:
    """The checked properties of an encoding, each with its evidence. `name`: of the encoding, pe=rope; `verdict`: one
    sentence."""

    def __init__(self, name: str, properties: "list[Property]", verdict: str) -> None:
        self.name, self.properties, self.verdict = name, properties, verdict

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings do not count."""
        return not self.failed

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [row.name for row in self.properties if row.mark == "failed"]

    @property
    def warnings(self) -> list[str]:
        """The names of the checks that gave a warning."""
        return [row.name for row in self.properties if row.mark == "warning"]

    def table(self) -> "pd.DataFrame":
        """Returns a row for each property: `property`, `found`, `mark` (passed, warning, failed, or empty for a plain
        fact), `evidence`."""
        import pandas as pd

        rows = [(row.name, row.found, row.mark, row.evidence) for row in self.properties]
        return pd.DataFrame(rows, columns=["property", "found", "mark", "evidence"])

    def __repr__(self) -> str:
        return f"<EncodingCheck {self.verdict}>"

    def _repr_html_(self) -> str:
        rows = [(row.name, row.found, row.mark, row.evidence) for row in self.properties]
        return f"{write_table(('property', 'found', '', 'evidence'), rows, left=4)}<p>{escape(self.verdict)}</p>"


def check(
    encoding: "str | type[PositionEncoding]",
    *overrides: Override,
    config_dir: str | os.PathLike[str] | None = None,
    **settings: Setting,
) -> EncodingCheck:
    """Checks a position encoding, property by property: `sa.check("rope")`, `sa.check(MyEncoding)`. Takes some seconds.

    encoding: the name of a part, or a subclass of PositionEncoding, also one that is defined in a notebook; the class
    is tested under its own name, and not kept. overrides, settings: as those of `train`; keys of the encoding as
    {"pe.base": 100}. Raises ValueError for what is neither, for several encodings and for wrong sizes; errors of
    the class itself are raised as they are.
    """
    from stackcli.config.grid import parse_grid
    from stackcli.experiment import encoding_report

    with contextlib.ExitStack() as stack:
        name = encoding if isinstance(encoding, str) else stack.enter_context(_offered(encoding))
        words = (*write_words({"pe": name}), *write_overrides(overrides), *write_words(settings))
        folder = None if config_dir is None else Path(config_dir).expanduser()
        grid = parse_grid(words, config_dir=folder)
        configs = list(dict.fromkeys(replace(config, seed=grid.seeds[0]) for config in grid.configs))
        if len(configs) > 1:
            raise ValueError(f"{' '.join(words)}: {len(configs)} encodings or sizes; check one at a time")
        encoding_report.refuse_several(configs[0])
        rows = encoding_report.check_encoding(configs[0])
    return EncodingCheck(f"pe={name}", rows, encoding_report.describe_verdict(f"pe={name}", rows))


@contextlib.contextmanager
def _offered(encoding: Any) -> Any:
    """Inside the block the class is a part of the group pe. Raises ValueError for anything else than such a class."""
    from stackcli.config import defaults
    from stackcli.pe.base import PositionEncoding

    if not (isinstance(encoding, type) and issubclass(encoding, PositionEncoding)):
        raise ValueError(
            f"{encoding!r}: no encoding; give a name such as 'rope', or a subclass of stackcli.pe.base.PositionEncoding"
        )
    with registry.offer_part("pe", encoding) as name:
        try:
            yield name
        finally:  # a class that is defined again may have other keys
            defaults.part_defaults.cache_clear()
            defaults.compose_settings.cache_clear()
