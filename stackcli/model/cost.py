"""What a stack costs: floating-point operations in closed form, and parameters."""

from stackcli.config.settings import Config
from stackcli.model.blocks import hidden_of
from stackcli.model.build import build_pattern
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import PositionEncoding, Work


def flops(config: Config, model: StackedAttention, length: int) -> int:
    """Floating-point operations of one forward pass of this stack on one sequence; see `closed_flops`."""
    own = model.stack[0].own
    out, every = model.head.out_features, model.every
    return closed_flops(config, own or model.pe, own=own is not None, length=length, out=out, every=every)


def attention_work(config: Config, length: int) -> Work:
    """What attention computes for one sequence of this length and one head, in each block."""
    sizes = build_pattern(config, 1, length).sizes(length, config.causal)
    return Work(length, length, length**2) if sizes is None else Work(*sizes, dense=False)


def closed_flops(config: Config, encoding: PositionEncoding, *, own: bool, length: int, out: int, every: bool) -> int:
    """Floating-point operations (multiply-adds x 2) of the matrix products in one forward pass of one sequence.

    With T = `length` and S scores, T^2 in full attention: 8 T D^2 + 4 S D + 4 T D F for each block; those of the kind
    of attention; those of the encoding, in every block where blocks have their `own` encoding or the encoding works in
    every block, else once (so also a bias of positions alone in full attention); and 2 D `out` for the classifier, at
    `every` token or once.
    """
    D, T, hidden = config.dim, length, hidden_of(config)
    work = attention_work(config, length)
    pattern = build_pattern(config, 1)
    scored = 4 * work.scores * D if pattern.scored else 0
    block = 8 * T * D * D + scored + pattern.flops(T) + 4 * T * D * hidden
    once = not encoding.every_block or (encoding.bias_of_positions and work.dense)
    times = config.depth if own or not once else 1
    return config.depth * block + times * encoding.flops(T, work) + 2 * D * out * (T if every else 1)


def count(model: StackedAttention) -> tuple[int, int]:
    """Numbers of trained parameters: of the whole stack, and of its token and position tables alone."""
    tables = [model.embedding.weight, *model.pe.parameters()]
    tables += [p for block in model.stack if block.own is not None for p in block.own.parameters()]
    unique = {id(p): p for p in tables}  # layers may share one
    total, embedding = (sum(p.numel() for p in ps if p.requires_grad) for ps in (model.parameters(), unique.values()))
    return total, embedding
