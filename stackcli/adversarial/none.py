"""No adversarial training: the loss of the texts as they are, one pass a step."""

from stackcli.adversarial.base import Adversarial


class NoPerturbation(Adversarial):
    """The base class, unchanged."""
