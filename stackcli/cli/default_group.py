"""A command with subcommands, of which one is meant where none is named: `stackattn runs depth=4`."""

from typing import Any

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """Commands of which `list` is the default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `list` before words that begin with no subcommand."""
        known = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if known else ["list", *args])
