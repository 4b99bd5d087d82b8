"""Every setting with its default, its range and its meaning."""

from pathlib import Path

from stackcli.config.grid import parse_grid, setting_keys
from stackcli.config.settings_list import every_setting, read_comments, settings_of


def test_every_setting_is_there_once_with_a_meaning() -> None:
    keys = [setting.key for setting in every_setting()]
    assert sorted(keys) == sorted(setting_keys()) and all(setting.help for setting in every_setting())


def test_a_key_of_several_parts_names_them_and_whose_default_is_given() -> None:
    found = {setting.key: setting for setting in every_setting()}
    assert found["pe.range"].default == "2048" and {"learned", "rope", "t5"} <= set(found["pe.range"].parts)
    assert found["data.letters"].default == "16 (copy)" and "markov" in found["data.letters"].parts


def test_with_parts_chosen_only_their_keys_are_there_with_their_ranges() -> None:
    configs = parse_grid(("pe=rope,learned", "data=markov", "seeds=1")).configs
    found = {(setting.key, setting.parts): setting for setting in settings_of(configs)}
    assert found["data.letters", ("markov",)].allowed == "a whole number from 2 to 1,000"
    assert ("pe.randomised", ("rope",)) in found and ("pe.randomised", ("learned",)) in found
    assert not any(key == "pe.clip" for key, _ in found)


def test_a_comment_goes_on_in_the_next_indented_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\na: 1   # one\n         # two\nb: 'c # d'\n# other\n", encoding="utf-8")
    assert read_comments(path)["a"] == "one two"
