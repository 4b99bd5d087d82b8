"""The command compare-pe."""

from pathlib import Path

from tests.helpers import stackattn, words, write_data


def test_compare_pe_refuses_one_encoding(tmp_path: Path) -> None:
    one = stackattn("compare-pe", *words(write_data(tmp_path / "d.csv"), "pe=learned"), cwd=tmp_path)
    assert one.returncode == 2 and "pe=learned,sinusoidal,relative" in one.stderr


def test_without_data_three_tasks_are_compared(tmp_path: Path) -> None:
    done = stackattn("compare-pe", "pe=none,rope", "seeds=1", "steps=1", "--dry-run", cwd=tmp_path)
    heads = {line.split()[0] for line in done.stderr.splitlines() if line.startswith("data=")}
    assert done.returncode == 0 and len({head.rstrip(":") for head in heads}) == 3, done.stderr
