"""Peak memory is that of a known allocation; a limit makes a request fail that is too large."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stackcli.diagnostics import peak_memory
from stackcli.launcher.local import Local
from tests.helpers import load_workers

MIB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")


def allocate(mib: int) -> None:
    torch.ones(mib * MIB // 4)


def allocate_twice(mib: int) -> None:
    """One after the other: the first is freed before the second is made."""
    allocate(mib)
    allocate(mib)


def allocate_together(mib: int) -> None:
    kept = [torch.ones(mib * MIB // 4) for _ in range(2)]
    del kept


def allocate_around(mib: int) -> None:
    """A small tensor after a large one that is freed: the larger one that follows does not fit into the gap."""
    first = torch.ones(mib * MIB // 4)
    small = torch.ones(MIB // 4)
    del first
    allocate(mib + 4)
    del small


def measure_allocations(_: Any, say: Any, stop: Any) -> dict[str, tuple[float, str]]:
    """Peaks of known allocations, in a process of its own; a job of a launcher."""
    peak_memory.return_freed_memory()
    for mib in (8, 24):  # loads what the first allocation loads; by itself, glibc then keeps what is as large
        allocate(mib)
    kept = torch.ones(32 * MIB // 4)  # in use before, and so not counted
    jobs = {
        "one": lambda: allocate(64),
        "two after one another": lambda: allocate_twice(64),
        "two together": lambda: allocate_together(64),
        "small after large": lambda: allocate(16),
        "around a gap": lambda: allocate_around(12),
        "nothing": lambda: None,
    }
    found = {name: peak_memory.measure_peak(job, "cpu") for name, job in jobs.items()}
    del kept
    return found


def without_proc(_: Any, say: Any, stop: Any) -> tuple[float, str]:
    peak_memory.RESET = Path("/nowhere/clear_refs")
    peak_memory.return_freed_memory()
    allocate(8)
    return peak_memory.measure_peak(lambda: allocate(200), "cpu")


def run(work: Any) -> Any:
    load_workers()
    (outcome,) = [o for o in Local(workers=1, preload=()).run(work, [None]) if o.state != "started"]
    assert outcome.state == "done", outcome.detail
    return outcome.detail


@LINUX
def test_the_peak_is_that_of_a_known_allocation() -> None:
    found = run(measure_allocations)
    assert {method for _, method in found.values()} == {"VmHWM"}
    expected = {"one": 64, "two after one another": 64, "two together": 128, "small after large": 16, "nothing": 0}
    expected["around a gap"] = 17
    for name, mib in expected.items():
        assert abs(found[name][0] / MIB - mib) < 2, (name, found[name][0] / MIB)


@LINUX
def test_without_a_mark_that_can_be_reset_the_largest_work_of_a_process_is_still_seen() -> None:
    peak, method = run(without_proc)
    assert method == "getrusage" and abs(peak / MIB - 200) < 20


def test_a_device_whose_peak_is_unknown_has_no_number() -> None:
    done: list[int] = []
    peak, method = peak_memory.measure_peak(lambda: done.append(1), "mps")
    assert math.isnan(peak) and method == "none" and done == [1] and method in peak_memory.METHODS


def ask_too_much(_: Any, say: Any, stop: Any) -> list[tuple[str, bool]]:
    peak_memory.limit_memory(100 * MIB)
    allocate(4)  # fits
    found = []
    for ask in (lambda: allocate(400), lambda: bytearray(400 * MIB)):
        try:
            ask()
        except Exception as error:
            found.append((type(error).__name__, peak_memory.is_out_of_memory(error)))
    return found


@LINUX
def test_beyond_the_limit_a_request_is_an_error_that_is_recognised() -> None:
    assert run(ask_too_much) == [("RuntimeError", True), ("MemoryError", True)]


@pytest.mark.parametrize(
    "error,memory",
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("dim"), False),
    ],
)
def test_only_errors_about_memory_are_taken_for_such(error: Exception, memory: bool) -> None:
    assert peak_memory.is_out_of_memory(error) == memory


def write_group(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_limit_of_a_control_group_counts_and_cached_files_do_not(tmp_path: Path) -> None:
    stat = "anon 5\ninactive_file 300\n"
    two = {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": stat}
    one = {"memory.limit_in_bytes": "900", "memory.usage_in_bytes": "500", "memory.stat": "total_inactive_file 100\n"}
    assert peak_memory._group_limits(write_group(tmp_path / "2", two)) == [(1000, 400)]
    group = {f"memory/{name}": text for name, text in one.items()}
    assert peak_memory._group_limits(write_group(tmp_path / "1", group)) == [(900, 400)]
    assert peak_memory._group_limits(write_group(tmp_path / "0", two | {"memory.max": "max\n"})) == []


@LINUX
def test_what_is_free_is_less_than_the_machine_has_and_falls_with_use() -> None:
    from stackcli.config.validation import machine_memory

    before, machine = peak_memory.free_memory("cpu"), machine_memory()
    assert machine is not None and 0 < before <= machine
    with pytest.raises(ValueError, match="no VmNothing"):
        peak_memory.read_status("VmNothing")
