"""Trackers, from the words of a command to what they hold."""

import json
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from stackcli.config.settings import NONE, Part
from stackcli.experiment import plan, run_trackers, trackers, worker
from stackcli.experiment.store import Store
from stackcli.tracker.base import add_section
from tests.experiment.examples import options
from tests.experiment.test_run_trackers import entries, make_job, tracker_package
from tests.helpers import results, run_process, stackattn, words, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


def test_a_missing_library_is_refused_before_anything_starts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "is_installed", lambda name: name != "wandb")
    done = stackattn("sweep", *words(data, "depth=1,2"), "tracker=tensorboard,wandb", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert done.stderr == ("error: tracker=wandb needs wandb, which is not installed: pip install 'stackattn[wandb]'\n")


def test_a_folder_that_is_named_like_a_library_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandbfolder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not trackers.is_installed("wandbfolder") and not trackers.is_installed("zzz_missing")
    assert trackers.is_installed("json")


@pytest.mark.parametrize("command", ["probe", "cost"])
def test_commands_that_train_nothing_refuse_a_tracker(command: str, tmp_path: Path) -> None:
    done = stackattn(command, "tracker=tensorboard", cwd=tmp_path)
    assert done.returncode == 2 and f"tracker=tensorboard: {command} trains no runs" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_tracker_is_listed_with_its_line(tmp_path: Path) -> None:
    done = stackattn("list", "tracker", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "tracker",
        "mlflow",
        "none",
        "tensorboard",
        "wandb",
    ]


def test_a_dry_run_names_the_trackers_and_their_settings_and_writes_nothing(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    line = words(data, "tracker=none,mlflow", "mlflow.uri=postgresql://me:word@host/runs", "--dry-run")
    done = stackattn("train", *line, cwd=tmp_path)
    assert done.returncode == 0 and list(tmp_path.iterdir()) == []
    named = "tracker=mlflow (mlflow.uri=postgresql://***@host/runs): reports runs that are trained now"
    assert named in done.stderr and "word" not in done.stderr and "mlflow ui" not in done.stderr


def test_a_failure_is_said_once_for_a_sweep_and_changes_no_byte(data: Path, tmp_path: Path) -> None:
    line = words(data, "depth=1,2", "seeds=1", "steps=10")
    for name in "ab":
        (tmp_path / name).mkdir()
    stackattn("sweep", *line, "-j", "1", cwd=tmp_path / "a")
    with tracker_package(tmp_path / "site"):
        told = ["tracker=diary,hostile", f"diary.folder={tmp_path.as_posix()}", "hostile.at=log"]
        done = stackattn("sweep", *line, *told, "--quiet", "-j", "1", cwd=tmp_path / "b")
        again = stackattn("sweep", *line, *told, "-j", "1", cwd=tmp_path / "b")
    assert done.returncode == 0
    (said,) = done.stderr.splitlines()
    assert said.startswith("tracker=hostile: refused numbers: RuntimeError: the key is") and "--force" in said
    assert results(tmp_path / "a" / "outputs") == results(tmp_path / "b" / "outputs")
    assert not list(tmp_path.glob("b/outputs/attempts/*"))
    starts = [row for row in entries(tmp_path) if row[0] == "start"]
    names = {path.parent.name for path in tmp_path.glob("b/outputs/studies/*/study.json")}
    assert len(starts) == 2 and {row[2] for row in starts} == names and len(names) == 1
    assert {row[3] for row in starts} == {"depth=1 seed=0", "depth=2 seed=0"}
    assert "2 finished before, 0 to train" in again.stderr  # the words of trackers are not in the identity
    assert "--out" not in again.stderr and "tracker=diary,hostile" in again.stderr.rpartition("next: ")[2]


def test_a_tracker_that_cannot_be_started_is_left_out_of_the_rest_of_the_command(data: Path, tmp_path: Path) -> None:
    (job, store) = make_job(data, tmp_path / "out", Part(name="tensorboard"))
    assert job.reporting is not None
    run_trackers.note_failure(job.reporting.notes, "tensorboard", {"when": "start", "why": "x"})
    assert run_trackers.RunTrackers(job).processes == [] and store.exists


def test_a_plan_without_trackers_stays_as_it_is_and_one_with_them_keeps_its_key(data: Path, tmp_path: Path) -> None:
    job, store = make_job(data, tmp_path / "out")
    planned = plan.plan([job.config], store)
    same, failures = trackers.report_plan(planned, store, options(store.root, trackers=(NONE,)), ["a"])
    failures.close()
    assert same is planned and not (store.root / "trackers.json").exists()
    asked = options(store.root, trackers=(NONE, Part(name="tensorboard")), study="s")
    first, second = (trackers.report_plan(planned, store, asked, ["a"])[0].todo[0].reporting for _ in range(2))
    assert first is not None and second is not None and first.key == second.key and first.key != job.run
    assert (first.trackers, first.study, first.label) == ((Part(name="tensorboard"),), "s", "a")
    moved = Store(tmp_path / "moved")
    store.root.rename(moved.root)
    assert first.key == f"{job.run}-{trackers.folder_key(moved)}"


def test_a_sweep_reports_to_tensorboard_and_names_the_command_and_the_driver_imports_none_of_it(
    data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    before = set(sys.modules)
    done = stackattn("train", *words(data), "tracker=tensorboard", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("to see what tensorboard has: tensorboard --logdir outputs/tensorboard\n")
    assert len(list(tmp_path.glob("outputs/tensorboard/train*/run_seed=0-*/events.out.tfevents.*"))) == 1
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"tensorboard", "wandb", "mlflow"}


def read_back(name: str, out: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns name -> (step, value) of the only run that a tracker holds."""
    from tests.tracker import test_mlflow, test_tensorboard, test_wandb

    if name == "tensorboard":
        return test_tensorboard.read(out / "tensorboard")[0]
    if name == "mlflow":
        return test_mlflow.only_run(f"sqlite:///{out.as_posix()}/mlflow.db")[1]
    found: dict[str, list[tuple[int, float]]] = {}
    for row in test_wandb.history(out, "*"):
        for key, value in row.items():
            found.setdefault(key, []).append((row["_step"], value))
    return found


def numbers_of_files(run: Path) -> Mapping[str, list[tuple[int, float]]]:
    """Returns name -> (step, value) of the files of a run."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in (run / "curve.jsonl").read_text().splitlines():
        row = json.loads(line)
        for key in row.keys() - {"step"}:
            found.setdefault(key, []).append((row["step"], float(row[key])))
    for line in (run / "layers.jsonl").read_text().splitlines():
        row = json.loads(line)
        for key in row.keys() & {"g1", "g2", "g3", "g4"}:
            found.setdefault(f"gradient_{key}/layer{row['layer']}/{row['tensor']}", []).append((row["step"], row[key]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_run_that_is_stopped_and_continued_is_in_the_tracker_as_in_its_files_without_secrets_or_network(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name)
    calls: list[object] = []
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: calls.append(server.accept()), daemon=True).start()
    secret, proxy = "c0ffee" * 7, f"http://127.0.0.1:{server.getsockname()[1]}"
    for variable in ("WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, secret)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy)
    monkeypatch.setattr(run_trackers, "PATIENCE_STOPPED", 60.0)
    job, store = make_job(data, tmp_path / "out", Part(name=name))
    seen: list[object] = []
    with pytest.raises(SystemExit):
        worker.run_job(job, seen.append, lambda: len(seen) == 17)
    worker.run_job(job, seen.append, lambda: False)
    assert not (tmp_path / "out" / "attempts" / "notes-1").exists()
    told = {k: v for k, v in read_back(name, store.root).items() if not k.startswith(("result/", "_"))}
    files = numbers_of_files(store.run(job.run))
    if name == "tensorboard":
        files = {add_section(k): [(step, float(np.float32(v))) for step, v in rows] for k, rows in files.items()}
    elif name == "wandb":
        files = {add_section(k): rows for k, rows in files.items()}
    assert told == files and len(files) > 20
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert calls == []
    server.close()


@pytest.mark.slow
def test_four_runs_at_once_make_one_database(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    line = words(data, "depth=1", "seeds=4")
    done = run_process("sweep", *line, "tracker=mlflow", "-j", "4", "--figures", "none", cwd=tmp_path, SOME="thing")
    assert done.returncode == 0 and "tracker=mlflow:" not in done.stderr.replace("tracker=mlflow: reports", "")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path.as_posix()}/outputs/mlflow.db")
    runs = client.search_runs(["1"])
    assert sorted(run.data.tags["stackattn.seed"] for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
