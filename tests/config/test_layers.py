"""Lists of parts, one for each layer: what may be typed, and the settings that come of it."""

import shlex

import pytest

from stackcli.config.grid import parse_grid, setting_choices, setting_keys
from stackcli.config.layers import check_listed, listed_names
from stackcli.config.overrides import parse_domain, parse_override
from stackcli.config.settings import Config, from_plain
from stackcli.config.yaml_files import UsageError
from stackcli.experiment.identity import part_sources, run_id
from stackcli.experiment.plan import reproduce


def one(*words: str) -> Config:
    return parse_grid(words, single=True).configs[0]


@pytest.mark.parametrize("written", ["window,window,full", "[window,window,full]", "'window, window,full'"])
def test_commas_separate_the_layers_of_one_list(written: str) -> None:
    word = f"attention.layers={written}"
    assert parse_override(word).values == ("window,window,full",)
    assert parse_domain(word) == ("attention.layers", ("window,window,full",))


def test_several_lists_are_values_of_a_sweep() -> None:
    assert parse_override("pe.by_layer=[rope,none],[rope]").values == ("rope,none", "rope")
    grid = parse_grid(["attention.layers=[window,full],[full,window]", "seeds=1"])
    assert dict(grid.axes) == {"attention.layers": ("window,full", "full,window")}
    assert [c.kinds("attention") for c in grid.configs] == [("window", "full"), ("full", "window")]
    with pytest.raises(UsageError, match="a value is given twice"):
        parse_override("pe.by_layer=[rope,none],[rope,none]")


@pytest.mark.parametrize("written", ["[]", "3", "[a,[b]]", "[window,4]", "'window,,full'", "''"])
def test_what_is_no_list_of_names_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match=r"a list (of names|or dictionary)"):
        parse_override(f"attention.layers={written}")


def test_a_list_is_repeated_over_the_depth() -> None:
    found = one("attention.layers=window,window,full", "depth=5")
    assert [found.kind("attention", layer) for layer in range(1, 6)] == ["window", "window", "full", "window", "window"]
    assert found.attention.name == "window" and found.kinds("pe") == ("learned",) and found.kind("pe", 3) == "learned"


def test_a_key_goes_to_every_part_that_has_it() -> None:
    for words in (["attention=window"], []):
        found = one(*words, "attention.reach=64", "attention.layers=full,window,dilated")
        assert found.attention.options == {"gap": 2, "layers": "full,window,dilated", "reach": 64}
    bases = one("pe.by_layer=rope,xl,none", "pe.base=50").pe.options
    assert bases["base"] == 50.0 and bases["by_layer"] == "rope,xl,none"


def test_where_defaults_differ_each_part_keeps_its_own_unless_one_is_typed() -> None:
    assert "reach" not in one("attention.layers=window,blocks").attention.options
    assert one("attention.layers=window,blocks", "attention.reach=3").attention.options["reach"] == 3
    assert "form" not in one("pe.by_layer=alibi,kerple").pe.options
    with pytest.raises(UsageError, match=r"pe\.form=power: choose from auto, symmetric, asymmetric, causal"):
        one("pe.by_layer=alibi,kerple", "pe.form=power")


def test_a_default_of_the_user_that_parts_do_not_share_must_be_typed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "attention").mkdir()
    (tmp_path / "attention" / "window.yaml").write_text("name: window\nreach: 9\n")
    with pytest.raises(UsageError, match=r"attention\.reach is 9 for window, 2 for dilated; give one value for all"):
        parse_grid(["attention.layers=window,dilated"], config_dir=tmp_path)
    typed = parse_grid(["attention.layers=window,dilated", "attention.reach=4"], config_dir=tmp_path).configs[0]
    assert typed.attention.options["reach"] == 4


@pytest.mark.parametrize(
    "words,said",
    [
        (["attention.layers=windw,full"], "attention.layers: windw: no such choice; did you mean window?"),
        (["attention.layers=window,full", "attention.rech=4"], "unknown key 'attention.rech' .* did you mean reach?"),
        (
            ["attention.layers=full,gated", "attention.reach=4"],
            "attention=window, not to attention=full,gated; write attention=blocks attention.reach=4",
        ),
        (["attention=strided", "attention.layers=window,full"], "attention=strided is not in attention.layers"),
        (["attention=window,full", "attention.layers=window,full"], "attention cannot have several values beside"),
        (["attention.layer=window,full"], "did you mean layers?"),
        (["pe.by_layers=rope,none"], "did you mean by_layer?"),
    ],
)
def test_what_does_not_fit_a_list_is_refused_with_what_to_type(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_grid(words)


def test_names_are_those_of_all_lists_of_a_group() -> None:
    values = {"attention.layers": ("window,full", "full,sink"), "depth": (2,)}
    assert listed_names(values, "attention") == ("window", "full", "full", "sink")
    assert listed_names(values, "pe") == listed_names(values, "norm") == () and check_listed(values) == []


def test_the_list_is_part_of_identity_records_and_the_line_that_reproduces_a_run() -> None:
    plain, listed = one("attention=window"), one("attention.layers=window,full", "pe.by_layer=rope,none")
    others = [one(f"attention.layers={text}", "pe.by_layer=rope,none") for text in ("full,window", "window,full,full")]
    ids = {run_id(c, "data") for c in (plain, listed, *others)}
    assert len(ids) == 4
    assert from_plain({**listed.identity(), "keep": listed.keep}) == listed
    assert {"attention.layers": "window,full", "pe.by_layer": "rope,none"}.items() <= listed.flat().items()
    line = shlex.split(reproduce(listed))
    assert line[:2] == ["stackattn", "train"] and one(*line[2:]) == listed
    assert {"attention", "attention.full", "pe", "pe.none"} <= part_sources(listed).keys()
    assert "attention.full" not in part_sources(plain)


def test_completion_offers_the_keys_and_the_names() -> None:
    assert {"attention.layers", "pe.by_layer"} <= set(setting_keys())
    assert "window" in setting_choices()["attention.layers"] and "rope" in setting_choices()["pe.by_layer"]
