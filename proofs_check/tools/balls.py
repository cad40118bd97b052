"""Inequalities over an interval in ball arithmetic: every value lies in its ball, roundings included."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any


def ball(value: Fraction) -> Any:
    """Enclose a rational number."""
    from flint import arb

    return arb(value.numerator) / arb(value.denominator)


def positive_throughout(function: Callable[[Any], Any], low: Fraction, high: Fraction, *, cells: int) -> bool:
    """Show function > 0 on all of [low, high], cut into `cells` balls.

    Parameters
    ----------
    function : of a ball, with flint's functions of balls
    """
    width = (high - low) / cells
    edges = [ball(low + i * width) for i in range(cells + 1)]
    return all(bool(function(left.union(right)) > 0) for left, right in pairwise(edges))


def rounded(number: Any, places: int) -> Fraction | None:
    """Round a ball to a decimal number; None if its ends differ in it."""
    whole = (number * 10**places + ball(Fraction(1, 2))).floor().unique_fmpz()
    return None if whole is None else Fraction(int(whole), 10**places)
