"""Write a string of letters backwards, cf. Kazemnejad et al. 2023, arXiv:2305.19466.

input   c a b :  b  a  c
answer        b  a  c  ;
"""

from stackcli.data._rewrite import Letters


class Reverse(Letters):
    """Strings of `letters` different letters, drawn with repeats. Every answer is certain."""

    def rewritten(self, source: list[int]) -> list[int]:
        return source[::-1]
