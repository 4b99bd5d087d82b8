"""The source of parts: what changes a number makes another run, what does not leaves it the same."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.common import registry
from stackcli.experiment import part_source
from tests.helpers import environment, installed, run_process, words, write_data

ROOT = Path(__file__).parents[2]
PART = '''"""A bias by distance, after nobody: a part of a test."""

from torch import Tensor

from stackcli.pe._mine import slope
from stackcli.pe.base import Context, PositionEncoding, offsets


class Mine(PositionEncoding):
    """Text."""

    def __init__(self, *, dim: int, heads: int, max_len: int, strength: float = 0.1) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.strength = strength

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        return -slope(self.strength) * offsets(ctx).abs().to(q)
'''
HELPER = "def slope(strength: float) -> float:\n    return strength\n"
IDENTITIES = """
import json, sys
from pathlib import Path
from stackcli.config import defaults, grid
from stackcli.experiment import identity, part_source

def run_id():
    sources = (part_source.imported_modules, part_source.fingerprint, part_source.syntax_tree)
    for cached in (*sources, defaults.compose_settings, defaults.part_defaults):
        cached.cache_clear()
    return identity.run_id(grid.parse_grid(["seeds=1", "pe=mine"]).configs[0], "x")

found = {"": run_id()}
for what, (name, old, new) in json.load(sys.stdin).items():
    path = Path("stackcli") / name
    text = path.read_text(encoding="utf-8")
    assert old in text, what
    path.write_text(text.replace(old, new), encoding="utf-8")
    found[what] = run_id()
    path.write_text(text, encoding="utf-8")
assert "torch" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with a part of its own, as a user who adds one has it."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("stackcli", "conf", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "stackcli" / "pe" / "mine.py").write_text(PART)
    (folder / "stackcli" / "pe" / "_mine.py").write_text(HELPER)
    (folder / "conf" / "pe" / "mine.yaml").write_text("name: mine\nstrength: 0.1\n")
    return folder


EDITS = {
    "the part": ("pe/mine.py", "-slope(", "-2 * slope("),
    "its helper": ("pe/_mine.py", "return strength", "return strength / 2"),
    "the base of its group": ("pe/base.py", "ctx.pos[..., None, :] - ctx.at", "2 * ctx.pos[..., None, :] - ctx.at"),
    "the tokeniser": ("data/_tokens.py", "TEST_SHARE, VAL_SHARE = 0.15", "TEST_SHARE, VAL_SHARE = 0.16"),
    "the data reader": ("data/base.py", "max_len", "longest"),
}
HARMLESS = {
    "a comment": ("pe/mine.py", "\nclass Mine", "\n# why not\nclass Mine"),
    "a docstring": ("pe/mine.py", '"""Text."""', '"""Other text."""'),
    "the layout": ("pe/mine.py", "return -slope(self.strength)", "return - slope( self.strength )"),
    "another part": ("pe/alibi.py", "2 ** (-8", "3 ** (-8"),
}


@pytest.fixture(scope="module")
def identities(package: Path) -> dict[str, str]:
    """The id of a run with pe=mine, unedited and after each edit, worked out by a process without PyTorch."""
    done = subprocess.run(
        [sys.executable, "-c", IDENTITIES],
        input=json.dumps(EDITS | HARMLESS),
        cwd=package,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("what", [*EDITS, *HARMLESS])
def test_only_an_edit_that_can_change_a_number_makes_another_run(what: str, identities: dict[str, str]) -> None:
    assert (identities[what] != identities[""]) == (what in EDITS)


@pytest.mark.slow  # five commands, each a process of its own; that an edit makes another run is proved above
def test_an_edited_encoding_is_trained_again_and_both_runs_are_there(package: Path) -> None:
    """The README's own example: the number shown after an edit is that of the edited encoding."""
    small = words(write_data(package / "d.csv"), "depth=1", "steps=3")
    line = ["train", "pe=mine", *small, "--figures", "none", "--json"]

    def run(*typed: str) -> str:
        done = run_process(*typed, cwd=package)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "1 to train" in run(*line) and "1 finished before, 0 to train" in run(*line)
    path = package / "stackcli" / "pe" / "mine.py"
    path.write_text(path.read_text().replace("-slope(", "-9 * slope("))
    assert "1 to train" in run(*line)
    assert len(list((package / "outputs" / "runs").iterdir())) == 2
    path.write_text(path.read_text().replace("-9 * slope(", "-8 * slope("))
    (stored,) = [p.name for p in (package / "outputs" / "runs").iterdir()][:1]
    assert "pe=mine: edited since this run was trained" in run("predict", stored, "why")
    assert run("plot", "--figure", "loss", "--figures", "svg").partition("\n")[2].startswith("pe=mine: edited since")


def test_every_part_has_a_source_of_its_own() -> None:
    for group in ("pe", "residual", "norm", "attention", "init", "data"):
        found = [part_source.fingerprint(group, name) for name in registry.part_names(group)]
        assert len(set(found)) == len(found)
    with pytest.raises(ValueError, match="no such choice"):
        part_source.fingerprint("pe", "alibis")


def test_files_that_a_part_imports_count_and_none_of_them_is_run(tmp_path: Path) -> None:
    (tmp_path / "solo.py").write_text("import solohelp\nraise RuntimeError('this is never run')\n")
    (tmp_path / "solohelp.py").write_text("X = 1\n")
    info = tmp_path / "solo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: solo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stackattn.pe]\nsolo = solo:Solo\n")

    def found() -> str:
        with installed(tmp_path):
            return part_source.fingerprint("pe", "solo")

    before = found()
    (tmp_path / "solohelp.py").write_text("X = 2\n")
    assert found() != before


@pytest.mark.parametrize("edit", ["version", "module", "helper", "neither"])
def test_an_installed_part_is_its_version_its_module_and_the_imports_of_that(edit: str, tmp_path: Path) -> None:
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("from . import helper\nfrom stackcli.pe.base import PositionEncoding\n"
                                     "class Theirs(PositionEncoding):\n    x = helper.X\n")  # fmt: skip
    (package / "helper.py").write_text("X = 1\n")
    (package / "unused.py").write_text("Y = 1\n")
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()

    def write(version: str) -> None:
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: theirs\nVersion: {version}\n")

    (info / "entry_points.txt").write_text("[stackattn.pe]\ntheirs = theirs.part:Theirs\n")

    def found() -> str:
        with installed(tmp_path):
            return part_source.fingerprint("pe", "theirs")

    write("1.0")
    before = found()
    if edit == "version":
        write("1.1")
    path = package / {"module": "part.py", "helper": "helper.py"}.get(edit, "unused.py")
    path.write_text(path.read_text().replace("1", "2").replace("helper.X", "-helper.X"))
    assert (found() != before) == (edit != "neither")
