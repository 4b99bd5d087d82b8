"""`import stackcli`: what it offers, and what it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

import stackcli
from tests.helpers import environment

ROOT = Path(__file__).parents[1]


def test_the_import_loads_nothing_but_itself() -> None:
    code = "import sys, stackcli; print([m for m in sys.modules if m.startswith('stackcli')], len(sys.modules))"
    bare = "import sys, importlib, typing; print(len(sys.modules))"
    done, without = (
        subprocess.run([sys.executable, "-c", each], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for each in (code, bare)
    )
    assert done.startswith("['stackcli']") and int(done.split()[-1]) <= int(without) + 1


def test_every_name_that_is_offered_is_there() -> None:
    assert set(stackcli.__all__) <= set(dir(stackcli))
    for name in stackcli.__all__:
        assert getattr(stackcli, name) is getattr(stackcli, name)
    with pytest.raises(AttributeError, match="module 'stackcli' has no attribute 'swep'"):
        _ = stackcli.swep


SCRIPT = """
import stackcli as sa
from stackcli.pe.base import PositionEncoding

class Mine(PositionEncoding): ...

study: sa.Study = sa.sweep("lr=0.01", {"pe.base": 100}, depth=[1, 2, 4], pe="rope", seeds=3, quiet=True)
sentences: list[str] = study.findings
study.figure("accuracy").save("a.pdf")
good: bool = sa.check(Mine).passed and sa.check("rope").passed
names: list[str] = sa.studies("outputs")
reveal_type(sa.load("outputs"))
sa.sweep(depth={1: 2})
sa.train(jobs=2)
study.figure(3)
"""


@pytest.mark.slow
def test_a_script_of_a_user_is_type_checked(tmp_path: Path) -> None:
    """The mistakes of the last three calls are found; `jobs` is no option of train, but may be a setting."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(MYPYPATH=str(ROOT)), capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("script.py")]
    assert 'note: Revealed type is "stackcli.api.stored_studies.Study"' in found[0]
    assert [line.split(":")[1] for line in found[1:] if "error" in line] == ["13", "15"], done.stdout
