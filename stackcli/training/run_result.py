"""The result of a finished training: losses, test numbers, costs."""

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from stackcli.common.records import Result, StepRow
from stackcli.model import cost
from stackcli.training.accelerator import is_compiled
from stackcli.training.evaluation import (
    by_class,
    by_output,
    raise_positions,
    raise_to_end,
    reverse_tokens,
    right_by_item,
    shuffle_tokens,
)
from stackcli.training.parallel import Parallel

if TYPE_CHECKING:
    from stackcli.training.loop import Training

WHOLE = Parallel()  # of a model that one process holds


def run_result(training: "Training", *, test: bool) -> Result:
    """Returns the result of a training; see `Training.result`."""
    run = training
    params, tables = cost.count(run.model)
    length = int(np.median(run.train.lengths))
    common: dict[str, Any] = {
        "step_end": run.step,
        "stopped_early": run.stopped_early,
        "params": params,
        "params_embedding": tables,
        "flops": cost.flops(run.config, run.model, length),
        "flops_len": length,
        "kernel_used": run.model.kernel,
        "compiled": is_compiled(run.config, run.steps),
        "classes": run.classes,
        "weights_hash": weights_hash(run.model, run.parallel),
        **(run.observer.ratios(run.layers) if run.observer else {}),
    }
    if run.diverged_step is not None:
        return Result(status="diverged", diverged_step=run.diverged_step, **common)
    end, chosen = run.curve[-1], run.curve[int(np.argmin(run.criteria))]
    found = score_test(run) if test else {}
    return Result(status="done", step_best=chosen.step, **common, **losses(end, chosen), **found)


def losses(end: StepRow, chosen: StepRow) -> dict[str, Any]:
    """Returns the losses and accuracies of the last and of the chosen evaluation, and their gaps."""
    return {
        **{f"{k}_end": getattr(end, k) for k in ("train_loss", "train_acc", "val_loss", "val_acc")},
        **{k: getattr(chosen, k) for k in ("train_loss", "train_acc", "val_loss", "val_acc")},
        "gap_end": end.val_loss - end.train_loss,
        "gap_best": chosen.val_loss - chosen.train_loss,
        "acc_gap_end": end.train_acc - end.val_acc,
        "acc_gap_best": chosen.train_acc - chosen.val_acc,
    }


def score_test(run: "Training") -> dict[str, Any]:
    """Returns the numbers of the test part, with the last weights and with the chosen ones."""
    test_end = run.answer(run.test, full=run.full, temperature=run.temperature)
    last = {k: v.detach().clone() for k, v in run.model.state_dict().items()}
    run.model.load_state_dict(run.best or last)
    found = run.answer(run.test, full=run.full)
    more = by_length(run) | ({} if run.model.every else orders(run))
    run.model.load_state_dict(last)
    return {
        "test_loss_end": test_end.loss,
        "test_acc_end": test_end.acc,
        "test_loss": found.loss,
        "test_source": run.source_loss,
        "test_excess": None if run.source_loss is None else found.loss - run.source_loss,
        "test_right": "" if run.model.every else right_by_item(found, run.test),
        **by_class(found.true, found.said, len(run.classes)),
        **({"acc_by_output": by_output(found)} if run.model.outputs > 1 else {}),
        **more,
    }


def by_length(run: "Training") -> dict[str, Any]:
    """Returns loss and accuracy on the test parts of other lengths, and the loss of the data's own source there."""
    rows = []
    for length, part, source_loss in run.longer:
        source = math.nan if source_loss is None else source_loss
        try:
            found = run.answer(part, full=False)
            rows.append((length, found.loss, found.acc, source))
        except ValueError:  # longer than the positions that the encoding has
            rows.append((length, math.nan, math.nan, source))
    return {"by_length": tuple(rows)}


def orders(run: "Training") -> dict[str, Any]:
    """Returns the test accuracy with the tokens of each item shuffled, reversed, or at the last positions."""
    out: dict[str, Any] = {}
    for name, change in (("shuffled", shuffle_tokens), ("reversed", reverse_tokens)):
        out[f"test_acc_{name}"] = run.answer(run.test, full=run.full, change=change).acc
    reach = run.model.reach or run.test.max_len
    room = reach - int(run.test.lengths.max())
    if room and not run.full:
        shift = raise_to_end(reach) if run.model.reach else raise_positions(room)
        out["test_acc_shifted"] = run.answer(run.test, full=False, change=shift).acc
    return out


def weights_hash(model: nn.Module, parallel: Parallel = WHOLE) -> str:
    """Returns the sha256 of the names and bytes of all tensors; equal hashes mean equal weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole = parallel.full(name, tensor.detach())
        digest.update(name.encode() + whole.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
