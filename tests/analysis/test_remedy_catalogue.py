"""What is tried against each finding."""

import pytest

from stackcli.analysis import remedy_catalogue
from stackcli.experiment import remedy_trials
from tests.analysis.examples import typed

VARIANTS = [
    ("residual=post",),
    ("residual=none", "norm=none"),
    ("residual=none", "warmup=0.2", "init=xavier"),
    ("residual=pre", "norm=none", "clip=0"),
    ("residual=post", "init=gpt2", "weight_decay=0.2", "attention_dropout=0.1"),
    ("residual=pre", "init=small", "dropout=0.3", "layer_drop=0.2", "patience=3", "data.size=500"),
    ("data=majority", "depth=1", "steps=300", "lr=0.5"),
]


@pytest.mark.parametrize("words", VARIANTS, ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value"), [*((name, 1e-4) for name in remedy_catalogue.CURES), ("exploding gradient", 1e4)]
)
def test_every_remedy_is_a_setting_of_this_tool_that_the_run_does_not_have(
    words: tuple[str, ...], name: str, value: float
) -> None:
    row = typed(*words)
    for remedy in remedy_catalogue.remedies(name, row, value):
        changed = dict(word.partition("=")[::2] for word in remedy.words)
        kept = [word for word in words if word.partition("=")[0] not in changed]
        treated = typed(*kept, *remedy.words)
        assert {key: row[key] for key in changed} != {key: treated[key] for key in changed}, remedy


def test_more_data_is_tried_first_where_there_is_more_and_every_regulariser_is_among_the_first() -> None:
    def tried(*words: str) -> list[str]:
        return [r.words[0] for r in remedy_catalogue.remedies("overfitting", typed(*words), 0.7)][: remedy_trials.MOST]

    regularisers = ["dropout=0.3", "weight_decay=0.1", "attention_dropout=0.1", "layer_drop=0.2", "patience=2"]
    assert tried("depth=4")[:5] == regularisers
    assert tried("depth=4", "data.size=400")[0] == tried("data=digits", "data.size=200")[0] == "data.size=0"
    assert tried("data=majority", "data.size=512")[0] == "data.size=1024"


def test_no_remedy_is_offered_that_the_tool_refuses() -> None:
    def tried(finding: str, *words: str, value: float = 1e-4) -> list[tuple[str, ...]]:
        return [r.words for r in remedy_catalogue.remedies(finding, typed(*words), value)]

    assert ("layer_drop=0.2",) not in tried("overfitting", "residual=sandwich", "depth=4")
    assert ("share_layers=true",) not in tried("overfitting", "residual=admin", "depth=4")
    assert ("share_layers=true",) not in tried("overfitting", "share_layers=true", "depth=4")
    assert ("residual=admin",) not in tried("vanishing gradient", "residual=post", "share_layers=true")
    assert tried("vanishing gradient", "init=tfixup")[0] == ("norm=layer", "init=default")
    assert tried("undertuned learning rate", value=0.0) == [("lr=0.001",)]


def test_a_learning_rate_is_scaled_so_that_updates_reach_their_goal() -> None:
    low = [r.words[0] for r in remedy_catalogue.remedies("undertuned learning rate", typed("lr=1e-5"), 3e-5)]
    assert low[:2] == ["lr=0.001", "lr=0.003"]  # a hundred and three hundred times as large
    high = [r.words[0] for r in remedy_catalogue.remedies("undertuned learning rate", typed("lr=1"), 0.9)]
    assert high[:2] == ["lr=0.003", "lr=0.001"]


def test_rates_are_rounded_to_one_and_three() -> None:
    pairs = {0.00042: "0.0003", 0.0018: "0.003", 0.0017: "0.001", 0.9: "1", 1e-5: "1e-05", 6.0: "10", 2.9e-4: "0.0003"}
    assert {value: remedy_catalogue.round_rate(value) for value in pairs} == pairs
