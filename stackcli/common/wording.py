"""Numbers with their words, as messages and tables write them."""


def count_noun(number: int, many: str, one: str = "") -> str:
    """The number with its words, which without `one` lose their last letter where it is 1.

    >>> counted(1200, "runs"), counted(1, "runs"), counted(1, "texts are", "text is")
    ('1,200 runs', '1 run', '1 text is')
    """
    return f"{number:,} {many if number != 1 else one or many[:-1]}"
