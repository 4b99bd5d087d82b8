"""Runs a study from start to end: plan, train, time, tabulate, draw."""

import contextlib
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stackcli.common.records import Result
from stackcli.common.signals import handle_signals
from stackcli.common.suggestions import suggest_nearest
from stackcli.common.wording import format_setting
from stackcli.config import recorded_settings
from stackcli.config.grid import Grid
from stackcli.config.settings import Config, Options
from stackcli.experiment.identity import digest
from stackcli.experiment.progress import Progress, on_test, on_validation
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name
from stackcli.launcher.base import UNFINISHED, Executor

ASK_ABOVE = 200  # runs; more need a yes
AWAY = 1_000_000  # from the first seed of a study to the first seed of its search


@dataclass(frozen=True)
class Arms:
    """What a command runs: the runs in order, the arm of each (empty outside an experiment), the axes, and the base,
    the settings that all runs share; `typed`: the words of the command."""

    configs: tuple[Config, ...]
    arms: tuple[str, ...]
    axes: tuple[str, ...]
    base: Mapping[str, Any]
    overrides: tuple[str, ...]
    typed: tuple[str, ...]
    labels: tuple[Mapping[str, str], ...] = ()  # for each run, the values of axes that are not settings
    match: Mapping[str, Any] = field(default_factory=dict)  # what all depths have alike, and at which depth it was set
    chosen: tuple[str, ...] = ()  # settings that were chosen for each point; they are not axes
    notes: tuple[str, ...] = ()  # lines to print before anything runs
    known: Mapping[str, Any] = field(default_factory=dict)  # as Frames.known

    @property
    def labelled(self) -> tuple[Mapping[str, str], ...]:
        """The labels, one for each run."""
        return self.labels or ({},) * len(self.configs)

    @classmethod
    def of_grid(cls, grid: Grid) -> "Arms":
        words = grid.overrides
        return cls(grid.configs, ("",) * len(grid.configs), tuple(grid.axes), grid.base, words, words)

    @classmethod
    def of_questions(cls, grids: Sequence[Grid], axes: Sequence[str], typed: Sequence[str]) -> "Arms":
        """Joins the grids of several data sets into one study; `axes` come first, and what all share is the base."""
        configs = tuple(c for grid in grids for c in grid.configs)
        swept = tuple(dict.fromkeys([*axes, *(key for grid in grids for key in grid.axes)]))
        shared = {k: v for k, v in grids[0].base.items() if all(grid.base.get(k) == v for grid in grids)}
        base = {k: v for k, v in shared.items() if k not in swept}
        return cls(configs, ("",) * len(configs), swept, base, tuple(typed), tuple(typed))

    @classmethod
    def of_experiment(cls, grids: Mapping[str, Grid], typed: Sequence[str]) -> "Arms":
        """Returns a named arm for each line of an experiment; the grid alone where it is one line without a name."""
        if list(grids) == [""]:
            return replace(cls.of_grid(grids[""]), typed=tuple(typed))
        configs = tuple(c for grid in grids.values() for c in grid.configs)
        names = tuple(name for name, grid in grids.items() for _ in grid.configs)
        lines = tuple(f"{name}: {shlex.join(grid.overrides)}" for name, grid in grids.items())
        return cls(configs, names, ("arm",), {"arms": " | ".join(lines)}, lines, tuple(typed))


def read_experiment(name: str) -> dict[str, list[str]]:
    """Reads arm -> overrides from experiments/NAME/settings.txt."""
    return recorded_settings.read_experiment(name)


def run_study(arms: Arms, options: Options) -> int:
    """Runs a study; returns the exit code."""
    with contextlib.ExitStack() as work:
        return run_phases(arms, options, work)


