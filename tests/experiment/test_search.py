"""A search: what is tried, what is chosen, and that neither depends on how it was run."""

import ast
import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackcli.common.records import Result
from stackcli.config import overrides, search_space
from stackcli.config.overrides import Interval, Steps, UsageError
from stackcli.config.settings import Config
from stackcli.experiment import search, search_importance, search_report, search_sampler
from stackcli.experiment.store import Store
from stackcli.launcher.base import Outcome
from tests.helpers import environment, results, stackattn, start, words, write_data

SPACE = ("lr=tag(log,interval(1e-4,1e-1))", "dropout=0.0,0.1,0.3", "depth=range(1,4)")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


# ---- the tool in this process, its runs replaced by a formula


Score = Callable[[Config], dict[str, Any] | None]  # what a run comes to; None: it raises


class Formula:
    """An executor that trains nothing: a run's result is what `score` says. It takes the jobs last first, as the order
    in which runs end must not matter, and dies after `dies` runs."""

    score: Score
    dies: int | None
    ran: list[Config]

    def __init__(self, *, workers: int, preload: Sequence[str] = ()) -> None:
        pass

    def warm(self) -> None:
        pass

    def stop(self, *, now: bool = False) -> None:
        pass

    def run(self, work: Any, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for n in reversed(range(len(jobs))):
            if type(self).dies == len(self.ran):
                raise KeyboardInterrupt
            yield Outcome(n, "started")
            found = type(self).score(jobs[n].config)
            self.ran.append(jobs[n].config)
            if found is None:
                yield Outcome(n, "failed", "Traceback\nValueError: a fault of the code")
                continue
            publish(Store(jobs[n].store), jobs[n], found)
            yield Outcome(n, "done")


def publish(store: Store, job: Any, found: dict[str, Any]) -> None:
    numbers = dict.fromkeys(("train_loss_end", "val_loss_end", "test_loss", "val_loss", "train_loss"), 0.5)
    usual = {"status": "done", "step_end": 4, "step_best": 4, "test_acc": 0.5, "gap_end": 0.1, "gap_best": 0.1}
    result = Result(**{**numbers, **usual, **found})  # type: ignore[arg-type]
    nothing: dict[str, Any] = {"curve": [], "layers": [], "stack": [], "position": [], "words": {}, "provenance": {}}
    weights = None if job.config.keep == "none" else b"weights"
    store.publish(job.run, config=job.config, result=result, weights=weights, reproduce="", **nothing)


def distance(found: Config) -> dict[str, Any]:
    """A validation loss whose minimum is known: lr 3e-3, no dropout, depth 2. The test accuracy says the opposite."""
    loss = 0.4 + 0.3 * math.log10(found.lr / 3e-3) ** 2 + found.dropout + 0.1 * abs(found.depth - 2)
    return {"val_loss": loss, "test_acc": min(1.0, loss / 3)}


class Said:
    """What the tool said and left behind."""

    def __init__(self, code: int, out: str, err: str, folder: Path) -> None:
        self.code, self.out, self.err, self.folder = code, out, err, folder

    @property
    def trials(self) -> list[dict[str, str]]:
        (path,) = self.folder.glob("outputs/studies/*-search/trials.csv")
        with path.open() as file:
            return list(csv.DictReader(file))

    @property
    def study(self) -> dict[str, Any]:
        """The study of the best setting and the defaults."""
        paths = [p for p in self.folder.glob("outputs/studies/*/study.json") if not p.parent.name.endswith("-search")]
        (path,) = paths
        return dict(json.loads(path.read_text()))

    def arm(self, name: str) -> list[dict[str, Any]]:
        return [run["settings"] for run in self.study["runs"] if run["arm"] == name]


Tool = Callable[..., Said]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    """`tool(*words, score=..., dies=...)`; without a score the runs are trained."""
    from stackcli.cli import main
    from stackcli.experiment import timing_pass

    def run(*typed: str, score: Score | None = distance, dies: int | None = None, at: Path = tmp_path) -> Said:
        at.mkdir(exist_ok=True)
        monkeypatch.chdir(at)
        figures = [] if "--figures" in typed else ["--figures", "none"]
        monkeypatch.setattr(sys, "argv", ["stackattn", "sweep", *typed, *figures])
        with monkeypatch.context() as patch:
            patch.setattr(timing_pass, "time_steps", lambda *_: None)
            patch.setattr(os, "fsync", lambda _: None)  # of hundreds of small files
            if score:
                made = type("Made", (Formula,), {"score": staticmethod(score), "dies": dies, "ran": tool_ran})
                patch.setattr("stackcli.launcher.local.Local", made)
            tool_ran.clear()
            capsys.readouterr()
            with pytest.raises(SystemExit) as left:
                main.main()
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err, at)

    tool_ran: list[Config] = []
    run.ran = tool_ran  # type: ignore[attr-defined]
    return run


