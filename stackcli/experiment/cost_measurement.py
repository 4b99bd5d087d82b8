"""`cost`: measures what a training step costs at every point, and reports how that grows. Nothing is trained or kept
but tables and figures, in OUT/costs/NAME/.

First the memory of each point, in a process of its own, so that a point which is too large ends alone; then the times
of all points that fit, together in one process, which runs alone on the machine.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stackcli.common.wording import count_noun, format_setting
from stackcli.config.settings import Options
from stackcli.experiment import study
from stackcli.experiment.cost_points import CostPlan, describe_plan
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name
from stackcli.launcher.base import Executor
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
    executor = Local(workers=1, preload=["stackcli.diagnostics.step_cost", "torch._dynamo"])
    free = {device: peak_memory.free_memory(device) for device in {point.config.device for point in points}}
    rows: list[dict[str, Any]] = [{"status": "stopped"} for _ in points]
    stopped = False
    try:
        with progress:
            fill_memory(rows, points, executor, free, progress)
        fill_times(rows, points, executor, free, progress)
    except KeyboardInterrupt:
        stopped = True
    finally:
        executor.stop(now=True)
    from stackcli.experiment.cost_report import build_points, report_cost

    frame = build_points(asked, rows)
    if not (frame["status"] == "done").any() and stopped:
        progress.say("stopped before anything was timed; nothing is written")
        return 130
    if stopped:
        progress.say("stopped: what follows is what was measured so far")
    store.create()
    report_cost(frame, asked, store.root / "costs" / name, options, progress)
    return 130 if stopped else int((frame["status"] == "failed").any())


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

    jobs = [Request(point, free[point.config.device], True) for point in points]
    for outcome in executor.run(measure_memory, jobs):
        row = rows[outcome.job]
        if outcome.state == "done":
            row |= outcome.detail
        elif outcome.state in ("failed", "lost"):
            memory = outcome.state == "lost" and KILLED in str(outcome.detail)
            why = str(outcome.detail).strip().rpartition("\n")[2]
            row |= {"status": "out of memory"} if memory else {"status": "failed", "why": why}
            outcome = replace(outcome, detail=f"{why}, which is taken for a lack of memory" if memory else why)
        progress.show(outcome, None)


def fill_times(
    rows: list[dict[str, Any]], points: Sequence[Any], executor: Executor, free: dict[str, float], progress: Progress
) -> None:
    """Times all points that fit, in turns in one process; adds the times to their rows. A point keeps the turns that
    were reported before an interrupt."""
    from stackcli.diagnostics.step_cost import Timing, measure_times

    timed = [i for i, row in enumerate(rows) if row["status"] == "done"]
    if not timed:
        return
    progress.say(f"timing {count_noun(len(timed), 'points')} in turns, alone on the machine")
    for i in timed:
        rows[i]["status"] = "stopped"
    job = Timing(tuple(points[i] for i in timed), BUDGET, min(free.values()))
    for outcome in executor.run(measure_times, [job]):
        if outcome.state in ("progress", "done"):
            for i, found in zip(timed, outcome.detail, strict=True):
                rows[i] |= {"status": "done" if found["repeats"] else "stopped", **found}
        elif outcome.state in ("failed", "lost"):
            why = str(outcome.detail).strip().rpartition("\n")[2]
            for i in timed:
                rows[i] |= {} if rows[i]["status"] == "done" else {"status": "failed", "why": why}
            progress.say(f"the times are incomplete: {format_setting(why)}")
