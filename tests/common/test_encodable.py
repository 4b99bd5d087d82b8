"""Text for consoles and pipes of any encoding."""

import io
import sys

import pytest
from rich import box

from stackcli.common import encodable
from stackcli.common.encodable import make_encodable, replace_surrogates, stand_in

TOOL = "± × → ≤ – ² ━ ─ │ ┌"  # characters that the tool itself prints


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8"])
def test_what_an_encoding_has_is_kept_and_the_rest_is_replaced(encoding: str) -> None:
    found = make_encodable(f"{TOOL} é 中 \N{PILE OF POO}", encoding)
    assert found.encode(encoding)  # raises where a character is left that it lacks
    kept = [c for c in TOOL if not c.isspace() and c.encode(encoding, "ignore")]
    assert all(c in found for c in kept)
    assert ("é" in found) == (encoding != "ascii") and ("中" in found) == (encoding == "utf-8")


def test_the_stand_ins_can_be_read() -> None:
    assert make_encodable(TOOL, "ascii") == "+- x -> <= - ^2 - - | +"
    assert [stand_in(c) for c in "中\N{PILE OF POO}"] == ["\\u4e2d", "\\U0001f4a9"]
    assert make_encodable("\udc80", "utf-8") == "\\udc80"  # a byte of an argument that is no UTF-8
    assert all(c in "+-|\n " for c in make_encodable(str(box.SQUARE), "ascii"))


def test_no_stream_fails_for_want_of_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    encodable.prepare_streams()
    for stream in streams:
        print("0.80±.05", file=stream, flush=True)
        assert stream.buffer.getvalue() == b"0.80+-.05\n"


def test_half_of_a_surrogate_pair_is_replaced_and_a_whole_one_is_kept() -> None:
    assert replace_surrogates("half \ud800 pair") == "half \ufffd pair"
    assert replace_surrogates("\ud83d\ude00 é") == "\N{GRINNING FACE} é"