def asked(data: Path, *more: str, kind: str = "random", trials: int = 12) -> list[str]:
    """A search over SPACE; of `more` what begins with a key is a setting, the rest are options."""
    settings = [w for w in more if re.match(r"[a-z_.]+=", w)]
    keys = {w.partition("=")[0] for w in settings}
    space = [w for w in (*SPACE, "seeds=2") if w.partition("=")[0] not in keys]
    options = [w for w in more if w not in settings]
    return [*words(data, *space, *settings), "--search", kind, "--trials", str(trials), *options]


# ---- what may be tried


@pytest.mark.parametrize(
    "word",
    ["depth=range(1,9)", "depth=range(2,20,3)", "lr=range(0.1,0.5,0.1)", "depth=range(9,1,-2)", "ff=range(1,2,.3)"],
)
def test_a_range_is_searched_over_the_values_that_hydra_expands_it_to(word: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    theirs = sorted(OverridesParser.create().parse_override(word).sweep_iterator())
    key, domain = overrides.parse_domain(word)
    assert isinstance(domain, Steps)
    drawn = {asked.values[key] for asked in sampler({key: domain}).ask(300)}
    assert sorted(drawn) == pytest.approx(theirs, abs=1e-12) and len(drawn) == len(theirs)
    assert [type(v) for v in sorted(drawn)] == [type(v) for v in theirs]
    assert search_sampler.distribution(domain).high == pytest.approx(max(theirs))  # type: ignore[attr-defined]


def sampler(domains: dict[str, overrides.Domain], kind: str = "random", seed: int = 0) -> search_sampler.Sampler:
    return search_sampler.Sampler(domains, kind, seed=seed, make=lambda values: None)  # type: ignore[arg-type, return-value]


def test_an_interval_by_its_logarithm_is_even_over_decades_and_without_its_end() -> None:
    key, domain = overrides.parse_domain("lr=tag(log,interval(1e-5,1e-2))")
    assert domain == Interval(1e-5, math.nextafter(1e-2, 0), log=True)
    decades = [math.floor(math.log10(float(a.values[key]))) for a in sampler({key: domain}).ask(900)]  # type: ignore[arg-type]
    shares = [decades.count(d) / 900 for d in (-5, -4, -3)]
    assert sum(shares) == 1 and all(abs(share - 1 / 3) < 0.06 for share in shares)  # 4 standard errors
    _, even = overrides.parse_domain("lr=interval(0.2,0.4)")
    drawn = [a.values["lr"] for a in sampler({"lr": even}).ask(400)]
    assert all(0.2 <= x < 0.4 for x in drawn) and abs(np.mean(drawn) - 0.3) < 0.012  # type: ignore[arg-type, operator]


def test_what_is_shown_of_a_number_is_what_is_trained() -> None:
    for a in sampler({"lr": overrides.parse_domain("lr=tag(log,interval(1e-5,1e-2))")[1]}).ask(200):
        assert float(f"{a.values['lr']:g}") == a.values["lr"]


def test_whole_numbers_of_an_interval_are_those_that_hydras_end_leaves() -> None:
    for word in ("depth=int(interval(1,9))", "depth=tag(log,int(interval(1,9)))", "depth=tag(log,range(1,9))"):
        key, domain = overrides.parse_domain(word)
        drawn = [a.values[key] for a in sampler({key: domain}).ask(400)]
        assert set(drawn) == set(range(1, 9)) and all(type(v) is int for v in drawn)
        few = drawn.count(1) > 1.5 * drawn.count(8)  # by the logarithm 1 is as far from 2 as 4 from 8
        assert few == ("log" in word)


def test_a_choice_keeps_hydras_values_and_their_types() -> None:
    for word, values in {
        "pe=learned,relative": ("learned", "relative"),
        "dropout=0.0,0.1,0.3": (0.0, 0.1, 0.3),
        "causal=true,false": (True, False),
        "pe=glob(r*)": ("relative", "rope"),
        "pe.base=auto,100": ("auto", 100),
        "data.label='1e3',\"true\"": ("1e3", "true"),
    }.items():
        key, domain = overrides.parse_domain(word)
        drawn = {a.values[key] for a in sampler({key: domain}).ask(60)}
        assert domain == values and set(map(repr, drawn)) == set(map(repr, values))


def test_a_key_of_one_part_concerns_that_part_alone(data: Path) -> None:
    space = search_space.parse_space([*words(data, "pe=learned,relative", "pe.clip=range(1,9)")])
    assert space.config({"pe": "learned", "pe.clip": 3}, 0) == space.config({"pe": "learned", "pe.clip": 7}, 0)
    assert space.config({"pe": "relative", "pe.clip": 7}, 0).pe.options["clip"] == 7


def test_all_combinations_of_ends_are_tried_first_and_of_very_many_each_end(monkeypatch: pytest.MonkeyPatch) -> None:
    space = search_space.parse_space(["lr=interval(0.1,0.2)", "depth=range(1,9)", "dropout=0.0,0.1,0.3"])
    found = {(c.lr, c.depth, c.dropout) for c in space.corners(7)}
    assert len(found) == 12 and {c.seed for c in space.corners(7)} == {7}
    monkeypatch.setattr(search_space, "CORNERS", 11)
    found = {(c.lr, c.depth, c.dropout) for c in space.corners(7)}
    assert len(found) == 5 and {d for _, d, _ in found} == {1, 8} and {p for *_, p in found} == {0.0, 0.1, 0.3}


# ---- what cannot be searched


BAD = {
    "--search grid depth=1,2": "--search grid: choose random or bayes",
    "--search random --trials 0 depth=1,2": "--trials 0: a whole number from 1 to 1000",
    "--search random --trials -1 depth=1,2": "--trials -1: a whole number from 1 to 1000",
    "--search random --trials 1000000000 depth=1,2": "--trials 1000000000: a whole number",
    "--search random depth=2": "nothing to search",
    "--search random": "nothing to search",
    "--search random lr=interval(1,0)": "from a number to a larger one",
    "--search random lr=interval(1,1)": "from a number to a larger one",
    "--search random lr=interval(0,inf)": "from a number to a larger one",
    "--search random lr=interval(-1,1)": "lr=-1.0: must be above 0",
    "--search random dropout=interval(0,2)": "must be below 1",
    "--search random lr=tag(log,interval(0,1))": "begins above 0",
    "--search random lr=tag(log,interval(-1,1))": "begins above 0",
    "--search random depth=tag(log,range(0,9))": "begins above 0",
    "--search random lr=tag(log,range(0.1,0.5,0.1))": "whole numbers in steps of 1",
    "--search random lr=tag(log,choice(0.1,0.2))": "the values of a choice have no scale",
    "--search random lr=tag(exp,interval(0.1,0.2))": "the one tag that a search knows is log",
    "--search random depth=interval(1,9)": "write depth=range(1,9) or 'depth=int(interval(1,9))'",
    "--search random pe=interval(0,1)": "no such part",
    "--search random seed=0,1": "seed: a search cannot choose it",
    "--search random seeds=range(1,4)": "seeds: a search cannot choose it",
    "--search random data=digits,markov": "data: a search cannot choose it",
    "--search random data.max_len=8,16": "data.max_len: a search cannot choose it",
    "--search random keep=best,none": "keep: a search cannot choose it",
    "--search random threads=1,2": "threads: a search cannot choose it",
    "--search random dpeth=1,2": "did you mean depth?",
    "--search random lr=0.1,0.2 lr=0.3,0.4": "lr is given twice",
    "--search random lr=0.1,0.1": "a value is given twice",
    "--search random dim=30 heads=4 lr=0.1,0.2": "not divisible by heads=4",
    "--search random dim=range(30,60,2) heads=2,4": "not divisible by heads=4",
    "--search random pe=sinusoidal,learned dim=9,18 heads=3": "sinusoidal needs an even dim",
    "--search random batch=range(8,1000,8)": "larger than the training part",
    "--search random pe.clip=range(1,9)": "unknown key 'pe.clip' for pe=learned",
    "--search random --tune lr=0.1,0.2 depth=1,2": "--tune and --search: one search is enough",
    "--search random --experiment subjects-depth depth=1,2": "--search and --experiment",
    "--search random --study ../x depth=1,2": "--study",
    "--search random --cols nonsense depth=1,2": "--cols nonsense: unknown column",
    "--search random --prune --trials 2 depth=1,2": "needs at least --trials 3",
    "--search random --prune steps=10,20": "it sets steps itself",
    "--search random --prune steps=1 depth=1,2": "give steps more",
    "--trials 3 depth=1,2": "write --search random or --search bayes",
    "--prune depth=1,2": "write --search random or --search bayes",
    "lr=interval(0.1,0.2)": "belong to a search",
    "lr=tag(log,range(1,3))": "belong to a search",
    "--tune lr=interval(0.1,0.2) depth=1,2": "belong to a search",
}


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_search_gets_one_message_and_writes_nothing(typed: str, data: Path, tool: Tool) -> None:
    given = typed.split(" ")
    keys = {w.partition("=")[0] for w in given}
    mine = [w for w in words(data) if w.partition("=")[0] not in keys]
    said = tool(*(mine if "data" not in keys else mine[1:]), *given)
    assert said.code == 2, said.err
    assert BAD[typed] in said.err and "Traceback" not in said.err
    assert list(said.folder.iterdir()) == [] and tool.ran == []  # type: ignore[attr-defined]


def test_the_options_are_sweeps_alone(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from stackcli.cli.main import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    having = {name for name, command in commands.items() for p in command.params if "--search" in p.opts}
    assert having == {"sweep"}


def test_without_optuna_the_search_says_what_to_install(
    data: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = tool(*asked(data))
    assert said.code == 2 and "pip install 'stackattn[search]'" in said.err and list(said.folder.iterdir()) == []


def test_optuna_is_loaded_by_a_search_alone() -> None:
    for module in (search, search_sampler, search_importance):
        top = ast.parse(Path(str(module.__file__)).read_text()).body
        names = {a.name for node in top if isinstance(node, ast.Import) for a in node.names}
        names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
        assert not any(name.partition(".")[0] == "optuna" for name in names)


# ---- what is chosen


def test_the_best_is_that_of_the_lowest_validation_loss_whatever_the_test_part_says(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, trials=30))
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
    said = tool(*asked(data, "seed=5"))
    assert [run["seed"] for run in said.arm("best of 12")] == [run["seed"] for run in said.arm("defaults")] == [5, 6]
    (default,) = {(run["lr"], run["dropout"], run["depth"]) for run in said.arm("defaults")}
    assert default == (0.001, 0.1, 2)  # conf/config.yaml
    assert {c.seed for c in tool.ran[:12]} == {1_000_005} and {c.seed for c in tool.ran[12:]} == {5, 6}  # type: ignore[attr-defined]
    assert "Best of 12 against defaults" in " ".join(said.out.split())


def test_runs_that_diverge_are_never_the_best(data: Path, tool: Tool) -> None:
    def fragile(found: Config) -> dict[str, Any] | None:
        if found.lr > 3e-3:
            return {"status": "diverged", "diverged_step": 2, "val_loss": None, "test_acc": None}
        return {"val_loss": 1 - found.lr, "test_acc": 0.5}

    said = tool(*asked(data, kind="bayes", trials=20), score=fragile)
    assert said.code == 0, said.err
    assert {t["status"] for t in said.trials} == {"done", "diverged"}
    assert all((t["status"] == "diverged") == (float(t["lr"]) > 3e-3) for t in said.trials)
    assert max(float(t["lr"]) for t in said.trials if t["status"] == "done") == said.arm("best of 20")[0]["lr"]
    every = tool(*asked(data, "lr=0.05,0.06"), score=fragile, at=said.folder / "every")
    assert every.code == 2 and "every one of them diverged" in every.err


def test_a_trial_that_fails_is_shown_and_the_search_goes_on_and_ends_with_1(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, kind="bayes", trials=20), score=lambda c: None if c.depth == 3 else distance(c))
    assert said.code == 1 and "a fault of the code" in said.err
    assert {(t["status"], t["depth"] == "3") for t in said.trials} == {("done", False), ("failed", True)}
    assert len(said.arm("best of 20")) == 2
    hasty = tool(*asked(data, "--fail-fast"), score=lambda c: None, at=said.folder / "hasty")
    assert hasty.code == 1 and "as --fail-fast asks" in hasty.err
    none = tool(*asked(data), score=lambda c: None, at=said.folder / "none")
    assert none.code == 1 and "Traceback" not in none.err.replace("Traceback\n", "")


def test_settings_that_do_not_go_together_are_replaced(data: Path, tool: Tool) -> None:
    line = words(data, "dim=range(8,25,4)", "heads=2,8", "seeds=1")  # 12 and 20 are not divisible by 8, the ends are
    said = tool(*line, "--search", "random", "--trials", "25")
    assert said.code == 0, said.err
    assert len(said.trials) == 25 and all(int(t["dim"]) % int(t["heads"]) == 0 for t in said.trials)
    assert "do not go together, and others took their place; the first: dim=" in said.err
    never = search_sampler.Sampler({"depth": Steps((1, 2, 3))}, "random", seed=0, make=refuse)
    with pytest.raises(ValueError, match="200 settings in a row do not go together; the last: never"):
        never.ask(1)
    assert {trial.state.name for trial in never.study.trials} == {"FAIL"}  # none that a model takes to be running


def refuse(values: Any) -> Config:
    raise ValueError("never")


def test_where_the_defaults_cannot_be_run_the_best_stands_alone_and_it_is_said(data: Path, tool: Tool) -> None:
    said = tool(*words(data, "dim=30", "heads=3,5", "seeds=1"), "--search", "random", "--trials", "4")
    assert said.code == 0, said.err
    assert "the defaults cannot be run (dim=30 is not divisible by heads=4" in said.err
    assert {run["arm"] for run in said.study["runs"]} == {"best of 4"} and "beside the defaults" not in said.out


def test_a_search_of_bayes_comes_nearer_than_one_at_random(tool: Tool) -> None:
    def loss(values: Any) -> float:
        return (math.log10(values["lr"]) + 2.5) ** 2 + values["dropout"] + 0.1 * abs(values["depth"] - 2)

    domains = dict(overrides.parse_domain(word) for word in ("lr=tag(log,interval(1e-5,1e-1))", *SPACE[1:]))
    best: dict[str, list[float]] = {"random": [], "bayes": []}
    for kind, found in best.items():
        for seed in range(12):
            made, losses = sampler(domains, kind, seed), []
            for size in made.rounds(40):
                for asked in made.ask(size):
                    losses.append(loss(asked.values))
                    made.tell(asked.trial, losses[-1])
            found.append(min(losses))
    assert np.median(best["bayes"]) < np.median(best["random"])


# ---- however it is run


@pytest.mark.parametrize("kind,trials", [("random", 3), pytest.param("bayes", 12, marks=pytest.mark.slow)])
def test_the_trials_do_not_depend_on_the_number_of_workers(
    kind: str, trials: int, data: Path, tool: Tool, tmp_path: Path
) -> None:
    line = asked(data, "steps=2", "seeds=1", kind=kind, trials=trials)
    one = tool(*line, "-j", "1", score=None, at=tmp_path / "one")
    two = tool(*line, "-j", "2", score=None, at=tmp_path / "two")
    assert one.code == two.code == 0, one.err + two.err
    assert one.trials == two.trials and one.study["runs"] == two.study["runs"]
    found = results(tmp_path / "one" / "outputs")
    assert found and found == results(tmp_path / "two" / "outputs")


@pytest.mark.parametrize("kind", ["random", "bayes"])
def test_a_search_that_was_stopped_goes_on_and_trains_nothing_twice(
    kind: str, data: Path, tool: Tool, tmp_path: Path
) -> None:
    line = asked(data, kind=kind, trials=20)
    whole = tool(*line, at=tmp_path / "whole")
    first = tool(*line, dies=13, at=tmp_path / "cut")
    before = list(tool.ran)  # type: ignore[attr-defined]
    assert first.code == 130 and len(before) == 13
    second = tool(*line, at=tmp_path / "cut")
    assert second.code == 0 and not set(before) & set(tool.ran)  # type: ignore[attr-defined]
    assert len(before) + len(tool.ran) == 24 and "20 runs, 13 of them there already" in second.err  # type: ignore[attr-defined]
    assert second.trials == whole.trials and second.study["runs"] == whole.study["runs"]
    third = tool(*line, at=tmp_path / "cut")
    assert third.code == 0 and tool.ran == []  # type: ignore[attr-defined]


def test_the_order_of_the_trials_does_not_hang_on_pythons_hashes() -> None:
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


def test_a_setting_that_is_drawn_again_is_not_trained_again(data: Path, tool: Tool) -> None:
    said = tool(*words(data, "depth=1,2", "seeds=1"), "--search", "random", "--trials", "10")
    assert said.code == 0 and len(said.trials) == 10
    assert len({t["run"] for t in said.trials}) == 2 and sum(c.seed == 1_000_000 for c in tool.ran) == 2  # type: ignore[attr-defined]
    line = words(data, "depth=1,2", "seeds=1")
    tool(*line, "--search", "bayes", "--trials", "15", "--force")
    assert sum(c.seed == 1_000_000 for c in tool.ran) == 2  # type: ignore[attr-defined]


def test_another_search_cannot_take_the_name_of_a_study(data: Path, tool: Tool) -> None:
    def lower_is_better(found: Config) -> dict[str, Any]:
        return {"val_loss": found.lr}

    assert tool(*asked(data, "--study", "mine", trials=4), score=lower_is_better).code == 0
    for other in (asked(data, "--study", "mine", kind="bayes"), asked(data, "--study", "mine", "--prune", "steps=9")):
        said = tool(*other)
        assert said.code == 4 and "has other settings" in said.err and tool.ran == []  # type: ignore[attr-defined]
    more = tool(*asked(data, "--study", "mine", trials=20), score=lower_is_better)  # the same, longer: 4 are there
    assert more.code == 0 and len([c for c in tool.ran if c.seed >= 1_000_000]) == 16  # type: ignore[attr-defined]
    assert {run["arm"] for run in more.study["runs"]} == {"defaults", "best of 20"}


# ---- pruning


def test_the_rungs_are_those_of_the_paper() -> None:
    # Li et al. 2018, table 1: R = 81, eta = 3, bracket s = 4
    assert search.ladder(81, 81) == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert search.ladder(8, 40) == [(40, 1), (13, 3), (4, 8)]  # 8/9 and 8/3 of an epoch, rounded up
    assert search.ladder(700, 40) == [(40, 26), (13, 78), (4, 234), (1, 700)]
    assert search.ladder(2, 3) == [(3, 1), (1, 2)] and search.ladder(1, 40) == [(40, 1)]


def test_pruning_trains_short_and_only_the_best_third_for_longer(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, "--prune", "steps=9", trials=27))
    assert said.code == 0, said.err
    tried = [c for c in tool.ran if c.seed >= 1_000_000]  # type: ignore[attr-defined]
    rungs = {steps: {c.lr: distance(c)["val_loss"] for c in tried if c.steps == steps} for steps in (1, 3, 9)}
    assert [len(r) for r in rungs.values()] == [27, 9, 3] and len(tried) == 39
    for short, long in ((1, 3), (3, 9)):
        ranked = sorted(rungs[short], key=rungs[short].__getitem__)
        assert set(rungs[long]) == set(ranked[: len(rungs[long])])
    assert "27 for 1 step, 9 for 3 steps, 3 for 9 steps; 81 steps instead of 243" in said.err
    assert said.arm("best of 27")[0]["lr"] == min(rungs[9], key=rungs[9].__getitem__)
    assert {run["steps"] for run in said.arm("best of 27")} == {9}


