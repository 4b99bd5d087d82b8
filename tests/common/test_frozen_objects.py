"""Objects that no collection of a forked process looks at."""

import subprocess
import sys


def test_importing_it_freezes_what_is_there() -> None:
    code = "import gc; assert not gc.get_freeze_count(); import stackcli.common.frozen_objects"
    code += "; print(gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 1000
