"""No position encoding: the tokens are a set (with `causal=true`, order still leaks through the mask).

Haviv et al. 2022, arXiv:2203.16634. Parameters: 0. Beyond the trained length: exact, as positions have no effect.
"""

from stackcli.pe.base import PositionEncoding


class NoEncoding(PositionEncoding):
    """The base class, unchanged."""

    relative = True
