"""What each layer is worth once a run is trained, on held-out data."""

from typing import Any

from stackcli.record import StackRow


def rows(training: Any, loaded: Any) -> list[StackRow]:
    return []
