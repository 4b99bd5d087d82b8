"""Explanations of a trained run."""

import json
from pathlib import Path

import pytest

from stackcli.experiment import explain
from tests.helpers import stackattn, words, write_data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("explain")
    data = write_data(folder / "d.csv")
    assert stackattn("train", *words(data, "steps=60", "lr=0.01"), cwd=folder).returncode == 0
    return folder / "outputs", data


@pytest.fixture(scope="module")
def run(place: tuple[Path, Path]) -> explain.Run:
    (stored,) = (place[0] / "runs").iterdir()
    return explain.open_run(place[0], stored.name)


def test_texts_of_a_batch_are_explained_as_they_are_alone_and_in_their_order(run: explain.Run) -> None:
    items = explain.items_of_texts(run, ["text number 3 about dogs", "cats", "about cats"])
    both = list(explain.explain_items(run, items, ["cp_lrp", "occlusion"]))
    assert [found.item for found in both] == items
    for item, found in zip(items, both, strict=True):
        (alone,) = explain.explain_items(run, [item], ["cp_lrp", "occlusion"])
        for name, scores in found.scores.items():
            assert scores.tokens == pytest.approx(alone.scores[name].tokens, abs=1e-10)
            for key in ("deletion", "insertion", "comprehensiveness", "sufficiency"):
                assert getattr(scores, key) == pytest.approx(getattr(alone.scores[name], key), abs=1e-10), key
        for look, same in zip(found.heads, alone.heads, strict=True):
            assert look["offsets"] == pytest.approx(same["offsets"], abs=1e-10)
            assert look["entropy"] == pytest.approx(same["entropy"], abs=1e-10)


def test_the_class_to_explain_can_be_chosen(run: explain.Run) -> None:
    items = explain.items_of_texts(run, ["about cats"])
    cat, dog = (next(explain.explain_items(run, items, ["cp_lrp"], target=name)) for name in ("cat", "dog"))
    assert cat.explained == "cat" and dog.explained == "dog" and cat.logit > dog.logit
    assert cat.scores["cp_lrp"].tokens[1] > 0 > dog.scores["cp_lrp"].tokens[1]


def test_items_of_the_test_part_have_their_text_and_their_class(run: explain.Run) -> None:
    (item,) = explain.items_of_test(run, [0])
    assert item.label is not None and {"cats": "cat", "dogs": "dog"}[item.tokens[-1]] == run.classes[item.label]
    assert item.name.split()[-1] == item.tokens[-1]


def test_a_long_text_is_cut_and_the_cut_is_counted(run: explain.Run) -> None:
    most = int(run.known["max_len"])
    (item,) = explain.items_of_texts(run, ["cats " * (most + 3)])
    assert len(item.tokens) == len(item.ids) == most and item.cut == 3


def test_a_stack_whose_tokens_look_at_padding_is_refused(place: tuple[Path, Path], tmp_path: Path) -> None:
    done = stackattn("train", *words(place[1], "mask=none"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (stored,) = (tmp_path / "outputs" / "runs").iterdir()
    with pytest.raises(ValueError, match="mask=none: its answers depend on padding"):
        explain.open_run(tmp_path / "outputs", stored.name)


def test_data_that_have_changed_are_refused(run: explain.Run, place: tuple[Path, Path]) -> None:
    before = place[1].read_text()
    place[1].write_text(before.replace("about", "regarding"))
    try:
        with pytest.raises(ValueError, match="have changed since it was trained"):
            explain.items_of_test(run, [0])
    finally:
        place[1].write_text(before)


def test_a_row_can_be_written_as_json(run: explain.Run) -> None:
    (found,) = explain.explain_items(run, explain.items_of_texts(run, ["about cats"]), ["gradient", "rollout"])
    row = json.loads(json.dumps(found.row))
    assert row["methods"]["rollout"]["positions"] is None and row["methods"]["gradient"]["signed"]
