"""The plan of a command: which runs are trained, in which order, and which settings are refused beforehand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from stackcli.common import registry
from stackcli.config import grid, overrides
from stackcli.config.settings import Config, Part
from stackcli.data.base import Loaded
from stackcli.data.csv import Csv
from stackcli.experiment import plan
from stackcli.experiment.store import Store
from tests.experiment.examples import default_config, publish_run
from tests.helpers import write_data

LAG = ("data=lag", "data.size=40", "data.train_len=12", "causal=true", "dim=8", "heads=2", "batch=8", "seeds=1")


def configs(*words: str) -> tuple[Config, ...]:
    return grid.parse_grid([*LAG, *words]).configs


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that knows the facts of the data, and holds the run of depth 2 without weights."""
    place = Store(tmp_path_factory.mktemp("store") / "out")
    place.create()
    first = plan.plan(configs("depth=2", "keep=none"), place)
    plan.keep_facts(first, place)
    publish_run(place, first.ids[0], config=first.configs[0])
    return place


def test_the_longest_run_is_trained_first_and_the_study_keeps_its_order(store: Store) -> None:
    found = plan.plan(configs("depth=1,8,2,4", "keep=none"), store)
    assert [c.depth for c in found.configs] == [1, 8, 2, 4]
    assert [job.config.depth for job in found.todo] == [8, 4, 1]  # depth 2 is there
    assert found.cached == 1 and {job.run for job in found.todo} == set(found.ids) - {found.ids[2]}


def test_a_run_is_trained_again_by_force_or_for_weights_that_it_lacks(store: Store) -> None:
    assert plan.plan(configs("depth=2", "keep=none"), store).todo == ()
    (kept,) = plan.plan(configs("depth=2", "keep=best"), store).todo
    (forced,) = plan.plan(configs("depth=2", "keep=none"), store, force=True).todo
    assert (kept.run, kept.replace, forced.run, forced.replace) == (forced.run, False, kept.run, True)


def test_equal_runs_are_trained_once(store: Store) -> None:
    twice = configs("depth=1") * 2
    found = plan.plan(twice, store)
    assert len(found.configs) == 2 and len(found.todo) == 1 and found.cached == 0


def test_soon_is_called_only_where_something_is_trained(store: Store) -> None:
    called: list[str] = []
    plan.plan(configs("depth=2", "keep=none"), store, soon=lambda: called.append("none"))
    plan.plan(configs("depth=3", "keep=none"), store, soon=lambda: called.append("some"))
    assert called == ["some"]


def test_facts_that_are_stored_are_read_and_the_data_are_not_loaded(tmp_path: Path) -> None:
    def unread() -> NoReturn:
        raise AssertionError("the data were loaded")

    place, data = Store(tmp_path / "out"), configs()[0].data
    real = registry.build_part("data", data.name, **data.options)
    key, facts = plan.data_facts(data, real.load, "content", place)
    assert facts["sizes"]["train"] == 40
    place.save_facts(key, facts)
    again, found = plan.data_facts(data, unread, "content", place)
    assert again == key and found["sizes"] == facts["sizes"] and found["majority_acc"] == facts["majority_acc"]
    with pytest.raises(AssertionError, match="were loaded"):
        plan.data_facts(data, unread, "other content", place)


def test_the_data_of_all_runs_are_loaded_once_and_not_if_they_have_changed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_data(tmp_path / "d.csv")
    loads, real = list[str](), Csv.load

    def load(self: Csv) -> Loaded:
        loads.append(self.path)
        return real(self)

    monkeypatch.setattr(Csv, "load", load)
    line = ("data=csv", f"data.path={file}", "dim=8", "heads=2", "batch=8", "seeds=2", "depth=1,2")
    planned = plan.plan(grid.parse_grid(line).configs, Store(tmp_path / "out"))
    jobs = plan.with_data(planned)
    assert len(jobs) == 4 and loads == [str(file)] and jobs == list(planned.todo)
    assert len({id(job.loaded) for job in jobs}) == 1 and jobs[0].loaded == Csv(path=str(file)).load()
    file.write_text(file.read_text() + "one more question,a\n")
    assert [job.loaded for job in plan.with_data(planned)] == [None] * 4
    file.unlink()
    assert [job.loaded for job in plan.with_data(planned)] == [None] * 4