def test_a_short_run_however_low_is_not_chosen_over_those_that_were_trained_in_full(data: Path, tool: Tool) -> None:
    def longer_is_worse(found: Config) -> dict[str, Any]:
        return {"val_loss": distance(found)["val_loss"] + found.steps, "test_acc": 0.5}

    said = tool(*asked(data, "--prune", "steps=9", trials=9), score=longer_is_worse)
    assert said.code == 0, said.err
    (full,) = [t for t in said.trials if t["steps"] == "9"]
    assert f"{said.arm('best of 9')[0]['lr']:g}" == f"{float(full['lr']):g}"
    assert said.out.index(f"{float(full['val_loss']):.3f}") < said.out.index(" 3 \n")  # the longest first


def test_survivors_that_diverge_leave_the_choice_to_those_that_do_not(data: Path, tool: Tool) -> None:
    def later(found: Config) -> dict[str, Any]:
        gone = found.steps == 9 and found.lr > 2e-3 and found.seed >= 1_000_000
        return {"status": "diverged", "val_loss": None, "test_acc": None} if gone else distance(found)

    said = tool(*asked(data, "--prune", "steps=9", trials=27), score=later)
    if said.code == 0:
        assert said.arm("best of 27")[0]["lr"] <= 2e-3
    else:
        assert said.code == 2 and "every one of them diverged" in said.err


