"""Pages in a real Chromium: nothing is logged or asked for, tables sort and filter, nothing is too wide."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackcli.experiment.page_layout import render_explanations
from stackcli.experiment.study_report import make_report
from tests.browser.chromium import Page, browser, why_missing
from tests.experiment.page_examples import HOSTILE, explanation, hostile_study, keep_explanation
from tests.helpers import stackattn, words, write_data

pytestmark = pytest.mark.skipif(bool(why_missing()), reason=why_missing() or "there is a browser")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep over three depths, whose order as text is not that of the numbers."""
    folder = tmp_path_factory.mktemp("swept")
    settings = words(write_data(folder / "d.csv"), "depth=1,2,10", "seeds=1", "probes=false", "steps=1")
    done = stackattn("sweep", *settings, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert stackattn("report", "--to", "page.html", cwd=folder).returncode == 0
    return folder / "page.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    store = hostile_study(folder / "out", seeds=1)
    keep_explanation(store, "hostile00", "1", explanation(*HOSTILE))
    path = folder / "a page.html"
    path.write_text(make_report(store.root, ["hostile"], "html")[1], encoding="utf-8")
    return path


def column(page: Page, table: int, number: int) -> list[str]:
    """The texts of the rows that are shown, in one column of a table."""
    script = """return [...document.querySelectorAll("section.table")[arguments[0]].querySelectorAll("tbody tr")]
      .filter((row) => !row.hidden).map((row) => row.cells[arguments[1]].textContent.trim())"""
    return [str(text) for text in page.run(script, table, number)]


def test_a_page_logs_nothing_and_asks_for_nothing(driver: Any, swept: Path, hostile: Path) -> None:
    for path in (swept, hostile):
        page = Page(driver, path)
        for button in page.all("th button"):
            page.run("arguments[0].click()", button)
        assert page.complaints() == [] and page.requests() == []
        assert page.run("return performance.getEntriesByType('resource').length") == 0
        assert len(page.all("figure svg")) > 2


def test_the_policy_stops_a_script_and_a_style_that_are_not_the_page_s(
    driver: Any, swept: Path, tmp_path: Path
) -> None:
    text = swept.read_text(encoding="utf-8")
    added = '<p id="x" style="color: red" onclick="1">x</p><script>document.title = "ran"</script>'
    added += '<img src="https://example.org/x.png">'
    (tmp_path / "changed.html").write_text(text.replace("<main>", f"<main>{added}"), encoding="utf-8")
    page = Page(driver, tmp_path / "changed.html")
    assert page.driver.title != "ran"
    assert page.run("return getComputedStyle(document.querySelector('#x')).color") != "rgb(255, 0, 0)"
    said = " ".join(page.complaints())
    assert all(f"{kind}-src" in said for kind in ("script", "style", "img"))


def test_a_click_on_a_heading_sorts_by_number_and_a_second_one_turns_it_round(driver: Any, swept: Path) -> None:
    page = Page(driver, swept)
    assert column(page, 0, 0)[:3] == ["1", "2", "10"]
    head = page.all("section.table")[0].find_elements("css selector", "th")[0]
    head.find_element("css selector", "button").click()
    head.find_element("css selector", "button").click()
    assert column(page, 0, 0)[:3] == ["10", "2", "1"]
    assert head.get_attribute("aria-sort") == "descending" and len(page.all("th[aria-sort]")) == 1
    heads = page.all("section.table")[0].find_elements("css selector", "th")
    at = [each.text for each in heads].index("test acc")
    heads[at].find_element("css selector", "button").send_keys("\ue007")  # Enter: the keyboard sorts as well
    shown = [float(text.partition("±")[0]) for text in column(page, 0, at)]
    assert shown == sorted(shown) and len(shown) == 5 and heads[at].get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None and "majority class baseline" in column(page, 0, 0)


def test_empty_cells_are_last_in_both_directions(driver: Any, swept: Path) -> None:
    page = Page(driver, swept)
    heads = page.all("section.table")[0].find_elements("css selector", "th button")
    at = [each.text for each in heads].index("params")
    for _ in range(2):
        heads[at].click()
        assert column(page, 0, at)[-2:] == ["", ""] and all(column(page, 0, at)[:3])


def test_counts_with_units_are_sorted_by_their_size(driver: Any, tmp_path: Path) -> None:
    from stackcli.experiment import page_layout
    from stackcli.experiment.page_tables import Cell, PageTable

    rows = tuple((Cell(text, value),) for text, value in (("1.2M", 1.2e6), ("900k", 9e5), ("2", 2.0), ("−3", -3.0)))
    table = PageTable("t", ("n",), rows, filtered=True)
    item = {**page_layout.describe_item(explanation("a")), "tables": [table]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_layout, "describe_item", lambda row: item)
        (tmp_path / "t.html").write_text(render_explanations([{}], "t"), encoding="utf-8")
    page = Page(driver, tmp_path / "t.html")
    page.run("document.querySelector('details').open = true; document.querySelector('th button').click()")
    assert column(page, 0, 0) == ["−3", "2", "900k", "1.2M"]


def test_the_filter_shows_the_rows_that_hold_every_word_and_says_how_many(driver: Any, swept: Path) -> None:
    page = Page(driver, swept)
    runs = len(page.all("section.table")) - 1
    section = page.all("section.table")[runs]
    box = section.find_element("css selector", "input")
    output = section.find_element("css selector", "output")
    assert output.text == "3 rows"
    first = column(page, runs, len(section.find_elements("css selector", "th")) - 1)[2]
    box.send_keys(f"DONE {first[:10]}")
    assert column(page, runs, 0) == ["10"] and output.text == "1 of 3 rows"
    box.clear()
    box.send_keys("nothing has this")
    assert column(page, runs, 0) == [] and output.text == "0 of 3 rows"
    box.clear()
    box.send_keys(" ")
    assert len(column(page, runs, 0)) == 3


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, WCAG 2.2."""
    parts = [int(x) / 255 for x in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_colour_schemes(driver: Any, hostile: Path, scheme: str) -> None:
    page = Page(driver, hostile)
    page.scheme(scheme)
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (luminance(back) < 0.1) == (scheme == "dark")
    for selector in ("p", "h1", "td", ".about", ".note", "a", "figcaption", "dt", ".baseline"):
        ink = page.run("return getComputedStyle(document.querySelector(arguments[0])).color", selector)
        low, high = sorted((luminance(back), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector
    assert page.run("return getComputedStyle(document.querySelector('.card')).backgroundColor") == "rgb(255, 255, 255)"
    page.scheme("")


def test_a_page_is_not_wider_than_a_telephone(driver: Any, swept: Path, hostile: Path) -> None:
    for path in (swept, hostile):
        page = Page(driver, path)
        page.width(400)
        page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        shown = page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert shown[0] <= shown[1] <= 400
        scrolls = "return [...document.querySelectorAll('.scroll')].map((e) => e.scrollWidth > e.clientWidth)"
        assert any(page.run(scrolls))  # a wide table scrolls in its own box
        page.width(1200)


def test_names_of_a_study_do_nothing_in_a_browser(driver: Any, hostile: Path) -> None:
    page = Page(driver, hostile)
    assert page.driver.title == "hostile" and page.all("img") == []
    shown = page.run("return [...document.querySelectorAll('td bdi')].map((each) => each.textContent)")
    assert set(HOSTILE) <= set(shown)
    tokens = page.run("return [...document.querySelectorAll('.explanation .tokens bdi')].map((e) => e.textContent)")
    assert tokens == list(HOSTILE)


def test_without_scripts_everything_is_there_and_nothing_is_dead(driver: Any, swept: Path, tmp_path: Path) -> None:
    text = swept.read_text(encoding="utf-8")
    (tmp_path / "still.html").write_text(text.replace("script-src 'sha256-", "script-src 'sha256-x"), encoding="utf-8")
    page = Page(driver, tmp_path / "still.html")
    assert page.all("th button") == [] and not page.find(".filter").is_displayed()
    assert len(column(page, 0, 0)) == 5
    assert all("script-src" in said for said in page.complaints())


def test_a_printed_page_has_no_box_to_type_into(driver: Any, swept: Path) -> None:
    page = Page(driver, swept)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not page.find(".filter").is_displayed() and not page.find("nav").is_displayed()
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
