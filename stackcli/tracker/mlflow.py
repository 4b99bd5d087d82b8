"""MLflow: a database file beside the runs, or a tracking server. https://mlflow.org/docs/latest/tracking"""

import contextlib
import os
import shlex
import time
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from stackcli.tracker.base import TrackedRun, Tracker, final_numbers

STATUS = {"done": "FINISHED", "diverged": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
AT_ONCE = 1000  # metrics that a server takes in a call


class Mlflow(Tracker):
    """Logs to `uri`: by default MLFLOW_TRACKING_URI, or else OUT/mlflow.db, a SQLite file (MLflow has given up its
    folders of files). experiment: by default MLFLOW_EXPERIMENT_NAME, or else stackattn."""

    extra = "mlflow"
    modules = ("mlflow", "sqlalchemy", "alembic")

    def __init__(self, out: Path, *, uri: str = "", experiment: str = "") -> None:
        super().__init__(out)
        own = f"sqlite:///{(out / 'mlflow.db').absolute().as_posix()}"
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or own
        self.experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "stackattn"

    def start(self, run: TrackedRun) -> Container[int]:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        with self._alone():
            self.client = MlflowClient(self.uri)
            experiment = self._experiment()
            found = self.client.search_runs([experiment], f"tags.`stackattn.key` = '{run.key}'")
        self.seen: set[tuple[str, int]] = set()
        if found:
            self.run, names = found[0].info.run_id, found[0].data.metrics
            self.seen = {(n, at.step) for n in names for at in self.client.get_metric_history(self.run, n)}
            with self._alone():
                self.client.update_run(self.run, status="RUNNING")
            return ()
        tags = {"stackattn.key": run.key, "stackattn.run": run.run, "stackattn.study": run.study}
        tags |= {"stackattn.seed": str(run.settings.get("seed"))}
        params = [Param(name, str(value)) for name, value in run.settings.items()]
        with self._alone():
            self.run = self.client.create_run(experiment, tags=tags, run_name=run.label).info.run_id
            for first in range(0, len(params), 100):
                self.client.log_batch(self.run, params=params[first : first + 100])
        return ()

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._send(numbers, step)

    def finish(self, result: Mapping[str, Any]) -> None:
        self._send(final_numbers(result), int(result.get("step_end", 0)))
        with self._alone():
            self.client.set_terminated(self.run, STATUS[result["status"]])

    def place(self) -> str:
        own = self.uri.removeprefix("sqlite:///")
        return (
            ""
            if own != self.uri and not Path(own).exists()
            else (f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}")
        )

    def _experiment(self) -> str:
        """Returns the id of the experiment, which another run may make at the same time."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            with contextlib.suppress(Exception):
                return str(self.client.create_experiment(self.experiment))
            found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            raise RuntimeError(f"experiment {self.experiment} can be neither found nor made")
        return str(found.experiment_id)

    def _send(self, numbers: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = {name: value for name, value in numbers.items() if (name, step) not in self.seen}
        metrics = [Metric(name, value, now, step) for name, value in new.items()]
        with self._alone():
            for first in range(0, len(metrics), AT_ONCE):
                self.client.log_batch(self.run, metrics=metrics[first : first + AT_ONCE])

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Inside, no other run writes to the SQLite file, which would be locked for it."""
        path = self.uri.removeprefix("sqlite:///")
        if path == self.uri:
            yield
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            yield
