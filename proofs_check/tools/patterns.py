"""Exact moments over all straggler patterns of a few workers."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product


def moments_of_sum(messages: Sequence[Fraction | int], straggle_prob: Fraction) -> tuple[Fraction, Fraction]:
    """E s and E s² for the sum s of the messages that come, each of them with probability 1 − p.

    Parameters
    ----------
    messages : of the workers, shape (W,)
    """
    first = second = Fraction(0)
    for came in product((0, 1), repeat=len(messages)):
        prob = Fraction(1)
        for i in came:
            prob *= 1 - straggle_prob if i else straggle_prob
        total = sum((i * each for i, each in zip(came, messages, strict=True)), Fraction(0))
        first, second = first + prob * total, second + prob * total**2
    return first, second
