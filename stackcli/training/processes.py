"""The processes that train one run together, and what they tell one another.

Every process calls the same functions in the same order; a function that needs an answer of all waits for all.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

TIMEOUT = timedelta(minutes=10)  # that a process waits for the others before it gives up


class Processes:
    """One process by itself. rank: number of this process, from 0; size: number of all."""

    rank, size = 0, 1

    def add(self, numbers: Sequence[float]) -> list[float]:
        """Returns the sums over all processes, in double precision."""
        return list(numbers)

    def highest(self, number: int) -> int:
        """Returns the largest of the processes' numbers."""
        return number

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all processes, in the order of their ranks."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """Returns the value of process 0."""
        return value

    def share(self, items: int) -> slice:
        """Returns which of so many items are those of this process: consecutive, and as many as others have, or one
        more."""
        return slice(self.rank * items // self.size, (self.rank + 1) * items // self.size)

    def joint_norm(self, part: float) -> float:
        """Returns the norm of a tensor of which each process has a part, from the norm of this process's part: the root
        of the summed squares."""
        return self.joint_norms([part])[0]

    def joint_norms(self, parts: Sequence[float]) -> list[float]:
        """Returns the joint norm of each of several tensors."""
        return [math.sqrt(total) for total in self.add([part * part for part in parts])]


ALONE = Processes()


class Group(Processes):
    """The processes of the default process group of `torch.distributed`."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def add(self, numbers: Sequence[float]) -> list[float]:
        import torch
        import torch.distributed as dist

        total = torch.tensor(list(numbers), dtype=torch.float64)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def highest(self, number: int) -> int:
        import torch
        import torch.distributed as dist

        found = torch.tensor(number)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def gather(self, value: Any) -> list[Any]:
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def broadcast(self, value: Any) -> Any:
        import torch.distributed as dist

        found = [value]
        dist.broadcast_object_list(found, src=0)
        return found[0]


def join_processes(device: str, store: Any, *, rank: int, size: int) -> Group:
    """Joins this process to the others through a store of `torch.distributed`. What is said about numbers goes through
    gloo; tensors on CUDA through NCCL, each process with the GPU of its number on this machine."""
    import os

    import torch
    import torch.distributed as dist

    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return Group()


def leave_processes() -> None:
    """Ends the process group of a run that is over."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
