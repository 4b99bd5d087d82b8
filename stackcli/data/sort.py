"""Write the letters of a string in their order, cf. Kazemnejad et al. 2023, arXiv:2305.19466.

input   c a b :  a  b  c
answer        a  b  c  ;
"""

from stackcli.data._rewrite import Letters


class Sort(Letters):
    """Strings of `letters` different letters, drawn with repeats. Every answer is certain."""

    def rewritten(self, source: list[int]) -> list[int]:
        return sorted(source)
