"""Fixtures of several folders."""

import gc

import pytest

from stackcli.attention.base import Pattern

# PyTorch, pandas and figures make many objects: looking for cycles took a tenth of the time
gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that share two processes first: a worker of pytest-xdist takes others' tests from the end, and
    would start the two again for them."""
    items.sort(key=lambda item: item.path.name not in ("test_parallel.py", "test_processes.py"))


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts sequences of any length into pieces, where all pairs would be computed as they are short."""
    monkeypatch.setattr(Pattern, "short", 0)
    monkeypatch.setattr(Pattern, "share", 0)
