"""`--attack`: attacks some test items of every finished run of a study, so that arms can be compared by how easily they
are fooled. The same items and attacks in every run; the counts are kept in OUT/attacks/RUN/scores.json."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import write_json
from stackcli.common.wording import count_noun
from stackcli.config.attack_settings import GROUP, AskedAttacks
from stackcli.config.method_settings import method_settings
from stackcli.config.settings import Config
from stackcli.experiment.attack import run_attacks
from stackcli.experiment.attack_scores import attack_path, read_attacks
from stackcli.experiment.attacked_run import AttackedItem, AttackedRun, open_attacked_run
from stackcli.experiment.identity import digest
from stackcli.experiment.part_source import fingerprint
from stackcli.experiment.progress import Counting, count_silently
from stackcli.experiment.store import Store
from stackcli.experiment.worker import preload
from stackcli.launcher.base import UNFINISHED, Say, Stop

ITEMS = 100  # test items attacked in each run
COUNTS, NORMS = (1.0, 3.0, 5.0), (0.1, 0.3, 1.0)  # a norm of 1 flips nearly every item of a default stack
PANEL = {  # attack -> its budgets
    "hotflip": COUNTS,
    "typo": COUNTS,
    "pgd": NORMS,
    "shift": COUNTS,
    "prefix": COUNTS,
    "windows": COUNTS,
    "reversal": COUNTS,  # which has none
}
ORDERS = ("windows", "reversal")  # which leave an item with a tree as it is
SHORTEST, LONGEST = 24, 256  # tokens on which it is predicted whether a reversal changes anything
SINGLE = ("flips", "control_flips")  # of a row, the numbers of single items


@dataclass(frozen=True)
class Job:
    """A run to attack. key: of what is asked; scores under another key are made again."""

    store: Path
    run: str
    key: str


def attack_runs(
    store: Store, study: str, jobs: int, say: Callable[[str], None], counting: Counting = count_silently
) -> None:
    """Attacks the finished runs of a study that have not been attacked yet. Says which runs could not be."""
    from stackcli.launcher.local import Local

    entries = {entry["run"]: entry for entry in store.read_study(study)["runs"] if store.finished(entry["run"])}
    done, key = [run for run in entries if store.result(run)["status"] == "done"], attack_key()
    todo = [Job(store.root, run, key) for run in done if read_attacks(store, run).get("key") != key]
    if not todo:
        return
    say(f"attacking {count_noun(ITEMS, 'test items')} of {count_noun(len(todo), 'runs')}")
    failed, number, ended = dict[str, list[str]](), 0, 0
    executor = Local(workers=jobs, preload=preload())
    with contextlib.ExitStack() as ends:
        ends.callback(executor.stop, now=True)  # after an interrupt; the same command goes on
        count = ends.enter_context(counting("runs attacked", len(todo)))
        for outcome in executor.run(attack_run, todo):
            run = todo[outcome.job].run
            if outcome.state == "done":
                number += 1
                say(f"[{number}/{len(todo)}] {describe_done(entries[run], read_attacks(store, run))}")
            elif outcome.state in (*UNFINISHED, "stopped"):
                failed.setdefault(describe_failure(str(outcome.detail or "it was stopped"), run), []).append(run)
            if outcome.state in ("done", "failed", "lost", "stopped"):
                ended += 1
                count(ended)
    for line in [*describe_refused(store, todo), *describe_failed(failed)]:
        say(line)


def describe_done(entry: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """Names a run of a study, and says how many items the first attack flips at its largest budget."""
    row = max((row for row in scores["rows"] if row["attack"] == scores["rows"][0]["attack"]), key=itemgetter("budget"))
    name = " ".join(filter(None, [entry["point"], f"seed={entry['settings']['seed']}"]))
    return f"{name}: {row['attack']} {row['budget']:g} flips {row['flipped']} of {count_noun(row['right'], 'items')}"


def attack_key() -> str:
    """The key of the panel: items, budgets, the attacks with their keys and their source."""
    return digest([ITEMS, PANEL, chosen_attacks(), [fingerprint(GROUP, name) for name in PANEL]])


def chosen_attacks() -> dict[str, dict[str, Any]]:
    """The attacks of the panel with their keys."""
    return {name: dict(keys) for name, keys in method_settings(tuple(PANEL), (), GROUP).items()}


def describe_failure(detail: str, run: str) -> str:
    """Says why a run could not be attacked, without its name: the last line of a traceback."""
    last = detail.strip().split("\n")[-1].removeprefix("ValueError: ")
    return last.replace(f"{run} ", "it ", 1)


def describe_refused(store: Store, todo: Sequence[Job]) -> list[str]:
    """Says which attacks were left out, with the number of runs and why."""
    refused: dict[tuple[str, str], int] = {}
    for job in todo:
        for pair in read_attacks(store, job.run).get("refused", {}).items():
            refused[pair] = refused.get(pair, 0) + 1
    return [f"{name} is left out in {count_noun(count, 'runs')}: {why}" for (name, why), count in refused.items()]


def describe_failed(failed: Mapping[str, Sequence[str]]) -> list[str]:
    """Says which runs were not attacked, and why."""
    found = []
    for why, names in failed.items():
        first = ", ".join(names[:3]) + " ..." * (len(names) > 3)
        found.append(f"not attacked: {first} ({count_noun(len(names), 'runs')}): {why}")
    return found


def attack_run(job: Job, say: Say, stop: Stop) -> None:
    """Attacks the items of one run and keeps the counts; a job of a launcher. What the attacks make is not kept. Raises
    ValueError for a run that cannot be attacked."""
    attacked = open_attacked_run(job.store, job.run)
    items = attacked.test_items(ITEMS)
    trees = any(item.tree for item in items)
    left_out = {name: "it changes the order of tokens, and they have trees" for name in ORDERS if trees}
    reports = run_panel(attacked, items, {k: v for k, v in chosen_attacks().items() if k not in left_out})
    refused = {name: why for report in reports for name, why in report["refused"].items()}
    scores = {
        "key": job.key,
        "items": reports[0]["items"],
        "refused": refused | left_out,
        "predicted": predict_changes(attacked),
        **summarise_reports(reports),
    }
    write_json(attack_path(job.store, job.run), scores)


def run_panel(
    attacked: AttackedRun, items: Sequence[AttackedItem], methods: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the reports of attacks with these keys, one for those with equal budgets."""
    reports = []
    for budgets in dict.fromkeys(PANEL[name] for name in methods):
        own = {name: keys for name, keys in methods.items() if PANEL[name] == budgets}
        with tempfile.TemporaryDirectory() as folder:
            reports.append(run_attacks(attacked, items, AskedAttacks(own, budgets), Path(folder), lambda _: None))
    return reports


