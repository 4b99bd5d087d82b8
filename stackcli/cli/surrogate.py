"""`stackattn surrogate`."""

from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import announce, app, print_json, run_guarded
from stackcli.cli.options import Debug, Out, Pictures, check_out, parse_formats


@app.command(epilog="Example: stackattn surrogate 3f2a --kind tree --leaves 8")
def surrogate(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    kind: Annotated[str, typer.Option("--kind", help="tree, linear, or both with a comma.")] = "tree,linear",
    leaves: Annotated[int, typer.Option("--leaves", min=2, help="Leaves of the tree at most.")] = 16,
    words: Annotated[int, typer.Option("--words", min=1, help="Words of the linear model at most.")] = 40,
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object with every number, rule and weight.")] = False,
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """What a trained run does, as rules and weights of words. A decision tree and a sparse linear model are fitted to
    its answers; how faithful they are is measured on the test part."""

    def action() -> int:
        from stackcli.analysis.surrogate_text import describe_surrogates
        from stackcli.experiment import surrogate as maker
        from stackcli.experiment.console import Console
        from stackcli.experiment.explain import explanation_folder
        from stackcli.experiment.trained_run import open_run
        from stackcli.experiment.written_files import describe_files

        formats = parse_formats(figures)
        if formats and not json:
            check_out(out, create=False)
        asked = maker.Asked([name.strip() for name in kind.split(",")], {"tree": leaves, "linear": words})
        announce(f"surrogate: fitting {' and '.join(asked.kinds)} to the answers of run {run_id}")
        run = open_run(out, run_id)
        report = maker.make_surrogates(run, asked)
        if json:
            print_json(report)
            return 0
        console = Console(highlight=False)
        for part in describe_surrogates(report, console.width):
            console.print(part)
        if formats:
            folder = explanation_folder(out, run)
            print(describe_files(maker.draw_surrogates(report, folder, formats), folder, "surrogate"))
        return 0

    run_guarded(action, debug)
