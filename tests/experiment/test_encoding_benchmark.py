"""compare-pe: the same encodings on several data sets, each with the settings that it needs."""

import pytest

from stackcli.config.yaml_files import UsageError
from stackcli.experiment.encoding_benchmark import WANTED, encoding_arms


def test_without_data_there_are_three_data_sets() -> None:
    found = encoding_arms(["pe=learned,sinusoidal,relative"], None)
    assert found.axes == ("pe", "data") and len(found.configs) == 27
    asked = {(c.pe.name, c.data.name, c.seed) for c in found.configs}
    assert len(asked) == 27 and {d for _, d, _ in asked} == {"subjects", "digits", "markov"}
    assert all(c.causal == (c.data.name == "markov") for c in found.configs)
    assert found.base["dim"] == 64 and not {"causal", "epochs", "pe", "data"} & set(found.base)


def test_typed_settings_replace_those_of_a_data_set() -> None:
    found = encoding_arms(["pe=learned,none", "epochs=2", "seeds=1"], None)
    assert {c.epochs for c in found.configs} == {2} and "epochs=6" in WANTED["markov"]


def test_typed_data_replace_the_three_data_sets() -> None:
    one = encoding_arms(["pe=learned,none", "data=order"], None)
    assert one.axes == ("pe",) and {c.data.name for c in one.configs} == {"order"}
    two = encoding_arms(["pe=learned,none", "data=copy,digits", "data.letters=4", "data.max_len=32"], None)
    assert {(c.data.name, c.causal) for c in two.configs} == {("copy", True), ("digits", False)}
    assert {c.data.options.get("letters") for c in two.configs} == {4, None}


def test_a_key_of_no_data_set_and_a_single_encoding_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown key 'data\.lettrs' for data=copy,digits"):
        encoding_arms(["pe=learned,none", "data=copy,digits", "data.lettrs=4"], None)
    with pytest.raises(UsageError, match="at least two values of pe"):
        encoding_arms(["pe=learned"], None)
