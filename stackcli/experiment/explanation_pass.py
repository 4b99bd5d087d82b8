"""`--explain`: explains some test items of every finished run of a study, so that arms can be compared by how well they
can be explained. The same items in every run; the scores are kept in OUT/explanations/RUN/scores.json."""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from stackcli.common import registry
from stackcli.common.atomic_files import write_json
from stackcli.common.seeding import generator
from stackcli.common.wording import count_noun
from stackcli.config.method_settings import method_settings
from stackcli.experiment.explain import FAITHFULNESS, Asked, Explanation, explain_items
from stackcli.experiment.explanation_scores import read_scores, scores_path
from stackcli.experiment.identity import digest
from stackcli.experiment.part_source import fingerprint
from stackcli.experiment.progress import Counting, count_silently
from stackcli.experiment.store import Store
from stackcli.experiment.trained_run import Item, Run, items_of_test, load_data, make_batch, open_run
from stackcli.experiment.worker import preload
from stackcli.launcher.base import UNFINISHED, Say, Stop

TEXTS = 24  # test items explained in each run
# Of a method, where its defaults take most of the time; the error of the sum is kept.
KEYS = {"integrated": {"most": 64}}


@dataclass(frozen=True)
class Job:
    """A run to explain. key: of what is asked; scores under another key are made again."""

    store: Path
    run: str
    key: str


def explain_runs(
    store: Store, study: str, jobs: int, say: Callable[[str], None], counting: Counting = count_silently
) -> None:
    """Explains the finished runs of a study that have not been explained yet. Says which runs could not be."""
    from stackcli.launcher.local import Local

    key = digest([TEXTS, chosen_methods(), [fingerprint("explain", name) for name in method_names()]])
    runs = dict.fromkeys(entry["run"] for entry in store.read_study(study)["runs"] if store.finished(entry["run"]))
    done = [run for run in runs if store.result(run)["status"] == "done"]
    todo = [Job(store.root, run, key) for run in done if read_scores(store, run).get("key") != key]
    if not todo:
        return
    say(f"explaining {count_noun(TEXTS, 'test items')} of {count_noun(len(todo), 'runs')}")
    failed, ended = dict[str, list[str]](), 0
    executor = Local(workers=jobs, preload=preload())
    with contextlib.ExitStack() as ends:
        ends.callback(executor.stop, now=True)  # after an interrupt; the same command goes on
        count = ends.enter_context(counting("runs explained", len(todo)))
        for outcome in executor.run(explain_run, todo):
            if outcome.state in (*UNFINISHED, "stopped"):
                why = str(outcome.detail or "it was stopped").strip().split("\n")[-1]
                failed.setdefault(why, []).append(todo[outcome.job].run)
            if outcome.state in ("done", "failed", "lost", "stopped"):
                ended += 1
                count(ended)
    for name, why in {n: w for job in todo for n, w in read_scores(store, job.run).get("refused", {}).items()}.items():
        say(f"{name} is left out where it does not go with the stack: {why}")
    for why, names in failed.items():
        first = ", ".join(names[:3]) + " ..." * (len(names) > 3)
        say(f"not explained: {first} ({count_noun(len(names), 'runs')}): {why}")


def method_names() -> tuple[str, ...]:
    return tuple(registry.part_names("explain"))


def chosen_methods() -> dict[str, dict[str, Any]]:
    """All methods with their keys."""
    return {name: {**keys, **KEYS.get(name, {})} for name, keys in method_settings(method_names()).items()}


def explain_run(job: Job, say: Say, stop: Stop) -> None:
    """Explains the items of one run and keeps the scores; a job of a launcher. A method that does not go with the run's
    stack is left out."""
    run = open_run(job.store, job.run)
    run = replace(run, loaded=load_data(run))  # read once
    order = generator("evaluation", "explained items").permutation(len(load_data(run).test))
    items = items_of_test(run, sorted(order[:TEXTS].tolist()))
    usable, refused = usable_methods(run, items)
    found = list(explain_items(run, items, Asked(usable, sanity=1, by_layer=False, baselines=False)))
    scores = {"key": job.key, "texts": len(items), "refused": refused, **summarise_explanations(found)}
    write_json(scores_path(job.store, job.run), scores)


def usable_methods(run: Run, items: Sequence[Item]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The methods that go with a run's stack, with their keys, and why each of the others does not."""
    from stackcli.diagnostics.explained_texts import ExplainedTexts

    texts, refused = ExplainedTexts(run.model, make_batch(run, items[:1])), {}
    methods = chosen_methods()
    for name, keys in methods.items():
        try:
            registry.build_part("explain", name, **keys).attribute(texts)
        except ValueError as error:
            refused[name] = str(error)
    return {name: keys for name, keys in methods.items() if name not in refused}, refused


def summarise_explanations(found: Sequence[Explanation]) -> dict[str, Any]:
    """The means over the items of a run: of each method and control (`methods`, `controls`), and of each head.

    faithfulness: how far the logit falls below that of random orders as tokens are left out, in standard deviations of
    the logit between random sets of equal size: a stack with larger logits is not more faithful for that. Scores of
    different stacks can be compared only where they are normalised: Edin et al. 2024, arXiv:2408.08137.
    """
    spread = math.sqrt(fmean(one.spread**2 for one in found))
    names = list(found[0].scores)
    methods = {name: average_rows([score_row(one, name) for one in found]) for name in names}
    controls = {name: average_rows([dict(one.controls[name]) for one in found]) for name in found[0].controls}
    for row in (*methods.values(), *controls.values()):
        row["faithfulness"] = -row["deletion"] / spread if spread else None
    keys = ("distance", "entropy", "first", "padding")
    heads = []
    for looks in zip(*(one.heads for one in found), strict=True):
        offsets = [fmean(share) for share in zip(*(look["offsets"] for look in looks), strict=True)]
        means = {key: fmean(look[key] for look in looks) for key in keys}
        heads.append({"layer": looks[0]["layer"], "head": looks[0]["head"], **means, "offsets": offsets})
    return {"spread": spread, "methods": methods, "controls": controls, "heads": heads}


def score_row(found: Explanation, name: str) -> dict[str, float | None]:
    """The scores of one method for one item."""
    scores = found.scores[name]
    last = list(scores.sanity.values())[-1:] or [None]
    row = {key: getattr(scores, key) for key in FAITHFULNESS}
    return {
        **row,
        "agreement": scores.agreement,
        "sanity": last[0],
        "error": scores.error,
        "first": ranks_first(found, name),
    }


def ranks_first(found: Explanation, name: str) -> float | None:
    """1 if a method gives the largest numbers to the tokens that decide, 0 if not; None where these are not known."""
    evidence, tokens = found.item.evidence, found.scores[name].tokens
    if not evidence:
        return None
    order = sorted(range(len(tokens)), key=lambda i: -tokens[i])
    return float(set(order[: len(evidence)]) == set(evidence))


def average_rows(rows: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """The mean of each key over the rows where it is a number; None where it is in none."""
    out: dict[str, Any] = {}
    for key in rows[0]:
        values = [value for row in rows if (value := row[key]) is not None]
        out[key] = fmean(values) if values else None
    return out