def summarise_reports(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows of reports without the numbers of single items, in the order of the panel, and the warnings of gradient
    masking."""
    from stackcli.analysis.attack_results import warn_of_masking

    found = sorted((row for report in reports for row in report["rows"]), key=lambda row: [*PANEL].index(row["attack"]))
    rows = [{key: value for key, value in row.items() if key not in SINGLE} for row in found]
    return {"rows": rows, "masking": warn_of_masking(found)}


def predict_changes(attacked: AttackedRun) -> dict[str, bool | None]:
    """Whether the logits of the run's architecture change with a shift and with a reversal, by the properties that
    `check` measures on an untrained stack; None where that cannot be said: without room for a shift, with trees, and
    for a reversal where positions are drawn at random, which are others for the reversed text."""
    import torch

    from stackcli.diagnostics import encoding_checks as checks

    config, max_len = attacked.run.config, int(attacked.run.known["max_len"])
    model = checks.stack(config, max_len, depth=count_kinds(config))
    by, shift = checks.measure_shift(model, max_len)
    longest = min(max(max_len, SHORTEST), LONGEST)
    reversal = None
    if not model.reach and not model.pe.needs_tree:
        with torch.no_grad():  # of two lengths, as pieces of attention can hide the order at one of them
            gaps = [checks.measure_reversal(model, checks.tokens(length)) for length in (longest, longest - 1)]
        reversal = max(gaps) > checks.SAME
    return {"shift": shift > checks.SAME if by else None, "reversal": reversal}


def count_kinds(config: Config) -> int:
    """The number of layers in which every encoding and kind of attention of the run occurs, at least 2."""
    return min(max(2, config.depth), max(2, *(len(config.kinds(group)) for group in ("pe", "attention"))))
