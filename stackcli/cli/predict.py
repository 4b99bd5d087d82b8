"""`stackattn predict`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import announce, app, print_json, run_guarded
from stackcli.cli.options import Debug, Out
from stackcli.common.wording import quote_blanks


@app.command(epilog='Example: stackattn predict 3f2a "Why does ice float on water?"')
def predict(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Texts; of a run on data=conllu, CoNLL-U files. - reads them from stdin, a text a line.",
        ),
    ],
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object a text, with every answer's share.")] = False,
    debug: Debug = False,
) -> None:
    """Ask a trained run. A classifier answers with the classes of each text, a language model (data=text) with the
    tokens that come next; an answer a line, the most probable first."""

    def action() -> int:
        announce(f"predict: asking run {run_id}", quiet=json)
        from stackcli.experiment.predict import describe_answers, edited_parts
        from stackcli.experiment.predict import predict as ask

        answers = ask(out, run_id, texts)
        for answer in answers:
            best = list(answer.shares.items())[:5]
            line = "  ".join(f"{quote_blanks(name)} {share:.3f}" for name, share in best)
            print_json(answer.row) if json else print(line)
        for remark in filter(None, [edited_parts(out, run_id), *describe_answers(answers)]):
            print(remark, file=sys.stderr)
        return 0

    run_guarded(action, debug)
