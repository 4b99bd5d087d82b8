"""The figure of surrogates."""

from typing import Any

import numpy as np
import pytest

from stackcli.figures._surrogate import draw_surrogate


def share(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.05}


def curve(*sizes: int) -> list[dict[str, Any]]:
    return [{"size": n, "fidelity": share(0.3 + 0.05 * i), "accuracy": share(0.2)} for i, n in enumerate(sizes)]


@pytest.mark.parametrize("kinds", [("tree",), ("tree", "linear")])
def test_each_panel_holds_fidelity_accuracy_the_stack_and_the_majority(kinds: tuple[str, ...]) -> None:
    given = {
        "unit": "text",
        "stack": {"accuracy": share(0.8)},
        "majority": {"fidelity": share(0.25)},
        "surrogates": {kind: {"curve": curve(2, 4, 8, 16)} for kind in kinds},
    }
    figure = draw_surrogate(given)
    assert figure is not None and len(figure.axes) == len(kinds)
    for axes, unit in zip(figure.axes, ("leaves", "words"), strict=False):
        lines = {str(line.get_label()): line for line in axes.lines}
        assert np.allclose(np.asarray(lines["fidelity"].get_ydata()), [0.3, 0.35, 0.4, 0.45])
        assert np.allclose(np.asarray(lines["accuracy"].get_ydata()), 0.2)
        assert np.allclose(np.asarray(lines["fidelity"].get_xdata()), [2, 4, 8, 16], rtol=0.02)
        levels = [np.asarray(line.get_ydata()) for line in axes.lines]
        assert [level[0] for level in levels if len(level) == 2] == [0.8, 0.25]
        assert axes.get_xlabel() == unit and axes.get_xscale() == "log"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8", "16"]
        bars = [segment for bar in axes.collections for segment in np.asarray(bar.get_segments())]  # type: ignore[attr-defined]
        assert np.allclose(bars[0][:, 1], [0.2, 0.35]) and len(bars) == 8


def test_a_model_without_words_has_an_empty_panel() -> None:
    none = [{"size": 0, "fidelity": share(0.5), "accuracy": share(0.5)}]
    given = {"unit": "sequence", "stack": {"accuracy": share(1.0)}, "majority": {"fidelity": share(0.5)}}
    figure = draw_surrogate({**given, "surrogates": {"tree": {"curve": curve(2, 4)}, "linear": {"curve": none}}})
    assert figure is not None and len(figure.legends[0].get_texts()) == 4
    assert not figure.axes[1].lines and any("no word" in text.get_text() for text in figure.axes[1].texts)


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_surrogate({"surrogates": {}}) is None
