"""What other processes do on this machine while nothing of ours runs."""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")  # Linux
SECONDS = 0.3


def measure_load() -> float | None:
    """Returns how many cores other processes keep busy. On Linux measured over 0.3 s, during which this process sleeps;
    elsewhere the load average of the last minute, which counts our own runs too; None where the system has neither."""
    before = read_times(STAT)
    if before is None:
        return average_load()
    time.sleep(SECONDS)
    after = read_times(STAT)
    assert after is not None
    busy, total = after[0] - before[0], after[1] - before[1]
    return round((os.cpu_count() or 1) * busy / total, 2) if total else None


def read_times(path: Path) -> tuple[int, int] | None:
    """Returns the time that all cores have been busy since the start, and the whole time, in ticks; None where the file
    does not exist or has another form."""
    try:
        with path.open(encoding="ascii") as file:
            name, *counts = file.readline().split()
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, counts[:8])
    except (OSError, ValueError):
        return None
    busy = user + nice + system + irq + softirq + steal
    return (busy, busy + idle + iowait) if name == "cpu" else None


def average_load() -> float | None:
    """Returns the load average of the last minute; None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