def run_phases(arms: Arms, options: Options, work: contextlib.ExitStack) -> int:
    """As `run_study`; `work` is closed when the study is no longer worked on."""
    from stackcli.experiment import announcement, live_files, plan, worker
    from stackcli.experiment.executor import build_executor

    check_columns(arms.configs, options)
    store = Store(options.out)
    name = check_name(options.study) if options.study else study_name(options.command, arms)
    arms = along_known_axes(arms, store, name) if options.study else arms
    store.check_study(name, {"base": arms.base, "axes": arms.axes})
    timed = announcement.announce_command(arms, options, store)
    executor = build_executor(options, worker.preload())
    planned = plan_runs(arms, options, store, executor)
    describe = on_validation if options.search else on_test
    labels, each, ids = run_labels(planned.todo, arms), plan.job_estimates(planned), [job.run for job in planned.todo]
    progress = Progress(quiet=options.quiet, total=len(labels), labels=labels, describe=describe, work=each, runs=ids)
    announcement.announce_plan(arms, planned, options, progress, timed=timed)
    if options.dry_run:
        return 0
    if len(planned.todo) > ASK_ABOVE and not options.yes and not ask_consent(len(planned.todo)):
        progress.say(f"{len(planned.todo)} runs: write --yes to start more than 200")
        return 2
    study = study_record(arms, planned, options)
    store.create()
    store.tidy()
    plan.keep_facts(planned, store)
    if lost := store.count_dropped(name, study, grow=bool(options.study)):
        progress.say(announcement.describe_dropped(name, lost, named=bool(options.study)))
    store.save_study(name, with_statuses(study, {}, store), grow=bool(options.study))
    work.enter_context(live_files.keep_live(store.study(name), options_line(options, arms), progress.state))
    with contextlib.closing(executor):
        code, statuses = train(planned, store, executor, replace(options, study=name), progress)
    store.save_study(name, with_statuses(study, statuses, store), grow=bool(options.study))
    if code in (75, 130):
        progress.say(
            f"stopped; finished runs and checkpoints are kept. To go on: {options_line(options, arms)}", copied=True
        )
        return code
    if options.search:
        from stackcli.experiment.study_figures import redraw

        for path in redraw(options.out, name, options.formats, ["sensitivity"]).paths:
            progress.say(f"wrote {path}")
        return code
    from stackcli.experiment.report import report_study

    measure_runs(store, name, options, progress)
    report_study(store, name, options, progress, again=options_line(options, arms) if code else "")
    return code


def plan_runs(arms: Arms, options: Options, store: Store, executor: Executor) -> Any:
    """Returns the plan of the runs; where some will be trained, the launcher begins what takes long."""
    from stackcli.experiment import plan

    soon = (lambda: None) if options.dry_run else executor.warm
    test, here = not options.search, executor.here
    return plan.plan(arms.configs, store, force=options.force, test=test, soon=soon, here=here)


def measure_runs(store: Store, name: str, options: Options, progress: Progress) -> None:
    """Measures the step times of a study whose runs are done; explains and attacks the runs where that is asked for."""
    from stackcli.experiment import attack_pass, explanation_pass, timing_pass

    timing_pass.time_steps(store, name, progress.say, progress.counting)
    if options.explain:
        explanation_pass.explain_runs(store, name, options.jobs, progress.say, progress.counting)
    if options.attack:
        attack_pass.attack_runs(store, name, options.jobs, progress.say, progress.counting)


def along_known_axes(arms: Arms, store: Store, name: str) -> Arms:
    """Returns the runs as points of the named study where that has more axes: depth=4 alone joins depths 1 and 2."""
    if "arm" in arms.axes or arms.labels or arms.match or name not in store.studies():
        return arms
    axes = tuple(store.read_study(name)["axes"])
    if not set(arms.axes) < set(axes) or not set(axes) <= {key for c in arms.configs for key in c.flat()}:
        return arms
    return replace(arms, axes=axes, base={k: v for k, v in arms.base.items() if k not in axes})


TIMES = ("step_ms", "step_ms_low", "step_ms_high", "forward_ms", "backward_ms", "update_ms", "seconds")


def check_columns(configs: Sequence[Config], options: Options) -> None:
    """Raises ValueError for columns of --cols and --sort that no run will have."""
    known = dict.fromkeys((*(f.name for f in fields(Result)), *TIMES, "params_core"))
    known |= dict.fromkeys(key for config in configs for key in config.flat())
    for option, typed in (("--cols", options.cols), ("--sort", options.sort.removeprefix("-"))):
        for name in filter(None, (c.strip() for c in typed.split(","))):
            if name not in known:
                shown = "choose from " + ", ".join(known)
                raise ValueError(f"{option} {name}: unknown column{suggest_nearest(name, known, shown)}")


def run_labels(todo: Sequence[Any], arms: Arms) -> list[str]:
    """Returns the name of each run in progress messages: its point and its seed."""
    arm = dict(zip(arms.configs, arms.arms, strict=True))
    return [f"{point_label(job.config, arm[job.config], arms.axes) or 'run'} seed={job.config.seed}" for job in todo]


def point_label(config: Config, arm: str, axes: Sequence[str]) -> str:
    """Returns the swept values as text, or the name of the arm in an experiment."""
    if arm:
        return arm
    flat = config.flat()
    return " ".join(f"{axis}={format_setting(flat[axis])}" for axis in axes if axis in flat)


