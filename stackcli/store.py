"""Rows <-> run folders <-> DataFrames. Plain files are the truth; whatever is derived can be deleted.

OUT/stackattn.json            marks a store and its format
OUT/runs/ID/                  a published run, written once, renamed into place whole:
    config.json               resolved settings, the command that reproduces it, versions
    result.json               record.Result; equal bytes for equal identity on one class of machine
    curve.jsonl layers.jsonl stack.jsonl  record.StepRow, record.LayerRow, record.StackRow
    position.json             the trained position tables
    words.json weights.pt     vocabulary and classes; the kept weights, with weights.json, their sha256
    manifest.json             sha256 of each of them
    provenance.json           when, how long, on what: may differ between two equal runs
OUT/attempts/                 runs under way; a failed one leaves its log
OUT/checkpoints/ID/           the newest checkpoint of an interrupted run
OUT/claims/ID.lock            held by the process that trains it
OUT/facts/                    what is known of a data set
OUT/studies/NAME/             study.json (which runs, which axes), times.json (step times), tables and figures
"""

import contextlib
import hashlib
import io
import json
import os
import shlex
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stackcli import parts, source
from stackcli.files import CorruptionError, flush_folder, read_json, read_lines, why_unwritable, write
from stackcli.record import LayerRow, Result, StackRow, StepRow, dumps, lines, number
from stackcli.settings import GROUPS, Config, from_plain

if TYPE_CHECKING:
    from stackcli.frames import Frames

FORMAT = 1
STUDY = ("command", "axes", "base", "runs", "facts")  # what every study.json has
FACTS = ("fingerprint", "sizes", "shares", "classes", "notices", "majority_acc", "tfidf_acc")  # and every set of facts
NUMERICS_VERSION = 2  # raised when the same settings give other numbers; a test of a golden loss guards it


class StoreError(ValueError):
    """The output place cannot be used, or is of another format (exit 2)."""


class ConflictError(ValueError):
    """A study of that name has other base settings (exit 4)."""


# ---- identity


def run_id(config: Config, fingerprint: str, *, test: bool = True) -> str:
    """16 hex digits: a hash of every setting that can change the result, of the data's content, not its place, and of
    the source of the parts. `test`: whether the test part is read; a run that never saw it is another run."""
    data = {"name": config.data.name, **config.data.placeless}
    more = {"content": fingerprint, "numerics": NUMERICS_VERSION, "source": sources(config)}
    return digest({**config.identity(), "data": data, **more} | ({} if test else {"test": False}))


def sources(config: Config) -> dict[str, str]:
    """Group -> hash of the source of the part that is chosen there."""
    return source.fingerprints({group: getattr(config, group).name for group in GROUPS})


