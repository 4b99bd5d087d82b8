"""The peers are the same network as ours, and one that is not installed says so."""

from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import torch
from torch import nn

from stackcli.experiment import speed_peers
from stackcli.experiment.speed_peers import PEERS, TorchEncoder, count_parameters
from stackcli.experiment.speed_sides import check_equal
from stackcli.model.batch import Batch
from stackcli.model.build import build
from tests.factory import config, padding, tokens

SIZES: dict[str, Any] = {"vocab": 30, "classes": 3, "max_len": 9}


def small(**changes: Any) -> Any:
    return config(**{"depth": 3, "dim": 32, "heads": 2, "ff": 2.0, **changes})


def installed(name: str) -> Any:
    """The peer, or a skip that says what is missing."""
    if PEERS[name].missing:
        pytest.skip(f"{name}: {PEERS[name].missing}")
    return PEERS[name]


@pytest.mark.parametrize("residual", ["pre", "post"])
def test_nn_transformer_encoder_has_as_many_parameters_as_ours(residual: str) -> None:
    c = small(residual=residual)
    ours, theirs = (count_parameters(model) for model in (build(c, **SIZES), TorchEncoder(c, **SIZES)))
    assert ours == theirs


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_has_our_parameters_and_flops(name: str) -> None:
    c = small(dim=64, ff=4.0)
    sizes = {**SIZES, "vocab": 3000}  # x-transformers has no biases in attention, which counts in a small model
    batch = Batch(tokens(4, 9), torch.zeros(4, dtype=torch.long), padding([9, 5, 3, 9], 9))
    check_equal(name, build(c, **sizes), installed(name).build(c, **sizes), batch)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_drops_out_the_embedding_and_each_branch_alone(name: str) -> None:
    model = installed(name).build(small(dropout=0.25), **SIZES)
    active = [m.p for m in model.modules() if isinstance(m, nn.Dropout) and m.p]
    assert active == [0.25] * (1 + 2 * 3)
    attention = [m.dropout for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    assert attention == ([0.0] * 3 if name == "nn.TransformerEncoder" else [])


def test_the_class_as_it_comes_drops_out_attention_weights_too() -> None:
    model = TorchEncoder(small(dropout=0.25), plain=True, **SIZES)
    active = [m.p for m in model.modules() if isinstance(m, nn.Dropout) and m.p]
    assert active == [0.25] * (1 + 3 * 3)
    assert [m.dropout for m in model.modules() if isinstance(m, nn.MultiheadAttention)] == [0.25] * 3


@pytest.mark.parametrize("name", PEERS)
def test_padding_does_not_change_the_answers_of_a_peer(name: str) -> None:
    torch.manual_seed(0)
    model = installed(name).build(small(), **SIZES).double().eval()
    given, mask = tokens(2, 9), padding([9, 5], 9)
    other = given.masked_fill(~mask, 7)
    assert not torch.equal(other, given)
    with torch.no_grad():
        assert torch.allclose(model(given, mask), model(other, mask), atol=1e-12)
        assert torch.allclose(model(given[1:, :5]), model(given, mask)[1:], atol=1e-12)


def test_a_peer_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(speed_peers, "version", lambda package: "1.0")
    assert all(peer.missing == "" for peer in PEERS.values())
    monkeypatch.setattr(speed_peers, "version", absent)
    assert "pip install" in PEERS["BertModel"].missing and "transformers" in PEERS["BertModel"].missing
