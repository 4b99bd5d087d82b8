"""Prepares figures saved as SVG to stand together inside one HTML page.

A strict content policy forbids inline styles, so they become presentation attributes, which look the same. Names inside
a figure get a prefix, as several figures use the same ones. What many figures repeat, letters and whole texts such as
the labels of ticks, is written once a page.
"""

import base64
import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

import numpy as np
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
STYLE = re.compile(r"([\w-]+)\s*:\s*([^;]+)")
NUMBER = re.compile(r"-?\d+\.\d+")
COORDINATES = ("d", "x", "y", "points", "width", "height")
TRANSLATION = re.compile(r"(?<=translate\()[^)]*")
MOVED = re.compile(r"translate\((\S+) (\S+)\)")
GLYPH = re.compile(r".+-[0-9a-f]+")  # the id of a letter: font, hyphen, number
GREY = re.compile(r"#(.)\1(.)\2(.)\3")
REFERENCE = re.compile(r"url\(#([^)]*)\)")
PNG = "data:image/png;base64,"
INHERITED = {
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
}  # what matplotlib's style sheet says of every element
DRAWN = {"svg", "g", "path", "use", "defs", "clipPath", "rect", "image", "polygon", "circle", "text", "tspan"}
DRAWN |= {"linearGradient", "stop", "filter", "feFlood", "feComposite", "pattern", "ellipse", "line", "polyline"}


class SvgSheet:
    """The figures of one page, and the letters and texts that they share."""

    def __init__(self) -> None:
        self._shared: dict[str, Xml.Element] = {}  # element without its id, as text -> element

    def add(self, file: str, prefix: str, label: str) -> str:
        """Returns a figure as an `<svg>` element.

        file: what matplotlib wrote; prefix: comes before the names inside, another for each figure of a page; label: is
        read out in place of the figure. Raises ValueError for an element that no drawing needs, such as a script."""
        root = Xml.fromstring(file)
        _delete(root, {SVG + "metadata", SVG + "style"})
        if found := sorted({element.tag.removeprefix(SVG) for element in root.iter()} - DRAWN):
            raise ValueError(f"the figure {label} holds the element {found[0]}, which a page cannot show")
        for element in root.iter():
            _simplify(element)
        letters = self._take_letters(root)
        names = _rename(root, prefix, letters)
        _delete(root, {"defs"}, empty=True)
        _unwrap(root)
        self._share_texts(root, set(letters.values()))
        _drop_repeated(root, names)
        width = float(root.get("viewBox", "0 0 241 0").split()[2])
        for name in ("width", "height", "version"):
            root.attrib.pop(name, None)
        root.attrib.update({**INHERITED, "role": "img", "aria-label": label, "width": f"{width * 96 / 72:.0f}"})
        return _write(root)

    def shared(self) -> str:
        """Returns the element with what the figures share; it takes no room on the page."""
        inside = "".join(_write(element) for element in self._shared.values())
        return f'<svg class="shared" width="0" height="0" aria-hidden="true"><defs>{inside}</defs></svg>'

    def _share(self, element: Xml.Element) -> str:
        """Returns the id of an element on the page; equal elements are one."""
        kept = self._shared.setdefault(_write(element), element)
        if "id" not in kept.attrib:
            kept.set("id", f"t{len(self._shared) - 1}")
        return kept.attrib["id"]

    def _take_letters(self, root: Xml.Element) -> dict[str, str]:
        """Takes the outlines of letters out of a figure; returns id in the figure -> id on the page."""
        found = {}
        for defs in list(root.iter("defs")):
            for path in list(defs):
                if path.tag == "path" and GLYPH.fullmatch(path.get("id", "")):
                    name = path.attrib.pop("id")
                    found[name] = self._share(path)
                    defs.remove(path)
        return found

    def _share_texts(self, root: Xml.Element, letters: set[str]) -> None:
        """Replaces the letters of each text by a reference to the text."""
        for group in [*root.iter("g")]:
            links = [child.get("href", "")[1:] if child.tag == "use" else "" for child in group]
            if links and letters.issuperset(links) and "transform" in group.attrib:
                where, scale, size = group.attrib.pop("transform").partition("scale")
                text = Xml.Element("g", {"transform": scale + size} if scale else {})
                text[:] = list(group)
                group.tag, group[:] = "use", []
                group.attrib.update({**_place(where.strip()), "href": f"#{self._share(text)}"})


