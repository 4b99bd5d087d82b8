"""Randomness has an address: every draw is a function of names and numbers, never of what was drawn before it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def address(*names: str | int) -> int:
    """A 63-bit seed for `address(seed, "order", epoch)`; equal on every machine and in every process."""
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: str | int) -> np.random.Generator:
    """A NumPy generator at an address; Philox, so that its stream is the same in every NumPy."""
    return np.random.Generator(np.random.Philox(address(*names)))


@contextmanager
def torch_at(*names: str | int) -> Iterator[None]:
    """Inside, PyTorch's CPU generator stands at the address; afterwards it is as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(address(*names))
        yield