def study_name(command: str, arms: Arms) -> str:
    """Returns a name made of the command, the axes and the other words typed: equal studies have equal names."""
    typed = [w for w in arms.overrides if w.partition("=")[0] not in (*arms.axes, "seed", "seeds")]
    words = "-".join([command, *arms.axes, *sorted(typed)])
    clean = "".join(c if c.isascii() and (c.isalnum() or c in "._=,+-") else "_" for c in words)
    return clean if len(clean) <= 80 and clean == words else f"{clean[:70]}-{digest(words)[:8]}"


def ask_consent(runs: int) -> bool:
    """Asks on a terminal; elsewhere --yes is needed."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{runs} runs; start? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def study_record(arms: Arms, plan: Any, options: Options) -> dict[str, Any]:
    """Returns the content of study.json."""
    from stackcli.experiment.timing_pass import timing_key

    names = data_names(plan)
    runs = [
        {
            "run": run,
            "arm": arm,
            "point": point_label(config, arm, arms.axes),
            "settings": {**config.flat(), **label},
            "timing": timing_key(config, str(plan.facts[config.data]["fingerprint"])),
            "facts": names[config.data],
        }
        | ({"timing_same": same_kernel(config, plan)} if options.command == "compare-pe" and not options.search else {})
        for run, config, arm, label in zip(plan.ids, plan.configs, arms.arms, arms.labelled, strict=True)
    ]
    facts = {names[data]: dict(found) for data, found in plan.facts.items()}
    return {
        "command": options.command,
        "axes": list(arms.axes),
        "base": dict(arms.base),
        "match": dict(arms.match),
        "chosen": list(arms.chosen),
        "overrides": list(arms.overrides),
        "runs": runs,
        "facts": facts,
        "again": options_line(options, arms),
    } | ({"known": dict(arms.known)} if arms.known else {})


def same_kernel(config: Config, plan: Any) -> str:
    """Returns the timing key of the run with the explicit kernel, which every encoding can use."""
    from stackcli.experiment.timing_pass import timing_key

    return timing_key(replace(config, kernel="explicit"), str(plan.facts[config.data]["fingerprint"]))


def data_names(plan: Any) -> dict[Any, str]:
    """Returns a name for each data set: that of its part; where several share a part, also the keys that differ, of a
    path only the file name; where that is not enough, also the beginning of the key of its facts."""
    names: dict[Any, str] = {}
    for data in plan.facts:
        others = [other.options for other in plan.facts if other.name == data.name]
        differ = [(k, v) for k, v in data.keys if any(other.get(k) != v for other in others)]
        said = (Path(str(v)).name if k == "path" else f"{k}={format_setting(v)}" for k, v in differ)
        name = " ".join([data.name, *said])
        names[data] = f"{name} {plan.facts_keys[data][:6]}" if name in names.values() else name
    return names


def with_statuses(study: dict[str, Any], statuses: Mapping[str, str], store: Store) -> dict[str, Any]:
    """Returns the study with the `status` of each run that did not finish; `published`: whether another run exists."""
    runs = [
        {**r, "status": statuses[r["run"]]} if r["run"] in statuses else {**r, "published": store.finished(r["run"])}
        for r in study["runs"]
    ]
    return {**study, "runs": runs}


def train(plan: Any, store: Store, executor: Any, options: Options, progress: Progress) -> tuple[int, dict[str, str]]:
    """Trains the runs of a plan; returns (exit code, status of each run that did not finish)."""
    from stackcli.experiment import trackers, worker

    if not plan.todo:
        return 0, {}
    plan, failures = trackers.report_plan(plan, store, options, progress.labels)
    signals: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        signals.append(number)
        progress.say(
            "stopping: running runs save their state; a second signal stops at once"
            if len(signals) == 1
            else "stopping now"
        )
        executor.stop(now=len(signals) > 1)
        if len(signals) > 2:  # the launcher does not answer either
            raise KeyboardInterrupt

    statuses: dict[str, str] = {}
    with (
        handle_signals([signal.SIGINT, signal.SIGTERM], interrupt),
        contextlib.closing(failures),
        progress,
    ):
        for job, outcome in worker.run_plan(plan, executor, store):
            progress.show(outcome, store.result(job.run) if outcome.state == "done" else None)
            failures.show()
            statuses.pop(job.run, None)
            if outcome.state in UNFINISHED:
                statuses[job.run] = outcome.state
                if options.fail_fast:
                    executor.stop()
    if signals:
        return (130 if signals[0] == signal.SIGINT else 75), statuses
    return (1 if statuses else 0), statuses


def options_line(options: Options, arms: Arms) -> str:
    """Returns the command that continues this one."""
    words = ["stackattn", "ablate-depth" if options.command == "remedies" else options.command]
    words += [*arms.typed, *options.asked]
    return " ".join(shlex.quote(w) for w in words)
