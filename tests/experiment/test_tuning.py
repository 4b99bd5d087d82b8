"""Equal tuning: what is searched, on which seeds, and which value is chosen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.config.grid import parse_grid
from stackcli.config.settings import Options
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import matched_cost, study, tuning
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms
from tests.experiment.examples import options, publish_run


def arms(*words: str) -> Arms:
    return Arms.of_grid(parse_grid(words))


COMPARED = arms("pe=none,rope", "seeds=2")

# ---- what is searched


def test_whole_numbers_of_a_decimal_setting_are_read_as_decimals() -> None:
    key, values = tuning.parse_tuned("ff=1,2.5", COMPARED)
    assert (key, values) == ("ff", (1.0, 2.5)) and all(type(value) is float for value in values)
    assert tuning.parse_tuned("depth=1,2", COMPARED) == ("depth", (1, 2))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lr=0.1", "--tune lr=0.1: a search needs at least two values"),
        ("lr=0.1,-1", "lr=-1"),
        ("pe=none,rope", "a setting that is a number or a word and is not compared"),
        ("pe.base=1,2", "a setting that is a number or a word and is not compared"),
        ("seed=1,2", "a setting that is a number or a word and is not compared"),
    ],
)
def test_what_cannot_be_searched_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        tuning.parse_tuned(word, COMPARED)
    assert message in str(error.value)
    with pytest.raises(UsageError, match="is not compared"):
        tuning.parse_tuned("lr=0.1,0.2", replace(COMPARED, axes=("arm",)))  # arms of an experiment


@pytest.fixture(scope="module")
def matched() -> Arms:
    """Two depths whose dim and ff are chosen so that both have as many parameters."""
    return matched_cost.matched_arms(("depth=1,2", "match=params"), None)


@pytest.mark.parametrize("word", ["dim=16,32", "ff=1,2", "heads=1,2", "share_layers=true,false"])
def test_what_sizes_a_stack_is_not_tuned_where_sizes_are_matched(word: str, matched: Arms) -> None:
    with pytest.raises(UsageError, match="match=params sizes every depth"):
        tuning.parse_tuned(word, matched)


def test_a_tuned_size_must_fit_the_others() -> None:
    with pytest.raises(UsageError, match="dim=64 is not divisible by heads=3"):
        tuning.parse_tuned("heads=2,3", arms("depth=1,2"))


def test_every_arm_gets_every_value_on_seeds_that_the_comparison_does_not_use() -> None:
    found = tuning.tuning_runs(arms("pe=none,rope", "seed=5", "seeds=3"), "lr", (0.1, 0.2))
    first = 5 + 1_000_000
    assert [(c.pe.name, c.lr, c.seed) for c in found] == [
        (pe, lr, seed) for pe in ("none", "rope") for lr in (0.1, 0.2) for seed in (first, first + 1)
    ]


def test_a_tuned_study_has_another_name_than_an_untuned_one(tmp_path: Path) -> None:
    given = options(tmp_path)
    plain, one, other = (tuning.tuning_name(COMPARED, replace(given, tune=word)) for word in ("", "lr=1,2", "lr=1,3"))
    assert plain == study.study_name("sweep", COMPARED) and len({plain, one, other}) == 3
    assert tuning.tuning_name(COMPARED, replace(given, tune="lr=1,2", study="mine")) == "mine"


# ---- what is chosen


def searched(place: Store, losses: Mapping[tuple[str, float], tuple[float | None, ...]]) -> None:
    """A search over lr: (pe, lr) -> the validation loss of each seed; None: that run diverged."""
    entries = []
    for (pe, lr), values in losses.items():
        for seed, loss in enumerate(values):
            run = f"{pe}-{lr}-{seed}"
            status = "diverged" if loss is None else "done"
            publish_run(place, run, val_loss=loss, status=status)
            settings = {"pe": pe, "lr": lr, "seed": seed}
            entries.append({"run": run, "arm": "", "point": "", "settings": settings, "timing": "", "facts": "d"})
    record: dict[str, Any] = {"command": "sweep", "axes": ["pe", "lr"], "base": {}, "facts": {}}
    place.save_study("s-tune", {**record, "runs": entries})


def test_each_arm_gets_the_value_of_its_lowest_mean_validation_loss(tmp_path: Path) -> None:
    losses = {
        ("none", 0.1): (0.3, 0.7),  # mean 0.5, though one seed is the best of all
        ("none", 0.2): (0.45, 0.45),
        ("rope", 0.1): (0.6, 0.6),
        ("rope", 0.2): (0.1, None),  # diverged once, and so ruled out
    }
    place = Store(tmp_path)
    searched(place, losses)
    assert tuning.choose_values(place, "s-tune", COMPARED, "lr") == {"pe=none": 0.2, "pe=rope": 0.1}


def test_an_arm_whose_every_value_diverged_is_named(tmp_path: Path) -> None:
    place = Store(tmp_path)
    searched(place, {("none", 0.1): (0.3,), ("rope", 0.1): (None,), ("rope", 0.2): (None,)})
    with pytest.raises(ValueError, match="--tune lr: no value trained pe=rope without diverging; try smaller ones"):
        tuning.choose_values(place, "s-tune", COMPARED, "lr")


def test_a_choice_at_the_end_of_the_values_is_announced_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options(tmp_path)
    tuning.announce_choice({"pe=none": 0.2, "pe=rope": 0.3}, (0.3, 0.1, 0.2), "lr", given)
    inner, edge = capsys.readouterr().err.splitlines()
    assert inner.endswith("pe=none lr=0.2") and edge.endswith(
        "pe=rope lr=0.3 (at the end of the values: a better one may lie beyond)"
    )
    tuning.announce_choice({"": "cosine"}, ("cosine", "constant"), "schedule", given)
    assert "at the end" not in capsys.readouterr().err  # words have no order


def test_the_comparison_runs_each_arm_with_the_value_chosen_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[Arms, Options]] = []

    def run(given: Arms, how: Options) -> int:
        runs.append((given, how))
        return 0

    monkeypatch.setattr(study, "run_study", run)
    monkeypatch.setattr(tuning, "choose_values", lambda *_: {"pe=none": 0.1, "pe=rope": 0.2})
    Store(tmp_path).create()
    assert tuning.run_tuning(COMPARED, options(tmp_path, tune="lr=0.1,0.2", study="s")) == 0
    (search, looking), (tuned, final) = runs
    assert (looking.study, looking.search, final.study, final.search) == ("s-tune", True, "s", False)
    assert search.axes == ("pe", "lr") and len(search.configs) == 2 * 2 * 2
    assert [(c.pe.name, c.lr, c.seed) for c in tuned.configs] == [
        ("none", 0.1, 0), ("none", 0.1, 1), ("rope", 0.2, 0), ("rope", 0.2, 1)
    ]  # fmt: skip
    assert tuned.chosen == ("lr",) and "lr" not in tuned.base and tuned.base["tune"] == "lr=0.1,0.2"


def test_epochs_are_not_tuned_where_steps_set_the_length() -> None:
    arms = Arms.of_grid(parse_grid(("depth=1,2", "steps=10")))
    with pytest.raises(UsageError, match="steps= sets how long a run trains; leave it out, or tune steps"):
        tuning.parse_tuned("epochs=4,8", arms)
