"""Tensors as bytes, and the hashes of files."""

import io
import math
import pickle
from pathlib import Path

import pytest
import torch

from stackcli.experiment.serialization import from_bytes, hashes, to_bytes


def test_hashes_are_sha256_of_the_files_alone(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c").write_bytes(b"c")
    assert list(hashes(tmp_path).items()) == [  # FIPS 180-2, appendix B.1, and the hash of nothing
        ("a", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("b", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ]


def test_tensors_and_numbers_come_back_with_every_bit() -> None:
    values = torch.tensor([0.1, math.nan, -0.0, math.inf, 5e-324], dtype=torch.float64)
    found = from_bytes(to_bytes({"w": values, "step": 2**40, "lr": 0.1}))
    assert found["w"].numpy().tobytes() == values.numpy().tobytes() and found["w"].dtype == torch.float64
    assert (found["step"], found["lr"]) == (2**40, 0.1)


def test_equal_states_are_equal_bytes() -> None:
    first, second = ({"w": torch.arange(6.0), "b": torch.ones(2)} for _ in range(2))
    assert to_bytes(first) == to_bytes(second) != to_bytes({**first, "b": torch.zeros(2)})


def test_bytes_that_hold_code_are_refused() -> None:
    buffer = io.BytesIO()
    torch.save({"w": print}, buffer)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        from_bytes(buffer.getvalue())
