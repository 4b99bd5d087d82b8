"""Every answer, looked up in the sequence."""

from stackcli.data.base import UNSCORED
from tests.data.oracle import every_part, load


def test_every_answer_is_the_token_lag_places_earlier() -> None:
    loaded = load("lag", lags=5, train_len=9, longest=2)
    assert loaded.outputs == 5
    for part in every_part(loaded):
        for tokens, targets in zip(part.tokens, part.targets, strict=True):
            for t in range(len(tokens)):
                for lag in range(1, 6):
                    asked = targets[t * 5 + lag - 1]
                    assert asked == (tokens[t - lag] - 1 if t >= lag else UNSCORED)
