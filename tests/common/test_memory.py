"""Freed memory stays in the process: fewer page faults for the same work."""

import subprocess
import sys

import pytest

WORK = """
import resource, sys
from stackcli.common.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def use(size=40_000_000):
    block = ctypes.c_void_p(libc.malloc(size))
    ctypes.memset(block, 1, size)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    done = subprocess.run([sys.executable, "-c", WORK, how], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    assert faults("keep") < faults("leave") / 10


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from stackcli.common.memory import keep_freed_memory

    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a call of glibc")
def test_memory_that_was_freed_can_be_given_back() -> None:
    code = """
from pathlib import Path
from stackcli.common.memory import give_back_memory
def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])
blocks = [bytearray(4000) for _ in range(20_000)]
last = bytearray(4000)
full = pages()
del blocks
give_back_memory()
print((full - pages()) * 4096)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000_000
