"""What a worker is told of the main module."""

import sys
from multiprocessing.spawn import get_preparation_data
from types import ModuleType

import pytest

from stackcli.common.main_module import hide_main_module

MAIN = {"init_main_from_name", "init_main_from_path"}


@pytest.mark.parametrize("spec", [True, False])
def test_a_worker_is_not_told_which_script_started_it(spec: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m package` has a spec, `python script.py` a file."""
    main = ModuleType("__main__")
    main.__file__ = "/somewhere/script.py"
    main.__spec__ = sys.__spec__ if spec else None
    monkeypatch.setitem(sys.modules, "__main__", main)
    kept = dict(vars(main))
    assert MAIN & get_preparation_data("worker").keys()
    with hide_main_module():
        assert not MAIN & get_preparation_data("worker").keys()
    assert vars(main) == kept
