"""What the figures need of `analysis.depth_scaling`."""

from stackcli.analysis.depth_scaling import FIRST, SIZES, slope, theory_of

__all__ = ["FIRST", "SIZES", "slope", "theory_of"]
