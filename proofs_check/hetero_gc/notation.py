"""What all checks of hetero_gc share: utilities, the signed example, and exact errors over all straggler patterns."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import sympy as sp
from scipy import sparse

from proofs_check.tools.patterns import moments_of_sum
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
    first, second = moments_of_sum([int(np.dot(row, grads)) for row in weights], straggle_prob)
    return first, second - 2 * sum(grads) * first + sum(grads) ** 2


def bound_by_rows(weights: Weights, straggle_prob: Fraction = HALF, *, absolute: bool = False) -> Fraction:
    """Σ_i (1 − p) p (Σ_j a_ij)², without quantization, at C = 1; with |a_ij| where `absolute`."""
    rows = [sum(abs(a) if absolute else a for a in row) for row in weights]
    return (1 - straggle_prob) * straggle_prob * sum(r**2 for r in rows)
