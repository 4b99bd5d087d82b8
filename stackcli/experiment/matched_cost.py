"""Fair depth, `match=params` or `match=flops`: chooses dim and ff of every depth so that all depths cost the same.

Most ablations of depth change the size too: twice as deep is twice as many parameters. Here the middle depth (or
`match_depth=`) has the settings as typed. Every other depth has the dim, a multiple of heads, whose cost with the typed
ff is nearest to that of the middle depth; where none is within 3 %, ff changes as little as possible, by a factor of
1.5 at most.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.config import overrides
from stackcli.config.grid import Grid, parse_grid
from stackcli.config.settings import Config, Part
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import study
from stackcli.experiment.study import Arms

CHOICES = ("none", "params", "flops")
NEAR = 0.03  # relative difference that is allowed
STRETCH = 1.5  # how far ff may be from the typed one, as a factor
WHAT = {"params": "non-embedding parameters", "flops": "FLOPs of a forward pass"}
WIDEST = 65536  # that dim may be

Cost = Callable[[Config], int]


class Match(NamedTuple):
    """What is matched (params, flops or none), and the depth with the settings as typed; None: the middle one."""

    by: str
    depth: Any = None


class Asked(NamedTuple):
    """What the cost of a stack depends on in the data: the width of the output, whether every token has one, the tokens
    of the median training sequence, and the positions; `fixed`: dim must be the width of given word vectors."""

    out: int
    every: bool
    length: int
    max_len: int
    fixed: bool = False


class Sized(NamedTuple):
    """A point, the same with the dim and ff that were found, the stack whose cost it should have, and both costs."""

    point: Config
    made: Config
    model: Config
    cost: int
    target: int

    @property
    def off(self) -> float:
        return self.cost / self.target - 1

    def __str__(self) -> str:
        return f"dim={self.made.dim} ff={self.made.ff:g}: {self.cost:,} ({100 * self.off:+.1f} %)"


def matched_arms(words: Sequence[str], folder: Path | None, presets: Sequence[str] = ()) -> Arms:
    """Returns the runs of a grid, its depths matched where the words say so. Raises UsageError, and DataError for data
    that cannot be used."""
    own = [word for word in words if word.partition("=")[0] in ("match", "match_depth")]
    match, problems = read_match(own)
    try:
        grid = parse_grid(tuple(w for w in words if w not in own), presets=presets, config_dir=folder)
    except UsageError as error:
        raise UsageError([*problems, *error.problems]) from None
    problems += match_problems(match, grid)
    if problems:
        raise UsageError(problems)
    arms = Arms.of_grid(grid) if match.by == "none" else match_grid(grid, match)
    return replace(arms, typed=tuple(words))


def read_match(words: Sequence[str]) -> tuple[Match, list[str]]:
    """Reads the words `match=` and `match_depth=`; returns also what is wrong with them."""
    problems, given = [], dict[str, Any]()
    for word in words:
        axis = overrides.parse_override(word)
        if axis.key in given:
            problems.append(f"{axis.key} is given twice; give it once")
        elif len(axis.values) > 1:
            problems.append(f"{word}: takes one value")
        given[axis.key] = axis.values[0]
    match = Match(given.get("match", "none"), given.get("match_depth"))
    if match.by not in CHOICES:
        offered = suggest_nearest(str(match.by), CHOICES, "choose from " + ", ".join(CHOICES))
        problems.append(f"match={match.by}: unknown{offered}")
    if match.depth is not None and match.by == "none":
        problems.append("match_depth needs match=params or match=flops")
    return match, problems


def match_problems(match: Match, grid: Grid) -> list[str]:
    """Describes what cannot be matched in a grid."""
    if match.by not in WHAT:
        return []
    named, depths = f"match={match.by}", grid.axes.get("depth", ())
    problems = [f"{named} chooses {k} for every depth: give {k} one value" for k in ("dim", "ff") if k in grid.axes]
    if not depths:
        problems.append(f"{named} needs several depths: depth=1,2,4")
    elif match.depth is not None and match.depth not in depths:
        problems.append(f"match_depth={match.depth}: choose from the depths, {', '.join(map(str, depths))}")
    return problems


def match_grid(grid: Grid, match: Match) -> Arms:
    """Returns the grid with dim and ff of every depth replaced. Raises UsageError where a depth cannot be matched."""
    depths = sorted(c.depth for c in dict.fromkeys(replace(grid.configs[0], depth=c.depth) for c in grid.configs))
    depth = depths[(len(depths) - 1) // 2] if match.depth is None else int(match.depth)
    points = dict.fromkeys(replace(c, seed=0) for c in grid.configs)
    asked = {data: asked_by(data) for data in dict.fromkeys(c.data for c in points)}
    found = {c: match_point(c, replace(c, depth=depth), match.by, asked[c.data]) for c in points}
    problems = [far_off(one, match.by, grid) for one in found.values() if abs(one.off) > NEAR]
    if problems:
        raise UsageError(problems)
    like = next(iter(points))
    base = {k: v for k, v in grid.base.items() if k not in ("dim", "ff")}
    return replace(
        Arms.of_grid(grid),
        configs=tuple(replace(found[replace(c, seed=0)].made, seed=c.seed) for c in grid.configs),
        base={**base, "match": f"{match.by} of depth={depth} dim={like.dim} ff={like.ff:g}"},
        overrides=(*grid.overrides, f"match={match.by}", f"match_depth={depth}"),
        match={"by": match.by, "depth": depth},
        chosen=("dim", "ff"),
        notes=(
            f"match={match.by}: each depth has the {WHAT[match.by]} of depth={depth}, to within {100 * NEAR:g} %",
            *(f"  {study.point_label(c, '', tuple(grid.axes))}: {one}" for c, one in found.items()),
        ),
    )


def far_off(one: Sized, by: str, grid: Grid) -> str:
    like, point = one.model, study.point_label(one.point, "", tuple(grid.axes))
    return (
        f"match={by}: {point} comes no nearer than {one} to the {one.target:,} "
        f"{WHAT[by]} of depth={like.depth} dim={like.dim} ff={like.ff:g}; {100 * NEAR:g} % are allowed. Try a larger "
        "dim, or fewer heads"
    )


# ---- the search


def match_point(point: Config, like: Config, by: str, asked: Asked) -> Sized:
    """Returns the point with the dim and ff that bring it nearest to the cost of `like`, a stack that differs only in
    depth: the typed ff where that comes within 3 %, else the ff nearest to it. Raises ValueError where a part refuses
    the typed sizes."""
    from stackcli.model.compatibility import try_parts

    try_parts(like)
    cost = cost_of(by, asked)
    target = cost(like)
    found = [Sized(point, config, like, cost(config), target) for config in candidates(point, like, cost, asked.fixed)]

    def rank(one: Sized) -> tuple[float, ...]:
        near = abs(one.off) <= NEAR
        stretched = abs(math.log(one.made.ff / point.ff)) if point.ff else 0.0
        return (0, stretched, abs(one.off)) if near else (1, abs(one.off), stretched)

    return min(found, key=rank)


def candidates(point: Config, like: Config, cost: Cost, fixed: bool) -> Iterator[Config]:
    """Yields the typed ff, and the allowed ff whose cost is nearest to that of `like`, at every dim from a first guess
    to the first dim on the other side of that cost; at the typed dim alone where it is `fixed`."""
    target, heads = cost(like), point.heads
    start = max(1, round(point.dim * math.sqrt(like.depth / point.depth) / heads)) * heads
    ways = [[point.dim]] if fixed else [range(start, 0, -heads), range(start + heads, WIDEST + 1, heads)]
    for way in ways:
        for dim in way:
            config = replace(point, dim=dim)
            if accepts_sizes(config):
                yield config
                yield fit_feed_forward(config, target, cost)
                if (cost(config) <= target) == (dim <= start):
                    break


def fit_feed_forward(config: Config, target: int, cost: Cost) -> Config:
    """Returns the config with the allowed ff whose cost is nearest to the target, to one decimal where that is near
    enough, else to two. Costs are linear in ff."""
    least, most = (replace(config, ff=config.ff * factor) for factor in (1 / STRETCH, STRETCH))
    low, high = cost(least), cost(most)
    share = min(1.0, max(0.0, (target - low) / (high - low))) if high > low else 0.0
    coarse, fine = (replace(config, ff=round(least.ff + share * (most.ff - least.ff), digits)) for digits in (1, 2))
    return coarse if abs(cost(coarse) / target - 1) <= NEAR else fine


def accepts_sizes(config: Config) -> bool:
    """Returns whether every part accepts the sizes."""
    from stackcli.model.compatibility import try_parts

    try:
        try_parts(config)
    except ValueError:
        return False
    return True


# ---- what a stack costs


def asked_by(data: Part) -> Asked:
    """Reads what the cost depends on in the data. Raises DataError for data that cannot be used."""
    import numpy as np

    loaded = registry.build_part("data", data.name, **data.options).load()
    return Asked(
        out=len(loaded.classes) * loaded.outputs,
        every=loaded.every,
        length=int(np.median([len(tokens) for tokens in loaded.train.tokens])),
        max_len=loaded.max_len,
        fixed=loaded.vectors is not None,
    )


def cost_of(by: str, asked: Asked) -> Cost:
    return lambda config: (params if by == "params" else flops)(config, asked)


def params(config: Config, asked: Asked) -> int:
    """Counts the trained parameters of a stack without its token and position tables, without building it: per block
    4 D^2 + 4 D of attention and those of its kind, 2 D F + F + D of the feed-forward map and those of its joins; the
    first and the last norm, where the scheme has them; the classifier. Shared layers count once."""
    from stackcli.model.blocks import hidden_of
    from stackcli.model.build import build_pattern, makers

    make, D, F = makers(config, max_len=1), config.dim, hidden_of(config)
    first, second = make.join(1), make.join(1)
    second.pair(first)
    joins = {id(p): p.numel() for p in (*first.parameters(), *(second.parameters() if F else ()))}
    block = 4 * D * D + 4 * D + (2 * D * F + F + D if F else 0) + sum(joins.values())
    scheme = registry.load_part("residual", config.residual.name)
    ends = (scheme.opening_norm + scheme.closing_norm) * sum(p.numel() for p in make.norm().parameters())
    layers, n = 1 if config.share_layers else config.depth, len(config.kinds("attention"))
    own = [build_pattern(config, layer, asked.max_len).parameters() for layer in range(1, min(n, layers) + 1)]
    sizes = [sum(p.numel() for p in parameters) for parameters in own]
    kinds = sum(sizes[layer % n] for layer in range(layers))
    return int(layers * block + kinds + ends + (D + 1) * asked.out)


def flops(config: Config, asked: Asked) -> int:
    """Counts the FLOPs of a forward pass of a training sequence of median length, without building the stack."""
    from stackcli.model.build import makers
    from stackcli.model.cost import closed_flops

    make = makers(config, asked.max_len)
    encodings = [make.encoding(layer) for layer, _ in enumerate(config.kinds("pe"), start=1)]
    return closed_flops(config, encodings, length=asked.length, out=asked.out, every=asked.every)
