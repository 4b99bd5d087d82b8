"""Do explanations depend on what the stack has learnt? Adebayo et al. 2018, sec. 3.1, arXiv:1810.03292.

The weights of a trained stack are replaced by fresh ones, from the top on: the classifier, then one block after
another, then the token vectors and the encoding. An explanation that stays as it was does not explain the stack.
"""

import copy
from collections.abc import Iterator

from stackcli.model.stack import StackedAttention


def randomise_from_top(model: StackedAttention, fresh: StackedAttention) -> Iterator[tuple[str, StackedAttention]]:
    """Yields copies of a stack whose parts are more and more those of an untrained one, and the name of the last part
    that was replaced: "classifier", "layer L", ..., "layer 1", "input"."""
    changed = copy.deepcopy(model)
    for name, prefixes in parts_from_top(model):
        own, new = changed.state_dict(), fresh.state_dict()
        changed.load_state_dict({k: new[k] if k.startswith(prefixes) else v for k, v in own.items()})
        yield name, copy.deepcopy(changed)


def parts_from_top(model: StackedAttention) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields the parts of a stack from the top on, and what the names of their tensors begin with."""
    yield "classifier", ("head.", "closing.")
    for layer in range(len(model.stack), 0, -1):
        yield f"layer {layer}", (f"blocks.{layer - 1}.",)
    yield "input", ("",)  # everything
