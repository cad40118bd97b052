"""Weibull: log t follows the law of the least of many, tails lighter or heavier than exponential."""

import numpy as np

from workbench.core.types import FloatArray
from workbench.stragglers.delays.location_scale import FARTHEST, Law, LocationScale, fit_law, law_posterior
from workbench.stragglers.delays.parameters import positive


def _exp(z: FloatArray) -> FloatArray:
    return np.exp(np.minimum(z, FARTHEST))


LAW = Law(
    "weibull",
    on_log_axis=True,
    quantile=lambda level: np.log(np.maximum(-np.log1p(-level), np.finfo(float).tiny)),
    survival=lambda z: np.exp(-_exp(z)),
    density=lambda z: np.exp(z - _exp(z)),
    parameters=lambda location, scale: {"scale_s": float(np.exp(location)), "shape": 1 / scale},
)


def build(n_workers: int, *, scale_s: float | list[float], shape: float | list[float]) -> LocationScale:
    """Return the law P(t > deadline) = exp(-(deadline/scale)^shape).

    Parameters
    ----------
    scale_s : seconds
    shape : of the tail, heavier than exponential below 1
    """
    scale = positive(n_workers, "scale_s", scale_s)  # (W,)
    return LocationScale(LAW, np.log(scale), 1 / positive(n_workers, "shape", shape))


def fit(response_s: FloatArray) -> LocationScale:
    """Fit p_i(deadline) = exp(-(deadline/scale_i)^shape_i) to responses (rounds, W), inf where missing."""
    return fit_law(response_s, LAW)


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
    return law_posterior(response_s, LAW, deadline_s, n_draws, rng=rng)
