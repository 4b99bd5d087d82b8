"""Everything that is stored about one run: the command `runs show`. Never loads PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackcli.analysis.sparklines import BARS, draw_sparkline
from stackcli.common.records import parse_number
from stackcli.common.wording import count_noun, format_duration, format_setting
from stackcli.config.defaults import default_settings, part_defaults
from stackcli.config.settings import GROUPS, Config
from stackcli.experiment.run_list import format_cell
from stackcli.experiment.store import Store

LONG = ("classes", "acc_by_class", "confusion", "by_length", "acc_by_output", "test_right")  # left out of the text
CURVES = ("train_loss", "val_loss", "train_acc", "val_acc")
GIGA, MEGA, KILO = 10**9, 10**6, 10**3


def describe_details(store: Store, run: str) -> dict[str, Any]:
    """Returns what is stored about a run: `run`, `folder`, `settings`, `changed` (those that differ from the defaults,
    with the default), `result`, `provenance`, `studies`, `edited`, `reproduce`, `files` (bytes of each), `curve` and
    `gradient` (of each layer at the first and the last step measured). Raises CorruptionError for a damaged file."""
    store.check_runs([run], weights=True)
    files, config = store.files(run), store.config(run)
    settings = config.flat()
    usual = usual_settings(config)
    return {
        "run": run,
        "folder": str(files.folder),
        "settings": settings,
        "changed": {k: usual.get(k) for k, v in settings.items() if k not in usual or usual[k] != v},
        "result": store.result(run),
        "provenance": files.json("provenance.json"),
        "studies": study_points(store, run),
        "edited": store.changed(run),
        "reproduce": str(files.described.get("reproduce", "")),
        "files": {f.name: f.stat().st_size for f in sorted(files.folder.iterdir()) if f.is_file()},
        "curve": files.lines("curve.jsonl"),
        "gradient": layer_gradients(files.lines("layers.jsonl")),
    }


def usual_settings(config: Config) -> dict[str, Any]:
    """Returns the defaults of every setting that a run has; of the keys of a part those of that part."""
    flat, chosen = default_settings(None)
    usual = {**flat, "seed": 0, **chosen}
    for group in GROUPS:
        name = getattr(config, group).name
        try:
            usual |= {f"{group}.{key}": value for key, value in part_defaults(group, name).items()}
        except (ValueError, OSError):  # a part that is not installed any more
            continue
    return usual


def study_points(store: Store, run: str) -> dict[str, str]:
    """Returns the studies that a run belongs to, newest first, each with the point that the run is in it."""
    found: dict[str, str] = {}
    for name in store.studies():
        for entry in store.read_study(name)["runs"]:
            if entry["run"] == run:
                found.setdefault(name, entry["point"])
    return found


def layer_gradients(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the gradient norm (G1) of each block's last map at the first and the last step measured: `tensor`,
    `steps`, `start` and `end`, a number for each layer. Empty where nothing was measured."""
    for tensor in ("ff2", "o"):
        found = [row for row in rows if row.get("tensor") == tensor and row.get("g1") is not None]
        if found:
            steps = sorted({row["step"] for row in found})
            at = [
                [parse_number(r["g1"]) for r in sorted(found, key=lambda r: r["layer"]) if r["step"] == step]
                for step in (steps[0], steps[-1])
            ]
            return {"tensor": tensor, "steps": [steps[0], steps[-1]], "start": at[0], "end": at[1]}
    return {}


# ---- as text


def details_lines(found: Mapping[str, Any], *, bars: str = BARS) -> Iterator[tuple[str, str]]:
    """Yields what `describe_details` found as pairs of a name and a text; a pair without a name goes on with the last
    one, and one without a text is the heading of what follows."""
    result, when = found["result"], found["provenance"]
    yield "run", f"{found['run']} in {found['folder']}"
    yield "status", _status(result)
    for name, point in found["studies"].items():
        yield "study", f"{name}{f', {point}' if point else ''}"
    if not found["studies"]:
        yield "study", "none"
    if found["edited"]:
        yield "edited", f"since this run: {', '.join(found['edited'])}; its command would train it again"
    yield from _settings(found)
    yield "result", ""
    for key, value in result.items():
        if key not in (*LONG, "status", "weights_hash") and value not in (None, "", []):
            yield key, format_cell(value)
    yield "curves", ""
    yield from _curves(found, bars)
    yield "provenance", ""
    seconds = when.get("seconds")
    for key, value in when.items():
        yield key, format_duration(seconds) if key == "seconds" and seconds is not None else format_cell(value)
    yield "files", ""
    files = found["files"]
    yield "", file_sizes(files)
    yield "", f"{count_noun(len(files), 'files')}, {format_bytes(sum(files.values()))}, all as they were written"


def _status(result: Mapping[str, Any]) -> str:
    if result["status"] == "diverged":
        return f"diverged at step {result['diverged_step']}"
    return f"{result['status']}, test accuracy {format_cell(result['test_acc']) or 'not measured'}"


def _settings(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "settings that differ from the defaults", ""
    settings, changed = found["settings"], found["changed"]
    for key, usual in changed.items():
        note = f" (default {format_setting(usual)})" if usual is not None else ""
        yield key, f"{format_setting(settings[key])}{note}"
    if not changed:
        yield "", "none"
    yield "all other settings", ""
    yield "", " ".join(f"{key}={format_setting(value)}" for key, value in settings.items() if key not in changed)


def _curves(found: Mapping[str, Any], bars: str) -> Iterator[tuple[str, str]]:
    rows, width = found["curve"], 40
    for name in CURVES:
        values = [row.get(name) for row in rows]
        if there := [v for v in values if v is not None]:
            line = draw_sparkline(values, width=width, bars=bars)
            yield name, f"{line} {format_cell(there[0])} to {format_cell(there[-1])}"
    if rows:
        yield "", f"{count_noun(len(rows), 'evaluations')}, step {rows[0]['step']} to {rows[-1]['step']}"
    gradient = found["gradient"]
    for at, step in zip(("start", "end"), gradient.get("steps", ()), strict=False):
        values = gradient[at]
        line = draw_sparkline(values, width=width, log=True, bars=bars)
        yield f"gradient, step {step}", f"{line} {format_cell(values[0])} (layer 1) to {format_cell(values[-1])}"
    if gradient:
        layers = count_noun(len(gradient["end"]), "layers")
        yield "", f"norm (G1) of {gradient['tensor']} in {layers}, from the input on, logarithmic"


SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit in a line that is wrapped


def file_sizes(files: Mapping[str, int]) -> str:
    """Names files with their sizes, which are not wrapped apart."""
    return ", ".join(f"{name}{SPACE}{format_bytes(size).replace(' ', SPACE)}" for name, size in files.items())


def format_bytes(size: int) -> str:
    """A number of bytes in its unit.

    >>> format_bytes(512), format_bytes(2_500), format_bytes(3_100_000), format_bytes(4_000_000_000)
    ('512 B', '2.5 kB', '3.1 MB', '4.0 GB')
    """
    for unit, name in ((GIGA, "GB"), (MEGA, "MB"), (KILO, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
