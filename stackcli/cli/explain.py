"""`stackattn explain`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli.cli.app import announce, app, print_json, run_guarded
from stackcli.cli.options import Debug, Out, Pictures, check_out, expand_home, parse_formats
from stackcli.common.wording import count_noun

UNTRAINED = 4  # stacks whose weights are tried by --sanity
Texts = Annotated[list[str] | None, typer.Option("--text", help="A text; - reads texts from stdin, one a line.")]
Numbers = Annotated[list[int] | None, typer.Option("--index", help="Number of an item of the test part.")]
File = Annotated[
    Path | None, typer.Option("--file", help="CSV, TSV or JSON lines file of texts.", callback=expand_home)
]
Keys = Annotated[
    list[str] | None, typer.Argument(metavar="METHOD.KEY=VALUE", help="Keys of methods: integrated.steps=64.")
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="A page of the explanations.", callback=expand_home)
]
Sanity = Annotated[bool, typer.Option("--sanity", help="Repeat with fresh weights, layer by layer from the top.")]


@app.command(epilog='Example: stackattn explain 3f2a --text "Which enzyme cuts DNA?"')
def explain(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    keys: Keys = None,
    text: Texts = None,
    index: Numbers = None,
    file: File = None,
    column: Annotated[str, typer.Option("--column", help="Column of --file; that of the run by default.")] = "",
    method: Annotated[str, typer.Option("--method", help="Methods, separated by commas; all by default.")] = "",
    target: Annotated[str, typer.Option("--target", help="Class to explain; the answer by default.")] = "",
    sanity: Sanity = False,
    tokens: Annotated[int, typer.Option("--tokens", min=0, help="Tokens of a text in the table; 0: all.")] = 20,
    html: Html = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the explanations for the page of report.")] = False,
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object a text, with every number.")] = False,
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """What each token adds to an answer of a trained run. Several methods say it, and how faithful each of them is to
    the stack; the attention maps are drawn."""

    def action() -> int:
        from stackcli.common import registry
        from stackcli.config.method_settings import method_settings
        from stackcli.experiment import explain as maker
        from stackcli.experiment import trained_run

        formats = parse_formats(figures)
        check_places(html, out if save or (formats and not json) else None)
        names = [name.strip() for name in method.split(",")] if method else list(registry.part_names("explain"))
        asked = maker.Asked(method_settings(names, keys or ()), target, UNTRAINED if sanity else 0)
        announce(f"explain: run {run_id} by {count_noun(len(names), 'methods')}")
        run = trained_run.open_run(out, run_id)
        items = trained_run.read_items(run, text or (), index or (), file, column)
        folder = maker.explanation_folder(out, run)
        rows = []
        for found in maker.explain_items(run, items, asked):
            rows.append(found.row)
            print_explanation(rows[-1], tokens, json=json)
            if save:
                maker.save_explanation(found, folder)
        if html:
            write_page(rows, html, f"Explanations of run {run.name}", quiet=json)
        if formats and not json:
            print(describe_maps(maker.draw_attention_maps(run, items, folder, formats), folder))
        return 0

    run_guarded(action, debug)


def describe_maps(files: list[Path], folder: Path) -> str:
    """Says where the attention maps are, or why there are none."""
    from stackcli.experiment.written_files import describe_files

    if not files:
        return "no attention maps: weights may be negative"
    return describe_files(files, folder, files[0].stem)


def check_places(html: Path | None, out: Path | None) -> None:
    """Raises ValueError where the page or the folder of runs cannot be written; None: it is not written."""
    from stackcli.common.atomic_files import check_target

    if out:
        check_out(out, create=False)
    if html:
        check_target(html, "--html", "explanations.html")


def write_page(rows: list[dict[str, Any]], path: Path, title: str, *, quiet: bool) -> None:
    """Writes a page of explanations, and says where."""
    from stackcli.common.atomic_files import write_file
    from stackcli.experiment.page_layout import render_explanations

    write_file(path, render_explanations(rows, title))
    if not quiet:
        print(f"wrote {path}")


def print_explanation(row: dict[str, Any], tokens: int, *, json: bool) -> None:
    """Prints an explanation as a JSON object, or as text and tables with at most some tokens (0: all)."""
    from stackcli.analysis.explanation_text import describe_explanation
    from stackcli.experiment.console import Console

    if json:
        return print_json(row)
    console = Console(highlight=False)
    for part in describe_explanation(row, tokens):
        console.print(part)
