"""`check`: an encoding's checks as a table, and its position table without and with the remedy as a figure."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common import registry
from stackcli.common.records import dumps
from stackcli.common.wording import count_noun, format_setting
from stackcli.config.settings import Config
from stackcli.diagnostics import checked_property, encoding_checks, position_tables
from stackcli.experiment.console import Console
from stackcli.experiment.identity import digest
from stackcli.experiment.store import Store


def show_report(configs: Sequence[Config], out: Path, *, json: bool, formats: Sequence[str]) -> int:
    """Prints a table for each encoding and the verdict; returns 1 where a check failed, else 0. Raises ValueError for
    wrong sizes."""
    for config in configs:
        refuse_several(config)
    if formats:
        Store(out)  # raises before anything is measured where no figure can be written
    found: dict[str, list[checked_property.Property]] = {}
    for config in configs:
        name, max_len = name_encoding(config, configs), encoding_checks.input_length(config)
        found[name] = check_encoding(config)
        if not json:
            Console().print(*([name] if len(configs) > 1 else []), check_table(found[name]), sep="\n", highlight=False)
        for path in draw_check(config, max_len, out, formats):
            print(f"wrote {path}", file=sys.stderr)
    if json:
        rows = [{"encoding": name, **row._asdict()} for name, each in found.items() for row in each]
        print(dumps(rows, ascii_only=True))
    else:
        print(describe_verdicts(found))
    return int(any(row.mark == "failed" for rows in found.values() for row in rows))


def refuse_several(config: Config) -> None:
    """Raises ValueError where layers have different encodings."""
    if len(config.kinds("pe")) > 1:
        raise ValueError(f"check looks at one encoding at a time; write pe={config.pe.name} without pe.by_layer")


def check_encoding(config: Config) -> list[checked_property.Property]:
    """Checks the encoding of a config, property by property. Raises ValueError for wrong sizes."""
    with registry.blame_part("pe", config.pe.name):
        return encoding_checks.certify(config, encoding_checks.input_length(config))


def name_encoding(config: Config, configs: Sequence[Config]) -> str:
    """Names an encoding by the settings in which it differs from the others: pe=rope."""
    flats = [other.flat() for other in configs]
    keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if key != "seed"]
    differ = [key for key in keys if len({repr(flat.get(key)) for flat in flats}) > 1 and not key.startswith("pe.")]
    same = [other for other in configs if other.pe.name == config.pe.name]
    own = [key for key in config.flat() if key.startswith("pe.") and len({repr(o.flat().get(key)) for o in same}) > 1]
    return " ".join(f"{key}={format_setting(config.flat()[key])}" for key in dict.fromkeys(["pe", *differ, *own]))


def describe_verdicts(found: Mapping[str, Sequence[checked_property.Property]]) -> str:
    """Says in one line whether all is well, or what is wrong with which encoding."""
    failed = {name: [row.name for row in rows if row.mark == "failed"] for name, rows in found.items()}
    wrong = [f"{name} ({', '.join(rows)})" for name, rows in failed.items() if rows]
    if len(found) == 1:
        ((name, rows),) = found.items()
        return describe_verdict(name, rows)
    if wrong:
        return f"{len(wrong)} of {len(found)} encodings failed a check: {', '.join(wrong)}."
    warned = [name for name, rows in found.items() if any(row.mark == "warning" for row in rows)]
    also = f"; warnings for {', '.join(warned)}" if warned else ""
    return f"{len(found)} encodings: no check failed{also}."


def describe_verdict(name: str, rows: Sequence[checked_property.Property]) -> str:
    """Says how many checks passed and which did not, in one sentence."""
    by_mark = {mark: [row.name for row in rows if row.mark == mark] for mark in ("passed", "warning", "failed")}
    passed, warnings, failed = by_mark.values()
    said = [f"{count_noun(len(passed), 'checks')} passed"]
    said += [f"{count_noun(len(warnings), 'warnings')} ({', '.join(warnings)})"] if warnings else []
    said += [f"{len(failed)} failed ({', '.join(failed)})" if failed else "none failed"]
    return f"{name}: {', '.join(said)}."


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
