"""The command list."""

import json
from pathlib import Path

from stackcli.config.grid import setting_keys
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


def test_every_setting_is_listed_those_of_parts_too(tmp_path: Path) -> None:
    rows = {row["key"]: row for row in json.loads(stackattn("list", "settings", "--json", cwd=tmp_path).stdout)}
    assert set(setting_keys()) == set(rows) and all(row["help"] for row in rows.values())
    assert rows["depth"]["default"] == "2" and rows["depth"]["allowed"] == "a whole number, at least 1"
    assert rows["pe.clip"]["parts"] == ["relative", "structural"] and rows["data.path"]["allowed"] == "text"
    shown = stackattn("list", "settings", cwd=tmp_path, COLUMNS="80").stdout
    assert max(map(len, shown.splitlines())) <= 80 and set(rows) <= set(shown.split())


def test_settings_after_a_choice_are_those_that_apply_with_it(tmp_path: Path) -> None:
    listed = stackattn("list", "settings", "pe=relative", "data=markov", "--json", cwd=tmp_path)
    rows = {row["key"]: row for row in json.loads(listed.stdout)}
    assert {key for key in rows if key.startswith("pe.")} == {
        *("pe.clip", "pe.keys", "pe.values", "pe.tied", "pe.layers", "pe.randomised", "pe.range", "pe.by_layer"),
    }
    assert rows["pe.clip"]["allowed"] == "a whole number from 0 to 100,000" and rows["pe.clip"]["default"] == "16"
    assert rows["pe.layers"]["allowed"] == "own, shared" and "data.order" in rows and "data.path" not in rows
    wrong = stackattn("list", "settings", "pe=relativ", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean relative?" in wrong.stderr
    wrong = stackattn("list", "norm", "dim=3", cwd=tmp_path)
    assert wrong.returncode == 2 and "list takes settings after pe and after settings" in wrong.stderr


def test_a_group_is_an_array_in_json(tmp_path: Path) -> None:
    rows = json.loads(stackattn("list", "norm", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in rows] == ["batch", "layer", "none", "rms"] and all(row["line"] for row in rows)
