"""`stackattn list`."""

from typing import Annotated

import typer

from stackcli.cli.app import announce, app, check_choice, print_choices, print_json, run_guarded
from stackcli.cli.options import Debug, Json, Overrides


@app.command("list", epilog="Example: stackattn list pe")
def list_parts(
    group: Annotated[
        str,
        typer.Argument(help="A group, such as pe, data or attack; settings or experiments."),
    ] = "",
    overrides: Overrides = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The choices of a group, settings, recorded studies. `list pe dim=128` shows the cost at another size, `list
    settings pe=relative` the settings that go with this choice."""

    def action() -> int:
        from stackcli.common import registry
        from stackcli.config import recorded_settings
        from stackcli.config.command_parts import COMMAND_GROUPS
        from stackcli.config.settings import GROUPS, LISTED

        groups = (*GROUPS, "explain", "attack", *COMMAND_GROUPS)  # those after GROUPS are no settings of a run
        if group:
            check_choice("list", group, (*groups, "settings", "experiments"))
        if group == "pe":
            return encodings(overrides, json)
        if group == "settings":
            return settings(overrides, json)
        if overrides:
            raise ValueError(
                f"{overrides[0]}: list takes settings after pe and after settings, not after {group or 'list'}"
            )
        if json and group in groups:
            print_json([{"name": n, "line": registry.part_summary(group, n)} for n in registry.part_names(group)])
            return 0
        if group == "experiments":
            names = recorded_settings.experiment_names()
            print_choices((name, recorded_settings.describe_experiment(name)) for name in names)
        for name in (group,) if group in groups else () if group else groups:
            print(name)
            print_choices(((n, registry.part_summary(name, n)) for n in registry.part_names(name)), indent="  ")
            if name in LISTED:
                print(f"  {name}.{LISTED[name]}=A,B chooses one for each layer, repeated over the depth")
        return 0

    run_guarded(action, debug)


def encodings(overrides: list[str] | None, json: bool) -> int:
    """Prints `list pe`. Every encoding is built to count its parameters, which needs PyTorch."""
    announce("list pe: building each encoding to count its parameters", quiet=json)
    from stackcli.config.grid import parse_grid
    from stackcli.experiment import encoding_list
    from stackcli.experiment.console import Console

    sizes = parse_grid(tuple(overrides or ()), single=True).configs[0]
    found = encoding_list.encoding_entries(sizes)
    if json:
        print_json([entry._asdict() for entry in found])
    else:
        Console().print(encoding_list.encoding_table(found, sizes))
    return 0


def settings(overrides: list[str] | None, json: bool) -> int:
    """Prints `list settings`: every setting, or those that apply with the parts named."""
    from rich.console import Console

    from stackcli.config.grid import parse_grid
    from stackcli.config.settings_list import every_setting, settings_of
    from stackcli.experiment.settings_table import settings_table

    rows = settings_of(parse_grid(tuple(overrides)).configs) if overrides else every_setting()
    if json:
        print_json([row._asdict() for row in rows])
    else:
        Console().print(settings_table(rows))
    return 0
