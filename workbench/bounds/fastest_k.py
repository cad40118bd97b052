"""Bounds of fastest_k as numbers: error against rounds and seconds, and when to wait for one more worker.

`n_wait` is the paper's k, `part_size` its s (samples of a part), `mean_wait` its μ_k (mean seconds of a round),
`wait_var` its σ_k² and `slack` its ε. Smoothness L is in the ½ form, as in the paper.
"""

import math

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity

SMOOTH = "smoothness"
CONVEX = "2c(F − F*) ≤ ‖∇F‖²"
VARIANCE = "unbiased estimate of variance at most (σ² + M‖∇F‖²)/(ks)"
FIXED_PARTS = "fixed parts, the fastest workers a uniformly random subset"
SMALL_STEP = "step size at most 1/(2L(1 + M/(ks)))"
IID = "delays iid over workers and rounds, independent of the gradients, ties broken at random"
ABOVE_FLOOR = "start above the error floor"
GAP = "E[F − F*]"


@claim("fastest_k", "Proposition 1", assumes=(SMOOTH, CONVEX, VARIANCE, SMALL_STEP))
def proposition_1(
    reg: Regularity,
    n_wait: int,
    part_size: float,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    gap: float,
    var_growth: float = 0.0,
) -> Bound:
    r"""Bound the error after j rounds.

    .. math:: \frac{\eta L \sigma^2}{2cks} + (1 - \eta c)^j \Big(\Delta_0 - \frac{\eta L \sigma^2}{2cks}\Big)

    The printed condition 3 lacks k; with it as printed this is no bound.

    Parameters
    ----------
    reg : must claim smoothness (L), strong_convexity (c) and grad_var (σ²)
    n_iters : j, shape (K,)
    gap : Δ_0 = F(x_0) − F*; var_growth : M
    """
    smoothness, convexity, variance = _constants(reg)
    noise = variance / (n_wait * part_size)
    _check_step(step_size, smoothness * (1 + var_growth / (n_wait * part_size)), printed=True)
    floor = step_size * smoothness * noise / (2 * convexity)
    rounds = _rounds(n_iters)  # (K,)
    return Bound(floor + (1 - step_size * convexity) ** rounds * (gap - floor), GAP)


@claim("fastest_k", "Proposition 1 fixed parts", assumes=(SMOOTH, CONVEX, FIXED_PARTS, SMALL_STEP))
def proposition_1_fixed_parts(
    reg: Regularity, n_workers: int, n_wait: int, n_iters: npt.ArrayLike, *, step_size: float, gap: float
) -> Bound:
    r"""Bound the error after j rounds where every worker keeps its part: the noise dies out at k = n.

    .. math:: f + (1 - \eta c)^j (\Delta_0 - f), \quad f = \frac{\eta L v}{2ck}\,\frac{n - k}{n - 1}

    Parameters
    ----------
    reg : must claim smoothness, strong_convexity and grad_var: here v, a bound on the mean over the parts of
        ‖∇f_i − ∇F‖² along the run
    n_iters, gap : as in `proposition_1`
    """
    if not 1 <= n_wait <= n_workers:
        raise InputError(f"n_wait is {n_wait}: wait for 1 to {n_workers} of the {n_workers} workers")
    smoothness, convexity, variance = _constants(reg)
    _check_step(step_size, smoothness, printed=True)
    left = (n_workers - n_wait) / (n_workers - 1) if n_workers > 1 else 0.0
    floor = step_size * smoothness * variance * left / (2 * convexity * n_wait)
    rounds = _rounds(n_iters)  # (K,)
    return Bound(floor + (1 - step_size * convexity) ** rounds * (gap - floor), GAP)


