"""Losses of an encoding's own table: can its order be read off, are neighbours closer than strangers?

They ask whether it helps to give positions a shape before, or while, the task does. Only for encodings that add a
trained vector for each position.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common.seeding import generator, torch_at
from stackcli.config.settings import Config
from stackcli.model.stack import StackedAttention

MARGIN = 0.1  # of cosine, between a neighbour and a stranger
RATE = 0.01  # of Adam, in pretraining


def position_table(model: StackedAttention) -> Tensor:
    """The vectors of positions 0 .. max_len - 1, (N, D), with their gradient. Raises ValueError where none is
    trained."""
    for name, _, rows in model.pe.tables():
        if name == "table" and rows.requires_grad:
            return rows
    raise ValueError("pe.loss needs an encoding that adds a trained vector for each position: learned, mlp, fourier")


class Auxiliary:
    """The loss that a config asks for, on a model; `reader` is what order is read off with, trained with the model."""

    def __init__(self, model: StackedAttention, config: Config) -> None:
        options = config.pe.options
        self.model = model
        self.kind: Literal["none", "order", "smooth"] = options.get("loss", "none")
        self.weight, self.steps = float(options.get("loss_weight", 0.1)), int(options.get("pretrain", 0))
        self.reader: nn.Linear | None = None
        if self.kind == "none":
            if self.steps:
                raise ValueError("pe.pretrain needs pe.loss=order or pe.loss=smooth")
            return
        rows = position_table(model)
        if self.kind == "order":
            with torch_at(config.seed, 0, "reader"):
                self.reader = nn.Linear(rows.shape[1], 1).to(rows)

    def __bool__(self) -> bool:
        return self.kind != "none"

    def parameters(self) -> list[nn.Parameter]:
        return [] if self.reader is None else list(self.reader.parameters())

    def loss(self) -> Tensor:
        """order: mean square error of a linear reading of the position, scaled to -1 .. 1; smooth: by how much, on
        average, a stranger's cosine comes within a margin of the next neighbour's."""
        rows = position_table(self.model)
        n = len(rows)
        if self.reader is not None:
            size = rows.detach().square().mean().sqrt().clamp(min=1e-12)
            target = torch.linspace(-1, 1, n, dtype=rows.dtype, device=rows.device)
            return F.mse_loss(self.reader(rows / size)[:, 0], target)
        strangers = torch.from_numpy(generator("auxiliary", "strangers", n).permutation(n)).to(rows.device)
        near = F.cosine_similarity(rows[:-1], rows[1:], dim=-1)
        far = F.cosine_similarity(rows[:-1], rows[strangers][:-1], dim=-1)
        apart = (strangers[:-1] - torch.arange(n - 1, device=rows.device)).abs() > 1
        return (MARGIN + far - near).relu()[apart].mean() if bool(apart.any()) else rows.sum() * 0

    def pretrain(self) -> None:
        """Shapes the encoding on this loss alone, before the first step."""
        if not self.steps:
            return
        own = [*self.model.pe.parameters(), *self.parameters()]
        optimizer = torch.optim.Adam(own, lr=RATE)
        for _ in range(self.steps):
            optimizer.zero_grad()
            self.loss().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for parameter in own:
            parameter.grad = None
