"""`stackattn watch`: shows what a study is doing while other processes work on it. Reads only."""

import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live

from stackcli.common.wording import count_noun, escape_controls, format_duration
from stackcli.experiment import run_lines
from stackcli.experiment.console import Console
from stackcli.experiment.progress import on_test, on_validation
from stackcli.experiment.store import Store
from stackcli.experiment.watched_study import BAD, STATES, Snapshot, StudyWatch, WatchedRun, describe_workers

SECONDS = 1.0  # between two looks at the files
SILENT = 30.0  # seconds after which a process that has not written is said to be silent
KEPT = 5  # failed runs on the display


def run_watch(store: Store, study: str, *, once: bool = False, json: bool = False) -> int:
    """Shows a study until it is complete or no process works on it any more; returns the exit code: 1 where runs failed
    or are missing. `once`, and without a terminal: shows it as it is, and ends."""
    watch = StudyWatch(store, study)
    console = Console(highlight=False, markup=False, emoji=False)
    found = watch.snapshot()
    if json:
        from stackcli.common.records import dumps

        print(dumps(plain_snapshot(found), ascii_only=True))
        return found.code
    plain = not console.is_terminal or console.is_dumb_terminal or bool(os.environ.get("CI"))
    if not (once or plain):
        found = follow_study(watch, console, found)
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else sys.maxsize
    for line in [*snapshot_lines(found, width), *closing_lines(found)]:
        console.print(line, soft_wrap=True)
    return found.code


def follow_study(watch: StudyWatch, console: Console, found: Snapshot) -> Snapshot:
    """Shows a study until no process works on it; returns its last snapshot. A line for each run that ends meanwhile
    stays on the screen."""
    shown = [found]

    def render() -> RenderableType:
        return render_snapshot(shown[0], console)

    with Live(console=console, refresh_per_second=2, transient=True, get_renderable=render):
        while found.works:
            time.sleep(SECONDS)
            before, found = found, watch.snapshot()
            shown[0] = found
            for line in ended_lines(before, found):
                console.print(line, soft_wrap=True)
    return found


def render_snapshot(found: Snapshot, console: Console) -> RenderableType:
    """Returns what the screen shows, never taller than the screen."""
    head, *rest = snapshot_lines(found, console.width, KEPT)
    share = next((done / max(1, total) for _, done, total in counts(found)), found.share)
    lines = run_lines.fit_lines([f"study {found.study}", *rest][: max(0, console.height - 2)])
    return Group(run_lines.bar_line(share, head, console.width), *lines)


def counts(found: Snapshot) -> Iterator[tuple[str, int, int]]:
    """Yields what the processes count outside the training: what, done, all."""
    yield from (work.count for work in found.works if work.count)


def snapshot_lines(found: Snapshot, width: int, kept: int | None = None) -> list[str]:
    """Returns a study as lines: counts and time left, who works on it, the runs that go on, and `kept` failed ones."""
    failed = [run for run in found.runs if run.state in BAD]
    shown = failed if kept is None else failed[max(0, len(failed) - kept) :]
    lines = [describe_counts(found)]
    lines += [f"worked on by {escape_controls(describe_workers(found.works))}"] if found.works else []
    for work in found.works:
        if work.age > SILENT:
            lines.append(f"process {escape_controls(work.name)} has been silent for {format_duration(work.age)}")
    for run in found.runs:
        if run.live is not None:
            at = f"{run_lines.describe_step(run.live.stage, run.live.told)}{describe_place(run)}"
            lines += run_lines.run_lines(run.label, at, run.live.told, width)
    for run in shown:
        lines.append(run_lines.failure_line(run.label, run.why))
        lines += [f"  log: {escape_controls(run.log)}"] if run.log and run.log not in run.why else []
    return lines


def describe_counts(found: Snapshot) -> str:
    """Returns how many runs of a study have ended, or what is counted after them, and the time that is left."""
    ended = found.finished + found.failed
    text = run_lines.describe_count(ended, found.total, "runs", found.failed, None)
    texts = [text, *([f"{found.count('diverged')} diverged"] if found.count("diverged") else [])]
    texts += [f"{done}/{total} {escape_controls(what)}" for what, done, total in counts(found)]
    left = found.seconds_left
    return ", ".join([*texts, *([f"{format_duration(left)} left"] if left is not None else [])])


def describe_place(run: WatchedRun) -> str:
    """Returns the worker of a run in brackets, with its machine where that is another one."""
    if run.live is None or not run.live.pid:
        return ""
    host = "" if run.live.host == platform.node() else f"{run.live.host}:"
    return f"  [{escape_controls(host)}{run.live.pid}]"


def ended_lines(before: Snapshot, found: Snapshot) -> Iterator[str]:
    """Yields a line for each run that ended between two snapshots."""
    was = {run.run: run.state for run in before.runs}
    ended = found.finished + found.failed
    for run in found.runs:
        old = was.get(run.run, "planned")
        if run.state != old and run.state not in ("planned", "running"):
            yield f"[{ended}/{found.total}] {escape_controls(run.label)}: {describe_end(run)}"


def describe_end(run: WatchedRun) -> str:
    """Returns how a run ended."""
    if run.result is None:
        return f"{run.state.upper()}: {escape_controls(run.why)}"
    if run.state == "diverged":
        return f"DIVERGED at step {run.result['diverged_step']}"
    return on_test(run.result) if run.result.get("test_acc") is not None else on_validation(run.result)


def closing_lines(found: Snapshot) -> Iterator[str]:
    """Yields what is said where no process works on a study: that it is complete, or the command that goes on."""
    if found.works:
        return
    again = f": {escape_controls(found.again)}" if found.again else ""
    if found.stalled:
        how = "was killed" if found.killed else "works on it any more"
        what = f"process {describe_workers(found.killed)} {how}" if found.killed else f"no process {how}"
        missing = found.total - found.finished - found.failed
        yield f"study {found.study}: {what}; {count_noun(missing, 'runs')} to go. To go on{again}"
    elif found.failed:
        yield f"study {found.study} has ended; to try again what failed{again}"
    else:
        yield f"study {found.study} is complete"


def plain_snapshot(found: Snapshot) -> dict[str, Any]:
    """Returns a snapshot as data."""
    return {
        "study": found.study,
        "state": "running" if found.works else "complete" if found.complete else "stalled",
        "total": found.total,
        "counts": {state: found.count(state) for state in STATES},
        "seconds_left": found.seconds_left,
        "again": found.again,
        "processes": [plain_work(work) for work in (*found.works, *found.killed)],
        "runs": [plain_run(run) for run in found.runs],
    }


def plain_work(work: Any) -> dict[str, Any]:
    """Returns a process that works on a study, or was killed, as data."""
    return {key: value for key, value in asdict(work).items() if key not in ("running", "failures", "again")}


def plain_run(run: WatchedRun) -> dict[str, Any]:
    """Returns a run as data; of its result only how it did."""
    scores = {key: run.result.get(key) for key in ("test_acc", "val_loss")} if run.result else {}
    live = {key: value for key, value in asdict(run.live).items() if key not in ("run", "label")} if run.live else None
    words = {key: getattr(run, key) for key in ("run", "label", "state", "why", "log")}
    return {**words, "live": live, **scores}
