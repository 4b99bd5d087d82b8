"""TensorBoard, read back with its own reader."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackcli.tracker.base import add_section
from stackcli.tracker.tensorboard import Tensorboard, clean_name
from tests.tracker.examples import KEY, RESULT, RUN, SETTINGS, STEPS, THIRD, numbers, send, start_tracker, tell

pytest.importorskip("tensorboard")


def read(out: Path) -> tuple[dict[str, list[tuple[int, float]]], Any]:
    """Returns tag -> (step, value) of the only run below a folder, and TensorBoard's reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = {path.parent for path in out.rglob("events.out.tfevents.*")}
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}, reader


def expected(steps: tuple[int, ...]) -> Mapping[str, list[tuple[int, float]]]:
    """The numbers of these steps with 32 bits."""
    return {
        add_section(name): [(step, float(np.float32(numbers(step)[name]))) for step in steps] for name in numbers(0)
    }


def test_a_run_that_was_killed_goes_on_with_each_step_once_and_ends_with_its_result(tmp_path: Path) -> None:
    assert tell("tensorboard", tmp_path, STEPS[:3]) == [{"ended": True}]
    assert read(tmp_path)[0] == expected(STEPS[:3])
    assert tell("tensorboard", tmp_path, STEPS, result=RESULT) == [{"ended": True}]
    found, reader = read(tmp_path)
    result = {"result/test_acc": [(16, float(np.float32(THIRD)))], "result/step_end": [(16, 16.0)]}
    assert found == {**expected(STEPS), **result}
    (hparams,) = (reader.summary_metadata["_hparams_/session_start_info"].plugin_data.content,)
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    info = HParamsPluginData.FromString(hparams).session_start_info
    kinds = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in info.hparams.items()}
    assert kinds == {**SETTINGS, "study": "sweep-depth", "run": RUN} and info.group_name == KEY


def test_a_file_that_a_kill_cut_off_loses_no_step(tmp_path: Path) -> None:
    tell("tensorboard", tmp_path, STEPS[:3])
    (path,) = tmp_path.rglob("events.out.tfevents.*")
    path.write_bytes(path.read_bytes()[:-7])
    tell("tensorboard", tmp_path, STEPS, result=RESULT)
    assert {name: rows for name, rows in read(tmp_path)[0].items() if name in expected(())} == expected(STEPS)


def test_each_step_is_written_before_the_next_is_told(tmp_path: Path) -> None:
    process = start_tracker("tensorboard", tmp_path, {"folder": str(tmp_path / "tb")})
    send(process, *({"step": step, "numbers": numbers(step)} for step in STEPS))
    for _ in range(600):
        if list(tmp_path.glob("tb/sweep-depth/*")) and read(tmp_path / "tb")[0] == expected(STEPS):
            break
        time.sleep(0.1)
    assert process.poll() is None and read(tmp_path / "tb")[0] == expected(STEPS)
    process.communicate()


def test_the_command_that_shows_it_is_named_where_there_is_something(tmp_path: Path) -> None:
    assert Tensorboard(tmp_path).place() == ""
    (tmp_path / "tensorboard").mkdir()
    assert Tensorboard(tmp_path).place() == f"tensorboard --logdir {tmp_path}/tensorboard"


def test_names_of_folders_hold_no_slash_and_are_never_hidden() -> None:
    assert clean_name("data.path=../x y") == "data.path=.._x_y" and clean_name("..") == "run"
