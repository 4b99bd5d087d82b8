"""The verdict and the table of `check`."""

import pytest

from stackcli.config.grid import parse_grid
from stackcli.diagnostics.checked_property import Property
from stackcli.experiment.encoding_report import check_table, describe_verdict, describe_verdicts, name_encoding

ROWS = [Property("shift", "ignored", "", "passed"), Property("memory", "0 bytes", "")]
WEAK, WRONG = Property("flat dimensions", "3 of 16", "", "warning"), Property("causality", "broken", "", "failed")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (ROWS, "pe=mine: 1 check passed, none failed."),
        ([*ROWS, WEAK], "pe=mine: 1 check passed, 1 warning (flat dimensions), none failed."),
        ([*ROWS, *ROWS, WEAK, WRONG], "pe=mine: 2 checks passed, 1 warning (flat dimensions), 1 failed (causality)."),
    ],
)
def test_the_verdict_counts_the_checks_and_names_what_did_not_pass(rows: list[Property], text: str) -> None:
    assert describe_verdict("pe=mine", rows) == text
    assert check_table(rows).row_count == len(rows)


def test_several_encodings_end_with_one_verdict() -> None:
    assert describe_verdicts({"pe=a": ROWS, "pe=b": ROWS}) == "2 encodings: no check failed."
    assert describe_verdicts({"pe=a": ROWS, "pe=b": [WEAK]}) == "2 encodings: no check failed; warnings for pe=b."
    wrong = {"pe=a": ROWS, "pe=b": [WRONG], "pe=c": [WEAK]}
    assert describe_verdicts(wrong) == "1 of 3 encodings failed a check: pe=b (causality)."
    assert describe_verdicts({"pe=b": [WRONG]}).startswith("pe=b: 0 checks passed, 1 failed (causality)")


def test_encodings_are_named_by_what_differs() -> None:
    names = {
        ("pe=learned,rope",): ["pe=learned", "pe=rope"],
        ("pe=relative", "pe.clip=4,8"): ["pe=relative pe.clip=4", "pe=relative pe.clip=8"],
        ("pe=rope", "dim=16,32"): ["pe=rope dim=16", "pe=rope dim=32"],
        ("pe=rope",): ["pe=rope"],
    }
    for words, said in names.items():
        configs = parse_grid((*words, "seeds=1")).configs
        assert [name_encoding(config, configs) for config in configs] == said
