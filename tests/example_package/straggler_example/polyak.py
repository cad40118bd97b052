"""A bound: gradient descent under the Polyak-Łojasiewicz inequality."""

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim


@claim("polyak", "Theorem 4", assumes=("smoothness", "Polyak-Łojasiewicz inequality"))
def theorem_4(strong_convexity: float, smoothness: float, n_iters: npt.ArrayLike, *, loss_gap: float = 1.0) -> Bound:
    """Bound F(x_T) − F* ≤ (1 − μ/L)^T (F(x_0) − F*) for the step size 1/L."""
    return Bound(loss_gap * (1 - strong_convexity / smoothness) ** np.asarray(n_iters, float), "F(x_T) − F*")
