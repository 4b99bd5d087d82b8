"""What one run is: a frozen, typed Config, and the range of every setting.

Text is parsed in `config/grid.py` and nowhere else; everything below it is handed one of these. A field whose metadata
says `identity=False` cannot change a result, and so is left out of the run's identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

Scalar = bool | int | float | str | None
GROUPS = ("pe", "residual", "norm", "attention", "init", "data", "adversarial", "distill")
LISTED = {"attention": "layers", "pe": "by_layer"}  # group -> its key for a list of parts, one for each layer
LIST_KEYS = tuple(f"{group}.{key}" for group, key in LISTED.items())


@dataclass(frozen=True, kw_only=True)
class Part:
    """One choice from a group of interchangeable parts, with its own keys: `pe=relative pe.clip=8`."""

    name: str
    keys: tuple[tuple[str, Scalar], ...] = ()  # sorted by key

    @property
    def options(self) -> dict[str, Any]:
        """The part's own keys, ready to be passed to its constructor."""
        return dict(self.keys)

    @property
    def placeless(self) -> dict[str, Any]:
        """The keys without those that say where a file lies and how its text is stored: the text counts, not its place
        or encoding."""
        kept = {k: v for k, v in self.keys if k not in ("path", "vectors", "encoding") and not k.endswith("_path")}
        return {k: v for k, v in kept.items() if (k, v) not in LATER_KEYS.items()}


NONE = Part(name="none")
OFF = {"adversarial": NONE, "distill": NONE, "word_dropout": 0.0}  # settings that came later, as runs before had them
LATER_KEYS = {"clean": "none"}  # the same for keys of data sets of texts


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of one run. Defaults stand in conf/config.yaml; ranges stand here."""

    # the model
    depth: Annotated[int, Ge(1)]
    dim: Annotated[int, Ge(1), Le(65536)]
    heads: Annotated[int, Ge(1), Le(1024)]
    ff: Annotated[float, Ge(0), Le(1024)]
    dropout: Annotated[float, Ge(0), Lt(1)]
    attention_dropout: Annotated[float, Ge(0), Lt(1)]
    layer_drop: Annotated[float, Ge(0), Lt(1)]
    share_layers: bool
    causal: bool
    mask: Literal["padding", "none"]
    embed_std: Annotated[float, Gt(0), Le(100)]
    kernel: Literal["auto", "explicit", "flex"]
    # the training
    epochs: Annotated[int, Ge(1), Le(100_000)]
    steps: Annotated[int, Ge(0), Le(100_000_000)]
    batch: Annotated[int, Ge(1), Le(1_000_000)]
    pad: Literal["batch", "max"]
    lr: Annotated[float, Gt(0), Le(1e12)]
    schedule: Literal["cosine", "constant"]
    warmup: Annotated[float, Ge(0), Lt(1)]
    weight_decay: Annotated[float, Ge(0), Le(1000)]
    clip: Annotated[float, Ge(0), Le(1e12)]
    label_smoothing: Annotated[float, Ge(0), Lt(1)]
    word_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    patience: Annotated[int, Ge(0), Le(1_000_000)]
    seed: Annotated[int, Ge(0), Lt(2**63)]
    # the machine
    threads: Annotated[int, Ge(1), Le(1024)]
    device: Literal["cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"] = "fp32"  # with the value of runs that were stored before the setting existed
    compile: bool | Literal["auto"] = False
    # the record
    probes: bool
    keep: Literal["best", "last", "none"] = field(metadata={"identity": False})
    # the parts
    pe: Part
    residual: Part
    norm: Part
    attention: Part
    init: Part
    data: Part
    adversarial: Part = NONE
    distill: Part = NONE

    def kinds(self, group: str) -> tuple[str, ...]:
        """Names of the parts of layers 1, 2, ..., repeated over the depth; one name where all layers have the same."""
        part: Part = getattr(self, group)
        return tuple(str(part.options.get(LISTED.get(group, ""), part.name)).split(","))

    def kind(self, group: str, layer: int) -> str:
        """Name of the part of a layer, counted from 1."""
        names = self.kinds(group)
        return names[(layer - 1) % len(names)]

    def identity(self) -> dict[str, Any]:
        """The settings that can change a result, as plain values, sorted: what a run's hash is made of. Settings that
        came later are left out where they are off, so that a run keeps its hash."""
        kept = (f.name for f in fields(self) if f.metadata.get("identity", True) and not self.is_off(f.name))
        found = {name: plain(getattr(self, name)) for name in sorted(kept)}
        return {**found, "data": {k: v for k, v in found["data"].items() if (k, v) not in LATER_KEYS.items()}}

    def is_off(self, name: str) -> bool:
        """Whether a setting that came later is as runs before it had it."""
        return name in OFF and getattr(self, name) == OFF[name]

    def flat(self) -> dict[str, Scalar]:
        """`depth`, `pe`, `pe.clip`, ...: the names a user types, each with its value."""
        out: dict[str, Scalar] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Part):
                out[f.name] = value.name
                out.update({f"{f.name}.{key}": item for key, item in value.keys})
            else:
                out[f.name] = value
        return out


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a command goes about its work; none of it can change a result."""

    command: str
    out: Path
    study: str = ""
    jobs: int = 1
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    fail_fast: bool = False
    quiet: bool = False
    json: bool = False
    csv: str = ""
    format: str = ""
    cols: str = ""
    sort: str = ""
    top: int = 0
    formats: tuple[str, ...] = ("png", "svg")
    tune: str = ""
    sampler: str = ""  # of a search: random or bayes; empty: every combination
    trials: int = 40
    prune: bool = False
    remedies: bool = False  # the remedies of what is found are run too
    explain: bool = False  # test items are explained in every run
    attack: bool = False  # test items are attacked in every run
    search: bool = False  # a search for another study: no timing pass, no tables
    printed: bool = True  # the tables and sentences go to stdout
    launcher: Part = Part(name="local")  # where runs are trained
    trackers: tuple[Part, ...] = (NONE,)  # to whom else they report
    config_dir: Path | None = None  # of the user's own parts and defaults
    asked: tuple[str, ...] = ()  # the options among the words typed that the same command needs again


def plain(value: Any) -> Any:
    """A setting as JSON can hold it: a part becomes {name, key: value, ...}."""
    return {"name": value.name, **value.options} if isinstance(value, Part) else value


def from_plain(values: Mapping[str, Any]) -> Config:
    """The inverse: a Config from what a run folder stores. What did not exist yet when the run was stored is off."""
    parts = {
        group: Part(name=keys["name"], keys=tuple(sorted((k, v) for k, v in keys.items() if k != "name")))
        for group, keys in ((group, values[group]) for group in GROUPS if group not in OFF or group in values)
    }
    if parts["data"].name in ("subjects", "csv"):
        parts["data"] = Part(name=parts["data"].name, keys=tuple(sorted((LATER_KEYS | parts["data"].options).items())))
    return Config(**{**values, **parts})
