"""Admin: skips weighted by the variances of a first pass."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.config.settings import Config
from stackcli.diagnostics import layer_statistics
from stackcli.model import build
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.model.compatibility import try_parts
from stackcli.pe.base import Context
from stackcli.residual.admin import Admin
from stackcli.training.loop import Training
from tests.factory import config, padding, stack, tiny, tokens
from tests.residual import oracle

LENGTHS = [9, 5, 2]
SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 2.0, "depth": 3, "residual": "admin", "steps": 4, "batch": 16}


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, omega: Tensor) -> Tensor:
    return norm(x @ torch.diag(omega) + branch(x))


def own(join: Any) -> tuple[Tensor]:
    return (join.omega,)


def batch(ids: Tensor, mask: Tensor | None) -> Batch:
    return Batch(ids, torch.zeros(len(ids), dtype=torch.long), mask)


def joins(model: core.StackedAttention) -> list[Admin]:
    return [join for block in model.stack for join in block.joins() if isinstance(join, Admin)]


def omegas(model: core.StackedAttention) -> Tensor:
    """Returns the weight of every skip, (branches, D)."""
    return torch.stack([join.omega.detach() for join in joins(model)])


def by_hand(model: core.StackedAttention, ids: Tensor, lengths: list[int]) -> list[float]:
    """The paper's two phases, with every sequence alone and so without padding."""
    ctx = [Context(torch.arange(n)) for n in lengths]
    streams = [model.embedding.weight[row[:n]][None] for row, n in zip(ids, lengths, strict=True)]

    def variance(pieces: list[Tensor]) -> float:
        numbers = torch.cat([z.flatten() for z in pieces]).tolist()
        mean = sum(numbers) / len(numbers)
        return float(sum((v - mean) ** 2 for v in numbers)) / len(numbers)

    total, out = 1.0, [1.0]
    for block in model.stack:
        attended = [block.attention(x, c, model.pe) for x, c in zip(streams, ctx, strict=True)]
        streams = [oracle.normal(x + y) for x, y in zip(streams, attended, strict=True)]
        total += variance(attended)
        out.append(total**0.5)
        assert block.feed is not None
        fed = [block.feed(x) for x in streams]
        streams = [oracle.normal(x + y) for x, y in zip(streams, fed, strict=True)]
        total += variance(fed)
        out.append(total**0.5)
    return out[:-1]


def started(c: Config) -> Training:
    loaded = tiny()
    return Training(build.build(c, **loaded.sizes), loaded, c, layer_statistics)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("admin", rule, own)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("admin", rule, closing=False, own=own)


@pytest.mark.parametrize("init", ["default", "xavier"])
def test_every_omega_is_the_root_of_1_and_the_variances_before_it_over_real_tokens(init: str) -> None:
    model, ids = stack(residual="admin", depth=3, pe="none", init=init, embed_std=0.5), tokens()
    expected = by_hand(model, ids, LENGTHS)
    assert (omegas(model) == 1).all()
    build.profile(model, batch(ids, padding(LENGTHS, 9)))
    assert (omegas(model) - torch.tensor(expected, dtype=torch.float64)[:, None]).abs().max() < 1e-12
    assert expected[0] == 1 and expected[1:] == sorted(expected[1:]) and expected[-1] > expected[1] * 1.05


def test_the_amount_of_padding_does_not_matter() -> None:
    near, far = stack(residual="admin"), stack(residual="admin")
    ids, mask = tokens(), padding(LENGTHS, 9)
    build.profile(near, batch(ids, mask))
    wide = torch.cat([ids.masked_fill(~mask, 7), tokens(3, 8, seed=1)], 1)
    build.profile(far, batch(wide, padding(LENGTHS, 17)))
    assert (omegas(near) - omegas(far)).abs().max() < 1e-12


def test_no_mask_equals_a_mask_of_real_tokens() -> None:
    one, other = stack(residual="admin"), stack(residual="admin")
    build.profile(one, batch(tokens(), None))
    build.profile(other, batch(tokens(), torch.ones(3, 9, dtype=torch.bool)))
    assert (omegas(one) - omegas(other)).abs().max() < 1e-12


def test_the_first_pass_changes_only_omega_and_has_no_dropout() -> None:
    model, same = stack(residual="admin", dropout=0.5).train(), stack(residual="admin")
    before = {name: p.clone() for name, p in model.state_dict().items()}
    state = torch.get_rng_state()
    build.profile(model, batch(tokens(), None))
    build.profile(same, batch(tokens(), None))
    assert model.training and torch.equal(torch.get_rng_state(), state)
    moved = {name for name, p in model.state_dict().items() if not torch.equal(p, before[name])}
    assert moved == {"blocks.0.feed_join.omega", "blocks.1.join.omega", "blocks.1.feed_join.omega"}
    assert torch.equal(omegas(model), omegas(same))
    settled = omegas(model)
    model(tokens()).sum().backward()
    assert torch.equal(omegas(model), settled) and not any(m._forward_pre_hooks for m in model.modules())
    assert all(join.omega.grad is not None and join.omega.grad.any() for join in joins(model))


@pytest.mark.parametrize("residual", ["pre", "post", "scaled", "deepnorm"])
def test_other_schemes_have_no_first_pass(residual: str) -> None:
    model = stack(residual=residual)
    before = {name: p.clone() for name, p in model.state_dict().items()}
    model.register_forward_hook(lambda *_: pytest.fail("a pass was made"))
    build.profile(model, batch(tokens(), None))
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_training_starts_with_omegas_of_the_probe_batch() -> None:
    c = config(**SMALL, dropout=0.0)
    training, apart = started(c), build.build(c, **tiny().sizes)
    build.profile(apart, training.probe_batch)
    assert training.probe_batch.mask is not None
    assert torch.equal(omegas(training.model), omegas(apart)) and (omegas(apart)[1:] != 1).all()
    training.advance()
    assert not torch.equal(omegas(training.model), omegas(apart))


def test_a_resumed_training_keeps_its_omegas() -> None:
    c = config(**SMALL)
    uninterrupted, stopped, resumed = started(c), started(c), started(c)
    for _ in range(2):
        stopped.advance()
    resumed.restore(stopped.state())
    assert torch.equal(omegas(resumed.model), omegas(stopped.model))
    assert not torch.equal(omegas(resumed.model), omegas(started(c).model))
    for training in (uninterrupted, resumed):
        while not training.finished:
            training.advance()
    assert torch.equal(omegas(uninterrupted.model), omegas(resumed.model))


def test_stored_weights_include_the_omegas() -> None:
    model, other = stack(residual="admin"), stack(residual="admin", seed=1)
    build.profile(model, batch(tokens(), None))
    other.load_state_dict(model.state_dict())
    assert torch.equal(omegas(other), omegas(model)) and torch.equal(other(tokens()), model(tokens()))


def test_shared_layers_are_refused_because_omega_depends_on_earlier_blocks() -> None:
    with pytest.raises(ValueError, match="residual=admin sizes every block by those before it"):
        try_parts(config(residual="admin", share_layers=True))
