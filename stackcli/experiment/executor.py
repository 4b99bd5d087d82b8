"""The launcher that a command names, built with its keys."""

import inspect
from collections.abc import Sequence

from stackcli.common import registry
from stackcli.config.settings import Options
from stackcli.experiment import torchrun
from stackcli.launcher.base import Executor


def build_executor(options: Options, preload: Sequence[str]) -> Executor:
    """Returns the launcher of `options`. `preload`: the modules that a run needs. Raises ValueError where its library
    is missing or a key does not fit."""
    if torchrun.process_count() > 1:
        return torchrun.build_together(options.command, options.launcher.name)
    if options.launcher.name == "local":
        from stackcli.launcher.local import Local

        return Local(workers=options.jobs, preload=preload)
    name = options.launcher.name
    taken = inspect.signature(registry.load_part("launcher", name)).parameters
    given = {"workers": options.jobs, "preload": preload, "folder": options.out}
    arguments = {key: value for key, value in given.items() if key in taken}
    built: Executor = registry.build_part("launcher", name, **arguments, **options.launcher.options)
    return built


def check_local(options: Options) -> None:
    """Raises ValueError for a launcher where a command sends no runs to it."""
    if options.launcher.name != "local":
        raise ValueError(
            f"launcher={options.launcher.name}: {options.command} measures on this machine; leave launcher out"
        )
