"""The table of settings."""

import io

import pytest
from rich.console import Console

from stackcli.config.settings_list import every_setting
from stackcli.experiment.settings_table import settings_table


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_of_all_settings_fits_and_breaks_no_key(width: int) -> None:
    out, rows = io.StringIO(), every_setting()
    Console(width=width, file=out).print(settings_table(rows))
    assert max(map(len, out.getvalue().splitlines())) <= width
    assert {row.key for row in rows} <= set(out.getvalue().split())
    assert "(of addition, copy, csv, digits and 13 more)" in " ".join(out.getvalue().split())
