"""Figures inside a page: the same picture, without inline styles, and with names of their own."""

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from PIL import Image

from stackcli.figures import base
from stackcli.figures._inline_svg import PNG, SvgSheet, compress_image
from tests.figures.factory import CASES, draw

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 72 10">'


def saved(name: str, case: str, folder: Path) -> str:
    (path,) = base.save(draw(name, CASES[case]()), folder / name, ("svg",))
    return path.read_text(encoding="utf-8")


def names_of(*texts: str) -> list[str]:
    return [name for text in texts for name in re.findall(r' id="([^"]*)"', text)]


def test_figures_of_a_page_share_no_name_and_refer_to_nothing_that_is_missing(tmp_path: Path) -> None:
    sheet = SvgSheet()
    figures = [sheet.add(saved(name, "two axes", tmp_path), f"{name}-", name) for name in ("accuracy", "fit", "loss")]
    figures.append(sheet.add(saved("accuracy", "two axes", tmp_path), "again-", "again"))
    names = names_of(*figures, sheet.shared())
    assert len(names) == len(set(names)) > 20
    used = {name for text in figures for name in re.findall(r'(?:href="#|url\(#)([^")]*)', text)}
    assert used and used <= set(names)
    assert all(name.startswith(("accuracy-", "fit-", "loss-", "again-", "t")) for name in names)


def test_a_figure_holds_no_style_no_metadata_and_nothing_outside_itself(tmp_path: Path) -> None:
    sheet = SvgSheet()
    text = sheet.add(saved("position", "one run", tmp_path), "x", "position") + sheet.shared()
    assert "style" not in text and "metadata" not in text and "Matplotlib" not in text
    assert set(re.findall(r'href="([^#"][^",]*)', text)) == {"data:image/png;base64"}


def place_of(element: Xml.Element) -> tuple[float, float]:
    return float(element.get("x", 0)), float(element.get("y", 0))


def test_the_attributes_mean_what_the_styles_meant() -> None:
    sheet = SvgSheet()
    file = f"""{HEAD}<defs><style>*{{stroke-linejoin: round}}</style></defs><g id="a"><defs>
      <path id="m1" d="M 0 0 \n L 0 2.5 \n" style="stroke: #000000; stroke-width: 0.6"/></defs>
      <use xlink:href="#m1" x="74.078704" y="-0.001" style="stroke: #000000; fill: #aabbcc"/></g>
      <g style="fill: none" transform="translate(23.954258 -128.28125) scale(0.07 -0.07)"><defs>
      <path id="DejaVuSans-1f" d="M 1 2" transform="scale(0.015625)"/></defs>
      <use xlink:href="#DejaVuSans-1f"/>
      <use xlink:href="#DejaVuSans-1f" transform="translate(63.623047 0)"/></g></svg>"""
    root = Xml.fromstring(sheet.add(file, "p", "a <label>"))
    assert (
        root.get("aria-label") == "a <label>" and root.get("stroke-linejoin") == "round" and root.get("width") == "96"
    )
    (mark,) = root.iter("path")
    assert dict(mark.attrib) == {"d": "M0 0L0 2.5", "id": "p0", "stroke": "#000", "stroke-width": "0.6"}
    use, text = root.iter("use")
    assert dict(use.attrib) == {"href": "#p0", "x": "74.08", "y": "0", "fill": "#abc"}  # the mark has its own stroke
    assert place_of(text) == (23.95, -128.28) and text.get("fill") == "none" and "transform" not in text.attrib
    shared = {element.get("id"): element for element in Xml.fromstring(sheet.shared()).iter()}
    letters = list(shared[text.attrib["href"][1:]])
    assert shared[text.attrib["href"][1:]].get("transform") == "scale(0.07 -0.07)"
    assert [place_of(letter) for letter in letters] == [(0, 0), (63.62, 0)]
    assert shared[letters[0].attrib["href"][1:]].attrib == {"d": "M1 2", "transform": "scale(0.015625)", "id": "t0"}


def test_a_text_that_stands_twice_is_written_once(tmp_path: Path) -> None:
    sheet = SvgSheet()
    sheet.add(saved("accuracy", "five depths", tmp_path), "a", "a")
    once = sheet.shared()
    sheet.add(saved("accuracy", "five depths", tmp_path), "b", "b")
    assert sheet.shared() == once


@pytest.mark.parametrize("inside", ["<script>alert(1)</script>", "<foreignObject/>", '<a xlink:href="http://x"/>'])
def test_what_no_drawing_needs_is_refused(inside: str) -> None:
    with pytest.raises(ValueError, match="holds the element"):
        SvgSheet().add(f"{HEAD}{inside}</svg>", "p", "x")


def test_an_image_outside_the_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="outside itself"):
        SvgSheet().add(f'{HEAD}<image xlink:href="https://example.org/x.png"/></svg>', "p", "x")


def png(pixels: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return PNG + base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("colours", [2, 256, 300])
def test_a_compressed_image_has_the_same_pixels(colours: int) -> None:
    draws = np.random.default_rng(0)
    palette = draws.integers(0, 256, (colours, 4), dtype=np.uint8)
    pixels = palette[np.concatenate([np.arange(colours), draws.integers(0, colours, 2000)])[:2000].reshape(40, 50)]
    link = png(pixels)
    packed = compress_image(link)
    with Image.open(io.BytesIO(base64.b64decode(packed.removeprefix(PNG)))) as image:
        back = np.array(image.convert("RGBA"))
    assert np.array_equal(back, pixels)
    assert len(packed) < 0.5 * len(link) or colours == 300