def digest(value: Any) -> str:
    """16 hex digits of a JSON value, keys sorted, floats by `repr`."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---- the store


class Store:
    """A folder of runs. One that holds other things is refused, never scanned; nothing is written before `create`."""

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root, self.marker = root, root / "stackattn.json"
        try:
            there = self.marker.is_file()
        except OSError as error:
            raise StoreError(f"{root}: cannot be used: {error.strerror}; write --out FOLDER") from error
        if there:
            self._check_format()
        elif not create:
            raise StoreError(f"{root}: no store of runs; write --out FOLDER, or make one with stackattn train")
        else:
            self._check_place()

    @property
    def exists(self) -> bool:
        return self.marker.is_file()

    def create(self) -> None:
        """Makes the folder a store, if it is none yet. Raises OSError where it cannot be written."""
        if self.exists:
            return
        try:
            write(self.marker, dumps({"format": FORMAT}) + "\n")
        except OSError as error:
            raise OSError(f"{self.root}: cannot be written: {error.strerror}; write --out FOLDER") from error

    def _check_format(self) -> None:
        found = read_json(self.marker, "format")["format"]
        if found != FORMAT:
            raise StoreError(
                f"{self.root}: written by a newer stackattn (format {found}, here {FORMAT}); update stackattn"
            )

    def _check_place(self) -> None:
        try:
            if self.root.exists() and not self.root.is_dir():
                raise StoreError(f"{self.root}: a file, not a folder; write --out FOLDER")
            begun = f".{self.marker.name}."  # what another process has begun to write here
            if self.root.is_dir() and any(not f.name.startswith(begun) for f in self.root.iterdir()):
                raise StoreError(f"{self.root}: a folder with other things in it, no store; write --out NEWFOLDER")
            above = next(f for f in (self.root, *self.root.absolute().parents) if f.exists())
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be used: {error.strerror}; write --out FOLDER") from error
        why = "no folder" if not above.is_dir() else why_unwritable(above, prefix=begun)
        if why:
            raise StoreError(f"{self.root}: cannot be written ({above}: {why}); write --out FOLDER")

    def run(self, run: str) -> Path:
        return self.root / "runs" / run

    def finished(self, run: str, keep: str = "none") -> bool:
        """Whether the run is there, with the weights that are asked for."""
        folder = self.run(run)
        if not (folder / "result.json").is_file():
            return False
        if keep == "none" or self.result(run)["status"] != "done":
            return True
        return (folder / "weights.pt").is_file() and self.config(run).keep == keep

    @contextlib.contextmanager
    def claimed(self, run: str, stop: Callable[[], bool]) -> Iterator[bool]:
        """Inside, no other process trains this run; False where `stop` came first. A claim dies with its process. Where
        files cannot be locked there are none: two processes then do the same work, and one of them throws it away."""
        path = self.root / "claims" / f"{run}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while not locked(file):
                if stop():
                    yield False
                    return
                time.sleep(0.2)
            yield True

    def result(self, run: str) -> dict[str, Any]:
        return {key: number(value) for key, value in read_json(self.run(run) / "result.json", "status").items()}

    def publish(
        self,
        run: str,
        *,
        config: Config,
        result: Result,
        curve: Iterable[StepRow],
        layers: Iterable[LayerRow],
        stack: Iterable[StackRow],
        position: Any,
        words: Mapping[str, Any],
        weights: bytes | None,
        provenance: Mapping[str, Any],
        reproduce: str,
        replace: bool = False,
    ) -> Path:
        """Writes an attempt of its own and renames it into place. If another process published first, the attempt is
        discarded, unless the run that is there lacks the weights that are wanted or is to be replaced."""
        attempt = self.root / "attempts" / f"{run}-{uuid.uuid4().hex[:8]}"
        described = {"settings": {**config.identity(), "keep": config.keep}, "source": sources(config)}
        try:
            write(
                attempt / "config.json",
                json.dumps({**described, "reproduce": reproduce}, indent=1, allow_nan=False) + "\n",
            )
            write(attempt / "curve.jsonl", "".join(lines(curve)))
            write(attempt / "layers.jsonl", "".join(lines(layers)))
            write(attempt / "stack.jsonl", "".join(lines(stack)))
            write(attempt / "position.json", dumps(position) + "\n")
            write(attempt / "words.json", dumps(words) + "\n")
            if weights is not None:
                write(attempt / "weights.pt", weights)
                write(attempt / "weights.json", dumps({"sha256": hashlib.sha256(weights).hexdigest()}) + "\n")
            write(attempt / "provenance.json", dumps(provenance) + "\n")
            write(attempt / "result.json", dumps(asdict(result)) + "\n")
            write(attempt / "manifest.json", dumps(hashes(attempt)) + "\n")
            self._place(attempt, self.run(run), config.keep if weights is not None else "none", replace)
        except BaseException:
            shutil.rmtree(attempt, ignore_errors=True)
            raise
        self.drop_checkpoints(run)
        return self.run(run)

    def _place(self, attempt: Path, target: Path, keep: str, replace: bool) -> None:
        """Renames an attempt to its place. What stood there goes first, if it may: between the two renames the run is
        missing, and would be trained again after a kill."""
        target.parent.mkdir(exist_ok=True)
        for _ in range(20):
            try:
                os.rename(attempt, target)
                return flush_folder(target.parent)
            except OSError:
                if target.is_dir() and not replace and self.finished(target.name, keep):
                    return shutil.rmtree(attempt)
            old = self.root / "attempts" / f"{target.name}-old-{uuid.uuid4().hex[:8]}"
            with contextlib.suppress(OSError):  # another process has just done the same
                os.rename(target, old)
                shutil.rmtree(old, ignore_errors=True)
        os.rename(attempt, target)

    def drop_checkpoints(self, run: str) -> None:
        shutil.rmtree(self.root / "checkpoints" / run, ignore_errors=True)

    def tidy(self) -> None:
        """Takes away what killed processes left: attempts that nothing has touched for a day."""
        for folder in (self.root / "attempts").glob("*-*"):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > 86_400:
                shutil.rmtree(folder, ignore_errors=True)

    # ---- checkpoints and weights

    def save_checkpoint(self, run: str, state: Mapping[str, Any]) -> Path:
        """A complete, checksummed checkpoint, or none: written, read back, its manifest written, then older ones go.
        Where another process has taken it away meanwhile, it has saved or published a later one."""
        content, folder = to_bytes(state), self.root / "checkpoints" / run
        path = folder / f"step-{state['step']:09d}.pt"
        write(path, content)
        sha = hashlib.sha256(content).hexdigest()
        with contextlib.suppress(FileNotFoundError):
            if hashlib.sha256(path.read_bytes()).hexdigest() != sha:
                raise OSError(f"{path}: what was read back is not what was written")
            write(path.with_suffix(".json"), dumps({"sha256": sha, "step": state["step"]}) + "\n")
        for old in folder.glob("step-*"):
            if old.stem < path.stem:
                old.unlink(missing_ok=True)
        return path

    def load_checkpoint(self, run: str) -> dict[str, Any] | None:
        """The newest checkpoint whose hash is right; None where there is none."""
        for manifest in sorted((self.root / "checkpoints" / run).glob("step-*.json"), reverse=True):
            with contextlib.suppress(CorruptionError, KeyError, TypeError, OSError):
                content = manifest.with_suffix(".pt").read_bytes()
                if hashlib.sha256(content).hexdigest() == read_json(manifest)["sha256"]:
                    return from_bytes(content)
        return None

    def load_weights(self, run: str) -> tuple[Config, dict[str, Any], dict[str, Any]]:
        """(config, words, state dict) of a run. Raises ValueError where it has none, CorruptionError where the hash of
        the file is not the one that was written."""
        folder = self.run(run)
        if not (folder / "weights.pt").is_file():
            raise ValueError(f"{run}: no weights were kept; train it with keep=best")
        content = (folder / "weights.pt").read_bytes()
        if hashlib.sha256(content).hexdigest() != read_json(folder / "weights.json", "sha256")["sha256"]:
            raise CorruptionError(f"{folder / 'weights.pt'}: damaged; delete {folder} and train it again")
        known = read_json(folder / "words.json", "vocab", "classes", "max_len")
        return self.config(run), known, from_bytes(content)

    def config(self, run: str) -> Config:
        path = self.run(run) / "config.json"
        try:
            return from_plain(read_json(path, "settings")["settings"])
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptionError(
                f"{path}: damaged ({error!r}); delete its folder and run the command again"
            ) from error

    def changed(self, run: str) -> list[str]:
        """The parts of a run whose source is no longer that with which it was trained, as `pe=mine`. Empty for runs
        from before the source was recorded."""
        was, config = read_json(self.run(run) / "config.json").get("source", {}), self.config(run)
        names = {group: getattr(config, group).name for group in was if group in GROUPS}
        now = {g: source.fingerprint(g, n) if n in parts.names(g) else "" for g, n in names.items()}
        return [f"{group}={name}" for group, name in names.items() if now[group] != was[group]]

    def ids(self) -> list[str]:
        """Published runs, newest first."""
        folders = [f for f in (self.root / "runs").glob("*") if (f / "result.json").is_file()]
        return [f.name for f in sorted(folders, key=lambda f: (-(f / "result.json").stat().st_mtime, f.name))]

    def find(self, start: str) -> str:
        """The one run whose id begins so. Raises ValueError for none or several."""
        found = [run for run in self.ids() if start and run.startswith(start)]
        if len(found) != 1:
            what = "no run" if not found else f"{len(found)} runs"
            raise ValueError(f"{start!r}: {what} of that id in {self.root}; stackattn runs lists them")
        return found[0]

    def verify(self) -> list[str]:
        """What is damaged or gone, in words; empty where every file of every run is as its manifest says, every study
        has its runs, and what is known of the data can be read."""
        wrong = []
        for folder in sorted(f for f in (self.root / "runs").glob("*") if f.is_dir()):
            try:
                told, found = dict(read_json(folder / "manifest.json")), hashes(folder)
            except (CorruptionError, OSError, TypeError, ValueError) as error:
                wrong.append(f"{folder / 'manifest.json'}: damaged ({error})")
                continue
            for name in sorted(told | found):
                if name != "manifest.json" and told.get(name) != found.get(name):
                    wrong.append(f"{folder / name}: damaged; delete {folder} and run the command again")
        return [*wrong, *self._studies_at_fault(), *self._files_at_fault()]

    def _studies_at_fault(self) -> Iterator[str]:
        """Studies that cannot be read, and those of which a run is gone that was there when the study was saved."""
        for path in sorted((self.root / "studies").glob("*/study.json")):
            try:
                study = self.read_study(path.parent.name)
                gone = [r for r in study["runs"] if r.get("published") and not self.finished(r["run"])]
            except (CorruptionError, KeyError, TypeError, AttributeError) as error:
                yield f"{path}: damaged ({error}); run the command of that study again"
                continue
            words = " ".join(map(shlex.quote, study.get("overrides", ())))
            for entry in gone:
                what = f"{entry['point'] or 'its run'} seed={entry['settings'].get('seed')}"
                yield (
                    f"study {path.parent.name}: run {entry['run']} ({what}) is gone; stackattn {study['command']} "
                    f"{words} trains it again"
                )

    def _files_at_fault(self) -> Iterator[str]:
        """Facts and step times that cannot be read: both are made again where they are missing."""
        for path in sorted([*(self.root / "facts").glob("*.json"), *(self.root / "studies").glob("*/times.json")]):
            try:
                read_json(path)
            except CorruptionError as error:
                yield f"{path}: damaged ({error}); delete it and run the command again"

    def log_failure(self, run: str, text: str) -> Path:
        """Where a failed run's traceback is kept."""
        path = self.root / "attempts" / f"{run}.log"
        write(path, text)
        return path

    # ---- facts, timings, studies

    def facts(self, key: str) -> dict[str, Any] | None:
        path = self.root / "facts" / f"{key}.json"
        return read_json(path, *FACTS) if path.is_file() else None

    def save_facts(self, key: str, facts: Mapping[str, Any]) -> None:
        """`facts`: a record.Facts as a dict."""
        write(self.root / "facts" / f"{key}.json", dumps(facts) + "\n")

    def timings(self, name: str) -> dict[str, Any]:
        """Architecture -> its times, each on the scale of the study's reference."""
        path = self.study(name) / "times.json"
        return dict(read_json(path)) if path.is_file() else {}

    def save_timings(self, name: str, timings: Mapping[str, Any]) -> None:
        write(self.study(name) / "times.json", dumps(timings) + "\n")

    def study(self, name: str) -> Path:
        return self.root / "studies" / name

    def studies(self) -> list[str]:
        """Newest first."""
        found = sorted((self.root / "studies").glob("*/study.json"), key=lambda p: -p.stat().st_mtime)
        return [p.parent.name for p in found]

    def read_study(self, name: str) -> dict[str, Any]:
        return dict(read_json(self.study(name) / "study.json", "axes", "base", "runs"))

    def save_study(self, name: str, study: Mapping[str, Any], *, grow: bool = False) -> Path:
        """Writes a study; with `grow` the runs that it had stay in it, but for those of settings that are run anew, as
        their data or the source of their parts has changed. Raises ConflictError where its base differs."""
        path = self.study(name) / "study.json"
        with self.locked_study(name):
            if path.is_file():
                old = read_json(path, "axes", "base")
                check_same_base(name, old, study)
                study = merge_studies(old, study) if grow and old["axes"] == study["axes"] else study
            write(path, json.dumps(study, indent=1, allow_nan=False) + "\n")
        return path

    @contextlib.contextmanager
    def locked_study(self, name: str) -> Iterator[None]:
        """Inside, no other process reads and writes this study: two that grow it at once both add their runs."""
        path = self.root / "claims" / f"study-{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while not locked(file):
                time.sleep(0.02)
            yield

    def count_dropped(self, name: str, study: Mapping[str, Any], *, grow: bool) -> int:
        """How many runs of a study as it is would not be in it if this one were saved."""
        if not (self.study(name) / "study.json").is_file():
            return 0
        old = self.read_study(name)
        return 0 if grow and old["axes"] == study["axes"] else len(missing_runs(old, study))

    def disk(self, runs: Iterable[str]) -> int:
        """Bytes of the kept weights."""
        files = (self.run(run) / "weights.pt" for run in runs)
        return sum(f.stat().st_size for f in files if f.is_file())


