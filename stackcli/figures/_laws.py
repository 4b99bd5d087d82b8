"""What theory says of depth, as the figures need it."""

from stackcli.analysis.depth_scaling import FIRST, SIZES, slope, theory_of

__all__ = ["FIRST", "SIZES", "slope", "theory_of"]
