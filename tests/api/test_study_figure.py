"""A figure shows itself, and is saved as asked."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

import stackcli as sa


@pytest.fixture(scope="module")
def figure(study: sa.Study) -> sa.StudyFigure:
    return study.figure("accuracy")


def test_a_notebook_gets_an_svg_and_a_png_of_the_size_of_the_figure(figure: sa.StudyFigure) -> None:
    inches = figure.figure.get_size_inches()
    width = float(ElementTree.fromstring(figure._repr_svg_()).attrib["width"].removesuffix("pt"))
    assert width == pytest.approx(72 * inches[0], abs=0.1)
    pixels, shown = figure._repr_png_()
    assert pixels[:8] == b"\x89PNG\r\n\x1a\n" and shown["width"] == round(96 * inches[0])
    assert struct.unpack(">I", pixels[16:20])[0] == pytest.approx(200 * inches[0], abs=1)


@pytest.mark.parametrize(("ending", "first"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_figure_is_saved_by_the_ending_of_its_path(
    figure: sa.StudyFigure, ending: str, first: bytes, tmp_path: Path
) -> None:
    path = figure.save(tmp_path / "new" / f"a.b.{ending}")
    assert path == tmp_path / "new" / f"a.b.{ending}" and path.read_bytes().startswith(first)


def test_another_ending_is_refused(figure: sa.StudyFigure, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.gif: figures are saved as png, svg, pdf; write accuracy\.png"):
        figure.save(tmp_path / "a.gif")


def test_what_is_changed_in_the_figure_is_saved(study: sa.Study) -> None:
    figure = study.figure("accuracy")
    before = figure._repr_svg_()
    figure.figure.text(0.5, 0.5, "mine")
    assert figure._repr_svg_() != before
