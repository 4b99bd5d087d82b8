"""Two processes that train together, started once for many checks."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.multiprocessing import spawn  # type: ignore[attr-defined]

Check = Callable[[Any], Any]  # of the processes -> what is compared


def run_pair(check: Check, size: int = 2) -> list[Any]:
    """Returns what a function of a module gives in each of two processes."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(_enter, (check, size, folder), nprocs=size)  # type: ignore[no-untyped-call]
        import torch

        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(size)]


def _enter(rank: int, check: Check, size: int, folder: str) -> None:
    import torch
    from torch.distributed import FileStore  # type: ignore[attr-defined]

    from stackcli.training.processes import join_processes, leave_processes

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    processes = join_processes("cpu", FileStore(f"{folder}/store", size), rank=rank, size=size)
    torch.save(check(processes), Path(folder) / f"{rank}.pt")
    leave_processes()
