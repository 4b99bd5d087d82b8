"""A study as a part of a paper."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stackcli.experiment import study_page, study_paper
from stackcli.experiment.page_tables import Cell, PageTable
from stackcli.experiment.study_page import StudyPage
from tests.experiment.page_examples import FOLDER, HOSTILE, hostile_study

TEX = shutil.which("pdflatex") or shutil.which("tectonic")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> StudyPage:
    return study_page.read_study_page(hostile_study(tmp_path_factory.mktemp("paper") / "out"), "hostile")


def test_latex_has_booktabs_tables_with_escaped_heads_and_captions(page: StudyPage) -> None:
    text = study_paper.write_latex(page)
    assert text.count(r"\begin{table}") == text.count(r"\toprule") == text.count(r"\caption{") == len(page.tables)
    assert r"test\_acc" not in text and "test acc" in text and r"\section{hostile}" in text
    assert r"50\_" not in text and r"100 \% a\_b|c" in text and r"\{\{ 7*7 \}\}" in text
    assert r"majority class (baseline)" in text and FOLDER not in text


def test_a_heading_and_a_caption_are_escaped_and_long_texts_are_broken(page: StudyPage) -> None:
    table = PageTable("a_b & c", ("x_1", "50 %"), ((Cell("1", 1.0), Cell("a long text " * 4)),), note="#1")
    text = study_paper.latex_table(table, page)
    assert r"\caption{a\_b \& c. \#1}" in text and r"x\_1 & 50 \% \\" in text
    assert r"\begin{tabular}{r>{\raggedright\arraybackslash}p{0.89\linewidth}}" in text


def test_the_name_of_a_baseline_goes_over_the_empty_cells_beside_it(page: StudyPage) -> None:
    rows = (
        (Cell("1", 1.0), Cell("pre"), Cell("0.5", 0.5)),
        (Cell("TF-IDF and more of it"), Cell(""), Cell("0.8", 0.8)),
    )
    table = PageTable("t", ("depth", "residual", "acc"), rows, baseline=(False, True))
    text = study_paper.latex_table(table, page)
    assert r"\multicolumn{2}{l}{TF-IDF and more of it (baseline)} & 0.8 \\" in text and r"\begin{tabular}{rlr}" in text


def test_every_special_character_of_latex_is_escaped() -> None:
    every = r"\ { } $ & # ^ _ % ~"
    shown = study_paper.escape_latex(every)
    assert shown == r"\textbackslash{} \{ \} \$ \& \# \textasciicircum{} \_ \% \textasciitilde{}"
    assert study_paper.escape_latex("≥ ± −1") == r"$\geq$ $\pm$ $-$1"


def test_braces_and_environments_are_balanced(page: StudyPage) -> None:
    text = study_paper.write_latex(page)
    bare = re.sub(r"\\[\\{}%]", "", re.sub(r"^%.*$", "", text, flags=re.M))
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert re.findall(r"\\begin\{(\w+)\}", text).count("tabular") == re.findall(r"\\end\{(\w+)\}", text).count(
        "tabular"
    )
    for row in re.findall(r"^(.*) \\\\$", text, re.M):
        spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row))
        assert len(re.findall(r"(?<!\\)&", row)) + spans in {len(t.heads) - 1 for t in page.tables}


@pytest.mark.skipif(TEX is None, reason="neither pdflatex nor tectonic is on PATH")
def test_latex_compiles(page: StudyPage, tmp_path: Path) -> None:
    latin = "".join(
        sign for sign in study_paper.write_latex(page) if ord(sign) < 0x2000 and not 0x590 < ord(sign) < 0x600
    )
    (tmp_path / "report.tex").write_text(latin, encoding="utf-8")
    packages = r"\usepackage[utf8]{inputenc}\usepackage{array,booktabs}"
    main = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{report}}\end{{document}}"
    (tmp_path / "main.tex").write_text(main)
    words = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in str(TEX) else []
    done = subprocess.run([str(TEX), *words, "main.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "main.pdf").stat().st_size > 1000


def test_markdown_escapes_what_would_be_markup(page: StudyPage) -> None:
    text = study_paper.write_markdown(page)
    assert not re.search(r"(?<!\\)<", text.partition("### Provenance")[0]) and r"a\_b\|c" in text
    assert text.startswith("## hostile\n") and FOLDER not in text and "majority class (baseline)" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == sum(len(t.rows) + 1 for t in (*page.tables, page.runs))
    assert all(any(escaped in text for escaped in (study_paper.MARKDOWN.sub(r"\\\1", t),)) for t in HOSTILE[:3])
