"""Auxiliary losses on position vectors, worked out by hand, and training with them."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from stackcli.common.seeding import generator
from stackcli.model.build import build
from stackcli.model.compatibility import try_parts
from stackcli.training.position_losses import MARGIN, Auxiliary, position_table
from tests.factory import config, part
from tests.training.examples import finish, training


def made(**keys: Any) -> Auxiliary:
    c = config(pe=part("learned", **keys), dim=16, heads=2)
    return Auxiliary(build(c, vocab=9, classes=3, max_len=20).double(), c)


def test_smooth_is_the_hinge_loss_between_the_next_and_another_position() -> None:
    auxiliary = made(loss="smooth")
    rows, strangers = position_table(auxiliary.model).detach(), generator("auxiliary", "strangers", 20).permutation(20)
    found = []
    for i in range(19):
        if abs(int(strangers[i]) - i) > 1:
            near, far = (float(F.cosine_similarity(rows[i], rows[j], dim=0)) for j in (i + 1, int(strangers[i])))
            found.append(max(0.0, MARGIN + far - near))
    assert math.isclose(float(auxiliary.loss()), sum(found) / len(found), rel_tol=1e-12)


def test_order_is_the_squared_error_of_a_linear_prediction() -> None:
    auxiliary = made(loss="order")
    rows, reader = position_table(auxiliary.model).detach(), auxiliary.reader
    assert reader is not None
    size = float(rows.square().mean().sqrt())
    said = [float(reader.weight[0] @ row / size + reader.bias[0]) for row in rows]
    expected = sum((s - (-1 + 2 * i / 19)) ** 2 for i, s in enumerate(said)) / 20
    assert math.isclose(float(auxiliary.loss()), expected, rel_tol=1e-9)


@pytest.mark.parametrize("kind", ["order", "smooth"])
def test_pretraining_lowers_the_loss_and_changes_only_the_encoding(kind: str) -> None:
    auxiliary = made(loss=kind, pretrain=200)
    others = {n: p.clone() for n, p in auxiliary.model.named_parameters() if not n.startswith("pe.")}
    before = float(auxiliary.loss())
    auxiliary.pretrain()
    assert float(auxiliary.loss()) < 0.1 * before
    assert all(torch.equal(p, others[n]) for n, p in auxiliary.model.named_parameters() if n in others)


@pytest.mark.parametrize("keys", [{"loss": "order"}, {"loss": "smooth"}, {"loss": "order", "pretrain": 5}])
def test_training_with_an_auxiliary_loss_differs_and_resumes_bit_for_bit(keys: dict[str, Any]) -> None:
    plain, whole, first, second = (training(pe=part("learned", **k)) for k in ({}, keys, keys, keys))
    losses = finish(whole)
    assert losses != finish(plain)
    heavier = training(pe=part("learned", **keys, loss_weight=5.0))
    assert finish(heavier) != losses
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    assert finish(second) == losses[7:]


def test_an_auxiliary_loss_without_trained_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="something to train, not pe=sinusoidal"):
        try_parts(config(pe=part("sinusoidal", loss="smooth")))
    with pytest.raises(ValueError, match=r"pe\.pretrain needs pe\.loss"):
        try_parts(config(pe=part("learned", loss="none", pretrain=3)))
