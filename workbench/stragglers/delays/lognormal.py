"""Lognormal: log t is normal, as the product of many small delays."""

import numpy as np
from scipy.special import ndtr, ndtri

from workbench.core.types import FloatArray
from workbench.stragglers.delays.location_scale import Law, LocationScale, fit_law, law_posterior
from workbench.stragglers.delays.parameters import positive

LAW = Law(
    "lognormal",
    on_log_axis=True,
    quantile=lambda level: ndtri(np.maximum(level, np.finfo(float).tiny)),
    survival=lambda z: ndtr(-z),
    density=lambda z: np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    parameters=lambda location, scale: {"log_mean": location, "log_sd": scale},
)


def build(n_workers: int, *, median_s: float | list[float], log_sd: float | list[float]) -> LocationScale:
    """Return the law whose logarithm is normal around log(median).

    Parameters
    ----------
    median_s : seconds
    log_sd : standard deviation of log t
    """
    median = positive(n_workers, "median_s", median_s)  # (W,)
    return LocationScale(LAW, np.log(median), positive(n_workers, "log_sd", log_sd))


def fit(response_s: FloatArray) -> LocationScale:
    """Fit p_i(deadline) = Phi((log_mean_i - log deadline)/log_sd_i) to responses (rounds, W), inf missing."""
    return fit_law(response_s, LAW)


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
    return law_posterior(response_s, LAW, deadline_s, n_draws, rng=rng)
