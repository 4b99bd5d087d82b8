"""Two processes that train together, started once for many checks."""

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing import spawn  # type: ignore[attr-defined]

from stackcli.data.base import Examples
from stackcli.diagnostics import layer_statistics
from stackcli.model.batch import Batch
from stackcli.model.build import build
from stackcli.training.batching import Padded
from stackcli.training.evaluation import answers
from stackcli.training.loop import Training
from stackcli.training.parallel import local_tensor
from stackcli.training.processes import ALONE, Processes
from tests.factory import config, tiny
from tests.training.examples import SMALL, finish

Check = Callable[[Any], Any]  # of the processes -> what is compared
MODES = ("data", "sharded", "tensor")
EXACT: dict[str, Any] = {**SMALL, "depth": 2, "batch": 7, "steps": 3, "dropout": 0.0}  # 7 rows do not divide by 2


def run_pair(check: Check, size: int = 2) -> list[Any]:
    """Returns what a function of a module gives in each of two processes."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(_enter, (check, size, folder), nprocs=size)  # type: ignore[no-untyped-call]
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(size)]


def _enter(rank: int, check: Check, size: int, folder: str) -> None:
    from torch.distributed import FileStore  # type: ignore[attr-defined]

    from stackcli.training.processes import join_processes, leave_processes

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    processes = join_processes("cpu", FileStore(f"{folder}/store", size), rank=rank, size=size)
    torch.save(check(processes), Path(folder) / f"{rank}.pt")
    leave_processes()


def training(processes: Processes = ALONE, *, double: bool = True, **changes: Any) -> Training:
    """A training on `factory.tiny`, in float64, which these processes do together."""
    c, data = config(**{**EXACT, **changes}), tiny()
    model = build(c, vocab=len(data.vocab), classes=3, max_len=data.max_len)
    model = model.double() if double else model
    return Training(model, data, c, layer_statistics, processes=processes)


def gradients(run: Training) -> tuple[float, dict[str, Tensor]]:
    """The loss of the first batch and the whole of its gradients, by name."""
    run.model.train()
    pieces = run.parallel.cut(run._batch(0), run.config.accumulate)
    losses = []
    for i, piece in enumerate(pieces, start=1):
        with run.parallel.last_only(i == len(pieces)):
            losses.append(run._add_gradients(piece, 0))
    run.parallel.finish_gradients(run.model)
    grads = {name: p.grad for name, p in run.model.named_parameters() if p.grad is not None}
    return run.parallel.joint_loss(sum(losses)), {n: run.parallel.full(n, g).clone() for n, g in grads.items()}


def observe(processes: Processes = ALONE, **changes: Any) -> dict[str, Any]:
    """What a short training gives: first gradients, losses, layer rows, last weights, result, and bytes held."""
    run = training(processes, **changes)
    loss, grads = gradients(run)
    run.optimizer.zero_grad()
    losses = [float.fromhex(text) for text in finish(run)]
    held = sum(nbytes(p) for block in run.model.stack for p in block.parameters())
    moments = sum(nbytes(v) for state in run.optimizer.state.values() for v in state.values() if v.dim())
    last = {n: run.parallel.full(n, t.detach()).clone() for n, t in run.model.state_dict().items()}
    return {
        "loss": loss,
        "gradients": grads,
        "losses": losses,
        "layers": [asdict(row) for row in run.layers],
        "curve": [asdict(row) for row in run.curve],
        "weights": last,
        "result": asdict(run.result()),
        "bytes": held,
        "moments": moments,
    }


def nbytes(tensor: Tensor) -> int:
    own = local_tensor(tensor.detach())
    return own.numel() * own.element_size()


def clipped(processes: Processes = ALONE, **changes: Any) -> float:
    """The joint norm of the whole gradients after they were clipped to 0.01."""
    run = training(processes, **changes)
    gradients(run)
    run.optimizer.clip_gradients(0.01)
    run.optimizer.step()  # with Adam's first moment a tenth of the gradient
    state = run.parallel.gather_moments(run.model, run.optimizer)["state"]
    return 10 * math.sqrt(sum(float(moments["exp_avg"].square().sum()) for moments in state.values()))


def resumed(processes: Processes = ALONE, **changes: Any) -> tuple[list[str], list[str], str, str]:
    """Losses after the first step, uninterrupted and from a state that went through process 0; and both hashes."""
    run = training(processes, **changes)
    run.advance()
    state = processes.broadcast(run.state() if processes.size == 1 or processes.rank == 0 else run.state() and None)
    other = training(processes, **changes)
    other.restore(state)
    first, second = finish(run), finish(other)
    return first, second, run.result(test=False).weights_hash, other.result(test=False).weights_hash


class ErrsOnItem0(nn.Module):
    """A model that says the class of each item, which is its only token, but for item 0."""

    classes, outputs, reach = 5, 1, 0

    def forward(self, tokens: Tensor, *_: Any) -> Tensor:
        said = torch.where(tokens[:, 0] == 1, 2, tokens[:, 0] - 1)
        return nn.functional.one_hot(said, 5).double() * 30


def five_answers(processes: Processes) -> tuple[float, float, list[int]]:
    """Accuracy, loss and said classes of five items, of which a model gets item 0 wrong."""
    items = Examples(tuple((i + 1,) for i in range(5)), tuple(range(5)), ("",) * 5)
    part = Padded(items, max_len=1, device="cpu", masked=True)
    found = answers(ErrsOnItem0(), part, full=False, processes=processes)  # type: ignore[arg-type]
    return found.acc, found.loss, found.said.tolist()


def say_things(processes: Processes) -> dict[str, Any]:
    """What two processes tell one another."""
    rank = processes.rank
    return {
        "norm": processes.joint_norm(math.hypot(3, 4) if rank == 0 else math.hypot(12, 84)),
        "sum": processes.add([1.0 + rank, 0.5]),
        "highest": processes.highest(2 * rank),
        "gathered": processes.gather(f"from {rank}"),
        "first": processes.broadcast({"from": rank}),
        "share": list(range(5))[processes.share(5)],
    }


def check_all(processes: Processes) -> dict[str, Any]:
    """Every fast check, in one pair."""
    found = {mode: observe(processes, parallel=mode, devices=2) for mode in MODES}
    small = {mode: training(processes, double=False, precision="bf16", parallel=mode, devices=2) for mode in MODES}
    return {
        **found,
        "accumulate": observe(processes, accumulate=3, devices=2),
        "bf16": {mode: (finish(run), run.result(test=False).weights_hash) for mode, run in small.items()},
        "clipped": {mode: clipped(processes, parallel=mode, devices=2) for mode in MODES},
        "resumed": {mode: resumed(processes, parallel=mode, devices=2, dropout=0.2) for mode in MODES},
        "said": say_things(processes),
        "five": five_answers(processes),
    }


@cache
def pair() -> list[dict[str, Any]]:
    """The checks of two processes, started once."""
    return run_pair(check_all)


@cache
def alone() -> dict[str, Any]:
    """What one process gives."""
    return observe()


def batch_of(labels: list[int]) -> Batch:
    """A batch of one token for each label."""
    return Batch(torch.ones(len(labels), 1, dtype=torch.long), torch.tensor(labels), None)
