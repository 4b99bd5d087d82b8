"""The id of a run."""

import hashlib
import math
from dataclasses import replace

import pytest

from stackcli.config.settings import GROUPS, Part
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
    assert sources == {group: part_source.fingerprint(group, getattr(config, group).name) for group in GROUPS}
    with monkeypatch.context() as edited:
        edited.setattr(part_source, "fingerprints", lambda names: {**sources, "pe": "0" * 16})
        assert identity.run_id(config, "content") != before
    monkeypatch.setattr(identity, "NUMERICS_VERSION", identity.NUMERICS_VERSION + 1)
    assert identity.run_id(config, "content") != before


def test_a_digest_is_the_beginning_of_sha256_of_the_sorted_json() -> None:
    text = '{"a":0.1,"b":[1,null,true],"c":"\\u00fc"}'
    value = {"c": "ü", "b": [1, None, True], "a": 0.1}
    assert identity.digest(value) == hashlib.sha256(text.encode()).hexdigest()[:16]
    with pytest.raises(ValueError, match="not JSON compliant"):
        identity.digest({"a": math.nan})
