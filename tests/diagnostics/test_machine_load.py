"""What other processes do on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.diagnostics import machine_load

LINE = "cpu  {user} 5 10 {idle} 7 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def test_the_busy_and_the_whole_time_are_read_from_the_first_line(tmp_path: Path) -> None:
    """user + nice + system + irq + softirq + steal; the whole time has idle and iowait too."""
    path = tmp_path / "stat"
    path.write_text(LINE.format(user=100, idle=200))
    assert machine_load.read_times(path) == (121, 328)
    assert machine_load.read_times(tmp_path / "missing") is None
    for other in ("", "cpu 1 2\n", "intr 1 2 3 4 5 6 7 8\n", "cpu a b c d e f g h\n"):
        path.write_text(other)
        assert machine_load.read_times(path) is None


def test_the_load_is_the_share_of_busy_time_in_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stat"
    path.write_text(LINE.format(user=100, idle=200))
    monkeypatch.setattr(machine_load, "STAT", path)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr("time.sleep", lambda _: path.write_text(LINE.format(user=130, idle=210)) and None)
    assert machine_load.measure_load() == 3.0  # 30 of 40 ticks


def test_another_system_has_its_load_average_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_load, "STAT", Path("no such file"))
    monkeypatch.setattr(os, "getloadavg", lambda: (1.234, 9.0, 9.0), raising=False)
    assert machine_load.measure_load() == 1.23

    def fail() -> None:
        raise OSError("unobtainable")

    monkeypatch.setattr(os, "getloadavg", fail, raising=False)
    assert machine_load.measure_load() is None
    monkeypatch.delattr(os, "getloadavg")
    assert machine_load.measure_load() is None


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="no /proc/stat here")
def test_a_process_that_is_busy_is_seen() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = machine_load.measure_load()
    finally:
        busy.kill()
        busy.wait()
    assert found is not None and found > 0.5