# ---- what matters


def test_importance_is_the_share_of_variance_that_a_setting_explains() -> None:
    # u and v uniform, loss = a u + b v: a setting's share of the variance is a^2 / (a^2 + b^2)
    draw = np.random.default_rng(0)
    domains: dict[str, overrides.Domain] = {
        "lr": Interval(1e-5, 1e-2, log=True),
        "dropout": Interval(0.0, 0.5),
        "pe": ("learned", "none", "rope"),
    }
    for a, b in ((1.0, 1.0), (2.0, 1.0)):
        tried = []
        for u, v in draw.uniform(size=(100, 2)):
            values = {"lr": 10 ** (-5 + 3 * u), "dropout": 0.5 * v, "pe": str(draw.choice(["learned", "none", "rope"]))}
            tried.append((values, float(a * u + b * v)))
        found = search_importance.measure_importances(domains, tried)
        assert found.shares["lr"] == pytest.approx(a**2 / (a**2 + b**2), abs=0.1)
        assert found.shares["dropout"] == pytest.approx(b**2 / (a**2 + b**2), abs=0.1)
        assert found.shares["pe"] < 0.02 and found.explained > 0.9
        assert list(found.shares) == sorted(found.shares, key=lambda key: -found.shares[key])


def test_of_noise_and_of_too_few_trials_no_importance_is_told() -> None:
    draw = np.random.default_rng(1)
    domains: dict[str, overrides.Domain] = {"lr": Interval(0.0, 1.0), "depth": Steps((1, 2, 3, 4))}

    def tried(n: int) -> list[tuple[dict[str, Any], float]]:
        return [({"lr": draw.uniform(), "depth": int(draw.integers(1, 5))}, draw.normal()) for _ in range(n)]

    noise = search_importance.measure_importances(domains, tried(40))
    assert noise.explained < 0 and "no importance is given" in search_importance.describe_importances(noise)
    few = search_importance.measure_importances(domains, tried(9))
    assert few.shares == {} and "Too few trials" in search_importance.describe_importances(few)
    same = search_importance.measure_importances(domains, [(values, 0.5) for values, _ in tried(40)])
    assert "no setting matters" in search_importance.describe_importances(same)
    rough = [({"lr": x, "depth": 1}, x) for x in draw.uniform(size=12)]
    assert "a rough guide" in search_importance.describe_importances(
        search_importance.measure_importances(domains, rough)
    )  # type: ignore[arg-type]