def test_the_estimate_is_that_of_its_formula() -> None:
    config = replace(default_config(), depth=2, dim=10, ff=3.0, batch=4, steps=0, epochs=2)
    steps = 2 * 3  # ten examples are three batches
    work = 3 * 2 * 32 * 4 * (8 + 4 * 3) * 10**2  # floating-point operations of a step
    seconds = steps * (work / 5e10 + 0.002 * 2 + 0.003) + 0.5
    assert plan.estimate(config, 10) == pytest.approx(seconds)
    assert plan.estimate(replace(config, steps=600), 10) == pytest.approx(100 * (seconds - 0.5) + 0.5)


# ---- what is refused


FACTS: dict[str, Any] = {"sizes": {"train": 20}, "max_len": 16}


@pytest.mark.parametrize(
    ("changes", "facts", "message"),
    [
        ({"batch": 21}, {}, "batch=21: larger than the training part (20 sequences); write batch=20"),
        (
            {"pe": Part(name="learned", keys=(("randomised", True), ("range", 15)))},
            {},
            "pe.range=15: the longest input has 16 positions; pe.range=16",
        ),
        ({"dim": 8}, {"vectors": 50}, "the word vectors have 50 numbers each: dim=50, not 8"),
        ({"causal": False}, {"causal": True}, "needs causal=true"),
        ({"distill": Part(name="defensive")}, {"every": True}, "data with one answer for each sequence"),
        ({"word_dropout": 0.1}, {"unknown": False}, "data=subjects, csv, text and conllu have one"),
    ],
)
def test_settings_that_do_not_go_with_the_data_are_refused(
    changes: dict[str, Any], facts: dict[str, Any], message: str
) -> None:
    fits = replace(default_config(), batch=20, dim=50, causal=True)
    plan.check_fit(fits, {**FACTS, "vectors": 50, "causal": True})
    with pytest.raises(ValueError) as error:
        plan.check_fit(replace(fits, **changes), {**FACTS, **facts})
    assert message in str(error.value)


def test_the_passes_of_a_step_and_the_training_of_a_teacher_count_in_the_estimate() -> None:
    plain = default_config()
    steps = 57 * plain.epochs

    def seconds(**changes: Part) -> float:
        return plan.estimate(replace(plain, **changes), 1824) - 0.5  # type: ignore[arg-type]

    assert plan.passes_of(plain) == plan.trainings_of(plain) == 1 and seconds() > 0.001 * steps
    for name, keys, passes in (("fgm", (), 2), ("pgd", (("steps", 4),), 5), ("freelb", (("steps", 4),), 4)):
        part = Part(name=name, keys=keys)
        assert plan.passes_of(replace(plain, adversarial=part)) == passes
        assert seconds(adversarial=part) == pytest.approx(passes * seconds())
    assert seconds(distill=Part(name="defensive")) == pytest.approx(2 * seconds())
    both = replace(plain, adversarial=Part(name="fgm"), distill=Part(name="defensive"))
    assert plan.passes_of(both) == 4 and plan.trainings_of(both) == 2


def test_a_device_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    plan.check_device({"cpu", "mps"})
    with pytest.raises(ValueError, match="device=cuda: CUDA is not available; use device=cpu"):
        plan.check_device({"cpu", "cuda"})


def test_every_combination_of_parts_that_does_not_fit_is_named_at_once() -> None:
    typed: Sequence[str] = ("pe=sinusoidal,structural,learned", "dim=9", "heads=3", "seeds=1")
    jobs = [(config, {"treeless": "one sentence has no parse"}) for config in grid.parse_grid(typed).configs]
    with pytest.raises(ValueError) as error:
        plan.check_parts(jobs)
    first, second = str(error.value).split("\n")
    assert "sinusoidal needs an even dim" in first
    assert "pe=structural needs data that carry a tree" in second and "one sentence has no parse; parse" in second
    plan.check_parts(jobs[2:])


# ---- the line that trains a run again


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), ("true", "'true'"), ("NULL", "'NULL'"), (3, "3"), ("3", "'3'"), ("rope", "rope"), (0.1, "0.1")],
)
def test_a_value_is_quoted_where_it_would_be_read_as_another_type(value: Any, text: str) -> None:
    assert plan.quote_value(value) == text
    assert overrides.parse_override(f"pe.label={text}").values == (value,)
