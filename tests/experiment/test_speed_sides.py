"""All sides get the batches that training cuts, and our side runs the code of training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stackcli.experiment import speed_sides as sides
from stackcli.experiment.speed_measurement import MOST
from stackcli.experiment.speed_peers import TorchEncoder
from stackcli.model.batch import Batch
from stackcli.model.build import build_for
from stackcli.training.loop import Training
from tests.factory import config, stack, tiny

WORDS = ("depth=1", "dim=8", "heads=2", "batch=4")


def work(*words: str, turn: int = 2) -> sides.Work:
    return sides.Work.of((*WORDS, *words), tiny(n=80), turn=turn)


def watch(model: nn.Module) -> list[tuple[Tensor, bool]]:
    """What a model is given from now on: tokens, and whether it is in training."""
    given: list[tuple[Tensor, bool]] = []
    model.register_forward_pre_hook(lambda m, inputs: given.append((inputs[0], m.training)))
    return given


@pytest.mark.parametrize("pad", ["batch", "max"])
def test_ours_trains_on_the_batches_of_the_peers_and_never_evaluates_in_a_turn(pad: str) -> None:
    given = work(f"pad={pad}")
    model, run = sides.our_training(given)
    seen = watch(model)
    for _ in range(MOST + 1):  # a warm-up and as many rounds as there can be
        run()
    assert len(seen) == 2 * (MOST + 1) and all(training for _, training in seen)
    assert all(torch.equal(tokens, batch.tokens) for (tokens, _), batch in zip(seen, given.batches, strict=False))


def test_a_peer_is_trained_on_the_next_batches_in_every_turn() -> None:
    given = work()
    model = TorchEncoder(given.config, **given.sizes)
    before = model.head.weight.clone()
    seen, run = watch(model), sides.peer_training(given, model)
    run()
    run()
    assert [tokens.tolist() for tokens, _ in seen] == [b.tokens.tolist() for b in given.batches[:4]]
    assert all(training for _, training in seen) and not torch.equal(model.head.weight, before)


def test_our_side_is_the_training_of_a_run() -> None:
    given = work()
    model, run = sides.our_training(given)
    run()
    same = build_for(given.config, given.loaded)
    training = Training(same, given.loaded, given.config)
    training.advance()
    training.advance()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


def test_forward_passes_are_made_in_eval_mode_without_gradients() -> None:
    given, found = work(), []
    model = TorchEncoder(given.config, **given.sizes).train()
    model.register_forward_hook(lambda m, _, out: found.append((m.training, out.requires_grad)))
    sides.forward_turns(given, model)()
    assert found == [(False, False)] * 2


@pytest.mark.parametrize("more", [(), ("pe=rope",), ("attention=linear",)])
def test_the_flops_of_a_step_are_three_forward_passes_as_counted(more: tuple[str, ...]) -> None:
    given = work(*more)
    model = build_for(given.config, given.loaded)
    counted = [3 * sides.count_flops(model, batch, tokens=99) for batch in given.batches[:3]]
    assert given.flops(model)[:3] == counted


def test_the_counter_knows_the_fused_kernel() -> None:
    batch = Batch(torch.ones(3, 7, dtype=torch.long), torch.zeros(3, dtype=torch.long), None)
    fused, explicit = (stack(depth=2, kernel=kernel).float() for kernel in ("auto", "explicit"))
    assert fused.kernel == "fused" and explicit.kernel == "explicit"
    assert sides.count_flops(fused, batch) == sides.count_flops(explicit, batch)


@pytest.mark.parametrize(
    ("changes", "what"), [({"depth": 2}, "parameters"), ({"heads": 1, "ff": 4.5}, "parameters"), ({}, "")]
)
def test_a_peer_that_is_another_network_is_refused(changes: dict[str, Any], what: str) -> None:
    given = work()
    ours = build_for(given.config, given.loaded)
    peer = TorchEncoder(replace(given.config, **changes), **given.sizes)
    if not what:
        sides.check_equal("x", ours, peer, given.batches[0])
        return
    with pytest.raises(ValueError, match=what):
        sides.check_equal("x", ours, peer, given.batches[0])


class Twice(nn.Module):
    """A network that is computed twice: as many parameters, twice the work."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        found: Tensor = self.inner(tokens, mask) + self.inner(tokens, mask)
        return found


def test_a_peer_with_more_work_is_refused() -> None:
    given = work()
    ours = build_for(given.config, given.loaded)
    with pytest.raises(ValueError, match="FLOPs"):
        sides.check_equal("x", ours, Twice(ours), given.batches[0])


class Bias(nn.Module):
    """Answers alike whatever it is given."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.logits.expand(len(tokens), -1)


@pytest.mark.parametrize(("clip", "step"), [(1e12, 0.5 * 0.5), (0.1, 0.5 * 0.1 * 0.5**0.5)])
def test_a_step_of_a_peer_is_clipped_and_at_its_learning_rate(clip: float, step: float) -> None:
    model = Bias(0.0, 0.0)
    c = replace(config(), clip=clip, label_smoothing=0.0)
    batch = Batch(torch.zeros(1, 1, dtype=torch.long), torch.tensor([1]), None)
    optimizer = torch.optim.SGD(model.parameters(), lr=9.0)
    loss = sides.train_step(model, optimizer, batch, c, 0.5)
    # cross-entropy of two equal logits is log 2; its gradient is softmax - target = (1/2, -1/2), of norm sqrt(1/2)
    assert float(loss.detach()) == pytest.approx(np.log(2))
    assert model.logits.tolist() == pytest.approx([-step, step], rel=1e-4)


def test_random_sequences_have_one_length_and_every_class_and_a_tree_if_asked() -> None:
    loaded = sides.random_loaded(12)
    assert {len(row) for row in loaded.train.tokens} == {12} and loaded.max_len == 12
    assert set(loaded.train.labels) == set(range(len(loaded.classes)))
    assert int(max(max(row) for row in loaded.train.tokens)) < len(loaded.vocab)
    tree = sides.with_trees(loaded)
    assert list(tree.val.trees[1]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5] and not loaded.val.trees


def test_the_data_of_the_words_are_loaded() -> None:
    loaded = sides.load_words(("data=majority", "data.size=40", "data.letters=3"))
    assert len(loaded.train) == 40 and loaded.vocab
