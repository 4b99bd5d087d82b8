"""The figures of a study are drawn only where they have changed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.common import registry
from stackcli.common.atomic_files import read_json
from stackcli.common.registry import PartError
from stackcli.experiment import side_by_side, study_figures
from stackcli.experiment.store import Store
from stackcli.experiment.study_figures import Drawn
from stackcli.figures import base
from tests.experiment.examples import empty_study, publish_run, study_entry
from tests.figures.factory import study


@pytest.fixture(scope="module")
def frames() -> Frames:
    return study({"depth": [1, 2]}, seeds=2)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that are drawn, in order: `loss` and `fit`, and `empty`, which shows nothing."""
    names: list[str] = []

    def load(name: str) -> Callable[[Frames], str | None]:
        def draw(frames: Frames) -> str | None:
            names.append(name)
            return None if name == "empty" else f"{name} of {len(frames.runs)}"

        return draw

    def save(figure: str, stem: Path, formats: tuple[str, ...]) -> list[Path]:
        paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
        for path in paths:
            path.write_text(figure)
        return paths

    real = registry.part_names
    figures = ("fit", "empty", "loss")
    monkeypatch.setattr(registry, "part_names", lambda group: figures if group == "figures" else real(group))
    monkeypatch.setattr(study_figures, "figure_source", lambda name: f"source of {name}")
    monkeypatch.setattr(base, "load_figure", load)
    monkeypatch.setattr(base, "save", save)
    return names


def draw(frames: Frames, folder: Path, *formats: str, only: Sequence[str] = ()) -> Drawn:
    return study_figures.draw_study(frames, folder, formats or ("svg",), only)


