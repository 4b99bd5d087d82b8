"""Records written as strict JSON and read back."""

import json
import math

import numpy as np
import pytest

from stackcli.common.records import LayerRow, StackRow, StepRow, dumps, json_lines, loads, parse_number


def test_non_finite_numbers_become_strings_at_any_depth() -> None:
    value = {"a": math.nan, "b": (math.inf, [-math.inf, {"c": math.nan}]), "d": 0.5, "e": None, "f": True}
    expected = {"a": "NaN", "b": ["Infinity", ["-Infinity", {"c": "NaN"}]], "d": 0.5, "e": None, "f": True}
    assert json.loads(dumps(value)) == expected


def test_numpy_numbers_are_written_like_python_numbers() -> None:
    assert dumps([np.float64(0.5), np.float64(math.nan), np.float64(-math.inf)]) == '[0.5, "NaN", "-Infinity"]'


def test_text_is_kept_or_written_in_ascii() -> None:
    assert dumps(["é\n"]) == '["é\\n"]'
    assert dumps(["é\n"], ascii_only=True) == '["\\u00e9\\n"]'


@pytest.mark.parametrize("text", ["NaN", "[1, Infinity]", '{"a": -Infinity}'])
def test_a_bare_number_that_json_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON number"):
        loads(text)


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e-300, -0.0, math.inf, -math.inf, math.nan])
def test_every_number_is_read_back_bit_for_bit(number: float) -> None:
    found = parse_number(loads(dumps(number)))
    assert isinstance(found, float) and (found.hex() == number.hex())


@pytest.mark.parametrize("value", ["nan", "inf", "", "diverged", None, 3, [1.5]])
def test_another_value_is_not_parsed(value: object) -> None:
    assert parse_number(value) is value


def test_a_line_leaves_out_what_was_not_measured_and_keeps_zeros() -> None:
    rows: list[StepRow | LayerRow | StackRow] = [
        StepRow(step=0, epoch=0.0, lr=0.1, train_loss=math.nan, train_acc=0.5, val_loss=2.0, val_acc=0.25),
        LayerRow(step=4, layer=1, tensor="q", g1=0.0),
        StackRow(layer=0, probe_acc=0.5, cka=(1.0, 0.25)),
    ]
    lines = list(json_lines(rows))
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert [json.loads(line) for line in lines] == [
        {
            "step": 0,
            "epoch": 0.0,
            "lr": 0.1,
            "train_loss": "NaN",
            "train_acc": 0.5,
            "val_loss": 2.0,
            "val_acc": 0.25,
        },
        {"step": 4, "layer": 1, "tensor": "q", "g1": 0.0},
        {"layer": 0, "probe_acc": 0.5, "cka": [1.0, 0.25]},
    ]
