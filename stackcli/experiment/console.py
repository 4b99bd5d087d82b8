"""The console of rich for every encoding."""

from typing import Any

import rich.console
from rich.text import Text

from stackcli.common.encodable import make_encodable


class Console(rich.console.Console):
    """A console whose cells of text hold only what its encoding has, so that a table stays in line. In a notebook it
    writes to its stream too, where Rich would show HTML in the cell."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"force_jupyter": False, **given})

    def render_str(self, text: str, **given: Any) -> Text:
        return super().render_str(make_encodable(text, self.encoding), **given)
