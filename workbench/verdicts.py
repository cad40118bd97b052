"""Trajectory x bound -> verdict: simulated means with confidence bands against what a theorem promises."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from workbench.core.claims import Assumption, Claim, Grade, Status, Verdict
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity, Trajectory

BOUNDED = "bounded part gradients"  # as onebit_gc and hetero_gc name it
INDEPENDENT = "independent stragglers"


@dataclass(frozen=True)
class Band:
    """A mean over runs between two curves that hold it at every checkpoint at once, shapes (K,)."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    false_alarm: float
    n_runs: int
    n_diverged: int = 0

    def running_min(self) -> "Band":
        """Return the band of the least mean so far: on the event that all K intervals hold, so does it."""
        mean, low, high = np.minimum.accumulate([self.mean, self.low, self.high], axis=1)
        return replace(self, mean=mean, low=low, high=high)


def confidence_band(samples: FloatArray, *, false_alarm: float = 1e-3) -> Band:
    """Put a simultaneous confidence band around the mean over runs.

    Student intervals at level false_alarm/(2K) on either side: by Bonferroni all K of them hold with
    probability 1 - false_alarm, however the checkpoints depend on each other. Student's law is exact for
    normal samples; for skewed ones see `judge`.

    Parameters
    ----------
    samples : one row a run, independent of each other, shape (R, K)
    false_alarm : probability that the band misses the mean somewhere

    Raises
    ------
    InputError : fewer than two runs, or false_alarm outside (0, 1)
    """
    n_runs, n_points = samples.shape
    if n_runs < 2:
        raise InputError(f"{n_runs} run: a confidence band needs at least 2, ask for more runs")
    if not 0 < false_alarm < 1:
        raise InputError(f"false_alarm is {false_alarm}: it is a probability, say 0.001")
    finite = np.isfinite(samples).all(axis=1)  # (R,)
    if not finite.all():
        unknown = np.full(n_points, np.nan)
        return Band(unknown, unknown, unknown, false_alarm, n_runs, int(np.sum(~finite)))
    mean = samples.mean(axis=0)  # (K,)
    quantile = stats.t.ppf(1 - false_alarm / (2 * n_points), n_runs - 1)
    half = quantile * samples.std(axis=0, ddof=1) / np.sqrt(n_runs)  # (K,)
    return Band(mean, mean - half, mean + half, false_alarm, n_runs)


def judge(
    claim: Claim,
    samples: FloatArray,
    bound: FloatArray,
    assumptions: Sequence[Assumption] = (),
    *,
    false_alarm: float = 1e-3,
) -> Verdict:
    """Hold the simulated mean of `samples` against the claim's upper bound at every checkpoint.

    HOLDS: all upper ends lie below the bound; REFUTED: some lower end lies above it; else
    UNDERDETERMINED. A failed assumption makes it OUTSIDE_ASSUMPTIONS, whatever the numbers say. Either wrong
    verdict has probability false_alarm at most for normal samples. To say HOLDS wrongly, the interval of one
    checkpoint must fail, at level false_alarm/(2K): the factor 2K is the margin for samples skewed to the
    right, whose upper ends fail more often than Student's law says; their lower ends fail less often.

    Parameters
    ----------
    samples : the bounded quantity, one row a run, shape (R, K)
    bound : upper bound on its expectation, shape (K,)
    assumptions : those of the claim, looked at
    """
    return judge_band(claim, confidence_band(samples, false_alarm=false_alarm), bound, assumptions)


