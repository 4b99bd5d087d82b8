"""A run's Config: what its identity holds, and how it is written and read back."""

from dataclasses import fields, replace
from typing import Any

import pytest

from stackcli.config.settings import GROUPS, OFF, Config, Part, from_plain
from tests.factory import config, part


def test_a_config_is_read_back_from_its_plain_values() -> None:
    c = config(depth=3, pe=part("relative", clip=4))
    values = {field.name: getattr(c, field.name) for field in fields(Config)}
    plain = {k: {"name": v.name, **dict(v.keys)} if k in GROUPS else v for k, v in values.items()}
    assert plain["pe"] == {"name": "relative", "clip": 4} and from_plain(plain) == c


def test_a_run_that_was_stored_before_a_setting_existed_reads_as_it_was_trained() -> None:
    values = {field.name: getattr(config(), field.name) for field in fields(Config)}
    plain = {k: {"name": v.name, **dict(v.keys)} if k in GROUPS else v for k, v in values.items()}
    old = {key: value for key, value in plain.items() if key not in ("precision", "compile")}
    found = from_plain(old)
    assert (found.precision, found.compile) == ("fp32", False) and found == config()


def test_only_what_cannot_change_a_result_is_left_out_of_the_identity() -> None:
    c = config()
    assert {field.name for field in fields(Config)} - set(c.identity()) == {"keep", *OFF}
    assert list(c.identity()) == sorted(c.identity())
    assert replace(c, keep="none").identity() == c.identity() != replace(c, threads=2).identity()


def test_a_run_that_was_stored_before_the_defences_existed_has_none_of_them() -> None:
    c = config()
    assert (c.adversarial.name, c.distill.name, c.word_dropout, c.data.options["clean"]) == (
        "none",
        "none",
        0.0,
        "none",
    )
    plain = {**c.identity(), "keep": c.keep}
    assert (c.devices, c.parallel, c.accumulate) == (1, "data", 1)
    assert not plain.keys() & OFF.keys() and "clean" not in plain["data"]
    assert from_plain(plain) == c
    task = config(data="order")
    assert from_plain({**task.identity(), "keep": task.keep}) == task


@pytest.mark.parametrize(
    "change",
    [
        {"adversarial": part("fgm", eps=0.1, norm="l2")},
        {"distill": part("defensive", temperature=20.0)},
        {"word_dropout": 0.1},
        {"data": part("subjects", clean="all")},
        {"devices": 2},
        {"devices": 2, "parallel": "sharded"},
        {"accumulate": 2},
    ],
)
def test_a_defence_that_is_on_is_part_of_the_identity_and_read_back(change: dict[str, Any]) -> None:
    c = config(**change)
    assert c.identity() != config().identity() and config(data=part("subjects")).identity() != c.identity()
    assert from_plain({**c.identity(), "keep": c.keep}) == c
    assert not any(c.is_off(name) for name in change if name != "data")


def test_flat_names_are_those_that_a_user_types() -> None:
    flat = config(depth=3, pe=part("relative", clip=4)).flat()
    assert (flat["depth"], flat["pe"], flat["pe.clip"]) == (3, "relative", 4)


def test_where_a_file_lies_is_no_setting_of_its_content() -> None:
    keys = {"path": "/a/b.csv", "vectors": "v.txt", "test_path": "c.csv", "encoding": "latin-1", "label": "x"}
    assert Part(name="csv", keys=tuple(sorted(keys.items()))).placeless == {"label": "x"}
