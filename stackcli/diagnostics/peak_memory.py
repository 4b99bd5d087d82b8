"""Peak memory of a piece of work, memory that is free, and a limit that turns too large a request into an error.

The peak is the highest memory in use during the work, above that in use before it. On CUDA, PyTorch's allocator counts
it. On Linux it is the resident set: its high-water mark (VmHWM) is reset before the work, see proc(5). Elsewhere it is
the mark that `getrusage` gives, which cannot be reset, so the work should be the largest that its process has done.
"""

import gc
import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from stackcli.common.memory import MMAP_THRESHOLD, find_glibc
from stackcli.config.validation import machine_memory

METHODS = {
    "cuda": "memory that PyTorch's CUDA allocator handed out",
    "VmHWM": "high-water mark of the resident set (VmHWM of /proc/self/status, reset before the step)",
    "getrusage": "high-water mark of the resident set (getrusage)",
    "none": "not measured on this machine",
}
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SMALL = 64 * 1024  # bytes; from this size on a request is given back as soon as it is freed
TOO_LARGE = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")


def measure_peak(work: Callable[[], object], device: str) -> tuple[float, str]:
    """Runs `work` and returns (bytes of its peak above what was in use before it, how they were measured: a key of
    METHODS); NaN where this machine cannot tell. Call `return_freed_memory` early in the process."""
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before), "cuda"
    if device != "cpu":
        work()
        return math.nan, "none"
    trim_heap()
    if reset_mark():
        before = read_status("VmRSS")
        work()
        return float(read_status("VmHWM") - before), "VmHWM"
    try:
        import resource
    except ImportError:  # Windows
        work()
        return math.nan, "none"
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return float((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit), "getrusage"


def reset_mark() -> bool:
    """Sets the high-water mark of the resident set to what is resident now; returns whether this system can."""
    try:
        RESET.write_text("5", encoding="ascii")
        read_status("VmHWM")
    except (OSError, ValueError):
        return False
    return True


def read_status(name: str) -> int:
    """Returns a size of this process in bytes from Linux's /proc, such as VmRSS. Raises ValueError for an unknown
    name, OSError where there is no /proc."""
    for line in STATUS.read_text(encoding="ascii", errors="replace").split("\n"):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{STATUS} has no {name}")


def return_freed_memory() -> None:
    """Makes the allocator of glibc give back memory when it is freed, so that the resident set is what is in use. Other
    allocators are left as they are."""
    libc = find_glibc()
    if libc is not None:
        libc.mallopt(MMAP_THRESHOLD, SMALL)


def trim_heap() -> None:
    """Gives back what the heap of glibc holds and does not use."""
    libc = find_glibc()
    if libc is not None:
        libc.malloc_trim(0)


# ---- what is free


def free_memory(device: str) -> float:
    """Returns the bytes that a new process can use: of the CUDA device, or of this machine and of the control group of
    this process; infinite where it is not known."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    found = [_available(), *(limit - used for limit, used in _group_limits())]
    return float(min((size for size in found if size is not None), default=machine_memory() or math.inf))


def _available(path: Path = Path("/proc/meminfo")) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _group_limits(root: Path = Path("/sys/fs/cgroup")) -> list[tuple[int, int]]:
    """Returns (limit, used) of the memory of the control group, in both versions of its files. Files that are cached
    and can be dropped are not counted as used."""
    out = []
    for folder, most, now in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            limit, used = (int((root / folder / name).read_text(encoding="ascii")) for name in (most, now))
            lines = (root / folder / "memory.stat").read_text(encoding="ascii").strip().split("\n")
        except (OSError, ValueError):  # no such file, or no limit: "max"
            continue
        cached = {name: int(size) for name, size in (line.split() for line in lines)}
        out.append((limit, used - cached.get("total_inactive_file", cached.get("inactive_file", 0))))
    return out


def limit_memory(more: float) -> None:
    """Allows this process so many bytes more than it has, so that a larger request is an error and not the end of some
    process of this machine. Does nothing where there is no such limit."""
    try:
        import resource

        now, (_, most) = read_status("VmSize"), resource.getrlimit(resource.RLIMIT_AS)
        wanted = now + more
        if math.isfinite(wanted) and (most == resource.RLIM_INFINITY or wanted < most):
            resource.setrlimit(resource.RLIMIT_AS, (int(wanted), most))
    except (ImportError, OSError, ValueError):
        return


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in TOO_LARGE)