@claim("fastest_k", "Proposition 1", assumes=(SMOOTH, CONVEX, VARIANCE))
def proposition_1_recursion(
    reg: Regularity,
    n_wait: int,
    part_size: float,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    gap: float,
    var_growth: float = 0.0,
) -> Bound:
    r"""Solve the recursion behind Proposition 1 exactly: nearly half the floor at nearly twice the rate.

    .. math:: a_{j+1} = \rho\, a_j + \frac{L\eta^2\sigma^2}{2ks}, \quad \rho = 1 - \eta c(2 - \eta L B),
        \; B = 1 + \frac{M}{ks}

    It needs only η ≤ 1/(LB), twice the printed limit.

    Parameters
    ----------
    As in `proposition_1`.
    """
    smoothness, convexity, variance = _constants(reg)
    batch = n_wait * part_size
    curvature = smoothness * (1 + var_growth / batch)  # L B
    _check_step(step_size, curvature, printed=False)
    contraction = 1 - step_size * convexity * (2 - step_size * curvature)
    floor = smoothness * step_size**2 * variance / (2 * batch) / (1 - contraction)
    rounds = _rounds(n_iters)  # (K,)
    return Bound(floor + contraction**rounds * (gap - floor), GAP)


@claim("fastest_k", "Lemma 1", eq=6, assumes=(SMOOTH, CONVEX, VARIANCE, SMALL_STEP, IID, ABOVE_FLOOR))
def lemma_1(
    reg: Regularity,
    n_wait: int,
    part_size: float,
    time_s: npt.ArrayLike,
    *,
    mean_wait: float,
    step_size: float,
    gap: float,
    slack: float = 0.0,
) -> Bound:
    r"""Evaluate the right side of (6): with ε = 0 it is e(t) of (17), which is no bound on the mean error.

    .. math:: f + (1 - \eta c)^{\frac{t}{\mu_k}(1 - \epsilon)} (\Delta_0 - f)

    Parameters
    ----------
    time_s : t in seconds, shape (K,)
    slack : ε; how often the bound fails is `lemma_1_failure_repaired`; the others as in `proposition_1`
    """
    rounds = _seconds(time_s) / mean_wait * (1 - slack)  # (K,)
    _floor_below(gap, reg, n_wait, part_size, step_size)
    value = proposition_1(reg, n_wait, part_size, rounds, step_size=step_size, gap=gap).value
    return Bound(value, "E[F − F* | rounds done]")


@claim("fastest_k", "Eq. 16", eq=16, assumes=(IID,))
def lemma_1_failure(time_s: npt.ArrayLike, *, mean_wait: float, wait_var: float, slack: float) -> Bound:
    r"""Evaluate the printed probability that fewer than (1 − ε)t/μ_k rounds are done.

    .. math:: \frac{\sigma_k^2}{\epsilon^2}\Big(\frac{2}{t\mu_k} + \frac{1}{t^2}\Big)

    A bound from t ≥ (2 + √2)μ_k/ε on, and false for smaller t.

    Parameters
    ----------
    time_s : t in seconds, shape (K,)
    mean_wait, wait_var : mean and variance of a round's seconds
    slack : ε in (0, 1)
    """
    seconds = _seconds(time_s)
    return Bound(wait_var / slack**2 * (2 / (seconds * mean_wait) + 1 / seconds**2), "P(few rounds)")


@claim("fastest_k", "Eq. 16 repaired", eq=16, assumes=(IID,))
def lemma_1_failure_repaired(time_s: npt.ArrayLike, *, mean_wait: float, wait_var: float, slack: float) -> Bound:
    r"""Bound the probability that fewer than (1 − ε)t/μ_k rounds are done, for every t > 0.

    .. math:: \frac{n \sigma_k^2}{n \sigma_k^2 + (t - n\mu_k)^2}, \quad
        n = \Big\lceil \frac{t(1 - \epsilon)}{\mu_k} \Big\rceil, \; n\mu_k \le t; \quad 1 \text{ otherwise}

    Cantelli's inequality for the n-th round's end; Chebyshev's drops the first term below the line.

    Parameters
    ----------
    As in `lemma_1_failure`.
    """
    seconds = _seconds(time_s)
    if not 0 < slack < 1:
        raise InputError(f"slack is {slack}: ε lies strictly between 0 and 1")
    rounds = np.ceil(seconds * (1 - slack) / mean_wait)  # (K,)
    spread, margin = rounds * wait_var, seconds - rounds * mean_wait
    with np.errstate(invalid="ignore"):  # 0/0: no spread, no margin
        tail = spread / (spread + margin**2)
    return Bound(np.where(margin > 0, tail, np.where((margin == 0) & (spread == 0), 0.0, 1.0)), "P(few rounds)")


