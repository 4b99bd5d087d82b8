"""TensorBoard: an event file for each run, without TensorFlow or PyTorch. https://www.tensorflow.org/tensorboard"""

import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stackcli.tracker.base import TrackedRun, Tracker, add_section, final_numbers


class Tensorboard(Tracker):
    """Writes scalars and the settings (HParams) below `folder`, by default OUT/tensorboard. A run that is continued
    gets a further file in its folder. TensorBoard keeps 32 bits of each number."""

    extra = "tensorboard"
    modules = ("tensorboard",)

    def __init__(self, out: Path, *, folder: str = "") -> None:
        super().__init__(out)
        self.folder = Path(folder).expanduser() if folder else out / "tensorboard"

    def start(self, run: TrackedRun) -> set[int]:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        there = next(self.folder.glob(f"*/*-{run.key}"), None)
        place = there or self.folder / clean_name(run.study) / f"{clean_name(run.label)}-{run.key}"
        said = [(e.step, v.tag) for e in read_events(place) if e.HasField("summary") for v in e.summary.value]
        steps = {step for step, tag in said if not tag.startswith(("_hparams_", "result/"))}
        self.writer, self.last = EventFileWriter(str(place)), max(steps, default=0)
        self.ended = any(tag.startswith("result/") for _, tag in said)
        if not said:
            known = {k: v for k, v in run.settings.items() if v is not None}
            self._write(0, hparams_pb({**known, "study": run.study, "run": run.run}, trial_id=run.key))
        return steps

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.last = step
        self._write(
            step, Summary(value=[Summary.Value(tag=add_section(k), simple_value=v) for k, v in numbers.items()])
        )

    def finish(self, result: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = final_numbers(result)
        if numbers and not self.ended:
            self._write(self.last, Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in numbers.items()]))
        self.writer.close()

    def place(self) -> str:
        return f"tensorboard --logdir {shlex.quote(str(self.folder))}" if self.folder.is_dir() else ""

    def _write(self, step: int, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self.writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        self.writer.flush()


def clean_name(text: str) -> str:
    """Returns a text as the name of a folder: letters, digits and . _ = , + - only."""
    return re.sub(r"[^A-Za-z0-9._=,+-]+", "_", text)[:80].lstrip(".") or "run"


def read_events(folder: Path) -> Iterator[Any]:
    """Yields the events of a folder; a file that was cut off by a kill gives those that are complete."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for path in sorted(folder.glob("events.out.tfevents.*")):
        yield from EventFileLoader(str(path)).Load()
