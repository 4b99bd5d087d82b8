"""The files of a run as they are published."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypedDict

from stackcli.common.records import LayerRow, Result, StackRow, StepRow, dumps, json_lines
from stackcli.config.settings import Config
from stackcli.experiment.identity import part_sources


class RunParts(TypedDict):
    """What is published of a run beside its weights."""

    config: Config
    result: Result
    curve: Iterable[StepRow]
    layers: Iterable[LayerRow]
    stack: Iterable[StackRow]
    position: Any  # the trained position tables
    words: Mapping[str, Any]  # vocabulary and classes
    provenance: Mapping[str, Any]
    reproduce: str  # the command that trains the run again


def run_contents(weights: bytes | None, parts: RunParts) -> dict[str, bytes]:
    """Returns name -> content of every file of a run; the last is the manifest, with the sha256 of each of the
    others."""
    config = parts["config"]
    described = {"settings": {**config.identity(), "keep": config.keep}, "source": part_sources(config)}
    texts = {
        "config.json": json.dumps({**described, "reproduce": parts["reproduce"]}, indent=1, allow_nan=False) + "\n",
        "curve.jsonl": "".join(json_lines(parts["curve"])),
        "layers.jsonl": "".join(json_lines(parts["layers"])),
        "stack.jsonl": "".join(json_lines(parts["stack"])),
        "position.json": dumps(parts["position"]) + "\n",
        "words.json": dumps(parts["words"]) + "\n",
    }
    kept = {} if weights is None else {"weights.json": dumps({"sha256": hashlib.sha256(weights).hexdigest()}) + "\n"}
    texts |= {
        **kept,
        "provenance.json": dumps(parts["provenance"]) + "\n",
        "result.json": dumps(asdict(parts["result"])) + "\n",
    }
    contents = {name: text.encode("utf-8") for name, text in texts.items()}
    contents |= {} if weights is None else {"weights.pt": weights}
    known = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}
    return {**contents, "manifest.json": (dumps(known) + "\n").encode()}
