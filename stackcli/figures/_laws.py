"""What theory says of depth, as the figures need it."""

from stackcli.scaling import FIRST, law, slope

__all__ = ["FIRST", "law", "slope"]
