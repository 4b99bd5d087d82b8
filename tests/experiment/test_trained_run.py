"""A trained run and its texts."""

from pathlib import Path

import pytest

from stackcli.experiment import trained_run
from tests.helpers import stackattn, words


def test_items_of_the_test_part_have_their_text_and_their_class(opened: trained_run.Run) -> None:
    (item,) = trained_run.items_of_test(opened, [0])
    assert item.label is not None and {"cats": "cat", "dogs": "dog"}[item.tokens[-1]] == opened.classes[item.label]
    assert item.name.split()[-1] == item.tokens[-1]


def test_a_long_text_is_cut_and_the_cut_is_counted(opened: trained_run.Run) -> None:
    most = int(opened.known["max_len"])
    (item,) = trained_run.items_of_texts(opened, ["cats " * (most + 3)])
    assert len(item.tokens) == len(item.ids) == most and item.cut == 3


def test_a_stack_whose_tokens_look_at_padding_is_refused(classifier: tuple[Path, Path], tmp_path: Path) -> None:
    done = stackattn("train", *words(classifier[1], "mask=none"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (stored,) = (tmp_path / "outputs" / "runs").iterdir()
    with pytest.raises(ValueError, match="mask=none: its answers depend on padding"):
        trained_run.open_run(tmp_path / "outputs", stored.name)


def test_data_that_have_changed_are_refused(opened: trained_run.Run, classifier: tuple[Path, Path]) -> None:
    before = classifier[1].read_text()
    classifier[1].write_text(before.replace("about", "regarding"))
    try:
        with pytest.raises(ValueError, match="have changed since it was trained"):
            trained_run.items_of_test(opened, [0])
    finally:
        classifier[1].write_text(before)


def test_texts_of_a_file_are_read_from_a_column(opened: trained_run.Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,note\nabout cats,one dog\nabout dogs,two\n")
    assert [item.tokens for item in trained_run.items_of_file(opened, path)] == [("about", "cats"), ("about", "dogs")]
    assert [item.name for item in trained_run.items_of_file(opened, path, "note")] == ["one dog", "two"]
    with pytest.raises(ValueError, match="no column"):
        trained_run.items_of_file(opened, path, "question")


def test_an_untrained_stack_has_the_sizes_of_the_run_and_other_weights(opened: trained_run.Run) -> None:
    own, fresh = opened.model.state_dict(), opened.untrained(99).state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in fresh.items()}
    assert not own["embedding.weight"].equal(fresh["embedding.weight"])
