"""Measures an untrained stack: its signals, its gradients, and the effect of one step of AdamW.

Everything is measured on the probe batch in eval mode, as in a training run at step 0. Two measurements are made here
only: the first step at the peak learning rate, without warm-up, after which post-LN stacks lose their gradient (Wang et
al. 2022, sec. 3, arXiv:2203.00555; Liu et al. 2020, sec. 4, arXiv:2004.08249), and the order of rank collapse of a
block (Dong et al. 2021, thm. 2.2, arXiv:2103.03404).

Shapes: B batch, T positions, D width, C classes.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.attention.base import Pattern
from stackcli.common.records import LayerRow
from stackcli.common.seeding import generator
from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.diagnostics import layer_statistics
from stackcli.model import build
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.pe.base import Context, PositionEncoding
from stackcli.training import batching
from stackcli.training.batching import Padded
from stackcli.training.optimizer import optimizer
from stackcli.training.position_losses import Auxiliary

SPREADS = tuple(10 ** (-i / 2) for i in (4, 5, 6, 7))  # distances of tokens from their mean, to fit collapse
TOKENS = 12  # tokens of a sequence in that fit
ATTENTION_HOOKS = ("rotate", "bias", "mix")  # Dong's theorem holds for encodings that define none of these


class Start(NamedTuple):
    """The measurements of one stack: its numbers by name, and the rows of its layers at step 0."""

    row: dict[str, Any]
    layers: list[LayerRow]


def keep_probe_rows(loaded: Loaded) -> Loaded:
    """Returns the data set reduced to the sequences of the probe batch, which is little to send to another process."""
    kept = loaded.train.only(batching.observed_rows(len(loaded.train)).tolist())
    none = kept.only(())
    return replace(loaded, train=kept, val=none, test=none, longer=())


def probe_batch(config: Config, loaded: Loaded) -> Batch:
    """Returns the probe batch of a run; `loaded`: the result of `keep_probe_rows`."""
    masked, examples = config.mask == "padding", loaded.train
    part = Padded(examples, max_len=loaded.max_len, device=config.device, masked=masked, outputs=loaded.outputs)
    return part.cut(np.arange(len(examples)), full=config.pad == "max")


def measure(config: Config, loaded: Loaded) -> Start:
    """Builds the stack and measures it; `loaded`: the result of `keep_probe_rows`.

    `finite`: whether the loss, its gradients and the logits after the first step are finite. `signal_first`,
    `signal_last`: RMS of the output of the first and the last block. `grad_last`, `free_last`: G1 and G3 of the last
    map of the last block, nats. `grad_ratio_init`, `free_ratio_init`: block 1 over the last block; `back_ratio`: the
    same of G4, at their outputs. `cosine`, `rank`: of the last block's output. `kept`: cosine of a token's vector in
    that output with its vector at the input of block 1. `apart`: how well the classified items can be distinguished:
    `rank` in tasks that label every token, else the rank residual of the sequences' vectors before the classifier.
    `entropy`: the smallest mean attention entropy of a layer, as a share of that of uniform attention. `update`,
    `step_ratio`: see `first_step`. `order`, `order_theory`: of rank collapse, measured and in theory.
    """
    torch.set_num_threads(config.threads)
    model = build.build_for(config, loaded).to(config.device)
    Auxiliary(model, config).pretrain()
    batch = probe_batch(config, loaded)
    build.profile(model, batch)
    model.eval()
    settle(model, batch)
    order = {"order": collapse_order(model, loaded.max_len), "order_theory": collapse_theory(config, model)}
    with capture_pass(model) as captured:
        layers = layer_statistics.look(model, batch, step=0, updates={})
    row = {**layer_summary(layers), **order}
    if not layers:
        return Start(
            {**row, "finite": False, "apart": None, "kept": None, "update": math.nan, "step_ratio": math.nan}, layers
        )
    row["apart"] = row["rank"] if model.every else captured.apart()
    row["kept"] = captured.kept(batch.mask)
    step = first_step(model, batch, config, captured)
    finite = all(math.isfinite(v) for r in layers for v in (r.g1, r.g3, r.g4, r.signal) if v is not None)
    return Start({**row, **step, "finite": finite and math.isfinite(step["update"])}, layers)


def layer_summary(layers: list[LayerRow]) -> dict[str, float | None]:
    """Returns the numbers of a stack that follow from the rows of its layers; None if there are no rows."""
    blocks = sorted((r for r in layers if r.tensor == "block"), key=lambda r: r.layer)
    name = "ff2" if any(r.tensor == "ff2" for r in layers) else "o"
    last = next((r for r in layers if r.tensor == name and r.layer == len(blocks)), None)
    heads: dict[int, list[float]] = {}
    for r in layers:
        if r.entropy is not None and r.even:
            heads.setdefault(r.layer, []).append(r.entropy / r.even)
    means = [sum(values) / len(values) for values in heads.values()]
    ratios = layer_statistics.ratios(layers)
    return {
        "signal_first": blocks[0].signal if blocks else None,
        "signal_last": blocks[-1].signal if blocks else None,
        "grad_last": last.g1 if last else None,
        "free_last": last.g3 if last else None,
        "grad_ratio_init": ratios["grad_ratio_init"],
        "free_ratio_init": ratios["free_ratio_init"],
        "cosine": blocks[-1].cosine if blocks else None,
        "rank": blocks[-1].rank if blocks else None,
        "entropy": min(means) if means else None,
        "back_ratio": blocks[0].g4 / blocks[-1].g4 if blocks and blocks[0].g4 is not None and blocks[-1].g4 else None,
    }


def settle(model: core.StackedAttention, batch: Batch) -> None:
    """Sets the running statistics of batch normalisation to those of this batch, as a training step would use, instead
    of the initial 0 and 1, which normalise nothing. Dropout stays off."""
    norms = [(m, m.momentum) for m in model.modules() if hasattr(m, "running_mean")]
    for norm, _ in norms:
        norm.train()
        norm.momentum = 1.0  # type: ignore[assignment]
    if norms:
        with torch.no_grad():
            model(batch.tokens, batch.mask, batch.pos, batch.tree)
    for norm, momentum in norms:
        norm.eval()
        norm.momentum = momentum


# ---- the first step


@dataclass
class Captured:
    """Tensors of one forward and backward pass: the input of the classifier, (B, D) or (B, T, D), the logits, the input
    of block 1 and the output of the last block, (B, T, D), and the gradient of each parameter."""

    given: Tensor
    logits: Tensor
    entered: Tensor
    left: Tensor
    grads: dict[nn.Parameter, Tensor] = field(default_factory=dict)

    def apart(self) -> float | None:
        """Returns the rank residual of the sequences' vectors."""
        return layer_statistics.rank_residual(
            self.given[None], self.given.new_ones(1, len(self.given), dtype=torch.bool)
        )

    def kept(self, mask: Tensor | None) -> float:
        """Returns the cosine of a token's vectors after the last block and before block 1, mean over real tokens."""
        cosine = F.cosine_similarity(self.entered.double(), self.left.double(), dim=-1)
        return float((cosine if mask is None else cosine[mask]).mean())


