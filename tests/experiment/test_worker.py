"""A sweep, whole: nothing is trained twice, nothing is lost, and the bits do not depend on how it was run."""

import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackcli.common import registry
from stackcli.config import grid
from stackcli.data.csv import Csv
from stackcli.experiment import plan, timing_pass, worker
from stackcli.experiment.store import Store
from tests.factory import part
from tests.helpers import environment, installed, results, stackattn, start, words, write_data

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


@pytest.fixture(scope="module")
def swept(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed sweep with two workers."""
    folder = tmp_path_factory.mktemp("swept")
    done = stackattn("sweep", *words(data, "depth=1,2", "seeds=2", "steps=30"), "-j", "2", cwd=folder, timed=True)
    assert done.returncode == 0, done.stderr
    return folder


def trained(stderr: str) -> int:
    return stderr.count("test accuracy ")


def test_the_same_command_again_trains_nothing_and_more_depth_trains_only_that(data: Path, swept: Path) -> None:
    again = stackattn("sweep", *words(data, "depth=1,2", "seeds=2", "steps=30"), cwd=swept, timed=True)
    assert again.returncode == 0 and "4 finished before, 0 to train" in again.stderr and trained(again.stderr) == 0
    grown = stackattn("sweep", *words(data, "depth=1,2,3", "seeds=2", "steps=30"), cwd=swept, timed=True)
    assert "4 finished before, 2 to train" in grown.stderr and trained(grown.stderr) == 2
    assert "timing" not in again.stderr and "timing 1 architecture\n" in grown.stderr  # beside the reference
    names = [p.parent.name for p in swept.glob("outputs/studies/*/study.json")]
    assert len(names) == 1  # the study has grown


def test_one_worker_gives_the_bytes_of_two(data: Path, swept: Path, tmp_path: Path) -> None:
    stackattn("sweep", *words(data, "depth=1,2", "seeds=2", "steps=30"), "-j", "1", cwd=tmp_path)
    one, two = results(tmp_path / "outputs"), results(swept / "outputs")
    assert one and {k: two[k] for k in one} == one


def test_train_reuses_what_a_sweep_has_trained(data: Path, swept: Path) -> None:
    done = stackattn("train", *words(data, "depth=2", "seed=1", "steps=30"), cwd=swept)
    assert "1 finished before, 0 to train" in done.stderr


@POSIX
@pytest.mark.parametrize(
    "number,code",
    [
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
        (signal.SIGTERM, 75),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_that_was_killed_goes_on_to_the_same_bytes_and_nothing_of_the_environment_reaches_a_file(
    number: signal.Signals, code: int, data: Path, tmp_path: Path
) -> None:
    line = words(data, "depth=1,2", "seeds=2", "steps=200", "batch=4")
    process = start("sweep", *line, "-j", "2", cwd=tmp_path, SECRET_TOKEN="canary-4711")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("outputs/runs/*/result.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    if code > 0:
        assert "To go on: stackattn sweep" in err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10 and not any(b"canary-4711" in path.read_bytes() for path in files)
    again = stackattn("sweep", *line, "-j", "2", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    whole = tmp_path / "whole"
    whole.mkdir()
    stackattn("sweep", *line, "-j", "2", cwd=whole)
    assert results(tmp_path / "outputs") == results(whole / "outputs")


def test_a_run_that_diverges_is_a_result_and_the_others_go_on(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "lr=0.001,1e11", "seeds=2", "clip=0", "steps=40"), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(p.read_text()) for p in tmp_path.glob("outputs/runs/*/result.json")]
    affected = [r for r in found if r["status"] == "diverged"]
    assert len(found) == 4 and len(affected) == 2
    assert all(r["diverged_step"] > 0 and r["test_acc"] is None for r in affected)
    assert "DIVERGED at step" in done.stderr


FRAIL = """
from torch import Tensor
from stackcli.pe.base import Context, PositionEncoding

class Frail(PositionEncoding):
    "An encoding that fails when it is used."
    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        raise RuntimeError("frail indeed")
"""


@contextmanager
def encoding(folder: Path, embed: str = 'raise RuntimeError("frail indeed")') -> Iterator[None]:
    """Inside, an installed package offers pe=frail, whose `embed` has this body."""
    info = folder / "frailpkg-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "frailpkg.py").write_text(FRAIL.replace('raise RuntimeError("frail indeed")', embed))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: frailpkg\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stackattn.pe]\nfrail = frailpkg:Frail\n")
    with installed(folder):
        yield


def test_a_run_that_fails_is_shown_with_its_log_and_the_others_go_on(data: Path, tmp_path: Path) -> None:
    line = words(data, "pe=learned,frail", "seeds=2")
    with encoding(tmp_path / "site"):
        done = stackattn("sweep", *line, cwd=tmp_path)
        hasty = stackattn("sweep", *line, "--fail-fast", "-j", "1", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("FAILED: RuntimeError: frail indeed") == 2 and "log:" in done.stderr
    assert len(list(tmp_path.glob("outputs/runs/*/result.json"))) == 2 and "2 of 4 runs failed" in done.stdout
    assert all("frail indeed" in p.read_text() for p in tmp_path.glob("outputs/attempts/*.log"))
    assert "to try again what failed: stackattn sweep data=csv" in done.stderr
    assert "2 finished before, 2 to train" in hasty.stderr
    assert hasty.returncode == 1 and hasty.stderr.count("FAILED") == 1


def test_sizes_that_a_part_refuses_are_known_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "pe=learned,sinusoidal", "dim=9", "heads=3"), cwd=tmp_path)
    assert done.returncode == 2 and "error: sinusoidal needs an even dim, not dim=9" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_force_trains_again_and_weights_asked_for_later_are_trained_for(data: Path, tmp_path: Path) -> None:
    line = words(data, "depth=1")
    stackattn("train", *line, "keep=none", cwd=tmp_path)
    assert not list(tmp_path.glob("outputs/runs/*/weights.pt"))
    kept = stackattn("train", *line, "keep=best", cwd=tmp_path)
    assert "1 to train" in kept.stderr and list(tmp_path.glob("outputs/runs/*/weights.pt"))
    assert "1 to train" in stackattn("train", *line, "--force", cwd=tmp_path).stderr


def test_data_that_change_while_a_sweep_runs_give_no_result(data: Path, tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    (planned,) = plan.plan(grid.parse_grid([*words(data), "seeds=1"]).configs, place).todo
    changed = write_data(tmp_path / "d.csv", rows=61)
    moved = part("csv", **{**planned.config.data.options, "path": str(changed)})
    with pytest.raises(ValueError, match="data=csv has changed since the command began"):
        worker.run_job(replace(planned, config=replace(planned.config, data=moved)), lambda _: None, lambda: False)
    assert place.ids() == []
    worker.run_job(planned, lambda _: None, lambda: False)
    assert place.ids() == [planned.run]
    written = (place.run(planned.run) / "result.json").stat().st_mtime_ns
    worker.run_job(planned, lambda _: None, lambda: False)  # another process would find it done
    assert (place.run(planned.run) / "result.json").stat().st_mtime_ns == written


def test_a_worker_that_is_given_the_data_does_not_load_them_and_gives_the_same_bytes_and_notices_an_edit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "d.csv"
    file.write_bytes(data.read_bytes())
    configs = grid.parse_grid([*words(file, "steps=10"), "seeds=1"]).configs
    alone, given = Store(tmp_path / "alone"), Store(tmp_path / "given")
    for place in (alone, given):
        place.create()
    (planned,) = plan.plan(configs, alone).todo
    worker.run_job(planned, lambda _: None, lambda: False)
    (job,) = plan.with_data(plan.plan(configs, given))
    monkeypatch.setattr(Csv, "load", lambda _: pytest.fail("the data were loaded"))
    worker.run_job(pickle.loads(pickle.dumps(job)), lambda _: None, lambda: False)
    one, two = results(alone.root), results(given.root)
    assert one == two and any("result.json" in str(name) for name in one)
    write_data(file, rows=61)
    with pytest.raises(ValueError, match="data=csv has changed since the command began"):
        worker.run_job(replace(job, replace=True), lambda _: None, lambda: False)


def test_a_part_that_is_edited_while_a_sweep_runs_gives_no_result(data: Path, tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    (planned,) = plan.plan(grid.parse_grid([*words(data), "seeds=1"]).configs, place).todo
    with pytest.raises(ValueError, match="source of a part has changed since the command began"):
        worker.run_job(replace(planned, source={**planned.source, "pe": "0" * 16}), lambda _: None, lambda: False)
    assert place.ids() == []


ODD = ["true", "NULL", "1e3", "-5", "a,b", "x=y", "it's", "[a]", "{a: b}", "a b", "ü", "", "nan", "a\\", "range(1,2)"]


@pytest.mark.parametrize("name", ODD)
def test_the_line_that_reproduces_a_run_is_read_back_as_the_run(name: str, data: Path) -> None:
    (first,) = grid.parse_grid([*words(data), "seeds=1"]).configs
    odd = replace(first, data=part("csv", **{**first.data.options, "label": name}))
    line = shlex.split(plan.reproduce(odd))
    assert line[:2] == ["stackattn", "train"]
    assert grid.parse_grid(line[2:], single=True).configs == (odd,)


@pytest.mark.parametrize("length", ["steps=9", "epochs=5"])
def test_the_line_that_reproduces_a_run_names_its_steps_or_its_epochs(length: str) -> None:
    (run,) = grid.parse_grid([length, "seeds=1"]).configs
    line = shlex.split(plan.reproduce(run))
    assert [word for word in line if word.startswith(("steps=", "epochs="))] == [length]
    assert grid.parse_grid(line[2:], single=True).configs == (run,)


def test_times_of_other_sizes_of_the_same_data_are_not_taken(data: Path) -> None:
    short, long = (grid.parse_grid([*words(data), "seeds=1", f"data.max_len={n}"]).configs[0] for n in (8, 16))
    assert timing_pass.timing_key(short, "f") == timing_pass.timing_key(replace(short, seed=5, lr=0.5), "f")
    assert timing_pass.timing_key(short, "f") != timing_pass.timing_key(long, "f")


def test_two_files_in_one_study_have_each_its_own_baselines(data: Path, tmp_path: Path) -> None:
    other = write_data(tmp_path / "other.csv", rows=90)
    paths = f"data.path='{data.as_posix()}','{other.as_posix()}'"
    done = stackattn("sweep", *words(data, paths)[:1], *words(data)[2:], paths, "seeds=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (study,) = tmp_path.glob("outputs/studies/*/study.json")
    found = json.loads(study.read_text())["facts"]
    assert set(found) == {"csv d.csv", "csv other.csv"}
    assert found["csv d.csv"]["sizes"] != found["csv other.csv"]["sizes"]


@POSIX
def test_a_run_asked_to_stop_before_anything_began_leaves_with_its_code() -> None:
    program = (
        "import os, signal, time\nfrom stackcli import __main__ as m\n"
        "m.run_command = lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(20))\nm.main()\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 75


def test_an_encoding_of_an_installed_package_is_listed_checked_and_compared(tmp_path: Path) -> None:
    line = words(write_data(tmp_path / "d.csv"), "pe=none,frail", "seeds=1")
    with encoding(tmp_path / "site", "return x + 0.01 * ctx.pos[:, None].to(x) * x.new_ones(x.shape[-1]).cumsum(0)"):
        listed = stackattn("list", "pe", cwd=tmp_path)
        checked = stackattn("check", "pe=frail", "--json", cwd=tmp_path)
        compared = stackattn("compare-pe", *line, cwd=tmp_path)
    assert "frail" in listed.stdout and "An encoding that fails" in listed.stdout
    found = {row["name"]: row["found"] for row in json.loads(checked.stdout)}
    assert found["order"] == "seen" and found["shift"] == "seen: absolute" and found["causality"] == "kept"
    assert compared.returncode == 0 and "frail" in compared.stdout


def test_a_study_says_what_it_leaves_out_and_no_figure_stands_beside_other_tables(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("accuracy", "fit", "loss", "time", "update")
    real = registry.part_names  # drawing all figures takes seconds
    monkeypatch.setattr(registry, "part_names", lambda group: few if group == "figures" else real(group))
    line = ["sweep", *words(data, "depth=1,2")]
    first = stackattn(*line, "seeds=3", "--figures", "svg", cwd=tmp_path, figures=True, timed=True)
    assert first.returncode == 0, first.stderr
    (folder,) = tmp_path.glob("outputs/studies/*")
    drawn = {p.name for p in folder.glob("*.svg")}
    assert drawn == {f"{name}.svg" for name in few}
    fewer = stackattn(*line, "seeds=2", cwd=tmp_path)
    assert "2 runs that are not among those of this command" in fewer.stderr
    assert "drawn from other runs than the study has now, and deleted" in fewer.stderr
    assert not list(folder.glob("*.svg")) and len((folder / "runs.csv").read_text().splitlines()) == 5
    back = stackattn(*line, "seeds=3", "--figures", "svg", cwd=tmp_path, figures=True, timed=True)
    assert "6 finished before, 0 to train" in back.stderr and {p.name for p in folder.glob("*.svg")} == drawn
    one = stackattn("plot", "--figure", "loss", "--figures", "svg", cwd=tmp_path)
    assert one.returncode == 0 and {p.name for p in folder.glob("*.svg")} == drawn
    assert "deleted" not in stackattn(*line, "seeds=3", cwd=tmp_path).stderr
    assert {p.name for p in folder.glob("*.svg")} == drawn


def test_a_named_study_keeps_the_runs_that_it_had(data: Path, tmp_path: Path) -> None:
    line = ["sweep", *words(data, "depth=1,2"), "--study", "s"]
    assert stackattn(*line, "seeds=2", cwd=tmp_path).returncode == 0
    fewer = stackattn(*line, "seeds=1", "--csv", "-", cwd=tmp_path)
    assert "left out" not in fewer.stderr and len(Store(tmp_path / "outputs").read_study("s")["runs"]) == 4
    one = stackattn("sweep", *words(data, "depth=3"), "seeds=1", "--study", "s", cwd=tmp_path)
    assert "left out" not in one.stderr, one.stderr
    assert {r["point"] for r in Store(tmp_path / "outputs").read_study("s")["runs"]} == {
        f"depth={d}" for d in (1, 2, 3)
    }


def test_a_worker_that_somebody_else_stops_is_started_again_as_long_as_it_gets_further(
    data: Path, tmp_path: Path
) -> None:
    """A part that sends SIGTERM to its own process in each step, as a person or a system might."""
    with encoding(tmp_path / "site", "import os, signal; os.kill(os.getpid(), signal.SIGTERM); return x"):
        done = stackattn("sweep", *words(data, "pe=learned,frail", "seeds=1", "steps=4"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("signal that was not ours; it is started again") == 3  # after steps 1, 2 and 3


# ---- memory

MEASURE = """
import importlib, pickle, re, sys
from pathlib import Path
from stackcli.experiment import worker

for module in worker.preload():
    importlib.import_module(module)
with open(sys.argv[1], "rb") as sent:
    job = pickle.load(sent)
worker.run_job(job, lambda _: None, lambda: False)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_whole_run_on_a_large_text_takes_at_most_three_times_its_size_in_memory(tmp_path: Path) -> None:
    draw, peaks, sizes = np.random.default_rng(0), list[int](), (400_000, 10_000_000)
    letters = "".join(map(chr, 97 + draw.integers(0, 26, sizes[-1])))
    model = ["depth=1", "dim=16", "heads=2", "ff=1", "steps=3", "pe=none", "causal=true", "seeds=1"]
    for size in sizes:
        file, place = tmp_path / f"{size}.txt", Store(tmp_path / str(size))
        file.write_text(letters[:size])
        place.create()
        (job,) = plan.with_data(plan.plan(grid.parse_grid(["data=text", f"data.path={file}", *model]).configs, place))
        (tmp_path / "job").write_bytes(pickle.dumps(job))
        command = [sys.executable, "-c", MEASURE, str(tmp_path / "job")]
        env = environment(OMP_NUM_THREADS="1")
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert place.ids() == [job.run]
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] <= 3 * sizes[1], peaks


