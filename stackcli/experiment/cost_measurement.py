"""`cost`: measures what a training step costs at every point, and reports how that grows. Nothing is trained or kept
but tables and figures, in OUT/costs/NAME/.

First the memory of each point, in a process of its own, so that a point which is too large ends alone; then the times
of all points that fit, together in one process, which runs after all others.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stackcli.common.wording import count_noun, format_setting
from stackcli.config.settings import Options
from stackcli.config.validation import in_words
from stackcli.experiment import study
from stackcli.experiment.cost_points import CostPlan, describe_plan
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name
from stackcli.launcher.base import UNFINISHED, Executor
from stackcli.launcher.local import Local

BUDGET = 40.0  # seconds for the times of all points, about; slow points take longer
KILLED = "exit code -9"  # how a process ends that the system kills for its memory


def run_cost(asked: CostPlan, options: Options) -> int:
    """Runs the command; returns its exit code: 0, 1 where a point failed for another reason than memory, or 130 where
    it was stopped."""
    from stackcli.diagnostics import peak_memory

    store = Store(options.out)
    name = check_name(options.study) if options.study else study.study_name(options.command, named_arms(asked))
    points = asked.points
    progress = Progress(quiet=options.quiet, total=len(points), labels=label_points(asked), noun="points")
    for line in (describe_plan(asked), *asked.notes):
        progress.say(line)
    free = {device: peak_memory.free_memory(device) for device in {point.config.device for point in points}}
    if options.dry_run:
        return announce_estimate(asked, min(free.values()), progress)
    executor = Local(workers=1, preload=["stackcli.diagnostics.step_cost", "torch._dynamo"])
    rows: list[dict[str, Any]] = [{"status": "stopped"} for _ in points]
    stopped, loads = False, list[float | None]()
    try:
        with progress:
            fill_memory(rows, points, executor, free, progress)
        loads = fill_times(rows, points, executor, free, progress)
    except KeyboardInterrupt:
        stopped = True
    finally:
        executor.stop(now=True)
    from stackcli.experiment.cost_report import build_points, report_cost

    frame = build_points(asked, rows)
    frame.attrs["loads"] = loads
    if not (frame["status"] == "done").any() and stopped:
        progress.say("stopped before anything was timed; nothing is written")
        return 130
    if stopped:
        progress.say("stopped: what follows is what was measured so far")
    store.create()
    report_cost(frame, asked, store.root / "costs" / name, options, progress)
    return 130 if stopped else int((frame["status"] == "failed").any())


def announce_estimate(asked: CostPlan, free: float, progress: Progress) -> int:
    """Says about how long the command takes and what it needs, from closed forms and a quick calibration of this
    machine's speed; returns the exit code."""
    from stackcli.diagnostics.cost_estimate import estimate_points, estimate_total

    rows, labels = estimate_points(asked.points, free), label_points(asked)
    fitting = [row for row in rows if row["status"] == "counted"]
    for label, row in zip(labels, rows, strict=True):
        warning = "" if row["status"] == "counted" else f"; WILL NOT FIT, as {in_words(free)} are free"
        progress.say(f"{label}: about {format_seconds(row['seconds'])} a step, {in_words(row['needed'])}{warning}")
    total = estimate_total([row["seconds"] for row in fitting], BUDGET)
    most = max((row["needed"] for row in fitting), default=0.0)
    progress.say(
        f"{count_noun(len(fitting), 'points')} of {len(rows)} would be measured, in about {format_seconds(total)}; the"
        f" largest needs about {in_words(most)} of the {in_words(free)} that are free"
    )
    return 0


def format_seconds(seconds: float) -> str:
    """Formats a duration roughly.

    >>> format_seconds(0.0123), format_seconds(42.3), format_seconds(200), format_seconds(9000)
    ('0.012 s', '42 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def named_arms(asked: CostPlan) -> study.Arms:
    """Returns the arms with the axis `seq`, from which a study is named."""
    return replace(asked.arms, axes=asked.axes)


def label_points(asked: CostPlan) -> list[str]:
    """Returns the settings by which a message names each point."""
    heads = [study.point_label(config, "", asked.arms.axes) for config in asked.arms.configs]
    return [f"{head} seq={length}".strip() for head in heads for length in asked.lengths]


def fill_memory(
    rows: list[dict[str, Any]], points: Sequence[Any], executor: Executor, free: dict[str, float], progress: Progress
) -> None:
    """Counts the costs of each point and measures its memory, in a process of its own; adds them to its row."""
    from stackcli.diagnostics.step_cost import Request, measure_memory

    jobs = [Request(point, free[point.config.device]) for point in points]
    for outcome in executor.run(measure_memory, jobs):
        row = rows[outcome.job]
        if outcome.state == "done":
            row |= outcome.detail
        elif outcome.state in UNFINISHED:
            memory = outcome.state == "lost" and KILLED in str(outcome.detail)
            why = str(outcome.detail).strip().rpartition("\n")[2]
            row |= {"status": "out of memory"} if memory else {"status": "failed", "why": why}
            outcome = replace(outcome, detail=f"{why}, which is taken for a lack of memory" if memory else why)
        progress.show(outcome, None)


def fill_times(
    rows: list[dict[str, Any]], points: Sequence[Any], executor: Executor, free: dict[str, float], progress: Progress
) -> list[float | None]:
    """Times all points that fit, in turns in one process; adds the times to their rows. A point keeps the turns that
    were reported before an interrupt. Returns the cores that other processes kept busy before and after."""
    from stackcli.diagnostics.machine_load import measure_load
    from stackcli.diagnostics.step_cost import Timing, measure_times

    timed = [i for i, row in enumerate(rows) if row["status"] == "done"]
    if not timed:
        return []
    loads = [measure_load()]
    progress.say(f"timing {count_noun(len(timed), 'points')} in turns")
    for i in timed:
        rows[i]["status"] = "stopped"
    job = Timing(tuple(points[i] for i in timed), BUDGET, min(free.values()))
    for outcome in executor.run(measure_times, [job]):
        if outcome.state in ("progress", "done"):
            for i, found in zip(timed, outcome.detail, strict=True):
                rows[i] |= {"status": "done" if found["repeats"] else "stopped", **found}
        elif outcome.state in UNFINISHED:
            why = str(outcome.detail).strip().rpartition("\n")[2]
            for i in timed:
                rows[i] |= {} if rows[i]["status"] == "done" else {"status": "failed", "why": why}
            progress.say(f"the times are incomplete: {format_setting(why)}")
    return [*loads, measure_load()]
