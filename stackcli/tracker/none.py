"""No tracker: runs are reported in the store alone."""

from stackcli.tracker.base import Tracker


class NoTracker(Tracker):
    """Reports nothing."""
