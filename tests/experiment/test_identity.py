"""The id of a run."""

import hashlib
import math
from dataclasses import fields, replace

import pytest

from stackcli.config.settings import GROUPS, OFF, Part, plain
from stackcli.experiment import identity, part_source
from tests.experiment.examples import default_config


def test_identity_is_what_can_change_a_result() -> None:
    base, csv = default_config(), Part(name="csv", keys=(("path", "a.csv"), ("text", "t")))
    moved = Part(name="csv", keys=(("path", "b.csv"), ("text", "t")))
    run = identity.run_id(base, "content")
    assert identity.run_id(replace(base, keep="none"), "content") == run
    assert identity.run_id(replace(base, data=csv), "c") == identity.run_id(replace(base, data=moved), "c")
    others = [
        identity.run_id(replace(base, **change), "content")
        for change in ({"seed": 1}, {"lr": 0.002}, {"threads": 2}, {"kernel": "explicit"}, {"pe": Part(name="none")})
    ]
    assert len({run, identity.run_id(base, "other content"), *others}) == 7


def test_a_run_that_never_saw_the_test_part_is_another_run() -> None:
    assert identity.run_id(default_config(), "content", test=False) != identity.run_id(default_config(), "content")


def test_an_edited_part_or_another_numerics_version_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    config = default_config()
    before = identity.run_id(config, "content")
    sources = identity.part_sources(config)
    groups = [group for group in GROUPS if group not in ("adversarial", "distill")]  # which came later and are off
    assert sources == {group: part_source.fingerprint(group, getattr(config, group).name) for group in groups}
    with monkeypatch.context() as edited:
        edited.setattr(part_source, "fingerprints", lambda names: {**sources, "pe": "0" * 16})
        assert identity.run_id(config, "content") != before
    monkeypatch.setattr(identity, "NUMERICS_VERSION", identity.NUMERICS_VERSION + 1)
    assert identity.run_id(config, "content") != before


def test_defences_that_are_off_leave_the_id_as_it_was_before_they_existed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = default_config()
    settings = {f.name: plain(getattr(config, f.name)) for f in fields(config)}
    before = {k: v for k, v in settings.items() if k not in {"keep", *OFF}}
    data = {k: v for k, v in before["data"].items() if k not in ("clean", "test_path", "vectors", "encoding")}
    sources = dict.fromkeys(("pe", "residual", "norm", "attention", "init", "data"), "0" * 16)
    monkeypatch.setattr(part_source, "fingerprint", lambda group, name: "0" * 16)
    more = {"content": "content", "numerics": identity.NUMERICS_VERSION, "source": sources}
    assert identity.run_id(config, "content") == identity.digest({**before, "data": data, **more})
    on = [{"adversarial": Part(name="fgm")}, {"distill": Part(name="defensive")}, {"word_dropout": 0.1}]
    ids = {identity.run_id(replace(config, **change), "content") for change in on}  # type: ignore[arg-type]
    assert len(ids | {identity.run_id(config, "content")}) == 4
    assert set(identity.part_sources(replace(config, adversarial=Part(name="pgd")))) == {*sources, "adversarial"}


def test_a_digest_is_the_beginning_of_sha256_of_the_sorted_json() -> None:
    text = '{"a":0.1,"b":[1,null,true],"c":"\\u00fc"}'
    value = {"c": "ü", "b": [1, None, True], "a": 0.1}
    assert identity.digest(value) == hashlib.sha256(text.encode()).hexdigest()[:16]
    with pytest.raises(ValueError, match="not JSON compliant"):
        identity.digest({"a": math.nan})
