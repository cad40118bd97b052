"""What the options of problems have in common: sizes that fit into memory, and ridges that are some."""

from workbench.core.errors import InputError

MOST_NUMBERS = 10**9  # of one array of a problem, 8 GB


def check_memory(n_numbers: int, what: str) -> None:
    """Refuse a problem before it asks for an array of more than `MOST_NUMBERS` numbers.

    Raises
    ------
    InputError : too many of them
    """
    if n_numbers > MOST_NUMBERS:
        raise InputError(f"{what}: {n_numbers:.2g} numbers are more than {MOST_NUMBERS:.0e}, take fewer")


def check_ridge(l2: float) -> None:
    """Refuse a ridge that is none.

    Raises
    ------
    InputError : a negative weight
    """
    if l2 < 0:
        raise InputError(f"l2 = {l2:g}: it must not be negative")
