"""Exact answers about workers whose delays take finitely many values: rounds done, order statistics, part averages."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product

Law = Mapping[Fraction, Fraction]  # value -> probability


def rounds_done(law: Law, time: Fraction) -> dict[int, Fraction]:
    """Return the law of J(t), how many rounds end by `time`, their positive lengths drawn from `law`."""
    done: dict[int, Fraction] = {}
    pending: dict[tuple[int, Fraction], Fraction] = {(0, Fraction(0)): Fraction(1)}
    while pending:
        later: dict[tuple[int, Fraction], Fraction] = {}
        for (count, end), weight in pending.items():
            for length, prob in law.items():
                if end + length > time:
                    done[count] = done.get(count, Fraction(0)) + weight * prob
                else:
                    key = count + 1, end + length
                    later[key] = later.get(key, Fraction(0)) + weight * prob
        pending = later
    return done


def order_statistic(law: Law, n_workers: int, n_wait: int) -> dict[Fraction, Fraction]:
    """Return the law of the k-th smallest of n independent delays."""
    found: dict[Fraction, Fraction] = {}
    for drawn in product(law.items(), repeat=n_workers):
        value = sorted(each for each, _ in drawn)[n_wait - 1]
        weight = Fraction(1)
        for _, prob in drawn:
            weight *= prob
        found[value] = found.get(value, Fraction(0)) + weight
    return found


def mean(law: Law) -> Fraction:
    """Return E T."""
    return sum((value * prob for value, prob in law.items()), Fraction(0))


def variance(law: Law) -> Fraction:
    """Return Var T."""
    centre = mean(law)
    return sum((prob * (value - centre) ** 2 for value, prob in law.items()), Fraction(0))


def averages(values: Sequence[Fraction], n_wait: int) -> Iterator[Fraction]:
    """Yield the averages of all subsets of `n_wait` values, each as likely as the others."""
    for subset in combinations(values, n_wait):
        yield sum(subset, Fraction(0)) / n_wait
