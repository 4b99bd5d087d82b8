"""What trackers share."""

import math

from stackcli.tracker.base import add_section, final_numbers


def test_the_numbers_of_a_result_are_those_that_are_numbers() -> None:
    result = {"status": "done", "test_acc": 0.5, "step_end": 4, "stopped_early": True, "classes": ("a",), "gap": None}
    assert final_numbers(result) == {"result/test_acc": 0.5, "result/step_end": 4.0}
    assert math.isnan(final_numbers({"gap_end": math.nan})["result/gap_end"])


def test_losses_and_accuracies_are_grouped_by_their_part_and_other_names_stay() -> None:
    names = ("train_loss", "val_acc", "lr", "epoch", "gradient_g1/layer1/q", "result/val_loss")
    assert [add_section(name) for name in names] == ["train/loss", "val/acc", *names[2:]]
