"""Devices that are missing, and checkpoints of other processes, are found before anything runs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stackcli.experiment import parallel_plan
from stackcli.experiment.identity import ConflictError, run_id
from stackcli.experiment.store import Store
from tests.factory import config


def test_more_gpus_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    two = config(device="cuda", devices=2)
    parallel_plan.check_devices([two, config(devices=8)])  # processes on CPUs need no GPU
    with pytest.raises(ValueError, match=r"devices=3: .* this machine has 2; write devices=2"):
        parallel_plan.check_devices([two, replace(two, devices=3)])
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # of four processes two are on this machine
    parallel_plan.check_devices([replace(two, devices=4)])


def test_a_checkpoint_of_other_processes_is_refused_with_what_continues_it(tmp_path: Path) -> None:
    store, two = Store(tmp_path / "out"), config(devices=2, parallel="tensor")
    store.create()
    own = run_id(two, "content")
    store.save_checkpoint(own, {"step": 3, "processes": [2, "tensor"]})
    parallel_plan.check_checkpoints({own: (two, "content")}, store, test=True)
    for other in (config(), config(devices=3, parallel="tensor"), config(devices=2)):
        with pytest.raises(ConflictError, match=r"write devices=2 parallel=tensor to continue it, or --force"):
            parallel_plan.check_checkpoints({run_id(other, "content"): (other, "content")}, store, test=True)
    for another in (config(seed=5), config(depth=9), config(lr=0.5)):
        parallel_plan.check_checkpoints({run_id(another, "content"): (another, "content")}, store, test=True)


def test_one_process_is_named_without_a_way(tmp_path: Path) -> None:
    store, two = Store(tmp_path / "out"), config(devices=2)
    store.create()
    store.save_checkpoint(run_id(config(), "content"), {"step": 3})
    with pytest.raises(ConflictError, match="write devices=1 to continue"):
        parallel_plan.check_checkpoints({run_id(two, "content"): (two, "content")}, store, test=True)


def test_other_numbers_of_processes_cost_nothing_where_no_run_was_interrupted_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of ten thousand runs may have checkpoints of another sweep beside it."""
    store = Store(tmp_path / "out")
    store.create()
    store.save_checkpoint("another", {"step": 3, "processes": [1, "data"]})
    store.save_checkpoint("damaged", {"step": 3, "processes": [2, "data"]}).with_suffix(".json").write_text("{")
    monkeypatch.setattr(parallel_plan, "run_id", lambda *_, **__: pytest.fail("an identity was computed"))
    parallel_plan.check_checkpoints({"mine": (config(), "content")}, store, test=True)


def test_any_number_of_processes_is_found(tmp_path: Path) -> None:
    store, many = Store(tmp_path / "out"), config(devices=77, parallel="sharded")
    store.create()
    store.save_checkpoint(run_id(many, "content"), {"step": 3, "processes": [77, "sharded"]})
    with pytest.raises(ConflictError, match="write devices=77 parallel=sharded to continue"):
        parallel_plan.check_checkpoints({run_id(config(), "content"): (config(), "content")}, store, test=True)
