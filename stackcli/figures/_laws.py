"""What theory says of depth, as the figures need it."""

from stackcli.scaling import FIRST, SIZES, law, slope

__all__ = ["FIRST", "SIZES", "law", "slope"]
