"""Which settings of a run can be shared by several processes; the others are refused before anything runs."""

import torch
from torch import nn

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.model.blocks import hidden_of
from stackcli.model.build import build_pattern, makers
from stackcli.pe.base import Context, PositionEncoding


def check_parallel(config: Config) -> None:
    """Raises ValueError for settings that `devices`, `parallel` and `accumulate` do not go with."""
    c = config
    if c.accumulate > 1 and c.norm.name == "batch":
        raise ValueError("norm=batch takes its statistics from the whole batch; write accumulate=1, or norm=layer")
    if c.devices == 1:
        if c.parallel != "data":
            raise ValueError(f"parallel={c.parallel} needs several processes; write devices=2, or leave it out")
        return
    check_method(config)
    if c.parallel == "tensor":
        check_tensor(config)
    elif c.norm.name == "batch":
        raise ValueError(f"norm=batch takes its statistics from the whole batch, and parallel={c.parallel} divides it;"
                         " write norm=layer")  # fmt: skip
    if c.parallel == "sharded":
        check_sharded(config)


def check_method(config: Config) -> None:
    """Raises ValueError for what no way of several processes computes."""
    c, alone = config, "write devices=1"
    refused = {
        "device=mps": c.device == "mps",
        f"adversarial={c.adversarial.name}": not c.is_off("adversarial"),
        f"distill={c.distill.name}": not c.is_off("distill"),
        f"compile={str(c.compile).lower()}": c.compile is not False,
        "kernel=flex": c.kernel == "flex",
        "pe.loss": c.pe.options.get("loss", "none") != "none",
    }
    for word in (word for word, there in refused.items() if there):
        raise ValueError(f"{word} is computed by one process only, not with devices={c.devices}; {alone}")
    if c.batch < c.devices and c.parallel != "tensor":
        raise ValueError(f"devices={c.devices} divide the rows of a batch; write batch={c.devices} or more")
    if c.share_layers and c.parallel != "data":
        raise ValueError(f"share_layers=true does not go with parallel={c.parallel}; write parallel=data")


def check_sharded(config: Config) -> None:
    """Raises ValueError for parameters that `fully_shard` cannot divide."""
    make, layers = makers(config, max_len=1), range(1, config.depth + 1)
    parts: dict[str, nn.Module] = {f"residual={config.residual.name}": make.join(1)}
    parts |= {f"pe={name}": make.encoding(1, name) for name in config.kinds("pe")}
    parts |= {f"attention={config.kind('attention', i)}": build_pattern(config, i) for i in layers}
    for name, part in parts.items():
        if any(p.dim() == 0 for p in part.parameters()):
            raise ValueError(f"{name} trains a single number, which parallel=sharded cannot divide; write parallel=data"
                             " or tensor")  # fmt: skip


def check_tensor(config: Config) -> None:
    """Raises ValueError for heads, units, kinds of attention and encodings that cannot be divided over processes."""
    c, size, hidden = config, config.devices, hidden_of(config)
    if c.heads % size or hidden % size:
        what = f"heads={c.heads}" if c.heads % size else f"{hidden} feed-forward units"
        raise ValueError(f"parallel=tensor divides heads and feed-forward units by devices={size}, and {what} cannot be"
                         " divided; write another number, or parallel=data")  # fmt: skip
    if c.attention_dropout:
        raise ValueError("parallel=tensor has no dropout of attention weights; write attention_dropout=0")
    for layer in range(1, c.depth + 1):
        if not is_plain(build_pattern(c, layer)):
            raise ValueError(f"parallel=tensor does not divide attention={c.kind('attention', layer)}; write"
                             " attention=full, or parallel=data")  # fmt: skip
    for name in c.kinds("pe"):
        if not divides_by_head(makers(c, max_len=1).encoding(1, name), size):
            raise ValueError(f"parallel=tensor does not divide pe={name} by heads; write parallel=data or sharded")


def is_plain(pattern: Pattern) -> bool:
    """Returns whether a kind of attention only chooses pairs of tokens, the same for each head."""
    own = ("prepare", "sink", "mix_scores", "mix_weights", "gate")
    kept = all(getattr(type(pattern), name) is getattr(Pattern, name) for name in own)
    return kept and pattern.scored and not pattern.extends and not any(True for _ in pattern.parameters())


def divides_by_head(pe: PositionEncoding, size: int) -> bool:
    """Returns whether an encoding gives each part of the heads what it gives them among all, by trying it."""
    if not pe.every_block:
        return True
    heads, width, T = pe.heads, pe.dim // pe.heads, 3
    draw = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, heads, T, width, generator=draw) for _ in range(2))
    weights = torch.rand(1, heads, T, T, generator=draw)
    ctx = Context(torch.arange(T), tree=torch.zeros(1, T, dtype=torch.long), causal=pe.causal)

    def hooks(own: slice) -> list[torch.Tensor | None]:
        a, b = pe.rotate(q[:, own], k[:, own], ctx)
        return [a, b, pe.bias(a, b, ctx), pe.mix(weights[:, own], ctx)]

    with torch.no_grad():
        for rank in range(size):
            own = slice(rank * heads // size, (rank + 1) * heads // size)
            try:
                parts = hooks(own)
            except (RuntimeError, IndexError):
                return False
            for every, part in zip(hooks(slice(0, heads)), parts, strict=True):
                if every is None or part is None:
                    if every is not part:
                        return False
                    continue
                by_head = every.dim() > 2 and every.shape[-3] == heads
                part = part[..., own, :, :] if by_head and part.shape[-3] == heads else part
                if not torch.allclose(every[..., own, :, :] if by_head else every, part, equal_nan=True):
                    return False
    return True
