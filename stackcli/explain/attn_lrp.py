"""AttnLRP, layer-wise relevance propagation through the softmax: Achtibat et al. 2024, sec. 3, arXiv:2402.05602.

Softmax: x_i (R_i - s_i sum over j of R_j), their proposition 3.1, which is gradient x input. Products of two
activations: half of the relevance to each factor, proposition 3.3. Normalisation: its scale is a constant, proposition
3.4. ReLU and linear maps: gradient x input (LRP-0).
"""

from stackcli.explain.base import Attribution, Explained, Method, gradient_at


class AttnLrp(Method):
    """Relevance of the words and of what the encoding adds. The softmax rule gives relevance to its own bias, and
    linear maps to theirs, so that the sum is not the logit: the method claims none, and its error is shown."""

    def attribute(self, explained: Explained) -> Attribution:
        x = explained.words + explained.added
        grad = gradient_at(explained, x, rule="halved")
        target = explained.logit(x).detach()
        return Attribution((grad * explained.words).sum(-1), (grad * explained.added).sum(-1), target)