def judge_band(claim: Claim, band: Band, bound: FloatArray, assumptions: Sequence[Assumption] = ()) -> Verdict:
    """Hold a band that is already computed against a bound, as `judge` does."""
    if bound.shape != band.mean.shape or np.isnan(bound).any() or np.any(bound < 0):
        raise InputError(
            f"bound of shape {bound.shape} for {band.mean.size} checkpoints: give one number >= 0 for each"
        )
    rounding = 1 + band.n_runs * np.finfo(float).eps  # of a mean of n_runs terms
    status, explanation = _compare(band, bound * rounding)
    failed = [a.name for a in assumptions if a.holds is False]
    unknown = [a.name for a in assumptions if a.holds is None]
    if failed:
        status = Status.OUTSIDE_ASSUMPTIONS
        explanation = f"not satisfied: {', '.join(failed)}; for what it is worth, {explanation}"
    elif unknown:
        status = Status.UNDERDETERMINED
        explanation = f"nothing is known about: {', '.join(unknown)}; {explanation}"
    return Verdict(claim, status, Grade.TESTED, explanation, _evidence(band, bound), tuple(assumptions))


def _compare(band: Band, bound: FloatArray) -> tuple[Status, str]:
    if band.n_diverged:
        return Status.UNDERDETERMINED, f"{band.n_diverged} of {band.n_runs} runs diverged: no mean to compare"
    confidence = f"simultaneous confidence {1 - band.false_alarm:.4g} over {band.mean.size} checkpoints"
    above = np.flatnonzero(band.low > bound)
    if above.size:
        worst = above[np.argmax(band.low[above] - bound[above])]
        return Status.REFUTED, (
            f"at checkpoint {worst} the mean of {band.n_runs} runs is {band.mean[worst]:.4g}, at least "
            f"{band.low[worst]:.4g}, against a bound of {bound[worst]:.4g}, {confidence}"
        )
    if np.all(band.high <= bound):
        return Status.HOLDS, f"the mean of {band.n_runs} runs stays below the bound, {confidence}"
    open_points = int(np.sum(band.high > bound))
    return Status.UNDERDETERMINED, (
        f"the band of {band.n_runs} runs straddles the bound at {open_points} checkpoints, {confidence}: "
        "more runs would decide"
    )


def _evidence(band: Band, bound: FloatArray) -> dict[str, float]:
    evidence = {
        "runs": float(band.n_runs),
        "checkpoints": float(bound.size),
        "false_alarm": band.false_alarm,
        "diverged": float(band.n_diverged),
    }
    seen = (band.mean > 0) & np.isfinite(bound)  # (K,)
    if seen.any():
        looseness = bound[seen] / band.mean[seen]  # (K',)
        evidence |= {
            "looseness_min": float(looseness.min()),
            "looseness_median": float(np.median(looseness)),
            "looseness_final": float(looseness[-1]),
        }
        if looseness.min() > 0:
            evidence["max_ratio"] = float(1 / looseness.min())
    return evidence


def bounded_gradients(reg: Regularity, trajectory: Trajectory) -> tuple[Regularity, Assumption]:
    """Measure C, the largest squared part gradient that the runs met at their checkpoints."""
    met = trajectory.part_grad_sq[np.isfinite(trajectory.part_grad_sq)]
    largest = float(met.max(initial=0.0))
    where = f"C = {largest:.4g} is the largest met by these {len(trajectory.part_grad_sq)} runs"
    if reg.strong_convexity is not None:
        where += "; it holds along the runs only: no bound on all of R^d exists beside strong convexity"
    bounded = not bool(trajectory.diverged.any())
    return replace(reg, grad_bound_sq=largest), Assumption(BOUNDED, bounded, where)


def simulated_independence() -> Assumption:
    """State that simulated stragglers are independent."""
    return Assumption(INDEPENDENT, True, "by construction: the delay model draws workers and rounds independently")


def logged_independence(overdispersion: float, p_value: float, *, level: float = 0.01) -> Assumption:
    """Look at a log: variance of the stragglers a round over that of independent workers, and its p-value.

    A small p-value refutes independence; a large one leaves it open, it proves nothing.
    """
    return Assumption(
        INDEPENDENT,
        False if p_value < level else None,
        f"stragglers a round vary {overdispersion:.3g} times as much as independent ones would (p = {p_value:.2g})",
    )
