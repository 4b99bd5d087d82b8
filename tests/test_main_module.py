"""How the tool leaves when it is asked to."""

import subprocess
import sys

import pytest

FINALIZER = """
import os, signal, time
from stackcli import __main__ as tool

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

def run():
    Last()
    time.sleep(20)
    print("went on")

tool.run_command = run
tool.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows delivers no SIGTERM")
def test_sigterm_inside_a_finalizer_is_not_lost() -> None:
    """Python reports an exception of a finalizer and goes on."""
    done = subprocess.run([sys.executable, "-c", FINALIZER], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")
