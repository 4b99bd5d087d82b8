"""Copy a string of letters, cf. Kazemnejad et al. 2023, arXiv:2305.19466.

input   c a b :  c  a  b
answer        c  a  b  ;
"""

from stackcli.data._rewrite import Letters


class Copy(Letters):
    """Strings of `letters` different letters, drawn with repeats. Every answer is certain."""

    def rewritten(self, source: list[int]) -> list[int]:
        return source
