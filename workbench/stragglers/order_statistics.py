"""Mean and variance of the k-th smallest response time: how long a wait for the fastest k workers takes."""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import betainc

from workbench.core.errors import InputError
from workbench.core.types import BoolArray, DelayModel, FloatArray
from workbench.stragglers.delays.pooled_empirical import PooledEmpirical
from workbench.stragglers.delays.replay import Replay

RELATIVE_ERROR = 1e-8  # held by the quadrature's own estimate, or there is no answer
N_SHARES = 1000  # of the error allowed: a panel may have one
LEAST_SD = 1e-10  # of the mean: a variance may be off by its square
LATEST = 345.0  # log seconds; times from e^-345 to e^345 are looked at
N_PANELS = 64  # at the start
NARROWEST = 1e-12  # panel, in log seconds: a jump has been found
N_NODES = 17  # Clenshaw-Curtis; every other node is the coarser rule
BLOCK = 128  # times at which the number of answers is looked at together: they stay in the processor's cache
WINDOW = 46.0  # log seconds: the exponent of the tail is taken over two of them
LEAST_MARGIN = 1e-6  # of the tail's exponent over the moment's order
SETTLED = 1e-3  # the exponent may rise by so much from one window to the next


def mean_kth(delay: DelayModel) -> FloatArray:
    r"""Return E X_(k) of the k-th smallest response time in seconds, k = 1..W, shape (W,).

    .. math:: E X_{(k)} = \int_0^\infty P(\text{fewer than } k \text{ have answered by } t)\,dt

    Infinite where that may never happen, or its tail is too heavy; else to a relative error of 1e-8.
    Workers are independent, but for a replayed log: there the k-th response of each of its rounds is averaged.
    A law of many corners or jumps is done sooner if it tells their times in an attribute `kinks_s`.

    Raises
    ------
    InputError : a law for which that error cannot be held
    """
    atoms = _atoms(delay)
    if atoms is not None:
        never = np.isinf(atoms.time_s).any(axis=0)  # (W,), however small a probability rounds to 0
        return np.asarray(np.where(never, np.inf, (np.where(never, 0.0, atoms.time_s) * atoms.prob).sum(axis=0)))
    return _quadrature(delay)


def var_kth(delay: DelayModel) -> FloatArray:
    r"""Return Var X_(k) of the k-th smallest response time in seconds squared, k = 1..W, shape (W,).

    .. math:: Var X_{(k)} = 2\int_0^\infty (t - c)\,(P(X_{(k)} > t) - 1[t < c])\,dt, \quad c = E X_{(k)}

    Infinite where the second moment is; to a relative error of 1e-8, or 1e-20 of the mean squared.

    Raises
    ------
    InputError : a law for which that error cannot be held
    """
    mean = mean_kth(delay)  # (W,)
    atoms = _atoms(delay)
    if atoms is None:
        return _quadrature(delay, mean)
    finite = np.isfinite(mean)  # (W,)
    apart = np.subtract(atoms.time_s, mean, out=np.full(atoms.time_s.shape, np.inf), where=finite)  # (M, W)
    return np.asarray(np.where(finite, (np.where(finite, apart, 1.0) ** 2 * atoms.prob).sum(axis=0), np.inf))


def fewer_than(straggle_prob: FloatArray) -> FloatArray:
    """Return P(fewer than k workers have answered), k = 1..W, shape (N, W), from each one's probability not to, (N, W).

    The number of answers is binomial where all workers are alike, else Poisson-binomial.
    """
    n_workers = straggle_prob.shape[1]
    alike = (straggle_prob == straggle_prob[:, :1]).all(axis=1)  # (N,)
    k = np.arange(1, n_workers + 1)  # (W,)
    below = np.empty(straggle_prob.shape)
    below[alike] = betainc(n_workers - k + 1, k, straggle_prob[alike, :1])
    unlike = np.flatnonzero(~alike)
    for start in range(0, len(unlike), BLOCK):
        block = unlike[start : start + BLOCK]
        below[block] = _poisson_binomial(straggle_prob[block])
    return below


