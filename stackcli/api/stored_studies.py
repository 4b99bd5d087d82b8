"""What is stored, as objects: a study with its tables, sentences and figures; the names of studies; all runs."""

import os
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.api.html_table import write_table
from stackcli.api.study_figure import StudyFigure
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from stackcli.analysis.study_data import Frames

Folder = str | os.PathLike[str]


def load(out: Folder = "outputs", study: str = "") -> "Study":
    """Returns a stored study, the newest without a name. Raises ValueError for an unknown one, and for a folder without
    runs."""
    from stackcli.experiment.report import find_study

    store = Store(Path(out).expanduser(), create=False)
    return Study(store.root, find_study(store, study))


def studies(out: Folder = "outputs") -> list[str]:
    """Returns the names of the stored studies, newest first. Raises ValueError for a folder without runs."""
    return list(Store(Path(out).expanduser(), create=False).studies())


def runs(out: Folder = "outputs") -> "pd.DataFrame":
    """Returns a row for each finished run of all studies, newest first: `run`, its settings, its results, `seconds`,
    `finished`, `studies`, `point`, `edited`. Raises ValueError for a folder without runs."""
    import pandas as pd

    from stackcli.experiment.run_index import read_rows

    return pd.DataFrame(read_rows(Store(Path(out).expanduser(), create=False)))


class Study:
    """A stored study, read when it is first asked for something. `name`; `out`: the folder of its store."""

    def __init__(self, out: Folder, name: str) -> None:
        self.out, self.name = Path(out), name

    @cached_property
    def _frames(self) -> "Frames":
        from stackcli.experiment.load import load_study

        return load_study(Store(self.out, create=False), self.name)

    @property
    def folder(self) -> Path:
        """The folder of its tables and figures."""
        return self.out / "studies" / self.name

    @property
    def runs(self) -> "pd.DataFrame":
        """A row for each run: its settings, `status`, scores, sizes, times. docs/files.md describes the columns."""
        return self._frames.runs.drop(columns="test_right", errors="ignore")

    @property
    def curve(self) -> "pd.DataFrame":
        """A row for each run and evaluation: losses in nats, accuracy, learning rate."""
        return self._frames.curve.copy()

    @property
    def layers(self) -> "pd.DataFrame":
        """A row for each run, measured step and layer: gradients, activations, attention."""
        return self._frames.layers.copy()

    @property
    def stack(self) -> "pd.DataFrame":
        """A row for each run and layer of the trained stack; empty without probes."""
        return self._frames.stack.copy()

    def table(self, *, cols: list[str] | None = None, sort: str = "", top: int = 0) -> "pd.DataFrame":
        """Returns the table that the command prints, as numbers: a row for each point, with the mean over seeds of each
        column NAME, and the 95 % interval NAME_low to NAME_high; the baselines follow. cols, sort and top as the
        options of `sweep`. Raises ValueError for an unknown column."""
        from stackcli.analysis import tables

        found = tables.restore_whole_numbers(
            tables.summarise_points(self._frames, cols=cols, sort=sort or None, top=top or None)
        )
        found.attrs.clear()
        return found

    @property
    def findings(self) -> list[str]:
        """The sentences that the command prints under its table."""
        from stackcli.experiment.report import report_sentences

        return report_sentences(self._frames)

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that have something to show for this study. Each is drawn to find out: seconds."""
        from stackcli.figures import base

        return tuple(name for name in base.figure_names() if base.load_figure(name)(self._frames) is not None)

    def figure(self, name: str) -> StudyFigure:
        """Draws a figure: "accuracy", "overview", ... Raises ValueError for an unknown one, and for one that has
        nothing to show for this study."""
        from stackcli.figures import base

        drawn: Any = base.load_figure(name)(self._frames)
        if drawn is None:
            raise ValueError(f"figure {name}: nothing to show for study {self.name}; choose from study.figures")
        return StudyFigure(name, drawn)

    def report(self, path: Folder = "", *, format: str = "html") -> Path:
        """Writes the study as one page, or as part of a paper with format="md" or "latex"; returns the path. By default
        in the folder of the study. Raises ValueError for an unknown format, and where no run has finished."""
        from stackcli.common.atomic_files import check_target, write_file
        from stackcli.experiment.study_report import ENDINGS, default_path, make_report

        if format not in ENDINGS:
            raise ValueError(f"format={format!r}: choose from {', '.join(ENDINGS)}")
        to = Path(path).expanduser() if path else default_path(self.out, [self.name], format)
        check_target(to, "path", f"report.{ENDINGS[format]}")
        write_file(to, make_report(self.out, [self.name], format)[1])
        return to

    def _headline(self) -> str:
        """What was run, and what became of it."""
        from stackcli.common.wording import count_noun, format_seeds, format_setting

        runs, axes = self._frames.runs, self._frames.axes
        values = {axis: dict.fromkeys(map(format_setting, runs[axis])) for axis in axes if axis in runs}
        seeds = runs["seed"].dropna().unique()
        what = [f"{axis} = {', '.join(each)}" for axis, each in values.items()]
        what += [f"seed{'s' if len(seeds) > 1 else ''} {format_seeds(seeds)}"]
        counts = runs["status"].value_counts()
        status = ", ".join(f"{number} {state}" for state, number in counts.items())
        return f"{self.name}: {count_noun(len(runs), 'runs')} ({status}); {'; '.join(what)}"

    def __repr__(self) -> str:
        return f"<Study {self._headline()}; in {self.out}>"

    def _repr_html_(self) -> str:
        from stackcli.analysis import tables

        found = tables.summarise_points(self._frames)
        heads, rows = tables.table_cells(found, found.attrs["columns"])
        plain = [" ".join(head.replace("-\n", "").split()) for head in heads]
        return f"<p>{escape(self._headline())}</p>{write_table(plain, rows, left=max(1, len(self._frames.axes)))}"
