"""The console of rich for every encoding."""

import sys
from typing import Any

import rich.console
from rich.text import Text

from stackcli.common.encodable import make_encodable


class Console(rich.console.Console):
    """A console whose cells of text hold only what its encoding has, so that a table stays in line. In a notebook it
    writes plain lines to its stream, which calls itself a terminal there; Rich would show HTML in the cell."""

    def __init__(self, **given: Any) -> None:
        plain = {"force_terminal": False} if "ipykernel" in sys.modules else {}
        super().__init__(**{"force_jupyter": False, **plain, **given})

    def render_str(self, text: str, **given: Any) -> Text:
        return super().render_str(make_encodable(text, self.encoding), **given)