def _poisson_binomial(straggle_prob: FloatArray) -> FloatArray:
    """Build the law of the number of answers worker by worker, from positive terms only; return P(< k), (N, W)."""
    late = np.ascontiguousarray(straggle_prob.T)  # (W, N)
    answered = 1 - late
    law = np.zeros((len(late) + 1, late.shape[1]))  # P(that many answers), (W + 1, N)
    law[0] = 1.0
    room = np.empty(late.shape)
    for worker in range(len(late)):
        one_more = np.multiply(law[: worker + 1], answered[worker], out=room[: worker + 1])
        law[: worker + 1] *= late[worker]
        law[1 : worker + 2] += one_more
    return np.asarray(np.minimum(np.cumsum(law[:-1], axis=0), 1.0).T)


class _Atoms(NamedTuple):
    """A law of the k-th response on M times each, k = 1..W."""

    time_s: FloatArray  # (M, W)
    prob: FloatArray  # (M, W)


def _atoms(delay: DelayModel) -> _Atoms | None:
    """Return the law of each order statistic where it is discrete."""
    if isinstance(delay, Replay):
        n_rounds = len(delay.response_s)
        return _Atoms(np.sort(delay.response_s, axis=1), np.full(delay.response_s.shape, 1 / n_rounds))
    if isinstance(delay, PooledEmpirical):
        pool = np.unique(delay.response_s)  # (M,)
        seen = pool[np.isfinite(pool)]
        # Whoever is later than everything seen comes right after it, or never where responses are missing.
        last = seen[-1] if len(seen) == len(pool) else np.inf
        late = delay.survival(np.repeat(seen[:, None], delay.n_workers, axis=1))  # (M, W)
        below = np.vstack([np.ones(delay.n_workers), fewer_than(late), np.zeros(delay.n_workers)])
        time_s = np.append(seen, last)[:, None]  # (M + 1, 1)
        return _Atoms(np.broadcast_to(time_s, (len(time_s), delay.n_workers)), -np.diff(below, axis=0))
    return None


class _Panels(NamedTuple):
    """Integrals over M stretches of log time and the estimates of their errors."""

    start: FloatArray  # (M,)
    end: FloatArray  # (M,)
    value: FloatArray  # (M, W)
    error: FloatArray  # (M, W)


def _quadrature(delay: DelayModel, centre_s: FloatArray | None = None) -> FloatArray:
    """Integrate to E X_(k), or E (X_(k) - centre_k)^2, shape (W,), bisecting panels of log time as needed."""
    order = 1 if centre_s is None else 2
    finite, exponents, at_end = _tail(delay, order)  # (W,), (2, W), (W,)
    if centre_s is not None:
        finite = finite & np.isfinite(centre_s)
    least = 0.0 if centre_s is None else (LEAST_SD * np.where(finite, centre_s, 0.0)) ** 2  # (W,)
    edges = _edges(delay)
    panels = _integrate(delay, edges[:-1], edges[1:], finite, centre_s)
    while True:
        total = panels.value.sum(axis=0)  # (W,)
        enough = np.maximum(RELATIVE_ERROR * np.abs(total), least) / N_SHARES
        coarse = (panels.error > enough).any(axis=1) & (panels.end - panels.start > NARROWEST)  # (M,)
        if not coarse.any():
            break
        start, end = panels.start[coarse], panels.end[coarse]
        middle = (start + end) / 2
        halves = _integrate(delay, np.append(start, middle), np.append(middle, end), finite, centre_s)
        panels = _Panels(*(np.concatenate([old[~coarse], new]) for old, new in zip(panels, halves, strict=True)))
    beyond = [_beyond(at_end, each, order, finite) for each in exponents]  # (W,) each
    total = total + beyond[-1]
    error = panels.error.sum(axis=0) + np.abs(beyond[-1] - beyond[0])  # (W,)
    excess = error - np.maximum(RELATIVE_ERROR * total, least)  # (W,)
    if not np.all(excess <= 0):
        worst = int(np.argmax(excess))
        raise InputError(
            f"the {'mean' if order == 1 else 'variance'} of response {worst + 1} of {delay.n_workers} is "
            f"{total[worst]:g}, give or take {error[worst]:g}: choose a delay law with a smoother or lighter tail"
        )
    return np.where(finite, np.where(total > least, total, 0.0), np.inf)


def _edges(delay: DelayModel) -> FloatArray:
    """Return where panels meet at the start, in log seconds, ascending: also where the law is known to have corners."""
    kinks = np.asarray(getattr(delay, "kinks_s", ()))
    inside = kinks[(kinks > np.exp(-LATEST)) & (kinks < np.exp(LATEST))]
    return np.unique(np.concatenate([np.linspace(-LATEST, LATEST, N_PANELS + 1), np.log(inside)]))


