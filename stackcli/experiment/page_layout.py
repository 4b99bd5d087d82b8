"""Lays out pages: self-contained HTML files that ask for nothing outside themselves.

Every value is escaped by Jinja. The content policy allows the one script and the one style sheet that are in the page,
by their hashes, and nothing else.
"""

import base64
import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from stackcli.analysis import attack_text, explanation_tables, explanation_text
from stackcli.experiment.page_tables import PageTable, from_terminal
from stackcli.experiment.study_page import StudyPage, draw_figures, hide_folders
from stackcli.figures import base
from stackcli.figures._inline_svg import PNG, SvgSheet

PAGES = Path(__file__).parent / "pages"
FAITHFUL = (
    "Words, positions: what the words and their positions add to the logit. Sum off: how far the sum is from what it "
    "should be. Deletion: the lower, the more faithful the method; insertion: the higher. Comprehensive, sufficient: "
    "the logit lost without the first fifth of the tokens, and with them alone. Agreement: rank correlation with the "
    "other methods. Control: a perfect and a random explanation of a bag of words whose weights are known."
)
LIMIT = 1_000_000  # bytes a study
EXAMPLES = 2  # texts that flipped, of each attack on a run
LEVELS = 10  # strengths of colour, as many as page.css has


def render_studies(studies: Sequence[StudyPage]) -> str:
    """Returns the page of one study, or of several with a table of contents. Where it would be larger than LIMIT a
    study, the largest figures are shown as pixels."""
    keys: list[dict[str, str]] = [{} for _ in studies]
    drawings = [draw_figures(study.frames, keys=own) for study, own in zip(studies, keys, strict=True)]
    page = _render_studies(studies, drawings, [{} for _ in studies], keys)
    excess = len(page.encode()) - LIMIT * len(studies)
    if excess <= 0:
        return page
    pixels: list[dict[str, bytes]] = [{} for _ in studies]
    sizes = [(len(compact), n, name) for n, each in enumerate(drawings) for name, compact in _compact(each).items()]
    for size, number, name in sorted(sizes, key=lambda found: (-found[0], *found[1:])):
        if excess > 0:
            picture = reduce_colours(draw_figures(studies[number].frames, [name], "png")[name])
            if len(picture) * 4 / 3 < size:
                pixels[number][name] = picture
                excess -= int(size - len(picture) * 4 / 3)
    return _render_studies(studies, drawings, pixels, keys)


def _compact(drawings: Mapping[str, bytes]) -> dict[str, str]:
    sheet = SvgSheet()
    return {name: sheet.add(file.decode(), "x", name) for name, file in drawings.items()}


def _render_studies(
    studies: Sequence[StudyPage],
    drawings: Sequence[Mapping[str, bytes]],
    pixels: Sequence[Mapping[str, bytes]],
    keys: Sequence[Mapping[str, str]],
) -> str:
    """Fills in the page. For each study, drawings: name -> SVG; pixels: name -> PNG in its place; keys: name -> key
    of the texts that are shown as numbers."""
    sheet, sections = SvgSheet(), []
    for number, (study, files, pictures) in enumerate(zip(studies, drawings, pixels, strict=True), start=1):
        figures = []
        for name, file in files.items():
            figure: dict[str, Any] = {"name": name, "about": base.describe_figure(name)}
            if name in keys[number - 1]:
                figure["about"] += f" {keys[number - 1][name]}."
            if name in pictures:
                figure["picture"] = PNG + base64.b64encode(pictures[name]).decode()
            else:
                figure["svg"] = Markup(sheet.add(file.decode(), f"s{number}{name}-", name))
            figures.append(figure)
        explained = [describe_item(row) for row in study.explanations]
        values = {"explanations": explained, "attacks": [describe_attack(report) for report in study.attacks]}
        sections.append({"id": f"s{number}", "study": study, "figures": figures, **values})
    folders = {path: name for study in studies for path, name in study.folders.items()}
    title = " + ".join(study.name for study in studies)
    shared = Markup(sheet.shared())
    return _render(
        "study.html.j2", lambda text: hide_folders(text, folders), title=title, sections=sections, shared=shared
    )


