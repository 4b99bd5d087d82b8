"""Parts of this package and of installed packages, valid and broken."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackcli.common import registry
from stackcli.pe.base import PositionEncoding
from tests.helpers import installed, run_process, stackattn, words, write_data

SOURCES = {
    "bare": ("Bare", "class Bare(PositionEncoding):\n    def __init__(self, **_):\n        super().__init__()\n", 5),
    "absent": ("Absent", "import no_such_module\n\nclass Absent(PositionEncoding):\n    pass\n", 3),
    "torn": ("Torn", "class Torn(PositionEncoding:\n    pass\n", 3),
    "hints": ("Hints", "class Hints(PositionEncoding):\n    def __init__(self, *, n: 'Nowhere' = 1, **k):\n"
              "        super().__init__(**k)\n", None),
    "raises": ("Raises", "raise ValueError('at import')\n", 3),
    "gone": ("NoSuchName", "x = 1\n", None),
    "constant": ("CONSTANT", "CONSTANT = 3\n", None),
}  # fmt: skip
HELPED = """
class Helper:
    "Beside the part."

class AnotherHelper(dict):
    pass

class Helped(PositionEncoding):
    "An encoding with helpers."
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """An installed package that offers encodings, most of them broken."""
    folder = tmp_path / "site"
    info = folder / "brokenpkg-1.2.dist-info"
    info.mkdir(parents=True)
    (folder / "brokenpkg").mkdir()
    (folder / "brokenpkg" / "__init__.py").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brokenpkg\nVersion: 1.2\n")
    points = [f"{name} = brokenpkg.{name}:{attribute}" for name, (attribute, _, _) in SOURCES.items()]
    points += ["lost = no_such_package:Lost", "helped = brokenpkg.helped"]
    (info / "entry_points.txt").write_text("[stackattn.pe]\n" + "\n".join(points) + "\n")
    head = "from stackcli.pe.base import PositionEncoding\n\n"
    for name, source in [*((n, s) for n, (_, s, _) in SOURCES.items()), ("helped", HELPED)]:
        (folder / "brokenpkg" / f"{name}.py").write_text(head + source)
    with installed(folder):
        yield folder


def test_a_broken_part_is_listed_with_its_error_and_the_other_parts_as_before(site: Path, tmp_path: Path) -> None:
    plain = run_process("list", "pe", "--json", cwd=tmp_path)
    done = stackattn("list", "pe", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    broken = {*SOURCES, "lost"}
    assert [r for r in rows.values() if r["name"] not in (*broken, "helped")] == json.loads(plain.stdout)
    assert all("brokenpkg 1.2" in rows[name]["error"] and rows[name]["parameters"] is None for name in broken)
    assert rows["helped"]["parameters"] == 0 and rows["helped"]["line"] == "An encoding with helpers."
    shown = stackattn("list", "pe", cwd=tmp_path).stdout
    assert "cannot be used" in shown and max(map(len, shown.splitlines())) <= 80
    every = stackattn("list", cwd=tmp_path)
    assert every.returncode == 0 and "relative" in every.stdout and "An encoding with helpers." in every.stdout


@pytest.mark.parametrize("name", [*SOURCES, "lost"])
def test_a_broken_part_is_refused_with_its_package_file_and_line(name: str, site: Path, tmp_path: Path) -> None:
    given = words(write_data(tmp_path / "d.csv"))
    for command in ("train", "check"):
        typed = [command, *(given if command == "train" else []), f"pe={name}"]
        done = stackattn(*typed, cwd=tmp_path)
        message = done.stderr.splitlines()[-1]
        assert done.returncode == 2 and message.startswith(f"error: pe={name}: ") and "brokenpkg 1.2" in message, (
            message
        )
        lines = [
            line for line in done.stderr.splitlines() if "reading the settings" not in line
        ]  # said where it is slow
        assert len(lines) <= 2 and "Traceback" not in done.stderr
        if name in SOURCES and (line := SOURCES[name][2]):
            assert f"{site / 'brokenpkg' / name}.py line {line}" in message
    assert not (tmp_path / "outputs").exists()


def test_a_broken_part_does_not_disturb_a_sweep_over_other_parts(site: Path, tmp_path: Path) -> None:
    line = words(write_data(tmp_path / "d.csv"), "pe=helped,none")
    assert stackattn("sweep", *line, "--dry-run", cwd=tmp_path).returncode == 0


def module(folder: Path, source: str) -> object:
    (folder / "several_parts.py").write_text("from stackcli.pe.base import PositionEncoding\n\n" + source)
    spec = importlib.util.spec_from_file_location("several_parts", folder / "several_parts.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_a_helper_class_is_not_taken_for_a_second_part(tmp_path: Path) -> None:
    helped = module(tmp_path, HELPED)
    assert registry.chosen_class("pe", "helped", helped).__name__ == "Helped"  # type: ignore[arg-type]
    two = "class {}(PositionEncoding):\n    pass\n\nclass Other(PositionEncoding):\n    pass\n"
    named = module(tmp_path, two.format("MineToo"))
    assert registry.chosen_class("pe", "mine_too", named).__name__ == "MineToo"  # type: ignore[arg-type]
    with pytest.raises(registry.PartError, match=r"defines MineToo, Other; exactly one.*the name Another"):
        registry.chosen_class("pe", "another", named)  # type: ignore[arg-type]
    with pytest.raises(registry.PartError, match="defines no class"):
        registry.chosen_class("pe", "another", module(tmp_path, "x = 1\n"))  # type: ignore[arg-type]


def test_a_helper_in_the_file_of_a_norm_is_not_taken_for_the_part(tmp_path: Path) -> None:
    source = "class Table:\n    pass\n\nclass Scaled:\n    def forward(self, x):\n        return x\n"
    assert registry.chosen_class("norm", "mine", module(tmp_path, source)).__name__ == "Scaled"  # type: ignore[arg-type]


def test_every_built_in_part_is_found() -> None:
    for group in ("pe", "residual", "norm", "attention", "init", "data"):
        for name in registry.part_names(group):
            if registry.built_in(group, name):
                assert registry.load_part(group, name).__module__ == f"stackcli.{group}.{name}"


def test_a_class_can_be_offered_as_a_part_for_a_while() -> None:
    class Mine(PositionEncoding):
        pass

    class Rope(PositionEncoding):
        pass

    before = registry.part_names("pe")
    with registry.offer_part("pe", Mine) as name, registry.offer_part("pe", Rope) as other:
        assert (name, other) == ("Mine", "my_Rope")  # where case does not count, Rope would be rope
        assert registry.load_part("pe", name) is Mine and registry.load_part("pe", other) is Rope
        with pytest.raises(ZeroDivisionError), registry.blame_part("pe", name):
            raise ZeroDivisionError
    assert registry.part_names("pe") == before


def test_only_a_class_of_the_group_can_be_offered() -> None:
    class Other:
        pass

    with registry.offer_part("pe", Other) as name, pytest.raises(registry.PartError, match="not a subclass"):
        registry.load_part("pe", name)
