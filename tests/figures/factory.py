"""Synthetic studies: frames with the columns, types and flaws of real ones, from a formula and a seed."""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from stackcli.analysis.study_data import Frames
from stackcli.common.encodable import replace_surrogates
from stackcli.figures import base

STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 200)
NAMES = (r"$\frac{1}$", "_x", "100 %", "half \ud800 pair", "日本\n語", "x" * 120)
ENDS = ("train_loss_end", "val_loss_end", "train_acc_end", "test_acc_end")
FACTS = {"majority_acc": 0.25, "tfidf_acc": 0.88, "text": True}


def study(
    axes: Mapping[str, Sequence[Any]] | None = None,
    *,
    seeds: int = 3,
    diverged: Sequence[tuple[str, int]] = (),
    status: str = "diverged",
    classes: Sequence[str] = ("world", "sport", "business", "science"),
    max_len: int = 24,
    dim: int = 16,
    ff: float = 4,
    arm: str = "",
    command: str = "",
    **settings: Any,
) -> Frames:
    """A study of every combination of the axes' values with every seed; `diverged`: (point, seed) of broken runs."""
    axes = axes or {}
    heads: dict[str, list[Any]] = {"runs": [], "curve": [], "layers": [], "stack": [], "position": []}
    for values in itertools.product(*axes.values()):
        swept = dict(zip(axes, values, strict=True))
        point = " ".join(f"{key}={value}" for key, value in swept.items())
        point = arm or (str(swept["arm"]) if tuple(axes) == ("arm",) else point)
        for seed in range(seeds):
            head: dict[str, Any] = {"run": f"{point or 'one'}/{seed}", "arm": arm, "point": point}
            head |= {"seed": seed, **swept}
            config: dict[str, Any] = {
                "depth": 2,
                "pe": "learned",
                "residual": "pre",
                "data": "subjects",
                "threads": 1,
                "batch": 32,
            }
            config |= {"dim": dim, "ff": ff, **settings, **swept}
            broken = status if (point, seed) in diverged else "done"
            _one(heads, head, config, broken, classes, max_len)
    frames = {name: pd.DataFrame(map(_cleaned, rows)) for name, rows in heads.items()}
    machine = {"processor": "AMD EPYC 7B13 64-Core Processor", "threads": 1, "load": 0.1, "allocator": "glibc"}
    names, position = frames["runs"]["data"].unique(), frames.pop("position")
    return Frames(
        study="study",
        command=command or ("sweep" if axes else "train"),
        axes=tuple(axes),
        facts={str(name): dict(FACTS) for name in names},
        machine=machine,
        position_tables=lambda: position,
        **frames,
    )


def empty() -> Frames:
    """A study without a single run."""
    none = pd.DataFrame()
    return Frames(study="", command="sweep", axes=("depth",), runs=none, curve=none, layers=none)


def _one(
    out: dict[str, list[Any]],
    head: dict[str, Any],
    config: dict[str, Any],
    status: str,
    classes: Sequence[str],
    max_len: int,
) -> None:
    depth, seed = config["depth"], head["seed"]
    draw = np.random.default_rng([depth, seed, sum(map(ord, head["point"]))])
    result = _result(draw, depth, status, classes)
    out["runs"].append({**head, **config, "status": status, **result})
    steps = [step for step in STEPS if status == "done" or step < 64] if status in ("done", "diverged") else []
    for step in range(0, {"done": 201, "diverged": 61}.get(status, 0), 10):
        val = 0.45 + 0.9 * np.exp(-step / 30) + 0.0012 * depth * max(0, step - 90) + draw.normal(0, 0.015)
        train = 0.05 + 1.3 * np.exp(-step / 40) + draw.normal(0, 0.01)
        blow = ((step / 40) ** 6 if step < 60 else np.inf) if status == "diverged" else 0.0
        losses = {"train_loss": train + blow, "val_loss": val + blow}
        shares = {"train_acc": float(np.exp(-train)), "val_acc": float(np.exp(-val))}
        rate = {"lr": 1e-3 * min(step / 10, 1) * (1 - step / 200)}
        out["curve"].append({**head, "step": step, "epoch": step / 25, **rate, **losses, **shares})
    for step, layer in itertools.product(steps, range(1, depth + 1)):
        out["layers"] += _layer(draw, {**head, "step": step, "layer": layer}, depth, config)
    if status == "done":
        out["position"] += _tables(draw, head, config, max_len)
        out["stack"] += _stack(draw, head, depth, result["test_acc"])


