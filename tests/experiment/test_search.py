"""A search: what may be searched, what is refused, and how long each trial is trained."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from stackcli.config import search_space
from stackcli.config.settings import Config
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import search, search_importance, search_sampler
from tests.experiment.examples import Tool, options, search_words
from tests.helpers import words


def test_a_key_of_one_part_leaves_the_other_parts_alone(data: Path) -> None:
    space = search_space.parse_space([*words(data, "pe=learned,relative", "pe.clip=range(1,9)")])
    assert space.config({"pe": "learned", "pe.clip": 3}, 0) == space.config({"pe": "learned", "pe.clip": 7}, 0)
    assert space.config({"pe": "relative", "pe.clip": 7}, 0).pe.options["clip"] == 7


def test_corners_are_all_combinations_of_the_ends_or_each_end_once_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = search_space.parse_space(["lr=interval(0.1,0.2)", "depth=range(1,9)", "dropout=0.0,0.1,0.3"])
    found = {(c.lr, c.depth, c.dropout) for c in space.corners(7)}
    assert len(found) == 12 and {c.seed for c in space.corners(7)} == {7}
    monkeypatch.setattr(search_space, "CORNERS", 11)
    found = {(c.lr, c.depth, c.dropout) for c in space.corners(7)}
    assert len(found) == 5 and {d for _, d, _ in found} == {1, 8} and {p for *_, p in found} == {0.0, 0.1, 0.3}


def test_a_range_of_one_value_is_fixed_and_an_empty_range_is_refused() -> None:
    assert search_space.parse_space(["depth=range(1,2)", "lr=0.1,0.2"]).fixed == {"depth": 1}
    with pytest.raises(UsageError, match="the range is empty"):
        search_space.parse_space(["depth=range(5,1)"])


BAD = {
    "--search grid depth=1,2": "--search grid: choose random or bayes",
    "--search random --trials 0 depth=1,2": "--trials 0: must be a whole number from 1 to 1000",
    "--search random --trials -1 depth=1,2": "--trials -1: must be a whole number from 1 to 1000",
    "--search random --trials 1000000000 depth=1,2": "--trials 1000000000: must be a whole number",
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
    "--search random pe=interval(0,1)": "no such choice",
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
    "--search random pe.clip=range(1,9)": "pe.clip belongs to pe=relative",
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
    assert list(said.folder.iterdir()) == [] and tool.ran == []


def test_only_sweep_has_the_options_of_a_search() -> None:
    import typer

    from stackcli.cli.app import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    having = {name for name, command in commands.items() for p in command.params if "--search" in p.opts}
    assert having == {"sweep"}


def test_without_optuna_a_search_says_what_to_install(data: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = tool(*search_words(data))
    assert said.code == 2 and "pip install 'stackattn[search]'" in said.err and list(said.folder.iterdir()) == []


def test_no_module_of_the_search_imports_optuna_at_the_top() -> None:
    for module in (search, search_sampler, search_importance):
        top = ast.parse(Path(str(module.__file__)).read_text()).body
        names = {a.name for node in top if isinstance(node, ast.Import) for a in node.names}
        names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
        assert not any(name.partition(".")[0] == "optuna" for name in names)


def test_another_search_cannot_take_the_name_of_a_study(data: Path, tool: Tool) -> None:
    def lower_is_better(found: Config) -> dict[str, Any]:
        return {"val_loss": found.lr}

    assert tool(*search_words(data, "--study", "mine", trials=4), score=lower_is_better).code == 0
    for other in (
        search_words(data, "--study", "mine", kind="bayes"),
        search_words(data, "--study", "mine", "--prune", "steps=9"),
    ):
        said = tool(*other)
        assert said.code == 4 and "has other settings" in said.err and tool.ran == []
    more = tool(
        *search_words(data, "--study", "mine", trials=20), score=lower_is_better
    )  # the same, longer: 4 are there
    assert more.code == 0 and len([c for c in tool.ran if c.seed >= 1_000_000]) == 16
    assert {run["arm"] for run in more.study["runs"]} == {"defaults", "best of 20"}


def test_the_rungs_are_those_of_the_paper() -> None:
    # Li et al. 2018, table 1: R = 81, eta = 3, bracket s = 4
    assert search.ladder(81, 81) == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert search.ladder(8, 40) == [(40, 1), (13, 3), (4, 8)]  # 8/9 and 8/3 of an epoch, rounded up
    assert search.ladder(700, 40) == [(40, 26), (13, 78), (4, 234), (1, 700)]
    assert search.ladder(2, 3) == [(3, 1), (1, 2)] and search.ladder(1, 40) == [(40, 1)]


def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(data: Path, tool: Tool) -> None:
    said = tool(*search_words(data, "--dry-run", "--prune", "steps=9", trials=27))
    assert said.code == 0 and list(said.folder.iterdir()) == [] and tool.ran == []
    space = ("lr: 0.0001 to 0.1, on a log scale", "dropout: 0, 0.1, 0.3", "depth: 1, 2, 3")
    plan = ("27 trials, drawn at random", "81 steps instead of 243", "beside the defaults on seeds 0, 1", "about ")
    assert all(text in said.err for text in (*space, *plan))


def test_the_same_search_has_the_same_name_whatever_its_seeds_and_the_order_of_its_words(tmp_path: Path) -> None:
    def name(*typed: str, **more: Any) -> str:
        given = options(tmp_path, **{"sampler": "random", "trials": 40, **more})
        return search.search_name(search_space.parse_space(typed), given)

    first = name("lr=0.1,0.2", "depth=1,2", "dim=32", "batch=8", "seeds=3")
    assert first.startswith("random-lr-depth-") and first == name(
        "lr=0.1,0.2", "depth=1,2", "seeds=5", "batch=8", "dim=32"
    )
    others = {
        name("lr=0.1,0.3", "depth=1,2", "dim=32", "batch=8"),
        name("lr=0.1,0.2", "depth=1,2", "dim=16", "batch=8"),
        name("lr=0.1,0.2", "depth=1,2", "dim=32", "batch=8", trials=41),
        name("lr=0.1,0.2", "depth=1,2", "dim=32", "batch=8", sampler="bayes"),
        name("lr=0.1,0.2", "depth=1,2", "dim=32", "batch=8", prune=True),
    }
    assert len(others | {first}) == 6
