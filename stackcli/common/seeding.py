"""Random generators addressed by names and numbers, so that no draw depends on earlier draws."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def address(*names: str | int) -> int:
    """Returns a 63-bit seed for an address such as `(seed, "order", epoch)`, the same on every machine."""
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: str | int) -> np.random.Generator:
    """Returns a NumPy generator seeded by an address. It is Philox, whose stream is the same in every NumPy version."""
    return np.random.Generator(np.random.Philox(address(*names)))


@contextmanager
def torch_at(*names: str | int) -> Iterator[None]:
    """Seeds PyTorch's CPU generator by an address inside the context; restores its state on exit."""
    import torch

    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed other devices too, and keep a call and its traceback for those not used yet
        torch.default_generator.manual_seed(address(*names))
        yield
