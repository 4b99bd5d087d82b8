"""Kills at any time and a full disk: nothing finished is lost, nothing half-written is read as complete."""

import contextlib
import multiprocessing as mp
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from stackcli.experiment.store import Store
from tests.helpers import results, stackattn, start, words, write_data

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def family(parent: int) -> list[int]:
    """The processes below one, from /proc."""
    above = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        above[int(stat.parent.name)] = int(after[1])
    found, todo = [], [parent]
    while todo:
        one = todo.pop()
        below = [pid for pid, ppid in above.items() if ppid == one]
        found += below
        todo += below
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_after_any_kills_the_results_are_those_of_an_undisturbed_sweep(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    line = ["sweep", *words(data, "depth=1,2,3", "seeds=4", "steps=500", "batch=4"), "-j", "2"]
    hit, whole = tmp_path / "hit", tmp_path / "whole"
    for folder in (hit, whole):
        folder.mkdir()
    draw, kills, until = random.Random(7), 0, time.monotonic() + 25
    while time.monotonic() < until:
        process = start(*line, "--figures", "none", cwd=hit)
        time.sleep(draw.uniform(1.0, 6.0))
        workers = family(process.pid)
        if draw.random() < 0.5 and workers:  # a worker or the fork server; the driver goes on by itself
            kill(draw.choice(workers))
            kills += 1
            time.sleep(draw.uniform(0.5, 2.0))
        kill(process.pid)
        kills += 1
        stackattn("plot", "--figure", "loss", "--figures", "svg", cwd=hit)  # drawing while runs are half done
        for left in family(process.pid):
            kill(left)
        process.communicate()
    assert kills >= 5
    last = stackattn(*line, cwd=hit)
    assert last.returncode == 0, last.stderr
    assert stackattn(*line, cwd=whole).returncode == 0
    expected = results(whole / "outputs")
    assert len({name.partition("/")[0] for name in expected}) == 12
    assert results(hit / "outputs") == expected
    assert stackattn("verify", cwd=hit).returncode == 0


def saver(root: str, pipe: Connection) -> None:
    """Saves one checkpoint after another and says which is safe."""
    import torch

    store = Store(Path(root))
    store.create()
    for step in range(1, 100_000):
        store.save_checkpoint("r", {"step": step, "x": torch.full((50_000,), float(step))})
        pipe.send(step)


def test_a_checkpoint_that_was_said_to_be_safe_survives_forty_kills_inside_the_save(tmp_path: Path) -> None:
    context, draw = mp.get_context("forkserver"), random.Random(3)
    context.set_forkserver_preload(["torch", "stackcli.experiment.store"])
    for n in range(40):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=saver, args=(str(tmp_path / f"s{n}"), theirs))
        process.start()
        theirs.close()
        safe = [ours.recv()]
        time.sleep(draw.uniform(0, 0.05))
        assert process.pid is not None
        kill(process.pid)
        process.join()
        while ours.poll():
            try:
                safe.append(ours.recv())
            except EOFError:
                break
        found = Store(tmp_path / f"s{n}").load_checkpoint("r")
        assert found is not None and found["step"] >= safe[-1]
        assert bool((found["x"] == float(found["step"])).all())


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB; skips where none can be mounted."""
    place = tmp_path / "tiny"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_the_same_command_goes_on_once_there_is_room(tiny: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    line = ["sweep", *words(data, "depth=1,2", "seeds=2", "dim=64", "ff=4"), "--out", str(tiny / "o")]
    full = stackattn(*line, cwd=tmp_path)
    assert full.returncode in (1, 74) and "No space left on device" in full.stderr and "Traceback" not in full.stderr
    subprocess.run(["mount", "-o", "remount,size=20m", str(tiny)], check=True)
    again = stackattn(*line, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert stackattn("verify", "--out", str(tiny / "o"), cwd=tmp_path).returncode == 0
    stackattn(*line[:-1], "roomy", cwd=tmp_path)
    assert results(tiny / "o") == results(tmp_path / "roomy")


def test_two_sweeps_on_one_folder_cooperate(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    line = ["sweep", *words(data, "depth=1,2", "seeds=2", "steps=60"), "--figures", "none"]
    both = [start(*line, cwd=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    alone = tmp_path / "alone"
    alone.mkdir()
    stackattn(*line, cwd=alone)
    assert results(tmp_path / "outputs") == results(alone / "outputs")


def test_a_flipped_bit_in_the_weights_is_found_and_named(tmp_path: Path) -> None:
    data, draw = write_data(tmp_path / "d.csv"), random.Random(5)
    assert stackattn("train", *words(data), cwd=tmp_path).returncode == 0
    (path,) = tmp_path.glob("outputs/runs/*/weights.pt")
    whole = path.read_bytes()
    for _ in range(5):
        at = draw.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :])
        found = stackattn("verify", cwd=tmp_path)
        assert found.returncode == 5 and "weights.pt: damaged" in found.stdout
        asked = stackattn("predict", path.parent.name, "a cat", cwd=tmp_path)
        assert asked.returncode == 5 and "damaged" in asked.stderr
    path.write_bytes(whole)
    assert stackattn("verify", cwd=tmp_path).returncode == 0
