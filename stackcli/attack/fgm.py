"""Fast gradient method: one step on the token vectors, Miyato et al. 2017, eq. 4, arXiv:1605.07725."""

from torch import Tensor

from stackcli.attack._vectors import VectorAttack
from stackcli.attack.base import Norm, Objective, Texts


class Fgm(VectorAttack):
    """Adds to the token vectors of a text the perturbation of norm eps along the gradient, which is exact for a linear
    model. norm: of all vectors of a text together ("l2") or of each number ("linf"). of: what the gradient is taken of,
    the cross-entropy loss, or the margin of the best other class over the true one, whose gradient does not vanish
    where the stack is certain: Carlini and Wagner 2017, arXiv:1608.04644. A text whose gradient is 0 is unchanged."""

    def __init__(self, *, norm: Norm = "l2", of: Objective = "loss") -> None:
        self.norm, self.of = norm, of

    def perturb(self, texts: Texts, eps: float) -> tuple[Tensor, int]:
        return texts.ball(eps, self.norm).steepest(texts.gradient(texts.nothing, self.of)), 1
