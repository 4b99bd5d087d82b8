"""`stackattn studies`: what is stored of studies, their names, and the removal of some."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stackcli.cli.app import app, confirm, print_json, print_pairs, run_guarded
from stackcli.cli.default_group import DefaultGroup
from stackcli.cli.options import Debug, Json, Out, check_out, complete_study

studies_app = typer.Typer(
    name="studies",
    cls=DefaultGroup,
    help="Stored studies: list, show, rm, restore, rename.\n\n"
    "Without a subcommand it lists the studies, newest first: how many of their runs have finished, axes, age, size.",
    epilog="Example: stackattn studies",
    rich_markup_mode=None,
)
app.add_typer(studies_app)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a study.", autocompletion=complete_study)]


@studies_app.command("list", epilog="Example: stackattn studies list --json")
def list_(json: Json = False, out: Out = Path("outputs"), debug: Debug = False) -> None:
    """The studies, newest first. The size is that of the tables and figures, without the runs."""

    def action() -> int:
        from rich.console import Console

        from stackcli.experiment.store import Store
        from stackcli.experiment.study_list import list_studies, studies_table, study_lines

        rows = list(list_studies(Store(out, create=False)))
        console = Console()
        if json:
            print_json(rows)
        elif console.is_terminal or "COLUMNS" in os.environ:
            console.print(studies_table(rows))
        else:
            print("\n".join(study_lines(rows)))
        return 0

    run_guarded(action, debug)


@studies_app.command(epilog="Example: stackattn studies show sweep-depth")
def show(name: Name, json: Json = False, out: Out = Path("outputs"), debug: Debug = False) -> None:
    """One study: its axes, how many runs of each point have finished, the settings that all runs share, its files, and
    the command that goes on with it."""

    def action() -> int:
        from stackcli.experiment.report import find_study
        from stackcli.experiment.store import Store
        from stackcli.experiment.study_list import describe_lines, describe_study

        store = Store(out, create=False)
        found = describe_study(store, find_study(store, name))
        if json:
            print_json(found)
            return 0
        print_pairs(describe_lines(found))
        if found["line"]:
            print(f"\nits command:\n{found['line']}")
        return 0

    run_guarded(action, debug)


@studies_app.command(epilog="Example: stackattn studies rm sweep-depth")
def rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Move the tables and figures of a study to the trash, after asking. Its runs stay: the same command makes it again
    without training, and `studies restore NAME` brings it back."""

    def action() -> int:
        from stackcli.experiment.report import find_study
        from stackcli.experiment.store import Store
        from stackcli.experiment.study_list import check_idle
        from stackcli.experiment.trash import remove_study

        check_out(out, create=False)
        store = Store(out, create=False)
        check_idle(store, find_study(store, name))
        if not confirm(f"Move study {name} to the trash? Its runs stay.", yes=yes):
            print("nothing was moved", file=sys.stderr)
            return 2
        place = remove_study(store, name)
        if place is None:
            raise ValueError(f"study {name}: gone, renamed or removed by another process")
        print(place)
        print(f"stackattn studies restore {name} brings it back", file=sys.stderr)
        return 0

    run_guarded(action, debug)


@studies_app.command(epilog="Example: stackattn studies restore sweep-depth")
def restore(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a removed study.")],
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Bring a removed study back from the trash."""

    def action() -> int:
        from stackcli.experiment.store import Store
        from stackcli.experiment.trash import find_removed, restore_study

        check_out(out, create=False)
        store = Store(out, create=False)
        print(restore_study(store, find_removed(store, name, "study")))
        return 0

    run_guarded(action, debug)


@studies_app.command(epilog="Example: stackattn studies rename sweep-depth questions")
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Rename a study. A name that another study has is refused."""

    def action() -> int:
        from stackcli.experiment.report import find_study
        from stackcli.experiment.store import Store
        from stackcli.experiment.study_list import rename_study

        check_out(out, create=False)
        store = Store(out, create=False)
        rename_study(store, find_study(store, old), new)
        print(store.study(new))
        return 0

    run_guarded(action, debug)
