"""A trained run that is attacked: how it reads, its items, its answers afresh."""

from pathlib import Path

import pytest
import torch

from stackcli.attack.base import Sample
from stackcli.experiment import attacked_run, predict, trained_run
from tests.helpers import stackattn


@pytest.fixture(scope="module")
def attacked(classifier: tuple[Path, Path]) -> attacked_run.AttackedRun:
    (stored,) = (classifier[0] / "runs").iterdir()
    return attacked_run.open_attacked_run(classifier[0], stored.name)


def test_texts_are_read_as_the_run_reads_its_data(attacked: attacked_run.AttackedRun) -> None:
    vocab = list(attacked.run.known["vocab"])
    known, other, nothing, dash = attacked.read(["about CATS", "about zebras", " ", "-"])
    assert known == (vocab.index("about"), vocab.index("cats")) and other == (vocab.index("about"), 1)
    assert nothing == () and dash == (1,)


def test_items_are_the_same_in_every_call_and_all_of_them_with_0(attacked: attacked_run.AttackedRun) -> None:
    some, every = attacked.test_items(4), attacked.test_items(0)
    assert attacked.test_items(4) == some and len(some) == 4 and set(some) < set(every)
    test = trained_run.load_data(attacked.run).test
    assert len(every) == len(test)
    for item in every:
        assert " ".join(item.tokens) == test.texts[item.number] and item.label == test.labels[item.number]


def test_answers_afresh_are_those_of_predict(attacked: attacked_run.AttackedRun) -> None:
    texts = [f"text number {i} about {'cats' if i % 3 else 'dogs'}" for i in range(40)]
    found = attacked.answer_afresh(texts, [Sample(tuple(text.split())) for text in texts])
    said = predict.predict(attacked.out, attacked.run.name, texts)
    assert [attacked.run.classes[i] for i in found] == [next(iter(answer.shares)) for answer in said]
    assert len(set(found)) == 2


def test_answers_afresh_heed_positions_and_what_is_added_to_vectors(attacked: attacked_run.AttackedRun) -> None:
    tokens = ("about", "cats")
    weights = attacked.run.model.embedding.weight
    index = {name: i for i, name in enumerate(attacked.run.known["vocab"])}
    cats, dogs = weights[index["cats"]], weights[index["dogs"]]
    added = torch.stack([torch.zeros_like(cats), dogs - cats])
    plain, changed = attacked.answer_afresh(["about cats"] * 2, [Sample(tokens), Sample(tokens, added=added)])
    (dog,) = attacked.answer_afresh(["about dogs"], [Sample(("about", "dogs"))])
    assert changed == dog != plain


def test_typed_texts_are_items_whose_class_is_the_answer(attacked: attacked_run.AttackedRun) -> None:
    first, second = attacked.typed_items(["About cats", "about dogs"])
    assert first.tokens == ("about", "cats") and (first.number, second.number) == (-1, -2)
    assert [attacked.run.classes[item.label] for item in (first, second)] == ["cat", "dog"]
    with pytest.raises(ValueError, match="blank"):
        attacked.typed_items([" "])


def test_a_run_that_answers_at_every_token_is_refused(tmp_path: Path) -> None:
    small = (
        "data=copy",
        "data.train_len=4",
        "data.longest=1",
        "data.size=64",
        "dim=8",
        "heads=2",
        "steps=2",
        "causal=true",
    )
    assert stackattn("train", *small, cwd=tmp_path).returncode == 0
    (stored,) = (tmp_path / "outputs" / "runs").iterdir()
    with pytest.raises(ValueError, match="answers at every token; a run with one answer"):
        attacked_run.open_attacked_run(tmp_path / "outputs", stored.name)
