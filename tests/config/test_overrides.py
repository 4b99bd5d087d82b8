"""Override text -> a grid of frozen Configs."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackcli.common import registry
from stackcli.config import defaults
from stackcli.config.grid import parse_grid
from stackcli.config.overrides import UsageError


def test_the_default_sweep_is_five_depths_of_three_seeds_innermost() -> None:
    found = parse_grid(["depth=1,2,4,8,16"])
    assert [(c.depth, c.seed) for c in found.configs[:4]] == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert len(found.configs) == 15 and dict(found.axes) == {"depth": (1, 2, 4, 8, 16)}
    assert found.base["dim"] == 64 and "depth" not in found.base and "seed" not in found.base


def test_a_range_of_decimals_has_no_rounding_dust() -> None:
    assert parse_grid(["lr=range(0.1,0.5,0.1)"]).axes["lr"] == (0.1, 0.2, 0.3, 0.4)


def test_a_glob_names_parts_and_an_empty_one_is_an_error() -> None:
    assert parse_grid(["pe=glob(*)"]).axes["pe"] == registry.part_names("pe")
    with pytest.raises(UsageError, match="matches nothing"):
        parse_grid(["pe=glob(zzz*)"])


def test_a_key_of_one_part_leaves_the_others_alone() -> None:
    found = parse_grid(["pe=learned,relative", "pe.clip=4,8", "seeds=1"])
    assert [(c.pe.name, c.pe.options.get("clip")) for c in found.configs] == [
        ("learned", None),
        ("relative", 4),
        ("relative", 8),
    ]


def test_seeds_count_from_seed_and_a_list_of_seeds_is_taken_as_it_is() -> None:
    assert parse_grid(["seed=5", "seeds=2"]).seeds == (5, 6)
    assert parse_grid(["seed=7,3"]).seeds == (7, 3)
    assert parse_grid(["seed=4"], single=True).seeds == (4,)
    with pytest.raises(UsageError, match="not both"):
        parse_grid(["seed=0,1", "seeds=3"])


def test_a_preset_gives_way_to_what_was_typed() -> None:
    found = parse_grid(["depth=3"], presets=("depth=1,2", "residual=pre,post"))
    assert dict(found.axes) == {"residual": ("pre", "post")} and {c.depth for c in found.configs} == {3}
    typed = parse_grid(["dim=16,32", "depth=3,4"], presets=("depth=1,2", "residual=pre,post"))
    assert list(typed.axes) == ["depth", "residual", "dim"]  # the command's axes first, whatever was typed


def test_types_are_kept_and_whole_numbers_do_for_decimals() -> None:
    c = parse_grid(["lr=1", "causal=true", "pe=relative", "pe.keys=false", "seeds=1"]).configs[0]
    assert (c.lr, type(c.lr), c.causal, c.pe.options["keys"]) == (1.0, float, True, False)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(UsageError) as error:
        parse_grid(["depth=0", "lr=-1", "keep=all"])
    assert len(error.value.problems) == 3


def test_a_grid_too_large_is_counted_not_listed() -> None:
    with pytest.raises(UsageError, match="9,999,000 runs; at most 100,000"):
        parse_grid(["depth=range(1,10000)", "dim=range(4,4004,4)", "seeds=1"])


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


def test_a_name_that_yaml_takes_for_a_boolean_is_explained(tmp_path: Path) -> None:
    (tmp_path / "pe").mkdir()
    (tmp_path / "pe" / "none.yaml").write_text("name: no\n")
    with pytest.raises(UsageError, match="in quotes"):
        parse_grid(["pe=none"], config_dir=tmp_path)


def test_a_users_folder_is_looked_into_first(tmp_path: Path) -> None:
    (tmp_path / "pe").mkdir()
    (tmp_path / "pe" / "relative.yaml").write_text("name: relative\nclip: 3\nkeys: true\nvalues: true\n")
    c = parse_grid(["pe=relative", "seeds=1"], config_dir=tmp_path).configs[0]
    assert c.pe.options["clip"] == 3


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([0.1, 0.01, 0.5, 1e-3]), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
)
def test_the_grid_is_the_product_in_order(depths: list[int], rates: list[float], seeds: int) -> None:
    words = [f"depth={','.join(map(str, depths))}", f"lr={','.join(map(repr, rates))}", f"seeds={seeds}"]
    found = [(c.depth, c.lr, c.seed) for c in parse_grid(words).configs]
    assert found == [(d, r, s) for d in depths for r in rates for s in range(seeds)]


def test_values_are_those_that_hydra_composes() -> None:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(defaults.config_folder().resolve()), version_base="1.3"):
        theirs = compose("config", overrides=["pe=relative", "depth=3", "lr=0.5", "pe.clip=7"])
    ours = parse_grid(["pe=relative", "depth=3", "lr=0.5", "pe.clip=7", "seeds=1"]).configs[0].flat()
    assert ours["pe.clip"] == theirs.pe.clip == 7
    assert all(math.isclose(ours[k], theirs[k]) for k in ("depth", "lr", "dim", "ff", "dropout", "clip"))  # type: ignore[arg-type]
