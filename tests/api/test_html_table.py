"""Tables for a notebook."""

from xml.etree import ElementTree

from stackcli.api.html_table import write_table


def test_a_table_holds_its_texts_whatever_they_are() -> None:
    root = ElementTree.fromstring(write_table(["a<b", "n"], [['<script>"&', "1"], ["", "2"]]))
    assert [cell.text for cell in root.iter("th")] == ["a<b", "n"]
    assert [[cell.text or "" for cell in row] for row in root.iter("tr")][1:] == [['<script>"&', "1"], ["", "2"]]


def test_texts_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    root = ElementTree.fromstring(write_table(["pe", "depth", "acc"], [["rope", "4", "0.8"]], left=2))
    assert [cell.get("style") for cell in root.iter("td")] == ["text-align:left", "text-align:left", "text-align:right"]
