"""`stackattn attack`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli.cli.app import announce, app, print_json, run_guarded
from stackcli.cli.options import Debug, Out, Pictures, check_out, parse_formats
from stackcli.common.wording import count_noun

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SETTING...",
        help="attack=hotflip,pgd; attack.budget=1,3,5; keys of attacks: hotflip.beam=8 pgd.steps=40.",
    ),
]
ITEMS = 100


@app.command(epilog="Example: stackattn attack 3f2a attack=hotflip,typo attack.budget=1,3,5")
def attack(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    words: Words = None,
    items: Annotated[int, typer.Option("--items", min=0, help="Test items, chosen at random; 0: all.")] = ITEMS,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A text to attack, in place of test items; - reads stdin.")
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Texts that flipped, for each attack.")] = 1,
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object with every number and every text.")] = False,
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """How easily a trained run is fooled. Accuracy under each attack against its budget, beside random changes of the
    same size; what flipped is saved, and counted only where a stack built afresh answers it wrongly."""

    def action() -> int:
        from stackcli.config.attack_settings import parse_attacks

        formats = parse_formats(figures)
        check_out(out, create=False)
        asked = parse_attacks(words or ())
        announce(f"attack: run {run_id} by {count_noun(len(asked.methods), 'attacks')}", quiet=json)
        from stackcli.experiment import attack as maker
        from stackcli.experiment.attacked_run import open_attacked_run

        attacked = open_attacked_run(out, run_id)
        folder = maker.attack_folder(out, attacked.run.name)
        chosen = attacked.typed_items(text) if text else attacked.test_items(items)
        with show_status(quiet=json) as show:
            report = maker.run_attacks(attacked, chosen, asked, folder, lambda line: announce(line, quiet=json), show)
        maker.save_report(report, folder)
        if json:
            print_json(report)
            return 0
        print_attacks(report, examples)
        files = maker.draw_attacks(report, folder, formats) if formats else []
        print(maker.describe_written(folder, files))
        return 0

    run_guarded(action, debug)


@contextmanager
def show_status(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that shows on a terminal what is being done."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    with console.status("reading the run") if console.is_terminal else nullcontext() as status:
        yield lambda line: status.update(line) if status is not None else None


def print_attacks(report: dict[str, Any], examples: int) -> None:
    """Prints tables, remarks and so many examples of each attack."""
    from stackcli.analysis.attack_text import describe_attacks
    from stackcli.experiment.console import Console

    console = Console(highlight=False)
    for part in describe_attacks(report, examples):
        console.print(part)
