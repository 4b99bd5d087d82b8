"""The command list."""

import json
from pathlib import Path

from tests.helpers import stackattn


def test_list_pe_tells_what_each_encoding_costs_and_needs(tmp_path: Path) -> None:
    told = stackattn("list", "pe", "dim=32", "depth=3", "heads=4", "--json", cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(told.stdout)}
    assert rows["learned"]["parameters"] == 128 * 32 and rows["learned"]["beyond"] == "refused"
    assert rows["relative"]["parameters"] == 3 * 2 * 33 * 8 and rows["relative"]["needs"] == "explicit kernel"
    assert rows["rope"]["parameters"] == 0 and rows["rope"]["needs"] == ""
    assert rows["structural"]["needs"] == "a tree, explicit kernel"
    shown = stackattn("list", "pe", cwd=tmp_path).stdout
    assert max(map(len, shown.splitlines())) <= 80 and all(name in shown for name in rows)
    odd = stackattn("list", "pe", "dim=9", "heads=3", "--json", cwd=tmp_path)
    assert "even dim" in next(row["needs"] for row in json.loads(odd.stdout) if row["name"] == "sinusoidal")


def test_a_group_is_listed_with_a_line_for_each_part_and_a_wrong_one_is_answered(tmp_path: Path) -> None:
    listed = stackattn("list", "norm", cwd=tmp_path).stdout.splitlines()
    assert listed[0] == "norm" and [line.split()[0] for line in listed[1:]] == ["batch", "layer", "none", "rms"]
    wrong = stackattn("list", "nrom", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean norm?" in wrong.stderr


def test_settings_are_listed_as_their_file_has_them(tmp_path: Path) -> None:
    lines = stackattn("list", "settings", cwd=tmp_path).stdout.splitlines()
    assert any(line.startswith("depth: 2 ") and "# " in line for line in lines)
