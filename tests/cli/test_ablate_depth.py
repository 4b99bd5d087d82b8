"""The command ablate-depth."""

from pathlib import Path

from tests.helpers import stackattn, words, write_data


def test_without_words_it_trains_five_depths_of_two_schemes(tmp_path: Path) -> None:
    data = words(write_data(tmp_path / "d.csv"))
    done = stackattn("ablate-depth", *data, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "30 runs (depth = 1, 2, 4, 8, 16; residual = pre, post; seeds 0, 1, 2)" in done.stderr


def test_a_depth_typed_replaces_its_own_and_match_chooses_the_sizes(tmp_path: Path) -> None:
    data = words(write_data(tmp_path / "d.csv"), "dim=16")
    done = stackattn("ablate-depth", *data, "depth=1,4", "residual=pre", "match=params", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "6 runs (depth = 1, 4; seeds 0, 1, 2)" in done.stderr
    assert "depth=4: dim=" in done.stderr or "depth=4 dim=" in done.stderr
