"""Defensive distillation, Papernot et al. 2016, arXiv:1511.04508: trained on a teacher's softened probabilities.

A teacher with the same settings and the same initial weights is trained with its logits divided by the temperature.
Then the stack is trained at the same temperature on the teacher's probabilities for the training items. Answers are
given at temperature 1, where the probabilities are so close to 0 and 1 that gradients nearly vanish.

Known failure: it hides gradients instead of removing adversarial examples. Carlini and Wagner 2017, arXiv:1608.04644,
find them as easily as without it, from the logits or by dividing them by the temperature. Attacks that need no gradient
are not affected either.
"""

from typing import Annotated

from annotated_types import Ge, Le

from stackcli.distill.base import Distillation


class DefensiveDistillation(Distillation):
    """`temperature`: the paper's T; 1 is distillation without softening."""

    teachers = 1

    def __init__(self, *, temperature: Annotated[float, Ge(1), Le(1e6)] = 20.0) -> None:
        self.temperature = temperature
