"""Methods side by side: the same stragglers, the same tuning budget, and what the runs can tell apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import stats

from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Problem, Trajectory
from workbench.engine.loop import simulate
from workbench.engine.parallel import run_jobs
from workbench.problems.regularity import curvature_at
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, GridStep
from workbench.schemes.wait_for_all import WaitForAll

STEP_GRID = tuple(np.geomspace(0.01, 30, 10).tolist())  # multiples of 1/smoothness
REFINEMENT = (-2 / 3, -1 / 3, 1 / 3, 2 / 3)  # steps tried around a method's best one, in powers of the grid's ratio
MAX_EXTENSIONS = 3
EXTENSION = 2  # values added at an edge
PILOT_SEED_SHIFT = 1_000_003  # pilots must not see the noise that the comparison is made on

T = TypeVar("T")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Method:
    """One method with the step size that its pilot runs chose, and what it did with it."""

    name: str
    step_size: float
    trajectory: Trajectory
    step_grid: FloatArray  # (G,)  step sizes tried, ascending
    pilot_loss: FloatArray  # (G, pilots)  final loss, infinite where a pilot diverged
    at_edge: bool  # the best step of the common grid is its least or its largest

    @property
    def diverged_rate(self) -> float:
        """Share of runs that diverged."""
        return float(self.trajectory.diverged.mean())


@dataclass(frozen=True)
class Comparison:
    """Methods on the same problem and the same stragglers."""

    methods: tuple[Method, ...]

    def __getitem__(self, name: str) -> Method:
        """Return the method called `name`, or say which ones there are."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(method.name for method in self.methods)
        raise InputError(f"no method '{name}' in the comparison: choose one of {known}")


@dataclass(frozen=True)
class Separation:
    """What the runs say about one method against the base; positive differences favour the base.

    The p-values are for the step sizes chosen. By resampling our own differences, a nominal level of 0.001 may
    be 0.003 in truth: what lies below 0.001 says no more than that.
    """

    name: str
    base: str
    difference: float  # mean paired difference of final losses, method − base
    low: float  # confidence interval of it, simultaneous over the methods
    high: float
    p_value: float  # two-sided paired t-test, Holm-adjusted over the methods
    is_separated: bool  # never when a run of either diverged
    n_pairs: int  # runs where neither diverged


def coded_schemes(
    setting: Setting, codes: Sequence[GradientCode], *, deadline_s: float | None, reference: bool = True
) -> list[CodedSgd | WaitForAll]:
    """Return a scheme for each code, and for gradient descent that waits for all; the step sizes are to be tuned."""
    untuned = ConstantStep(1.0)
    coded = [CodedSgd(setting, code, untuned, deadline_s) for code in codes]
    return [*coded, *([WaitForAll(setting, untuned)] if reference else [])]


