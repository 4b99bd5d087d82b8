"""What a stack costs: floating-point operations in closed form, and parameters."""

from collections.abc import Sequence

from stackcli.config.settings import Config
from stackcli.model.blocks import hidden_of
from stackcli.model.build import build_pattern
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import PositionEncoding, Work


def flops(config: Config, model: StackedAttention, length: int) -> int:
    """Floating-point operations of one forward pass of this stack on one sequence; see `closed_flops`."""
    encodings = [block.own or model.pe for block in model.stack]
    return closed_flops(config, encodings, length=length, out=model.head.out_features, every=model.every)


def attention_work(config: Config, length: int, layer: int = 1) -> Work:
    """What attention computes for one sequence of this length and one head, in a block."""
    sizes = build_pattern(config, layer, length).sizes(length, config.causal)
    return Work(length, length, length**2) if sizes is None else Work(*sizes, dense=False)


def all_scores(config: Config, length: int) -> int:
    """Number of scores of one sequence of this length and one head, in all blocks."""
    kinds = len(config.kinds("attention"))
    each = [attention_work(config, length, layer).scores for layer in range(1, min(kinds, config.depth) + 1)]
    return sum(each[layer % kinds] for layer in range(config.depth))


def closed_flops(config: Config, encodings: Sequence[PositionEncoding], *, length: int, out: int, every: bool) -> int:
    """Floating-point operations (multiply-adds x 2) of the matrix products in one forward pass of one sequence.

    With T = `length` and S scores, T^2 in full attention: 8 T D^2 + 4 S D + 4 T D F for each block; those of the kind
    of attention; those of the encodings; and 2 D `out` for the classifier, at `every` token or once. encodings: of the
    blocks, repeated over the depth.
    """
    D, T, hidden = config.dim, length, hidden_of(config)
    kinds = range(1, min(len(config.kinds("attention")), config.depth) + 1)
    parts = [(attention_work(config, T, layer), build_pattern(config, layer)) for layer in kinds]
    blocks = [(encodings[i % len(encodings)], *parts[i % len(parts)]) for i in range(config.depth)]
    total = 2 * D * out * (T if every else 1)
    for _, work, pattern in blocks:
        scored = 4 * work.scores * D if pattern.scored else 0
        total += 8 * T * D * D + scored + pattern.flops(T) + 4 * T * D * hidden
    return total + encoding_flops([(encoding, work) for encoding, work, _ in blocks], T)


def encoding_flops(blocks: Sequence[tuple[PositionEncoding, Work]], length: int) -> int:
    """Floating-point operations of the encodings of all blocks in one forward pass of one sequence.

    An encoding is computed again in every block, with two exceptions, which are counted once: vectors that are added to
    the tokens before block 1, and a bias that depends on positions only, where all pairs of tokens are computed.
    """
    total, shared = 0, set[type[PositionEncoding]]()
    for encoding, work in blocks:
        if not encoding.every_block or (encoding.bias_of_positions and work.dense):
            if type(encoding) in shared:
                continue
            shared.add(type(encoding))
        total += encoding.flops(length, work)
    return total


def count(model: StackedAttention) -> tuple[int, int]:
    """Numbers of trained parameters: of the whole stack, and of its token and position tables alone."""
    tables = [model.embedding.weight, *model.pe.parameters()]
    tables += [p for block in model.stack if block.own is not None for p in block.own.parameters()]
    unique = {id(p): p for p in tables}  # layers may share one
    total, embedding = (sum(p.numel() for p in ps if p.requires_grad) for ps in (model.parameters(), unique.values()))
    return total, embedding
