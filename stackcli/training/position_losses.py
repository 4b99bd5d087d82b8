"""Auxiliary losses on the table of position vectors: `order` and `smooth`.

They test whether it helps to shape the position vectors before or during training on the task. Only for encodings that
add a trained vector for each position.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common.seeding import generator, torch_at
from stackcli.config.settings import Config
from stackcli.model.stack import StackedAttention

MARGIN = 0.1  # between the cosine similarities of the next position and of another one
RATE = 0.01  # learning rate of Adam in pretraining


def position_table(model: StackedAttention) -> Tensor:
    """Returns the trained vectors of positions 0 .. max_len - 1, (N, D). Raises ValueError for an encoding that has
    none."""
    for name, _, rows in model.pe.tables():
        if name == "table" and rows.requires_grad:
            return rows
    raise ValueError("pe.loss needs an encoding that adds a trained vector for each position: learned, mlp, fourier")


class Auxiliary:
    """The auxiliary loss that `pe.loss` chooses. `reader`: a trained linear map that predicts the position."""

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
        """Returns the loss.

        order: mean squared error of the position, scaled to -1 .. 1, predicted from its vector by a linear map.
        smooth: hinge loss that asks the cosine similarity of each vector to the next position to exceed that to another
        position by a margin.
        """
        rows = position_table(self.model)
        n = len(rows)
        if self.reader is not None:
            size = rows.detach().square().mean().sqrt().clamp(min=1e-12)
            target = torch.linspace(-1, 1, n, dtype=rows.dtype, device=rows.device)
            return F.mse_loss(self.reader(rows / size)[:, 0], target)
        others = torch.from_numpy(generator("auxiliary", "strangers", n).permutation(n)).to(rows.device)
        near = F.cosine_similarity(rows[:-1], rows[1:], dim=-1)
        far = F.cosine_similarity(rows[:-1], rows[others][:-1], dim=-1)
        apart = (others[:-1] - torch.arange(n - 1, device=rows.device)).abs() > 1
        return (MARGIN + far - near).relu()[apart].mean() if bool(apart.any()) else rows.sum() * 0

    def pretrain(self) -> None:
        """Trains the encoding on this loss alone, before the first step."""
        if not self.steps:
            return
        trained = [*self.model.pe.parameters(), *self.parameters()]
        optimizer = torch.optim.Adam(trained, lr=RATE)
        for _ in range(self.steps):
            optimizer.zero_grad()
            self.loss().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for parameter in trained:
            parameter.grad = None
