"""The interface of what watches a training: it records the layers of a stack at some steps."""

from typing import Protocol

from torch import Tensor

from stackcli.common.records import LayerRow
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.training.parallel import Parallel

Key = tuple[int, str]  # (layer, linear map)


class Observer(Protocol):
    """Records the layers of a stack at some steps of its training, and changes nothing. The module
    `diagnostics.layer_statistics` is one."""

    def schedule(self, steps: int) -> frozenset[int]:
        """Returns the steps after which `look` is called."""

    def weights(self, model: core.StackedAttention) -> dict[str, Tensor]:
        """Returns copies of the weights before such a step."""

    def updates(
        self, model: core.StackedAttention, before: dict[str, Tensor], *, decay: float, parallel: Parallel
    ) -> dict[Key, tuple[float, float]]:
        """Returns two measures of how far the step moved each linear map."""

    def look(
        self,
        model: core.StackedAttention,
        batch: Batch,
        *,
        step: int,
        updates: dict[Key, tuple[float, float]],
        parallel: Parallel,
    ) -> list[LayerRow]:
        """Returns the rows of every layer at this step."""

    def ratios(self, layers: list[LayerRow]) -> dict[str, float | None]:
        """Returns summary numbers for the result of the run."""
