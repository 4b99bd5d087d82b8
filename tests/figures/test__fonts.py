"""Letters of any script: drawn with a font that has them, or numbered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

from stackcli.figures import _fonts, base
from tests.figures import factory

LETTER = "\U000f0001"  # private use: no other font has it
OTHER = "\U000f0002"


@pytest.fixture
def no_other_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only DejaVu Sans is installed."""
    only = [entry for entry in fontManager.ttflist if entry.name == _fonts.FIRST]
    monkeypatch.setattr(fontManager, "ttflist", only)
    monkeypatch.setattr(_fonts, "findSystemFonts", lambda: [])
    _fonts.forget_fonts()
    yield
    monkeypatch.undo()
    _fonts.forget_fonts()


def make_font(path: Path, letter: str) -> None:
    """Writes a font whose only letter is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(corner)
    pen.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord(letter): "square"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (500, 0), "square": (800, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Stackattn Square", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)


@pytest.mark.usefixtures("no_other_font")
def test_a_letter_of_another_installed_font_is_drawn_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_font(tmp_path / "square.ttf", LETTER)
    monkeypatch.setattr(_fonts, "findSystemFonts", lambda: [str(tmp_path / "square.ttf")])  # after matplotlib's list
    _fonts.forget_fonts()
    _fonts.begin_figure()
    assert _fonts.drawable(f"class {LETTER}") == f"class {LETTER}" and not _fonts.numbered_texts()
    assert _fonts.families() == ["DejaVu Sans", "Stackattn Square"]
    assert _fonts.drawable(OTHER) == "#1"
    _fonts.begin_figure()
    assert _fonts.families() == ["DejaVu Sans"]  # a figure looks alike whatever was drawn before it
    assert _fonts.drawable(LETTER) == LETTER and _fonts.families() == ["DejaVu Sans", "Stackattn Square"]


@pytest.mark.usefixtures("no_other_font")
def test_what_no_font_has_is_numbered_in_the_figure_with_a_key_beside_it(tmp_path: Path) -> None:
    names = (f"{LETTER}{OTHER}", "plain", f"{OTHER} b", f"a {LETTER}{OTHER}")
    figure = factory.draw("confusion", factory.study(classes=names, seeds=1))
    factory.check(figure)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["#1", "plain", "#2 b", "a #1"]
    assert (
        "#1 to #2: no installed font has these letters; the key is in the .names.txt beside the figure"
        in figure.get_supxlabel().replace("\n", " ")
    )
    paths = base.save(figure, tmp_path / "confusion", ("png",))
    assert [path.name for path in paths] == ["confusion.png", "confusion.names.txt"]
    assert paths[1].read_text(encoding="utf-8") == f"#1: {LETTER}{OTHER}\n#2: {OTHER}\n"


@pytest.mark.usefixtures("no_other_font")
def test_numbers_begin_anew_in_each_figure_and_common_scripts_need_none() -> None:
    for _ in range(2):
        _fonts.begin_figure()
        assert _fonts.drawable(OTHER) == "#1"
    _fonts.begin_figure()
    for text in ("Ελληνικά", "русский", "naïve – ±½", "العربية"):
        assert _fonts.drawable(text) == text
    assert _fonts.remark() == ""


def test_no_glyph_is_missing_in_a_figure_with_any_names(recwarn: Any) -> None:
    factory.draw("confusion", factory.CASES["names as typed"]()).draw_without_rendering()
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
