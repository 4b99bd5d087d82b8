"""A sweep and the scripts: the same runs, two at once, by the clock."""

import json
import sys
import time
from collections.abc import Mapping, Sequence

import pytest

from stackcli.config import grid
from stackcli.config.settings import from_plain
from stackcli.experiment import speed_sweep
from stackcli.experiment.speed_measurement import Run


def test_the_ratio_is_of_wall_clock_times_and_accuracies_are_means(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def measure(sides: Mapping[str, Run], *, rounds: int, warm: bool, clock: object) -> dict[str, list[float]]:
        asked.extend([rounds, warm, clock])
        for run in sides.values():
            run()
        return {"ours": [10.0], "scripts": [45.0]}

    def run_sweep(words: Sequence[str]) -> list[float]:
        asked.append(words)
        return [0.5, 0.6]

    def run_scripts(configs: Sequence[object]) -> list[float]:
        asked.append(len(configs))
        return [0.7, 0.8]

    monkeypatch.setattr(speed_sweep, "measure_turns", measure)
    monkeypatch.setattr(speed_sweep, "run_sweep", run_sweep)
    monkeypatch.setattr(speed_sweep, "run_scripts", run_scripts)
    section = speed_sweep.sweep_section(("epochs=1",), 0)
    assert asked == [1, False, time.perf_counter, ("epochs=1", "depth=2,8", "seeds=6"), 12]
    assert section.rows[0].seconds == 10 and section.rows[0].ratios == (4.5,)
    assert section.rows[1].note == "ours 0.550, scripts 0.750"


def test_there_is_a_script_for_each_run_and_the_deepest_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []

    def call(command: Sequence[str]) -> str:
        commands.append(command)
        return json.dumps({"test_acc_end": from_plain(json.loads(command[-1])).depth / 10})

    monkeypatch.setattr(speed_sweep, "call", call)
    configs = grid.parse_grid(["depth=2,8", "seeds=2"]).configs
    assert speed_sweep.run_scripts(configs) == [0.8, 0.8, 0.2, 0.2]
    assert {from_plain(json.loads(command[-1])) for command in commands} == set(configs)
    assert all(command[:3] == [sys.executable, "-m", "stackcli.experiment.encoder_script"] for command in commands)


def test_a_command_that_fails_is_reported_with_its_message() -> None:
    assert speed_sweep.call([sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"]) == "1\n"
    with pytest.raises(RuntimeError, match=r"exit code 3\nthe reason"):
        speed_sweep.call([sys.executable, "-c", "import sys; print('the reason', file=sys.stderr); sys.exit(3)"])


@pytest.mark.slow
def test_a_small_sweep_and_its_scripts_run_from_end_to_end() -> None:
    words = ("depth=1,2", "seeds=1", "steps=2", "dim=8", "heads=2", "data=majority")
    assert len(speed_sweep.run_sweep(words)) == len(speed_sweep.run_scripts(grid.parse_grid(words).configs)) == 2
