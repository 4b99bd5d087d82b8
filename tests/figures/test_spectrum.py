"""Spectrum: singular values of the centred tables of the frame."""

import numpy as np
import pytest

from stackcli.figures import base
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = base.load_figure("spectrum")(factory.CASES[case]())
    if figure is not None:
        factory.check(figure)


def test_values_are_those_of_the_centred_table() -> None:
    frames = factory.study({"pe": ["learned", "none"]}, seeds=2)
    (axes,) = factory.draw("spectrum", frames).axes
    (line,) = factory.labelled(axes, "pe=learned")
    (table,) = frames.position.loc[frames.position["seed"] == 0, "values"]
    sizes = np.linalg.svd(table - table.mean(0), compute_uv=False)
    assert np.allclose(line.get_ydata(), (sizes / sizes[0])[: len(line.get_ydata())])
    assert len(line.get_ydata()) >= 15


def test_encodings_without_a_table_draw_nothing() -> None:
    assert base.load_figure("spectrum")(factory.study({"pe": ["relative", "none"]})) is None