@claim("fastest_k", "Lemma 1 in the mean", assumes=(SMOOTH, CONVEX, VARIANCE, SMALL_STEP, IID, ABOVE_FLOOR))
def lemma_1_in_the_mean(
    reg: Regularity,
    n_workers: int,
    n_wait: int,
    part_size: float,
    time_s: npt.ArrayLike,
    *,
    rate: float,
    step_size: float,
    gap: float,
) -> Bound:
    r"""Bound the mean error at time t without ε, for exponential delays.

    .. math:: f + \frac{e^{-\theta t}}{1 - \eta c}(\Delta_0 - f), \quad E\,e^{\theta X_{(k)}} = \frac{1}{1 - \eta c}

    θ is below α/μ_k, the rate of (17); for k = 1 it is nλ ηc, and nothing faster is true.

    Parameters
    ----------
    rate : λ of the exponential delays; the others as in `lemma_1`
    """
    _, convexity, _ = _constants(reg)
    keep = 1 - step_size * convexity
    floor = _floor_below(gap, reg, n_wait, part_size, step_size)
    decay = _renewal_decay(n_workers, n_wait, rate, keep)
    late = np.minimum(np.exp(-decay * _seconds(time_s)) / keep, 1.0)  # (K,)
    return Bound(floor + late * (gap - floor), GAP)


@claim("fastest_k", "Theorem 1", eq=26)
def theorem_1(floor: FloatArray, mean_wait: FloatArray, *, decay: float, gap: float) -> Bound:
    r"""Evaluate the printed switching times t_1, ..., t_{n-1}, as they stand.

    .. math:: t_k = t_{k-1} + \frac{\mu_k}{\alpha}
        \ln \frac{(\mu_{k+1} - \mu_k)(e(t_{k-1}) - f_k)}{\mu_k(f_k - f_{k+1})}

    Not a number from where the logarithm has nothing positive to take; they need not rise.

    Parameters
    ----------
    floor : f_k = A/k, shape (W,)
    mean_wait : μ_k in seconds, shape (W,)
    decay : α = −ln(1 − ηc); gap : F − F* at the start
    """
    floor, mean_wait = _curves(floor, mean_wait)
    times, now, error = np.full(len(floor) - 1, np.nan), 0.0, gap
    for k in range(len(times)):
        above, longer = error - floor[k], mean_wait[k + 1] - mean_wait[k]
        if not (above > 0 and longer > 0):
            break
        ratio = longer * above / (mean_wait[k] * (floor[k] - floor[k + 1]))
        now += mean_wait[k] / decay * math.log(ratio)
        times[k], error = now, floor[k] + above / ratio  # eq. 24
    return Bound(times, "seconds of the switches")


@claim("fastest_k", "Theorem 1 repaired", eq=26)
def theorem_1_repaired(
    floor: FloatArray, mean_wait: FloatArray, errors: npt.ArrayLike, *, decay: float, gap: float
) -> Bound:
    r"""Bound from below the seconds in which any policy k(t) brings e(t) down to given errors; the envelope attains it.

    .. math:: \int_e^{\Delta_0} \frac{du}{\alpha\, \max_k (u - f_k)/\mu_k}

    Parameters
    ----------
    errors : e, shape (K,); infinite seconds at or below the last floor
    floor, mean_wait, decay, gap : as in `theorem_1`
    """
    floor, mean_wait = _curves(floor, mean_wait)
    slopes, heights = 1 / mean_wait, -floor / mean_wait  # the lines (u − f_k)/μ_k
    i, j = np.triu_indices(len(floor), 1)
    apart = slopes[i] != slopes[j]
    crossings = (heights[j] - heights[i])[apart] / (slopes[i] - slopes[j])[apart]
    levels = np.atleast_1d(np.asarray(errors, float))  # (K,)
    seconds = np.empty_like(levels)
    for index, level in enumerate(levels):
        if level <= floor.min():
            seconds[index] = np.inf
            continue
        inside = crossings[(crossings > level) & (crossings < gap)]
        edges = np.unique(np.concatenate([[level], inside, [max(gap, level)]]))
        middle = (edges[1:] + edges[:-1]) / 2
        best = np.argmax((middle[:, None] - floor) / mean_wait, axis=1)
        steps = mean_wait[best] / decay * np.log((edges[1:] - floor[best]) / (edges[:-1] - floor[best]))
        seconds[index] = steps.sum()
    return Bound(seconds, "least seconds to an error")


