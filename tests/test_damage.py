"""Every kind of stored file, damaged in every way: named with exit 5, or made again; never a traceback, never other
numbers than before."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.helpers import stackattn, words, write_data

RUN = ["result.json", "config.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "position.json", "words.json"]
FILES = [f"runs/*/{name}" for name in (*RUN, "provenance.json", "manifest.json", "weights.pt")]
FILES += ["studies/*/study.json", "studies/*/times.json", "studies/*/figures.json", "facts/*.json", "stackattn.json"]
SCORES = ["explanations/*/scores.json", "attacks/*/scores.json"]

Damage = Callable[[bytes, random.Random], bytes | None]


def flip(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content) - 1)  # not the last line end
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


WAYS: dict[str, Damage] = {
    "one bit flipped": flip,
    "cut in half": lambda content, _: content[: len(content) // 2],
    "cut after a line": lambda content, _: content[: content.rfind(b"\n", 0, len(content) // 2) + 1],
    "emptied": lambda content, _: b"",
    "deleted": lambda content, _: None,
}


READERS: dict[str, list[str]] = {
    "runs": ["runs", "--json"],
    "plot": ["plot", "--figure", "loss", "--figures", "svg"],
    "report": ["report"],
    "show": ["runs", "show", "{run}", "--json"],
    "predict": ["predict", "{run}", "cats"],
    "explain": ["explain", "{run}", "--text", "cats"],
    "attack": ["attack", "{run}", "attack=swap", "--json"],
    "surrogate": ["surrogate", "{run}"],
}


class Place:
    """A store with a study that was trained, and more where options ask for it, and copies of it to damage."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        data = write_data(folder / "d.csv")
        small = words(data, "depth=1,2", "seeds=1", *(("steps=150", "lr=0.01") if more else ()))
        self.sweep = ["sweep", *small, *more, "--figures", "none"]
        done = self.call(*self.sweep)
        assert done.returncode == 0, done.stderr
        assert stackattn("plot", "--figure", "loss", "--figures", "svg", cwd=folder).returncode == 0
        self.table = self.call(*self.sweep, "--json").stdout
        self.whole = folder / "whole"
        self.run = next(iter((folder / "outputs/runs").iterdir())).name
        self.before: dict[str, str] = {}
        shutil.copytree(folder / "outputs", self.whole)
        for name, line in READERS.items() if more else ():
            done = self.call(*[word.format(run=self.run) for word in line])
            assert done.returncode == 0, done.stderr
            self.before[name] = self.shown(name, done)

    def shown(self, name: str, done: CompletedProcess[str]) -> str:
        """What a command shows: its output, or the file that it writes."""
        written = {"plot": "studies/*/loss.svg", "report": "studies/*/report.html"}.get(name)
        files = self.folder.glob(f"outputs/{written}") if written else []
        return next((path.read_text(encoding="utf-8") for path in files), done.stdout)

    def call(self, *args: str) -> CompletedProcess[str]:
        return stackattn(*args, cwd=self.folder, timed=True)

    def damage(self, pattern: str, way: str, seed: int) -> Path | None:
        """Damages one file of a fresh copy; None where the damage would change nothing."""
        shutil.rmtree(self.folder / "outputs")
        shutil.copytree(self.whole, self.folder / "outputs")
        path = next(iter(sorted(self.folder.glob(f"outputs/{pattern.replace('runs/*', f'runs/{self.run}')}"))))
        content = path.read_bytes()
        damaged = WAYS[way](content, random.Random(f"{pattern} {way} {seed}"))
        if damaged == content:
            return None
        path.unlink() if damaged is None else path.write_bytes(damaged)
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("damage"))


@pytest.fixture(scope="module")
def full_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("full"), "--explain", "--attack")


