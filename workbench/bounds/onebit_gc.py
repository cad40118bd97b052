"""Bounds of onebit_gc as numbers: the printed forms, the corrected ones, and the recursions behind them.

The paper's smoothness S is written without ½: S = L/2, converted in `_paper_smoothness` alone. Its m, n, w, d_i, p
are n_parts, n_workers, dim, replication, straggle_prob. In all corrected forms a placement enters only by its
workers' masses ℓ_w = Σ over the parts that worker w holds of 1/d_j: they need no pair-wise balance.
"""

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Regularity

BOUNDED = "bounded part gradients"
BALANCED = "pair-wise balanced placement"
INDEPENDENT = "independent stragglers"
STRONGLY_CONVEX = "strong convexity"
SMOOTH = "smoothness"


def noise_factor(dim: int, straggle_prob: float) -> float:
    """κ = (D − (1 − p))/(1 − p), the weight of the workers' squared messages in the second moment.

    Parameters
    ----------
    straggle_prob : p in [0, 1), the same for all workers
    """
    if not 0 <= straggle_prob < 1:
        raise InputError(f"straggle_prob is {straggle_prob}: give a number in [0, 1)")
    if dim < 1:
        raise InputError(f"dim is {dim}: a gradient has at least one coordinate")
    return (dim - (1 - straggle_prob)) / (1 - straggle_prob)


def masses(holds: npt.ArrayLike) -> FloatArray:
    """ℓ_w = Σ_j holds_wj / d_j, shape (W,); they add up to P.

    Parameters
    ----------
    holds : 1 where the worker holds the part, shape (W, P)
    """
    table = np.asarray(holds, float)  # (W, P)
    replication = table.sum(axis=0)  # (P,)
    if np.any(replication < 1):
        raise InputError(f"part {np.argmin(replication)} is on no worker: no unbiased estimate exists")
    return np.asarray(table @ (1 / replication))


@claim("onebit_gc", "Lemma 2", eq=13, assumes=(BOUNDED, BALANCED, INDEPENDENT))
def lemma_2(reg: Regularity, replication: npt.ArrayLike, n_workers: int, dim: int, straggle_prob: float) -> Bound:
    r"""Bound the second moment of the update as printed; exactly the worst case of a pair-wise balanced placement.

    .. math:: E\|\hat g\|^2 \le C P^2 + \kappa C \Big(\frac{P^2 - P}{W} + \sum_j \frac{1}{d_j}\Big)

    Parameters
    ----------
    reg : must claim grad_bound_sq (C)
    replication : d, shape (P,)
    """
    bound_sq, d = _claimed(reg.grad_bound_sq, "grad_bound_sq"), _replication(replication, n_workers)
    spread = (d.size**2 - d.size) / n_workers + np.sum(1 / d)
    return Bound(np.asarray(bound_sq * (d.size**2 + noise_factor(dim, straggle_prob) * spread)), "E‖ĝ‖²")


@claim("onebit_gc", "Lemma 2 repaired", assumes=(BOUNDED, INDEPENDENT))
def lemma_2_repaired(reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float) -> Bound:
    r"""Bound the second moment of the update for any placement; aligned gradients attain it.

    .. math:: E\|\hat g\|^2 \le C \Big(P^2 + \kappa \sum_w \ell_w^2\Big), \quad P = \sum_w \ell_w

    Parameters
    ----------
    reg : must claim grad_bound_sq (C)
    mass : ℓ of `masses`, shape (W,)
    """
    bound_sq, factor = _claimed(reg.grad_bound_sq, "grad_bound_sq"), noise_factor(dim, straggle_prob)
    return Bound(np.asarray(bound_sq * (mass.sum() ** 2 + factor * np.sum(mass**2))), "E‖ĝ‖²")


@claim("onebit_gc", "Theorem 1", eq=15, assumes=(BOUNDED, BALANCED, INDEPENDENT, STRONGLY_CONVEX))
def theorem_1(
    reg: Regularity, replication: npt.ArrayLike, n_workers: int, dim: int, straggle_prob: float, n_iters: npt.ArrayLike
) -> Bound:
    r"""Bound the error of x_T as printed, E‖x_T − x*‖² ≤ 4G/(λ²T), G of `lemma_2`, step size 1/(λt), t = 1, 2, ...

    Parameters
    ----------
    reg : must claim strong_convexity (λ) and grad_bound_sq (C)
    n_iters : T at least 1, shape (K,); x_1 is the start
    """
    scale = lemma_2(reg, replication, n_workers, dim, straggle_prob).value / _strong_convexity(reg) ** 2
    return Bound(4 * scale / _indices(n_iters, least=1), "E‖x_T − x*‖²")


