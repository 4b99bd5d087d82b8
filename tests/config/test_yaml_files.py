"""YAML files of plain scalars, and what is refused in them."""

from pathlib import Path

import pytest

from stackcli.config.grid import parse_grid
from stackcli.config.yaml_files import UsageError, read_yaml

YAML = {
    "unknown key": ("dpeth: 4\n", "unknown key 'dpeth'; did you mean depth?"),
    "tab": ("depth:\t4\n\tdim: 3\n", "line "),
    "twice": ("depth: 4\ndepth: 5\n", "depth is given twice"),
    "quoted interpolation": ('a: "x\\\n  ${b}"\n', "line 1: _target_ and"),
    "alias": ("a: &x [1]\nb: *x\n", "line 1: anchors and aliases are not allowed"),
    "target": ("_target_: os.system\n", "_target_"),
    "no mapping": ("just text\n", "expected lines of key: value"),
}


@pytest.mark.parametrize("name", YAML)
def test_a_bad_config_file_is_named_with_its_fault(name: str, tmp_path: Path) -> None:
    text, fragment = YAML[name]
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        parse_grid([], config_dir=tmp_path)
    assert fragment in str(error.value) and "config.yaml" in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00d", b"depth: \xe9\n"])
def test_a_config_file_that_is_no_utf8_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=r"config\.yaml: not UTF-8"):
        parse_grid([], config_dir=tmp_path)


def test_scalars_keep_their_types_and_an_exponent_needs_no_point(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1e-5\nb: 3\nc: 'no'\nd: false\ne: null\nf: 2E+3\n", encoding="utf-8")
    assert read_yaml(file) == {"a": 1e-5, "b": 3, "c": "no", "d": False, "e": None, "f": 2000.0}


@pytest.mark.parametrize(
    "text,said",
    [
        ("a: {b: {c: {d: {e: 1}}}}\n", "line 1: nested too deeply"),
        ("# @package pe\na: 1\n", "packages cannot be renamed"),
        ("1: 2\n", "1 is not the name of a setting"),
        ("{a: 1}: 2\n", "a key must be text"),
        ("a: [1\n", "line 2"),
    ],
)
def test_what_is_more_than_lines_of_key_and_value_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read_yaml(file)
    assert said in str(error.value) and str(file) in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "a.yaml")