def _result(draw: np.random.Generator, depth: int, status: str, classes: Sequence[str]) -> dict[str, Any]:
    k = len(classes)
    time = 1.5 + 2.1 * depth
    out: dict[str, Any] = {"kernel_used": "fused", "seconds": 2.0 * depth, "classes": tuple(classes)}
    out |= {"forward_ms": 0.3 * time, "backward_ms": 0.55 * time, "update_ms": 0.15 * time, "step_ms": 1.03 * time}
    out |= {"step_ms_low": 0.96 * time, "step_ms_high": 1.15 * time}
    if status != "done":
        numbers = ("test_acc", "val_acc", "gap_end", "gap_best", "step_best", *ENDS)
        step = 60 if status == "diverged" else None
        return {**out, "diverged_step": step, "acc_by_class": (), "confusion": (), **dict.fromkeys(numbers, np.nan)}
    share = min(0.97, 0.78 + 0.05 * np.log2(depth) - 0.004 * depth) + draw.normal(0, 0.008)
    counts = draw.multinomial(
        60, np.full((k, k), (1 - share) / max(k - 1, 1)) + np.eye(k) * (share - (1 - share) / max(k - 1, 1))
    )
    return {
        **out,
        "diverged_step": np.nan,
        "test_acc": float(np.trace(counts) / counts.sum()),
        "val_acc": share,
        "val_loss": 0.5 - 0.1 * share,
        "gap_end": 0.2 + 0.03 * depth + draw.normal(0, 0.02),
        "gap_best": 0.1 + draw.normal(0, 0.015),
        "train_loss_end": 0.4 / depth + draw.uniform(0, 0.02),
        "val_loss_end": 0.4 / depth + 0.2 + 0.03 * depth + draw.normal(0, 0.02),
        "train_acc_end": 1 - 0.1 / depth - draw.uniform(0, 0.01),
        "test_acc_end": share - 0.02 - draw.uniform(0, 0.01),
        "step_best": 90,
        "grad_ratio_init": 1.0 + 0.1 * depth,
        "free_ratio_init": 1.0 + 0.05 * depth + draw.uniform(0, 0.05),
        "by_length": [[n, 0.4 + n / 100, 0.9 - n / 100, 0.3] for n in (16, 32, 64)],
        "acc_by_class": tuple(np.diag(counts) / counts.sum(1)),
        "confusion": tuple(map(tuple, counts.tolist())),
    }


def _layer(draw: np.random.Generator, head: dict[str, Any], depth: int, config: dict[str, Any]) -> list[dict[str, Any]]:
    step, layer = head["step"], head["layer"]
    fall = 0.5 * depth**-0.3 if config["residual"] == "pre" else 0.5 * 2.0 ** (layer - depth)
    g3 = fall * (1 + 0.002 * step) * np.exp(draw.normal(0, 0.1))
    maps = ("q", "v", "o", "ff1", "ff2") if config["ff"] else ("q", "v", "o")
    rows = [
        {
            **head,
            "tensor": name,
            "g1": g3 * (0.2 + 0.6 * layer / depth),
            "g3": g3,
            "update": 0.02 / depth * np.exp(-step / 60 - 0.2 * i + layer / depth) if step else np.nan,
        }
        for i, name in enumerate(maps)
    ]
    rows.append(
        {
            **head,
            "tensor": "block",
            "cosine": 1 - 0.9 ** (layer + depth / 9),
            "rank": 0.9 * 0.8 ** (layer + depth / 9 + step / 100),
        }
    )
    rows += [
        {**head, "tensor": f"head{h}", "entropy": 3.0 - 0.05 * layer - 0.02 * depth - 0.1 * h - 0.002 * step}
        for h in range(4)
    ]
    return rows


