"""The trials of a search: which setting is chosen, and that neither workers nor an interruption changes it."""

import json
import math
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stackcli.config.settings import Config
from tests.experiment.examples import Said, Tool, call_tool, distance, search_words
from tests.helpers import results, start, words


def test_the_best_setting_has_the_lowest_validation_loss_whatever_its_test_accuracy(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, trials=30))
    assert said.code == 0, said.err
    losses = [float(t["val_loss"]) for t in said.trials]
    by_hand = [0.4 + 0.3 * math.log10(float(t["lr"]) / 3e-3) ** 2 + float(t["dropout"]) for t in said.trials]
    by_hand = [loss + 0.1 * abs(int(t["depth"]) - 2) for loss, t in zip(by_hand, said.trials, strict=True)]
    assert losses == pytest.approx(by_hand) and len(losses) == 30
    best = said.trials[by_hand.index(min(by_hand))]
    chosen = said.arm("best of 30")
    assert {f"{run['lr']:g} {run['dropout']:g} {run['depth']}" for run in chosen} == {
        f"{float(best['lr']):g} {float(best['dropout']):g} {best['depth']}"
    }
    assert "chosen among 30 trials by validation loss" in " ".join(said.out.split())


def test_the_best_and_the_defaults_are_run_on_the_same_seeds_which_no_trial_had(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, "seed=5"))
    assert [run["seed"] for run in said.arm("best of 12")] == [run["seed"] for run in said.arm("defaults")] == [5, 6]
    (default,) = {(run["lr"], run["dropout"], run["depth"]) for run in said.arm("defaults")}
    assert default == (0.001, 0.1, 2)  # conf/config.yaml
    assert {c.seed for c in tool.ran[:12]} == {1_000_005} and {c.seed for c in tool.ran[12:]} == {5, 6}
    assert "Best of 12 against the default setting" in " ".join(said.out.split())


def test_runs_that_diverge_are_never_the_best(data: Path, tool: Tool) -> None:
    def fragile(found: Config) -> dict[str, Any] | None:
        if found.lr > 3e-3:
            return {"status": "diverged", "diverged_step": 2, "val_loss": None, "test_acc": None}
        return {"val_loss": 1 - found.lr, "test_acc": 0.5}

    said = tool(*search_words(data, kind="bayes", trials=20), score=fragile)
    assert said.code == 0, said.err
    assert {t["status"] for t in said.trials} == {"done", "diverged"}
    assert all((t["status"] == "diverged") == (float(t["lr"]) > 3e-3) for t in said.trials)
    assert max(float(t["lr"]) for t in said.trials if t["status"] == "done") == said.arm("best of 20")[0]["lr"]
    every = tool(*search_words(data, "lr=0.05,0.06"), score=fragile, at=said.folder / "every")
    assert every.code == 2 and "every one of them diverged" in every.err


def test_a_trial_that_fails_is_shown_and_the_search_goes_on_and_ends_with_1(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, kind="bayes", trials=20), score=lambda c: None if c.depth == 3 else distance(c))
    assert said.code == 1 and "a fault of the code" in said.err
    assert {(t["status"], t["depth"] == "3") for t in said.trials} == {("done", False), ("failed", True)}
    assert len(said.arm("best of 20")) == 2
    fast = tool(*search_words(data, "--fail-fast"), score=lambda c: None, at=said.folder / "fast")
    assert fast.code == 1 and "because of --fail-fast" in fast.err
    none = tool(*search_words(data), score=lambda c: None, at=said.folder / "none")
    assert none.code == 1 and "Traceback" not in none.err.replace("Traceback\n", "")


def test_settings_that_do_not_fit_together_are_replaced(data: Path, tool: Tool) -> None:
    line = words(data, "dim=range(8,25,4)", "heads=2,8", "seeds=1")  # 12 and 20 are not divisible by 8, the ends are
    said = tool(*line, "--search", "random", "--trials", "25")
    assert said.code == 0, said.err
    assert len(said.trials) == 25 and all(int(t["dim"]) % int(t["heads"]) == 0 for t in said.trials)
    assert "of the sampled settings do not fit together and were replaced; the first: dim=" in said.err


def test_where_the_defaults_cannot_be_run_the_best_is_run_alone_and_a_message_says_why(data: Path, tool: Tool) -> None:
    said = tool(*words(data, "dim=30", "heads=3,5", "seeds=1"), "--search", "random", "--trials", "4")
    assert said.code == 0, said.err
    assert "the defaults cannot be run (dim=30 is not divisible by heads=4" in said.err
    assert {run["arm"] for run in said.study["runs"]} == {"best of 4"} and "beside the defaults" not in said.out


def same_search(one: Said, two: Said) -> bool:
    """Whether two searches have the same trials, the same study after them, and the same bytes in every run."""
    assert one.code == two.code == 0, one.err + two.err
    found = results(one.folder / "outputs")
    equal = one.trials == two.trials and one.study["runs"] == two.study["runs"]
    return bool(found) and equal and found == results(two.folder / "outputs")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """A search of three trials at random, each trained for two steps by one worker."""
    line = search_words(data, "steps=2", "-j", "1", trials=3)
    return Tool(tmp_path_factory.mktemp("trained"))(*line, score=None)


def test_the_trials_do_not_depend_on_the_number_of_workers(data: Path, tool: Tool, trained: Said) -> None:
    assert same_search(trained, tool(*search_words(data, "steps=2", "-j", "2", trials=3), score=None))


@pytest.mark.slow
def test_the_trials_of_bayes_do_not_depend_on_the_number_of_workers(data: Path, tool: Tool, tmp_path: Path) -> None:
    line = search_words(data, "steps=2", "seeds=1", kind="bayes", trials=12)
    one, two = (tool(*line, "-j", jobs, score=None, at=tmp_path / jobs) for jobs in ("1", "2"))
    assert same_search(one, two)


