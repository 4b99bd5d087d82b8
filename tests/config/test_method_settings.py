"""The methods of explanation that a command uses."""

import pytest

from stackcli.config.method_settings import method_settings
from stackcli.config.yaml_files import UsageError


def test_keys_that_are_typed_replace_the_defaults_of_their_method() -> None:
    words = ["integrated.baseline=mean", "integrated.tolerance=1"]
    found = method_settings(["integrated", "cp_lrp"], words)
    assert found["integrated"]["baseline"] == "mean" and found["integrated"]["steps"] == 16 and found["cp_lrp"] == {}
    assert isinstance(found["integrated"]["tolerance"], float)
    assert method_settings(["integrated"])["integrated"]["baseline"] == "zero"


@pytest.mark.parametrize(
    ("names", "word", "message"),
    [
        (["shap"], "", "explain=shap: no such choice"),
        (["gradint"], "", "did you mean gradient?"),
        (["cp_lrp"], "integrated.steps=4", "the methods used are cp_lrp"),
        (["integrated"], "integrated.stepps=4", "did you mean steps?"),
        (["cp_lrp"], "cp_lrp.steps=4", "it has no keys"),
        (["integrated"], "integrated.steps=0", "integrated.steps=0: must be at least 1"),
        (["integrated"], "integrated.steps=4,8", "one value is used at a time"),
        (["integrated"], "integrated.baseline=blur", "choose from zero, mean"),
        (["integrated"], "steps", "settings are written key=value"),
    ],
)
def test_what_cannot_be_used_is_named(names: list[str], word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        method_settings(names, [word] if word else [])
