"""Finds what is damaged or missing in a store."""

import shlex
from collections.abc import Iterator

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.adversarial_sets import REPORT
from stackcli.experiment.run_files import RunFiles
from stackcli.experiment.serialization import hash_file
from stackcli.experiment.store import Store


def find_faults(store: Store) -> list[str]:
    """Describes what is damaged or missing; empty where every file of every run has the hash in its manifest, every
    study has its runs, and every other stored file has its checksum."""
    return [*_damaged_runs(store), *_damaged_studies(store), *_damaged_objects(store)]


def _damaged_runs(store: Store) -> Iterator[str]:
    """Yields the files of runs that differ from their manifest."""
    for folder in sorted(f for f in (store.root / "runs").glob("*") if f.is_dir()):
        yield from RunFiles(folder).find_faults(weights=True)


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


OBJECTS = ("facts/*.json", "studies/*/times.json", "explanations/*/*.json", "attacks/*/*.json", "trackers.json")


def _damaged_objects(store: Store) -> Iterator[str]:
    """Yields facts, step times, explanations, attacks and the key of trackers that differ from their checksum, and
    inputs that attacks made that differ from their hash in the report; all are made again where they are missing."""
    for path in sorted(path for pattern in OBJECTS for path in store.root.glob(pattern)):
        try:
            found = store.read(path)
        except CorruptionError as error:
            yield str(error)
            continue
        for name, sha in found.get("files", {}).items() if path.name == REPORT else ():
            if hash_file(path.parent / name) != sha:
                yield f"{path.parent / name}: damaged; delete its folder and run the command again"
