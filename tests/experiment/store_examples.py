"""A small store with two studies, for the tests of what lists, compares and removes runs."""

from pathlib import Path

from filelock import FileLock

from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run, study_entry

RUNS = ("aa11", "ab22", "cc33")
STUDY = {"command": "sweep", "axes": ["depth"], "base": {"dim": 8, "lr": 0.001}, "facts": {}}


def filled_store(folder: Path) -> Store:
    """Three runs: the study `both` has the first two, `one` the first, and none the third."""
    store = Store(folder / "outputs")
    store.create()
    for i, run in enumerate(RUNS):
        publish_run(store, run, loss=0.5 + i, test_acc=0.5 + i / 10)
    save_study(store, "one", RUNS[:1])
    save_study(store, "both", RUNS[:2])
    return store


def save_study(store: Store, name: str, runs: tuple[str, ...]) -> None:
    """Saves a study with these runs, which are there."""
    entries = [
        {**study_entry(run), "point": f"depth={i}", "settings": {"depth": i, "seed": 0}, "published": True}
        for i, run in enumerate(runs, start=1)
    ]
    store.save_study(name, {**STUDY, "overrides": ["depth=1,2"], "runs": entries})


def hold_claim(store: Store, run: str) -> FileLock:
    """The claim of a run, held as by a process that trains it."""
    path = store.root / "claims" / f"{run}.lock"
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path)
    lock.acquire()
    return lock


def content(store: Store, run: str) -> dict[str, bytes]:
    """The files of a run."""
    return {f.name: f.read_bytes() for f in store.run(run).iterdir()}