def check_readers(place: Place, pattern: str, way: str, seed: int) -> None:
    """No command shows anything else than before, unless what is gone is made again or left out."""
    for command, line in READERS.items():
        path = place.damage(pattern, way, seed)
        if path is None:
            return
        done = place.call(*[word.format(run=place.run) for word in line])
        assert "Traceback" not in done.stderr and done.returncode in (0, 2, 5), (command, done.stderr)
        if done.returncode:
            names = (name_in_message(place, path), "no store", "no study", "no run", "other things")
            named = any(word in done.stderr for word in names)
            assert named, (command, done.stderr)
        elif way != "deleted":
            assert place.shown(command, done) == place.before[command], (command, path)
    path = place.damage(pattern, way, seed)
    again = place.call(*place.sweep, "--json")
    assert "Traceback" not in again.stderr and again.returncode in (0, 2, 5), again.stderr
    if again.returncode == 0:  # it was not reported, or made again with the same numbers
        assert strip_times(again.stdout) == strip_times(place.table), path
    else:
        assert path is not None
        assert name_in_message(place, path) in again.stderr or "other things in it" in again.stderr, again.stderr


def name_in_message(place: Place, path: Path) -> str:
    """The file; of a manifest its run, as another file may differ from its hash there."""
    return place.run if path.name == "manifest.json" else path.name


def strip_times(table: str) -> list[dict[str, object]]:
    """The rows of a table without what a new measurement of time changes."""
    rows = json.loads(table)
    rows = rows if isinstance(rows, list) else [rows]
    return [{k: v for k, v in row.items() if "ms" not in k and "seconds" not in k} for row in rows]


def check_verify(place: Place, pattern: str, way: str, seed: int) -> None:
    path = place.damage(pattern, way, seed)
    derived = path is not None and path.name == "figures.json"
    made_again = way == "deleted" and pattern.partition("/")[0] not in ("runs", "stackattn.json")
    if path is None or derived or made_again:
        return
    found = place.call("verify")
    if path.name == "stackattn.json":
        assert found.returncode in (2, 5) and "Traceback" not in found.stderr
    else:
        assert found.returncode == 5 and name_in_message(place, path) in found.stdout, (found.stdout, found.stderr)


@pytest.mark.parametrize("pattern", FILES)
@pytest.mark.parametrize("way", WAYS)
def test_verify_names_every_damaged_file(place: Place, pattern: str, way: str) -> None:
    check_verify(place, pattern, way, 0)


@pytest.mark.parametrize("name", ["result.json", "curve.jsonl"])
def test_nothing_is_reported_from_a_damaged_run(place: Place, name: str) -> None:
    path = place.damage(f"runs/*/{name}", "one bit flipped" if name == "result.json" else "cut after a line", 1)
    assert path is not None
    runs = [READERS["runs"]] if name == "result.json" else []  # which shows nothing of a curve
    for line in ([*place.sweep, "--json"], READERS["plot"], READERS["report"], *runs):
        done = place.call(*line)
        assert done.returncode == 5 and done.stdout == "" and f"{name}: damaged" in done.stderr, done.stderr
        assert done.stderr.rstrip().endswith("run the command again, or add --force")
    assert place.call(*place.sweep, "--force", "--json").returncode == 0
    assert strip_times(place.call(*place.sweep, "--json").stdout) == strip_times(place.table)


def test_every_damaged_run_is_named_before_anything_is_trained(place: Place) -> None:
    assert place.damage("runs/*/result.json", "emptied", 0) is not None
    folders = sorted((place.folder / "outputs/runs").iterdir())
    for folder in folders:
        (folder / "result.json").write_text("")
    done = place.call(*place.sweep)
    assert len(folders) == 2 and done.returncode == 5
    assert all(f"{folder.name}/result.json: damaged" in done.stderr for folder in folders), done.stderr


def test_no_message_tells_to_delete_a_whole_store(place: Place) -> None:
    path = place.damage("stackattn.json", "emptied", 0)
    assert path is not None
    said = place.call("runs").stderr
    assert "stackattn.json: damaged" in said and "delete" not in said
    path.write_text('{"format": 1}')  # as it says
    assert place.call("runs").returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pattern", [*FILES, *SCORES])
def test_no_command_reports_from_a_damaged_file(full_place: Place, pattern: str) -> None:
    for way in WAYS:
        for seed in range(6 if way == "one bit flipped" else 1):
            check_readers(full_place, pattern, way, seed)
            check_verify(full_place, pattern, way, seed)
