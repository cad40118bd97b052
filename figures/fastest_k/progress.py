"""How far runs are after some rounds, what that took, and who reaches an error first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from figures.claims import Estimate, Finding, Outcome, ratio, worst
from figures.quantities import Array
from workbench.core.types import FloatArray, Trajectory
from workbench.quantizers.identity import FLOAT_BITS

N_GROUPS = 10  # of runs, whose means are compared: single runs dip far below their mean
ADAPTIVE = "fastest_k_adaptive"
ROUNDED = 0.005  # ratios that differ by less are told once


def windows(n_iters: int, n_points: int, width: int) -> list[list[int]]:
    """Return the iterations to average over: single early ones, then `n_points` evenly spaced windows.

    Parameters
    ----------
    width : iterations of a window, which ends at its point
    """
    ends = np.linspace(0, n_iters, n_points + 1)[1:].round().astype(int)  # (points,)
    first = ends[0] - width
    early = [0, *(2**power for power in range(int(ends[0]).bit_length()) if 2**power <= first)]
    return [[each] for each in early] + [list(range(end - width + 1, end + 1)) for end in ends]


@dataclass(frozen=True)
class Progress:
    """What each run has reached and spent at its windows; every array is (R, points).

    downloads : gradients that the master took in, in vectors; transfers : these and the iterates that it sent
    """

    error: FloatArray
    seconds: FloatArray
    downloads: FloatArray
    transfers: FloatArray
    n_wait: FloatArray


def progress(trajectory: Trajectory, error: FloatArray, averaged: Sequence[Sequence[int]]) -> Progress:
    """Average errors (R, T+1) and costs over the windows whose iterations are the trajectory's checkpoints."""
    sizes = np.array([len(each) for each in averaged])  # (points,)
    starts = np.cumsum(sizes) - sizes  # (points,)
    vector_bits = FLOAT_BITS * int(str(trajectory.config["dim"]))

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, starts, axis=1) / sizes)  # (R, points)

    downloads = mean(trajectory.bits_up) / vector_bits
    return Progress(
        mean(error),
        mean(trajectory.seconds),
        downloads,
        downloads + mean(trajectory.bits_down) / vector_bits,
        mean(trajectory.measures["n_wait"]),
    )


def at_times(error: FloatArray, clock: FloatArray, grid: FloatArray) -> FloatArray:
    """Read each run's error on a grid of times, log-linear between its windows, shape (R, G); NaN after its end.

    Parameters
    ----------
    error, clock : shape (R, points)
    """
    rows = [
        np.where(grid <= own[-1], np.exp(np.interp(grid, own, np.log(values))), np.nan)
        for values, own in zip(error, clock, strict=True)
    ]
    return np.stack(rows)


def reached(error: FloatArray, clock: FloatArray, target: float) -> FloatArray:
    """When, or at what cost, each run first has the target error, log-linear between windows; NaN where never, (R,).

    Parameters
    ----------
    error, clock : shape (R, points)
    """
    found = np.full(len(error), np.nan)  # (R,)
    for run, (values, own) in enumerate(zip(error, clock, strict=True)):
        there = np.flatnonzero(values <= target)
        if there.size and there[0] == 0:
            found[run] = own[0]
        elif there.size:
            above, below = np.log(values[there[0] - 1]), np.log(values[there[0]])
            share = (above - np.log(target)) / (above - below)
            found[run] = own[there[0] - 1] + share * (own[there[0]] - own[there[0] - 1])
    return found


def grouped(values: FloatArray) -> FloatArray:
    """Average runs (R, ...) in ten groups, or fewer runs as they are, shape (G, ...)."""
    return np.stack([each.mean(axis=0) for each in np.array_split(values, min(N_GROUPS, len(values)))])


def reached_by_groups(error: FloatArray, clock: FloatArray, target: float) -> FloatArray:
    """When the mean error of each group of runs is first the target, shape (G,); arguments as of `reached`."""
    return reached(grouped(error), grouped(clock), target)


class Race(NamedTuple):
    """What the adaptive scheme needs to an error, as a multiple of what the best fixed k needs."""

    target: float
    best: str
    ratio: Estimate

    @property
    def outcome(self) -> Outcome:
        """Whether the adaptive scheme needs less; where both do exactly the same, it does not."""
        if self.ratio.high < 1:
            return Outcome.REPRODUCED
        return Outcome.NOT_REPRODUCED if self.ratio.low >= 1 else Outcome.INCONCLUSIVE


def races(error: Array, clock: Array, schemes: Array, targets: Iterable[float]) -> list[Race]:
    """Compare to every target that all groups of adaptive runs reach; a fixed k that some do not is no rival.

    Parameters
    ----------
    error, clock : shape (schemes, R, points)
    schemes : names; those of fixed k end in k, shape (schemes,)
    """
    found: list[tuple[float, FloatArray, str, FloatArray]] = []
    for target in targets:
        needs = {label(str(name)): reached_by_groups(error[s], clock[s], target) for s, name in enumerate(schemes)}
        mine = needs.pop(label(ADAPTIVE))
        rivals = {name: each for name, each in needs.items() if np.isfinite(each).all()}
        if np.isfinite(mine).all():
            best = min(rivals, key=lambda name: float(rivals[name].mean()), default="no fixed k")
            found.append((target, mine, best, rivals.get(best, np.full(len(mine), np.inf))))
    return [Race(target, best, _share(mine, other, len(found))) for target, mine, best, other in found]


def _share(mine: FloatArray, other: FloatArray, n_looks: int) -> Estimate:
    return ratio(mine, other, n_looks=n_looks) if np.isfinite(other).all() else Estimate(0.0, 0.0, 0.0)


def label(name: str) -> str:
    """Say which k a scheme's name stands for."""
    return f"k = {name.rpartition('_')[2]}"


def told(compared: Sequence[Race]) -> str:
    """Say the ratios in a line, those against the same rival together."""
    parts = []
    for best, group in groupby(compared, key=lambda each: each.best):
        own = list(group)
        ratios = sorted(each.ratio.mean for each in own)
        span = f"{ratios[0]:.3g}" if ratios[-1] - ratios[0] < ROUNDED else f"{ratios[0]:.3g} to {ratios[-1]:.3g}"
        errors = f"{own[0].target:.2g}" if len(own) == 1 else f"{own[0].target:.2g} to {own[-1].target:.2g}"
        exact = all(each.ratio.low == each.ratio.high == 1 for each in own)
        parts.append(f"{'exactly as much as' if exact else f'{span} ×'} {best} for error {errors}")
    return "; ".join(parts)


def less_for_every_error(compared: Sequence[Race], what: str) -> Finding:
    """Judge "the adaptive version needs less for any given error"."""
    if not compared:
        return Finding(Outcome.INCONCLUSIVE, "the adaptive runs reach none of these errors")
    outcome = worst([each.outcome for each in compared])
    return Finding(outcome, f"{what} of adaptive k: {told(compared)}", evidence(compared))


def evidence(compared: Sequence[Race]) -> dict[str, float]:
    """The ratios and their intervals by name."""
    return {
        name: number for each in compared for name, number in each.ratio.evidence(f"ratio_at_{each.target:.2g}").items()
    }
