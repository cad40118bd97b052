"""Concave envelopes of the utilities, and the Lagrangian dual that they solve."""

from typing import NamedTuple

import numpy as np

from workbench.core.types import FloatArray, IntArray
from workbench.solvers.bit_allocation.problem import Instance, VarianceOfBits, set_up

ROWS = 2048  # of the table worked on at once, to stay in the cache


class Segments(NamedTuple):
    """Segments of the envelopes of all workers, steepest first, (S,) each; a worker's own ones stay in order."""

    worker: IntArray
    width: FloatArray  # in bits
    slope: FloatArray  # utility a bit


def lagrangian_bound(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> float:
    """Return min over λ >= 0 of λB + Σ_i max_b (u_i(b) − λb), which no allocation exceeds.

    The dual is piecewise linear and its minimum is that of the concave envelopes: their segments are bought
    by decreasing slope until the budget is spent, the last one in part.
    """
    return dual_value(set_up(straggle_prob, variance_of_bits, budget, allow_idle))


def dual_value(instance: Instance) -> float:
    """Return the least Lagrangian dual value: the concave envelopes' best."""
    segments = envelope_segments(instance.gain)
    return float(instance.gain[:, 0].sum() + np.sum(segments.slope * filled(segments.width, instance.room)))


def filled(width: FloatArray, room: float) -> FloatArray:
    """Return how much of each segment (S,) is bought when they are bought in their order, (S,)."""
    return np.clip(room - (np.cumsum(width) - width), 0, width)


def envelope_segments(table: FloatArray, grid: FloatArray | None = None) -> Segments:
    """Return the segments of the rows' concave envelopes.

    Parameters
    ----------
    table : (W, M), utilities at the grid's points
    grid : (M,), increasing; 0, 1, ..., M − 1 by default
    """
    points = np.arange(table.shape[1]).astype(float) if grid is None else grid  # (M,)
    found = [_of_rows(table[start : start + ROWS], points, start) for start in range(0, len(table), ROWS)]
    worker, width, slope = (np.concatenate(part) for part in zip(*found, strict=True))
    # stable, and each worker's slopes do not increase: its segments stay in their order
    order = np.argsort(-slope, kind="stable")
    return Segments(worker[order], width[order], slope[order])


def _of_rows(table: FloatArray, grid: FloatArray, first: int) -> Segments:
    """Walk all envelopes at once from corner to corner: the next one is where the slope from here is largest."""
    n_workers, n_points = table.shape
    rows = np.arange(n_workers)
    at = np.zeros(n_workers, np.int64)  # (W,) the envelope's corner reached by each worker
    workers, widths, slopes = [], [], []
    while (active := rows[at < n_points - 1]).size:
        corner = at[active]  # (active,)
        ahead = int(corner.min()) + 1
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = (table[active, ahead:] - table[active, corner][:, None]) / (grid[ahead:] - grid[corner][:, None])
        rise[np.arange(ahead, n_points) <= corner[:, None]] = -np.inf
        follower = ahead + np.argmax(rise, axis=1)
        workers.append(first + active)
        widths.append(grid[follower] - grid[corner])
        slopes.append(rise.max(axis=1))
        at[active] = follower
    return Segments(np.concatenate(workers), np.concatenate(widths), np.concatenate(slopes))
