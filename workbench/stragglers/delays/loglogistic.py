"""Log-logistic: a heavy tail, P(t > deadline) falls as a power of the deadline."""

import numpy as np
from scipy.special import expit, logit

from workbench.core.types import FloatArray
from workbench.stragglers.delays.location_scale import Law, LocationScale, fit_law, law_posterior
from workbench.stragglers.delays.parameters import positive

LAW = Law(
    "loglogistic",
    on_log_axis=True,
    quantile=lambda level: logit(np.maximum(level, np.finfo(float).tiny)),
    survival=lambda z: expit(-z),
    density=lambda z: expit(z) * expit(-z),
    parameters=lambda location, scale: {"median_s": float(np.exp(location)), "shape": 1 / scale},
)


def build(n_workers: int, *, median_s: float | list[float], shape: float | list[float]) -> LocationScale:
    """Return the law P(t > deadline) = 1/(1 + (deadline/median)^shape).

    Parameters
    ----------
    median_s : seconds
    shape : exponent of the tail; the mean is infinite up to 1
    """
    median = positive(n_workers, "median_s", median_s)  # (W,)
    return LocationScale(LAW, np.log(median), 1 / positive(n_workers, "shape", shape))


def fit(response_s: FloatArray) -> LocationScale:
    """Fit p_i(deadline) = 1/(1 + (deadline/median_i)^shape_i) to responses (rounds, W), inf where missing."""
    return fit_law(response_s, LAW)


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
    return law_posterior(response_s, LAW, deadline_s, n_draws, rng=rng)