# ---- what is said


@pytest.mark.parametrize("keys", [3, 12])
def test_the_table_of_the_best_trials_fits_80_columns(keys: int) -> None:
    from rich.console import Console

    axes = ["lr", "dropout", "attention_dropout", "weight_decay", "label_smoothing", "pe.randomised"]
    axes = [*axes, *(f"pe.key_number_{i}" for i in range(6))][:keys]
    rows = [
        {"trial": n, **dict.fromkeys(axes, 0.000123456), "val_loss": 2 - n / 100, "status": "done", "run": str(n)}
        for n in range(1, 31)
    ]
    rows.append({**rows[0], "trial": 31, "val_loss": None, "status": "diverged", "run": "x"})
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(search_report.trial_table(rows, axes))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80 and "0.000123456" in shown
    found = [line.split()[:2] for line in shown.splitlines() if line.strip()[:2] in ("1.", "2.")]
    assert found == [[f"{2 - n / 100:.3f}", str(n)] for n in range(30, 20, -1)]


def test_a_best_value_at_the_end_of_what_was_searched_is_named() -> None:
    domains: dict[str, overrides.Domain] = {
        "lr": Interval(1e-5, 1e-2, log=True),
        "depth": Steps((1, 2, 3)),
        "ff": Interval(0.0, 1.0),
        "pe": ("a", "b"),
    }
    assert search_report.describe_edges(domains, {"lr": 9e-3, "depth": 3, "ff": 0.5, "pe": "a"}).startswith(
        "lr, depth lie at the end"
    )
    assert search_report.describe_edges(domains, {"lr": 3e-4, "depth": 2, "ff": 0.99, "pe": "b"}).startswith(
        "ff lies at the end"
    )
    assert search_report.describe_edges(domains, {"lr": 2e-5, "depth": 2, "ff": 0.5, "pe": "b"}) == ""


