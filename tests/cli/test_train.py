"""The command train."""

from pathlib import Path

from tests.helpers import stackattn, words


def test_the_same_study_name_with_other_settings_is_a_conflict(data: Path, tmp_path: Path) -> None:
    stackattn("train", *words(data), "--study", "mine", cwd=tmp_path)
    done = stackattn("train", *words(data, "lr=0.5"), "--study", "mine", cwd=tmp_path)
    assert done.returncode == 4 and "lr=0.001 there, 0.5 here" in done.stderr


def test_all_errors_are_said_at_once(tmp_path: Path) -> None:
    done = stackattn("train", "depth=0", "lr=-1", "dropout=2", cwd=tmp_path)
    assert all(word in done.stderr for word in ("depth=0", "lr=-1", "dropout=2"))


def test_train_refuses_several_values_and_several_seeds(data: Path, tmp_path: Path) -> None:
    several = stackattn("train", *words(data, "depth=1,2"), cwd=tmp_path)
    assert several.returncode == 2 and "depth has 2 values" in several.stderr and "sweep" in several.stderr
    seeds = stackattn("train", *words(data, "seeds=3"), cwd=tmp_path)
    assert seeds.returncode == 2 and "train runs one seed; for several use: stackattn sweep seeds=3" in seeds.stderr
