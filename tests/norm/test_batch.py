"""Batch normalisation by loops over real tokens, and against PyTorch's without padding."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build
from stackcli.norm.batch import Batch
from stackcli.training.loop import Training
from stackcli.training.run_result import weights_hash
from tests.factory import config, padding, part, stack, tiny, tokens

LENGTHS = [5, 3, 1]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 1


def norm(*, dim: int = 4, eps: float = 0.25, momentum: float = 0.3) -> Batch:
    """Returns a normalisation with random gains and offsets."""
    batch_norm = Batch(dim=dim, eps=eps, momentum=momentum).double()
    with torch.no_grad():
        batch_norm.weight.copy_(drawn(dim, seed=8)), batch_norm.bias.copy_(drawn(dim, seed=9))
    return batch_norm


def by_loops(x: Tensor, own: Batch) -> tuple[dict[tuple[int, int], list[float]], list[float], list[float]]:
    """Ioffe and Szegedy, algorithm 1, for each dimension over the real tokens of LENGTHS. Returns the normalised
    tokens, and the running mean and variance after one batch."""
    real = [(b, t) for b, n in enumerate(LENGTHS) for t in range(n)]
    out: dict[tuple[int, int], list[float]] = {at: [] for at in real}
    means, variances = [], []
    gains, offsets = own.weight.tolist(), own.bias.tolist()
    for d in range(x.shape[-1]):
        values = [float(x[b, t, d]) for b, t in real]
        mean = sum(values) / len(values)
        var = sum((v - mean) ** 2 for v in values) / len(values)
        for at, v in zip(real, values, strict=True):
            out[at].append(gains[d] * (v - mean) / math.sqrt(var + own.eps) + offsets[d])
        means.append(0.7 * 0 + 0.3 * mean)
        variances.append(0.7 * 1 + 0.3 * var * len(values) / (len(values) - 1))
    return out, means, variances


def test_in_training_real_tokens_are_normalised_by_their_own_mean_and_variance() -> None:
    own, x = norm().train(), drawn(3, 5, 4)
    expected, means, variances = by_loops(x, own)
    y = own(x, padding(LENGTHS, 5))
    assert len(expected) == 9
    for (b, t), values in expected.items():
        assert (y[b, t] - torch.tensor(values, dtype=torch.float64)).abs().max() < 1e-12
    assert (own.running_mean - torch.tensor(means, dtype=torch.float64)).abs().max() < 1e-12
    assert (own.running_var - torch.tensor(variances, dtype=torch.float64)).abs().max() < 1e-12


def test_in_evaluation_every_token_is_normalised_by_the_running_statistics_which_do_not_change() -> None:
    own, x = norm().train(), drawn(3, 5, 4)
    own(drawn(3, 5, 4, seed=1), padding(LENGTHS, 5))
    before = copy.deepcopy(own.eval().state_dict())
    y, gains, offsets = own(x, padding(LENGTHS, 5)), own.weight.tolist(), own.bias.tolist()
    for d in range(4):
        scale = gains[d] / math.sqrt(float(before["running_var"][d]) + 0.25)
        expected = (x[..., d] - float(before["running_mean"][d])) * scale + offsets[d]
        assert (y[..., d] - expected).abs().max() < 1e-12
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())


def test_without_padding_it_equals_pytorch_with_gradients_and_statistics() -> None:
    own, theirs = norm(), nn.BatchNorm1d(4, eps=0.25, momentum=0.3).double()
    theirs.weight.data.copy_(own.weight.data), theirs.bias.data.copy_(own.bias.data)
    for step in range(3):
        x, goal = drawn(3, 5, 4, seed=step), drawn(3, 5, 4, seed=10 + step)
        ours_in, theirs_in = x.clone().requires_grad_(), x.clone().requires_grad_()
        for training in (True, False):
            own.train(training), theirs.train(training)
            y, z = own(ours_in), theirs(theirs_in.flatten(0, 1)).view(3, 5, 4)
            assert (y - z).abs().max() < 1e-12
            (y * goal).sum().backward(), (z * goal).sum().backward()
        pairs = [(ours_in.grad, theirs_in.grad), (own.weight.grad, theirs.weight.grad)]
        pairs += [(own.bias.grad, theirs.bias.grad)]
        pairs += [(own.running_mean, theirs.running_mean), (own.running_var, theirs.running_var)]
        for ours, other in pairs:
            assert ours is not None and other is not None and (ours - other).abs().max() < 1e-12


@pytest.mark.parametrize("rubbish", [0.0, 1e9, math.inf, math.nan])
def test_padding_affects_neither_real_tokens_nor_statistics_nor_gradients(rubbish: float) -> None:
    mask, x = padding(LENGTHS, 5), drawn(3, 5, 4)
    theirs = nn.BatchNorm1d(4, eps=0.25, momentum=0.3).double()
    own = norm().train()
    theirs.weight.data.copy_(own.weight.data), theirs.bias.data.copy_(own.bias.data)
    wide = torch.cat((x.masked_fill(~mask[..., None], rubbish), torch.full((3, 2, 4), rubbish).double()), 1)
    wide.requires_grad_()
    real = x[mask].requires_grad_()
    goal = drawn(9, 4, seed=3)
    y, z = own(wide, padding(LENGTHS, 7))[padding(LENGTHS, 7)], theirs(real)
    (y * goal).sum().backward(), (z * goal).sum().backward()
    assert (y - z).abs().max() < 1e-12
    assert theirs.running_mean is not None and (own.running_mean - theirs.running_mean).abs().max() < 1e-12
    assert theirs.running_var is not None and (own.running_var - theirs.running_var).abs().max() < 1e-12
    if math.isfinite(rubbish):  # backwards, 0 x inf is NaN
        assert wide.grad is not None and real.grad is not None
        assert (wide.grad[padding(LENGTHS, 7)] - real.grad).abs().max() < 1e-12
        assert not wide.grad[~padding(LENGTHS, 7)].any()


@pytest.mark.parametrize("lengths", [[1], [1, 0], [0, 0]])
def test_one_real_token_or_none_is_normalised_by_the_running_statistics_unchanged(
    lengths: list[int],
) -> None:
    own, x = norm().train(), drawn(len(lengths), 3, 4)
    own(drawn(3, 5, 4, seed=1))
    before = copy.deepcopy(own.state_dict())
    y = own(x, padding(lengths, 3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())
    assert torch.equal(y, own.eval()(x)) and y.isfinite().all()


def test_two_real_tokens_are_enough() -> None:
    own, x = Batch(dim=4, eps=1e-12).double().train(), drawn(2, 3, 4)
    y = own(x, padding([1, 1], 3))
    assert (y[:, 0].abs() - 1).abs().max() < 1e-9 and (y[0, 0] + y[1, 0]).abs().max() < 1e-9


def test_it_starts_with_gains_of_1_offsets_of_0_and_statistics_that_change_nothing() -> None:
    own, x = Batch(dim=4, eps=1e-5).double().eval(), drawn(2, 3, 4)
    assert torch.equal(own.weight, torch.ones(4).double()) and not own.bias.any()
    assert (own(x) - x / math.sqrt(1 + 1e-5)).abs().max() < 1e-12


def test_sequences_of_a_batch_influence_each_other_in_training_and_not_in_evaluation() -> None:
    model, x = stack(norm="batch"), tokens(2, 6)
    model.train()(tokens(8, 6, seed=1))
    other = torch.cat((x[:1], x[1:] % 29 + 1))
    assert not torch.equal(model(x)[0], model(other)[0])
    assert torch.equal(model.eval()(x)[0], model(other)[0])


def test_the_model_uses_it_everywhere_with_its_keys_and_the_padding_mask() -> None:
    sizes = [9, 5, 1]
    narrow, wide = (stack(norm=part("batch", eps=0.125, momentum=0.5)).train() for _ in range(2))
    norms = [[m for m in model.modules() if isinstance(m, Batch)] for model in (narrow, wide)]
    assert len(norms[0]) == 5 and {(m.eps, m.momentum) for m in norms[0]} == {(0.125, 0.5)}
    x = tokens()
    y = narrow(x, padding(sizes, 9))
    z = wide(torch.nn.functional.pad(x.masked_fill(~padding(sizes, 9), 7), (0, 4), value=3), padding(sizes, 13))
    assert (y - z).abs().max() < 1e-12
    for one, two in zip(*norms, strict=True):
        assert (one.running_mean - two.running_mean).abs().max() < 1e-12
        assert (one.running_var - two.running_var).abs().max() < 1e-12


def training() -> Training:
    c = config(norm="batch", dim=16, heads=2, ff=1.0, batch=8, epochs=2)
    data = tiny()
    return Training(build(c, vocab=len(data.vocab), classes=3, max_len=data.max_len), data, c, layer_statistics)


def test_running_statistics_are_stored_restored_and_changed_by_training_steps_only() -> None:
    uninterrupted, first, second = training(), training(), training()
    start = {k: v.clone() for k, v in uninterrupted.model.state_dict().items() if "running" in k}
    assert len(start) == 10 and all(k in (uninterrupted.best or {}) for k in start)
    while not uninterrupted.finished:
        uninterrupted.advance()
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    while not second.finished:
        second.advance()
    assert weights_hash(second.model) == weights_hash(uninterrupted.model) and second.result() == uninterrupted.result()
    end = {k: v.clone() for k, v in uninterrupted.model.state_dict().items()}
    assert not any(torch.equal(v, end[k]) for k, v in start.items())
    uninterrupted._score(uninterrupted.val)
    assert all(torch.equal(v, end[k]) for k, v in uninterrupted.model.state_dict().items())
