"""The first tokens are replaced by the last one: an attack of three lines that uses no gradients."""

from dataclasses import replace

import numpy as np

from stackcli.attack.base import Sample, Variants, Victim, count_changes


class Echo(Variants):
    """The last token in place of the first k tokens."""

    unit = "replaced tokens"
    changes = "tokens"

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        """Returns the only variant."""
        count = count_changes(budget, len(sample.tokens))
        return [replace(sample, tokens=sample.tokens[-1:] * count + sample.tokens[count:])]