def test_a_figure_is_drawn_once_for_the_same_study_source_and_formats(
    frames: Frames, drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = draw(frames, tmp_path)
    assert [p.name for p in first.paths] == ["fit.svg", "loss.svg"] and drawn == ["fit", "empty", "loss"]
    assert first.new == first.paths and first[2:] == (2, 0)
    assert draw(frames, tmp_path) == Drawn(first.paths, [], 0, 2) and len(drawn) == 3
    source = {"loss": "edited"}
    monkeypatch.setattr(study_figures, "figure_source", lambda name: source.get(name, f"source of {name}"))
    assert draw(frames, tmp_path)[2:] == (1, 1) and drawn[3:] == ["loss"]
    assert draw(frames, tmp_path, "png", "svg")[2:] == (2, 0) and drawn[4:] == ["fit", "loss"]
    assert draw(frames, tmp_path, "png")[2:] == (0, 2) and len(list(tmp_path.glob("*.svg"))) == 2
    assert study_figures.draw_study(frames, tmp_path, ()) == Drawn([], []) and len(drawn) == 6


def test_a_file_that_is_missing_or_damaged_is_drawn_again(frames: Frames, drawn: list[str], tmp_path: Path) -> None:
    draw(frames, tmp_path)
    (tmp_path / "loss.svg").unlink()
    assert draw(frames, tmp_path).new == [tmp_path / "loss.svg"]
    (tmp_path / "fit.svg").write_text("damaged")
    assert draw(frames, tmp_path).new == [tmp_path / "fit.svg"] and drawn[3:] == ["loss", "fit"]
    assert (tmp_path / "fit.svg").read_text() == "fit of 4"


def test_several_processes_draw_the_same_files_as_one(
    frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, found = ("accuracy", "spectrum", "pareto", "bias"), []
    for count in (1, 2):
        monkeypatch.setattr(side_by_side, "process_count", lambda things, count=count: count)
        folder = tmp_path / str(count)
        drawn = draw(frames, folder, "png", "svg", only=names)
        found.append({path.name: path.read_bytes() for path in drawn.new})
        assert list(read_json(folder / study_figures.STAMP)["inputs"]) == list(names)
    assert found[0] == found[1] and {"accuracy.png", "pareto.svg"} <= found[0].keys()


@pytest.mark.parametrize("change", ["lr", "known", "facts", "machine", "axes", "scores", "heads", "attacks"])
def test_whatever_a_figure_may_show_draws_it_again(
    change: str, frames: Frames, drawn: list[str], tmp_path: Path
) -> None:
    rows = pd.DataFrame([{"run": "a", "value": 1.0}])
    changes: dict[str, dict[str, Any]] = {
        "lr": {"runs": frames.runs.assign(lr=0.5)},
        "known": {"known": {"seeds": {"depth=1": [0]}}},
        "facts": {"facts": {"subjects": {"majority_acc": 0.5}}},
        "machine": {"machine": {"processor": "another"}},
        "axes": {"axes": ("dim",)},
        "scores": {"score_tables": lambda: (rows, pd.DataFrame())},
        "attacks": {"attack_rows": lambda: rows},
        "heads": {"score_tables": lambda: (pd.DataFrame(), rows)},
    }
    draw(frames, tmp_path)
    draw(replace(frames, **changes[change]), tmp_path)
    assert len(drawn) == 6


def test_one_figure_drawn_alone_leaves_the_others_unless_the_runs_have_changed(
    frames: Frames, drawn: list[str], tmp_path: Path
) -> None:
    draw(frames, tmp_path)
    assert draw(frames, tmp_path, only=("loss",)) == Drawn([tmp_path / "loss.svg"], [], 0, 1)
    assert sorted(p.name for p in tmp_path.glob("*.svg")) == ["fit.svg", "loss.svg"]
    assert sorted(read_json(tmp_path / study_figures.STAMP)["files"]) == ["fit.svg", "loss.svg"]
    draw(replace(frames, runs=frames.runs.iloc[:2]), tmp_path, only=("loss",))
    assert [p.name for p in tmp_path.glob("*.svg")] == ["loss.svg"]
    assert (tmp_path / "loss.svg").read_text() == "loss of 2"


def test_the_source_of_a_figure_is_its_file_and_what_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: study_figures.figure_source(name) for name in ("accuracy", "loss", "fit")}
    assert len(set(before.values())) == 3
    real = study_figures.hash_source

    def changed(file: str) -> set[str]:
        """The figures that change with this file."""
        monkeypatch.setattr(study_figures, "hash_source", lambda path: "x" if path.name == file else real(path))
        return {name for name, known in before.items() if study_figures.figure_source(name) != known}

    assert changed("loss.py") == {"loss"} and changed("_curves.py") == {"loss"}
    assert changed("_style.py") == changed("statistics.py") == changed("load.py") == set(before)
    assert changed("plan.py") == set()
    monkeypatch.setattr(study_figures, "version", lambda _: "0.1")
    assert changed("") == set(before)


def test_figures_of_other_runs_are_deleted_and_named(frames: Frames, drawn: list[str], tmp_path: Path) -> None:
    draw(frames, tmp_path, "png", "svg")
    assert study_figures.delete_outdated(frames, tmp_path) == []
    (said,) = study_figures.delete_outdated(replace(frames, runs=frames.runs.iloc[:2]), tmp_path)
    assert said.startswith("fit.{png,svg}, loss.{png,svg}: drawn from other runs than the study has now, and deleted")
    assert list(tmp_path.iterdir()) == []
    assert study_figures.delete_outdated(frames, tmp_path) == []


def test_a_figure_of_an_installed_package_that_fails_is_left_out_unless_it_was_asked_for(
    frames: Frames,
    drawn: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = base.load_figure

    def load(name: str) -> Any:
        if name == "fit":
            raise PartError("figures=depth: broken on purpose")
        return real(name)

    monkeypatch.setattr(base, "load_figure", load)
    assert [p.name for p in draw(frames, tmp_path).paths] == ["loss.svg"]
    assert capsys.readouterr().err == "figure fit is left out: figures=depth: broken on purpose\n"
    with pytest.raises(PartError, match="on purpose"):
        draw(frames, tmp_path, only=("fit",))


# ---- `plot`


def test_plot_says_which_studies_there_are_and_what_to_run_first(drawn: list[str], tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    with pytest.raises(ValueError, match="no study yet; run stackattn sweep"):
        study_figures.redraw(place.root, "", ("svg",), ())
    saved = {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}}
    place.save_study("mine", saved)
    with pytest.raises(ValueError, match=r"yours: no such study in .*; there are mine"):
        study_figures.redraw(place.root, "yours", ("svg",), ())
    with pytest.raises(ValueError, match="mine: no run of 1 has finished"):
        study_figures.redraw(place.root, "", ("svg",), ())
    publish_run(place)
    assert [p.name for p in study_figures.redraw(place.root, "", ("svg",), ("loss",)).paths] == ["loss.svg"]
