"""`--remedies`: runs the remedies of each finding beside the unchanged stack, paired by seed, on fresh seeds.

The seeds on which a fault was found would make an unfair comparison: where failure is a matter of luck, these seeds
were unlucky, and a remedy that does nothing would seem to help. So the unchanged stack and each remedy run on seeds
that neither the study nor its search used.

Each finding is treated at one point, where the largest share of the runs has it (of several, the deepest); its first
`MOST` remedies are tried there. The runs form a study of their own, NAME-remedies, whose axes are the remedy ("as it
was" first) and the affected point.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stackcli.analysis import findings, run_health
from stackcli.analysis.findings import Finding
from stackcli.analysis.remedy_effects import BEFORE
from stackcli.common.wording import count_noun
from stackcli.config import grid
from stackcli.config.settings import GROUPS, Config, Options
from stackcli.experiment import plan, study, tuning
from stackcli.experiment.load import load_study
from stackcli.experiment.next_command import next_command
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms

MOST = 6  # remedies of one finding

FRESH = 2 * study.AWAY  # distance from the seeds of a study to those of its remedies

Tried = Mapping[str, Sequence[tuple[str, ...]]]  # affected point -> words of each remedy


def run_remedies(arms: Arms, options: Options) -> int:
    """Runs the command, and then the remedies of what it found; returns the exit code."""
    code = tuning.run_tuning(arms, options)
    if options.dry_run and not code:
        Progress(quiet=options.quiet).say(
            f"--remedies: then up to {MOST} remedies of each finding at its worst point, on fresh seeds"
        )
    return code if code or options.dry_run else try_remedies(tuning.tuning_name(arms, options), arms, options)


def try_remedies(name: str, arms: Arms, options: Options) -> int:
    """Runs the remedies of a finished study's findings; returns the exit code."""
    store = Store(options.out, create=False)
    frames = load_study(store, name)
    found = findings.findings(frames)
    progress = Progress(quiet=options.quiet)
    refused: dict[str, str] = {}

    def can(point: str, words: tuple[str, ...]) -> bool:
        why = find_objection(of_points(store, name, [point])[point][0], words, store, options.config_dir)
        if why:
            refused[f"{' '.join(words)} at {point or 'this point'}"] = why
        return not why

    tried = choose_remedies(found, frames.runs, can)
    for remedy, why in refused.items():
        progress.say(f"not tried: {remedy}: {why}")
    if not tried:
        progress.say("no finding has a remedy to try")
        progress.say(f"next: {next_command(frames, options)}", copied=True)
        return 0
    for finding in findings.worst_points(found, frames.runs):
        if finding.point not in tried:
            continue
        remedies = count_noun(len(tried[finding.point]), "remedies", "remedy")
        progress.say(f"{finding.name} at {finding.point or 'this point'}: {remedies}")
    affected = of_points(store, name, tried)
    fresh = {point: on_fresh_seeds(configs) for point, configs in affected.items()}
    words = (*arms.overrides, "--remedies")
    reached = {data: loss for data, loss in run_health.learnt_losses(frames).items() if math.isfinite(loss)}
    seeds = {point: sorted({c.seed for c in configs}) for point, configs in affected.items()}
    known = {"found": of_study(found, tried), "reached": reached, "seeds": seeds}
    treated = arms_of(tried, fresh, overrides=words, typed=arms.typed, folder=options.config_dir)
    forget_shared_seeds(store, f"{name}-remedies", progress)
    trials = replace(treated, known=known)
    return study.run_study(trials, replace(options, command="remedies", study=f"{name}-remedies", tune=""))


def of_study(found: Iterable[Finding], tried: Tried) -> dict[str, dict[str, tuple[int, int, bool]]]:
    """Returns affected point -> finding -> k, n runs, and whether it concerns the values tried instead of the runs."""
    out: dict[str, dict[str, tuple[int, int, bool]]] = {}
    for finding in found:
        if finding.point in tried:
            out.setdefault(finding.point, {})[finding.name] = (*finding.seeds, finding.source == findings.EDGE)
    return out


