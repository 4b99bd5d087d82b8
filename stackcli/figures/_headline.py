"""Writes the question that a figure answers above it, and when or on what its numbers were measured."""

from typing import Any
from weakref import WeakKeyDictionary

from matplotlib.figure import Figure

from stackcli.figures._style import GREY, HEADLINE, SIZE
from stackcli.figures._words import fit, safe_text, width

_QUESTIONS: WeakKeyDictionary[Figure, tuple[str, str, int]] = WeakKeyDictionary()
BOLD = 1.13  # bold letters are so much wider


def headline(figure: Figure, question: str, when: str = "", *, lines: int = 3) -> None:
    """Sets the question that the figure answers, one sentence, and the time or the part of the data that its numbers
    belong to, or another text of at most `lines` lines. They are written above everything else when the layout is done,
    and the figure grows by their height."""
    _QUESTIONS[figure] = (safe_text(question), safe_text(when), lines)


def place_headline(figure: Figure) -> None:
    """Writes the headline and moves everything else down. The layout must be done already."""
    if figure not in _QUESTIONS:
        return
    question, when, most = _QUESTIONS.pop(figure)
    room = figure.get_figwidth() * 72 - 6
    first = fit(question, room / BOLD, lines=3, size=HEADLINE)
    beside = width(first.split("\n")[-1], HEADLINE) * BOLD + 8 + width(when) <= room and "\n" not in first
    second = fit(when, room, lines=most) if when and not beside else ""
    heights = [(first.count("\n") + 1) * 1.25 * HEADLINE, (second.count("\n") + 1) * 1.25 * SIZE if second else 0.0]
    _move_down(figure, (sum(heights) + 4) / 72)
    top, height = 1 - 2 / (figure.get_figheight() * 72), figure.get_figheight() * 72
    look: dict[str, Any] = {"ha": "left", "va": "top", "linespacing": 1.15}
    figure.text(0.01, top, first, size=HEADLINE, weight="bold", gid="headline", **look)
    if second:
        ink = GREY if most <= 3 else "black"  # a text is to be read
        figure.text(0.01, top - heights[0] / height, second, size=SIZE, color=ink, gid="when", **look)
    elif when:
        at, down = 0.01 + (width(first, HEADLINE) * BOLD + 8) / (room + 6), (HEADLINE - SIZE) / height
        figure.text(at, top - down, when, size=SIZE, color=GREY, gid="when", **look)


def _move_down(figure: Figure, inches: float) -> None:
    """Makes the figure higher at its top, and keeps the size of everything in it."""
    before = figure.get_figheight()
    share = before / (before + inches)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    for text in figure.texts:
        text.set_y(text.get_position()[1] * share)
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, share), transform=figure.transFigure)
    figure.set_figheight(before + inches)
