"""Tensor parallelism: every process computes its heads and its part of the feed-forward network for the whole batch.

Queries, keys, values and the first feed-forward map are divided by their outputs, the maps after them by their inputs;
a block then needs two sums over the processes in each direction. Shoeybi et al. 2019, arXiv:1909.08053. Token vectors,
norms, encodings and the classifier are the same in every process.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from stackcli.config.settings import Config
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context, PositionEncoding
from stackcli.training.optimizer import PartAdamW, part_optimizer
from stackcli.training.parallel import Parallel, part_of, whole_tensor
from stackcli.training.processes import ALONE, Processes

JOINED = ("attention.qkv.weight", "attention.qkv.bias")  # their rows are those of queries, keys and values


class TensorParallel(Parallel):
    """`parallelize_module` over the linear maps of every block.

    The rows of the joined map are put into the order (process, q k v, head), so that an even division gives each
    process the queries, keys and values of its own heads. `full` and `part` undo and repeat it.
    """

    whole = False

    @property
    def rows(self) -> Processes:
        return ALONE

    @property
    def map_parts(self) -> Processes:
        return self.processes

    def distribute(self, model: StackedAttention) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

        size = self.processes.size
        mesh = init_device_mesh(model.embedding.weight.device.type, (size,))
        maps = {"qkv": ColwiseParallel, "out": RowwiseParallel}
        feed = {"ff1": ColwiseParallel, "ff2": RowwiseParallel}
        for block in model.stack:
            block.fused = False  # the fused training pass reads whole weights
            with torch.no_grad():
                for p in (block.attention.qkv.weight, block.attention.qkv.bias):
                    p.copy_(by_process(p, size))
            block.attention.heads //= size
            plan = {f"attention.{name}": style() for name, style in maps.items()}
            plan |= {f"feed.{name}": style() for name, style in feed.items()} if block.feed is not None else {}
            parallelize_module(block, mesh, plan)
        self.encodings = [pe for pe in {*(block.own or model.pe for block in model.stack)} if pe.every_block]
        for pe in self.encodings:
            keep_own_heads(pe, self.processes)

    def optimizer(self, model: StackedAttention, config: Config, more: Any) -> PartAdamW:
        return part_optimizer(model, config, self.processes)

    def finish_gradients(self, model: StackedAttention) -> None:
        """Sums the gradients of encodings that are computed in every block: each process has those of its heads."""
        import torch.distributed as dist

        unique = [p for name, p in model.named_parameters() if p.requires_grad and self._is_partial(model, name)]
        if unique:
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in unique])
            dist.all_reduce(flat)
            for p, grad in zip(unique, torch.split(flat, [p.numel() for p in unique]), strict=True):
                p.grad = grad.view_as(p)

    def _is_partial(self, model: StackedAttention, name: str) -> bool:
        owner, _, _ = name.rpartition(".")
        path = owner.split(".")
        above = [model.get_submodule(".".join(path[: i + 1])) for i in range(len(path))] if owner else []
        return any(module is pe for module in above for pe in self.encodings)

    def full(self, name: str, tensor: Tensor) -> Tensor:
        whole = whole_tensor(tensor)
        return by_role(whole, self.processes.size) if name.endswith(JOINED) else whole

    def part(self, name: str, whole: Tensor, like: Tensor) -> Tensor:
        whole = by_process(whole, self.processes.size) if name.endswith(JOINED) else whole
        return part_of(whole, like)


def by_process(rows: Tensor, size: int) -> Tensor:
    """Puts rows of the joined map (q k v, process, head) into the order (process, q k v, head)."""
    return rows.reshape(3, size, -1, *rows.shape[1:]).transpose(0, 1).reshape(rows.shape)


def by_role(rows: Tensor, size: int) -> Tensor:
    """The inverse of `by_process`."""
    return rows.reshape(size, 3, -1, *rows.shape[1:]).transpose(0, 1).reshape(rows.shape)


def keep_own_heads(pe: PositionEncoding, processes: Processes) -> None:
    """Makes an encoding return the bias of this process's heads where queries have those heads only."""
    every: Callable[[Tensor, Tensor, Context], Tensor | None] = pe.bias
    heads = pe.heads
    own = processes.share(heads)

    def bias(self: nn.Module, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        found = every(q, k, ctx)
        if found is None or found.dim() < 3 or found.shape[-3] != heads or q.shape[-3] == heads:
            return found
        return found[..., own, :, :]

    pe.bias = MethodType(bias, pe)  # type: ignore[method-assign]
