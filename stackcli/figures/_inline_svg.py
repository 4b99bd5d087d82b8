"""Prepares figures saved as SVG to stand together inside one HTML page.

A strict content policy forbids inline styles, so they become presentation attributes, which look the same. Names that
several figures use are told apart by a prefix, except those of glyphs: the outline of a letter is written once a page.
"""

import re
from xml.etree import ElementTree as Xml

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
STYLE = re.compile(r"([\w-]+)\s*:\s*([^;]+)")
NUMBER = re.compile(r"-?\d+\.\d+")
COORDINATES = ("d", "x", "y", "points", "width", "height", "stroke-width", "stroke-dashoffset")
ROUNDED = re.compile(r"(?<=translate\()[^)]*")
MOVED = re.compile(r"translate\((\S+) (\S+)\)")  # a letter of a text
REFERENCE = re.compile(r"url\(#([^)]*)\)")
JOINS = {"stroke-linejoin": "round", "stroke-linecap": "butt"}  # what matplotlib's style sheet says of every element
UNSUPPORTED = {"script", "foreignObject", "a", "animate", "set", "iframe"}  # never drawn by matplotlib


class SvgSheet:
    """The figures of one page and the glyphs that they share."""

    def __init__(self) -> None:
        self._glyphs: dict[tuple[str, str], str] = {}  # outline and its scale -> id

    def add(self, text: str, prefix: str, label: str) -> str:
        """Returns a figure as an `<svg>` element. text: the file that matplotlib wrote; prefix: comes before the names
        inside, and differs between the figures of a page; label: read out in place of the figure. Raises ValueError
        for a file with elements that matplotlib does not write."""
        root = Xml.fromstring(text)
        if found := UNSUPPORTED & {element.tag.removeprefix(SVG) for element in root.iter()}:
            raise ValueError(f"the figure {label} holds the element {sorted(found)[0]}; only drawings can be shown")
        _delete(root, {SVG + "metadata", SVG + "style"})
        shared = self._take_glyphs(root)
        for element in root.iter():
            _simplify(element)
        used = {name for element in root.iter() for name in _references(element)}
        for element in root.iter():
            _rename(element, prefix, used, shared)
        _delete(root, {"defs"}, empty=True)
        _unwrap(root)
        for name in ("width", "height", "version"):
            root.attrib.pop(name, None)
        width = float(root.get("viewBox", "0 0 241 0").split()[2])
        root.attrib.update({**JOINS, "role": "img", "aria-label": label, "width": f"{width * 96 / 72:.0f}"})
        return Xml.tostring(root, encoding="unicode", short_empty_elements=True)

    def glyphs(self) -> str:
        """Returns the element with the glyphs of all figures added so far; it takes no room on the page."""
        paths = "".join(f'<path id="{name}" d="{d}" transform="{by}"/>' for (d, by), name in self._glyphs.items())
        return f'<svg class="glyphs" width="0" height="0" aria-hidden="true"><defs>{paths}</defs></svg>'

    def _take_glyphs(self, root: Xml.Element) -> dict[str, str]:
        """Takes the outlines of letters out of a figure; returns id in the figure -> id on the page."""
        shared = {}
        for defs in list(root.iter(SVG + "defs")):
            for path in list(defs):
                name = path.get("id", "")
                if path.tag == SVG + "path" and re.search(r"-[0-9a-f]+$", name) and "style" not in path.attrib:
                    outline = " ".join(path.get("d", "").split()), path.get("transform", "")
                    shared[name] = self._glyphs.setdefault(outline, f"g{len(self._glyphs)}")
                    defs.remove(path)
        return shared


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
    element.text = element.tail = None
    for name, value in STYLE.findall(element.attrib.pop("style", "")):
        element.set(name, value.strip())
    if LINK in element.attrib:
        element.set("href", element.attrib.pop(LINK))
    for name in COORDINATES:
        if name in element.attrib:
            element.set(name, NUMBER.sub(_shorten, " ".join(element.attrib[name].split())))
    if "transform" in element.attrib:
        place = ROUNDED.sub(lambda m: NUMBER.sub(_shorten, m[0]), element.attrib.pop("transform"))
        if element.tag == "use" and (only := MOVED.fullmatch(place)):
            element.attrib.update({"x": only[1]} | ({"y": only[2]} if only[2] != "0" else {}))
        else:
            element.set("transform", place)


def _shorten(number: re.Match[str]) -> str:
    """Two digits behind the point, a hundredth of a point on paper."""
    return f"{float(number[0]):z.2f}".rstrip("0").rstrip(".")


def _references(element: Xml.Element) -> list[str]:
    link = element.get("href", "")
    names = [name for value in element.attrib.values() for name in REFERENCE.findall(value)]
    return [*names, link[1:]] if link.startswith("#") else names


def _rename(element: Xml.Element, prefix: str, used: set[str], shared: dict[str, str]) -> None:
    """Gives the names that are used their names on the page, and drops the others."""
    if "id" in element.attrib:
        name = element.attrib.pop("id")
        if name in used:
            element.set("id", f"{prefix}-{name}")
    for key, value in element.attrib.items():
        if key == "href" and value.startswith("#"):
            element.set("href", f"#{shared.get(value[1:]) or f'{prefix}-{value[1:]}'}")
        elif "url(#" in value:
            element.set(key, REFERENCE.sub(rf"url(#{prefix}-\1)", value))
