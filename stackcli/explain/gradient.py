"""Gradient x input, Shrikumar et al. 2016, arXiv:1605.01713: exact for a linear model, local for any other."""

from torch import Tensor

from stackcli.explain.base import Attribution, Explained, Method, gradient_at


class Gradient(Method):
    """The gradient of the logit for the input of the stack, times this input, summed over its dimensions."""

    def attribute(self, explained: Explained) -> Attribution:
        grad: Tensor = gradient_at(explained, explained.words + explained.added)
        return Attribution((grad * explained.words).sum(-1), (grad * explained.added).sum(-1))
