"""CP-LRP, layer-wise relevance propagation with constant attention: Ali et al. 2022, sec. 3, arXiv:2202.07304.

Attention weights and the scales of normalisations are constants. The stack is then linear between its ReLUs, and the
LRP-0 rule of each layer is gradient x input. Relevance and bias terms together are the logit, exactly.
"""

from stackcli.explain.base import Attribution, Explained, Method, gradient_at


class CpLrp(Method):
    """Relevance of the words and of what the encoding adds; its target is the logit less the bias terms."""

    def attribute(self, explained: Explained) -> Attribution:
        x = explained.words + explained.added
        grad = gradient_at(explained, x, rule="constant")
        target = explained.logit(x).detach() - explained.bias_terms()
        return Attribution((grad * explained.words).sum(-1), (grad * explained.added).sum(-1), target)
