"""An encoding's table before training, without and with a remedy."""

import numpy as np
import pytest

from stackcli.figures import _encoding
from tests.figures import factory

PLACES = np.arange(6.0)[:, None]
# spans 5, 2.5 and 0: the last dimension is flat
TABLE = np.hstack([PLACES, 0.5 * PLACES[::-1], np.full((6, 1), 3.0)])


def test_a_table_is_drawn_with_the_span_of_each_dimension_and_its_singular_values() -> None:
    figure = _encoding.draw_encoding({"before": TABLE, "after": 2 * TABLE}, flat=0.02)
    assert figure is not None
    factory.check(figure)
    before, after, reach, values = figure.axes[:4]
    assert np.allclose(factory.cells(before), TABLE) and np.allclose(factory.cells(after), 2 * TABLE)
    assert {axes.collections[0].get_clim() for axes in (before, after)} == {(-10.0, 10.0)}  # one scale, symmetric
    spans, dotted, sizes = (np.asarray(line.get_ydata()) for line in (*reach.lines[::2], values.lines[0]))
    assert spans == pytest.approx([1.0, 0.5, 1e-5]) and set(dotted) == {0.02}
    assert sizes == pytest.approx([1.0])  # the centred columns are multiples of one another: the rest is rounding
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", "after"]
    assert figure.get_supxlabel() == "dotted: below it a dimension is called flat (2 %)"
