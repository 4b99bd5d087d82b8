"""Draws the figures of a study, each only where it would differ from the one that is there. Never loads PyTorch."""

import contextlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from stackcli.common import registry
from stackcli.common.atomic_files import CorruptionError, read_json, write_json
from stackcli.common.records import dumps
from stackcli.experiment import part_source
from stackcli.experiment.identity import digest
from stackcli.experiment.progress import Counting, count_silently
from stackcli.experiment.serialization import hash_file
from stackcli.experiment.side_by_side import make_each
from stackcli.experiment.store import Store
from stackcli.experiment.written_files import abbreviate_files

STAMP = "figures.json"  # which runs a study's figures were drawn from, and the inputs and files of each
SOURCES = ("stackcli.figures.", "stackcli.analysis.", "stackcli.common.")  # modules that decide how a figure looks
PACKAGE = part_source.PACKAGE
CHUNK = 1000  # runs that are hashed at once


class Drawn(NamedTuple):
    """The files of a study's figures, those of them that were drawn now, and how many figures were and were not."""

    paths: list[Path]
    new: list[Path]
    drawn: int = 0
    unchanged: int = 0


@lru_cache(maxsize=2)
def hash_runs(frames: Any) -> str:
    """The hash of a study's runs, of their explanations and of the attacks on them, computed once for each report."""
    runs, attacks = _describe_runs(frames.runs), {"attacks": frames.attacks.to_json()} if len(frames.attacks) else {}
    found = [runs, frames.scores.to_json()] if len(frames.scores) else runs
    return digest({"runs": found, **attacks} if attacks else found)


def _describe_runs(runs: Any) -> Any:
    """The rows as text; of many rows the hash of each thousand, as all at once would take as much memory as a study."""
    if len(runs) <= CHUNK:
        return runs.to_json()
    return [digest(runs.iloc[first : first + CHUNK].to_json()) for first in range(0, len(runs), CHUNK)]


def hash_study(frames: Any) -> str:
    """The hash of everything in a study that a figure can show. The curves and layers of a run follow from its result,
    which holds the hash of its weights."""
    heads = frames.heads.to_json() if len(frames.heads) else ""
    what = (frames.study, frames.command, frames.axes, frames.overrides, frames.chosen)
    facts = [frames.match, frames.known, frames.facts, frames.machine]
    return digest([hash_runs(frames), heads, what, dumps(facts)])


def figure_source(name: str) -> str:
    """The hash of the source of a figure, of what it imports, and of the version of matplotlib."""
    more = "" if registry.built_in("figures", name) else part_source.fingerprint("figures", name)
    own = "base" if more else name
    files = {f"stackcli.figures.{own}": PACKAGE / "figures" / f"{own}.py", "load": PACKAGE / "experiment" / "load.py"}
    part_source.follow_imports(files, PACKAGE.parent, lambda module: module.startswith(SOURCES))
    return digest([sorted((module, hash_source(path)) for module, path in files.items()), more, version("matplotlib")])


@cache
def hash_source(path: Path) -> str:
    """The hash of a source file, which does not change while this process runs."""
    return hash_file(path)


def read_stamp(folder: Path) -> dict[str, Any]:
    """Returns `runs`, a hash of the runs that the figures were drawn from, `files`, their names, and `inputs`: for each
    figure the hash of what it was drawn from, and that of each of its files."""
    found: dict[str, Any] = {"files": []}
    with contextlib.suppress(FileNotFoundError, CorruptionError):  # then all figures are drawn again
        found = read_json(folder / STAMP, "files", checksum=True)
    return {"runs": "", "inputs": {}, **found}


