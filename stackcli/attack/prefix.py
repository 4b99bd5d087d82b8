"""Neutral words before the text, which move all of it to later positions; Jia and Liang 2017, arXiv:1707.07328."""

from stackcli.attack._neutral import Beside


class Prefix(Beside):
    """The worst of at most `tries` beginnings such as "please read this and give ...", k words each. The control puts
    random words of the vocabulary there. In a task, whose tokens are no words, both are random tokens."""

    unit = "words put before"
    before = True
