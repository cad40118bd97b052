"""A bound: gradient descent under the Polyak-Łojasiewicz inequality."""

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError

SMOOTH = "smoothness"
POLYAK = "Polyak-Łojasiewicz inequality"


@claim("polyak", "Theorem 4", assumes=(SMOOTH, POLYAK))
def theorem_4(strong_convexity: float, smoothness: float, n_iters: npt.ArrayLike, *, loss_gap: float = 1.0) -> Bound:
    """Bound F(x_T) − F* ≤ (1 − μ/L)^T (F(x_0) − F*) for the step size 1/L."""
    rounds = np.asarray(n_iters, float)  # (K,)
    if not 0 < strong_convexity <= smoothness:
        raise InputError(f"mu = {strong_convexity:g}, L = {smoothness:g}: give 0 < strong_convexity <= smoothness")
    if np.any(rounds < 0) or not loss_gap >= 0:
        raise InputError(f"n_iters from {rounds.min(initial=0):g} on, loss_gap = {loss_gap:g}: neither is negative")
    return Bound(loss_gap * (1 - strong_convexity / smoothness) ** rounds, "F(x_T) − F*")
