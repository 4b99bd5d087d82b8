"""Surrogates in words."""

import io
from typing import Any

import pytest
from rich.console import Console

from stackcli.analysis.surrogate_text import describe_rules, describe_surrogates, explain_shares, tabulate_weights

Rows = list[tuple[int, str | None, str | None, float, int]]
NESTED: Rows = [
    (0, "cell", "Biology", 0.93, 120),
    (0, "atom", None, 1.0, 50),
    (1, "light", "Physics", 0.8, 10),
    (1, None, "Chemistry", 1.0, 40),
    (0, None, "Maths", 0.5, 1),
]


def rules(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(("level", "word", "answer", "share", "texts"), row, strict=True)) for row in rows]


def share(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def report(fidelity: float) -> dict[str, Any]:
    point = {"size": 3, "fidelity": share(fidelity), "accuracy": share(0.7)}
    return {
        "run": "r",
        "unit": "text",
        "texts": {"train": 1800, "test": 300},
        "stack": {"accuracy": share(0.9)},
        "majority": {"answer": "Maths", "fidelity": share(0.3), "accuracy": share(0.2)},
        "surrogates": {
            "tree": {**point, "rules": rules(NESTED), "curve": [point]},
            "linear": {
                **point,
                "weights": {"Maths": [("x", 2.0), ("the", 0.1), ("a", -0.2), ("cell", -1.5)]},
                "curve": [point],
            },
        },
    }


def printed(*parts: Any) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_rules_are_sentences_and_those_inside_a_rule_are_indented() -> None:
    assert list(describe_rules(rules(NESTED), "text")) == [
        "if the text has 'cell': Biology (93 % of 120 training texts)",
        "otherwise, if the text has 'atom':",
        "  if the text has 'light': Physics (80 % of 10 training texts)",
        "  otherwise: Chemistry (100 % of 40 training texts)",
        "otherwise: Maths (50 % of 1 training text)",
    ]
    again: Rows = [(0, "a", None, 1.0, 3), (1, "b", "A", 1.0, 3), (0, "c", None, 1.0, 3), (1, "d", "A", 1.0, 3)]
    assert [line.strip()[:2] for line in describe_rules(rules(again), "text")] == ["if", "if", "ot", "if"]


def test_long_words_stay_within_80_columns() -> None:
    deep: Rows = [(level, "w" * 70, "a class " * 12, 0.5, 9) for level in (0, 5, 20)]
    assert max(map(len, describe_rules(rules(deep), "text"))) <= 80


def test_a_surrogate_near_the_majority_answer_is_said_to_say_nothing() -> None:
    assert "not clearly more faithful" not in explain_shares(report(0.8))
    assert explain_shares(report(0.35)).count("not clearly more faithful") == 2


@pytest.mark.parametrize("fidelity", [0.8, 0.35])
def test_fidelity_stands_beside_accuracy(fidelity: float) -> None:
    said = printed(*describe_surrogates(report(fidelity)))
    line = next(line for line in said.splitlines() if "decision tree, 3 leaves" in line)
    assert line.split()[4] == f"{fidelity:.3f}" and line.split()[8] == "0.700"
    assert "1,800 training texts, measured on 300 test texts" in " ".join(said.split())
    assert "stack" in said and "0.900" in said and max(map(len, said.splitlines())) <= 80


def test_words_for_and_against_a_class_are_on_their_sides() -> None:
    said = printed(tabulate_weights(report(0.8)["surrogates"]["linear"]["weights"]))
    line = next(line for line in said.splitlines() if "Maths" in line)
    assert " ".join(line.split()) == "Maths x +2.0, the +0.1 cell -1.5, a -0.2"


def test_a_linear_model_without_words_says_so() -> None:
    given = report(0.3)
    given["surrogates"]["linear"] |= {"size": 0, "weights": {"Maths": []}}
    assert "no words: none speaks for an answer" in printed(*describe_surrogates(given))