@claim("fastest_k", "Eq. 7", eq=7)
def eq_7(n_workers: int, n_wait: npt.ArrayLike, *, rate: float) -> Bound:
    r"""Return the mean seconds until the k-th of n exponential delays, :math:`\sum_{i=n-k+1}^n 1/(i\lambda)`.

    Parameters
    ----------
    n_wait : k, shape (K,)
    rate : λ, per second
    """
    k = np.atleast_1d(np.asarray(n_wait, np.int64))  # (K,)
    if k.size and not 1 <= k.min() <= k.max() <= n_workers:
        raise InputError(f"n_wait is {k.min()} to {k.max()}: wait for 1 to {n_workers} of the {n_workers} workers")
    if not rate > 0:
        raise InputError(f"rate is {rate}: exponential delays need it positive")
    spacings = 1 / (rate * np.arange(n_workers, 0, -1))  # (W,)
    return Bound(np.cumsum(spacings)[k - 1], "mean seconds of a round")


def _constants(reg: Regularity) -> tuple[float, float, float]:
    """L, c and σ²."""
    for name in ("smoothness", "strong_convexity", "grad_var"):
        value = getattr(reg, name)
        if value is None or value < 0 or (value == 0 and name != "grad_var"):
            raise InputError(f"the bound needs {name}, the problem claims {value}: measure it first")
    return float(reg.smoothness or 0), float(reg.strong_convexity or 0), float(reg.grad_var or 0)


def _floor_below(gap: float, reg: Regularity, n_wait: int, part_size: float, step_size: float) -> float:
    """The floor of Proposition 1; a start below it makes more rounds worse, and a bound on their number useless."""
    floor = float(proposition_1(reg, n_wait, part_size, np.inf, step_size=step_size, gap=gap).value[0])
    if gap < floor:
        raise InputError(f"gap is {gap:g}, below the floor {floor:g}: take the floor for the gap")
    return floor


def _check_step(step_size: float, curvature: float, *, printed: bool) -> None:
    most = 1 / ((2 if printed else 1) * curvature)
    if not 0 < step_size <= most * (1 + 1e-12):
        raise InputError(f"step_size is {step_size:g}: the proof needs it in (0, {most:g}]")


def _rounds(n_iters: npt.ArrayLike) -> FloatArray:
    rounds = np.atleast_1d(np.asarray(n_iters, float))
    if np.any(rounds < 0):
        raise InputError(f"n_iters is {rounds.min():g}: rounds are not negative")
    return rounds


def _seconds(time_s: npt.ArrayLike) -> FloatArray:
    seconds = np.atleast_1d(np.asarray(time_s, float))
    if np.any(seconds < 0):
        raise InputError(f"time_s is {seconds.min():g}: seconds are not negative")
    return seconds


def _curves(floor: FloatArray, mean_wait: FloatArray) -> tuple[FloatArray, FloatArray]:
    floor, mean_wait = np.asarray(floor, float), np.asarray(mean_wait, float)
    if floor.ndim != 1 or floor.shape != mean_wait.shape or not floor.size:
        raise InputError(
            f"floors of shape {floor.shape}, waits of shape {mean_wait.shape}: give one of each for every k"
        )
    if np.any(mean_wait <= 0) or np.any(np.diff(floor) >= 0):
        raise InputError("mean_wait must be positive and floor must fall with k")
    return floor, mean_wait


def _renewal_decay(n_workers: int, n_wait: int, rate: float, keep: float) -> float:
    """The θ with Π_{i=n-k+1}^n iλ/(iλ − θ) = 1/keep, by bisection from below: the smaller θ gives a bound too."""
    if not 1 <= n_wait <= n_workers:
        raise InputError(f"n_wait is {n_wait}: wait for 1 to {n_workers} of the {n_workers} workers")
    rates = rate * np.arange(n_workers - n_wait + 1, n_workers + 1)  # (k,)
    low, high = 0.0, float(rates[0])
    while (middle := (low + high) / 2) not in (low, high):
        if -np.log1p(-middle / rates).sum() <= -math.log(keep):
            low = middle
        else:
            high = middle
    return low
