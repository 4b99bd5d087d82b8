"""Checks what a position encoding does, property by property, with the evidence; also for encodings of users.

Every measurement uses a small untrained stack with the encoding in it, in float64 unless stated otherwise.
"""

import contextlib
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stackcli.common import registry
from stackcli.common.seeding import generator
from stackcli.common.wording import count_noun
from stackcli.config.settings import Config, Part
from stackcli.config.validation import attention_bytes, in_words, longest_input, machine_memory
from stackcli.diagnostics.checked_property import BATCH, CLASSES, LENGTH, VOCAB, Property, mark
from stackcli.diagnostics.position_tables import check_table
from stackcli.model import build, cost
from stackcli.model import stack as core
from stackcli.pe.base import Context, PositionEncoding

SAME = 1e-10  # largest relative difference of float64 logits that count as equal
TRAINING = ("loss", "loss_weight", "pretrain")  # keys that change how the encoding is trained, not its output
COPIES = 80  # numbers held at once for each pair of tokens and head by the encoding that needs most, fire


input_length = longest_input


def affordable(config: Config, length: int) -> int:
    """Returns how many tokens of one sequence, at most `length`, can be checked in float64 within a quarter of this
    machine's memory."""
    room = (machine_memory() or 8 * 2**30) / 4
    return max(LENGTH, min(length, math.isqrt(int(room / (COPIES * 8 * config.heads)))))


def certify(config: Config, max_len: int) -> list[Property]:
    """Checks every property of `config.pe` at the sizes of the config. Raises ValueError for sizes that do not fit."""
    began = time.perf_counter()
    found = [
        _order(config, max_len),
        _reversal(config, max_len),
        _shift(config, max_len),
        _causality(config, max_len),
        _kernels(config, max_len),
        _gradient(config, max_len),
        _keys(config, max_len),
        _precision(config, max_len),
        _beyond(config, max_len),
        *_cost(config, max_len),
        _energy(config, max_len),
        *check_table(config, max_len),
    ]
    sizes = f"max_len={max_len}; on {LENGTH} tokens unless stated otherwise"
    return [*found, Property("checked in", f"{time.perf_counter() - began:.1f} s", sizes)]


def stack(config: Config, max_len: int, **changes: Any) -> core.StackedAttention:
    """Builds a float64 stack of two blocks with the encoding and logits at every token. It uses init=default, because
    with branches that start at zero, as in init=zero, the encoding would have no effect on the logits."""
    small = replace(config, **{"depth": 2, "dropout": 0.0, "init": Part(name="default"), **changes})
    model = build.build(small, vocab=VOCAB, classes=CLASSES, max_len=max(max_len, LENGTH), every=True)
    for name, parameter in model.named_parameters():
        if name.endswith("join.gate"):  # a gate of 0 would hide the encoding
            parameter.data.fill_(1)
    return model.double().eval()


def tokens(length: int = LENGTH) -> Tensor:
    """Returns sequences of different tokens, (B, T)."""
    rows = [1 + generator("check", "tokens", i).permutation(VOCAB - 1)[:length] for i in range(BATCH)]
    return torch.from_numpy(np.stack([np.resize(row, length) for row in rows]))


def tree(length: int = LENGTH) -> Tensor:
    """Returns random recursive trees, (B, T), for encodings that read trees."""
    draw = generator("check", "tree")
    rows = [[0, *(int(draw.integers(i)) for i in range(1, length))] for _ in range(BATCH)]
    return torch.tensor(rows)


@torch.no_grad()
def token_logits(model: core.StackedAttention, x: Tensor, **more: Any) -> Tensor:
    """Returns the logits at every token, (B, T, C)."""
    logits: Tensor = model(x, tree=tree(x.shape[1])[: len(x)], **more)
    return logits


def token_positions(model: core.StackedAttention, x: Tensor) -> Tensor:
    """Returns the positions of the tokens, (T,), or (B, T) if positions are drawn at random. Both sides of a comparison
    use the same positions, so that they differ by the encoding and not by the draw."""
    return model.positions(x, None)


def _apart(a: Tensor, b: Tensor) -> float:
    """Returns the largest difference, as a share of the largest value."""
    return float((a - b).abs().max() / a.abs().max().clamp(min=1e-300))


def _order(config: Config, max_len: int) -> Property:
    model, x = stack(config, max_len, causal=False), tokens()
    at = torch.from_numpy(generator("check", "order").permutation(LENGTH))
    pos = token_positions(model, x)
    gap = _apart(token_logits(model, x, pos=pos)[:, at], token_logits(model, x[:, at], pos=pos))
    text = "seen" if gap > SAME else "not seen: tokens are a set"
    return Property("order", text, f"permuted tokens: logits change by {gap:.1e}")


