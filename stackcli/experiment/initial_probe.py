"""`probe`: every stack asked for is built and looked at before any training, in worker processes; nothing is kept of it
but tables and figures, in OUT/probes/NAME/, as it takes seconds to do again."""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from typing import Any

from stackcli.analysis.study_data import Frames
from stackcli.common import registry
from stackcli.common.wording import format_setting
from stackcli.config.settings import Config, Options, Part
from stackcli.experiment import plan, study, worker
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name
from stackcli.experiment.study import Arms

PRESETS = ("depth=1,2,4,8,16,32,64,128", "residual=pre,post,deepnorm")


def run_probe(arms: Arms, options: Options) -> int:
    """Does the command; returns its exit code: 0, or 1 where a stack could not be looked at. A stack whose numbers are
    not finite is a result. Raises ValueError before anything is built where the settings do not fit."""
    store = Store(options.out)
    name = check_name(options.study) if options.study else study.study_name(options.command, arms)
    context = start_context()
    loaded = read_probe_rows(arms.configs)
    progress = Progress(quiet=options.quiet, total=len(arms.configs), labels=())
    for note in arms.notes:
        progress.say(note)
    count, seeds = len(arms.configs), sorted({config.seed for config in arms.configs})
    progress.say(f"{count} stack{'s' * (count > 1)}, seeds {', '.join(map(str, seeds))}; nothing is trained")
    for text in dict.fromkeys(text for config in arms.configs for text in study.describe_need(config)):
        progress.say(text)
    starts = dict(probe_stacks(arms.configs, loaded, options.jobs, context))
    failed = {i: start for i, start in starts.items() if isinstance(start, str)}
    for text in dict.fromkeys(failed.values()):
        progress.say(f"FAILED: {text}")
    from stackcli.experiment.initial_probe_report import report_probe

    frames = build_frames(name, arms, starts)
    store.create()
    report_probe(frames, store.root / "probes" / name, options, progress)
    return int(bool(failed))


def read_probe_rows(configs: Sequence[Config]) -> dict[Part, Any]:
    """The probe's sequences of each data set. Raises DataError for data that cannot be used, and ValueError for
    settings that do not go with them, with all that is wrong."""
    from stackcli.diagnostics.initialisation import keep_probe_rows

    plan.check_device({config.device for config in configs})
    facts: dict[Part, Mapping[str, Any]] = {}
    out: dict[Part, Any] = {}
    for data in dict.fromkeys(config.data for config in configs):
        whole = registry.build_part("data", data.name, **data.options).load()
        facts[data] = {
            "sizes": {"train": len(whole.train)},
            "max_len": whole.max_len,
            "causal": whole.causal,
            "tree": bool(whole.train.trees),
            "treeless": whole.treeless,
            "vectors": None if whole.vectors is None else whole.vectors.shape[1],
        }
        out[data] = keep_probe_rows(whole)
    for config in configs:
        plan.check_fit(config, facts[config.data])
    plan.check_parts((config, facts[config.data]) for config in configs)
    return out


# ---- the workers


def start_context() -> Any:
    """How workers are started: from a process that loads PyTorch meanwhile where there is one, else anew."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        from multiprocessing.forkserver import ensure_running

        context.set_forkserver_preload(["stackcli.diagnostics.initialisation", *worker.preload()])
        ensure_running()
    return context


def probe_stacks(
    configs: Sequence[Config], loaded: Mapping[Part, Any], workers: int, context: Any
) -> Iterator[tuple[int, Any]]:
    """(index of the config, its initialisation.Start, or why there is none). The deepest are first, so that no worker
    stands idle at the end, and memory once taken serves all that follow. A worker that dies takes the others with it;
    all that were not done are then tried again, each in a process of its own, so that only its own stack can be lost.
    """
    deepest_first = sorted(range(len(configs)), key=lambda i: -configs[i].depth)
    unfinished = []
    for i, found in run_pool(configs, deepest_first, loaded, max(1, min(workers, len(configs))), context):
        if isinstance(found, BrokenProcessPool):
            unfinished.append(i)
        else:
            yield i, describe_stack(configs[i], found)
    for i in unfinished:
        again: Any = None
        for _ in range(2):
            ((_, again),) = run_pool(configs, [i], loaded, 1, context)
            if not isinstance(again, BrokenProcessPool):
                break
        yield i, describe_stack(configs[i], again)


def run_pool(
    configs: Sequence[Config], order: Sequence[int], loaded: Mapping[Part, Any], count: int, context: Any
) -> Iterator[tuple[int, Any]]:
    """(index, its initialisation.Start or the exception), in the order in which they end."""
    from stackcli.diagnostics.initialisation import measure

    pool = ProcessPoolExecutor(count, mp_context=context, initializer=ignore_interrupts)
    try:
        waiting, left = {}, list(order)
        with contextlib.suppress(BrokenProcessPool):  # a worker died meanwhile
            while left:
                waiting[pool.submit(measure, configs[left[0]], loaded[configs[left[0]].data])] = left[0]
                left.pop(0)
        yield from ((i, BrokenProcessPool()) for i in left)
        for future in as_completed(waiting):
            yield waiting[future], future.exception() or future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def describe_stack(config: Config, found: Any) -> Any:
    """A stack's numbers, or why there are none."""
    if not isinstance(found, BaseException):
        return found
    what = f"depth={config.depth} residual={config.residual.name} seed={config.seed}"
    if isinstance(found, BrokenProcessPool):
        return f"{what}: its process died each time"
    return f"{what}: {type(found).__name__}: {found}"


def ignore_interrupts() -> None:
    """Ctrl-C is the driver's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


# ---- the frames


def build_frames(name: str, arms: Arms, starts: Mapping[int, Any]) -> Frames:
    """What was seen as a study's frames: every figure and table that asks for no more than step 0 can be made of it."""
    import pandas as pd

    axes = swept_axes(arms)
    runs, layers = [], []
    for i, (config, arm, label) in enumerate(zip(arms.configs, arms.arms, arms.labelled, strict=True)):
        settings = {**config.flat(), **label, "arm": arm}
        point = " ".join(f"{axis}={format_setting(settings[axis])}" for axis in axes if axis in settings)
        head = {"run": f"{point} seed={config.seed}".strip(), "point": point, "seed": config.seed}
        head |= {"arm": arm, **{axis: settings.get(axis) for axis in axes}}
        start = starts[i]
        if isinstance(start, str):
            runs.append({**head, **settings, "status": "failed"})
            continue
        finite = start.row["finite"]
        runs.append({**head, **settings, **start.row, "status": "done" if finite else "diverged"})
        layers += [{**head, **asdict(row)} for row in start.layers]
    frame = pd.DataFrame(runs)
    frame["diverged_step"] = (frame["status"] == "diverged").map({True: 0.0, False: float("nan")})
    empty = pd.DataFrame()
    return Frames(
        study=name, command="probe", axes=axes, runs=frame, curve=empty, layers=pd.DataFrame(layers), position=empty
    )


def swept_axes(arms: Arms) -> tuple[str, ...]:
    """The axes: those typed, or in an experiment the arm and what is swept within one."""
    if "arm" not in arms.axes:
        return arms.axes
    varied: dict[str, None] = {}
    for arm in dict.fromkeys(arms.arms):
        mine = [c.flat() for c, a in zip(arms.configs, arms.arms, strict=True) if a == arm]
        varied |= {k: None for k in mine[0] if k != "seed" and len({flat.get(k) for flat in mine}) > 1}
    return ("arm", *varied)
