"""The verdict and the table of `check`."""

import pytest

from stackcli.diagnostics.checked_property import Property
from stackcli.experiment.encoding_report import check_table, describe_verdict

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
    assert describe_verdict("mine", rows) == text
    assert check_table(rows).row_count == len(rows)
