"""A quick measurement of a training step."""

import time
from pathlib import Path

import pytest
import torch

from stackcli.common import registry
from stackcli.diagnostics import step_estimate
from stackcli.training import evaluation
from tests.factory import config
from tests.helpers import write_data


def test_the_shorter_of_two_passes_is_returned_and_nothing_is_left_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = registry.build_part("data", "csv", path=str(write_data(tmp_path / "d.csv")))
    pauses, real = iter((0.2, 0.05, 0.1)), evaluation.forward_loss

    def slow(*given: object) -> torch.Tensor:
        time.sleep(next(pauses))
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(step_estimate, "forward_loss", slow)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = step_estimate.time_passes(config(depth=1, dim=8, heads=2, batch=8), data.load())
    assert 0.05 <= found < 0.1
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
