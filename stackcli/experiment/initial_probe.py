"""`probe`: builds every stack and measures it before any training, each in a worker process. Only tables and figures
are kept, in OUT/probes/NAME/, as measuring again takes seconds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from stackcli.analysis.study_data import Frames
from stackcli.common import registry
from stackcli.common.wording import count_noun, format_setting
from stackcli.config.settings import Config, Options, Part
from stackcli.experiment import announcement, plan, study, worker
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name
from stackcli.experiment.study import Arms
from stackcli.launcher.base import UNFINISHED, Executor, Outcome, Say, Stop
from stackcli.launcher.local import Local

PRESETS = ("depth=1,2,4,8,16,32,64,128", "residual=pre,post,deepnorm")


def run_probe(arms: Arms, options: Options) -> int:
    """Runs the command; returns its exit code: 0, or 1 where a stack could not be measured. A stack whose numbers are
    not finite is a result. Raises ValueError before anything is built where the settings do not fit."""
    store = Store(options.out)
    name = check_name(options.study) if options.study else study.study_name(options.command, arms)
    progress = Progress(
        quiet=options.quiet, total=len(arms.configs), labels=[*map(describe_stack, arms.configs)], noun="stacks"
    )
    for note in arms.notes:
        progress.say(note)
    what = f"{count_noun(len(arms.configs), 'stacks')} ({announcement.describe_axes(arms)})"
    progress.say(f"probe: {what}; nothing is trained")
    for text in dict.fromkeys(text for config in arms.configs for text in announcement.describe_need(config)):
        progress.say(text)
    executor = Local(workers=options.jobs, preload=["stackcli.diagnostics.initialisation", *worker.preload()])
    executor.warm()
    loaded = read_probe_rows(arms.configs)
    starts = {}
    with progress:
        for i, outcome in probe_stacks(arms.configs, loaded, executor):
            progress.show(replace(outcome, job=i), None)
            if outcome.state in ("done", *UNFINISHED):
                starts[i] = outcome.detail if outcome.state == "done" else None
    from stackcli.experiment.initial_probe_report import report_probe

    frames = build_frames(name, arms, starts)
    store.create()
    report_probe(frames, store.root / "probes" / name, options, progress)
    return int(None in starts.values())


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


def probe_stacks(
    configs: Sequence[Config], loaded: Mapping[Part, Any], executor: Executor
) -> Iterator[tuple[int, Outcome]]:
    """(index of the config, what happened to its stack); a stack that is done has its initialisation.Start as detail.
    The deepest are first, so that no worker stands idle at the end."""
    deepest_first = sorted(range(len(configs)), key=lambda i: -configs[i].depth)
    jobs = [(configs[i], loaded[configs[i].data]) for i in deepest_first]
    try:
        for outcome in executor.run(measure_stack, jobs):
            if outcome.state == "failed":
                outcome = replace(outcome, detail=str(outcome.detail).strip().rpartition("\n")[2])
            yield deepest_first[outcome.job], outcome
    finally:
        executor.stop(now=True)  # after an interrupt


def measure_stack(job: tuple[Config, Any], say: Say, stop: Stop) -> Any:
    """One stack in a process of its own: its initialisation.Start."""
    from stackcli.diagnostics import initialisation

    return initialisation.measure(*job)


def describe_stack(config: Config) -> str:
    """The settings by which a message names a stack."""
    return f"depth={config.depth} residual={config.residual.name} seed={config.seed}"


# ---- the frames


def build_frames(name: str, arms: Arms, starts: Mapping[int, Any]) -> Frames:
    """The frames of a study, with step 0 alone, from the initialisation.Start of each config; None where it failed."""
    import pandas as pd

    axes = swept_axes(arms)
    runs, layers = [], []
    for i, (config, arm, label) in enumerate(zip(arms.configs, arms.arms, arms.labelled, strict=True)):
        settings = {**config.flat(), **label, "arm": arm}
        point = " ".join(f"{axis}={format_setting(settings[axis])}" for axis in axes if axis in settings)
        head = {"run": f"{point} seed={config.seed}".strip(), "point": point, "seed": config.seed}
        head |= {"arm": arm, **{axis: settings.get(axis) for axis in axes}}
        start = starts[i]
        if start is None:
            runs.append({**head, **settings, "status": "failed"})
            continue
        finite = start.row["finite"]
        runs.append({**head, **settings, **start.row, "status": "done" if finite else "diverged"})
        layers += [{**head, **asdict(row)} for row in start.layers]
    frame = pd.DataFrame(runs)
    frame["diverged_step"] = (frame["status"] == "diverged").map({True: 0.0, False: float("nan")})
    empty = pd.DataFrame()
    return Frames(study=name, command="probe", axes=axes, runs=frame, curve=empty, layers=pd.DataFrame(layers))


def swept_axes(arms: Arms) -> tuple[str, ...]:
    """The axes: those typed, or in an experiment the arm and what is swept within one."""
    if "arm" not in arms.axes:
        return arms.axes
    varied: dict[str, None] = {}
    for arm in dict.fromkeys(arms.arms):
        mine = [c.flat() for c, a in zip(arms.configs, arms.arms, strict=True) if a == arm]
        varied |= {k: None for k in mine[0] if k != "seed" and len({flat.get(k) for flat in mine}) > 1}
    return ("arm", *varied)
