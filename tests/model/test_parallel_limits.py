"""What several processes cannot share is refused, with what to write instead."""

from typing import Any

import pytest

from stackcli.model.build import build_pattern, makers
from stackcli.model.parallel_limits import check_parallel, divides_by_head, is_plain
from tests.factory import config, part


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parallel": "tensor"}, "write devices=2"),
        ({"devices": 2, "adversarial": "fgm"}, "adversarial=fgm is computed by one process only"),
        ({"devices": 2, "distill": "defensive"}, "distill=defensive is computed by one process only"),
        ({"devices": 2, "compile": True}, "compile=true is computed by one process only"),
        ({"devices": 2, "compile": "auto"}, "compile=auto is computed by one process only"),
        ({"devices": 2, "kernel": "flex"}, "kernel=flex is computed by one process only"),
        ({"devices": 2, "device": "mps"}, "device=mps is computed by one process only"),
        ({"devices": 2, "norm": "batch"}, "write norm=layer"),
        ({"accumulate": 2, "norm": "batch"}, "write accumulate=1"),
        ({"devices": 4, "batch": 3}, "write batch=4 or more"),
        ({"devices": 2, "parallel": "sharded", "share_layers": True}, "write parallel=data"),
        ({"devices": 3, "parallel": "tensor", "dim": 16, "heads": 4}, "heads=4 cannot be divided"),
        ({"devices": 2, "parallel": "tensor", "attention_dropout": 0.1}, "write attention_dropout=0"),
        ({"devices": 2, "parallel": "tensor", "attention": "talking"}, "does not divide attention=talking"),
        ({"devices": 2, "parallel": "sharded", "residual": "rezero"}, "which parallel=sharded cannot divide"),
    ],
)
def test_what_processes_cannot_share_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_parallel(config(**{"attention_dropout": 0.0, **changes}))


@pytest.mark.parametrize("parallel", ["data", "sharded", "tensor"])
@pytest.mark.parametrize("pe", ["learned", "sinusoidal", "relative", "rope", "alibi", "none"])
def test_common_encodings_go_with_every_way(parallel: str, pe: str) -> None:
    check_parallel(config(devices=2, parallel=parallel, pe=pe, dim=16, heads=2, attention_dropout=0.0))


def test_one_process_takes_all_settings() -> None:
    check_parallel(config(adversarial="fgm", norm="layer", share_layers=True, compile=True))


def test_an_encoding_that_mixes_heads_is_not_divided() -> None:
    c = config(dim=16, heads=2, attention_dropout=0.0)
    assert divides_by_head(makers(c, max_len=1).encoding(1, "rope"), 2)
    assert is_plain(build_pattern(c, 1))
    assert not is_plain(build_pattern(config(dim=16, heads=2, attention=part("sink")), 1))
