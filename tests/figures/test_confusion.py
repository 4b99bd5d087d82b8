"""Confusion: counts summed over seeds, shares by row, recall."""

import numpy as np
import pytest

from stackcli.figures import base, confusion
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = confusion.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure:
        factory.check(figure)


def test_cells_are_shares_of_the_row_with_counts_summed_over_seeds() -> None:
    frames = factory.study()
    left, right = factory.draw("confusion", frames).axes[:2]
    counts = np.sum([np.array(matrix) for matrix in frames.runs["confusion"]], axis=0)
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert np.allclose(factory.cells(left), shares)
    texts = [text.get_text() for text in left.texts]
    assert texts == [f"{s:.2f}\n{c}" for s, c in zip(shares.ravel(), counts.ravel(), strict=True)]
    assert np.allclose([bar.get_width() for bar in right.containers[0]], np.diag(shares))
    names = ["world", "sport", "business", "science"]
    assert [text.get_text() for text in left.get_yticklabels()] == names
    assert [text.get_text() for text in left.get_xticklabels()] == names


def test_the_dots_are_the_recalls_of_single_runs() -> None:
    frames = factory.study()
    right = factory.draw("confusion", frames).axes[1]
    for dots, recall in zip(factory.labelled(right, "single run"), frames.runs["acc_by_class"], strict=True):
        assert np.array_equal(dots.get_xdata(), recall)


def test_the_point_is_the_one_that_the_sentences_call_the_best() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.runs.loc[frames.runs["depth"] == 1, ["val_acc", "test_acc"]] = 0.99, 0.1
    frames.runs.loc[frames.runs["depth"] == 2, ["val_acc", "test_acc"]] = 0.5, 0.99
    small = factory.draw("confusion", frames).get_supxlabel()
    assert small.startswith("depth=2, best mean on the test part")
    assert any(sentence.startswith("Depth 2 has the highest mean test accuracy") for sentence in base.summary(frames))


def test_a_diverged_run_is_not_counted_and_never_best() -> None:
    frames = factory.study({"depth": [1, 2]}, diverged=[("depth=1", 0), *(("depth=2", s) for s in range(3))])
    text = factory.draw("confusion", frames).get_supxlabel()
    assert text.startswith("depth=1") and "diverged 1 of 3" in text and "480 items of 2 runs" in text


def test_a_class_that_the_test_part_lacks_is_left_grey() -> None:
    frames = factory.study(seeds=1)
    matrix = np.array(frames.runs["confusion"][0])
    matrix[2] = 0
    frames.runs.at[0, "confusion"] = matrix.tolist()
    axes = factory.draw("confusion", frames).axes[0]
    assert np.ma.getmaskarray(factory.cells(axes))[2].all() and len(axes.texts) == 12


def test_class_names_are_drawn_as_typed() -> None:
    axes = factory.draw("confusion", factory.CASES["names as typed"]()).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names[:4] == [r"$\frac{1}$", "_x", "100 %", "half \ufffd pair"]
    assert names[4] in ("日本 語", "#1 #2")  # without a font for Japanese it is numbered


def test_classes_whose_names_look_alike_keep_their_places() -> None:
    axes = factory.draw("confusion", factory.study(classes=("a b", "a\nb", "c"))).axes[0]
    assert list(axes.get_yticks()) == [0, 1, 2]
