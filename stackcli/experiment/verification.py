"""Finds what is damaged or missing in a store."""

import shlex
from collections.abc import Iterator

from stackcli.common.atomic_files import CorruptionError, read_json
from stackcli.experiment.serialization import hashes
from stackcli.experiment.store import Store


def find_faults(store: Store) -> list[str]:
    """Describes what is damaged or missing; empty where every file of every run has the hash in its manifest, every
    study has its runs, and the facts of the data can be read."""
    return [*_damaged_runs(store), *_damaged_studies(store), *_damaged_facts(store)]


def _damaged_runs(store: Store) -> Iterator[str]:
    """Yields the files of runs that differ from their manifest."""
    for folder in sorted(f for f in (store.root / "runs").glob("*") if f.is_dir()):
        try:
            expected, found = dict(read_json(folder / "manifest.json")), hashes(folder)
        except (CorruptionError, OSError, TypeError, ValueError) as error:
            yield f"{folder / 'manifest.json'}: damaged ({error})"
            continue
        for name in sorted(expected | found):
            if name != "manifest.json" and expected.get(name) != found.get(name):
                yield f"{folder / name}: damaged; delete {folder} and run the command again"


def _damaged_studies(store: Store) -> Iterator[str]:
    """Yields studies that cannot be read, and runs that were published when their study was saved and are gone."""
    for path in sorted((store.root / "studies").glob("*/study.json")):
        try:
            study = store.read_study(path.parent.name)
            gone = [r for r in study["runs"] if r.get("published") and not store.finished(r["run"])]
        except (CorruptionError, KeyError, TypeError, AttributeError) as error:
            yield f"{path}: damaged ({error}); run the command of that study again"
            continue
        words = " ".join(map(shlex.quote, study.get("overrides", ())))
        for entry in gone:
            what = f"{entry['point'] or 'its run'} seed={entry['settings'].get('seed')}"
            yield (
                f"study {path.parent.name}: run {entry['run']} ({what}) is gone; stackattn {study['command']} "
                f"{words} trains it again"
            )


def _damaged_facts(store: Store) -> Iterator[str]:
    """Yields facts and step times that cannot be read; both are made again where they are missing."""
    for path in sorted([*(store.root / "facts").glob("*.json"), *(store.root / "studies").glob("*/times.json")]):
        try:
            read_json(path)
        except CorruptionError as error:
            yield f"{path}: damaged ({error}); delete it and run the command again"
