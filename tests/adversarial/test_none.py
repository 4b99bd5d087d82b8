"""No adversarial training: one pass, without a perturbation."""

import torch
from torch import Tensor

from stackcli.adversarial.none import NoPerturbation
from tests.adversarial.examples import Small


def test_the_gradient_is_that_of_one_plain_loss() -> None:
    small, seen = Small(), list[Tensor | None]()
    whole = small.loss

    def loss(added: Tensor | None) -> Tensor:
        seen.append(added)
        return whole(added)

    small.loss = loss  # type: ignore[method-assign]
    found = small.gradients(NoPerturbation())
    expected = torch.autograd.grad(whole(None), list(small.model.parameters()))
    assert seen == [None] and NoPerturbation().passes == 1
    assert all(torch.equal(a, b) for a, b in zip(found.values(), expected, strict=True))
