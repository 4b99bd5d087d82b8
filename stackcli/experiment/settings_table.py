"""`list settings` as a table."""

from collections.abc import Sequence

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.config.settings_list import Setting

NAMED = 4  # parts that a row names


def settings_table(rows: Sequence[Setting]) -> TerminalTable:
    """Returns a row for each setting: its default, what may be written, its meaning and the parts that have it; as a
    list where the terminal is too narrow."""
    table = TerminalTable(("setting", "default", "allowed", "meaning"), left=range(4), wrap=(1, 2, 3), whole=True)
    for row in rows:
        more = f" and {len(row.parts) - NAMED} more" if len(row.parts) > NAMED else ""
        which = f" (of {', '.join(row.parts[:NAMED])}{more})" if row.parts else ""
        table.add_row(row.key, row.default, row.allowed, f"{row.help}{which}".strip())
    return table
