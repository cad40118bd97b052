r"""When to wait for more workers: the times of Theorem 1, and the best there are [fastest_k, III and VI-B].

A round that waits for the fastest k of W workers lasts μ_k seconds on average and leaves an error floor f_k, A/k in
the paper. Without its ε, the bound of Lemma 1 follows

.. math:: \dot e = -\alpha\,\frac{e - f_k}{\mu_k}, \qquad \alpha = -\ln(1 - \eta c).

It is a scalar that falls at a rate of its own value and k alone. Hence to fall as fast as possible at every moment is
best at every time: k is where :math:`\max_k (e - f_k)/\mu_k` is taken, the upper envelope of W lines in e.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray

POINTS = 256  # of a comparison, between two switches
DECAYS = 40.0  # after the last switch that it looks at, in units of μ/α
NEAR = 1e-6  # of the last floor: an excess above it that rounding does not touch


@dataclass(frozen=True, eq=False)
class WaitPolicy:
    """The wait counts in the order of their use, when each takes over, and the error bound e then.

    n_wait : k, shape (K,)
    start_s : seconds, the first is 0, shape (K,)
    start_error : e at these times, shape (K,)
    floor, mean_wait : f_k and μ_k of the counts used, shape (K,)
    decay : α
    """

    n_wait: IntArray
    start_s: FloatArray
    start_error: FloatArray
    floor: FloatArray
    mean_wait: FloatArray
    decay: float

    @property
    def switch_s(self) -> FloatArray:
        """Seconds at which the second count takes over, the third, ..., shape (K-1,)."""
        return self.start_s[1:]

    def error(self, time_s: FloatArray | float) -> FloatArray:
        """e(t) [eq. 19] at times of any shape, in seconds."""
        phase = np.searchsorted(self.switch_s, time_s, side="right")
        floor = self.floor[phase]
        passed = np.asarray(time_s) - self.start_s[phase]
        return np.asarray(
            floor + (self.start_error[phase] - floor) * np.exp(-self.decay * passed / self.mean_wait[phase])
        )

    def seconds(self, error: FloatArray | float) -> FloatArray:
        """When e is first as small as errors of any shape; infinite where it never is."""
        error = np.asarray(error, float)
        phase = np.searchsorted(-self.start_error[1:], -error, side="right")
        left, reached = self.start_error[phase] - self.floor[phase], error - self.floor[phase]
        with np.errstate(divide="ignore", invalid="ignore"):
            passed = self.mean_wait[phase] / self.decay * np.log(left / reached)
        later = np.where(reached > 0, self.start_s[phase] + passed, np.inf)
        return np.where(error >= self.start_error[0], 0.0, later)


@dataclass(frozen=True)
class Advantage:
    """How far a policy is behind the best: at equal times by its error, and to equal errors by its time."""

    error_ratio: float  # the largest e(t)/e_best(t)
    at_s: float
    time_ratio: float  # the largest t(e)/t_best(e)
    at_error: float


def error_floors(
    *,
    step_size: float,
    smoothness: float,
    strong_convexity: float,
    worker_var: float,
    n_workers: int,
    replacement: bool = True,
) -> FloatArray:
    r"""Return the error floors :math:`f_k = \eta L v/(2ck)` of k = 1, ..., W [Proposition 1], shape (W,).

    Parameters
    ----------
    step_size, smoothness, strong_convexity : η, L (½ form), c
    worker_var : v, the variance of one worker's estimate of ∇F; the paper's σ²/s, s samples a worker
    replacement : False: times (W − k)/(W − 1), as the k parts in a round are different ones; then f_W = 0

    Raises
    ------
    InputError : a constant that is not positive; the variance may be 0
    """
    for name, value in {"smoothness": smoothness, "strong_convexity": strong_convexity}.items():
        if not 0 < value < np.inf:
            raise InputError(f"{name} is {value}: the error floor needs it positive and finite")
    if not (0 < step_size < np.inf and 0 <= worker_var < np.inf and n_workers >= 1):
        raise InputError(
            f"step_size = {step_size}, worker_var = {worker_var}, n_workers = {n_workers}: "
            "give a positive step, a variance of at least 0 and at least one worker"
        )
    k = np.arange(1, n_workers + 1)  # (W,)
    floor = step_size * smoothness * worker_var / (2 * strong_convexity * k)
    return np.asarray(floor if replacement or n_workers == 1 else floor * (n_workers - k) / (n_workers - 1))


def decay_rate(step_size: float, strong_convexity: float) -> float:
    """Return α = −ln(1 − ηc), by which the error's excess over its floor falls in a round.

    Raises
    ------
    InputError : ηc outside (0, 1)
    """
    contraction = step_size * strong_convexity
    if not 0 < contraction < 1:
        raise InputError(f"step_size times strong_convexity is {contraction:g}: the bound needs it between 0 and 1")
    return float(-np.log1p(-contraction))


def theorem_1(floor: FloatArray, mean_wait: FloatArray, *, decay: float, gap: float) -> WaitPolicy:
    r"""Switch from k to k + 1 when that first lowers the bound faster [Theorem 1, eq. 26].

    .. math:: t_k = t_{k-1} + \frac{\mu_k}{\alpha}
        \ln \frac{(\mu_{k+1} - \mu_k)(e(t_{k-1}) - f_k)}{\mu_k (f_k - f_{k+1})}

    with e(t_k) as in (24); for f_k = A/k it is what is printed. Where t_k comes before t_{k-1}, or the logarithm has
    nothing positive to take, k + 1 is the better one already: it takes over at once, and k is not used.

    Parameters
    ----------
    floor : f_k, falling with k, or 0 throughout, shape (W,)
    mean_wait : μ_k in seconds, not falling; infinite, and never waited for, where fewer than k answer, shape (W,)
    decay, gap : α; F − F* at the start

    Raises
    ------
    InputError : values out of these ranges
    """
    floor, mean_wait = _checked(floor, mean_wait, decay, gap)
    k = np.arange(len(floor) - 1)  # (K-1,)
    excess = _excess(floor, mean_wait, k, k + 1)  # (K-1,)
    level = floor[:-1] + excess  # e at which k + 1 takes over
    used = level < np.minimum.accumulate(np.append(gap, level))[:-1]  # it is not there already
    return _policy(np.append(k[used], len(floor) - 1), excess[used], floor, mean_wait, decay, gap)


def envelope(floor: FloatArray, mean_wait: FloatArray, *, decay: float, gap: float) -> WaitPolicy:
    r"""Wait for the k that lowers the bound fastest, :math:`\max_k (e - f_k)/\mu_k`, at every moment: none is better.

    Counts whose line is nowhere the highest are skipped. Theorem 1, which goes from k to k + 1, does as well just
    where the errors at which these two lines cross fall with k, as far as they are below the gap.

    Parameters, errors: as `theorem_1`.
    """
    floor, mean_wait = _checked(floor, mean_wait, decay, gap)
    used, level, excess = [0], [gap], [0.0]  # whose line is the highest, from which error downwards
    for k in range(1, len(floor)):
        while used:
            above = float(_excess(floor, mean_wait, used[-1], k))
            if floor[used[-1]] + above < level[-1]:
                used, level, excess = [*used, k], [*level, floor[used[-1]] + above], [*excess, above]
                break
            for stack in (used, level, excess):
                stack.pop()
        else:
            used, level, excess = [k], [gap], [0.0]
    return _policy(np.array(used), np.array(excess[1:]), floor, mean_wait, decay, gap)


def fixed(n_wait: int, floor: FloatArray, mean_wait: FloatArray, *, decay: float, gap: float) -> WaitPolicy:
    """Wait for the same number of workers throughout [Lemma 1, ε = 0].

    Parameters, errors: as `theorem_1`; and a count beyond those who answer.
    """
    floor, mean_wait = _checked(floor, mean_wait, decay, gap)
    if not 1 <= n_wait <= len(floor):
        raise InputError(
            f"n_wait = {n_wait}: {len(floor)} counts are worth waiting for, give one of 1, ..., {len(floor)}"
        )
    return _policy(np.array([n_wait - 1]), np.empty(0), floor, mean_wait, decay, gap)


def advantage(best: WaitPolicy, other: WaitPolicy) -> Advantage:
    """Find where `other` is furthest behind `best`: on a grid between all switches, then by a search around it."""
    end = max(policy.start_s[-1] + DECAYS * policy.mean_wait[-1] / policy.decay for policy in (best, other))
    kinks = np.concatenate([best.start_s, other.start_s, best.seconds(other.start_error)])
    edges = np.unique(np.append(kinks[kinks < end], end))
    grid = np.unique(np.linspace(edges[:-1], edges[1:], POINTS))  # (points,)

    def error_ratio(time_s: FloatArray) -> FloatArray:
        return other.error(time_s) / best.error(time_s)

    def time_ratio(time_s: FloatArray) -> FloatArray:
        return other.seconds(best.error(time_s)) / time_s

    by_error, at_s = _largest(error_ratio, grid)
    sure = (grid > 0) & (best.error(grid) > (1 + NEAR) * best.floor[-1])
    by_time, then_s = _largest(time_ratio, grid[sure])
    return Advantage(by_error, at_s, by_time, float(best.error(then_s)))


def _largest(ratio: Callable[[FloatArray], FloatArray], grid: FloatArray) -> tuple[float, float]:
    """Return a ratio's largest value over times, and where it is."""
    values = ratio(grid)
    best = int(np.argmax(values))
    if np.isinf(values[best]):
        return np.inf, float(grid[best])
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    refined = minimize_scalar(
        lambda time_s: -float(ratio(np.asarray(time_s))),
        bounds=around,
        method="bounded",
        options={"xatol": NEAR * (around[1] - around[0])},
    ).x
    return max((float(ratio(np.asarray(time_s))), float(time_s)) for time_s in (grid[best], refined))