def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, "--dry-run", "--prune", "steps=9", trials=27))
    assert said.code == 0 and list(said.folder.iterdir()) == [] and tool.ran == []  # type: ignore[attr-defined]
    space = ("lr: 0.0001 to 0.1, by their logarithm", "dropout: 0, 0.1, 0.3", "depth: 1, 2, 3")
    plan = ("27 trials, drawn at random", "81 steps instead of 243", "beside the defaults on seeds 0, 1", "about ")
    assert all(text in said.err for text in (*space, *plan))


def test_json_is_the_final_table_alone_and_more_than_200_trials_need_a_yes(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, "--json"))
    rows = json.loads(said.out)
    assert [row["arm"] for row in rows if row.get("arm")] == ["defaults", "best of 12"]
    many = tool(*asked(data, trials=201))
    assert many.code == 2 and "--yes" in many.err and tool.ran == []  # type: ignore[attr-defined]
    assert tool(*asked(data, "--quiet")).out == ""


def test_trials_are_told_by_their_validation_loss_and_the_test_part_is_not_shown(data: Path, tool: Tool) -> None:
    said = tool(*asked(data))
    assert said.err.count(": validation loss ") == 12 and said.err.count(": test accuracy ") == 4
    assert "test" not in " ".join(said.trials[0])


