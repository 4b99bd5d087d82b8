"""The command check."""

import json
from pathlib import Path

from tests.helpers import stackattn


def test_check_prints_each_property_and_draws_the_remedy(tmp_path: Path) -> None:
    done = stackattn("check", "pe=sinusoidal", "data.max_len=64", "--figures", "png", cwd=tmp_path)
    assert done.returncode == 0 and "causality" in done.stdout and "pe.base=auto" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    (figure,) = tmp_path.glob("outputs/checks/*.png")
    assert figure.stat().st_size > 10_000 and str(figure.name) in done.stderr
    rows = stackattn("check", "pe=alibi", "--json", cwd=tmp_path)
    assert {row["name"]: row["found"] for row in json.loads(rows.stdout)}["shift"] == "ignored: relative"
