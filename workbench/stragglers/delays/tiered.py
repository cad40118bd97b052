"""Tiers: contiguous groups of workers of one kind each, as a cluster of several generations of machines."""

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import IntArray
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.parameters import non_negative, positive
from workbench.stragglers.delays.shifted_exponential import LAW


def build(n_workers: int, *, share: list[float], shift_s: list[float], rate_per_s: list[float]) -> LocationScale:
    """Return a shifted exponential law for each tier of workers, the first tier first.

    Tier g ends at worker W (share_1 + ... + share_g) / (share_1 + ... + share_G), rounded.

    Parameters
    ----------
    share : of the workers in each tier, in any unit: fractions or counts, shape (G,)
    shift_s : the tier's least response time, seconds, shape (G,)
    rate_per_s : one over the tier's mean wait, in 1/s, shape (G,)

    Raises
    ------
    InputError : lists of different lengths, or a tier without a worker
    """
    lengths = {"share": len(share), "shift_s": len(shift_s), "rate_per_s": len(rate_per_s)}
    if len(set(lengths.values())) > 1 or not share:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(f"tiers have {found}: give one of each for every tier")
    n_tiers = len(share)
    shift = non_negative(n_tiers, "shift_s", shift_s, "tier")  # (G,)
    rate = positive(n_tiers, "rate_per_s", rate_per_s, "tier")  # (G,)
    tier = _tiers(n_workers, share)  # (W,)
    return LocationScale(LAW, shift[tier], 1 / rate[tier])


def _tiers(n_workers: int, share: list[float]) -> IntArray:
    """Return each worker's tier, shape (W,)."""
    reached = np.cumsum(positive(len(share), "share", share, "tier"))  # (G,)
    ends = np.rint(n_workers * reached / reached[-1]).astype(np.int64)  # (G,)
    sizes = np.diff(ends, prepend=0)  # (G,)
    if sizes.min() < 1:
        raise InputError(
            f"tier {int(np.argmin(sizes))} of {len(share)} gets none of {n_workers} workers: "
            "give it a larger share, or more workers"
        )
    return np.repeat(np.arange(len(share)), sizes)
