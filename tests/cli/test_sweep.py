"""The command sweep."""

from pathlib import Path

from tests.helpers import stackattn, words


def test_a_dry_run_counts_and_writes_no_run(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "depth=1,2,4"), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "9 runs (depth = 1, 2, 4; seeds 0, 1, 2) on csv" in done.stderr
    assert "about " in done.stderr and list(tmp_path.iterdir()) == []


def test_more_than_200_runs_need_a_yes(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "depth=range(1,101)"), cwd=tmp_path)
    assert done.returncode == 2 and "--yes" in done.stderr and not list(tmp_path.rglob("result.json"))


def test_tables_come_as_csv_markdown_and_latex(data: Path, tmp_path: Path) -> None:
    line = words(data, "depth=1,2", "seeds=2")
    assert "depth" in stackattn("sweep", *line, "--csv", "-", cwd=tmp_path).stdout.splitlines()[0]
    assert "|" in stackattn("sweep", *line, "--format", "md", cwd=tmp_path).stdout
    assert "tabular" in stackattn("sweep", *line, "--format", "latex", cwd=tmp_path).stdout
    plain = stackattn("sweep", *line, cwd=tmp_path, COLUMNS="80")
    assert max(map(len, plain.stdout.splitlines())) <= 80


def test_quiet_silences_the_progress_and_not_the_answer(data: Path, tmp_path: Path) -> None:
    loud = stackattn("sweep", *words(data, "depth=1,2", "seeds=2"), cwd=tmp_path)
    quiet = stackattn("sweep", *words(data, "depth=1,2", "seeds=2"), "--quiet", cwd=tmp_path)
    assert quiet.stderr == "" and quiet.stdout == loud.stdout and "has the highest mean test accuracy" in quiet.stdout
