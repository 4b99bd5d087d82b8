"""How the processes of one run share its work: one process alone, data parallel, sharded, or tensor parallel.

Every process builds the same whole stack, and `distribute` takes from it what the process does not hold.
"""

import contextlib
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stackcli.config.settings import Config
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention
from stackcli.training.batching import first_scored, scored_items, take_rows
from stackcli.training.evaluation import forward_loss
from stackcli.training.optimizer import PartAdamW, optimizer, part_optimizer
from stackcli.training.processes import ALONE, Processes


class Piece(NamedTuple):
    """Rows of a batch that a process computes at once. share: what their mean loss is multiplied by, so that the sum
    over pieces is the mean of the batch. place: numbers of the piece in the address of its dropout; empty for the whole
    batch in one process."""

    batch: Batch
    share: float
    place: tuple[int, ...]


class Loss(nn.Module):
    """The training loss of a batch as a module, whose forward pass `DistributedDataParallel` can watch."""

    def __init__(self, model: StackedAttention, smoothing: float, temperature: float, linear: bool) -> None:
        super().__init__()
        self.model, self.smoothing, self.temperature, self.linear = model, smoothing, temperature, linear

    def forward(self, batch: Batch) -> Tensor:
        return forward_loss(self.model, batch, self.smoothing, self.temperature, linear=self.linear)


