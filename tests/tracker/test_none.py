"""A run without a tracker."""

from stackcli.tracker.none import NoTracker


def test_it_accepts_every_call_and_keeps_nothing() -> None:
    tracker = NoTracker()
    tracker.start("0123456789abcdef", {"depth": 2, "pe": "rope"}, study="sweep-depth")
    tracker.log(4, {"val_loss": 0.5})
    tracker.finish({"status": "done"})
    assert vars(tracker) == {}