def draw_study(
    frames: Any, folder: Path, formats: Sequence[str], only: Sequence[str] = (), counting: Counting = count_silently
) -> Drawn:
    """Draws every figure that has something to show, or `only` some. A figure is drawn again only where the study, the
    source of the figure or the formats have changed, or where one of its files is missing or damaged."""
    if not formats:
        return Drawn([], [])
    stamp, runs, study = read_stamp(folder), hash_runs(frames), hash_study(frames)
    names = only or registry.part_names("figures")
    now = {name: digest([study, figure_source(name)]) for name in names}
    inputs = {
        name: known
        for name, known in stamp["inputs"].items()
        if name not in now or (known["from"] == now[name] and is_complete(known["files"], folder, formats))
    }
    changed = [name for name in names if name not in inputs]
    unchanged = [name for name in names if name in inputs and inputs[name]["files"]]
    if changed:
        _ = frames.position  # read now, so that a damaged file is reported before anything is drawn
    drawn = draw_figures(frames, folder, formats, changed, named=bool(only), counting=counting)
    inputs |= {name: {"from": now[name], "files": files} for name, files in drawn.items()}
    if stamp["runs"] != runs:  # what is not drawn now was drawn from other runs
        inputs = {name: inputs[name] for name in names if name in inputs}
    files = [name for known in inputs.values() for name in known["files"]]
    for name in set(stamp["files"]) - set(files):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / STAMP, {"runs": runs, "files": files, "inputs": inputs})
    shown = [folder / name for figure in names if figure in inputs for name in inputs[figure]["files"]]
    new = [folder / name for known in drawn.values() for name in known]
    return Drawn(shown, new, sum(map(bool, drawn.values())), len(unchanged))


def is_complete(files: Mapping[str, str], folder: Path, formats: Iterable[str]) -> bool:
    """Returns whether the files of a figure, name -> hash, are as they were drawn, in all these formats. A figure that
    shows nothing has none."""
    there = {Path(name).suffix[1:] for name in files}
    return not files or (
        set(formats) <= there and all(hash_file(folder / name) == known for name, known in files.items())
    )


def draw_figures(
    frames: Any,
    folder: Path,
    formats: Sequence[str],
    names: Sequence[str],
    *,
    named: bool,
    counting: Counting = count_silently,
) -> dict[str, dict[str, str]]:
    """Draws figures; returns figure -> file name -> its hash, without files for one that has nothing to show. A figure
    of an installed package that fails is left out, unless it was `named`."""
    out: dict[str, dict[str, str]] = {}
    if not names:
        return out
    from stackcli.figures import base

    def draw(name: str) -> dict[str, str]:
        figure = base.load_figure(name)(frames)
        paths = [] if figure is None else base.save(figure, folder / name, formats)
        return {path.name: hash_file(path) for path in paths}

    with counting("figures drawn", len(names)) as count:
        for number, (name, drawn) in enumerate(make_each(draw, names)):
            count(number)
            try:
                out[name] = drawn()
            except registry.PartError as error:
                if named:
                    raise
                print(f"figure {name} is left out: {error}", file=sys.stderr)
    out = {name: out[name] for name in names if name in out}
    numbered = [name for name, files in out.items() if any(file.endswith(base.KEY) for file in files)]
    if numbered:
        print(
            f"no installed font has some of the letters: they are numbered in {', '.join(numbered)}, with the key in "
            f"{folder / numbered[0]}{base.KEY}; install a font such as Noto Sans CJK and run plot",
            file=sys.stderr,
        )
    return out


def delete_outdated(frames: Any, folder: Path) -> list[str]:
    """Deletes figures that were drawn from other runs than the study has now; returns a message that names them."""
    stamp = read_stamp(folder)
    if not stamp["files"] or stamp["runs"] == hash_runs(frames):
        return []
    gone = [folder / name for name in stamp["files"] if (folder / name).is_file()]
    for path in gone:
        path.unlink()
    (folder / STAMP).unlink()
    why = "drawn from other runs than the study has now" if stamp["runs"] else "drawn from runs that are not recorded"
    return [f"{', '.join(abbreviate_files(gone, folder))}: {why}, and deleted; stackattn plot draws them again"]


def redraw(out: Path, study: str, formats: Sequence[str], only: Sequence[str]) -> Drawn:
    """Draws the figures of a study from its files, where they have changed: the command `plot`."""
    from stackcli.experiment.report import open_study

    store = Store(out, create=False)
    frames = open_study(store, study)
    return draw_study(frames, store.study(frames.study), formats, only)
