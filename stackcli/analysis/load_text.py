"""Says whether a machine did other work while step times were measured."""

from collections.abc import Iterable

ALONE = 0.25  # busy cores up to which times count as measured alone


def describe_load(loads: Iterable[float | None] | None) -> str:
    """Returns how times were measured, from the cores that other processes kept busy before and after.

    >>> describe_load([0.02, 0.1]), describe_load([0.1, 1.84]), describe_load([0.1, None])
    ('alone on the machine', 'while other work was running (load 1.8)', 'load of the machine unknown')
    """
    found = list(loads or ())
    known = [load for load in found if load is not None]
    if not known or len(known) < len(found):
        return "load of the machine unknown"
    return "alone on the machine" if max(known) <= ALONE else f"while other work was running (load {max(known):.1f})"