class Parallel:
    """One process, which holds the whole stack and computes every batch; the base of the other ways.

    processes: those that share the rows of a batch. linear: whether the loss of many classes may be computed from the
    classifier's weights without its forward pass.
    """

    whole = True  # whether each process holds the whole stack
    linear = True

    def __init__(self, processes: Processes = ALONE) -> None:
        self.processes = processes

    def distribute(self, model: StackedAttention) -> None:
        """Leaves in this process what it holds of the stack."""

    def prepare(self, model: StackedAttention, config: Config, temperature: float, probe: Batch) -> None:
        """Keeps the loss that is trained on. probe: a batch on which the stack may be tried."""
        self.loss: nn.Module = Loss(model, config.label_smoothing, temperature, self.linear)

    def optimizer(self, model: StackedAttention, config: Config, more: Sequence[nn.Parameter]) -> Any:
        """Returns AdamW for what this process holds. more: further parameters."""
        return optimizer(model, config, more)

    @property
    def rows(self) -> Processes:
        """The processes among which the rows of a batch are divided."""
        return self.processes

    @property
    def map_parts(self) -> Processes:
        """The processes among which the outputs or inputs of each linear map of a block are divided."""
        return ALONE

    def cut(self, batch: Batch, pieces: int) -> list[Piece]:
        """Returns this process's rows of a batch in so many pieces. A piece without rows has the first row of the
        batch with a share of zero, because all processes make the same passes."""
        rows, total = self.rows, scored_items(batch.labels)
        if rows.size == 1 and pieces == 1:
            return [Piece(batch, 1.0, ())]
        own = rows.share(len(batch.tokens))
        found, width = [], own.stop - own.start
        for i in range(pieces):
            place = slice(own.start + i * width // pieces, own.start + (i + 1) * width // pieces)
            part = take_rows(batch, place)
            count = scored_items(part.labels)
            share = count * rows.size / total  # the ways that divide rows average gradients over processes
            found.append(Piece(part if count else take_rows(batch, first_scored(batch)), share, (rows.rank, i)))
        return found

    def last_only(self, last: bool) -> AbstractContextManager[Any]:
        """Returns the context of the passes of a piece; gradients are exchanged after the last piece of a step."""
        return contextlib.nullcontext()

    def joint_loss(self, loss: float) -> float:
        """Returns the loss of the batch, from that of this process's pieces."""
        return self.rows.add([loss])[0] / self.rows.size

    def finish_gradients(self, model: StackedAttention) -> None:
        """Completes the gradients after the last backward pass of a step."""

    def full(self, name: str, tensor: Tensor) -> Tensor:
        """Returns the whole of a tensor of the stack, of which this process may hold a part; waits for all."""
        return tensor

    def part(self, name: str, whole: Tensor, like: Tensor) -> Tensor:
        """Returns what this process holds of a whole tensor; like: such a part."""
        return whole

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the whole tensors in the memory of process 0, one after another, and nothing elsewhere."""
        found = {}
        for name, tensor in tensors.items():
            whole = self.full(name, tensor.detach())
            if self.processes.rank == 0:
                found[name] = whole.cpu() if whole is not tensor else whole
        return found

    def divide(self, tensors: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns what this process holds of whole tensors."""
        return {name: self.part(name, tensor, like[name]) for name, tensor in tensors.items()}

    def gather_moments(self, model: nn.Module, optimizer: Any) -> dict[str, Any]:
        """Returns the state of the optimiser for a checkpoint."""
        found: dict[str, Any] = optimizer.state_dict()
        if self.whole:
            return found
        names, moments = self._optimised(model, optimizer), found["state"]
        whole = {i: self.gather_named(names[i], moments[i]) for i in moments}
        return {**found, "state": whole if self.processes.rank == 0 else {}}

    def gather_named(self, name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns whole tensors of the form of one tensor of the stack; a scalar stays as it is."""
        return {
            key: (self.full(name, tensor) if tensor.dim() else whole_tensor(tensor)).cpu()
            for key, tensor in tensors.items()
        }

    def load_moments(self, model: nn.Module, optimizer: Any, state: dict[str, Any]) -> None:
        """Restores the state of the optimiser."""
        if not self.whole:
            names, held = self._optimised(model, optimizer), [p for g in optimizer.param_groups for p in g["params"]]
            divided = {
                i: {k: self.part(names[i], v, held[i]) if v.dim() else v for k, v in moments.items()}
                for i, moments in state["state"].items()
            }
            state = {**state, "state": divided}
        optimizer.load_state_dict(state)

    def _optimised(self, model: nn.Module, optimizer: Any) -> list[str]:
        """Names of the parameters of an optimiser, in its order."""
        model.state_dict()  # after which the parameters of the stack are the divided ones
        names = {id(p): name for name, p in model.named_parameters()}
        return [names[id(p)] for group in optimizer.param_groups for p in group["params"]]


class DataParallel(Parallel):
    """Every process holds the whole stack and computes its rows of the batch; `DistributedDataParallel` averages the
    gradients. Li et al. 2020, arXiv:2006.15704."""

    def prepare(self, model: StackedAttention, config: Config, temperature: float, probe: Batch) -> None:
        from torch.nn.parallel import DistributedDataParallel

        loss = Loss(model, config.label_smoothing, temperature, self.linear)
        unused = has_unused(model, probe)
        self.loss = self.averaged = DistributedDataParallel(
            loss, forward_sync_buffers=False, find_unused_parameters=unused
        )

    def last_only(self, last: bool) -> AbstractContextManager[Any]:
        return contextlib.nullcontext() if last else self.averaged.no_sync()


class Sharded(Parallel):
    """Every process holds a part of every tensor, gathers those of a block when it computes the block, and computes its
    rows of the batch: `fully_shard`. Rajbhandari et al. 2020, arXiv:1910.02054; Zhao et al. 2023, arXiv:2304.11277."""

    whole, linear = False, False

    def distribute(self, model: StackedAttention) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")  # none is changed
        mesh = init_device_mesh(model.embedding.weight.device.type, (self.processes.size,))
        for block in model.stack:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh, reshard_after_forward=True)

    def optimizer(self, model: StackedAttention, config: Config, more: Sequence[nn.Parameter]) -> PartAdamW:
        return part_optimizer(model, config, self.processes)

    def full(self, name: str, tensor: Tensor) -> Tensor:
        return whole_tensor(tensor)

    def part(self, name: str, whole: Tensor, like: Tensor) -> Tensor:
        return part_of(whole, like)


def whole_tensor(tensor: Tensor) -> Tensor:
    """Returns the whole of a DTensor, and any other tensor as it is."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local_tensor(tensor: Tensor) -> Tensor:
    """Returns what this process holds of a DTensor, and any other tensor as it is."""
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_of(whole: Tensor, like: Tensor) -> Tensor:
    """Returns a whole tensor, which every process has, divided as `like` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def has_unused(model: StackedAttention, batch: Batch) -> bool:
    """Returns whether a trained parameter has no part in the answers to a batch."""
    was, trained = model.training, [p for p in model.parameters() if p.requires_grad]
    model.eval()
    with torch.enable_grad():
        found = model(batch.tokens, batch.mask, batch.pos, batch.tree).sum()
        grads = torch.autograd.grad(found, trained, allow_unused=True)
    model.train(was)
    return any(grad is None for grad in grads)


def build_parallel(config: Config, processes: Processes) -> Parallel:
    """Returns the way that `parallel` chooses; for one process by itself none."""
    from stackcli.training.tensor_parallel import TensorParallel

    if processes.size == 1:
        return Parallel()
    kinds = {"data": DataParallel, "sharded": Sharded, "tensor": TensorParallel}
    return kinds[config.parallel](processes)
