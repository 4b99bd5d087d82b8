"""Options that several commands share: completion, jobs, what the same command needs again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from stackcli.cli import options
from stackcli.config.settings import Config, Options
from stackcli.diagnostics.cost_counts import device_bytes
from stackcli.experiment.study import Arms
from tests.factory import config
from tests.helpers import environment


@pytest.mark.parametrize(
    "typed,at,answer",
    [
        ("stackattn sweep dep", 2, "depth="),
        ("stackattn sweep pe=le", 2, "pe=learned"),
        ("stackattn sweep pe=learned,re", 2, "pe=learned,relative"),
        ("stackattn sweep pe = le", 4, "learned"),  # as bash breaks it
        ("stackattn sweep residual =", 3, "admin\ndeepnorm\nlayerscale\nnone\npost\npre\nrezero\nsandwich\nscaled"),
        ("stackattn sweep depth=1 schedule = cos", 5, "cosine"),
    ],
)
def test_the_shell_is_offered_keys_and_choices(typed: str, at: int, answer: str, tmp_path: Path) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(at), "_STACKATTN_COMPLETE": "complete_bash"}
    program = "import sys; sys.argv = ['stackattn']; from stackcli.cli.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(**asked), capture_output=True, text=True
    )
    assert found.stdout.strip() == answer


def parsed(**given: Any) -> tuple[Options, int]:
    """The Options of `sweep` with these parameters."""
    context = typer.Context(typer.core.TyperCommand("sweep"), info_name="sweep")
    common = {"out": Path("outputs"), "study": "", "jobs": 0, "csv": "", "figures": "png,svg", "debug": False}
    context.params = {**common, "overrides": (), "experiment": "", **given}
    return options.parse_options(context)


def test_the_options_that_a_command_needs_again_are_kept_in_one_order() -> None:
    chosen, jobs = parsed(out=Path("o"), jobs=3, tune="lr=1,2", prune=True, search="bayes", trials=5, quiet=True)
    assert jobs == chosen.jobs == 3 and chosen.quiet and chosen.sampler == "bayes" and chosen.trials == 5
    again = ("--tune", "lr=1,2", "--search", "bayes", "--trials", "5", "--prune", "-j", "3", "--out", "o")
    assert chosen.asked == again
    plain, _ = parsed()
    assert plain.asked == () and plain.trials == 40 and plain.formats == ("png", "svg")


def test_a_replayed_study_has_the_name_of_its_experiment_unless_named() -> None:
    assert parsed(experiment="subjects-depth")[0].study == "subjects-depth"
    assert parsed(experiment="subjects-depth", study="mine")[0].study == "mine"


@pytest.mark.parametrize(
    "given,said",
    [
        ({"jobs": -1}, "-j -1: must be "),
        ({"jobs": 1025}, "-j 1025: must be "),
        ({"trials": 3}, "belong to a search"),
        ({"prune": True}, "belong to a search"),
        ({"format": "html"}, "choose md or latex"),
        ({"json": True, "csv": "-"}, "both write to stdout"),
        ({"figures": "gif"}, "choose from png, svg, pdf, or none"),
    ],
)
def test_options_out_of_range_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parsed(**given)


def test_figures_are_formats_or_none() -> None:
    assert options.parse_formats("svg, pdf") == ("svg", "pdf") and options.parse_formats("none") == ()


def test_the_command_line_asks_the_device_for_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    large, small = config(device="cuda", dim=512), config(device="cuda", dim=16)
    monkeypatch.setattr(options, "cores", lambda: 12)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(5.5 * device_bytes(large)), 10**12))
    chosen = Options(command="sweep", out=None, jobs=12)  # type: ignore[arg-type]

    def jobs(*configs: Config, typed: int = 0) -> int:
        return int(options.count_jobs(Arms(configs, ("",) * len(configs), (), {}, (), ()), chosen, typed).jobs)

    assert jobs(large) == jobs(small, large) == jobs(large, config(dim=2048)) == 5  # of the device, not of the CPU
    assert 5 < jobs(small) < jobs(config(dim=512)) == 12 and jobs(large, typed=7) == 12
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert jobs(large) == 12


def test_jobs_count_processes_of_which_a_run_may_have_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "cores", lambda: 12)

    def jobs(*devices: int, typed: int) -> int:
        configs = tuple(config(devices=n) for n in devices)
        chosen = Options(command="sweep", out=None, jobs=typed or 12)  # type: ignore[arg-type]
        return int(options.count_jobs(Arms(configs, ("",) * len(configs), (), {}, (), ()), chosen, typed).jobs)

    assert [jobs(2, typed=4), jobs(1, 2, typed=4), jobs(1, typed=4), jobs(3, typed=2)] == [2, 2, 4, 1]
    assert [jobs(2, typed=0), jobs(5, typed=0), jobs(1, typed=0)] == [6, 2, 12]
