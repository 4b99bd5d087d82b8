"""The interface of distillation: whether a teacher is trained before the stack, and what the stack learns from it.

Shapes: B texts, C classes.
"""

from torch import Tensor


class Distillation:
    """Base class: no teacher; the stack is trained on the labels.

    temperature: what logits are divided by in training. teachers: trainings before that of the stack.
    """

    temperature: float = 1.0
    teachers: int = 0

    def targets(self, logits: Tensor) -> Tensor:
        """Logits of a teacher (B, C) -> the probabilities (B, C) on which the stack is trained."""
        return (logits / self.temperature).softmax(-1)