def test_trials_have_no_test_results_and_the_runs_after_them_have(trained: Said) -> None:
    said = trained
    assert said.code == 0, said.err
    found = {p.parent.name: json.loads(p.read_text()) for p in said.folder.glob("outputs/runs/*/result.json")}
    trials = {t["run"] for t in said.trials}
    assert len(trials) == 3 and len(found) == 3 + 4
    for run, result in found.items():
        tested = [key for key, value in result.items() if key.startswith("test_") and value not in (None, "")]
        assert bool(tested) == bool(result["confusion"]) == (run not in trials)
    listed = json.loads(call_tool(["runs", "--json"], said.folder).out)
    assert {row["run"] for row in listed if row["test_acc"] is None} == trials


@pytest.mark.parametrize(
    "kind,trials,dies",
    [pytest.param("random", 9, 6, marks=pytest.mark.slow), ("bayes", 16, 13)],  # bayes draws the first at random
)
def test_a_stopped_search_goes_on_and_trains_nothing_twice(
    kind: str, trials: int, dies: int, data: Path, tool: Tool, tmp_path: Path
) -> None:
    line = search_words(data, kind=kind, trials=trials)
    whole = tool(*line, at=tmp_path / "whole")
    first = tool(*line, dies=dies, at=tmp_path / "cut")
    before = list(tool.ran)
    assert first.code == 130 and len(before) == dies
    second = tool(*line, at=tmp_path / "cut")
    assert second.code == 0 and not set(before) & set(tool.ran)
    assert len(before) + len(tool.ran) == trials + 4
    assert f"{trials} runs, {dies} of them finished before" in second.err
    assert second.trials == whole.trials and second.study["runs"] == whole.study["runs"]
    third = tool(*line, at=tmp_path / "cut")
    assert third.code == 0 and tool.ran == []


def test_a_setting_that_is_drawn_again_is_not_trained_again(data: Path, tool: Tool) -> None:
    said = tool(*words(data, "depth=1,2", "seeds=1"), "--search", "random", "--trials", "10")
    assert said.code == 0 and len(said.trials) == 10
    assert len({t["run"] for t in said.trials}) == 2 and sum(c.seed == 1_000_000 for c in tool.ran) == 2
    line = words(data, "depth=1,2", "seeds=1")
    tool(*line, "--search", "bayes", "--trials", "15", "--force")
    assert sum(c.seed == 1_000_000 for c in tool.ran) == 2


def test_pruning_trains_short_and_only_the_best_third_for_longer(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, "--prune", "steps=9", trials=27))
    assert said.code == 0, said.err
    tried = [c for c in tool.ran if c.seed >= 1_000_000]
    rungs = {steps: {c.lr: distance(c)["val_loss"] for c in tried if c.steps == steps} for steps in (1, 3, 9)}
    assert [len(r) for r in rungs.values()] == [27, 9, 3] and len(tried) == 39
    for short, long in ((1, 3), (3, 9)):
        ranked = sorted(rungs[short], key=rungs[short].__getitem__)
        assert set(rungs[long]) == set(ranked[: len(rungs[long])])
    assert "27 for 1 step, 9 for 3 steps, 3 for 9 steps; 81 steps instead of 243" in said.err
    assert said.arm("best of 27")[0]["lr"] == min(rungs[9], key=rungs[9].__getitem__)
    assert {run["steps"] for run in said.arm("best of 27")} == {9}


def test_a_short_run_is_never_chosen_over_full_ones_however_low_its_loss(data: Path, tool: Tool) -> None:
    def longer_is_worse(found: Config) -> dict[str, Any]:
        return {"val_loss": distance(found)["val_loss"] + found.steps, "test_acc": 0.5}

    said = tool(*search_words(data, "--prune", "steps=9", trials=9), score=longer_is_worse)
    assert said.code == 0, said.err
    (full,) = [t for t in said.trials if t["steps"] == "9"]
    assert f"{said.arm('best of 9')[0]['lr']:g}" == f"{float(full['lr']):g}"
    assert said.out.index(f"{float(full['val_loss']):.3f}") < said.out.index(" 3 \n")  # the longest first


def test_runs_that_diverge_on_the_last_rung_are_not_chosen(data: Path, tool: Tool) -> None:
    def later(found: Config) -> dict[str, Any]:
        gone = found.steps == 9 and found.lr > 2e-3 and found.seed >= 1_000_000
        return {"status": "diverged", "val_loss": None, "test_acc": None} if gone else distance(found)

    said = tool(*search_words(data, "--prune", "steps=9", trials=27), score=later)
    if said.code == 0:
        assert said.arm("best of 27")[0]["lr"] <= 2e-3
    else:
        assert said.code == 2 and "every one of them diverged" in said.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number,code", [(signal.SIGKILL, -9), (signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_killed_search_ends_with_the_same_bytes(
    number: signal.Signals, code: int, data: Path, tmp_path: Path
) -> None:
    settings = ("steps=100", "seeds=1", "--figures", "none", "-j", "2")
    line = ["sweep", *search_words(data, *settings, kind="bayes", trials=11)]
    process = start(*line, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("outputs/runs/*/result.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    if code > 0:
        assert "To go on: stackattn sweep" in err and "--search bayes --trials 11" in err
    whole = tmp_path / "whole"
    whole.mkdir()
    for folder in (tmp_path, whole):
        again = start(*line, cwd=folder)
        _, err = again.communicate(timeout=200)
        assert again.returncode == 0, err
    assert results(tmp_path / "outputs") == results(whole / "outputs")
