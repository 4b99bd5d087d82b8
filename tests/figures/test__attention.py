"""Attention maps of one text."""

import numpy as np
import pytest

from stackcli.figures._attention import HEADS, LAYERS, TOKENS, draw_attention


def maps(layers: int, heads: int, length: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.dirichlet(np.ones(length), (heads, length)) for _ in range(layers)]


@pytest.mark.parametrize(
    ("layers", "heads", "length"),
    [(1, 1, 1), (2, 8, 20), (8, 2, 9), pytest.param(16, 12, 60, marks=pytest.mark.slow)],
)
def test_each_panel_holds_the_weights_of_a_head_with_the_first_query_on_top(
    layers: int, heads: int, length: int
) -> None:
    given = maps(layers, heads, length)
    figure = draw_attention(given, [f"t{i}" for i in range(length)])
    assert figure is not None
    panels = [axes for axes in figure.axes if "head" in axes.get_title()]
    assert len(panels) == min(layers, LAYERS) * min(heads, HEADS)
    first, shown = panels[0], min(length, TOKENS)
    assert first.get_title() == "layer 1, head 1" and first.yaxis_inverted()
    drawn = (first.images or first.collections)[0].get_array()
    assert drawn is not None
    assert np.allclose(np.asarray(drawn).reshape(shown, shown), given[0][0, :shown, :shown])
    assert [label.get_text() for label in first.get_yticklabels()] == [f"t{i}" for i in range(shown)]
    notes = " ".join(text.get_text() for text in figure.texts)
    for what, there, most in (("layers", layers, LAYERS), ("heads", heads, HEADS), ("tokens", length, TOKENS)):
        assert (f"{most} of {there} {what} shown" in notes) == (there > most)


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_attention([], ["a"]) is None
