"""The figure of attacks on a run."""

import numpy as np
import pytest

from stackcli.figures._attack import draw_robustness
from tests.analysis.attacks import report, row


def test_each_panel_holds_an_attack_random_changes_and_the_accuracy_before() -> None:
    rows = [row("typo", budget=b, flips=flips) for b, flips in ((1.0, "1000000"), (3.0, "1110000"))]
    figure = draw_robustness(report(*rows, row("reversal", budget=None)))
    assert figure is not None
    first, second = figure.axes[:2]
    levels = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in first.lines]
    assert levels == [[0.7, 0.7], pytest.approx([0.6, 0.6]), pytest.approx([0.6, 0.4])]
    assert [label.get_text() for label in first.get_xticklabels()] == ["1", "3"]
    assert [label.get_text() for label in second.get_xticklabels()] == ["all"]
    assert first.get_title() == "typo" and second.get_title() == "reversal (label?)"
    bars = [np.asarray(segment)[:, 1] for bar in first.collections for segment in bar.get_segments()]  # type: ignore[attr-defined]
    assert len(bars) == 4 and all(low < high for low, high in bars)


def test_without_rows_nothing_is_drawn() -> None:
    assert draw_robustness(report()) is None
