"""Curves of many runs: their mean with its band, and what each run has at a time or when it has a value."""

import numpy as np

from figures.quantities import Quantity
from workbench.core.types import FloatArray
from workbench.engine.compare import mean_band


def banded(name: str, samples: FloatArray, axes: tuple[str, ...], *, unit: str = "1") -> dict[str, Quantity]:
    """Return mean over runs and 95 % band of curves as three quantities, name, name_low and name_high.

    Parameters
    ----------
    samples : shape (..., R, points); where the mean of all is shown, a run that diverged makes it infinite
    axes : of the result, (..., points): the runs' axis is gone
    """
    lead = samples.shape[:-2]
    flat = samples.reshape(-1, *samples.shape[-2:])  # (curves, R, points)
    shown = np.empty((3, len(flat), samples.shape[-1]))  # (3, curves, points)
    for row, curves in enumerate(flat):
        finite = np.isfinite(curves).all(axis=0)  # (points,)
        shown[:, row] = np.inf
        if finite.any():
            shown[:, row, finite] = mean_band(curves[:, finite])
    names = (name, f"{name}_low", f"{name}_high")
    return {each: Quantity(axes, values.reshape(*lead, -1), unit) for each, values in zip(names, shown, strict=True)}


def on_clock(values: FloatArray, clock: FloatArray, grid: FloatArray) -> FloatArray:
    """Read each run's values at the times of a grid: that of the last checkpoint by then, shape (R, G).

    Parameters
    ----------
    values, clock : at the checkpoints of each run, shape (R, T+1); the clock begins at 0 and never goes back
    grid : times, or bits, at which a run whose clock has ended has no value (NaN), shape (G,)
    """
    read = np.empty((len(values), len(grid)))  # (R, G)
    for row, (own, times) in enumerate(zip(values, clock, strict=True)):
        at = np.searchsorted(times, grid, side="right") - 1  # (G,)
        read[row] = np.where(grid <= times[-1], own[at], np.nan)
    return read


def first_time(values: FloatArray, clock: FloatArray, target: float) -> FloatArray:
    """When each run first has a value of at most `target`, NaN where never, shape (R,).

    Parameters
    ----------
    values, clock : at the checkpoints of each run, shape (R, T+1)
    """
    reached = values <= target  # (R, T+1)
    first = reached.argmax(axis=1)  # (R,)
    return np.where(reached.any(axis=1), clock[np.arange(len(clock)), first], np.nan)
