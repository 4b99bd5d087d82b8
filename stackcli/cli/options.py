"""The options that several commands share, and what they mean."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer


def complete(incomplete: str) -> list[str]:
    """Keys, groups and choices, for the shell's completion. Bash breaks words at `=` and wants what comes after it."""
    from stackcli.common.registry import part_names
    from stackcli.config.command_parts import COMMAND_GROUPS
    from stackcli.config.grid import setting_choices, setting_keys

    words, at = os.environ.get("COMP_WORDS", "").split(), int(os.environ.get("COMP_CWORD") or 0)
    before = words[:at]
    if words[at : at + 1] == ["="] and before:
        key, typed, prefix = before[-1], "", ""
    elif before[-1:] == ["="] and len(before) > 1:
        key, typed, prefix = before[-2], incomplete, ""
    else:
        key, equals, typed = incomplete.partition("=")
        prefix = f"{key}="
        if not equals:
            own = ("seq",) if words[1:2] == ["cost"] else ()
            return [f"{name}=" for name in (*setting_keys(), *COMMAND_GROUPS, *own) if name.startswith(key)]
    head, comma, last = typed.rpartition(",")
    choices = part_names(key) if key in COMMAND_GROUPS else setting_choices().get(key, ())
    return [f"{prefix}{head}{comma}{c}" for c in choices if c.startswith(last)]


def _out_typed() -> Path:
    """The folder of runs among the words that are being completed."""
    words = os.environ.get("COMP_WORDS", "").split()
    return Path(next((b for a, b in pairwise(words) if a == "--out"), "outputs"))


def complete_study(incomplete: str) -> list[str]:
    """Names of stored studies, for the shell's completion."""
    return sorted(p.parent.name for p in _out_typed().glob(f"studies/{incomplete}*/study.json"))


def complete_run(incomplete: str) -> list[str]:
    """Ids of stored runs, for the shell's completion."""
    return sorted(p.name for p in _out_typed().glob(f"runs/{incomplete}*"))[:100]


def complete_word(incomplete: str) -> list[str]:
    """Conditions on settings and on the study, for the shell's completion."""
    return [*(["study="] if "study=".startswith(incomplete) else []), *complete(incomplete)]


Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings.", autocompletion=complete)]


def expand_home(path: Any) -> Any:
    """A path, or its text, with `~` replaced by the user's home folder; as it is where there is none."""
    return type(path)(os.path.expanduser(path)) if path else path


Out = Annotated[Path, typer.Option("--out", help="Folder in which runs are kept.", callback=expand_home)]

Study = Annotated[str, typer.Option("--study", help="Name of the study; made from the command otherwise.")]

