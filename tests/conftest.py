"""Fixtures of several folders."""

import pytest

from stackcli.attention.base import Pattern


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts sequences of any length into pieces, where all pairs would be computed as they are short."""
    monkeypatch.setattr(Pattern, "short", 0)
    monkeypatch.setattr(Pattern, "share", 0)