def _write(element: Xml.Element) -> str:
    return Xml.tostring(element, encoding="unicode").replace(" />", "/>")


def _delete(root: Xml.Element, tags: set[str], *, empty: bool = False) -> None:
    """Deletes elements of these tags; with `empty` only those without content."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in tags and not (empty and len(child)):
                parent.remove(child)


def _unwrap(element: Xml.Element) -> None:
    """Puts the content of groups that say nothing in their place."""
    children = []
    for child in element:
        _unwrap(child)
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = children


def _simplify(element: Xml.Element) -> None:
    """Writes an element without namespace, white space, inline style and needless digits."""
    element.tag = element.tag.removeprefix(SVG)
    if element.tag not in ("text", "tspan"):
        element.text = None
    element.tail = None
    for name, value in STYLE.findall(element.attrib.pop("style", "")):
        element.set(name, GREY.sub(r"#\1\2\3", value.strip()))
    if LINK in element.attrib:
        element.set("href", element.attrib.pop(LINK))
    if element.tag == "image":
        element.set("href", compress_image(element.get("href", "")))
    for name in COORDINATES:
        if name in element.attrib:
            value = NUMBER.sub(_shorten, " ".join(element.attrib[name].split()))
            element.set(name, re.sub(r" ?([A-Za-z]) ?", r"\1", value) if name == "d" else value)
    if "transform" in element.attrib:
        place = TRANSLATION.sub(lambda m: NUMBER.sub(_shorten, m[0]), element.attrib.pop("transform"))
        element.attrib.update(_place(place) if element.tag == "use" else {"transform": place})


def _place(transform: str) -> dict[str, str]:
    """Returns the attributes that move a reference: the shorter x and y where it is only moved."""
    only = MOVED.fullmatch(transform)
    if not only:
        return {"transform": transform} if transform else {}
    return {name: value for name, value in zip("xy", only.groups(), strict=True) if value != "0"}


def _shorten(number: re.Match[str]) -> str:
    """Two digits behind the point, a hundredth of a point on paper."""
    return f"{float(number[0]):z.2f}".rstrip("0").rstrip(".")


def compress_image(link: str) -> str:
    """Returns an image of at most 256 colours, as any heat map is, with a palette: the same pixels in a fifth of the
    bytes. Raises ValueError for a link to anything but an image inside the file."""
    if not link.startswith(PNG):
        raise ValueError("a figure refers to an image outside itself, which a page cannot show")
    with Image.open(io.BytesIO(base64.b64decode(link.removeprefix(PNG)))) as image:
        pixels = np.array(image.convert("RGBA"))
    colours, index = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    out, packed = io.BytesIO(), Image.fromarray(pixels)
    if len(colours) <= 256:
        packed = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8))
        packed.putpalette(colours.astype(np.uint8).tobytes(), "RGBA")
    packed.save(out, "png", optimize=True)
    return PNG + base64.b64encode(out.getvalue()).decode()


def _rename(root: Xml.Element, prefix: str, letters: dict[str, str]) -> dict[str, Xml.Element]:
    """Gives what is referred to short names with the prefix, and drops all other names; returns name -> element."""
    used = dict.fromkeys(name for element in root.iter() for name in _references(element) if name not in letters)
    names = {name: f"{prefix}{number}" for number, name in enumerate(used)}
    found = {}
    for element in root.iter():
        name = names.get(element.attrib.pop("id", ""))
        if name:
            element.set("id", name)
            found[name] = element
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                element.set("href", f"#{letters.get(value[1:]) or names[value[1:]]}")
            elif "url(#" in value:
                element.set(key, REFERENCE.sub(lambda m: f"url(#{names[m[1]]})", value))
    return found


def _references(element: Xml.Element) -> Iterator[str]:
    for key, value in element.attrib.items():
        yield from REFERENCE.findall(value)
        if key == "href" and value.startswith("#"):
            yield value[1:]


def _drop_repeated(root: Xml.Element, names: dict[str, Xml.Element]) -> None:
    """Drops the attributes of a reference that the element itself has, and which therefore count for nothing."""
    for use in root.iter("use"):
        target = names.get(use.get("href", "")[1:])
        for key in set(use.attrib) - {"href", "x", "y", "transform"} if target is not None else ():
            if target is not None and key in target.attrib:
                del use.attrib[key]
