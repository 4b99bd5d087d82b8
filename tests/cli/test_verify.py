"""The command verify."""

import shutil
from pathlib import Path

from tests.helpers import stackattn


def test_files_as_they_were_written_have_no_fault(trained: Path) -> None:
    done = stackattn("verify", cwd=trained)
    assert done.returncode == 0 and done.stdout == "" and "1 run, 0 faults" in done.stderr


def test_a_file_that_was_damaged_is_named_with_exit_code_5(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    (path,) = tmp_path.glob("outputs/runs/*/result.json")
    path.write_text("{")
    done = stackattn("verify", cwd=tmp_path)
    assert done.returncode == 5 and "result.json" in done.stdout and "1 run, " in done.stderr
