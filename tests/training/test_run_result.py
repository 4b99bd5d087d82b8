"""The result of a training: its hash, and what the chosen evaluation says."""

import hashlib

import torch

from stackcli.training.run_result import losses, weights_hash
from tests.factory import stack
from tests.training.examples import finish, training
from tests.training.pairs import pair


def test_the_hash_is_that_of_the_names_and_bytes_of_all_tensors() -> None:
    model = stack(depth=1)
    digest = hashlib.sha256()
    for name in sorted(model.state_dict()):
        digest.update(name.encode() + model.state_dict()[name].numpy().tobytes())
    assert weights_hash(model) == digest.hexdigest()
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1e-12
    assert weights_hash(model) != digest.hexdigest()


def test_a_divided_stack_has_the_hash_of_the_whole_one_that_is_published() -> None:
    for mode in ("data", "sharded", "tensor"):
        found = pair()[0][mode]
        digest = hashlib.sha256()
        for name, tensor in sorted(found["weights"].items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        assert found["result"]["weights_hash"] == digest.hexdigest(), mode


def test_gaps_are_of_the_last_and_of_the_chosen_evaluation() -> None:
    run = training(epochs=2)
    finish(run)
    found = losses(run.curve[2], run.curve[1])
    assert found["gap_end"] == run.curve[2].val_loss - run.curve[2].train_loss
    assert found["gap_best"] == run.curve[1].val_loss - run.curve[1].train_loss
    assert (found["val_acc_end"], found["val_acc"]) == (run.curve[2].val_acc, run.curve[1].val_acc)
