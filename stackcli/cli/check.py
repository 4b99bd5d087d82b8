"""`stackattn check`."""

from dataclasses import replace
from pathlib import Path

from stackcli.cli.app import announce, app, run_guarded
from stackcli.cli.options import ConfigDir, Debug, Json, Out, Overrides, Pictures, check_out, parse_formats


@app.command(epilog="Example: stackattn check pe=sinusoidal data.max_len=64")
def check(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    json: Json = False,
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Check position encodings, property by property. With the evidence for each. Several: pe=learned,rope."""

    def action() -> int:
        from stackcli.config.grid import parse_grid

        grid = parse_grid(tuple(overrides or ()), config_dir=config_dir)
        configs = list(dict.fromkeys(replace(config, seed=grid.seeds[0]) for config in grid.configs))
        formats = parse_formats(figures)
        if formats:
            check_out(out)
        names = ", ".join(dict.fromkeys(config.pe.name for config in configs))
        announce(f"check: pe={names}; takes some seconds", quiet=json)
        from stackcli.experiment.encoding_report import show_report

        return show_report(configs, out, json=json, formats=formats)

    run_guarded(action, debug)
