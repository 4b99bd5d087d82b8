"""Override text -> a Grid of frozen Configs. The only importer of Hydra and OmegaConf; every user error is raised here.

Text is read with Hydra's grammar (`depth=1,2,4`, `range(1,5)`, `choice(...)`, `pe=glob(*)`), counted, composed with the
configuration folders, typed and range-checked. Problems are collected and raised together. `grid` is the whole story;
what it calls stands below it in the order of the calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

from annotated_types import Ge, Le

from stackcli.settings import GROUPS, Config, Scalar

HINTS = get_type_hints(Config, include_extras=True)
SETTINGS: dict[str, Any] = {key: hint for key, hint in HINTS.items() if key not in GROUPS}
SETTINGS["seeds"] = Annotated[int, Ge(1), Le(10_000)]

Problems = list[tuple[str, str]]  # (key, message): the key tells which later checks would only repeat the complaint
Names = dict[str, tuple[str, ...]]  # group -> the parts asked for


class UsageError(ValueError):
    """What the user typed cannot be done; each problem says what was given, what is allowed and what to type."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every run of a study, in order: the product of the axes, the one typed last running fastest, seeds inside it."""

    overrides: tuple[str, ...]  # as given, without the command's presets
    axes: Mapping[str, tuple[Scalar, ...]]  # the swept keys in the order typed, without seed; a part by its name
    configs: tuple[Config, ...]
    base: Mapping[str, Scalar]  # every other setting that is the same in all configs, without seed and seeds
    seeds: tuple[int, ...]


class Word(NamedTuple):
    """An override as read: `depth=1,2,4`. A range is counted here and listed only once the grid is known to be small."""

    text: str  # what was typed after the `=`
    size: int
    values: Iterable[Any]
    swept: bool  # typed as several values, even if it comes to one


class Entry(NamedTuple):
    """A value in a configuration file."""

    text: str
    kind: str  # YAML's own: str, int, float, bool, null
    line: int


class File(NamedTuple):
    path: Path
    entries: dict[str, Entry]
    shipped: bool  # part of this package; False: the user's own, so that its values are checked like typed ones


class Own(NamedTuple):
    """The keys of one part: their values unless overridden, and how to check one."""

    values: dict[str, Scalar]
    file: File | None


def grid(
    overrides: Sequence[str],
    *,
    presets: Sequence[str] = (),
    single: bool = False,
    needs: str = "",
    config_dir: Path | None = None,
    limit: int = 100_000,
) -> Grid:
    """The runs that the overrides ask for. Raises UsageError with every problem found; prints and logs nothing.

    `presets` are the command's own overrides, each replaced by the user's of the same key. `single` accepts one value
    a key and one seed; `needs` names a key that must have two values or more. More than `limit` runs are refused
    before any is composed. A part's own key applies to the swept parts that have it: `pe=learned,relative pe.clip=4,8`
    is three settings.
    """
    problems: Problems = []
    folders = _folders(config_dir)
    words = _words(presets, overrides, problems)
    if single:
        _only_one(words, problems)
    main = _main_file(folders, problems)
    runs = _runs(words, main, single)
    if runs > limit:
        problems.append(("", f"this is {_large(runs)} runs ({_sizes(words)}); at most {limit:,} are accepted"))
        _refuse(problems)

    values: dict[str, tuple[Scalar, ...]] = {}
    names = _names(words, main, values, problems)
    files = {(group, name): _file(folders, group, name, problems) for group in GROUPS for name in names[group]}
    settings, own = _composed(names, files, main, folders, problems)
    _settings(words, settings, main, values, problems)
    own_values = _own_values(words, names, own, values, problems)
    if needs and needs not in dict(problems) and len(values.get(needs, ())) < 2:
        problems.append((needs, f"{needs} needs at least two values to compare; {_example(needs)}"))
    _refuse(problems)

    seeds = _seeds(words, values, settings, single, problems)
    ordered = {key: values[key] for key in words if key not in ("seed", "seeds")}
    points = _points(ordered, settings, names, own, own_values)
    _check_shapes(points, problems)
    _refuse(problems)
    axes = {key: some for key, some in ordered.items() if len(some) > 1}
    return Grid(
        overrides=tuple(overrides),
        axes=axes,
        configs=tuple(Config(**point, seed=seed) for point in points for seed in seeds),
        base=_base(points, axes),
        seeds=seeds,
    )


def count(
    overrides: Sequence[str], *, presets: Sequence[str] = (), single: bool = False, config_dir: Path | None = None
) -> int:
    """The number of runs asked for, computed and not listed: points that turn out to be the same count twice."""
    problems: Problems = []
    words = _words(presets, overrides, problems)
    main = _main_file(_folders(config_dir), problems)
    _refuse(problems)
    return _runs(words, main, single)
