"""Every built-in part has a YAML file with the keys and defaults of its constructor, and every key has an effect."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from stackcli.common import registry
from stackcli.model.batch import Batch
from stackcli.model.build import profile
from stackcli.training.run_result import weights_hash
from tests.factory import padding, part, stack, tokens
from tests.training.examples import finish, training

ROOT = Path(__file__).parents[1]
COMMAND = ("explain", "attack", "launcher", "tracker")  # groups whose parts are no settings of a run
GROUPS = ("pe", "norm", "residual", "attention", "init", "data", "adversarial", "distill", *COMMAND)
FILES = sorted(p for group in GROUPS for p in (ROOT / "conf" / group).glob("*.yaml"))
NEEDS: dict[tuple[str, str], dict[str, Any]] = {("rope", "stretch"): {"dynamic": 8}}
NEEDS |= {("structural", key): {"form": "absolute"} for key in ("base", "scale")}
OTHERS = {("conv", "across"): 0}  # two heads have one on each side at most
CHAIN = torch.arange(24).sub(1).clamp(min=0).expand(3, 24)  # a tree for encodings that need one


def read(file: Path) -> dict[str, Any]:
    """Reads the keys of a YAML file, except its name, with PyYAML instead of the reader under test."""
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert values.pop("name") == file.stem
    return values


def other(file: Path, key: str, value: Any) -> Any:
    """Returns another value of a key."""
    if (file.stem, key) in OTHERS:
        return OTHERS[file.stem, key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        annotation = registry.part_keys(registry.load_part(file.parent.name, file.stem))[key].annotation
        return next(choice for choice in annotation.__args__ if choice != value)
    return (value // 2 or 8) if isinstance(value, int) else (value / 2 or 0.3)


TRAINING = {"loss", "loss_weight", "pretrain"}  # change only the training: tests/training/test_position_losses.py


def cases() -> list[Any]:
    out = []
    for file in FILES:
        if file.parent.name not in ("data", "adversarial", "distill", *COMMAND):  # whose keys have tests of their own
            out += [
                pytest.param(file, key, id=f"{file.parent.name}={file.stem} {key}")
                for key in read(file)
                if key not in TRAINING
            ]
    return out


@pytest.mark.parametrize("file", FILES, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_the_keys_and_defaults_of_a_yaml_file_are_those_of_the_constructor(file: Path) -> None:
    own = {
        name: key.default for name, key in registry.part_keys(registry.load_part(file.parent.name, file.stem)).items()
    }
    values = read(file)
    assert list(values) == list(own)
    assert {k: (type(v), v) for k, v in values.items()} == {k: (type(v), v) for k, v in own.items()}


def logits(**changes: Any) -> torch.Tensor:
    """Returns the logits of a stack after one pass in training mode, which sets statistics of batch normalisation."""
    model, x, mask = stack(**changes), tokens(3, 24), padding([24, 9, 2], 24)
    with torch.no_grad():
        model.train()(x, mask, tree=CHAIN)
        answer: torch.Tensor = model.eval()(x, mask, tree=CHAIN)
    return answer


@cache
def usual_logits(group: str, name: str, keys: frozenset[tuple[str, Any]]) -> torch.Tensor:
    """Returns the logits of a stack with this part, which are those of another one built alike."""
    before, same = (logits(**{group: part(name, **dict(keys))}) for _ in range(2))
    assert torch.equal(before, same)
    return before


@pytest.mark.parametrize("file,key", cases())
def test_every_key_of_a_yaml_file_changes_the_logits(file: Path, key: str) -> None:
    group, name, plain = file.parent.name, file.stem, read(file)
    plain |= NEEDS.get((name, key), {}) | ({"randomised": True} if key == "range" else {})
    before = usual_logits(group, name, frozenset(plain.items()))
    after = logits(**{group: part(name, **{**plain, key: other(file, key, plain[key])})})
    assert (before - after).abs().max() > 1e-9


def trained_weights(**changes: Any) -> str:
    """Returns the hash of the weights after an epoch of training."""
    run = training(epochs=1, **changes)
    finish(run)
    return weights_hash(run.model)


DEFENCES = [file for file in FILES if file.parent.name in ("adversarial", "distill")]


@pytest.mark.parametrize("file", DEFENCES, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_every_key_of_a_defence_changes_the_training(file: Path) -> None:
    plain = read(file)
    seen = {trained_weights(**{file.parent.name: part(file.stem, **plain)})}
    assert seen == {trained_weights(**{file.parent.name: part(file.stem, **plain)})}
    for key, value in plain.items():
        changed = {**plain, key: other(file, key, value)}
        seen.add(trained_weights(**{file.parent.name: part(file.stem, **changed)}))
    assert len(seen) == 1 + len(plain)
    assert (trained_weights() in seen) == (file.stem == "none")


@pytest.mark.parametrize("group", ["pe", "norm", "residual", "attention", "init"])
def test_no_two_parts_of_a_group_give_the_same_logits(group: str) -> None:
    files = [file for file in FILES if file.parent.name == group]
    answers = []
    for file in files:
        model = stack(**{group: part(file.stem, **read(file))})
        x = tokens(3, 24)
        profile(model, Batch(x, x, None, CHAIN))  # without it, admin equals post-LN
        answers.append(model(x, tree=CHAIN))
    assert len(answers) >= 2
    assert all((a - b).abs().max() > 1e-9 for i, a in enumerate(answers) for b in answers[:i])
