"""`list pe`: every encoding with its cost at the current size, what it is beyond the trained length, what it needs."""

from typing import NamedTuple

from rich import box
from rich.table import Table

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.diagnostics.encoding_checks import input_length

BEYOND = {"exact": "exact", "defined": "untrained", "refused": "refused"}


class Entry(NamedTuple):
    """An encoding: its line, trained numbers in a whole stack, and needs in words; `error`: why it cannot be used."""

    name: str
    line: str
    parameters: int | None
    beyond: str
    needs: str
    error: str = ""


def encoding_entries(config: Config) -> list[Entry]:
    """Every encoding at the sizes of the config, with its own default keys; where it refuses them, why. One whose code
    fails is listed with its error."""
    found = []
    for name in registry.part_names("pe"):
        try:
            with registry.blame_part("pe", name):
                found.append(_entry(name, config, input_length(config)))
        except registry.PartError as error:
            found.append(Entry(name, f"cannot be used: {error}", None, "-", "", error=str(error)))
    return found


def _entry(name: str, config: Config, max_len: int) -> Entry:
    kind = registry.load_part("pe", name)
    registry.keys_of("pe", name)  # as a run would read them
    line, beyond = registry.part_summary("pe", name), BEYOND.get(kind.beyond, str(kind.beyond))
    try:
        made = kind(dim=config.dim, heads=config.heads, max_len=max_len)
        needs = ["a tree"] if kind.needs_tree else []
        needs += [] if made.fused else ["explicit kernel"]
    except ValueError as error:
        return Entry(name, line, None, beyond, str(error))
    times = config.depth if kind.per_layer else 1
    return Entry(name, line, times * sum(p.numel() for p in made.parameters()), beyond, ", ".join(needs))


def encoding_table(rows: list[Entry], config: Config) -> Table:
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
