"""A figure of a study, which shows itself in a notebook."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class StudyFigure:
    """A figure as `stackattn plot` draws it. `name`; `figure`: matplotlib's Figure, which can be changed before it is
    saved or shown."""

    def __init__(self, name: str, figure: "Figure") -> None:
        self.name, self.figure = name, figure

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the figure as png, svg or pdf, by the ending of the path; returns the path. Raises ValueError for
        another ending."""
        from stackcli.figures import base

        to = Path(path).expanduser()
        if to.suffix[1:] not in base.FORMATS:
            raise ValueError(f"{to}: figures are saved as {', '.join(base.FORMATS)}; write {self.name}.png")
        return base.save(self.figure, to.with_suffix(""), [to.suffix[1:]])[0]

    def _repr_svg_(self) -> str:
        return self._write("svg").decode()

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """The pixels, and the size at which a notebook shows them: 96 pixels an inch."""
        width, height = (round(96 * inches) for inches in self.figure.get_size_inches())
        return self._write("png"), {"width": width, "height": height}

    def _write(self, kind: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder) / f"{self.name}.{kind}").read_bytes()

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"<StudyFigure {self.name}, {width:.1f} x {height:.1f} inches>"
