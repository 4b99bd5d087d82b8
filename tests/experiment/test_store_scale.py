"""The measurement of the store: what it counts, and that ten thousand runs are read faster from the cache."""

import sys
from pathlib import Path

import pytest

from stackcli.experiment import store_scale, synthetic_store
from stackcli.experiment.store import Store


def test_files_and_bytes_are_those_of_the_runs(tmp_path: Path) -> None:
    for run, sizes in (("a", (10, 20)), ("b", (30,))):
        (tmp_path / "runs" / run).mkdir(parents=True)
        for i, size in enumerate(sizes):
            (tmp_path / "runs" / run / str(i)).write_bytes(b"x" * size)
    store = Store.__new__(Store)
    store.root = tmp_path
    assert store_scale.measure_sizes(store) == (2, 1.5, 30.0)


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"runs --out .*: exit 2"):
        store_scale.measure_command("runs", ["runs", "--out", str(tmp_path / "none")])


def test_publishing_is_measured_with_the_wait_for_the_disk(tmp_path: Path) -> None:
    assert 0 < store_scale.measure_publish(tmp_path / "store", times=3) < 10_000
    assert len(Store(tmp_path / "store").ids()) == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="memory of a process is asked of the system")
def test_ten_thousand_runs_are_listed_from_the_cache_in_less_than_half_the_time_of_their_files(tmp_path: Path) -> None:
    synthetic_store.build_store(tmp_path / "out", 10_000)
    found = {m.name: m for m in store_scale.measure_commands(tmp_path / "out", 10_000, ["runs", "runs again"])}
    assert found["runs again"].processor < found["runs"].processor / 2 and found["runs again"].megabytes < 500