def _stack(draw: np.random.Generator, head: dict[str, Any], depth: int, whole: float) -> list[dict[str, Any]]:
    """The rows of layers 0 to the last: later layers add more, and with depth each layer matters less."""
    rows = []
    for layer in range(depth + 1):
        probe = whole - 0.3 * (1 - layer / depth) ** 2 + draw.normal(0, 0.01)
        lost = 0.5 / depth * (1 + layer / depth) + draw.normal(0, 0.01) if layer else np.nan
        rows.append(
            {
                **head,
                "layer": layer,
                "probe_acc": probe,
                "lens_acc": probe - 0.4 * (1 - layer / depth),
                "position_acc": 0.125 + 0.6 * 0.8**layer if head.get("pe") != "none" else 0.125,
                "without_acc": whole - lost,
                "without_loss": 0.5 + lost,
                "cka": tuple(
                    float(np.exp(-abs(layer - other) / 6 - 0.01 * head["seed"])) for other in range(depth + 1)
                ),
            }
        )
    return rows


def _tables(
    draw: np.random.Generator, head: dict[str, Any], config: dict[str, Any], max_len: int
) -> list[dict[str, Any]]:
    if config["pe"] == "learned":
        places, tensors = np.arange(max_len), ["table"]
    elif config["pe"] == "relative":
        places = np.arange(-4, 5)
        tensors = [f"{kind} {layer}" for layer in range(1, config["depth"] + 1) for kind in ("keys", "values")]
    elif config["pe"] in ("alibi", "t5"):
        places, tensors, config = np.arange(-8, 9), ["bias"], {**config, "dim": 4}
    else:
        return []
    out = []
    for tensor in tensors:
        table = np.cumsum(draw.normal(0, 0.05, (len(places), config["dim"])), axis=0)
        out.append({**head, "tensor": tensor, "at": places, "values": table})
    return out


REMEDIES = {"remedy": ["as it was", "warmup=0.2", "residual=pre"], "affected": ["depth=16", "depth=8"]}
STUDIES: dict[str, Callable[[], Frames]] = {
    "one run": lambda: study(seeds=1),
    "five depths": lambda: study({"depth": [1, 2, 4, 8, 16]}),
    "twenty depths": lambda: study({"depth": list(range(1, 21))}, seeds=2),
    "two axes": lambda: study({"depth": [1, 2, 4, 8, 16], "residual": ["pre", "post"]}),
    "category by depth": lambda: study({"pe": ["learned", "relative"], "depth": [1, 2, 4]}, seeds=2),
    "categories": lambda: study({"pe": ["learned", "sinusoidal", "relative"]}),
    "thirty categories": lambda: study(
        {"pe": [f"code_{i}" if i % 3 else f"a rather long name, {i}" for i in range(30)]}
    ),
    "thirty classes": lambda: study(classes=[f"class {i}" if i % 4 else f"a rather long name, {i}" for i in range(30)]),
    "diverged": lambda: study({"depth": [1, 4, 8]}, diverged=[("depth=4", 1), *(("depth=8", s) for s in range(3))]),
    "diverged, two axes": lambda: study(
        {"depth": [2, 4], "residual": ["pre", "post"]},
        diverged=[("depth=4 residual=pre", 1), *(("depth=4 residual=post", s) for s in range(3))],
    ),
    "all diverged": lambda: study({"depth": [1, 2]}, diverged=[(f"depth={d}", s) for d in (1, 2) for s in range(3)]),
    "failed": lambda: study({"depth": [1, 2, 4]}, diverged=[("depth=4", s) for s in range(3)], status="failed"),
    "names as typed": lambda: study({"arm": NAMES}, classes=NAMES),
}


def _cleaned(row: dict[str, Any]) -> dict[str, Any]:
    """The row as `load_study` reads it: where pyarrow is installed, pandas has no half of a surrogate pair."""
    return {key: replace_surrogates(value) if isinstance(value, str) else value for key, value in row.items()}


@cache
def _made(case: str) -> Frames:
    return STUDIES[case]()


def _copy_of(case: str) -> Frames:
    """The study of a case, which is made once, as a copy of its own."""
    made = _made(case)
    frames = {name: getattr(made, name).copy() for name in ("runs", "curve", "layers", "stack")}
    position = made.position_tables().copy()
    return replace(made, position_tables=lambda: position, **frames)


CASES: dict[str, Callable[[], Frames]] = {case: partial(_copy_of, case) for case in STUDIES}


