"""Short trainings that several tests share."""

from typing import Any

from stackcli.common import registry
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build
from stackcli.training.loop import Training
from tests.factory import config, tiny

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 3}


def training(**changes: Any) -> Training:
    """A training on `factory.tiny`."""
    c, data = config(**{**SMALL, **changes}), tiny()
    return Training(build(c, vocab=len(data.vocab), classes=3, max_len=data.max_len), data, c, layer_statistics)


def task(name: str, keys: dict[str, Any], **changes: Any) -> Training:
    """A training on a made-up task."""
    loaded = registry.build_part("data", name, **{"size": 64, **keys}).load()
    c = config(**{**SMALL, "label_smoothing": 0.0, **changes})
    return Training(build(c, **loaded.sizes), loaded, c, layer_statistics)


def finish(run: Training) -> list[str]:
    """Trains to the end; the loss of every step, exactly."""
    losses = []
    while not run.finished:
        run.advance()
        losses.append(run.loss.hex())
    return losses