def test_no_trial_has_a_test_number_and_the_runs_after_it_have(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, trials=3), score=None)
    assert said.code == 0, said.err
    found = {p.parent.name: json.loads(p.read_text()) for p in said.folder.glob("outputs/runs/*/result.json")}
    trials = {t["run"] for t in said.trials}
    assert len(trials) == 3 and len(found) == 3 + 4
    for run, result in found.items():
        tested = [key for key, value in result.items() if key.startswith("test_") and value not in (None, "")]
        assert bool(tested) == bool(result["confusion"]) == (run not in trials)
    listed = [json.loads(line) for line in stackattn("runs", "--json", cwd=said.folder).stdout.splitlines()]
    assert {row["run"] for row in listed if row["test_acc"] is None} == trials


def test_the_figure_of_a_search_is_drawn_and_of_the_study_after_it_is_not(data: Path, tool: Tool) -> None:
    said = tool(*asked(data, "--figures", "svg", trials=5))
    assert said.code == 0, said.err
    drawn = {p.parent.name.endswith("-search") for p in said.folder.glob("outputs/studies/*/importance.svg")}
    assert drawn == {True}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number,code", [(signal.SIGKILL, -9), (signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_search_that_was_killed_goes_on_to_the_same_bytes(
    number: signal.Signals, code: int, data: Path, tmp_path: Path
) -> None:
    line = ["sweep", *asked(data, "steps=100", "seeds=1", "--figures", "none", kind="bayes", trials=11), "-j", "2"]
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


def test_an_empty_range_and_a_range_of_one_are_no_search() -> None:
    assert search_space.parse_space(["depth=range(1,2)", "lr=0.1,0.2"]).fixed == {"depth": 1}
    with pytest.raises(UsageError, match="the range is empty"):
        search_space.parse_space(["depth=range(5,1)"])
