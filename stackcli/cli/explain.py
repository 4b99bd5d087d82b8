"""`stackattn explain`."""

from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import app, print_json, run_guarded
from stackcli.cli.options import Debug, Out, Pictures, parse_formats


@app.command(epilog='Example: stackattn explain 3f2a --text "Which enzyme cuts DNA?"')
def explain(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A text; - reads texts from stdin, one a line.")
    ] = None,
    index: Annotated[list[int] | None, typer.Option("--index", help="Number of an item of the test part.")] = None,
    method: Annotated[str, typer.Option("--method", help="Methods, separated by commas; all by default.")] = "",
    target: Annotated[str, typer.Option("--target", help="Class to explain; the answer by default.")] = "",
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object a text, with every number.")] = False,
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """What each token adds to an answer of a trained run. Several methods say it, and how faithful each of them is to
    the stack; the attention maps are drawn."""

    def action() -> int:
        from rich.console import Console

        from stackcli.analysis.explanation_text import describe_explanation
        from stackcli.common import registry
        from stackcli.experiment import explain as source

        formats = parse_formats(figures)
        run = source.open_run(out, run_id)
        items = source.items_of_texts(run, text or []) + source.items_of_test(run, index or [])
        if not items:
            raise ValueError("nothing to explain; give --text or --index")
        names = [name.strip() for name in method.split(",")] if method else list(registry.part_names("explain"))
        console = Console(highlight=False)
        for found in source.explain_items(run, items, names, target=target):
            if json:
                print_json(found.row)
            else:
                for part in describe_explanation(found.row):
                    console.print(part)
        if formats and not json:
            files = source.draw_attention_maps(run, items, out / "explanations" / run.name, formats)
            print(f"wrote {', '.join(map(str, files))}" if files else "no attention maps: weights may be negative")
        return 0

    run_guarded(action, debug)
