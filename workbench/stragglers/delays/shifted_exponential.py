"""Shifted exponential: a fixed time for the work, then an exponential wait [hetero_gc, eq. 37]."""

import numpy as np

from workbench.core.types import FloatArray
from workbench.stragglers.delays.location_scale import Law, LocationScale, fit_law, law_posterior
from workbench.stragglers.delays.parameters import non_negative, positive


def _quantile(level: FloatArray) -> FloatArray:
    """Return -log(1 - level), without arrays for the steps between: in large ones they take most of the time."""
    z = np.empty(np.shape(level))
    np.negative(level, out=z)
    np.log1p(z, out=z)
    return np.negative(z, out=z)


LAW = Law(
    "shifted_exponential",
    on_log_axis=False,
    quantile=_quantile,
    survival=lambda z: np.exp(-np.maximum(z, 0.0)),
    density=lambda z: np.exp(-z),
    parameters=lambda location, scale: {"shift_s": location, "rate_per_s": 1 / scale},
)


def build(n_workers: int, *, shift_s: float | list[float], rate_per_s: float | list[float]) -> LocationScale:
    """Return the law P(t > deadline) = exp(-rate (deadline - shift)) beyond the shift.

    Parameters
    ----------
    shift_s : the least response time, seconds
    rate_per_s : one over the mean wait beyond it, in 1/s
    """
    rate = positive(n_workers, "rate_per_s", rate_per_s)  # (W,)
    return LocationScale(LAW, non_negative(n_workers, "shift_s", shift_s), 1 / rate)


def fit(response_s: FloatArray) -> LocationScale:
    """Fit p_i(deadline) = exp(-rate_i (deadline - shift_i)) to responses (rounds, W), inf where missing."""
    return fit_law(response_s, LAW)


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
    return law_posterior(response_s, LAW, deadline_s, n_draws, rng=rng)
