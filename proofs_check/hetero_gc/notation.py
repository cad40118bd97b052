"""What all checks of hetero_gc share: utilities, the signed example, and exact errors over all straggler patterns."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import sympy as sp
from scipy import sparse

from proofs_check.tools.symbolic import is_identity, is_nonnegative
from workbench.codes.code import Decoder, GradientCode
from workbench.core.types import FloatArray
from workbench.quantizers.identity import FLOAT_BITS, Identity

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


def is_bounded_product(bound: sp.Symbol, g: sp.Symbol, h: sp.Symbol) -> bool:
    """Show |<g, h>| ≤ C for ‖g‖², ‖h‖² ≤ C: 2(C − σ gh) = (C − g²) + (C − h²) + (g − σh)² + h²(1 − σ²), σ = ±1."""
    sign = sp.Symbol("sign", real=True)
    squares = (bound - g**2) + (bound - h**2) + (g - sign * h) ** 2
    return is_identity(2 * (bound - sign * g * h) - squares, h**2 * (1 - sign**2))


def is_nonnegative_form(expression: sp.Expr, form: sp.Expr) -> bool:
    """Show expression = form ≥ 0; naming the form leaves no room for a slip that stays nonnegative."""
    return is_identity(expression, form) and is_nonnegative(form)


def plain_code(encode: FloatArray, decoder: Decoder) -> GradientCode:
    """Return a code whose messages are not quantized; encode has shape (W, P)."""
    full = np.full(len(encode), FLOAT_BITS)  # (W,)
    return GradientCode("plain", sparse.csr_array(encode), decoder, Identity(full))


def moments_by_patterns(
    weights: Weights, grads: Sequence[int], straggle_prob: Fraction = HALF
) -> tuple[Fraction, Fraction]:
    """E ĝ and E (ĝ − g)² for D = 1 over all straggler patterns; there the quantizer is exact: |x|/‖x‖ is a level.

    Parameters
    ----------
    grads : of the parts, shape (P,)
    """
    messages = [int(np.dot(row, grads)) for row in weights]
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
