"""`list pe`: every encoding with its parameters, its behaviour beyond the trained length, and what it needs."""

from typing import NamedTuple

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.diagnostics.encoding_checks import input_length

BEYOND = {"exact": "exact", "defined": "untrained", "refused": "refused"}


class Entry(NamedTuple):
    """An encoding: its summary, its parameters in a whole stack (None: it refuses the sizes), its behaviour beyond the
    trained length, and its needs in words; `error`: why it cannot be used."""

    name: str
    line: str
    parameters: int | None
    beyond: str
    needs: str
    error: str = ""


def encoding_entries(config: Config) -> list[Entry]:
    """Returns every encoding with its default keys, at the sizes of the config. Where an encoding refuses the sizes,
    `needs` says why; an encoding whose code fails is listed with its error."""
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
    registry.keys_of("pe", name)  # fails where a run could not read them
    line, beyond = registry.part_summary("pe", name), BEYOND.get(kind.beyond, str(kind.beyond))
    try:
        encoding = kind(dim=config.dim, heads=config.heads, max_len=max_len)
        needs = ["a tree"] if kind.needs_tree else []
        needs += [] if encoding.fused else ["explicit kernel"]
    except ValueError as error:
        return Entry(name, line, None, beyond, str(error))
    times = config.depth if kind.per_layer else 1
    return Entry(name, line, times * sum(p.numel() for p in encoding.parameters()), beyond, ", ".join(needs))


def encoding_table(rows: list[Entry], config: Config) -> TerminalTable:
    """Returns the entries as a table for a terminal; as a list where the terminal is too narrow."""
    head = f"depth={config.depth} dim={config.dim} heads={config.heads}"
    table = TerminalTable(
        ("pe", "method and source", "param-\neters", "longer", "needs"),
        left=(0, 1, 3, 4),
        wrap=(1, 4),
        whole=True,
        caption=f"parameters at {head}; longer: positions beyond the trained length",
    )
    for row in rows:
        numbers = "-" if row.parameters is None else f"{row.parameters:,}"
        table.add_row(row.name, row.line, numbers, row.beyond, row.needs)
    return table
