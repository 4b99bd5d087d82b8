"""`list pe`: every encoding with its cost at the current size, what it is beyond the trained length, what it needs."""

from typing import NamedTuple

from rich import box
from rich.table import Table

from stackcli import parts
from stackcli.certify import input_length
from stackcli.settings import Config

BEYOND = {"exact": "exact", "defined": "untrained", "refused": "refused"}


class Entry(NamedTuple):
    """An encoding: its line, trained numbers in a whole stack, and needs in words."""

    name: str
    line: str
    parameters: int | None
    beyond: str
    needs: str


def entries(config: Config) -> list[Entry]:
    """Every encoding at the sizes of the config, with its own default keys; where it refuses them, why."""
    max_len = input_length(config)
    found = []
    for name in parts.names("pe"):
        kind = parts.load("pe", name)
        line, beyond = parts.summary("pe", name), BEYOND[kind.beyond]
        try:
            made = kind(dim=config.dim, heads=config.heads, max_len=max_len)
        except ValueError as error:
            found.append(Entry(name, line, None, beyond, str(error)))
            continue
        times = config.depth if kind.per_layer else 1
        needs = ["a tree"] if kind.needs_tree else []
        needs += [] if made.fused else ["explicit kernel"]
        found.append(Entry(name, line, times * sum(p.numel() for p in made.parameters()), beyond, ", ".join(needs)))
    return found


def table(rows: list[Entry], config: Config) -> Table:
    """For a terminal of 80 columns."""
    head = f"depth={config.depth} dim={config.dim} heads={config.heads}"
    made = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=f"parameters at {head}; "
                 "longer: positions beyond the trained length", caption_justify="left")  # fmt: skip
    made.add_column("pe", no_wrap=True)
    made.add_column("what, who, when, where", overflow="fold")
    made.add_column("param-\neters", justify="right", no_wrap=True)
    made.add_column("longer", no_wrap=True)
    made.add_column("needs", max_width=12, overflow="fold")
    for row in rows:
        numbers = "-" if row.parameters is None else f"{row.parameters:,}"
        made.add_row(row.name, row.line, numbers, row.beyond, row.needs)
    return made
