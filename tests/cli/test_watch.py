"""The command watch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import stackattn


def test_a_study_that_has_ended_is_said_to_be_complete(trained: Path) -> None:
    done = stackattn("watch", cwd=trained)
    assert done.returncode == 0 and done.stdout.splitlines()[0] == "1/1 run"
    assert done.stdout.splitlines()[1].endswith("is complete") and done.stderr.startswith("watch: study train")


def test_json_is_one_object_and_nothing_else(trained: Path) -> None:
    done = stackattn("watch", "--json", cwd=trained)
    assert json.loads(done.stdout)["state"] == "complete" and done.stderr == ""


def test_an_unknown_study_is_answered_with_those_there_are(trained: Path) -> None:
    done = stackattn("watch", "nothing", cwd=trained)
    assert done.returncode == 2 and "nothing: no such study" in done.stderr and "there are train" in done.stderr


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    done = stackattn("watch", cwd=tmp_path)
    assert done.returncode == 2 and "no store" in done.stderr and list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_the_study_alone_and_says_so(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("stackcli.experiment.watch.run_watch", interrupt)
    done = stackattn("watch", cwd=trained)
    assert done.returncode == 130 and "stopped watching; the study goes on" in done.stderr


def test_it_loads_neither_pytorch_nor_pandas(trained: Path) -> None:
    code = "import sys; from stackcli.cli.main import main\nsys.argv = ['stackattn', 'watch']\n"
    code += "try: main()\nexcept SystemExit: pass\nprint({'torch', 'pandas', 'matplotlib'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=trained, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
