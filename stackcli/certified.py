"""`check`: the certificate of an encoding as a table, and its position table before and after the mend as a figure."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from stackcli import certify, parts
from stackcli.record import dumps
from stackcli.settings import Config
from stackcli.store import Store, digest


def show(config: Config, out: Path, *, json: bool, formats: Sequence[str]) -> int:
    """Prints the table; returns 1 where something is at fault, else 0. Raises ValueError for sizes that do not fit."""
    max_len = certify.input_length(config)
    if formats:
        Store(out)  # where no figure can be written nothing is measured
    with parts.blaming("pe", config.pe.name):
        found = certify.certify(config, max_len)
    if json:
        print(dumps([row._asdict() for row in found], ascii_only=True))
    else:
        Console().print(table(found))
    for path in draw(config, max_len, out, formats):
        print(f"wrote {path}", file=sys.stderr)
    return int(any(row.mark == "fault" for row in found))


def table(rows: Sequence[certify.Property]) -> Table:
    """For a terminal of 80 columns."""
    made = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for head in ("property", "found", "", "evidence"):
        made.add_column(head, overflow="fold", no_wrap=head == "")
    for row in rows:
        made.add_row(row.name, row.found, row.mark, row.evidence)
    return made


def draw(config: Config, max_len: int, out: Path, formats: Sequence[str]) -> list[Path]:
    """The figure, where the encoding has an additive table and figures are wanted."""
    rows = certify.position_table(config, max_len)
    if rows is None or not formats:
        return []
    from stackcli.figures._encoding import encoding
    from stackcli.figures._figure import save

    better = certify.mended(config)
    tables = {"before" if better else f"pe={config.pe.name}": rows.numpy()}
    after = None if better is None else certify.position_table(better, max_len)
    if after is not None:
        tables["after: pe.base=auto"] = after.numpy()
    figure = encoding(tables, certify.FLAT)
    assert figure is not None
    store = Store(out)
    store.create()
    name = f"pe={config.pe.name}-{digest({**config.pe.options, 'dim': config.dim, 'max_len': max_len})[:8]}"
    return save(figure, out / "checks" / name, formats)
