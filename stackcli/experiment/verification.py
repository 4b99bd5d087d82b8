"""What of a store is damaged or gone."""

import shlex
from collections.abc import Iterator

from stackcli.common.atomic_files import CorruptionError, read_json
from stackcli.experiment.serialization import hashes
from stackcli.experiment.store import Store


def find_faults(store: Store) -> list[str]:
    """What is damaged or gone, in words; empty where every file of every run is as its manifest says, every study has
    its runs, and what is known of the data can be read."""
    return [*_damaged_runs(store), *_damaged_studies(store), *_damaged_facts(store)]


def _damaged_runs(store: Store) -> Iterator[str]:
    """Files of runs that differ from the manifest."""
    for folder in sorted(f for f in (store.root / "runs").glob("*") if f.is_dir()):
        try:
            told, found = dict(read_json(folder / "manifest.json")), hashes(folder)
        except (CorruptionError, OSError, TypeError, ValueError) as error:
            yield f"{folder / 'manifest.json'}: damaged ({error})"
            continue
        for name in sorted(told | found):
            if name != "manifest.json" and told.get(name) != found.get(name):
                yield f"{folder / name}: damaged; delete {folder} and run the command again"


def _damaged_studies(store: Store) -> Iterator[str]:
    """Studies that cannot be read, and those of which a run is gone that was there when the study was saved."""
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
    """Facts and step times that cannot be read: both are made again where they are missing."""
    for path in sorted([*(store.root / "facts").glob("*.json"), *(store.root / "studies").glob("*/times.json")]):
        try:
            read_json(path)
        except CorruptionError as error:
            yield f"{path}: damaged ({error}); delete it and run the command again"
