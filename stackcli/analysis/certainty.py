"""Says how sure a study can be: its seeds, its comparisons, and how many verdicts are expected by chance."""

import pandas as pd

from stackcli.analysis import paired_comparisons, sign_flip, statistics
from stackcli.analysis.study_comparisons import LEANING, Part, all_comparisons
from stackcli.analysis.study_data import Frames


def describe_certainty(frames: Frames) -> str:
    """Says how many seeds and comparisons a study has, and how many seeds a claim would need."""
    return (
        _certainty(frames, all_comparisons(frames))
        if len(paired_comparisons.finished_runs(frames.runs))
        else "No run has finished."
    )


def _certainty(frames: Frames, parts: list[Part]) -> str:
    """Says how many seeds and comparisons a study has, and how many seeds a claim would need."""
    done = paired_comparisons.finished_runs(frames.runs)
    counts = done.groupby(list(frames.axes), dropna=False)["seed"].count()
    low, high = int(counts.min()), int(counts.max())
    seeds = f"{low} seed{'s' if low > 1 else ''}" if low == high else f"{low} to {high} seeds"
    family = _family(parts)
    text = f"Intervals are over {seeds}, all on the same split of the data"
    if high < statistics.LEAST:
        verb = "is" if seeds == "1 seed" else "are"
        text = f"{seeds} {verb} too few for an interval; all are on the same split of the data"
    if family.empty:
        return text + "."
    return f"{text}; {_describe_comparisons(family, seeds)}.{_describe_intervals(family)}"


def seeds_for_claim(frames: Frames) -> int:
    """Returns the number of seeds with which a stack can be called better than another; 0 where the study has as many,
    or compares nothing."""
    if not frames.axes or not len(paired_comparisons.finished_runs(frames.runs)):
        return 0
    family = _family(all_comparisons(frames))
    flips = family[family["test"] == statistics.FLIP] if len(family) else family
    need = _needed(family) if len(flips) else 0
    return need if len(flips) and flips["n"].min() < need else 0


def _family(parts: list[Part]) -> pd.DataFrame:
    rows = pd.concat([t for part in parts for t in (part.accuracy, part.gap, part.bag) if len(t)] or [pd.DataFrame()])
    return rows[rows["p"].notna()] if len(rows) else rows


def _needed(family: pd.DataFrame) -> int:
    # Holm's correction no longer counts the comparisons of the other test that have passed
    passed = (family["test"] != statistics.FLIP) & (family["p_holm"] < sign_flip.ALPHA)
    return sign_flip.claim_seeds(len(family) - int(passed.sum()))


def _describe_comparisons(family: pd.DataFrame, seeds: str) -> str:
    """Says how many comparisons there are, and whether these seeds can call one stack better than another."""
    many = f"{len(family)} comparison{'s, Holm-corrected' if len(family) > 1 else ''}"
    flips = family[family["test"] == statistics.FLIP]
    if flips.empty:
        return many
    need, verb = _needed(family), "is" if seeds == "1 seed" else "are"
    if flips["n"].min() < need:
        return f"{many}; {seeds} {verb} too few to call a stack better than another, at least {need} are needed"
    return f"{many}; {seeds} {verb} enough to call a stack better than another"


def _describe_intervals(family: pd.DataFrame) -> str:
    """Says which intervals are shown, and how many uncorrected verdicts are expected by chance."""
    flips, out = family[family["test"] == statistics.FLIP], ""
    if len(flips) and flips["n"].max() >= statistics.LEAST:
        kinds = {bool(n >= statistics.INVERTED) for n in flips["n"] if n >= statistics.LEAST}
        out += f" For paired differences they are {_kind_of_interval(kinds)}."
    if (family["test"] == statistics.CROSSED).any():
        out += " Comparisons with the bag of words are over seeds and test items (min F', Clark 1973)."
    if family["kind"].isin(LEANING).any():
        able = int((family["n"] >= statistics.LEAST).sum())
        count = sign_flip.ALPHA * able
        out += (
            f" Leaning: the interval, not corrected for the number of comparisons, excludes 0; about {count:.2g} of "
            f"{able} comparisons would lean by chance alone."
        )
    return out


def _kind_of_interval(inverted: set[bool]) -> str:
    """Names the intervals. `inverted`: True for those of the sign-flip test, False for t intervals."""
    inverse = "those obtained by inverting the sign-flip test"
    if len(inverted) > 1:
        return f"{inverse}, below {statistics.INVERTED} pairs t intervals"
    return inverse if True in inverted else "t intervals"
