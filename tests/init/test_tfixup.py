"""T-Fixup: the scheme of Huang et al. 2020, sec. 3.2, for an encoder."""

import math

import pytest
import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.config import grid
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build
from stackcli.training.loop import Training
from tests.factory import config, stack, tiny, tokens


@pytest.mark.parametrize("depth", [1, 4, 16])
def test_v_o_and_the_feed_forward_maps_are_xavier_times_a_gain_that_falls_with_depth(depth: int) -> None:
    for layer, role, weight, bias in stack(init="tfixup", norm="none", dim=128, heads=4, ff=2.0, depth=depth).maps():
        gain = {"q": 1.0, "k": 1.0, "head": 1.0}.get(role, 0.67 / math.sqrt(math.sqrt(depth)))
        bound = gain * math.sqrt(6 / sum(weight.shape))
        assert bound * 0.95 < float(weight.detach().abs().max()) <= bound * (1 + 1e-6), (layer, role)
        if role != "head":
            assert abs(float(weight.detach().var()) / (bound**2 / 3) - 1) < 0.05, (layer, role)
        assert not bias.any()


def test_each_tensor_equals_torchs_xavier_draw_at_the_same_address() -> None:
    for layer, role, weight, _ in stack(init="tfixup", norm="none", seed=4, depth=2).maps():
        gain = 1.0 if role in ("q", "k", "head") else 0.67 * 2**-0.25
        with torch_at(4, layer, role):
            theirs = nn.init.xavier_uniform_(torch.empty(weight.shape), gain=gain)
        assert (weight - theirs).abs().max() < 1e-7, (layer, role)


@pytest.mark.parametrize("depth,dim", [(1, 64), (4, 64), (4, 256)])
def test_token_vectors_have_length_9_n_to_the_minus_a_quarter_at_any_width(depth: int, dim: int) -> None:
    c = config(init="tfixup", norm="none", embed_std=9.0, depth=depth, dim=dim)
    table = build(c, vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    lengths = table.square().sum(1).mean().sqrt()
    assert abs(float(lengths) / (9 * depth) ** -0.25 - 1) < 0.01
    assert abs(float(table.std()) / ((9 * depth) ** -0.25 / math.sqrt(dim)) - 1) < 0.01


def test_it_removes_the_normalisation_and_refuses_another() -> None:
    assert grid.parse_grid(["init=tfixup", "seeds=1"]).configs[0].norm.name == "none"
    with pytest.raises(ValueError, match="init=tfixup needs norm=none, not layer"):
        grid.parse_grid(["init=tfixup", "norm=layer"])


def test_twelve_blocks_train_without_normalisation_and_without_warm_up() -> None:
    data, sizes = tiny(), {"depth": 12, "dim": 32, "heads": 2, "ff": 2.0}
    plain = {"warmup": 0.0, "dropout": 0.0, "label_smoothing": 0.0, "lr": 3e-3, "probes": False}
    c = config(init="tfixup", norm="none", batch=8, steps=150, **sizes, **plain)
    run = Training(build(c, vocab=len(data.vocab), classes=3, max_len=data.max_len), data, c, layer_statistics)
    while not run.finished:
        run.advance()
    assert run.diverged_step is None and run.curve[-1].train_loss < math.log(3) / 2  # seeds 0 to 2: .00 to .29


def test_the_stream_of_64_blocks_grows_little_without_normalisation() -> None:
    def growth(init: str) -> float:
        model, sizes = stack(init=init, norm="none", depth=64, dim=64, heads=4, ff=4.0, pe="none"), []
        for block in model.stack:
            block.register_forward_hook(lambda module, inputs, output: sizes.append(float(output.square().mean())))
        with torch.no_grad():
            model(tokens())
        return math.sqrt(sizes[-1] / sizes[0])

    assert growth("tfixup") < 10 and growth("xavier") > 1e6
