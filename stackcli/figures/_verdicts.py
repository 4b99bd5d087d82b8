"""The comparisons of a study, as the figures need them."""

from stackcli.sentences import Part, compared
from stackcli.stats import done

__all__ = ["Part", "compared", "done"]
