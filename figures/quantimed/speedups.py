"""Speed-ups of one method over another, run by run, and what they say of the paper's sentences."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from figures.claims import Estimate, Finding, Outcome, over_readings, ratio
from figures.quantimed.setting import Method, Results, TaskName
from figures.quantities import Arrays, Quantity
from workbench.core.types import FloatArray, Trajectory


def times_to(trajectory: Trajectory, targets: FloatArray) -> FloatArray:
    """When each run first has the losses `targets` (G,), shape (R, G); NaN: never, or before the first checkpoint.

    A monotone cubic joins the checkpoints with a lower loss than all before: chords of a convex curve read too late.
    What happens between the start and the first checkpoint after it, mostly one round, no interpolation can tell.
    """
    times = np.full((len(trajectory.loss), len(targets)), np.nan)  # (R, G)
    for run, (loss, clock) in enumerate(zip(trajectory.loss, trajectory.seconds, strict=True)):
        before = np.minimum.accumulate(np.concatenate([[np.inf], loss[:-1]]))  # (T+1,)
        lower = np.flatnonzero(loss < before)[::-1]  # (records,)
        if len(lower) > 1:
            times[run] = PchipInterpolator(loss[lower], clock[lower], extrapolate=False)(targets)
    return np.where(times >= trajectory.seconds[:, 1:2], times, np.nan)


def reached(times: Iterable[FloatArray]) -> FloatArray:
    """Say for which targets all runs of all methods have a time, shape (G,), of times (R, G) each."""
    return np.all([np.isfinite(each).all(axis=0) for each in times], axis=0)


def speedups(slow: FloatArray, fast: FloatArray, *, n_looks: int | None = None) -> dict[int, Estimate]:
    """How many times sooner the fast method's runs (R, G) reach each common target, by the target's place.

    Run by run, as far as both have runs: those met the same stragglers.

    Parameters
    ----------
    n_looks : intervals that hold at once; by default all
    """
    n_runs = min(len(slow), len(fast))
    common = np.flatnonzero(reached([slow[:n_runs], fast[:n_runs]]))  # (looks,)
    looks = n_looks or len(common)
    return {int(at): ratio(slow[:n_runs, at], fast[:n_runs, at], n_looks=looks) for at in common}


def comparison_data(
    task: TaskName,
    results: Results,
    comparisons: Sequence[tuple[Method, Method]],
    variants: Sequence[str],
    targets: Sequence[float],
) -> dict[str, Quantity]:
    """Return speed-ups at every target, at the lowest that both methods reach, and the largest, with intervals.

    `<task>_speedup` over (comparison, variant, target) with intervals that hold at once; `<task>_largest` of them, and
    `<task>_final`, whose interval holds for itself, over (comparison, variant). NaN: not reached by all runs of both.

    Parameters
    ----------
    comparisons : (slow, fast)
    targets : falling losses
    """
    goals = np.asarray(targets, float)  # (G,)
    found = np.full((3, len(comparisons), len(variants), len(goals)), np.nan)  # mean, low, high
    final, largest = np.full((2, *found.shape[:3]), np.nan)  # (3, comparisons, variants) each
    for row, (slow, fast) in enumerate(comparisons):
        for column, variant in enumerate(variants):
            times = [times_to(results[method, variant], goals) for method in (slow, fast)]  # (R, G) each
            for at, each in speedups(*times).items():
                found[:, row, column, at] = each.mean, each.low, each.high
            if np.isfinite(found[0, row, column]).any():
                alone = list(speedups(*times, n_looks=1).values())[-1]
                final[:, row, column] = alone.mean, alone.low, alone.high
                largest[:, row, column] = found[:, row, column, np.nanargmax(found[0, row, column])]
    names = np.array([f"{fast} over {slow}" for slow, fast in comparisons])
    axes = ("comparison", f"{task}_variant", f"{task}_target")
    data = {
        "comparison": Quantity(axes[:1], names),
        axes[1]: Quantity(axes[1:2], np.array(variants)),
        axes[2]: Quantity(axes[2:], goals),
    }
    for what, values in {"speedup": found, "final": final, "largest": largest}.items():
        for suffix, shown in zip(("", "_low", "_high"), values, strict=True):
            data[f"{task}_{what}{suffix}"] = Quantity(axes[: shown.ndim], shown)
    return data


def hold(data: Arrays, task: TaskName, comparison: str, threshold: float, *, which: str, what: str) -> Finding:
    """Judge "this speed-up is at least the threshold" in every variant.

    Open where it is in one variant and is not in another.

    Parameters
    ----------
    which : "final", at the lowest loss that both methods reach, or "largest"
    what : the speed-up, for the explanation
    """
    (row,) = np.flatnonzero(data["comparison"] == comparison)
    bands = [data[f"{task}_{which}{suffix}"][row] for suffix in ("", "_low", "_high")]  # (variants,) each
    found: dict[str, Finding] = {}
    for variant, *numbers in zip(data[f"{task}_variant"].tolist(), *bands, strict=True):
        each = Estimate(*map(float, numbers))
        if np.isfinite(each.mean):
            found[variant] = Finding(each.above(threshold), f"{each}", each.evidence(f"{task}, {comparison}"))
        else:
            found[variant] = Finding(Outcome.INCONCLUSIVE, "no loss that both reach")
    judged = over_readings(found)
    return Finding(judged.outcome, f"{what}: {judged.explanation}", judged.evidence)
