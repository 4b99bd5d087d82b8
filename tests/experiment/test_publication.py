"""The files of a run as they are published."""

import hashlib
import json
from typing import Any

import pytest

from stackcli.common.records import Result, StepRow
from stackcli.experiment.publication import run_contents
from tests.experiment.examples import default_config


def parts(**more: Any) -> Any:
    row = StepRow(step=1, epoch=1.0, lr=0.1, train_loss=float("inf"), train_acc=0.5, val_loss=0.6, val_acc=0.4)
    usual = {"config": default_config(), "result": Result(status="done", step_end=1), "curve": [row, row]}
    words = {"vocab": ["\u00e4"], "classes": [], "max_len": 4}
    rest = {"layers": [], "stack": [], "position": [], "words": words, "provenance": {"seconds": 1.0}}
    return {**usual, **rest, "reproduce": "stackattn train", **more}


@pytest.mark.parametrize("weights", [None, b"\x00 weights"])
def test_the_manifest_is_last_and_has_the_hash_of_every_other_file(weights: bytes | None) -> None:
    found = run_contents(weights, parts())
    names = list(found)
    assert names[-1] == "manifest.json" and ("weights.pt" in names) == ("weights.json" in names) == bool(weights)
    expected = {name: hashlib.sha256(found[name]).hexdigest() for name in names[:-1]}
    manifest = json.loads(found["manifest.json"])
    assert manifest == expected and list(manifest) == sorted(manifest)


def test_texts_are_strict_json_in_utf8_with_a_line_for_each_row() -> None:
    found = run_contents(None, parts())
    assert found["curve.jsonl"].count(b"\n") == 2 and b'"train_loss": "Infinity"' in found["curve.jsonl"]
    assert found["layers.jsonl"] == b"" and "\u00e4".encode() in found["words.json"]
    assert json.loads(found["config.json"])["reproduce"] == "stackattn train"