@claim("onebit_gc", "Theorem 1 repaired", assumes=(BOUNDED, INDEPENDENT, STRONGLY_CONVEX))
def theorem_1_repaired(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike
) -> Bound:
    r"""Bound the error of x_T for any placement: G/(λ²T), and twice that at T = 2, G of `lemma_2_repaired`.

    The gradients need to be bounded along the iterates only; parameters as in `lemma_2_repaired` and `theorem_1`.
    """
    last = _indices(n_iters, least=1)  # (K,)
    scale = lemma_2_repaired(reg, mass, dim, straggle_prob).value / _strong_convexity(reg) ** 2
    return Bound(np.where(last == 2, 2, 1) * scale / last, "E‖x_T − x*‖²")


@claim("onebit_gc", "Theorem 1 recursion", assumes=(BOUNDED, INDEPENDENT, STRONGLY_CONVEX))
def theorem_1_recursion(
    reg: Regularity,
    mass: FloatArray,
    dim: int,
    straggle_prob: float,
    step_sizes: FloatArray,
    *,
    start_error_sq: float,
) -> Bound:
    r"""Bound the errors of x_1, ..., x_{K+1} under any step sizes, for instance the experiments' 1e-5/t.

    .. math:: a_{t+1} = \max(1 - 2\lambda\gamma_t, 0)\, a_t + \gamma_t^2 G

    Parameters
    ----------
    step_sizes : γ_1, γ_2, ..., shape (K,)
    start_error_sq : ‖x_1 − x*‖² or more; the others as in `theorem_1_repaired`
    """
    second_moment = float(lemma_2_repaired(reg, mass, dim, straggle_prob).value)
    curvature = _strong_convexity(reg)
    if start_error_sq < 0 or np.any(step_sizes < 0):
        raise InputError("start_error_sq and step_sizes: none may be negative")
    errors = [start_error_sq]
    for step in step_sizes:
        errors.append(max(1 - 2 * curvature * step, 0.0) * errors[-1] + step**2 * second_moment)
    return Bound(np.array(errors), "E‖x_t − x*‖²")


def theorem_2_step(smoothness: float, n_iters: npt.ArrayLike) -> FloatArray:
    r"""Return the constant step size of (21), the smaller root of γ − Sγ² = (T+1)^(−3/4), S = L/2.

    Parameters
    ----------
    smoothness : L, ½ form
    n_iters : T, above (4S)^(4/3) − 1, shape (K,)
    """
    last, half = _indices(n_iters, least=0), _paper_smoothness(smoothness)
    under_root = 1 - 4 * half / (last + 1.0) ** 0.75  # (K,)
    if np.any(under_root <= 0):
        raise InputError(f"n_iters is {last.min()}: (21) needs more than {(4 * half) ** (4 / 3) - 1:g}")
    return np.asarray((1 - np.sqrt(under_root)) / (2 * half))


@claim("onebit_gc", "Eq. 22", eq=22, assumes=(BOUNDED, BALANCED, INDEPENDENT, SMOOTH))
def theorem_2(
    reg: Regularity,
    n_parts: int,
    replication: int,
    n_workers: int,
    dim: int,
    straggle_prob: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
) -> Bound:
    r"""Evaluate (22) as printed, with its misplaced bracket: it may be negative, and bounds nothing.

    .. math:: \frac{\Delta}{(T+1)^{1/4}} + (T+1)^{3/4} \gamma^2 \frac{D - (1-p) B}{1-p} C P S,
        \quad B = \frac{P-1}{W} + \frac1d

    Parameters
    ----------
    reg : must claim smoothness (L = 2S) and grad_bound_sq (C)
    n_iters : T, above (4S)^(4/3) − 1, shape (K,)
    loss_gap : Δ, F(x_0) less a lower bound of F
    """
    smoothness = _claimed(reg.smoothness, "smoothness")
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    noise = _misprinted_noise(reg, n_parts, replication, n_workers, dim, straggle_prob)
    step = theorem_2_step(smoothness, n_iters)  # (K,)
    value = loss_gap / n_grads**0.25 + n_grads**0.75 * step**2 * noise * _paper_smoothness(smoothness)
    return Bound(value, "average of E‖∇F‖²")


