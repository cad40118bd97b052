"""Shifted exponential: a fixed time for the work, then an exponential wait [hetero_gc, eq. 37]."""

import numpy as np

from workbench.core.types import FloatArray
from workbench.stragglers.delays.location_scale import Law, LocationScale, fit_law, law_posterior

LAW = Law(
    "shifted_exponential",
    on_log_axis=False,
    quantile=lambda level: -np.log1p(-level),
    survival=lambda z: np.exp(-np.maximum(z, 0.0)),
    density=lambda z: np.exp(-z),
    parameters=lambda location, scale: {"shift_s": location, "rate_per_s": 1 / scale},
)


def fit(response_s: FloatArray) -> LocationScale:
    """Fit p_i(deadline) = exp(-rate_i (deadline - shift_i)) to responses (rounds, W), inf where missing."""
    return fit_law(response_s, LAW)


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
    return law_posterior(response_s, LAW, deadline_s, n_draws, rng=rng)
