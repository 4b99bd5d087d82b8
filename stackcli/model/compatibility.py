"""Whether the parts of a Config go together: each is built once, for sequences of one token."""

import math

import torch

from stackcli.attention.base import Pattern
from stackcli.config.settings import LISTED, Config
from stackcli.init.base import Init
from stackcli.model.build import build_pattern, makers
from stackcli.model.flex import check_flex
from stackcli.model.parallel_limits import check_parallel
from stackcli.pe.base import Context, PositionEncoding
from stackcli.residual.base import Residual


def try_parts(config: Config) -> None:
    """Builds each part once. Raises ValueError for settings that do not fit together."""
    make = makers(config, max_len=1)
    join, init = make.join(1), make.init()
    check_layers(config)
    check_scaling(config, join, init)
    check_layer_drop(config)
    check_parallel(config)
    if config.share_layers and join.profiled:
        raise ValueError(
            f"residual={config.residual.name} sizes every block by those before it; write share_layers=false"
        )
    options = config.pe.options
    if options.get("pretrain") and options.get("loss") == "none":
        raise ValueError("pe.pretrain needs pe.loss=order or pe.loss=smooth")
    if options.get("loss", "none") != "none" and not any(True for _ in make.encoding(1).parameters()):
        raise ValueError(
            f"pe.loss={options['loss']} needs an encoding with something to train, not pe={config.pe.name}"
        )


def check_layers(config: Config) -> None:
    """Raises ValueError where the kind of attention of a layer does not go with its encoding, or layers that differ are
    to share their weights."""
    make, encodings, patterns = makers(config, max_len=1), config.kinds("pe"), config.kinds("attention")
    for group, names in (("pe", encodings), ("attention", patterns)):
        if config.share_layers and len(set(names)) > 1:
            key = f"{group}.{LISTED[group]}={','.join(names)}"
            raise ValueError(f"share_layers=true applies one block at every depth, and {key} has different ones")
    layers = range(1, math.lcm(len(encodings), len(patterns)) + 1)
    for pe, attention in dict.fromkeys((config.kind("pe", layer), config.kind("attention", layer)) for layer in layers):
        check_pair(config, make.encoding(1, pe), build_pattern(config, patterns.index(attention) + 1), pe, attention)


def check_pair(config: Config, encoding: PositionEncoding, pattern: Pattern, pe: str, attention: str) -> None:
    """Raises ValueError where a kind of attention and an encoding do not go together in a layer."""
    if len(set(config.kinds("pe"))) > 1 and not encoding.every_block:
        raise ValueError(
            f"pe.by_layer: {pe} is added to the tokens once, before layer 1, so it cannot be that of some layers; list"
            " encodings that are computed in every layer, such as rope, alibi or relative, and none"
        )
    if config.kernel == "flex":
        check_flex(config, encoding, pattern, pe=pe, attention=attention)
    hooks = ("rotate", "bias", "mix")
    pairwise = encoding.every_block and any(
        getattr(type(encoding), h) is not getattr(PositionEncoding, h) for h in hooks
    )
    if pairwise and not pattern.scored:
        raise ValueError(
            f"pe={pe} works on the scores of attention; attention={attention} has none. Write"
            " attention=full, or an encoding that changes the tokens, such as learned, sinusoidal or conv"
        )
    if config.attention_dropout and not pattern.scored:
        raise ValueError(f"attention_dropout needs attention weights, which attention={attention} never has")
    if type(pattern).mix_scores is not Pattern.mix_scores and masks_keys(config, encoding):
        raise ValueError(
            f"pe={pe} hides some keys from some heads, and attention={attention} mixes the scores of all heads; write"
            " pe.form=symmetric, or another encoding"
        )
    if type(pattern).cut is not Pattern.cut and not encoding.by_pairs:
        raise ValueError(
            f"pe={pe} needs the scores of all pairs of tokens, which attention={attention} does"
            " not compute; write attention=full, or another encoding"
        )


def masks_keys(config: Config, encoding: PositionEncoding) -> bool:
    """Returns whether the encoding's bias is minus infinity for some keys, as in forms of ALiBi."""
    q = torch.zeros(1, config.heads, 2, config.dim // config.heads)
    tree = torch.zeros(1, 2, dtype=torch.long)
    with torch.no_grad():
        bias = encoding.bias(q, q, Context(torch.arange(2), tree=tree, causal=config.causal))
    return bias is not None and bool(bias.isinf().any())


def check_scaling(config: Config, join: Residual, init: Init) -> None:
    """Raises ValueError where residual scheme and initialisation both size the branches."""
    sized = any(join.gain(role) != 1 for role in ("q", "k", "v", "o", "ff1", "ff2"))
    if sized and init.scales and config.init.name != config.residual.name:
        raise ValueError(
            f"residual={config.residual.name} sizes its branches by depth, and init={config.init.name} would do so"
            " again; write init=default, xavier, small or orthogonal"
        )
    if init.scales and config.residual.options.get("beta"):
        raise ValueError(f"residual.beta would do nothing: init={config.init.name} has its own; write init=xavier")
    if config.init.name == "zero" and config.residual.name == "rezero":
        raise ValueError(
            "residual=rezero and init=zero both start every branch at zero, so neither can be trained; write"
            " init=default"
        )


def check_layer_drop(config: Config) -> None:
    """Raises ValueError for a residual scheme that layer drop does not go with."""
    if config.layer_drop and config.residual.name == "none":
        raise ValueError("layer_drop needs a skip connection: residual=none has none")
    if config.layer_drop and config.residual.name == "sandwich":
        raise ValueError("layer_drop does not go with residual=sandwich, whose norm undoes the scaling of a branch")
