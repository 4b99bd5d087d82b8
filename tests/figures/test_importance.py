"""Importance: what a search tried, run by run and setting by setting."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.common.encodable import replace_surrogates
from stackcli.figures import base
from tests.figures import factory


def searched(runs: int = 30, *, lengths: tuple[int, ...] = (), **settings: object) -> Frames:
    """A search over lr, dropout and pe, a run for each choice; with `lengths` the best third goes on to the next."""
    draw = np.random.default_rng(3)
    lr = np.round(10 ** draw.uniform(-5, -2, runs), 8)
    rows = pd.DataFrame({"lr": lr, "dropout": draw.choice([0.0, 0.1, 0.3], runs), "pe": draw.choice(["a", "b"], runs)})
    rows["val_loss"] = 0.5 + 0.1 * (np.log10(lr) + 3) ** 2 + rows["dropout"] + draw.normal(0, 0.01, runs)
    rows = rows.assign(seed=1_000_000, status="done", arm="", **settings)
    axes: tuple[str, ...] = ("lr", "dropout", "pe")
    if lengths:
        parts = [rows.nsmallest(runs // 3**i, "val_loss").assign(epochs=n) for i, n in enumerate(lengths)]
        rows = pd.concat([p.assign(val_loss=p["val_loss"] - 0.02 * i) for i, p in enumerate(parts)], ignore_index=True)
        axes = (*axes, "epochs")
    rows["run"] = [f"r{i}" for i in range(len(rows))]
    rows["point"] = rows["run"]
    command = "halving" if lengths else "search"
    return replace(factory.empty(), command=command, axes=axes, runs=rows, study="s-search")


def test_every_run_is_a_dot_and_the_line_is_the_lowest_so_far() -> None:
    frames = searched()
    figure = factory.draw("importance", frames)
    factory.check(figure)
    by_run, *settings = figure.axes
    (dots,), (line,) = factory.labelled(by_run, "runs"), factory.labelled(by_run, "so far")
    losses = frames.runs["val_loss"].tolist()
    assert list(dots.get_xdata()) == list(range(1, 31)) and list(dots.get_ydata()) == losses
    assert list(line.get_ydata()) == [min(losses[: i + 1]) for i in range(30)]
    assert [axes.get_xlabel().split()[0] for axes in settings] == ["lr", "dropout", "pe"]
    (lr,) = factory.labelled(settings[0], "runs")
    assert list(lr.get_xdata()) == frames.runs["lr"].tolist() and settings[0].get_xscale() == "log"


def test_the_ring_is_at_the_lowest_in_every_panel() -> None:
    frames = searched()
    lowest = frames.runs.loc[frames.runs["val_loss"].idxmin()]
    panels = factory.draw("importance", frames).axes
    rings = [factory.labelled(axes, "best")[0] for axes in panels]
    assert all(list(ring.get_ydata()) == [lowest["val_loss"]] for ring in rings)
    assert rings[0].get_xdata()[0] == frames.runs["val_loss"].idxmin() + 1
    assert rings[1].get_xdata()[0] == lowest["lr"] and rings[2].get_xdata()[0] == lowest["dropout"]


def test_lengths_differ_in_colour_and_the_best_run_is_among_the_longest() -> None:
    frames = searched(27, lengths=(1, 3, 9))
    frames.runs.loc[0, "val_loss"] = 0.1  # a short run that is lower than all
    figure = factory.draw("importance", frames)
    factory.check(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["epochs=9", "epochs=3", "epochs=1"]
    dots = factory.labelled(figure.axes[0], "runs")
    assert [len(d.get_xdata()) for d in dots] == [3, 9, 27] and len({d.get_color() for d in dots}) == 3
    longest = frames.runs[frames.runs["epochs"] == 9]
    assert factory.labelled(figure.axes[0], "best")[0].get_ydata()[0] == longest["val_loss"].min()
    assert [axes.get_xlabel().split()[0] for axes in figure.axes[1:]] == ["lr", "dropout", "pe"]  # not the length


def test_runs_that_diverged_are_crosses_and_never_the_best() -> None:
    frames = searched()
    worst = frames.runs["val_loss"].idxmin()
    frames.runs.loc[worst, ["status", "val_loss"]] = ["diverged", np.nan]
    figure = factory.draw("importance", frames)
    factory.check(figure)
    (crosses,) = factory.labelled(figure.axes[0], "diverged")
    assert list(crosses.get_xdata()) == [worst + 1]
    assert factory.labelled(figure.axes[0], "best")[0].get_ydata()[0] == frames.runs["val_loss"].min()
    assert "of 30 runs 1 (crosses) diverged" in figure.get_supxlabel()


def test_a_setting_that_some_parts_lack_is_drawn_where_it_is() -> None:
    frames = searched()
    frames.runs["pe.clip"] = [float(i % 5 + 1) if i % 2 else np.nan for i in range(30)]
    frames = replace(frames, axes=("lr", "pe.clip"))
    figure = factory.draw("importance", frames)
    factory.check(figure)
    (dots,) = factory.labelled(figure.axes[2], "runs")
    assert list(dots.get_xdata()) == frames.runs["pe.clip"].dropna().tolist()


@pytest.mark.parametrize("names", [factory.NAMES, tuple(f"a rather long name, {i}" for i in range(12))])
def test_names_are_drawn_as_typed(names: tuple[str, ...]) -> None:
    frames = searched()
    frames.runs["pe"] = [replace_surrogates(names[i % len(names)]) for i in range(30)]  # as they are read
    factory.check(factory.draw("importance", frames))


def test_many_settings_become_at_most_eight_panels_and_the_figure_says_so() -> None:
    frames = searched()
    for i in range(9):
        frames.runs[f"pe.key{i}"] = np.linspace(0, 1, 30)
    axes = (*frames.axes, *(f"pe.key{i}" for i in range(9)))
    figure = factory.draw("importance", replace(frames, axes=axes))
    factory.check(figure)
    assert len(figure.axes) == 9 and "8 of 12 settings shown" in figure.get_supxlabel()


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_a_study_that_is_no_search_draws_nothing(case: str) -> None:
    assert base.load_figure("importance")(factory.CASES[case]()) is None
