"""A study as DataFrames."""

import pandas as pd

from tests.analysis.examples import encoding_study


def test_facts_are_those_of_the_one_data_set_of_the_runs() -> None:
    frames = encoding_study(entropy=1.5)
    markov = frames.runs[frames.runs["data"] == "markov"]
    assert frames.facts_of(markov)["entropy"] == 1.5
    assert frames.facts_of(frames.runs) == {}  # two data sets
    assert frames.facts_of(markov.assign(data="unknown")) == {}
    assert frames.facts_of(frames.runs.iloc[:0]) == {}


def test_the_column_facts_goes_before_the_name_of_the_data() -> None:
    """Two runs of data=csv may have read different files."""
    frames = encoding_study(entropy=1.5)
    runs = pd.DataFrame({"data": ["csv", "csv"], "facts": ["markov", "subjects"]})
    assert frames.facts_of(runs) == {}
    assert frames.facts_of(runs.iloc[:1])["entropy"] == 1.5


def test_the_facts_that_are_returned_are_a_copy() -> None:
    frames = encoding_study(entropy=1.5)
    markov = frames.runs[frames.runs["data"] == "markov"]
    frames.facts_of(markov)["entropy"] = 0.0
    assert frames.facts_of(markov)["entropy"] == 1.5
