"""Neutral words after the text, which leave its positions as they are; Jia and Liang 2017, arXiv:1707.07328."""

from stackcli.attack._neutral import Beside


class Suffix(Beside):
    """The worst of at most `tries` ends such as "please read this and give ...", k words each. The control puts
    random words of the vocabulary there. In a task, whose tokens are no words, both are random tokens."""

    unit = "words put after"
    before = False