def compare(
    schemes: Sequence[Any],
    *,
    n_iters: int,
    n_runs: int,
    seed: int,
    pilot_runs: int = 3,
    step_grid: Sequence[float] = STEP_GRID,
    checkpoints: Sequence[int] | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Tune and run every scheme on the same stragglers.

    Each takes the constant step size with the least mean final loss over its pilot runs. All share one grid:
    while the best step of any lies at an edge, the grid grows there for all of them. Then each tries four more
    steps between its best one's neighbours.

    Parameters
    ----------
    schemes : of one setting, each with a `step_size`, whatever it is now
    step_grid : multiples of 1/smoothness, ascending, geometrically spaced, at least 2; of the inverse curvature at
        the start where the problem claims no smoothness
    n_jobs : processes; the result does not depend on it
    progress : called with (stage, methods done, methods in all)

    Raises
    ------
    InputError : two schemes of one name, a bad grid, a problem that is flat at the start and claims no smoothness
    """
    names = [scheme.name for scheme in schemes]
    if len(set(names)) < len(names) or not names:
        raise InputError(f"methods {', '.join(names) or '(none)'}: give at least one, each name once")
    grid = np.asarray(step_grid, float) / _curvature(schemes[0].setting.problem)  # (G,)
    if len(grid) < 2 or pilot_runs < 1 or not (grid[0] > 0 and np.all(np.diff(grid) > 0)):
        raise InputError(f"step_grid {list(step_grid)}, pilot_runs {pilot_runs}: at least 2 ascending steps, 1 run")

    def over_methods(stage: str, jobs: Sequence[Callable[[], T]]) -> list[T]:
        return run_jobs(jobs, n_jobs, progress and (lambda done: progress(stage, done, len(names))))

    def pilots(steps: FloatArray) -> FloatArray:
        each = np.broadcast_to(steps, (len(schemes), steps.shape[-1]))  # (methods, steps)
        jobs = [
            partial(_pilot, scheme, own, n_iters=n_iters, n_runs=pilot_runs, seed=seed + PILOT_SEED_SHIFT)
            for scheme, own in zip(schemes, each, strict=True)
        ]
        return np.stack(over_methods("tune", jobs))  # (methods, steps, pilots)

    loss = pilots(grid)  # (methods, G, pilots)
    for _ in range(MAX_EXTENSIONS):
        best = loss.mean(axis=2).argmin(axis=1)  # (methods,)
        if np.any(best == 0):
            steps = grid[0] * (grid[0] / grid[1]) ** np.arange(EXTENSION, 0, -1)
            grid, loss = np.concatenate([steps, grid]), np.concatenate([pilots(steps), loss], axis=1)
        elif np.any(best == len(grid) - 1):
            steps = grid[-1] * (grid[-1] / grid[-2]) ** np.arange(1, EXTENSION + 1)
            grid, loss = np.concatenate([grid, steps]), np.concatenate([loss, pilots(steps)], axis=1)
        else:
            break
    best = loss.mean(axis=2).argmin(axis=1)  # (methods,)
    at_edge = (best == 0) | (best == len(grid) - 1)  # (methods,)
    finer = grid[best][:, None] * (grid[1] / grid[0]) ** np.array(REFINEMENT)  # (methods, 4)
    tried = np.concatenate([np.tile(grid, (len(names), 1)), finer], axis=1)  # (methods, G)
    loss = np.concatenate([loss, pilots(finer)], axis=1)  # (methods, G, pilots)
    order = np.argsort(tried, axis=1)  # (methods, G)
    tried, loss = np.take_along_axis(tried, order, axis=1), np.take_along_axis(loss, order[:, :, None], axis=1)
    chosen = tried[np.arange(len(names)), loss.mean(axis=2).argmin(axis=1)]  # (methods,)
    trajectories = over_methods(
        "run",
        [
            partial(
                simulate,
                replace(scheme, step_size=ConstantStep(float(step))),
                n_iters=n_iters,
                n_runs=n_runs,
                seed=seed,
                checkpoints=checkpoints,
            )
            for scheme, step in zip(schemes, chosen, strict=True)
        ],
    )
    return Comparison(
        tuple(
            Method(name, float(step), trajectory, steps, table, bool(edge))
            for name, step, trajectory, steps, table, edge in zip(
                names, chosen, trajectories, tried, loss, at_edge, strict=True
            )
        )
    )


def _pilot(scheme: Any, steps: FloatArray, *, n_iters: int, n_runs: int, seed: int) -> FloatArray:
    """Final loss of n_runs pilots at each step size (G,), the same noise for each, shape (G, n_runs)."""
    trajectory = simulate(
        replace(scheme, step_size=GridStep(tuple(steps.tolist()), n_runs)),
        n_iters=n_iters,
        n_runs=n_runs,
        n_repeats=len(steps),
        seed=seed,
        checkpoints=[n_iters],
    )
    loss = trajectory.loss[:, -1].reshape(len(steps), n_runs)
    return np.where(np.isfinite(loss), loss, np.inf)


def _curvature(problem: Problem) -> float:
    """Return the smoothness, or the curvature at the start: a step size's unit is its inverse."""
    curvature = problem.regularity.smoothness or curvature_at(problem, problem.initial())
    if not 0 < curvature < np.inf:
        raise InputError(f"problem {problem.name} is flat at its start and claims no smoothness: steps have no unit")
    return curvature


def mean_band(
    samples: FloatArray, confidence: float = 0.95, *, scale: Literal["linear", "log"] = "linear"
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean over runs and its Student-t band at each checkpoint, leaving diverged runs out.

    The linear scale speaks of the expectation, which the theorems bound. The log scale gives the geometric
    mean, and suits an excess loss that spans decades: its band stays positive.

    Parameters
    ----------
    samples : one row a run, shape (R, T+1); a row with an infinite or missing value is left out
    confidence : of the band at one checkpoint, not of all at once

    Returns
    -------
    mean, low, high, each (T+1,); the band is infinite for fewer than two runs
    """
    kept = samples[np.isfinite(samples).all(axis=1)]  # (runs, T+1)
    if len(kept) == 0:
        unknown = np.full(samples.shape[1], np.nan)  # (T+1,)
        return unknown, unknown, unknown
    if scale == "log":
        if np.any(kept <= 0):
            raise InputError("mean_band on the log scale needs positive samples: use scale='linear'")
        mean, low, high = mean_band(np.log(kept), confidence)
        return np.exp(mean), np.exp(low), np.exp(high)
    mean = kept.mean(axis=0)  # (T+1,)
    half = np.full_like(mean, np.inf)  # (T+1,)
    if len(kept) > 1:
        quantile = stats.t.ppf((1 + confidence) / 2, len(kept) - 1)
        half = quantile * kept.std(axis=0, ddof=1) / np.sqrt(len(kept))
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Cost:
    """What it took until the mean loss was reached."""

    rounds: int
    seconds: float
    bits_up: float


def cost_to_reach(method: Method, loss: float) -> Cost | None:
    """Return the median cost at the first checkpoint whose mean loss is at most `loss`; None if there is none."""
    trajectory = method.trajectory
    reached = np.flatnonzero(mean_band(trajectory.loss)[0] <= loss)
    if reached.size == 0:
        return None
    at = reached[0]
    seconds, bits_up = (float(typical(values)[at]) for values in (trajectory.seconds, trajectory.bits_up))
    return Cost(int(trajectory.iterations[at]), seconds, bits_up)


def typical(values: FloatArray) -> FloatArray:
    """Return the median over runs (R, T+1) at each checkpoint: a wait that never ends in one run stays in view."""
    return np.asarray(np.median(values, axis=0))


def separation(
    comparison: Comparison, base: str = "optimally_structured", *, level: float = 0.05
) -> tuple[Separation, ...]:
    """Say which methods the runs tell apart from `base`: paired t-tests on the final loss.

    Runs are paired because they met the same stragglers. Holm's adjustment keeps the probability of any
    false separation at `level` or below; the intervals are Bonferroni's, and so a little more cautious.

    Raises
    ------
    InputError : no such base
    """
    base_loss = comparison[base].trajectory.loss[:, -1]  # (R,)
    others = [method for method in comparison.methods if method.name != base]
    raw: list[tuple[float, float, float, int]] = []  # difference, half width, p-value, pairs
    for method in others:
        difference = method.trajectory.loss[:, -1] - base_loss  # (R,)
        raw.append(_paired(difference[np.isfinite(difference)], level / len(others)))
    order = np.argsort([p for _, _, p, _ in raw], kind="stable")  # (others,)
    adjusted = np.empty(len(others))  # (others,)
    so_far = 0.0
    for rank, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(others) - rank) * raw[index][2]))
        adjusted[index] = so_far
    return tuple(
        Separation(
            method.name,
            base,
            mean,
            mean - half,
            mean + half,
            float(p),
            bool(p <= level and pairs == len(base_loss)),
            pairs,
        )
        for method, (mean, half, _, pairs), p in zip(others, raw, adjusted, strict=True)
    )


def _paired(difference: FloatArray, level: float) -> tuple[float, float, float, int]:
    """Mean of paired differences (pairs,), half width of its interval, two-sided p-value, pairs."""
    pairs = len(difference)
    if pairs < 2:
        return float(difference.mean()) if pairs else float("nan"), float("inf"), 1.0, pairs
    mean = float(difference.mean())
    error = float(difference.std(ddof=1) / np.sqrt(pairs))
    if error == 0:  # the same difference in every run: no spread to compare it with
        return mean, float("inf"), 1.0, pairs
    half = float(stats.t.ppf(1 - level / 2, pairs - 1)) * error
    return mean, half, float(2 * stats.t.sf(abs(mean) / error, pairs - 1)), pairs