def _excess(floor: FloatArray, mean_wait: FloatArray, now: int | IntArray, later: int | IntArray) -> FloatArray:
    """How far above f_now the lines of two counts cross, μ_now (f_now − f_later)/(μ_later − μ_now)."""
    fall, longer = floor[now] - floor[later], mean_wait[later] - mean_wait[now]
    return np.asarray(np.divide(mean_wait[now] * fall, longer, out=np.full(np.shape(fall), np.inf), where=longer > 0))


def _policy(
    used: IntArray, excess: FloatArray, floor: FloatArray, mean_wait: FloatArray, decay: float, gap: float
) -> WaitPolicy:
    """Follow the counts used (K,), each until e is `excess` (K-1,) above its floor.

    A count between two hand-overs that rounding cannot tell apart is left out.
    """
    own, mean = floor[used], mean_wait[used]  # (K,)
    start_error = np.append(gap, own[:-1] + excess)  # (K,)
    lasts = mean[:-1] / decay * np.log((start_error[:-1] - own[:-1]) / excess)  # eq. 26, (K-1,)
    start_s = np.append(0.0, np.cumsum(lasts))  # (K,)
    kept = np.append(np.diff(start_s) > 0, True)  # (K,)
    start_error = start_error[kept]
    start_error[0] = gap
    return WaitPolicy(used[kept] + 1, start_s[kept], start_error, own[kept], mean[kept], decay)


