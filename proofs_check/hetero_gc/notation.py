"""What all checks of hetero_gc share: utilities, the signed example, and exact errors over all straggler patterns."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import sympy as sp

from proofs_check.tools.symbolic import is_identity, is_nonnegative

Weights = Sequence[Sequence[int]]  # a_ij, (W, P)
HALF = Fraction(1, 2)

SIGNED: Weights = ((3, -1), (-1, 3))  # unbiased at p = 1/2, and of Theorem 1's row sums, 2 each
OPPOSED = (1, -1)  # the parts' gradients of the signed example, (P,)

BOUNDED = "bounded part gradients"
UNBIASED = "unbiased code"
INDEPENDENT = "independent stragglers"
NONNEGATIVE = "nonnegative weights"
OPTIMAL = "optimal structure with nonnegative weights"
STRONGLY_CONVEX = "strong convexity"
SMOOTH = "smoothness"
SMALL_STEP = "step size at most 1/L"


def utility(straggle_prob: sp.Expr, omega: sp.Expr) -> sp.Expr:
    """u = (1 − p)/(p + ω)."""
    return (1 - straggle_prob) / (straggle_prob + omega)


def is_bounded_product(bound: sp.Symbol, g: sp.Symbol, h: sp.Symbol, sign: int) -> bool:
    """Show sign·<g, h> ≤ C for ‖g‖², ‖h‖² ≤ C: 2(C − sign gh) = (C − g²) + (C − h²) + (g − sign h)²."""
    return is_identity(2 * (bound - sign * g * h), (bound - g**2) + (bound - h**2) + (g - sign * h) ** 2)


def is_nonnegative_form(expression: sp.Expr, form: sp.Expr) -> bool:
    """Show expression = form ≥ 0; naming the form leaves no room for a slip that stays nonnegative."""
    return is_identity(expression, form) and is_nonnegative(form)


def moments_by_patterns(
    weights: Weights, grads: Sequence[int], straggle_prob: Fraction = HALF
) -> tuple[Fraction, Fraction]:
    """E ĝ and E (ĝ − g)² for D = 1 over all straggler patterns; there the quantizer is exact: |x|/‖x‖ is a level.

    Parameters
    ----------
    grads : of the parts, shape (P,)
    """
    messages = [sum(a * g for a, g in zip(row, grads, strict=True)) for row in weights]
    mean = error = Fraction(0)
    for came in product((0, 1), repeat=len(weights)):
        prob = Fraction(1)
        for i in came:
            prob *= 1 - straggle_prob if i else straggle_prob
        estimate = sum(i * h for i, h in zip(came, messages, strict=True))
        mean, error = mean + prob * estimate, error + prob * (estimate - sum(grads)) ** 2
    return mean, error


def bound_by_rows(weights: Weights, straggle_prob: Fraction = HALF, *, absolute: bool = False) -> Fraction:
    """Σ_i (1 − p) p (Σ_j a_ij)², without quantization, at C = 1; with |a_ij| where `absolute`."""
    rows = [sum(abs(a) if absolute else a for a in row) for row in weights]
    return (1 - straggle_prob) * straggle_prob * sum(r**2 for r in rows)