def _reversal(config: Config, max_len: int) -> Property:
    gap = measure_reversal(stack(config, max_len, causal=False), tokens())
    text = "distinguished" if gap > SAME else "not distinguished"
    return Property("a text and its reversal", text, f"mean over tokens changes by {gap:.1e}")


def measure_reversal(model: core.StackedAttention, x: Tensor) -> float:
    """Returns by how much the mean over tokens of the logits changes when the token ids (B, T) are reversed, as a share
    of the largest; the positions stay as they are."""
    pos = token_positions(model, x)
    return _apart(token_logits(model, x, pos=pos).mean(1), token_logits(model, x.flip(1), pos=pos).mean(1))


def measure_shift(model: core.StackedAttention, max_len: int) -> tuple[int, float]:
    """Returns by how many positions all tokens are shifted, at most 20, and by how much the logits change, as a share
    of the largest; 0 positions and NaN where max_len leaves no room."""
    x = tokens()
    pos = token_positions(model, x)
    last = max(max_len, LENGTH, model.reach) - 1  # the last position that the encoding has
    by = min(20, last - int(pos.max()))
    if by < 1:
        pos, by = pos - pos.min(), min(20, last - int((pos - pos.min()).max()))
    if by < 1:
        return 0, math.nan
    return by, _apart(token_logits(model, x, pos=pos), token_logits(model, x, pos=pos + by))


def _shift(config: Config, max_len: int) -> Property:
    model = stack(config, max_len)
    by, gap = measure_shift(model, max_len)
    if by < 1:
        return Property("shift", "not measured", f"max_len={max_len} leaves no room")
    text = "ignored: relative" if gap <= SAME else "seen: absolute"
    claims = encoders(model)[-1].relative
    good = claims == (gap <= SAME)
    return Property("shift", text, f"all positions + {by}: logits change by {gap:.1e}", mark(good))


def _causality(config: Config, max_len: int) -> Property:
    model, x, half = stack(config, max_len, causal=True), tokens(), LENGTH // 2
    other = x.clone()
    other[:, half:] = (other[:, half:] + 7) % (VOCAB - 1) + 1
    pos = token_positions(model, x)
    gap = _apart(token_logits(model, x, pos=pos)[:, :half], token_logits(model, other, pos=pos)[:, :half])
    text = "kept" if gap < 1e-14 else "BROKEN"
    return Property("causality", text, f"later tokens changed: earlier logits change by {gap:.1e}", mark(gap < 1e-14))


