"""Exponential: a wait without memory and no time for the work itself [fastest_k, Example 1]."""

import numpy as np

from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.parameters import positive
from workbench.stragglers.delays.shifted_exponential import LAW


def build(n_workers: int, *, rate_per_s: float | list[float]) -> LocationScale:
    """Return the law P(t > deadline) = exp(-rate deadline), the shifted one without its shift.

    Parameters
    ----------
    rate_per_s : one over the mean, in 1/s
    """
    rate = positive(n_workers, "rate_per_s", rate_per_s)  # (W,)
    return LocationScale(LAW, np.zeros(n_workers), 1 / rate)
