"""No distillation: the stack is trained on the labels of the data."""

from stackcli.distill.base import Distillation


class NoTeacher(Distillation):
    """The base class, unchanged."""
