"""A study as a part of a paper, in Markdown or LaTeX: sentences, tables, settings. Without figures, which are files."""

import re

import pandas as pd

from stackcli.common.wording import count_noun
from stackcli.experiment.page_tables import PageTable
from stackcli.experiment.study_page import StudyPage, hide_folders
from stackcli.figures import base

MARKDOWN = re.compile(r"([\\`*_\[\]|<>&~#])")
SIGNS = {"−": "$-$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\to$", "…": r"\dots{}", "±": r"$\pm$"}
SIGNS |= {"·": r"$\cdot$", "²": "$^2$", "’": "'", "“": "``", "”": "''"}
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
LONG = 24  # letters; a column with a longer text is broken into lines
LETTER, GAP = 0.0135, 0.018  # widths of a letter and of the space between columns, as shares of the line
HEAD = r"""% To \input. Needs \usepackage{array,booktabs}; text in other than Latin letters needs XeLaTeX
% or LuaLaTeX.
"""


def write_markdown(page: StudyPage) -> str:
    """Returns the study as Markdown; what could be taken for markup or HTML is escaped."""

    def plain(text: str) -> str:
        return MARKDOWN.sub(r"\\\1", clean_text(text, page))

    out = [f"## {plain(page.name)}", " ".join(map(plain, page.about))]
    out.append("\n".join(f"* {plain(sentence)}" for sentence in page.sentences))
    for table in (*page.tables, page.runs):
        frame = pd.DataFrame([list(map(plain, row)) for row in texts_of(table)], columns=list(map(plain, table.heads)))
        out += [f"### {plain(table.title)}", str(frame.to_markdown(index=False, disable_numparse=True))]
        out += [plain(table.note)] if table.note else []
    out += ["### Settings", *map(plain, page.data)]
    out.append(", ".join(f"{plain(key)} = {plain(value)}" for key, value in page.settings))
    out += ["### Provenance", "\n".join(f"* {plain(key)}: {plain(value)}" for key, value in page.provenance)]
    out += [f"    {clean_text(line, page)}" for line in (*page.lines, page.shared) if line]
    return "\n\n".join(out) + "\n"


def write_latex(page: StudyPage) -> str:
    """Returns the study as LaTeX to be `\\input`: a section with booktabs tables; every text is escaped."""

    def plain(text: str) -> str:
        return escape_latex(clean_text(text, page))

    out = [HEAD + r"\begingroup\sloppy" + "\n" + rf"\section{{{plain(page.name)}}}", " ".join(map(plain, page.about))]
    out.append("\n".join([r"\begin{itemize}", *(rf"\item {plain(s)}" for s in page.sentences), r"\end{itemize}"]))
    out += [latex_table(table, page) for table in page.tables]
    out.append(rf"The table of {plain(count_noun(len(page.runs.rows), 'runs'))} is in the study's runs.csv.")
    out += [r"\paragraph{Settings}", *map(plain, page.data)]
    out.append(", ".join(f"{plain(key)} = {plain(value)}" for key, value in page.settings) + ".")
    out += [r"\paragraph{Provenance}", "; ".join(f"{plain(key)}: {plain(value)}" for key, value in page.provenance)]
    typed = [plain(line) for line in (*page.lines, page.shared) if line]
    out += [rf"{{\noindent\raggedright\small\ttfamily {line}\par}}" for line in typed]
    return "\n\n".join([*out, r"\endgroup"]) + "\n"


def latex_table(table: PageTable, page: StudyPage) -> str:
    """Returns a table in LaTeX, with its title and note as caption; the name of a baseline goes over empty cells."""

    def plain(text: str) -> str:
        return escape_latex(clean_text(text, page))

    lines = []
    for row, baseline in zip(texts_of(table), table.marks, strict=True):
        cells = list(map(plain, row))
        if baseline:
            span = next((i for i, cell in enumerate(cells) if i and cell), len(cells))
            cells[:span] = [rf"\multicolumn{{{span}}}{{l}}{{{cells[0]}}}"]
        lines.append(" & ".join(cells) + r" \\")
    size = r"\scriptsize" if len(table.heads) > 8 else r"\footnotesize" if len(table.heads) > 4 else r"\small"
    caption = plain(". ".join(filter(None, (table.title, table.note))))
    head = [r"\begin{table}[tbp]", rf"\centering{size}\setlength{{\tabcolsep}}{{3pt}}", rf"\caption{{{caption}}}"]
    head += [rf"\begin{{tabular}}{{{column_format(table)}}}", r"\toprule", " & ".join(map(plain, table.heads)) + r" \\"]
    return "\n".join([*head, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def column_format(table: PageTable) -> str:
    """Returns the columns of a table for LaTeX: numbers to the right; columns of long texts share what is left of the
    line and are broken."""
    rows = [row for row, baseline in zip(table.rows, table.marks, strict=True) if not baseline]
    wide = [max(len(head), *(len(row[i].text) for row in rows), 0) for i, head in enumerate(table.heads)]
    free = 0.97 - sum(GAP + LETTER * width * (width <= LONG) for width in wide)
    whole = sum(width for width in wide if width > LONG)
    broken = [
        f">{{\\raggedright\\arraybackslash}}p{{{max(0.1, free * w / (whole or 1)):.2f}\\linewidth}}" for w in wide
    ]
    return "".join(
        text if width > LONG else "lr"[number] for text, width, number in zip(broken, wide, table.numeric, strict=True)
    )


def texts_of(table: PageTable) -> list[list[str]]:
    """Returns the rows as texts; a baseline is marked."""
    rows = [[cell.text for cell in row] for row in table.rows]
    for row, baseline in zip(rows, table.marks, strict=True):
        row[0] += " (baseline)" if baseline else ""
    return rows


def escape_latex(text: str) -> str:
    """Returns text that LaTeX sets as it is, with signs that pdfLaTeX does not know as mathematics.

    >>> escape_latex("50 % of a_b ≥ 3")
    '50 \\\\% of a\\\\_b $\\\\geq$ 3'
    """
    return "".join((SPECIAL | SIGNS).get(sign, sign) for sign in text)


def clean_text(text: str, page: StudyPage) -> str:
    """Returns text without control characters and without folders of this machine."""
    return hide_folders(base.plain_text(text), page.folders)
