"""Inputs of attacks as files."""

from pathlib import Path

import torch

from stackcli.attack.base import Sample
from stackcli.experiment.adversarial_sets import read_set, save_set


def test_inputs_are_read_as_they_were_saved(tmp_path: Path) -> None:
    added = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    samples = [Sample(("ice", "float's"), first=4), Sample(("日", "本"), tree=(0, 0), added=added)]
    texts, found = read_set(save_set(tmp_path / "new", "pgd-1", samples, [0, 1]))
    assert texts == ["ice float's", "日 本"]
    assert [(s.tokens, s.first, s.tree) for s in found] == [(s.tokens, s.first, s.tree) for s in samples]
    assert found[0].added is None and found[1].added is not None and found[1].added.equal(added)


def test_vectors_of_an_earlier_set_do_not_remain(tmp_path: Path) -> None:
    path = save_set(tmp_path, "x", [Sample(("a",), added=torch.ones(1, 2))], [0])
    assert read_set(path)[1][0].added is not None
    assert read_set(save_set(tmp_path, "x", [Sample(("a",))], [0]))[1][0].added is None
