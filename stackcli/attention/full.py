"""Full attention, Vaswani et al. 2017, sec. 3.2, arXiv:1706.03762: every token sees every token."""

from stackcli.attention.base import Pattern


class Full(Pattern):
    """Forbids nothing."""
