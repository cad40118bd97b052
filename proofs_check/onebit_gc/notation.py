"""What all checks of onebit_gc share: the weight κ, the small placements of the examples, and their exact moments."""

from collections.abc import Sequence
from fractions import Fraction

import sympy as sp

from proofs_check.tools.patterns import moments_of_sum

Holds = Sequence[Sequence[int]]  # 0/1, (W, P)
HALF = Fraction(1, 2)

ON_ONE_WORKER: Holds = ((1, 1), (0, 0))  # both parts with the first of two workers
HADAMARD: Holds = ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))  # pair-wise balanced: d = 2, overlaps 2·2/4


def kappa(dim: sp.Expr, answer_prob: sp.Expr) -> sp.Expr:
    """κ = (D − q)/q."""
    return (dim - answer_prob) / answer_prob


def exact_kappa(dim: int, straggle_prob: Fraction) -> Fraction:
    """κ in rationals."""
    return (dim - (1 - straggle_prob)) / (1 - straggle_prob)


def any_size(dim_less_one: sp.Symbol, odds: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """D = 1 + dim_less_one and q = 1/(1 + odds) for nonnegative symbols: every D ≥ 1 and every p in [0, 1)."""
    return 1 + dim_less_one, 1 / (1 + odds)


def masses(holds: Holds) -> list[Fraction]:
    """ℓ_w = Σ_j holds_wj / d_j."""
    copies = [sum(column) for column in zip(*holds, strict=True)]
    return [sum((Fraction(h, d) for h, d in zip(row, copies, strict=True)), Fraction(0)) for row in holds]


def worst_moment(holds: Holds, dim: int, straggle_prob: Fraction) -> Fraction:
    """P² + κ Σ ℓ², the second moment for equal part gradients of square 1."""
    return len(holds[0]) ** 2 + exact_kappa(dim, straggle_prob) * sum(mass**2 for mass in masses(holds))


def printed_moment(holds: Holds, dim: int, straggle_prob: Fraction) -> Fraction:
    """(13) at C = 1."""
    n_workers, n_parts = len(holds), len(holds[0])
    copies = [sum(column) for column in zip(*holds, strict=True)]
    spread = Fraction(n_parts**2 - n_parts, n_workers) + sum(Fraction(1, d) for d in copies)
    return n_parts**2 + exact_kappa(dim, straggle_prob) * spread


def moments_by_patterns(holds: Holds, grads: Sequence[int], straggle_prob: Fraction) -> tuple[Fraction, Fraction]:
    """E ĝ and E ĝ² for D = 1 over all straggler patterns; there (6) has no choice: sign times size is f itself.

    Parameters
    ----------
    grads : of the parts, shape (P,)
    """
    copies = [sum(column) for column in zip(*holds, strict=True)]
    messages = [
        sum((Fraction(h * g, d) for h, g, d in zip(row, grads, copies, strict=True)), Fraction(0)) / (1 - straggle_prob)
        for row in holds
    ]  # eq. 5
    return moments_of_sum(messages, straggle_prob)
