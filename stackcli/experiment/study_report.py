"""The report of studies as one file: an HTML page, or a part of a paper in Markdown or LaTeX. Never loads PyTorch."""

from collections.abc import Sequence
from pathlib import Path

from stackcli.experiment.store import Store
from stackcli.experiment.study_page import read_study_page

ENDINGS = {"html": "html", "md": "md", "latex": "tex"}


def make_report(out: Path, studies: Sequence[str], kind: str) -> tuple[list[str], str]:
    """Returns the names of the studies and the text of their report. studies: names, "" for the newest; kind: html, md
    or latex. Raises ValueError for an unknown study, and for one without a finished run."""
    store = Store(out, create=False)
    pages = [read_study_page(store, name) for name in dict.fromkeys(studies)]
    if kind == "html":
        from stackcli.experiment.page_layout import render_studies

        return [page.name for page in pages], render_studies(pages)
    from stackcli.experiment.study_paper import write_latex, write_markdown

    write = write_markdown if kind == "md" else write_latex
    return [page.name for page in pages], "\n".join(map(write, pages))


def default_path(out: Path, names: Sequence[str], kind: str) -> Path:
    """Returns where a report is written: in the folder of its study, or for several in OUT/reports."""
    if len(names) == 1:
        return out / "studies" / names[0] / f"report.{ENDINGS[kind]}"
    joined = "+".join(names)
    return out / "reports" / f"{joined if len(joined) <= 200 else joined[:190] + '...'}.{ENDINGS[kind]}"
