"""The interface of a tracker: another program that is told how a run goes. The files of the store stay the truth."""

from collections.abc import Mapping
from typing import Any


class Tracker:
    """Reports one run. It is built, started and finished in the process of the run.

    A tracker may raise any error: the caller says it once, and the run goes on without the tracker."""

    def start(self, run: str, settings: Mapping[str, Any], *, study: str) -> None:
        """Begins, or after a checkpoint continues, the run `run` (its id in the store). settings: as typed, such as
        depth, pe, pe.clip."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Reports the numbers of an evaluation: names as in curve.jsonl."""

    def finish(self, result: Mapping[str, Any]) -> None:
        """Ends the run with its result, as in result.json."""