@claim("onebit_gc", "Eq. 22 repaired", eq=50, assumes=(BOUNDED, INDEPENDENT, SMOOTH))
def theorem_2_repaired(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike, *, loss_gap: float
) -> Bound:
    r"""Bound the mean squared gradient under the step size (21) for any placement.

    .. math:: \frac{\Delta}{(T+1)^{1/4}} + (T+1)^{3/4} \gamma^2 S V, \quad V = \kappa C \sum_w \ell_w^2

    Parameters
    ----------
    mass : ℓ of `masses`, shape (W,); the others as in `theorem_2`
    """
    smoothness = _claimed(reg.smoothness, "smoothness")
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    noise = _paper_smoothness(smoothness) * _error(reg, mass, dim, straggle_prob)
    step = theorem_2_step(smoothness, n_iters)  # (K,)
    return Bound(loss_gap / n_grads**0.25 + n_grads**0.75 * step**2 * noise, "average of E‖∇F‖²")


def best_step(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike, *, loss_gap: float
) -> FloatArray:
    """γ = min(1/(2S), √(Δ/((T+1)SV))), which gives `theorem_2_best`; parameters as there."""
    half = _paper_smoothness(_claimed(reg.smoothness, "smoothness"))
    noise = half * _error(reg, mass, dim, straggle_prob)
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    if noise == 0:
        return np.full(n_grads.shape, 1 / (2 * half))
    return np.asarray(np.minimum(1 / (2 * half), np.sqrt(loss_gap / (n_grads * noise))))


@claim("onebit_gc", "Theorem 2 repaired", assumes=(BOUNDED, INDEPENDENT, SMOOTH))
def theorem_2_best(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike, *, loss_gap: float
) -> Bound:
    r"""Bound the mean squared gradient under `best_step`: T^(−1/2) where (21) gives T^(−1/4).

    .. math:: 4 \sqrt{\frac{\Delta S V}{T+1}} + \frac{4 S \Delta}{T+1}

    Parameters
    ----------
    n_iters : T at least 0, shape (K,); the others as in `theorem_2_repaired`
    """
    half = _paper_smoothness(_claimed(reg.smoothness, "smoothness"))
    noise = half * _error(reg, mass, dim, straggle_prob)
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    return Bound(4 * np.sqrt(loss_gap * noise / n_grads) + 4 * half * loss_gap / n_grads, "average of E‖∇F‖²")


def theorem_3_steps(smoothness: float, first_step: float, n_iters: int) -> FloatArray:
    r"""Return the step sizes of (24), the smaller roots of γ_t − Sγ_t² = (γ_0 − Sγ_0²)/√(t+1), shape (T+1,).

    Parameters
    ----------
    smoothness : L = 2S, ½ form
    first_step : γ_0 in (0, 1/(2S))
    """
    half = _paper_smoothness(smoothness)
    descent = _first_descent(half, first_step) / np.sqrt(np.arange(1.0, n_iters + 2))  # (T+1,)
    return np.asarray((1 - np.sqrt(1 - 4 * half * descent)) / (2 * half))


@claim("onebit_gc", "Eq. 25", eq=25, assumes=(BOUNDED, BALANCED, INDEPENDENT, SMOOTH))
def theorem_3(
    reg: Regularity,
    n_parts: int,
    replication: int,
    n_workers: int,
    dim: int,
    straggle_prob: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    first_step: float,
) -> Bound:
    r"""Evaluate (25) as printed, with its misplaced bracket: it may be negative, and bounds nothing.

    .. math:: \frac{\Delta + \gamma_0^2 (2 + \ln(T+1)) \frac{D - (1-p) B}{1-p} C P S}
        {(\gamma_0 - \gamma_0^2 S) \sqrt{T+1}}, \quad B = \frac{P-1}{W} + \frac1d

    Parameters
    ----------
    first_step : γ_0 in (0, 1/(2S)); the others as in `theorem_2`
    """
    half = _paper_smoothness(_claimed(reg.smoothness, "smoothness"))
    noise = half * _misprinted_noise(reg, n_parts, replication, n_workers, dim, straggle_prob)
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    value = loss_gap + first_step**2 * (2 + np.log(n_grads)) * noise
    return Bound(value / (_first_descent(half, first_step) * np.sqrt(n_grads)), "least E‖∇F‖²")


