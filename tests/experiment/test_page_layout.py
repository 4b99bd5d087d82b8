"""Pages: escaped, self-contained, with a content policy that their parts fit."""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stackcli.analysis import explanation_text
from stackcli.experiment import page_layout, study_page
from stackcli.experiment.page_layout import PAGES, colour_levels, render_explanations, render_studies
from tests.experiment.page_examples import FOLDER, HOSTILE, explanation, hostile_study, keep_attacks, keep_explanation


class Reader(HTMLParser):
    """Collects tags with their attributes, and text by the tag that holds it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "img", "path", "use", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the hostile study, with an explanation and attacks."""
    store = hostile_study(tmp_path_factory.mktemp("page") / "out")
    keep_explanation(store, "hostile00", "1", explanation(*HOSTILE))
    keep_attacks(store, "hostile00")
    return render_studies([study_page.read_study_page(store, "hostile")])


def test_a_name_that_looks_like_markup_stays_text(page: str) -> None:
    read = Reader(page)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("script") == tags.count("style") == 1 and "img" not in tags
    cells = read.texts["bdi"]
    for text in HOSTILE:
        assert cells.count(text) > 2, text
    assert not any(name.startswith("on") or name == "style" for _, attributes in read.tags for name in attributes)


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else(page: str) -> None:
    read = Reader(page)
    (policy,) = (a["content"] for tag, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules.pop("img-src") == "data:"
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert rules == {}


def links(read: Reader) -> Iterator[str]:
    for _, attributes in read.tags:
        for name, value in attributes.items():
            if name in ("href", "src", "action", "srcset", "data", "poster") or "url(" in str(value):
                yield str(value)


def test_a_page_refers_to_nothing_outside_itself(page: str) -> None:
    read = Reader(page)
    names = [str(a["id"]) for _, a in read.tags if "id" in a]
    assert len(names) == len(set(names))
    for link in links(read):
        inside = re.fullmatch(r"#(.+)|url\(#(.+)\)", link)
        assert link.startswith("data:") or (inside and (inside[1] or inside[2]) in names), link
    assert "url(" not in (PAGES / "page.css").read_text(encoding="utf-8")


def test_no_folder_of_this_machine_is_on_the_page(page: str) -> None:
    assert FOLDER not in page and "data.path=d.csv" in page and "read d.csv" in page
    assert str(Path.home()) not in page and "/tmp" not in page


def test_every_section_is_there_and_baselines_are_rows(page: str) -> None:
    read = Reader(page)
    assert [text for text in read.texts["h2"] if text.strip()] == [
        *("Verdict", "Tables", "Figures", "Explanations", "Attacks", "Runs", "Settings", "Provenance")
    ]
    rows = [attributes for tag, attributes in read.tags if tag == "tr" and attributes.get("class") == "baseline"]
    assert len(rows) == 2 and read.texts["span"].count("baseline") == 2


def test_several_studies_share_a_page_with_a_table_of_contents(tmp_path: Path) -> None:
    store = hostile_study(tmp_path / "out", "first", seeds=1)
    hostile_study(tmp_path / "out", "second", seeds=1)
    both = Reader(render_studies([study_page.read_study_page(store, name) for name in ("first", "second")]))
    names = [str(a["id"]) for _, a in both.tags if "id" in a]
    assert len(names) == len(set(names))
    hrefs = [a.get("href") for tag, a in both.tags if tag == "a"]
    assert hrefs[:2] == ["#s1", "#s2"] and both.texts["a"][:2] == ["first", "second"]
    assert both.texts["title"] == ["first + second"]


def test_the_largest_figures_of_a_page_above_the_limit_are_shown_as_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(_: Any, only: Any = (), kind: str = "svg", keys: Any = None) -> dict[str, bytes]:
        if kind == "png":
            file = io.BytesIO()
            Image.new("RGB", (40, 20), "blue").save(file, "png")
            return dict.fromkeys(only, file.getvalue())
        sizes = {"accuracy": 500, "fit": 3000, "loss": 2000}
        path = '<path d="M 1 2 L 3 4"/>'
        return {
            n: f'<svg xmlns="http://www.w3.org/2000/svg">{path * count}</svg>'.encode() for n, count in sizes.items()
        }

    monkeypatch.setattr(page_layout, "draw_figures", draw)
    study = study_page.read_study_page(hostile_study(tmp_path / "out"), "hostile")
    usual = render_studies([study])
    for over, shown in ((1, ["fit"]), (70_000, ["fit", "loss"])):
        monkeypatch.setattr(page_layout, "LIMIT", len(usual.encode()) - over)
        small = render_studies([study])
        assert re.findall(r'<div class="card"><img src="data:image/png;base64,[^"]*" alt="(\w+)">', small) == shown
        assert len(small.encode()) <= page_layout.LIMIT and small.count("Shown as pixels") == len(shown)


def test_attacks_are_shown_with_their_tables_and_the_changed_words_marked(page: str) -> None:
    read = Reader(page)
    marks = [attributes for tag, attributes in read.tags if tag == "mark"]
    assert len(marks) == len(set(HOSTILE[0].split()) ^ set(HOSTILE[1].split())) and "Attacks" in read.texts["h2"]
    assert "Changes that can be typed and may change the true label" in read.texts["h4"]
    assert f"{HOSTILE[0]} 1, item 7" in read.texts["h5"]


# ---- explanations


def token_spans(page: str) -> list[tuple[str, str]]:
    return re.findall(r'<span class="(\w+ w\d+)" title="[^"]*">(?:<i>−</i>)?<bdi>(.*?)</bdi>', page)


def test_tokens_are_coloured_by_their_share_of_the_strongest() -> None:
    row = explanation("a", "b", "c", "d", "e", scores=(2.0, -1.0, 0.0, 0.05, -2.0))
    page = render_explanations([row], "Title <b>")
    strengths = ("for w10", "against w5", "none w0", "none w0", "against w10")
    assert token_spans(page) == list(zip(strengths, "abcde", strict=True))
    assert page.count("<i>−</i><bdi>") == 2  # told apart without the colour
    assert "Title &lt;b&gt;</bdi></h1>" in page and "'b' against it (cp_lrp)." in page.replace("&#39;", "'")


def test_scores_without_sign_only_speak_for() -> None:
    levels = colour_levels(["a", "b"], [0.5, -0.5], signed=False)
    assert [level["side"] for level in levels] == ["for", "for"] and levels[0]["level"] == 10
    assert [level["level"] for level in colour_levels(["a"], [0.0], signed=True)] == [0]


def test_an_explanation_without_methods_and_one_that_was_cut_are_shown() -> None:
    page = render_explanations([{**explanation("a"), "methods": {}, "heads": [], "cut": 3}], "t")
    assert "leaves 3 out" in page and token_spans(page) == []


def test_hostile_tokens_stay_text() -> None:
    read = Reader(render_explanations([explanation(*HOSTILE)], HOSTILE[1]))
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert all(text in read.texts["bdi"] for text in HOSTILE) and read.texts["title"] == [HOSTILE[1]]


def test_half_a_surrogate_pair_and_control_characters_can_be_written() -> None:
    page = render_explanations([explanation("a\ud800", "b\x00\x1b[2J")], "t")
    assert "a\ufffd" in page and not set("\x00\x1b") & set(page) and page.encode()


def test_the_colours_are_those_of_the_terminal_and_every_strength_has_one() -> None:
    css = (PAGES / "page.css").read_text(encoding="utf-8")
    for name, colour in (("for", explanation_text.FOR), ("against", explanation_text.AGAINST)):
        assert f"--{name}: rgb({', '.join(map(str, colour))})" in css
    assert {int(n) for n in re.findall(r"^\.w(\d+)| \.w(\d+) \{ --w", css, re.M) for n in n if n} == set(
        range(1, page_layout.LEVELS + 1)
    )


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    row: dict[str, Any] = explanation("a")
    del row["cut"]
    with pytest.raises(Exception, match="cut"):
        render_explanations([row], "t")
