"""MLflow on SQLite, searched by its own client."""

from pathlib import Path
from typing import Any

import pytest

from stackcli.tracker.mlflow import Mlflow
from tests.tracker.examples import KEY, RESULT, RUN, SETTINGS, STEPS, THIRD, numbers, tell

pytest.importorskip("mlflow")


def only_run(uri: str, experiment: str = "stackattn") -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    """Returns the only run of an experiment, and name -> (step, value)."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    (run,) = client.search_runs([found.experiment_id])
    names = run.data.metrics
    return run, {n: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, n)) for n in names}


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_each_step_once_and_ends_with_its_result(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path.as_posix()}/mlflow.db"
    assert tell("mlflow", tmp_path, STEPS[:3]) == [{"ended": True}]
    run, found = only_run(uri)
    assert found == {name: [(step, numbers(step)[name]) for step in STEPS[:3]] for name in numbers(0)}
    assert run.info.status == "KILLED"
    assert tell("mlflow", tmp_path, STEPS, result=RESULT) == [{"ended": True}]
    run, found = only_run(uri)
    steps = {name: [(step, numbers(step)[name]) for step in STEPS] for name in numbers(0)}
    assert found == {**steps, "result/test_acc": [(16, THIRD)], "result/step_end": [(16, 16.0)]}
    assert run.info.status == "FINISHED" and run.info.run_name == "depth=2 seed=3"
    assert run.data.params == {name: str(value) for name, value in SETTINGS.items()}
    own = {"key": KEY, "run": RUN, "study": "sweep-depth", "seed": "3"}
    assert {k: run.data.tags[f"stackattn.{k}"] for k in own} == own


def test_the_environment_decides_what_is_not_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    usual = Mlflow(tmp_path)
    assert (usual.uri, usual.experiment) == (f"sqlite:///{tmp_path}/mlflow.db", "stackattn") and usual.place() == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    theirs, typed = Mlflow(tmp_path), Mlflow(tmp_path, uri="sqlite:///a.db", experiment="mine")
    assert (theirs.uri, theirs.experiment) == ("http://localhost:5000", "theirs")
    assert (typed.uri, typed.experiment) == ("sqlite:///a.db", "mine")
    assert theirs.place() == "mlflow ui --backend-store-uri http://localhost:5000"