def merge_studies(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A study with the runs that it had as well, but for those that are run anew."""
    runs = [*new["runs"], *missing_runs(old, new)]
    study = {**new, "runs": runs, "facts": {**old["facts"], **new["facts"]}}
    if "known" in new:
        was = old.get("known", {})
        study["known"] = {key: {**was.get(key, {}), **more} for key, more in new["known"].items()}
    return study


def missing_runs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs of `old` at whose arm, values of the axes and seed `new` has none. A study has one run of each: it is
    replaced where its data, the source of its parts or a default of theirs has changed."""

    def slot(entry: Mapping[str, Any]) -> str:
        return json.dumps([entry["arm"], [entry["settings"].get(key) for key in (*new["axes"], "seed")]])

    here = {slot(entry) for entry in new["runs"]}
    return [entry for entry in old["runs"] if slot(entry) not in here]


def check_same_base(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """A study may grow along its axes; its other settings stay. A key that a part has gained or lost since tells
    nothing apart."""
    free = set(old["axes"]) | set(new["axes"]) | {"seed"}
    was, here = old["base"], new["base"]
    alike = {group for group in GROUPS if was.get(group) == here.get(group)}
    free |= {key for key in was.keys() ^ here.keys() if "." in key and key.partition(".")[0] in alike}
    keys = sorted((set(was) | set(here)) - free)
    other = [f"{k}={was.get(k)!r} there, {here.get(k)!r} here" for k in keys if was.get(k) != here.get(k)]
    if other:
        raise ConflictError(f"study {name!r} has other settings: {'; '.join(other)}. Choose another --study name")


def check_name(name: str) -> str:
    """A study's name, which becomes a folder's: letters, digits, `.`, `_`, `=`, `,`, `+`, `-`. Raises ValueError."""
    plain = all(c.isascii() and (c.isalnum() or c in "._=,+-") for c in name)
    good = plain and 0 < len(name) <= 100 and name[0].isalnum()
    if not good or name.rstrip(".") != name:
        shown = ascii(name if len(name) <= 40 else name[:40] + "...")
        raise ValueError(f"--study {shown}: 1 to 100 letters, digits and . _ = , + -, beginning with a letter or digit")
    return name


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a run's folder, by name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir()) if f.is_file()}


def locked(file: BinaryIO) -> bool:
    """Whether this process now holds the file's lock, until the file is closed. True where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def to_bytes(state: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """Call only on bytes whose hash was checked: a flipped bit would load silently."""
    import torch

    loaded: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return loaded


# ---- DataFrames


def load(store: Store, name: str) -> "Frames":
    """A study as DataFrames: k of n runs where some are missing. Raises ValueError for an unknown study."""
    import pandas as pd

    from stackcli.frames import Frames

    path = store.study(name) / "study.json"
    if not path.is_file():
        raise ValueError(
            f"--study {name}: no such study in {store.root}; there are: {', '.join(store.studies()) or 'none'}"
        )
    study = read_json(path, *STUDY)
    axes, timings = tuple(study["axes"]), store.timings(name)
    rows, curve, layers, stack, position = [], [], [], [], []
    for entry in study["runs"]:
        row = {"run": entry["run"], "arm": entry["arm"], "point": entry["point"], **entry["settings"]}
        head = {key: row.get(key) for key in ("run", "arm", "point", "seed", *axes)}
        folder = store.run(entry["run"])
        row["facts"] = entry["facts"]
        if not (folder / "result.json").is_file():
            rows.append({**row, "status": entry.get("status", "missing")})
            continue
        timing = timings.get(entry["timing"], {})
        try:
            seconds = read_json(folder / "provenance.json").get("seconds")
            times = {**timing.get("times", {}), "seconds": seconds}
            if entry.get("timing_same") in timings:
                times["step_ms_same"] = timings[entry["timing_same"]]["times"]["step_ms"]
            rows.append({**row, **store.result(entry["run"]), **times})
            curve += [{**head, **r} for r in read_lines(folder / "curve.jsonl")]
            layers += [{**head, **r} for r in read_lines(folder / "layers.jsonl")]
            stack += [{**head, **r} for r in read_lines(folder / "stack.jsonl")]
            position.append(_position(head, read_json(folder / "position.json", kind=list), pd))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise CorruptionError(f"{folder}: damaged ({error!r}); delete it and run the command again") from error
    machines = [timings[e["timing"]]["machine"] for e in study["runs"] if e["timing"] in timings]
    results = [f.name for f in fields(Result)]
    frame = pd.DataFrame(rows)
    frame = frame.reindex(columns=[*frame.columns, *(c for c in results if c not in frame.columns)])
    return Frames(
        study=name,
        command=study["command"],
        axes=axes,
        overrides=tuple(study.get("overrides", ())),
        match=study.get("match", {}),
        chosen=tuple(study.get("chosen", ())),
        known=study.get("known", {}),
        runs=_numbers(frame, pd),
        curve=_long(curve, StepRow, axes, pd),
        layers=_long(layers, LayerRow, axes, pd),
        stack=_long(stack, StackRow, axes, pd),
        position=pd.concat(position, ignore_index=True) if position else pd.DataFrame(),
        facts=study["facts"],
        machine=machines[0] if machines else {},
    )


def _numbers(frame: Any, pd: Any) -> Any:
    """Columns of numbers with gaps become float columns with NaN."""
    for column in frame.columns:
        values = frame[column].dropna()
        if len(values) and values.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool)).all():
            frame[column] = pd.to_numeric(frame[column])
        elif frame[column].isna().all() and column in {f.name for f in fields(Result)}:
            frame[column] = frame[column].astype(float)
    return frame


def _long(rows: list[dict[str, Any]], kind: Any, axes: tuple[str, ...], pd: Any) -> Any:
    columns = list(dict.fromkeys(["run", "arm", "point", "seed", *axes, *(f.name for f in fields(kind))]))
    return pd.DataFrame(rows, columns=columns)


def _position(head: Mapping[str, Any], tables: list[dict[str, Any]], pd: Any) -> Any:
    out = []
    for table in tables:
        n, width = len(table["at"]), len(table["rows"][0]) if table["rows"] else 0
        frame = pd.DataFrame(
            {
                "tensor": table["name"],
                "position": [at for at in table["at"] for _ in range(width)],
                "dimension": list(range(width)) * n,
                "value": [number(value) for row in table["rows"] for value in row],
            }
        )
        out.append(frame.assign(**head))
    return pd.concat(out, ignore_index=True) if out else pd.DataFrame()
