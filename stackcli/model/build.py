"""Builds the stack that a Config describes; every tensor is drawn from a random stream of its own."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stackcli.attention.base import Pattern
from stackcli.common import registry
from stackcli.common.seeding import torch_at
from stackcli.config.settings import LISTED, Config
from stackcli.data.base import Loaded
from stackcli.init.base import Init
from stackcli.model.attention import Attention
from stackcli.model.batch import Batch
from stackcli.model.blocks import Block, FeedForward, hidden_of
from stackcli.model.flex import FlexAttention
from stackcli.model.kernel_choice import choose_kernels, training_length
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Adjusted, PositionEncoding
from stackcli.residual.base import Branch, Residual


class Makers(NamedTuple):
    """Constructors of the parts that a Config names; `join` and `encoding` take the layer, 0 for an encoding that all
    layers share."""

    norm: Callable[[], nn.Module]
    join: Callable[[int], Residual]
    encoding: Callable[..., PositionEncoding]  # of a layer, and a name where layers have different ones
    init: Callable[[], Init]


def makers(config: Config, max_len: int) -> Makers:
    """The constructors for a config. An encoding draws from the random stream (seed, layer, "pe")."""
    c = config
    sizes = {"dim": c.dim, "depth": c.depth, "branches": c.depth * (2 if hidden_of(c) else 1)}

    def norm() -> nn.Module:
        return registry.build_part("norm", c.norm.name, dim=c.dim, **c.norm.options)  # type: ignore[no-any-return]

    def join(layer: int) -> Residual:
        options = c.residual.options
        return registry.build_part("residual", c.residual.name, **sizes, layer=layer, norm=norm, **options)  # type: ignore[no-any-return]

    def encoding(layer: int, name: str = "") -> PositionEncoding:
        with torch_at(c.seed, layer, "pe"):
            return build_encoding(c, max_len, name or c.kind("pe", max(layer, 1)))

    def init() -> Init:
        return registry.build_part("init", c.init.name, **sizes, **c.init.options)  # type: ignore[no-any-return]

    return Makers(norm, join, encoding, init)


def token_std(config: Config) -> float:
    """Standard deviation of the initial token vectors: `embed_std`, unless the initialisation sets its own."""
    return makers(config, max_len=1).init().token_std(config.embed_std)


def drawn_from(config: Config) -> int:
    """Number of positions from which those of a sequence are drawn; 0 where positions count from 0."""
    options = config.pe.options
    return int(options.get("range", 2048)) if options.get("randomised") else 0


def own_options(config: Config, group: str, name: str) -> dict[str, Any]:
    """Returns the keys of a part; of those of a list of parts, one for each layer, the keys that this part has."""
    options = getattr(config, group).options
    if LISTED.get(group) not in options:
        return dict(options)
    known = registry.keys_of(group, name)
    return {key: value for key, value in options.items() if key in known}


def has_own(config: Config, name: str) -> bool:
    """Returns whether each layer has an instance of the encoding of its own."""
    per_layer = registry.load_part("pe", name).per_layer
    return bool(own_options(config, "pe", name).get("layers", "own" if per_layer else "shared") == "own")


def build_encoding(config: Config, max_len: int, name: str = "") -> PositionEncoding:
    """Builds the position encoding, by default that of layer 1, with the keys that several encodings share (dim, scale,
    ...) applied to it. Raises ValueError for an encoding wider than the stack."""
    c, name = config, name or config.pe.name
    kind, options = registry.load_part("pe", name), own_options(config, "pe", name)
    inner = {key: value for key, value in options.items() if key in registry.own_keys(kind)}
    reach, width = drawn_from(c) or max_len, options.get("dim") or c.dim
    if width > c.dim:
        raise ValueError(f"pe.dim={width} is more than dim={c.dim}")
    heads = c.heads if width == c.dim else 1
    encoding: PositionEncoding = registry.build_part(
        "pe", name, dim=width, heads=heads, max_len=max(reach, max_len), **inner
    )
    encoding.causal, encoding.randomised = c.causal, drawn_from(c) > 0
    matched = options.get("scale") == "matched"
    if width == c.dim and not matched:
        return encoding
    return Adjusted(encoding, dim=c.dim, width=width, energy=token_std(c) ** 2 if matched else None)


def build_pattern(config: Config, layer: int, max_len: int = 1) -> Pattern:
    """Builds the kind of attention of a layer. It draws from the random stream (seed, layer, "attention")."""
    c, name = config, config.kind("attention", layer)
    own = {"dim": c.dim, "heads": c.heads, "max_len": max_len, "causal": c.causal, "seed": c.seed, "layer": layer}
    named = inspect.signature(registry.load_part("attention", name)).parameters
    given = {key: value for key, value in own.items() if key in named}
    with torch_at(c.seed, layer, "attention"):
        return registry.build_part("attention", name, **given, **own_options(c, "attention", name))  # type: ignore[no-any-return]


def layer_encodings(config: Config, max_len: int) -> tuple[PositionEncoding, list[PositionEncoding | None]]:
    """Returns the encoding of the stack and those of its blocks, None where they use that of the stack. Where layers
    have different encodings, those that are not of one layer alone are shared by the layers with that encoding."""
    c, make, layers = config, makers(config, max_len), range(1, config.depth + 1)
    names = [c.kind("pe", layer) for layer in layers]
    if len(set(c.kinds("pe"))) == 1 and not has_own(c, c.pe.name):
        return make.encoding(0), [None] * c.depth
    shared = {name: make.encoding(0, name) for name in dict.fromkeys(names) if not has_own(c, name)}
    blocks = [shared.get(name) or make.encoding(layer) for layer, name in zip(layers, names, strict=True)]
    return PositionEncoding(dim=c.dim, heads=c.heads, max_len=max_len), [*blocks]


def build(
    config: Config, *, vocab: int, classes: int, max_len: int, every: bool = False, outputs: int = 1
) -> StackedAttention:
    """Builds the stack that a Config describes. Every tensor is drawn from the random stream (seed, layer, name), so
    layer 1 is the same at every depth. `every`: the stack gives `outputs` answers at every token. Raises ValueError for
    sizes that do not fit together."""
    c, make = config, makers(config, max_len)
    pe, own = layer_encodings(c, max_len)
    blocks = [_block(c, layer, max_len, make.join, own[layer - 1]) for layer in range(1, c.depth + 1)]
    if c.share_layers:
        for block in blocks[1:]:
            share(blocks[0], block)
    scheme = registry.load_part("residual", c.residual.name)
    opening, closing = (make.norm() if has_norm else None for has_norm in (scheme.opening_norm, scheme.closing_norm))
    model = StackedAttention(
        vocab=vocab,
        classes=classes,
        dim=c.dim,
        pe=pe,
        blocks=blocks,
        opening=opening,
        closing=closing,
        dropout=c.dropout,
        every=every,
        outputs=outputs,
    )
    model.reach, model.seed = drawn_from(c), c.seed
    draw(model, make.init(), seed=c.seed, embed_std=c.embed_std, shared=c.share_layers)
    return model


def share(first: nn.Module, other: nn.Module) -> None:
    """Replaces the parameters of `other` by those of `first`, a block of the same form, so that one layer is applied
    several times: Dehghani et al. 2018, arXiv:1807.03819; Lan et al. 2019, arXiv:1909.11942. Running statistics are not
    shared."""
    for name, parameter in list(first.named_parameters(remove_duplicate=False)):
        path, _, leaf = name.rpartition(".")
        setattr(other.get_submodule(path), leaf, parameter)


@torch.no_grad()
def profile(model: StackedAttention, batch: Batch) -> None:
    """Prepares residual schemes whose sizes depend on a first forward pass; does nothing for others.

    Runs a batch of the training part in eval mode, and gives each join the summed variances, over the real tokens, of
    all branches before it.
    """
    joins = [join for block in model.stack for join in block.joins() if join.profiled]
    if not joins:
        return
    variances: list[float] = []  # of every branch

    def watch(join: nn.Module, inputs: tuple[Tensor, Branch, Tensor | None]) -> tuple[Tensor, Branch, Tensor | None]:
        x, branch, mask = inputs

        def watched(h: Tensor) -> Tensor:
            y = branch(h)
            variances.append(variance(y, mask))
            return y

        return x, watched, mask

    was, handles = model.training, [join.register_forward_pre_hook(watch) for join in joins]
    model.eval()
    model(batch.tokens, batch.mask, batch.pos, batch.tree)
    model.train(was)
    for handle in handles:
        handle.remove()
    for i, join in enumerate(joins):
        join.settle(sum(variances[:i]))


def variance(x: Tensor, mask: Tensor | None) -> float:
    """Variance of all numbers of the real tokens of (B, T, D)."""
    return float((x if mask is None else x[mask]).var(unbiased=False))


def build_for(config: Config, loaded: Loaded) -> StackedAttention:
    """Builds the stack for a data set, with the kernels of its training length, and with the word vectors of the data
    set where it has any. They are scaled to the root mean square of the initial token vectors, which keeps the angles
    between them. Raises ValueError where their width is not dim."""
    model = build(config, **loaded.sizes)
    choose_kernels(model, config, training_length(config, loaded))
    weight = model.embedding.weight
    if loaded.vectors is not None and loaded.known is not None and loaded.known.any():
        rows = torch.from_numpy(loaded.vectors[loaded.known])
        if rows.shape[1] != config.dim:
            raise ValueError(
                f"the word vectors have {rows.shape[1]} numbers; write dim={rows.shape[1]}, not {config.dim}"
            )
        with torch.no_grad():
            weight[torch.from_numpy(loaded.known)] = rows * (token_std(config) / float(rows.square().mean().sqrt()))
    weight.requires_grad_(not loaded.frozen)
    return model


def _block(
    config: Config,
    layer: int,
    max_len: int,
    join: Callable[[int], Residual],
    own: PositionEncoding | None,
) -> Block:
    c, hidden = config, hidden_of(config)
    attention = (FlexAttention if c.kernel == "flex" else Attention)(
        dim=c.dim,
        heads=c.heads,
        causal=c.causal,
        pattern=build_pattern(c, layer, max_len),
        dropout=c.attention_dropout,
        explicit=c.kernel == "explicit",
    )
    return Block(
        attention=attention,
        join=join(layer),
        feed=FeedForward(dim=c.dim, hidden=hidden) if hidden else None,
        feed_join=join(layer) if hidden else None,
        own=own,
        dropout=c.dropout,
        layer_drop=c.layer_drop * layer / c.depth,
    )


@torch.no_grad()
def draw(model: StackedAttention, init: Init, *, seed: int, embed_std: float, shared: bool = False) -> None:
    """Draws every matrix, bias and token vector, each from its own random stream; of `shared` layers only the first."""
    for layer, role, weight, bias in model.maps():
        if shared and layer > 1:
            continue
        with torch_at(seed, layer, role):
            init.weight(weight, role)
            if layer and not init.scales:
                weight.mul_(model.stack[layer - 1].gain(role))
        with torch_at(seed, layer, role, "bias"):
            init.bias(bias, role, weight.shape[1])
    with torch_at(seed, 0, "embedding"):
        init.embedding(model.embedding.weight, embed_std)
