"""What a search draws: the values that were typed, evenly, and in an order that only the seed decides."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from stackcli.config import overrides
from stackcli.config.overrides import Interval, Steps
from stackcli.config.settings import Config
from stackcli.experiment import search_sampler
from tests.experiment.examples import SPACE, default_config
from tests.helpers import environment


def sampler(domains: dict[str, overrides.Domain], kind: str = "random", seed: int = 0) -> search_sampler.Sampler:
    """A sampler that accepts every setting."""
    return search_sampler.Sampler(domains, kind, seed=seed, make=lambda values: default_config())


def draw(word: str, count: int) -> list[Any]:
    """Values drawn at random for one word of a search."""
    key, domain = overrides.parse_domain(word)
    return [asked.values[key] for asked in sampler({key: domain}).ask(count)]


@pytest.mark.parametrize(
    "word",
    ["depth=range(1,9)", "depth=range(2,20,3)", "lr=range(0.1,0.5,0.1)", "depth=range(9,1,-2)", "ff=range(1,2,.3)"],
)
def test_a_range_is_searched_over_the_values_that_hydra_expands_it_to(word: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    theirs: list[Any] = sorted(OverridesParser.create().parse_override(word).sweep_iterator())
    _, domain = overrides.parse_domain(word)
    assert isinstance(domain, Steps)
    drawn = sorted(set(draw(word, 300)))
    assert drawn == pytest.approx(theirs, abs=1e-12) and len(drawn) == len(theirs)
    assert [type(v) for v in drawn] == [type(v) for v in theirs]
    assert search_sampler.distribution(domain).high == pytest.approx(max(theirs))  # type: ignore[attr-defined]


def test_an_interval_by_its_logarithm_is_even_over_decades_and_without_its_end() -> None:
    _, domain = overrides.parse_domain("lr=tag(log,interval(1e-5,1e-2))")
    assert domain == Interval(1e-5, math.nextafter(1e-2, 0), log=True)
    decades = [math.floor(math.log10(lr)) for lr in draw("lr=tag(log,interval(1e-5,1e-2))", 900)]
    shares = [decades.count(d) / 900 for d in (-5, -4, -3)]
    assert sum(shares) == 1 and all(abs(share - 1 / 3) < 0.06 for share in shares)  # 4 standard errors
    drawn = draw("lr=interval(0.2,0.4)", 400)
    assert all(0.2 <= x < 0.4 for x in drawn) and abs(np.mean(drawn) - 0.3) < 0.012


def test_a_number_is_trained_with_the_digits_that_are_shown() -> None:
    for lr in draw("lr=tag(log,interval(1e-5,1e-2))", 200):
        assert float(f"{lr:g}") == lr


def test_whole_numbers_of_an_interval_leave_out_its_end_as_hydra_does() -> None:
    for word in ("depth=int(interval(1,9))", "depth=tag(log,int(interval(1,9)))", "depth=tag(log,range(1,9))"):
        drawn = draw(word, 400)
        assert set(drawn) == set(range(1, 9)) and all(type(v) is int for v in drawn)
        few = drawn.count(1) > 1.5 * drawn.count(8)  # by the logarithm 1 is as far from 2 as 4 from 8
        assert few == ("log" in word)


def test_a_choice_keeps_the_values_of_hydra_and_their_types() -> None:
    for word, values in {
        "pe=learned,relative": ("learned", "relative"),
        "dropout=0.0,0.1,0.3": (0.0, 0.1, 0.3),
        "causal=true,false": (True, False),
        "pe=glob(r*)": ("relative", "rope"),
        "pe.base=auto,100": ("auto", 100),
        "data.label='1e3',\"true\"": ("1e3", "true"),
    }.items():
        assert overrides.parse_domain(word)[1] == values and set(map(repr, draw(word, 60))) == set(map(repr, values))


def test_settings_that_never_fit_together_end_the_search_after_200_draws() -> None:
    def refuse(values: Any) -> Config:
        raise ValueError("never")

    never = search_sampler.Sampler({"depth": Steps((1, 2, 3))}, "random", seed=0, make=refuse)
    with pytest.raises(ValueError, match="200 settings in a row do not fit together; the last: never"):
        never.ask(1)
    assert {trial.state.name for trial in never.study.trials} == {"FAIL"}  # none that a model takes to be running


@pytest.mark.parametrize(
    ("kind", "trials", "rounds"),
    [
        ("random", 23, [23]),
        ("bayes", 7, [7]),
        ("bayes", 10, [10]),
        ("bayes", 18, [10, 4, 4]),
        ("bayes", 21, [10, 4, 4, 3]),
    ],
)
def test_bayes_gets_losses_after_ten_trials_and_then_after_every_four(
    kind: str, trials: int, rounds: list[int]
) -> None:
    assert sampler({"depth": Steps((1, 2))}, kind).rounds(trials) == rounds


def test_a_bayes_search_comes_nearer_to_the_best_than_a_random_one() -> None:
    def loss(values: Any) -> float:
        return float((math.log10(values["lr"]) + 2.5) ** 2 + values["dropout"] + 0.1 * abs(values["depth"] - 2))

    domains = dict(overrides.parse_domain(word) for word in ("lr=tag(log,interval(1e-5,1e-1))", *SPACE[1:]))
    best: dict[str, list[float]] = {"random": [], "bayes": []}
    for kind, found in best.items():
        for seed in range(12):
            one, losses = sampler(domains, kind, seed), []
            for size in one.rounds(40):
                for asked in one.ask(size):
                    losses.append(loss(asked.values))
                    one.tell(asked.trial, losses[-1])
            found.append(min(losses))
    assert np.median(best["bayes"]) < np.median(best["random"])


def test_the_order_of_the_trials_does_not_depend_on_pythons_hashes() -> None:
    code = (
        "from stackcli.config import overrides\n"
        "from stackcli.experiment import search_sampler\n"
        f"domains = dict(map(overrides.parse_domain, {SPACE!r}))\n"
        "made = search_sampler.Sampler(domains, 'bayes', seed=3, make=lambda v: None)\n"
        "for size in made.rounds(26):\n"
        "    for a in made.ask(size):\n"
        "        print(a.values); made.tell(a.trial, float(a.values['lr']))\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], env=environment(PYTHONHASHSEED=seed), capture_output=True).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] and said[0].count(b"\n") == 26


def test_the_step_of_a_decimal_range_has_no_rounding_dust() -> None:
    assert 0.3 - 0.2 != 0.1  # in binary
    assert search_sampler.step(Steps((0.2, 0.3, 0.4))) == 0.1
    assert search_sampler.step(Steps((2, 5, 8))) == 3


def test_a_coordinate_is_the_logarithm_where_the_search_is_by_the_logarithm() -> None:
    assert search_sampler.coordinate(Interval(1e-5, 1e-2, log=True), 1e-3) == pytest.approx(-3 * math.log(10))
    assert search_sampler.coordinate(Steps((1, 2, 3)), 2) == 2.0
    assert search_sampler.coordinate(("rope", "none"), "rope") == "rope"