@claim("onebit_gc", "Theorem 3 repaired", eq=54, assumes=(BOUNDED, INDEPENDENT, SMOOTH))
def theorem_3_repaired(
    reg: Regularity,
    mass: FloatArray,
    dim: int,
    straggle_prob: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    first_step: float,
) -> Bound:
    r"""Bound the least mean squared gradient under the step sizes (24) for any placement.

    .. math:: \frac{\Delta + \gamma_0^2 (1 + \ln(T+1)) S V}{(\gamma_0 - \gamma_0^2 S) \sqrt{T+1}},
        \quad V = \kappa C \sum_w \ell_w^2

    Parameters
    ----------
    mass : ℓ of `masses`, shape (W,); the others as in `theorem_3`
    """
    half = _paper_smoothness(_claimed(reg.smoothness, "smoothness"))
    noise = half * _error(reg, mass, dim, straggle_prob)
    n_grads = _indices(n_iters, least=0) + 1.0  # (K,)
    value = loss_gap + first_step**2 * (1 + np.log(n_grads)) * noise
    return Bound(value / (_first_descent(half, first_step) * np.sqrt(n_grads)), "least E‖∇F‖²")


@claim("onebit_gc", "Eq. 48 repaired", eq=48, assumes=(BOUNDED, INDEPENDENT, SMOOTH))
def descent_recursion(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, step_sizes: FloatArray, *, loss_gap: float
) -> Bound:
    r"""Sum the descent inequality (48) for any step sizes and any placement, at every T = 0, 1, ...

    .. math:: \frac{\sum_{t \le T} w_t E\|\nabla F(x_t)\|^2}{\sum_{t \le T} w_t} \le
        \frac{\Delta + S V \sum_{t \le T} \gamma_t^2}{\sum_{t \le T} w_t}, \quad w_t = \gamma_t - S\gamma_t^2

    Parameters
    ----------
    step_sizes : γ_0, γ_1, ..., each in (0, 1/S), shape (K,); the others as in `theorem_2_repaired`
    """
    half = _paper_smoothness(_claimed(reg.smoothness, "smoothness"))
    wrong = np.flatnonzero(~((step_sizes > 0) & (step_sizes < 1 / half)))
    if wrong.size:
        raise InputError(
            f"step_sizes[{wrong[0]}] is {step_sizes[wrong[0]]:g}: it must lie in (0, 2/L), 2/L = {1 / half:g}"
        )
    noise = half * _error(reg, mass, dim, straggle_prob) * np.cumsum(step_sizes**2)  # (K,)
    descent = np.cumsum(step_sizes - half * step_sizes**2)  # (K,)
    return Bound((loss_gap + noise) / descent, "weighted average of E‖∇F‖²")


def _paper_smoothness(smoothness: float) -> float:
    """S of (20), which has no ½, from L."""
    if not smoothness > 0:
        raise InputError(f"smoothness is {smoothness}: the step sizes divide by it, give a positive constant")
    return smoothness / 2


def _error(reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float) -> float:
    """V, the worst E‖ĝ − ∇F‖²."""
    bound_sq = _claimed(reg.grad_bound_sq, "grad_bound_sq")
    return bound_sq * noise_factor(dim, straggle_prob) * float(np.sum(mass**2))


def _misprinted_noise(
    reg: Regularity, n_parts: int, replication: int, n_workers: int, dim: int, straggle_prob: float
) -> float:
    """(D − (1 − p)B)/(1 − p) C P of (22) and (25)."""
    bracket = (n_parts - 1) / n_workers + 1 / float(_replication(replication, n_workers)[0])
    misplaced = noise_factor(dim, straggle_prob) + 1 - bracket  # where κB is meant
    return misplaced * _claimed(reg.grad_bound_sq, "grad_bound_sq") * n_parts


def _first_descent(half: float, first_step: float) -> float:
    if not 0 < first_step < 1 / (2 * half):
        raise InputError(f"first_step is {first_step:g}: it must lie in (0, 1/(2S)) = (0, {1 / (2 * half):g})")
    return first_step - half * first_step**2


def _replication(replication: npt.ArrayLike, n_workers: int) -> FloatArray:
    d = np.atleast_1d(np.asarray(replication, float))  # (P,)
    if d.min() < 1 or d.max() > n_workers:
        raise InputError(f"replication from {d.min():g} to {d.max():g}: with {n_workers} workers take 1 to {n_workers}")
    return d


def _strong_convexity(reg: Regularity) -> float:
    return _claimed(reg.strong_convexity, "strong_convexity")


def _indices(n_iters: npt.ArrayLike, *, least: int) -> IntArray:
    last = np.atleast_1d(np.asarray(n_iters, dtype=np.int64))
    if last.size and last.min() < least:
        raise InputError(f"n_iters is {last.min()}: the last iterate's index is at least {least}")
    return last


def _claimed(value: float | None, name: str) -> float:
    if value is None or not value > 0:
        raise InputError(f"the bound needs {name} > 0, the problem claims {value}: measure it first")
    return value
