"""What is checked before several processes train a run: their devices, and checkpoints of other numbers of them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args, get_type_hints

from stackcli.config.settings import Config
from stackcli.experiment.identity import ConflictError, run_id
from stackcli.experiment.store import Store

NUMBERS = (*range(1, 17), 24, 32, 48, 64)  # of devices of which a checkpoint is found


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
    folder = store.root / "checkpoints"
    others = {path.parent.name for path in folder.glob("*/step-*.json")} - runs.keys() if folder.is_dir() else set()
    for config, content in runs.values() if others else ():
        for other in other_processes(config):
            if run_id(other, content, test=test) in others:
                go_on = f"devices={other.devices}" + (f" parallel={other.parallel}" if other.devices > 1 else "")
                raise ConflictError(
                    f"devices={config.devices} parallel={config.parallel}: this run was interrupted with {go_on};"
                    f" write {go_on} to continue it, or --force to train it from its first step"
                )


def other_processes(config: Config) -> list[Config]:
    """Returns the same settings with other processes."""
    ways = get_args(get_type_hints(Config)["parallel"])
    found = [replace(config, devices=n, parallel=way) for n in NUMBERS for way in (ways if n > 1 else ways[:1])]
    return [other for other in found if (other.devices, other.parallel) != (config.devices, config.parallel)]