@pytest.mark.parametrize("at", [3, 6])
def test_a_run_that_is_stopped_while_its_teacher_or_its_stack_is_trained_ends_in_the_same_bits(
    at: int, data: Path, tmp_path: Path
) -> None:
    (config,) = grid.parse_grid(words(data, "distill=defensive", "dropout=0.2"), single=True).configs
    stores = [Store(tmp_path / name) for name in ("whole", "stopped")]
    said: list[tuple[tuple[float, ...], ...]] = []
    for store in stores:
        store.create()
        (job,) = plan.plan([config], store).todo
        rows: list[tuple[float, ...]] = []
        stages: list[str] = []

        def say(told: Any, rows: list[Any] = rows, stages: list[str] = stages) -> None:
            if isinstance(told, dict):
                stages.append(told["stage"])
            else:
                rows.append(told)

        if store is stores[1]:
            with pytest.raises(SystemExit):
                worker.train_one(job, store, say, lambda rows=rows: len(rows) == at)  # type: ignore[misc]
            assert stages.pop() == "saved" and stages == []
        worker.train_one(job, store, say, lambda: False)
        assert stages == ["evaluating", "publishing"]
        said.append(tuple(rows))
    assert said[0] == said[1] and [row[:2] for row in said[0]] == [(i, 8) for i in range(1, 9)]
    whole, stopped = (store.result(job.run) for store in stores)
    assert whole == stopped and whole["step_end"] == 4


def test_a_worker_says_that_it_waits_for_another_process(data: Path, tmp_path: Path) -> None:
    store, said = Store(tmp_path / "o"), list[Any]()
    store.create()
    (job,) = plan.plan(grid.parse_grid(words(data), single=True).configs, store).todo
    with store.claimed(job.run, lambda: False), pytest.raises(SystemExit) as left:
        worker.run_job(job, said.append, lambda: True)
    assert left.value.code == 75 and [told["stage"] for told in said] == [
        "loading",
        "waiting for another process that trains it",
    ]
    assert {told["pid"] for told in said} == {os.getpid()}