Jobs = Annotated[
    int,
    typer.Option(
        "-j",
        "--jobs",
        help="Runs at once here; 0: cores divided by the threads of a run, on CUDA as many as its memory holds.",
    ),
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run, and stop.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before more than 200 runs.")]

Force = Annotated[bool, typer.Option("--force", help="Train finished runs again.")]

FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the result and errors.")]

Json = Annotated[bool, typer.Option("--json", help="The table as JSON on stdout.")]

Csv = Annotated[str, typer.Option("--csv", help="The table as CSV in a file; - for stdout.", callback=expand_home)]

Format = Annotated[str, typer.Option("--format", help="The table on stdout as md or latex.")]

Cols = Annotated[str, typer.Option("--cols", help="Columns of the table, separated by commas.")]

Sort = Annotated[str, typer.Option("--sort", help="Column to sort by; -column for descending.")]

Top = Annotated[int, typer.Option("--top", help="Only the first rows.", min=0)]

Tune = Annotated[
    str, typer.Option("--tune", metavar="KEY=VALUES", help="Search this setting for each arm first: lr=0.001,0.003.")
]

Search = Annotated[
    str, typer.Option("--search", metavar="random|bayes", help="Search the settings that are given several values.")
]

Trials = Annotated[int | None, typer.Option("--trials", help="Settings that a search tries; 40 by default.")]

Prune = Annotated[
    bool, typer.Option("--prune", help="Train short at first, and only the best third of a search for longer.")
]

Remedies = Annotated[bool, typer.Option("--remedies", help="Run the remedies of what is found, on fresh seeds.")]

Explain = Annotated[bool, typer.Option("--explain", help="Explain test items of every run, and compare the scores.")]

Attack = Annotated[bool, typer.Option("--attack", help="Attack test items of every run, and compare what is flipped.")]

Pictures = Annotated[str, typer.Option("--figures", help="Formats of the figures: png,svg,pdf; none draws none.")]

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

ConfigDir = Annotated[
    Path | None, typer.Option("--config-dir", help="Folder searched for YAML files first.", callback=expand_home)
]


Experiment = Annotated[str, typer.Option("--experiment", help="Replay a recorded study by its name.")]


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_formats(text: str) -> tuple[str, ...]:
    """`--figures`: the formats; none where no figure is wanted. Raises ValueError for any other."""
    chosen = tuple(f.strip() for f in text.split(",") if f.strip())
    if chosen == ("none",):
        return ()
    if not chosen or set(chosen) - {"png", "svg", "pdf"}:
        raise ValueError(f"--figures {text}: choose from png, svg, pdf, or none")
    return chosen


def check_out(out: Path, *, create: bool = True) -> None:
    """Raises ValueError where a command cannot write to its folder of runs. `create`: the folder may be a new one."""
    from stackcli.experiment.store import Store

    Store(out, create=create).check_writable()


AGAIN = {  # parameter -> the option that the same command needs again to go on where it stopped
    "study": "--study",
    "tune": "--tune",
    "search": "--search",
    "trials": "--trials",
    "prune": "--prune",
    "remedies": "--remedies",
    "explain": "--explain",
    "attack": "--attack",
    "jobs": "-j",
    "config_dir": "--config-dir",
    "out": "--out",
}


def parse_options(context: typer.Context) -> tuple[Any, int]:
    """The Options of a command, and its `-j` as typed. The words of launchers and trackers move from the settings to
    the options. Raises ValueError for what is out of range or does not go
    together, and for a file that cannot be written."""
    from stackcli.common.atomic_files import check_target
    from stackcli.config.command_parts import split_words
    from stackcli.config.settings import Options
    from stackcli.experiment.trackers import check_trackers

    context.params["overrides"], parts = split_words(context.params["overrides"] or ())
    check_trackers(parts.trackers, str(context.info_name))
    check_out(context.params["out"])
    given = {k: v for k, v in context.params.items() if k not in ("overrides", "debug", "experiment")}
    again = {k: given[k] for k in AGAIN if given.get(k) and given[k] != Path("outputs")}
    words = [[AGAIN[k]] if v is True else [AGAIN[k], str(v)] for k, v in again.items()]
    jobs = given.pop("jobs", 1)
    if not 0 <= jobs <= 1024:
        raise ValueError(f"-j {jobs}: must be a whole number from 0 to 1024; 0 is one run for each core")
    trials, sampler = given.pop("trials", None), given.pop("search", "")
    if (trials is not None or given.get("prune")) and not sampler:
        raise ValueError("--trials and --prune belong to a search: write --search random or --search bayes")
    given |= {} if trials is None else {"trials": trials}
    if given.get("format", "") not in ("", "md", "latex"):
        raise ValueError(f"--format {given['format']}: choose md or latex")
    if given["csv"] == "-" and given.get("json"):
        raise ValueError("--json and --csv - both write to stdout; leave one out, or write --csv FILE")
    if given["csv"] not in ("", "-"):
        check_target(Path(given["csv"]), "--csv")
    given["study"] = given["study"] or ("" if sampler else context.params.get("experiment", ""))
    asked = (*parts.words, *(word for pair in words for word in pair))
    given |= {"formats": parse_formats(given.pop("figures")), "asked": asked}
    given |= {"launcher": parts.launcher, "trackers": parts.trackers}
    return Options(command=str(context.info_name), jobs=jobs or cores(), sampler=sampler, **given), jobs


def count_jobs(runs: Any, options: Any, jobs: int) -> Any:
    """The options with what `-j` means for these runs, or for what a search may try. It counts processes, of which a
    run may have several."""
    from stackcli.config.validation import runs_at_once

    configs = getattr(runs, "configs", None) or runs.corners(0)
    if jobs:
        return replace(options, jobs=max(1, options.jobs // max((c.devices for c in configs), default=1)))
    return replace(options, jobs=runs_at_once(configs, cores(), runs_on_device(configs)))


def runs_on_device(configs: Sequence[Any]) -> int | None:
    """How many of these runs fit into the free memory of the CUDA device at once, the largest of them counted; None
    where no run uses it or there is none."""
    on_device = [c for c in configs if c.device == "cuda"]
    free = cuda_memory() if on_device else None
    if free is None:
        return None
    from stackcli.diagnostics.cost_counts import device_bytes

    return int(free // max(map(device_bytes, dict.fromkeys(replace(c, seed=0) for c in on_device))))


def cuda_memory() -> int | None:
    """Free bytes of the CUDA device; None where there is none."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None
