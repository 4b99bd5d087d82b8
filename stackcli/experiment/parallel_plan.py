"""What is checked before several processes train a run: their devices, and checkpoints of other numbers of them."""

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackcli.config.settings import Config
from stackcli.experiment.checkpoints import read_processes
from stackcli.experiment.identity import ConflictError, run_id
from stackcli.experiment.store import Store


def check_devices(configs: Sequence[Config]) -> None:
    """Raises ValueError for more CUDA devices than this machine has. Under torchrun it needs one for each of the
    processes that are here."""
    most = max((c.devices for c in configs if c.device == "cuda"), default=1)
    if most == 1:
        return
    import torch

    here, there = int(os.environ.get("LOCAL_WORLD_SIZE", most)), torch.cuda.device_count()
    if here > there:
        raise ValueError(
            f"devices={here}: each process needs a GPU of its own, and this machine has {there}; write devices={there}"
        )


def check_checkpoints(runs: Mapping[str, tuple[Config, str]], store: Store, *, test: bool) -> None:
    """Raises ConflictError for a run that has a checkpoint of the same settings with other processes: rows of a batch
    are divided otherwise by another number, so that the run would not go on as it began.

    runs: run -> (settings, fingerprint of the data) of what will be trained.
    """
    ways = _interrupted(store, runs)
    found = {way: {run for run, other in ways.items() if other == way} for way in set(ways.values())}
    for (devices, parallel), others in found.items():
        for config, content in runs.values():
            if (devices, parallel) == (config.devices, config.parallel):
                continue
            other: Any = {"devices": devices, "parallel": parallel}
            if run_id(replace(config, **other), content, test=test) in others:
                go_on = f"devices={devices}" + (f" parallel={parallel}" if devices > 1 else "")
                raise ConflictError(
                    f"devices={config.devices} parallel={config.parallel}: this run was interrupted with {go_on};"
                    f" write {go_on} to continue it, or --force to train it from its first step"
                )


def _interrupted(store: Store, runs: Container[str]) -> dict[str, tuple[int, str]]:
    """Returns the processes of every run, except `runs`, that has a checkpoint."""
    folder = store.root / "checkpoints"
    others = {path.parent for path in folder.glob("*/step-*.json")} if folder.is_dir() else set()
    found = {path.name: read_processes(path) for path in others if path.name not in runs}
    return {run: way for run, way in found.items() if way is not None}
