"""The wheel, installed into an environment of its own and used from another folder."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import stackcli
from tests.helpers import SMALL, environment

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    build = subprocess.run([*pip, "-w", str(place), str(ROOT)], capture_output=True, text=True)
    assert build.returncode == 0, build.stderr
    (made,) = place.glob("*.whl")
    return made


def test_settings_and_studies_are_inside_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "experiments"):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file()]
        assert files and all(f"stackcli/{p.relative_to(ROOT).as_posix()}" in inside for p in files)
    for path in (ROOT / "stackcli" / "experiment" / "pages").iterdir():
        assert f"stackcli/experiment/pages/{path.name}" in inside
    assert "stackcli/data/subjects.csv" in inside and not any(name.startswith("tests/") for name in inside)


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """The second environment sees the libraries of this one, but not this project's sources."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    bin_ = place / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(bin_ / "python"), "install", "--quiet", "--no-deps", str(wheel)]
    made = subprocess.run(pip, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (site,) = [p for p in place.rglob("site-packages") if p.is_dir()]
    (site / "libraries.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))

    env = {name: value for name, value in environment().items() if name != "PYTHONPATH"}

    def run(*words: str, program: str = "stackattn") -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(bin_ / program), *words], cwd=tmp_path, env=env, capture_output=True, text=True)

    assert str(site) in run("-c", "import stackcli; print(stackcli.__file__)", program="python").stdout
    assert "subjects-depth" in run("list", "experiments").stdout
    swept = run("sweep", "--experiment", "subjects-depth", "--dry-run")
    assert swept.returncode == 0 and "15 runs" in swept.stderr
    trained = run("train", *SMALL[:-1], "batch=32", "depth=1")
    assert trained.returncode == 0, trained.stderr
    assert "TF-IDF" in trained.stdout and list(tmp_path.glob("outputs/studies/*/accuracy.png"))


def test_the_wheel_says_that_it_is_typed_and_has_the_version_of_the_package(wheel: Path) -> None:
    inside = zipfile.ZipFile(wheel).namelist()
    assert "stackcli/py.typed" in inside and "stackcli/api/commands.py" in inside
    assert wheel.name.split("-")[1] == stackcli.__version__