def _kernels(config: Config, max_len: int) -> Property:
    fused, explicit = (stack(config, max_len, kernel=kernel) for kernel in ("auto", "explicit"))
    if fused.kernel == "explicit":
        return Property("kernel", "explicit only", "the encoding needs the attention weights, or its bias is trained")
    lengths = torch.tensor([LENGTH, LENGTH // 2, 3, 1])[:, None]
    mask = torch.arange(LENGTH)[None] < lengths
    gap = _apart(token_logits(fused, tokens(), mask=mask)[mask], token_logits(explicit, tokens(), mask=mask)[mask])
    return Property("kernel", "fused", f"fused and explicit differ by {gap:.1e}", mark(gap < SAME))


def encoders(model: core.StackedAttention) -> list[PositionEncoding]:
    """Returns the encodings of a model: the one before block 1, and those of the blocks."""
    return [model.pe, *(block.own for block in model.stack if block.own is not None)]


def _gradient(config: Config, max_len: int) -> Property:
    model = stack(config, max_len)
    width = min(max(max_len, LENGTH), 256)
    model(tokens(width), tree=tree(width)).square().sum().backward()
    named = [(n, p) for encoder in encoders(model) for n, p in encoder.named_parameters()]
    if not named:
        return Property("gradient", "nothing to train", "it has no parameters")
    dead = sorted({n for n, p in named if p.grad is None or not bool((p.grad != 0).any())})
    text = f"never reaches {', '.join(dead)}" if dead else "reaches every parameter"
    return Property(
        "gradient", text, f"{count_noun(len(named), 'tensors')}, sequences of {width} tokens", mark(not dead)
    )


def _keys(config: Config, max_len: int) -> Property:
    keys = registry.part_keys(registry.load_part("pe", config.pe.name))
    before = token_logits(stack(config, max_len), tokens())
    idle, tried = [], 0
    for name, key in keys.items():
        if name in TRAINING:
            continue
        moved = []
        for other in other_values(config.pe.options.get(name, key.default), key.annotation):
            own = {**config.pe.options, name: other} | ({"randomised": True} if name == "range" else {})
            changed = replace(config, pe=Part(name=config.pe.name, keys=tuple(sorted(own.items()))))
            with contextlib.suppress(ValueError, RuntimeError):  # a value that is not allowed
                moved.append(not torch.equal(before, token_logits(stack(changed, max_len), tokens())))
        tried += len(moved)
        idle += [] if any(moved) else [name]
    if not keys:
        return Property("settings", "none of its own", "")
    text = f"no effect here: {', '.join(idle)}" if idle else "every key changes the output"
    return Property("settings", text, f"{len(keys)} keys, {tried} other values tried")


def other_values(value: Any, annotation: Any) -> list[Any]:
    """Returns other values of a key, to see whether they change the output."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return [c for c in getattr(annotation, "__args__", ()) if isinstance(c, str) and c != value]
    if isinstance(value, int):
        return [value * 2, value // 2, value + 2, max(1, value - 1)]
    return [value / 2, value * 2, value * 0.9]


def _precision(config: Config, max_len: int) -> Property:
    length = affordable(config, max(max_len, LENGTH))
    model, x = stack(config, max_len), tokens(length)[:1]
    double = token_logits(model, x)
    gap = _apart(double, token_logits(model.float(), x).double())
    used = f"{length:,} tokens" + ("" if length >= max_len else f" of {max_len:,}, limited by memory")
    found = f"against float64, share of the largest logit, {used}"
    return Property("float32", f"off by {gap:.1e}", found, mark(gap < 1e-4))


def _beyond(config: Config, max_len: int) -> Property:
    longer = 4 * max(max_len, LENGTH)
    claim = registry.load_part("pe", config.pe.name).beyond
    words = {"exact": "exact: no position is new", "defined": "defined, but never trained there"}
    where: dict[str, Any] = {}
    x, used = tokens(longer), f"{longer:,} tokens"
    if affordable(config, longer) < longer:  # some of these positions instead of all
        x, where = tokens(), {"pos": torch.linspace(0, longer - 1, LENGTH).long()}
        used = f"{LENGTH} tokens spread over {longer:,} positions, limited by memory"
    try:
        out = token_logits(stack(replace(config, depth=1), max_len), x, **where)
    except ValueError as error:
        return Property("4 x max_len", "refused", str(error), mark(claim == "refused"))
    fine = bool(out.isfinite().all())
    kept = claim != "refused" or build.drawn_from(config) > 0  # randomised positions go up to their range
    text = words.get(claim, "not refused") if fine else "NOT FINITE"
    return Property("4 x max_len", text, used, mark(fine and kept))


def _cost(config: Config, max_len: int) -> list[Property]:
    model = build.build(config, vocab=VOCAB, classes=CLASSES, max_len=max_len)
    bare = build.build(replace(config, pe=Part(name="none")), vocab=VOCAB, classes=CLASSES, max_len=max_len)
    own = [t for encoder in encoders(model) for t in (*encoder.parameters(), *encoder.buffers())]
    params = sum(p.numel() for encoder in encoders(model) for p in encoder.parameters())
    flops, base = (cost.flops(config, m, max_len) for m in (model, bare))
    scores = cost.all_scores(config, max_len)
    attention, there = attention_bytes(config, max_len, scores), machine_memory()
    batch = f"scores and weights, batch={config.batch} of {max_len:,} tokens, depth={config.depth}, in training"
    much = there is not None and attention > there
    batch += f"; this machine has {in_words(there)}" if there is not None and much else ""
    return [
        Property("parameters", f"{params:,}", f"depth={config.depth} dim={config.dim} heads={config.heads}"),
        Property("memory", f"{sum(t.numel() * t.element_size() for t in own):,} bytes", "of its tensors"),
        Property("attention memory", in_words(attention), batch, mark(False, "warning") if much else ""),
        Property(
            "FLOPs", f"{flops - base:,}", f"{100 * (flops - base) / base:.1f} % of those of the stack, {max_len} tokens"
        ),
    ]


@torch.no_grad()
def _energy(config: Config, max_len: int) -> Property:
    model = stack(config, max_len)
    x = model.embedding(tokens())
    moved = model.pe.embed(x, Context(torch.arange(LENGTH), tree=tree()))
    position, token = float((moved - x).square().sum()), float(x.square().sum())
    if not position:
        return Property("energy in the input", "none", "it acts inside attention")
    share = position / (position + token)
    sizes = [math.sqrt(energy / x.numel()) for energy in (position, token)]
    each = f"root mean square of positions {sizes[0]:.3g}, of tokens {sizes[1]:.3g}"
    return Property("energy in the input", f"{100 * share:.1f} %", each, mark(0.01 < share < 0.99, "warning"))
