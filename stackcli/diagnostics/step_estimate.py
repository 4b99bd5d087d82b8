"""A quick measurement of a training step, to say before a study begins about how long it will take."""

import time

import numpy as np
import torch

from stackcli.config.settings import Config
from stackcli.data.base import Loaded
from stackcli.model.build import build_for
from stackcli.training.adversarial_step import add_gradients, build_adversarial
from stackcli.training.batching import Padded
from stackcli.training.evaluation import forward_loss, subset

PASSES = 2


def time_passes(config: Config, loaded: Loaded) -> float:
    """Returns the seconds of the forward and backward passes of a step on the CPU, the shorter of two after a first.

    Without the optimiser, whose code takes a second to load. Leaves the state of the random generator and the number of
    threads as they are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            model = build_for(config, loaded).train()
            part = subset(loaded.train, 4 * config.batch)
            padded = Padded(
                part,
                max_len=loaded.max_len,
                device="cpu",
                masked=config.mask == "padding",
                outputs=loaded.outputs,
            )
            middle = np.argsort(padded.lengths, kind="stable")
            start = max(0, len(part) // 2 - config.batch // 2)
            batch = padded.cut(middle[start : start + config.batch], full=config.pad == "max")
            times, adversarial = [], build_adversarial(config)
            for _ in range(1 + PASSES):
                began = time.perf_counter()
                add_gradients(adversarial, model, batch, lambda batch: forward_loss(model, batch))
                times.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return min(times[1:])
