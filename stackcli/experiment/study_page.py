"""What a study has to tell a reader, collected from its files. Never loads PyTorch.

Nothing on the page depends on when or where it is made: no date of writing, no folder of this machine.
"""

import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from stackcli.analysis import attack_effects, explanation_effects
from stackcli.common.wording import count_noun, format_seeds, format_setting
from stackcli.experiment.adversarial_sets import REPORT as ATTACK_REPORT
from stackcli.experiment.announcement import describe_sizes
from stackcli.experiment.explanation_scores import SCORES
from stackcli.experiment.page_tables import (
    PageTable,
    finding_tables,
    from_terminal,
    run_table,
    shared_words,
    summary_table,
)
from stackcli.experiment.report import evidence_tables, open_study, report_sentences
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.analysis.study_data import Frames

FIRST = "overview"  # the first figure of the page
SEARCHES = ("search", "halving")  # whose command has options that a study does not record


@dataclass(frozen=True)
class StudyPage:
    """A study as a reader sees it. lines: commands, as typed; shared: the words that the exact commands of all runs
    have; own: run -> the other words of its command; folders: paths of this machine -> what is written instead."""

    name: str
    about: tuple[str, ...]
    sentences: tuple[str, ...]
    tables: tuple[PageTable, ...]
    runs: PageTable
    data: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    shared: str
    own: Mapping[str, str]
    explanations: tuple[Mapping[str, Any], ...]
    attacks: tuple[Mapping[str, Any], ...]
    folders: Mapping[str, str]
    frames: "Frames"


def read_study_page(store: Store, name: str) -> StudyPage:
    """Reads a study, the newest by default. Raises ValueError for an unknown one, and where no run has finished."""
    frames = open_study(store, name)
    study = store.read_study(frames.study)
    if frames.command == "ablate-depth":
        more = [*explanation_effects.explanation_tables(frames), *attack_effects.attack_tables(frames)]
        evidence = finding_tables(frames) + [from_terminal(title, table) for title, table in more]
    else:
        evidence = [from_terminal(title, table) for title, table in evidence_tables(frames)]
    settings = [entry["settings"] for entry in study["runs"]]
    finished = [run for run in dict.fromkeys(frames.runs["run"]) if store.finished(run)]
    commands = {run: str(store.files(run).described.get("reproduce", "")) for run in finished}
    shared, own = shared_words(commands)
    return StudyPage(
        name=frames.study,
        about=tuple(describe_study(frames)),
        sentences=tuple(report_sentences(frames)),
        tables=(summary_table(frames), *evidence),
        runs=run_table(frames),
        data=tuple(text for name, facts in frames.facts.items() for text in describe_facts(name, facts)),
        settings=tuple((key, format_setting(value)) for key, value in shared_settings(settings).items()),
        provenance=tuple(describe_provenance([store.files(run).json("provenance.json") for run in finished])),
        lines=tuple(study_lines(frames)),
        shared=shared,
        own=own,
        explanations=tuple(read_explanations(store, finished)),
        attacks=tuple(read_attacks(store, finished)),
        folders=folder_names(settings),
        frames=frames,
    )


def describe_study(frames: "Frames") -> list[str]:
    """Returns what was run, and how it ended."""
    runs = frames.runs
    axes = {a: dict.fromkeys(format_setting(v) for v in runs[a]) for a in frames.axes if a in runs}
    swept = [f"{axis} = {', '.join(values)}" for axis, values in axes.items()]
    ended = runs["status"].value_counts().sort_index().to_dict()
    return [
        f"{count_noun(len(runs), 'runs')}: {'; '.join([*swept, 'seeds ' + format_seeds(runs['seed'].unique())])}.",
        f"Status: {', '.join(f'{count} {status}' for status, count in ended.items())}.",
    ]


def describe_facts(name: str, facts: Mapping[str, Any]) -> list[str]:
    """Returns the sizes of a data set, and what the tool noticed about it."""
    return [f"{describe_sizes(name, facts)}.", *map(str, facts.get("notices", ()))]


def shared_settings(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the settings in which all runs agree."""
    return {k: v for k, v in settings[0].items() if all(k in other and other[k] == v for other in settings)}


def describe_provenance(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Returns on what the runs were trained and when: each key with its values over all runs."""
    out = []
    for key in dict.fromkeys(key for one in found for key in one):
        values = [one[key] for one in found if one.get(key) is not None]
        if key == "seconds":
            out.append(("training time of all runs", f"{sum(values):.0f} s"))
        elif key == "finished":
            out.append(("trained", " to ".join(sorted({min(values), max(values)}))))
        else:
            out.append((key, ", ".join(sorted(set(map(format_setting, values))))))
    return out


def study_lines(frames: "Frames") -> list[str]:
    """Returns the command that was typed last for this study, for an experiment one a line; empty for a search."""
    if frames.command in SEARCHES or not frames.overrides:
        return []
    if frames.axes == ("arm",):
        return [f"stackattn {frames.command} {line.partition(': ')[2]}" for line in frames.overrides]
    command = "ablate-depth" if frames.command == "remedies" else frames.command
    return [f"stackattn {command} {shlex.join(frames.overrides)}"]


def read_explanations(store: Store, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Reads the explanations that are kept for these runs, each with the `run` that it explains."""
    keys = ("text", "tokens", "probability", "explained", "methods", "heads", "lens")
    found = [path for run in runs for path in sorted((store.root / "explanations" / run).glob("*.json"))]
    files = [path for path in found if path.name != SCORES]
    return [{**store.read(path, *keys), "run": path.parent.name} for path in files]


def read_attacks(store: Store, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Reads the reports of the attacks on these runs that are kept."""
    files = [store.root / "attacks" / run / ATTACK_REPORT for run in runs]
    return [
        store.read(path, "run", "classes", "items", "right", "vector_norm", "rows", "records")
        for path in files
        if path.is_file()
    ]


def folder_names(settings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the absolute paths among the settings, longest first -> the name of the file or folder alone."""
    values = {value for each in settings for value in each.values() if isinstance(value, str)}
    kinds = [(path, kind(path)) for path in values for kind in (PurePosixPath, PureWindowsPath)]
    found = {path: read.name for path, read in kinds if read.is_absolute() and read.name}
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def hide_folders(text: str, folders: Mapping[str, str]) -> str:
    """Writes the names of files in place of their absolute paths."""
    for path, name in folders.items():
        text = re.sub(rf"(?<![\w./\\-]){re.escape(path)}(?![\w/\\-])", name.replace("\\", r"\\"), text)
    return text


def draw_figures(
    frames: "Frames", only: Sequence[str] = (), kind: str = "svg", keys: dict[str, str] | None = None
) -> dict[str, bytes]:
    """Draws every figure that has something to show, or `only` some; returns name -> file of this kind. Into `keys`
    goes the key of each figure that shows texts as numbers, as no installed font has their letters."""
    from stackcli.common.registry import PartError
    from stackcli.figures import base

    out = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in only or sorted(base.figure_names(), key=lambda name: name != FIRST):
            try:
                figure = base.load_figure(name)(frames)
            except PartError:
                continue  # the study's own report has said so
            if figure is not None:
                out[name] = base.save(figure, Path(folder) / name, (kind,))[0].read_bytes()
                if keys is not None and (key := base.describe_numbers(figure)):
                    keys[name] = key
    return out
