"""All tokens in reversed order: neighbours stay neighbours; after Sinha et al. 2021, sec. 3, arXiv:2101.00010."""

from dataclasses import replace

import numpy as np

from stackcli.attack.base import Sample, Variants, Victim


class Reversal(Variants):
    """The control is a random order of all tokens. A symmetric encoding with mean pooling loses nothing. Where order
    matters, the true label may change."""

    unit = "all tokens"
    changes = "tokens"
    budgeted = False

    @property
    def keeps_label(self) -> bool:
        return False

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        return [] if sample.tree else [replace(sample, tokens=sample.tokens[::-1])]

    def control(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> Sample:
        order = draw.permutation(len(sample.tokens)).tolist()
        return sample if sample.tree else replace(sample, tokens=tuple(sample.tokens[i] for i in order))
