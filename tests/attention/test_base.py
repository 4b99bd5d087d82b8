"""Pieces of a pattern: indices outside of the sequence, causality, and the blocks of a window."""

import torch

from stackcli.attention.base import Pattern, Pieces, block_width, cut_piece, window_blocks

CPU = torch.device("cpu")


def near(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    return (query - key).abs() <= 1


def test_places_outside_of_the_sequence_are_seen_by_nobody_and_see_nothing() -> None:
    piece = cut_piece(torch.tensor([[2, 3]]), torch.tensor([[-1, 1, 2, 3]]), near, length=3, causal=False)
    assert piece.queries.tolist() == [[2, 0]] and piece.empty.tolist() == [[False, True]]
    assert piece.keys.tolist() == [[0, 1, 2, 0]]
    assert piece.allowed.tolist() == [[[False, True, True, False], [False] * 4]]


def test_a_causal_piece_sees_no_later_key() -> None:
    at = torch.arange(4)[None]
    piece = cut_piece(at, at, near, length=4, causal=True)
    assert piece.allowed[0].tolist() == [[j in (i - 1, i) for j in range(4)] for i in range(4)]


def test_the_blocks_of_a_window_hold_every_query_once_with_all_keys_in_reach() -> None:
    for causal in (False, True):
        queries, keys = window_blocks(40, 3, causal, CPU)
        assert queries.flatten().tolist() == list(range(48)) and queries.shape == (3, block_width(3)) == (3, 16)
        for block, row in zip(queries.tolist(), keys.tolist(), strict=True):
            assert row == list(range(block[0] - 3, block[-1] + 1 + (0 if causal else 3)))


def test_blocks_are_as_wide_as_the_reach_within_bounds() -> None:
    assert [block_width(reach) for reach in (1, 16, 100, 256, 5000)] == [16, 16, 100, 256, 256]


def test_a_pattern_that_defines_nothing_is_full_attention_without_pieces() -> None:
    full = Pattern()
    assert full.allowed(5, CPU) is None and full.pieces(1000, True, CPU) is None and full.sizes(1000, True) is None


class Halves(Pattern):
    """Sees keys whose parity is that of the query; its one piece holds all pairs of the first `width` tokens."""

    def __init__(self, width: int, merged: bool) -> None:
        super().__init__()
        self.width, self.merged = width, merged

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces:
        at = torch.arange(self.width, device=device)[None]
        return Pieces((cut_piece(at, at, self.sees, length=length, causal=causal),), merged=self.merged)


def test_pieces_are_used_from_256_tokens_and_a_quarter_of_all_pairs_on_an_eighth_if_merged() -> None:
    assert Halves(10, False).pieces(255, False, CPU) is None and Halves(10, False).pieces(256, False, CPU) is not None
    assert Halves(128, False).pieces(256, False, CPU) is not None and Halves(129, False).pieces(256, False, CPU) is None
    assert Halves(90, True).pieces(256, False, CPU) is not None and Halves(91, True).pieces(256, False, CPU) is None
    assert Halves(10, False).sizes(300, False) == (10, 10, 100)
