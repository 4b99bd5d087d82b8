"""What the figures need of the comparisons of a study."""

from stackcli.analysis.paired_comparisons import finished_runs
from stackcli.analysis.study_comparisons import Part, all_comparisons

__all__ = ["Part", "all_comparisons", "finished_runs"]
