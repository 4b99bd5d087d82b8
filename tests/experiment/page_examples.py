"""A stored study whose every name and text tries to break out of a page, and an explanation of the same kind."""

from pathlib import Path
from typing import Any

from stackcli.common.atomic_files import write_json
from stackcli.experiment.store import Store
from tests.analysis import attacks
from tests.analysis.explanations import CONTROL, method
from tests.experiment.examples import default_config, publish_run

HOSTILE = (
    "<script>document.title='broken'</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "\"quoted\" & 'so' {{ 7*7 }} \\ 100 % a_b|c",
    "עברית \u202e gnirts 🤖 日本",
)
FOLDER = "/srv/people/anna/texts"
FACTS = {"fingerprint": "f", "sizes": {"train": 8, "val": 4, "test": 4}, "majority_acc": 0.25, "tfidf_acc": 0.5}


def hostile_study(root: Path, name: str = "hostile", seeds: int = 2) -> Store:
    """A store with a sweep over four labels; its data lie in FOLDER."""
    store, runs = Store(root), []
    store.create()
    for number, label in enumerate(HOSTILE):
        for seed in range(seeds):
            run = f"{name}{number}{seed}"
            publish_run(store, run, test_acc=0.25 * number + 0.01 * seed, classes=HOSTILE)
            settings = {**default_config().flat(), "data.path": f"{FOLDER}/d.csv", "label": label, "seed": seed}
            entry = {"run": run, "arm": "", "point": f"label={label}", "settings": settings, "timing": ""}
            runs.append({**entry, "facts": "d"})
    shares = {part: dict.fromkeys(HOSTILE, 0.25) for part in ("train", "val", "test")}
    facts = {**FACTS, "classes": HOSTILE, "shares": shares, "notices": [f"read {FOLDER}/d.csv", HOSTILE[0]]}
    study = {"command": "sweep", "axes": ["label"], "base": {}, "runs": runs, "facts": {"d": facts}}
    words = [f"label={HOSTILE[0]}", f"data.path={FOLDER}/d.csv"]
    store.save_study(name, {**study, "overrides": words})
    return store


def explanation(*tokens: str, scores: tuple[float, ...] = ()) -> dict[str, Any]:
    """A row as `Explanation.row` returns it; the scores are 1, -0.5, 0, ... by default."""
    given = scores or tuple((1.0, -0.5, 0.0, 0.04)[i % 4] for i in range(len(tokens)))
    look = {"layer": 1, "head": 1, "distance": 1.0, "entropy": 0.5, "first": 0.2, "padding": 0.0, "offsets": [0.1, 0.9]}
    return {
        "text": " ".join(tokens),
        "tokens": list(tokens),
        "cut": 0,
        "probability": {HOSTILE[1]: 0.75, "other": 0.25},
        "explained": HOSTILE[1],
        "logit": 1.5,
        "methods": {"cp_lrp": method(words=given, tokens=given)},
        "controls": {"perfect": {**CONTROL, "sanity": 0.0}, "random": {**CONTROL, "sanity": 1.0}},
        "heads": [look],
        "spread": 1.0,
        "lens": [{HOSTILE[1]: 0.75, "other": 0.25}],
    }


def keep_explanation(store: Store, run: str, name: str, row: dict[str, Any]) -> None:
    """Writes an explanation where `stackattn explain` does."""
    path = store.root / "explanations" / run / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, row)


def keep_attacks(store: Store, run: str) -> None:
    """Writes attacks where `stackattn attack` does, with hostile names of classes, texts and attacks."""
    found = attacks.record(HOSTILE[0], before=f"{HOSTILE[0]} {HOSTILE[3]}", after=f"{HOSTILE[1]} {HOSTILE[3]}")
    given = attacks.report(attacks.row(HOSTILE[0]), records=(found,))
    path = store.root / "attacks" / run / "attacks.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**given, "run": run, "classes": HOSTILE})
