"""`--remedies`: for what was found, the remedies are run, paired by seed with the sick runs.

Each finding is taken up at one point, where the largest share of the runs has it (of several, the deepest); its first
`MOST` remedies are tried there. The runs form a study of their own, NAME-remedies, whose axes are the remedy ("as it
was" first) and the sick point.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackcli import config, findings, study, sweep, tuning
from stackcli.findings import Finding
from stackcli.progress import Progress
from stackcli.remedies import BEFORE
from stackcli.settings import GROUPS, Config, Options
from stackcli.store import Store, load
from stackcli.study import Arms

MOST = 6  # remedies of one finding

Tried = Mapping[str, Sequence[tuple[str, ...]]]  # sick point -> words of each remedy


def execute(arms: Arms, options: Options) -> int:
    """The command, and then the remedies of what it found; returns the exit code."""
    code = tuning.execute(arms, options)
    if options.dry_run and not code:
        say = Progress(quiet=options.quiet, total=0, labels=()).say
        say(f"--remedies: then up to {MOST} remedies of each finding at its worst point, on the same seeds")
    return code if code or options.dry_run else mend(tuning.name_of(arms, options), arms, options)


def mend(name: str, arms: Arms, options: Options) -> int:
    """Runs the remedies of a finished study's findings; returns the exit code."""
    store = Store(options.out, create=False)
    frames = load(store, name)
    found = findings.findings(frames)
    progress = Progress(quiet=options.quiet, total=0, labels=())
    tried = chosen(found, frames.runs)
    if not tried:
        progress.say("no finding has a remedy to try")
        return 0
    for finding in findings.gravest(found, frames.runs):
        progress.say(f"{finding.name} at {finding.point or 'this point'}: {len(tried[finding.point])} remedies")
    sick = of_points(store, name, tried)
    words = (*arms.overrides, "--remedies")
    mending = arms_of(tried, sick, base=arms.base, overrides=words, typed=arms.typed)
    return study.execute(mending, replace(options, command="remedies", study=f"{name}-remedies", tune=""))


def chosen(found: Iterable[Finding], runs: Any) -> dict[str, list[tuple[str, ...]]]:
    """Sick point -> the settings of each remedy that is tried there, none twice."""
    out: dict[str, list[tuple[str, ...]]] = {}
    for finding in findings.gravest(found, runs):
        tried = out.setdefault(finding.point, [])
        tried += [remedy.words for remedy in finding.remedies[:MOST] if remedy.words not in tried]
    return out


def of_points(store: Store, name: str, points: Iterable[str]) -> dict[str, list[Config]]:
    """Sick point -> the settings of its runs, in the study's order."""
    runs = store.read_study(name)["runs"]
    return {point: [store.config(r["run"]) for r in runs if r["point"] == point] for point in points}


def arms_of(
    tried: Tried, sick: Mapping[str, Sequence[Config]], *, base: Mapping[str, Any], overrides: Any, typed: Any
) -> Arms:
    """Every sick point as it was and with each of its remedies. Raises UsageError for words that are no settings."""
    rows: list[tuple[Config, str, str]] = []
    for point, remedies in tried.items():
        rows += [(c, point, BEFORE) for c in sick[point]]
        rows += [(treated(c, words), point, " ".join(words)) for words in remedies for c in sick[point]]
    order = sorted(rows, key=lambda row: row[2] != BEFORE)  # the first value of an axis is the baseline
    same = {k: v for k, v in base.items() if all(c.flat().get(k) == v for c, _, _ in rows)}
    return Arms(
        configs=tuple(c for c, _, _ in order),
        arms=tuple(f"{point}: {remedy}" if point else remedy for _, point, remedy in order),
        axes=("remedy", "sick"),
        base=same,
        overrides=tuple(overrides),
        typed=tuple(typed),
        labels=tuple({"remedy": remedy, "sick": point or "the stack"} for _, point, remedy in order),
    )


def treated(config_: Config, words: Sequence[str]) -> Config:
    """The run with other settings; a part that is exchanged takes its keys along. Raises UsageError."""
    changed = {word.partition("=")[0] for word in words}
    flat = {k: v for k, v in config_.flat().items() if k not in changed}
    for group in changed & set(GROUPS):
        flat = {k: v for k, v in flat.items() if not k.startswith(f"{group}.")}
    return config.grid((*(f"{k}={sweep.typed(v)}" for k, v in flat.items()), *words), single=True).configs[0]