def _rule() -> tuple[FloatArray, FloatArray]:
    """Return the Clenshaw-Curtis nodes on [-1, 1] and the weights of the full and the coarse rule, (K,), (2, K).

    They have the ends among their nodes, so that no drop of a monotone function hides between two panels.
    """
    nodes = np.cos(np.linspace(np.pi, 0, N_NODES))  # (K,)
    weights = np.zeros((2, N_NODES))
    for row, step in enumerate((1, 2)):
        used = nodes[::step]
        degree = np.arange(len(used))
        integral = np.where(degree % 2 == 0, 2 / (1.0 - np.where(degree == 1, 0, degree) ** 2), 0.0)  # of T_j
        weights[row, ::step] = np.linalg.solve(chebyshev.chebvander(used, len(used) - 1).T, integral)
    return nodes, weights


NODES, WEIGHTS = _rule()


def _integrate(
    delay: DelayModel, start: FloatArray, end: FloatArray, finite: BoolArray, centre_s: FloatArray | None
) -> _Panels:
    """Integrate over the panels from start to end, shape (M,) each, for the k that are `finite`, (W,)."""
    half = (end - start) / 2  # (M,)
    time_s = np.exp((start + half)[:, None] + half[:, None] * NODES)  # (M, K)
    late = np.array([delay.straggle_prob(float(at)) for at in time_s.ravel()])  # (M * K, W)
    below = fewer_than(late).reshape(*time_s.shape, -1)  # P(X_(k) > t), (M, K, W)
    known: FloatArray | float = 0.0
    if centre_s is None:
        slope = time_s[..., None]  # dt = t ds
    else:
        first, last = time_s[:, 0, None], time_s[:, -1, None]  # (M, 1)
        centre = np.where(finite, centre_s, 0.0)  # (W,)
        before = last <= centre  # (M, W)
        below = np.where(before[:, None], below - 1, below)
        slope = 2 * (time_s[..., None] - centre) * time_s[..., None]  # (M, K, W)
        # What 1[t < c] takes from the panel that holds c is known.
        known = np.where(before, 0.0, np.maximum(centre - first, 0.0) ** 2)  # (M, W)
    full, coarse = np.einsum("rk,mkw->rmw", WEIGHTS, np.where(finite, slope * below, 0.0)) * half[:, None]
    return _Panels(start, end, full + known * finite, np.abs(full - coarse))


def _tail(delay: DelayModel, order: int) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return which moments are finite, (W,), the exponents a of t^-a in two windows, (2, W), and P(X_(k) > the end).

    Raises
    ------
    InputError : a moment that is not reached within e^345 seconds
    """
    late = np.array([delay.straggle_prob(float(at)) for at in np.exp(LATEST - WINDOW * np.array([2.0, 1.0, 0.0]))])
    below = fewer_than(late)  # (3, W)
    certain = np.count_nonzero(~(delay.straggle_prob(np.inf) > 0))  # counted, as products may round to 0
    never = np.arange(1, late.shape[1] + 1) > certain  # (W,)
    logs = np.log(below, out=np.full(below.shape, -np.inf), where=below > 0)
    drop = np.subtract(logs[:-1], logs[1:], out=np.full((2, len(never)), np.inf), where=below[1:] > 0)
    exponents = drop / WINDOW  # (2, W)
    heavy = exponents[1] <= order + LEAST_MARGIN  # (W,)
    rising = heavy & ~never & (exponents[1] > exponents[0] + SETTLED)
    if rising.any():
        raise InputError(
            f"response {int(np.argmax(rising)) + 1} of {len(never)} has its "
            f"{'mean' if order == 1 else 'second moment'} beyond e^{LATEST:g} seconds: choose a lighter tail"
        )
    return ~never & ~heavy, exponents, below[-1]


def _beyond(at_end: FloatArray, exponent: FloatArray, order: int, finite: BoolArray) -> FloatArray:
    """Return the moment's part beyond the end from a tail t^-exponent, shape (W,)."""
    part = np.exp(order * LATEST) * at_end * order  # (W,)
    over = np.where(np.isfinite(exponent), exponent - order, np.inf)  # (W,)
    return np.asarray(np.divide(part, over, out=np.zeros(len(part)), where=finite & (over > 0)))
