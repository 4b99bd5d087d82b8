"""Similarity of layers against Gram matrices in loops, and what it ignores."""

import numpy as np
import torch

from stackcli.diagnostics import cka as cka_module
from tests.diagnostics.examples import cka_by_loops


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_similarity_equals_the_formula_on_gram_matrices_without_their_diagonal() -> None:
    x, z = normal(12, 5) + 3, normal(12, 7, seed=1) - 1
    z[:, :3] += 2 * x[:, :3]
    found = cka_module.similarities([x, z])
    assert found[0][1] == found[1][0] == round(cka_by_loops(x.numpy(), z.numpy()), 6)
    assert 0.1 < found[0][1] < 0.9
    assert found[0][0] == found[1][1] == 1.0


def test_similarity_ignores_rotation_shift_and_scale_but_not_a_stretch_of_one_dimension() -> None:
    x = normal(30, 6)
    turn = torch.linalg.qr(normal(6, 6, seed=2)).Q
    assert cka_module.similarities([x, 100 * x @ turn - 7, x * torch.tensor([5.0, 1, 1, 1, 1, 1])])[0][1] == 1.0
    assert cka_module.similarities([x, x * torch.tensor([5.0, 1, 1, 1, 1, 1])])[0][1] < 0.8


def test_independent_vectors_have_similarity_0_even_if_they_are_few() -> None:
    found = [cka_module.similarities([normal(50, 64, seed=s), normal(50, 64, seed=s + 100)])[0][1] for s in range(20)]
    assert abs(float(np.mean(found))) < 0.01  # the biased estimator gives .55
    assert max(map(abs, found)) < 0.1


def test_equal_vectors_have_similarity_0_with_any() -> None:
    x, still = normal(20, 3), torch.full((20, 3), 1e4, dtype=torch.float64) + 1e-4 * normal(20, 3, seed=1)
    assert cka_module.similarities([x, still]) == [(1.0, 0.0), (0.0, 0.0)]
    assert cka_module.similarities([normal(3, 2), normal(3, 2)]) == [(), ()]
