"""The question above a figure: everything else keeps its size and place."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from stackcli.figures import _figure, _headline, base
from tests.figures import factory


@_figure.draw_in_style
def drawn(question: str, when: str) -> Figure:
    figure, ((axes,),) = _figure.new(4.0, 2.0)
    axes.set(xlabel="depth (blocks)", ylabel="loss (nats)")
    _figure.legend(figure, [(base.swatch(color="black"), "a line")])
    _figure.note(figure, "small print")
    if question:
        _headline.headline(figure, question, when)
    return figure


def inches(figure: Figure) -> tuple[float, float, float]:
    """Height of the panel, and the distance of its bottom and of the legend's from the bottom of the figure."""
    box = figure.axes[0].get_position()
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent().y0 / figure.dpi
    return box.height * figure.get_figheight(), box.y0 * figure.get_figheight(), legend


@pytest.mark.parametrize("when", ["", "at the end", "a long remark " * 12])
@pytest.mark.parametrize(
    "question", ["Is it so?", "Is it so, or is it otherwise, in every case that was tried here so far?"]
)
def test_the_figure_grows_and_nothing_else_moves(question: str, when: str) -> None:
    figure, plain = drawn(question, when), drawn("", "")
    assert figure is not None and plain is not None
    factory.check(figure)
    assert figure.get_figheight() > plain.get_figheight()
    assert inches(figure) == pytest.approx(inches(plain), abs=0.01)
    (head,) = [text for text in figure.texts if text.get_gid() == "headline"]
    assert head.get_text().replace("\n", " ") == question
    words = [text.get_text().replace("\n", " ") for text in figure.texts if text.get_gid() == "when"]
    assert words == ([when.strip()] if when else [])


@pytest.mark.parametrize("name", base.figure_names())
def test_every_figure_has_a_question(name: str) -> None:
    source = (Path(base.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    shared = [f"_{part}.draw(" for part in ("curves", "profiles")]
    assert "base.headline(" in source or any(call in source for call in shared)