def on_fresh_seeds(configs: Iterable[Config]) -> list[Config]:
    """Returns the runs of a point on seeds that neither the study nor its search uses."""
    return [replace(c, seed=c.seed + FRESH) for c in configs]


def forget_shared_seeds(store: Store, name: str, progress: Progress) -> None:
    """Deletes a study of an older version, which compared on the seeds on which the faults were found."""
    path = store.study(name) / "study.json"
    if path.is_file() and "seeds" not in store.read_study(name).get("known", {}):
        path.unlink()
        progress.say(
            f"{name} compared on the seeds on which the faults were found; it is replaced, and its runs are kept"
        )


def find_objection(affected: Config, words: tuple[str, ...], store: Store, folder: Path | None = None) -> str:
    """Says why a remedy cannot be tried on a run; empty where it can."""
    try:
        treated = apply_remedy(affected, words, folder)
        plan.plan((treated,), store)
    except ValueError as error:
        return str(error).partition("\n")[0]
    return "" if treated != affected else "the run has it already"


def choose_remedies(
    found: Iterable[Finding], runs: Any, can: Callable[[str, tuple[str, ...]], bool] = lambda point, words: True
) -> dict[str, list[tuple[str, ...]]]:
    """Returns affected point -> the settings of each remedy to try there, each once; `can`: whether one can be
    tried."""
    out: dict[str, list[tuple[str, ...]]] = {}
    for finding in findings.worst_points(found, runs):
        tried = out.setdefault(finding.point, [])
        possible = [
            remedy.words for remedy in finding.remedies if remedy.words in tried or can(finding.point, remedy.words)
        ]
        tried += [words for words in possible[:MOST] if words not in tried]
    return {point: tried for point, tried in out.items() if tried}


def of_points(store: Store, name: str, points: Iterable[str]) -> dict[str, list[Config]]:
    """Returns affected point -> the settings of its runs, in the order of the study."""
    runs = store.read_study(name)["runs"]
    return {point: [store.config(r["run"]) for r in runs if r["point"] == point] for point in points}


def arms_of(
    tried: Tried, affected: Mapping[str, Sequence[Config]], *, overrides: Any, typed: Any, folder: Path | None = None
) -> Arms:
    """Returns every affected point unchanged and with each of its remedies. The base is empty, so that the study of
    remedies can grow with the study that they treat. Raises UsageError for words that are not settings."""
    rows: list[tuple[Config, str, str]] = []
    for point, remedies in tried.items():
        rows += [(c, point, BEFORE) for c in affected[point]]
        rows += [
            (apply_remedy(c, words, folder), point, " ".join(words)) for words in remedies for c in affected[point]
        ]
    order = sorted(rows, key=lambda row: row[2] != BEFORE)  # the first value of an axis is the baseline
    return Arms(
        configs=tuple(c for c, _, _ in order),
        arms=tuple(f"{point}: {remedy}" if point else remedy for _, point, remedy in order),
        axes=("remedy", "affected"),
        base={},
        overrides=tuple(overrides),
        typed=tuple(typed),
        labels=tuple({"remedy": remedy, "affected": point or "the stack"} for _, point, remedy in order),
    )


def apply_remedy(config: Config, words: Sequence[str], folder: Path | None = None) -> Config:
    """Returns the run with other settings; a part that is replaced loses its keys. `folder`: the user's own parts and
    defaults. Raises UsageError."""
    changed = {word.partition("=")[0] for word in words}
    flat = {k: v for k, v in plan.typed_settings(config).items() if k not in changed}
    for group in changed & set(GROUPS):
        flat = {k: v for k, v in flat.items() if not k.startswith(f"{group}.")}
    typed = (*(plan.write_setting(k, v) for k, v in flat.items()), *words)
    return grid.parse_grid(typed, single=True, config_dir=folder).configs[0]
