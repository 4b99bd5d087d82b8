"""Defaults of settings and parts: from the package, from a user's folder, from a constructor."""

import math
from pathlib import Path

import pytest

from stackcli.common import registry
from stackcli.config import defaults
from stackcli.config.grid import parse_grid
from stackcli.config.settings import GROUPS
from stackcli.config.yaml_files import UsageError


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


def test_a_users_file_of_a_part_may_leave_keys_out_but_adds_none(tmp_path: Path) -> None:
    (tmp_path / "pe").mkdir()
    file = tmp_path / "pe" / "relative.yaml"
    file.write_text("name: relative\nclip: 3\n")
    assert defaults.part_defaults("pe", "relative", tmp_path) == {**defaults.part_defaults("pe", "relative"), "clip": 3}
    defaults.part_defaults.cache_clear()
    file.write_text("name: relative\nclpi: 3\nkeys: 1\n")
    with pytest.raises(UsageError) as error:
        defaults.part_defaults("pe", "relative", tmp_path)
    unknown, wrong = error.value.problems
    assert "unknown key 'clpi'; did you mean clip?" in unknown and "pe.keys=1: must be true or false" in wrong


def test_values_are_those_that_hydra_composes() -> None:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(defaults.config_folder().resolve()), version_base="1.3"):
        theirs = compose("config", overrides=["pe=relative", "depth=3", "lr=0.5", "pe.clip=7"])
    ours = parse_grid(["pe=relative", "depth=3", "lr=0.5", "pe.clip=7", "seeds=1"]).configs[0].flat()
    assert ours["pe.clip"] == theirs.pe.clip == 7
    assert all(math.isclose(ours[k], theirs[k]) for k in ("depth", "lr", "dim", "ff", "dropout", "clip"))  # type: ignore[arg-type]


def test_the_keys_of_every_part_are_those_that_hydra_composes() -> None:
    names = {group: registry.part_names(group) for group in GROUPS}
    for n in range(max(map(len, names.values()))):
        chosen = {group: found[n % len(found)] for group, found in names.items()}
        ours = defaults.compose_settings(tuple(chosen.items()), None)
        theirs = defaults._composed(tuple(chosen.items()), None)
        assert repr(sorted(ours.items())) == repr(sorted(theirs.items())), chosen  # 1 is not 1.0