def reduce_colours(file: bytes) -> bytes:
    """Returns a PNG with a palette of 256 colours, and half the pixels in each direction: those of a screen."""
    with Image.open(io.BytesIO(file)) as image:
        small = image.convert("RGB").reduce(2)
    out = io.BytesIO()
    small.quantize(256, method=Image.Quantize.MEDIANCUT).save(out, "png", optimize=True)
    return out.getvalue()


def render_explanations(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Returns a page of explanations, each a row as `Explanation.row` of `stackcli.experiment.explain` gives it."""
    items = [describe_item(row) for row in rows]
    return _render("explanations.html.j2", lambda text: text, title=title, explanations=items)


def describe_item(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the page shows of an explanation: the tokens with their colours, the sentence, the tables."""
    main = explanation_text.choose_method(row["methods"])
    tokens, sentence, signed = [], "", False
    if main is not None:
        scores = row["methods"][main]
        signed = scores["signed"]
        tokens = colour_levels(row["tokens"], scores["tokens"], signed=signed)
        named = (row["tokens"], scores["tokens"], row["explained"], main)
        sentence = explanation_text.describe_tokens(*named, signed=signed)
    shares = [(name, f"{share:.3f}") for name, share in row["probability"].items()]
    values = {"row": row, "tokens": tokens, "signed": signed, "sentence": sentence, "shares": shares}
    return {**values, "tables": describe_tables(row, main), "remarks": list(explanation_text.describe_methods(row))}


def describe_attack(report: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the page shows of the attacks on a run: tables, sentences, and texts that flipped."""
    tables = [from_terminal(title, table) for title, table in attack_text.tabulate_attacks(report, repeat=True)]
    examples = []
    for record in attack_text.choose_examples(report, EXAMPLES):
        before, after = attack_text.mark_changes(record["before"].split(" "), record["after"].split(" "))
        texts = [(report["classes"][record["label"]], before), (report["classes"][record["typed"]], after)]
        examples.append({"name": attack_text.name_example(record), "texts": texts})
    remarks = attack_text.remark_on_attacks(report)
    return {
        "run": report["run"],
        "clean": attack_text.describe_clean(report),
        "tables": tables,
        "remarks": remarks,
        "examples": examples,
    }


def describe_tables(row: Mapping[str, Any], main: str | None) -> list[PageTable]:
    """Returns the tables of an explanation."""
    found = []
    if main is not None:
        found.append(replace(from_terminal("Methods", explanation_tables.tabulate_methods(row)), note=FAITHFUL))
        found.append(from_terminal("Tokens", explanation_tables.tabulate_tokens(row, main)))
    if any(scores["sanity"] for scores in row["methods"].values()):
        found.append(from_terminal("Fresh weights", explanation_tables.tabulate_sanity(row)))
    if row["heads"]:
        found.append(from_terminal("Layers", explanation_tables.tabulate_layers(row)))
    if row["lens"]:
        found.append(from_terminal("Read off after each layer", explanation_tables.tabulate_lens(row)))
    return found


def colour_levels(tokens: Sequence[str], scores: Sequence[float], *, signed: bool) -> list[dict[str, Any]]:
    """Returns for each token its side (for, against, or none) and its strength in tenths of the strongest token."""
    strongest = max(map(abs, scores), default=0.0) or 1.0
    out = []
    for token, score in zip(tokens, scores, strict=True):
        level = math.ceil(LEVELS * abs(score) / strongest - 0.5)
        side = "none" if not level else "against" if signed and score < 0 else "for"
        out.append({"text": token, "side": side, "level": level, "score": explanation_tables.format_score(score)})
    return out


def _render(template: str, shorten: Callable[[str], str], **values: Any) -> str:
    """Fills in a template. shorten: applied to every text before it is escaped."""

    def finish(value: Any) -> Any:
        return value if isinstance(value, Markup) else shorten(base.plain_text(value))

    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        finalize=finish,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style, script = ((PAGES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    parts = {"style": Markup(style), "script": Markup(script), "policy": Markup(policy)}
    return pages.get_template(template).render(**values, **parts)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