SLOW = (
    "five depths",
    "categories",
    "twenty depths",
    "category by depth",
    "thirty classes",
    "diverged",
    "two axes",  # the diverged ones have two axes as well
    "failed",
)


def parameters(*slow: str) -> list[Any]:
    """The cases, these of them slow."""
    return [pytest.param(case, marks=pytest.mark.slow) if case in slow else case for case in CASES]


PARAMETERS = parameters(*SLOW)
# where the code that chooses and places many categories is that of accuracy, gradient, gradient_steps or loss
FEW = parameters(*SLOW, "thirty categories")


def draw(name: str, frames: Frames) -> Figure:
    """The figure of that name; fails if there is nothing to draw."""
    figure = base.load_figure(name)(frames)
    assert figure is not None
    return figure


def labelled(axes: Axes, label: str) -> list[Any]:
    """The artists of a panel with that label, in the order drawn."""
    return [artist for artist in axes.get_children() if artist.get_label() == label]


def cells(axes: Axes) -> Any:
    """The values of a heat map, drawn as squares or as one image."""
    return heat_maps(axes)[0].get_array()


def heat_maps(axes: Axes) -> list[Any]:
    """The heat maps of a panel."""
    return [*axes.collections, *axes.images]


def titles(figure: Figure) -> list[str]:
    """The titles of the panels that have one."""
    return [title for axes in figure.axes if (title := axes.get_title() or axes.get_title(loc="left"))]


def check(figure: Figure) -> None:
    """Fails for text that overlaps, leaves the figure, is too small or is parsed as mathematics, for a legend over
    data, and for an axis without a label, or with numbers and no unit."""
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.draw_without_rendering()
    heads = [text.get_text() for text in figure.texts if text.get_gid() == "headline"]
    assert all(head.endswith("?") and head[0].isupper() for head in heads), heads
    page = figure.bbox.padded(1)
    # of an annotation the text without its arrow
    boxes = [(text.get_text(), Text.get_window_extent(text, renderer).padded(-0.7)) for text in _texts(figure)]
    for words, box in boxes:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, f"{words!r} is cut"
    for (words, box), (others, other) in itertools.combinations(boxes, 2):
        assert not box.overlaps(other), f"{words!r} and {others!r} overlap"
    for legend, axes in itertools.product(_legends(figure), figure.axes):
        inner = axes.get_window_extent(renderer).padded(-0.7)
        assert not legend.get_window_extent(renderer).overlaps(inner), "a legend covers a panel"
    for text in figure.findobj(Text):
        assert not text.get_parse_math(), f"{text.get_text()!r} is read as mathematics"
        assert float(text.get_fontsize()) >= 7 or not text.get_text(), f"{text.get_text()!r} is too small"
    for axes in figure.axes:
        _check_label(axes.xaxis, axes.get_xlabel())
        _check_label(axes.yaxis, axes.get_ylabel() or _label_of_the_row(axes))


def _label_of_the_row(axes: Axes) -> str:
    """The label of the first panel of the row, which is that of all."""
    place = axes.get_subplotspec()
    panels = [other for other in axes.figure.axes if place and other.get_subplotspec()]
    row = [other for other in panels if other.get_subplotspec().rowspan == place.rowspan]  # type: ignore[union-attr]
    return row[0].get_ylabel() if row else ""


def _check_label(axis: Any, label: str) -> None:
    ticks = [text.get_text() for text in axis.get_ticklabels() if text.get_visible() and text.get_text()]
    if ticks:
        assert label, f"no label at {ticks}"
        numbers = all(tick.lstrip("−").replace(".", "").replace("×10", "").isnumeric() for tick in ticks)
        assert "(" in label or not numbers, f"{label!r} has no unit"


def _legends(figure: Figure) -> list[Legend]:
    own = [axes.get_legend() for axes in figure.axes]
    return [*figure.legends, *(legend for legend in own if legend)]


def _texts(figure: Figure) -> list[Text]:
    """Every visible text."""
    found: list[Text] = list(figure.texts)
    for legend in _legends(figure):
        found += legend.get_texts()
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]  # type: ignore[attr-defined]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            # hidden ticks have no label
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            found += [text for at, text in ticks if low <= at <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]
