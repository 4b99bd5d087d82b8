"""A run without a tracker."""

from pathlib import Path

from stackcli.tracker.none import NoTracker
from tests.tracker.examples import tracked_run


def test_it_accepts_every_call_and_keeps_nothing(tmp_path: Path) -> None:
    tracker = NoTracker(tmp_path)
    assert list(tracker.start(tracked_run())) == []  # type: ignore[call-overload]
    tracker.log(4, {"val_loss": 0.5})
    tracker.finish({"status": "done"})
    assert vars(tracker) == {"out": tmp_path}
    assert tracker.place() == "" and list(tmp_path.iterdir()) == []
