"""`check`: an encoding's checks as a table, and its position table without and with the remedy as a figure."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common import registry
from stackcli.common.records import dumps
from stackcli.common.wording import count_noun
from stackcli.config.settings import Config
from stackcli.diagnostics import checked_property, encoding_checks, position_tables
from stackcli.experiment.identity import digest
from stackcli.experiment.store import Store


def show_report(config: Config, out: Path, *, json: bool, formats: Sequence[str]) -> int:
    """Prints the table and the verdict; returns 1 where a check failed, else 0. Raises ValueError for wrong sizes."""
    if len(config.kinds("pe")) > 1:
        raise ValueError(f"check looks at one encoding; write pe={config.pe.name} without pe.by_layer")
    max_len = encoding_checks.input_length(config)
    if formats:
        Store(out)  # raises before anything is measured where no figure can be written
    with registry.blame_part("pe", config.pe.name):
        found = encoding_checks.certify(config, max_len)
    if json:
        print(dumps([row._asdict() for row in found], ascii_only=True))
    else:
        Console().print(check_table(found))
        print(describe_verdict(config.pe.name, found))
    for path in draw_check(config, max_len, out, formats):
        print(f"wrote {path}", file=sys.stderr)
    return int(any(row.mark == "failed" for row in found))


def describe_verdict(name: str, rows: Sequence[checked_property.Property]) -> str:
    """Says how many checks passed and which did not, in one sentence."""
    by_mark = {mark: [row.name for row in rows if row.mark == mark] for mark in ("passed", "warning", "failed")}
    passed, warnings, failed = by_mark.values()
    said = [f"{count_noun(len(passed), 'checks')} passed"]
    said += [f"{count_noun(len(warnings), 'warnings')} ({', '.join(warnings)})"] if warnings else []
    said += [f"{len(failed)} failed ({', '.join(failed)})" if failed else "none failed"]
    return f"pe={name}: {', '.join(said)}."


def check_table(rows: Sequence[checked_property.Property]) -> TerminalTable:
    """Returns the checks as a table for a terminal; as a list where the terminal is too narrow."""
    table = TerminalTable(("property", "found", "", "evidence"), left=range(4), wrap=(1, 3), whole=True)
    for row in rows:
        table.add_row(row.name, row.found, row.mark, row.evidence)
    return table


def draw_check(config: Config, max_len: int, out: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the position table of an additive encoding, without and with the remedy; returns the paths."""
    rows = position_tables.position_table(config, max_len)
    if rows is None or not formats:
        return []
    from stackcli.figures._encoding import draw_encoding
    from stackcli.figures._figure import save

    better = position_tables.with_remedy(config)
    tables = {"before" if better else f"pe={config.pe.name}": rows.numpy()}
    after = None if better is None else position_tables.position_table(better, max_len)
    if after is not None:
        tables["after: pe.base=auto"] = after.numpy()
    figure = draw_encoding(tables, position_tables.FLAT)
    assert figure is not None
    store = Store(out)
    store.create()
    name = f"pe={config.pe.name}-{digest({**config.pe.options, 'dim': config.dim, 'max_len': max_len})[:8]}"
    return save(figure, out / "checks" / name, formats)
