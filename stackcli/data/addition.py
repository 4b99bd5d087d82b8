"""Add two whole numbers, digit by digit, cf. Kazemnejad et al. 2023, arXiv:2305.19466.

input   7 5 + 4 8 :  1  2  3
answer            1  2  3  ;
"""

from collections.abc import Sequence

import numpy as np

from stackcli.data._rewrite import Rewrite
from stackcli.data._task import PAD, Length, Longest, Size, TaskSeed
from stackcli.data.base import Noise


class Addition(Rewrite):
    """The length of an item is the number of digits of each number, which may begin with 0; the sum has one more.
    `reverse`: all three numbers are written last digit first, so that each carry is known when it is needed."""

    def __init__(
        self,
        *,
        reverse: bool = False,
        train_len: Length = 4,
        longest: Longest = 4,
        size: Size = 8192,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, reverse=reverse)
        self.reverse = reverse
        self.vocab = (PAD, ":", ";", "+", *"0123456789")
        self.classes = self.vocab

    def pair_of(self, draw: np.random.Generator, length: int) -> tuple[Sequence[str], Sequence[str]]:
        numbers = ["".join(map(str, draw.integers(10, size=length))) for _ in range(2)]
        answer = str(sum(map(int, numbers))).zfill(length + 1)
        turn = slice(None, None, -1 if self.reverse else 1)
        return [*numbers[0][turn], "+", *numbers[1][turn]], answer[turn]

    def tokens_of(self, length: int) -> int:
        return 3 * length + 3

    def entropy(self) -> float:
        return 0.0