def _checked(floor: FloatArray, mean_wait: FloatArray, decay: float, gap: float) -> tuple[FloatArray, FloatArray]:
    """Refuse values out of range, and leave out the counts that are never worth it: no answer, or no floor at all."""
    floor, mean_wait = np.asarray(floor, float), np.asarray(mean_wait, float)
    if floor.ndim != 1 or floor.shape != mean_wait.shape or not floor.size:
        raise InputError(
            f"floors of shape {floor.shape}, waits of shape {mean_wait.shape}: give one of each for every k"
        )
    n_answers = int(np.isfinite(mean_wait).sum())
    waits = mean_wait[:n_answers]
    if not (n_answers and waits[0] > 0 and np.all(np.isfinite(waits)) and np.all(np.diff(waits) >= 0)):
        raise InputError(f"mean_wait is {mean_wait}: the k-th fastest answers after positive seconds that rise with k")
    if not (np.all(np.isfinite(floor)) and floor[-1] >= 0 and (np.all(np.diff(floor) < 0) or not floor.any())):
        raise InputError(f"floor is {floor}: error floors fall with k, or are 0 throughout")
    if not (0 < decay < np.inf and 0 < gap < np.inf):
        raise InputError(f"decay = {decay}, gap = {gap}: both must be positive and finite")
    kept = n_answers if floor[0] > 0 else 1
    return floor[:kept], waits[:kept]
