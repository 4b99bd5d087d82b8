"""What a stack learns from a teacher: the teacher's probabilities for the training items."""

import torch
from torch import Tensor

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.distill.base import Distillation
from stackcli.model.stack import StackedAttention
from stackcli.training.batching import Padded
from stackcli.training.evaluation import place_tokens


def build_distillation(config: Config, loaded: Loaded) -> Distillation:
    """Builds the part that `distill` chooses. Raises ValueError for data with an answer at every token."""
    part: Distillation = registry.build_part("distill", config.distill.name, **config.distill.options)
    if part.teachers and loaded.every:
        raise ValueError(describe_many_answers(config))
    return part


def describe_many_answers(config: Config) -> str:
    """Says that a teacher needs data with one answer for each sequence."""
    return (
        f"distill={config.distill.name} needs data with one answer for each sequence, and data={config.data.name} ask "
        "at every token; write distill=none"
    )


@torch.no_grad()
def soft_labels(model: StackedAttention, part: Padded, distill: Distillation, *, full: bool) -> Tensor:
    """Returns the probabilities of the classes for each item of a part, (N, C), in its order; the model is in eval
    mode."""
    model.eval()
    out: Tensor | None = None
    for rows in part.groups(part.shortest_first, full=full):
        batch = place_tokens(model, part.cut(rows, full=full))
        found = distill.targets(model(batch.tokens, batch.mask, batch.pos, batch.tree).cpu())
        found = found.float() if found.dtype == torch.bfloat16 else found
        out = found.new_empty(len(part), model.classes) if out is None else out
        out[torch.from_numpy(rows)] = found
    assert out is not None  # a part has at least one item
    return out