@contextmanager
def capture_pass(model: core.StackedAttention) -> Iterator[Captured]:
    """Captures the tensors of the pass that is made inside, which saves a second pass."""
    none = torch.empty(0)
    captured = Captured(given=none, logits=none, entered=none, left=none)

    def keep_head_input(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        captured.given = inputs[0].detach()

    def keep_input(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        captured.entered = inputs[0].detach()

    def keep_output(_: nn.Module, __: Any, out: Tensor) -> None:
        captured.left = out.detach()

    def keep_logits(_: nn.Module, __: Any, logits: Tensor) -> None:
        captured.logits = logits.detach()

    def keep_grad(parameter: nn.Parameter) -> Any:
        return lambda grad: captured.grads.__setitem__(parameter, grad)

    handles = [model.head.register_forward_hook(keep_head_input), model.register_forward_hook(keep_logits)]
    handles += [
        model.stack[0].register_forward_pre_hook(keep_input),
        model.stack[-1].register_forward_hook(keep_output),
    ]
    handles += [p.register_hook(keep_grad(p)) for p in model.parameters() if p.requires_grad]  # type: ignore[no-untyped-call]
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def first_step(model: core.StackedAttention, batch: Batch, config: Config, captured: Captured) -> dict[str, float]:
    """Takes the first training step, on the probe batch and at the peak learning rate, with the clipping of the config.

    `update`: root mean square change of the logits, nats. `step_ratio`: after the step, the norm of the gradient at the
    output of block 1 over that at the last block's. Below 1 the gradient vanishes towards the input, as it does if a
    large step has made the inputs of the normalisations grow (Wang et al. 2022, sec. 3).
    """
    for parameter, grad in captured.grads.items():
        parameter.grad = grad
    adam = optimizer(model, config)
    if config.clip:
        adam.clip_gradients(config.clip)
    adam.step()
    settle(model, batch)
    outputs: list[Tensor] = []
    ends = dict.fromkeys((model.stack[0], model.stack[-1]))
    handles = [block.register_forward_hook(lambda *now: outputs.append(now[-1])) for block in ends]
    logits = model(batch.tokens, batch.mask, batch.pos, batch.tree)
    for handle in handles:
        handle.remove()
    after, before = (batching.select_scored(x, batch.labels)[0] for x in (logits, captured.logits))
    update = float((after.detach() - before).double().square().mean().sqrt())
    if not math.isfinite(update):
        return {"update": update, "step_ratio": math.nan}
    loss = F.cross_entropy(*batching.select_scored(logits, batch.labels))
    sizes = [float(g.double().norm()) for g in torch.autograd.grad(loss, outputs)]
    return {"update": update, "step_ratio": sizes[0] / sizes[-1] if sizes[-1] else math.nan}


# ---- the order of rank collapse


def collapse_order(model: core.StackedAttention, max_len: int) -> float | None:
    """Measures p in residual(block(X)) ~ eps^p for tokens X = 1x' + eps R, in float64; with p above 1 a block makes
    similar tokens much more similar. x and R are standard normal, the residual is `layer_statistics.rank_residual`, and
    p is the log-log slope over SPREADS by least squares. None for a single token, and if the outputs are all equal."""
    T = min(TOKENS, max_len)
    if T < 2:
        return None
    block = copy.deepcopy(model.stack[0]).double().cpu().eval()
    pe = copy.deepcopy(model.pe).double().cpu().eval()
    draw = generator("evaluation", "collapse")
    D = model.embedding.weight.shape[1]
    middle, around = (torch.from_numpy(draw.normal(size=(n, D))) for n in (1, T))
    chain = (torch.arange(T) - 1).clamp(min=0)[None]  # a tree, for encodings that need one
    ctx = Context(torch.arange(T), None, chain, causal=block.attention.causal)
    real, residuals = torch.ones(1, T, dtype=torch.bool), []
    with torch.no_grad():
        for eps in SPREADS:
            out = block((middle + eps * around)[None], ctx, pe)
            residuals.append(layer_statistics.rank_residual(out, real))
    if any(not r or not math.isfinite(r) for r in residuals):
        return None
    logs = np.log([r for r in residuals if r])
    return float(np.polyfit(np.log(SPREADS), logs, 1)[0])


def collapse_theory(config: Config, model: core.StackedAttention) -> float | None:
    """Returns the order of Dong et al. 2021: 3 without a skip connection (thm. 2.2), 1 with one (sec. 3). None outside
    their setting: every token attends to every token, positions enter through the token vectors only, and each token is
    normalised by itself or not at all."""
    block = model.stack[0]
    kind = type(block.own or model.pe)
    seen = [getattr(kind, hook) is not getattr(PositionEncoding, hook) for hook in ATTENTION_HOOKS]
    pattern = block.attention.pattern
    mixed = pattern.extends or type(pattern).prepare is not Pattern.prepare
    limited = block.attention.causal or pattern.limits(TOKENS) or mixed
    if any(seen) or limited or config.norm.name not in ("layer", "rms", "none"):
        return None
    return 3.0 if config.residual.name == "none" else 1.0
