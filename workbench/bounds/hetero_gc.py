"""Bounds of hetero_gc as numbers: one function per claim, and the recursions behind the theorems.

Theorem 2 counts iterates from 1 and Theorem 3 from 0, each as its proof needs; the start of a run is `x_1`
in the one and `x_0` in the other. `n_iters` is the paper's T, the index of the last iterate, in both.
"""

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Regularity

BOUNDED = "bounded part gradients"
UNBIASED = "unbiased code"
OPTIMAL = "optimal structure with nonnegative weights"
INDEPENDENT = "independent stragglers"
STRONGLY_CONVEX = "strong convexity"
SMOOTH = "smoothness"
SMALL_STEP = "step size at most 1/L"


@claim("hetero_gc", "Lemma 1", eq=10, assumes=(BOUNDED, UNBIASED, INDEPENDENT))
def lemma_1(weights: FloatArray, straggle_prob: FloatArray, variance_factor: FloatArray, grad_bound_sq: float) -> Bound:
    r"""Bound the error of one round, E‖ĝ − g‖².

    .. math:: C \sum_i (1 - p_i)(p_i + \omega_i) \Big(\sum_j |a_{ij}|\Big)^2

    The absolute values are ours: with weights of both signs the sum without them is no bound.

    Parameters
    ----------
    weights : a, decoding times encoding weight, shape (W, P)
    straggle_prob : p, shape (W,)
    variance_factor : omega of the quantizers, shape (W,); infinite is allowed where a worker's row is zero
    grad_bound_sq : C, bound on the squared norm of every part's gradient
    """
    mass = np.abs(weights).sum(axis=1)  # (W,)
    p, omega, mass = (each[mass > 0] for each in np.broadcast_arrays(straggle_prob, variance_factor, mass))  # (busy,)
    return Bound(np.asarray(grad_bound_sq * np.sum((1 - p) * (p + omega) * mass**2)), "E‖ĝ − g‖²")


@claim("hetero_gc", "Lemma 2", eq=21, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT))
def lemma_2(n_parts: int, utility: float, grad_bound_sq: float) -> Bound:
    r"""Bound the error of one round of any optimally structured code, E‖ĝ − g‖² ≤ C k²/U.

    Parameters
    ----------
    n_parts : k
    utility : U, sum over workers of (1 - p)/(p + omega); infinite gives 0
    grad_bound_sq : C, bound on the squared norm of every part's gradient
    """
    if not utility > 0:
        raise InputError(f"utility is {utility}: no worker contributes, nothing is bounded")
    return Bound(np.asarray(grad_bound_sq * n_parts**2 / utility), "E‖ĝ − g‖²")


@claim("hetero_gc", "Lemma 2", eq=50, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT))
def lemma_2_second_moment(n_parts: int, utility: float, grad_bound_sq: float) -> Bound:
    """Bound the second moment of the estimate, E‖ĝ‖² ≤ G = C k² (1 + 1/U); parameters as in `lemma_2`."""
    error = lemma_2(n_parts, utility, grad_bound_sq).value
    return Bound(np.asarray(grad_bound_sq * n_parts**2 + error), "E‖ĝ‖²")


@claim("hetero_gc", "Theorem 2", eq=28, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, STRONGLY_CONVEX))
def theorem_2(reg: Regularity, n_parts: int, utility: float, n_iters: npt.ArrayLike) -> Bound:
    r"""Bound the error of x_T under the step size η_t = 1/(μt), t = 1, 2, ...

    .. math:: E\|x_T - x^*\|^2 \le \frac{4 C k^2 (1 + 1/U)}{\mu^2 T}

    x_1 is the start: x_T is reached by T − 1 steps.

    Parameters
    ----------
    reg : must claim strong_convexity (μ) and grad_bound_sq (C)
    n_parts, utility : k and U
    n_iters : T at least 1, shape (K,)
    """
    last = _indices(n_iters, least=1)  # (K,)
    return Bound(4 * _scale_theorem_2(reg, n_parts, utility) / last, "E‖x_T − x*‖²")


@claim("hetero_gc", "Theorem 2 repaired", eq=28, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, STRONGLY_CONVEX))
def theorem_2_repaired(reg: Regularity, n_parts: int, utility: float, n_iters: npt.ArrayLike) -> Bound:
    r"""Bound as `theorem_2` does, with the least constant: 1 in place of 4, and 2 at T = 2.

    .. math:: E\|x_T - x^*\|^2 \le \frac{c_T\, C k^2 (1 + 1/U)}{\mu^2 T}, \quad c_2 = 2, \; c_T = 1 \text{ else}
    """
    last = _indices(n_iters, least=1)  # (K,)
    return Bound(np.where(last == 2, 2, 1) * _scale_theorem_2(reg, n_parts, utility) / last, "E‖x_T − x*‖²")


@claim("hetero_gc", "Theorem 2", eq=67, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, STRONGLY_CONVEX))
def theorem_2_recursion(
    reg: Regularity, n_parts: int, utility: float, n_iters: npt.ArrayLike, *, start_error_sq: float
) -> Bound:
    r"""Solve the recursion behind Theorem 2 exactly: about a quarter of the printed bound.

    .. math:: a_{t+1} = (1 - 2/t)\, a_t + \frac{G}{\mu^2 t^2}
        \quad\Rightarrow\quad a_T = \frac{G}{\mu^2} \frac{T - 1 - H_{T-1}}{(T - 1)(T - 2)}, \; T \ge 3

    H is the harmonic number. The first factor is −1: hence a_2 = G/μ² − a_1 needs the start's error itself,
    an upper bound on it would give no bound. The second factor is 0: from a_3 on the start is forgotten.

    Parameters
    ----------
    start_error_sq : ‖x_1 − x*‖² exactly; the others as in `theorem_2`

    Raises
    ------
    InputError : a start farther than sqrt(G)/μ, where ‖∇F‖² ≤ G cannot hold
    """
    last = _indices(n_iters, least=1)  # (K,)
    scale = _scale_theorem_2(reg, n_parts, utility)
    if not 0 <= start_error_sq <= scale * (1 + 1e-12):
        raise InputError(
            f"start_error_sq is {start_error_sq:g}, but strong convexity and the gradient bound leave "
            f"at most {scale:g}: raise grad_bound_sq to the largest squared part gradient met"
        )
    harmonic = np.cumsum(1 / np.arange(1, last.max(initial=3)))  # H_1, H_2, ...
    late = np.maximum(last, 3)  # (K,)
    curve = scale * (late - 1 - harmonic[late - 2]) / ((late - 1) * (late - 2))
    curve = np.where(last == 1, start_error_sq, np.where(last == 2, scale - start_error_sq, curve))  # (K,)
    return Bound(curve, "E‖x_T − x*‖²")


@claim("hetero_gc", "Theorem 3", eq=29, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, SMOOTH))
def theorem_3_constant(
    reg: Regularity,
    n_parts: int,
    utility: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    planned: int | None = None,
) -> Bound:
    r"""Bound the mean squared gradient under the constant step size η = 1/(L√(T+1)).

    .. math:: \frac{1}{T+1} \sum_{t=0}^{T} E\|\nabla F(x_t)\|^2 \le \frac{2L\Delta + V}{\sqrt{T+1}},
        \quad V = C k^2 / U

    x_0 is the start: the average runs over T + 1 iterates, the last one reached by T steps. The step size
    depends on T, so each T is a run of its own, unless `planned` fixes it.

    Parameters
    ----------
    reg : must claim smoothness (L, ½ form) and grad_bound_sq (C)
    n_parts, utility : k and U
    n_iters : T at least 0, shape (K,)
    loss_gap : Δ, F(x_0) less a lower bound of F
    planned : the T in the step size where the run is looked at before its end; by default n_iters
    """
    last = _indices(n_iters, least=0)  # (K,)
    smoothness, error = _constants_theorem_3(reg, n_parts, utility)
    root = np.sqrt((last if planned is None else planned) + 1.0)  # 1/(L η)
    # eq. 74: 2Δ/(η(T+1)) + LηV
    return Bound(2 * smoothness * loss_gap * root / (last + 1) + error / root, "average of E‖∇F‖²")


@claim("hetero_gc", "Theorem 3", eq=30, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, SMOOTH, SMALL_STEP))
def theorem_3_decaying(
    reg: Regularity,
    n_parts: int,
    utility: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    first_step: float,
) -> Bound:
    r"""Bound the least mean squared gradient under the step sizes η_t = η_0/√(t+1), t = 0, 1, ...

    .. math:: \min_{t \le T} E\|\nabla F(x_t)\|^2 \le
        \frac{2\Delta + L V \eta_0^2 (1 + \ln(T+1))}{\eta_0 \sqrt{T+1}}

    Parameters
    ----------
    first_step : η_0, at most 1/L; the others as in `theorem_3_constant`

    Raises
    ------
    InputError : η_0 above 1/L, where the proof says nothing
    """
    last = _indices(n_iters, least=0)  # (K,)
    smoothness, error = _constants_theorem_3(reg, n_parts, utility)
    if not 0 < first_step <= (1 + 1e-12) / smoothness:
        raise InputError(f"first_step is {first_step:g}: the proof needs it in (0, 1/L], 1/L = {1 / smoothness:g}")
    noise = smoothness * error * first_step**2 * (1 + np.log(last + 1.0))  # (K,)
    return Bound((2 * loss_gap + noise) / (first_step * np.sqrt(last + 1.0)), "least E‖∇F‖²")


@claim("hetero_gc", "Theorem 3", eq=73, assumes=(BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, SMOOTH, SMALL_STEP))
def theorem_3_recursion(
    reg: Regularity, n_parts: int, utility: float, step_sizes: FloatArray, *, loss_gap: float
) -> Bound:
    r"""Sum the descent inequality behind Theorem 3 for any step sizes, without its two roundings.

    .. math:: \frac{\sum_{t \le T} w_t E\|\nabla F(x_t)\|^2}{\sum_{t \le T} w_t} \le
        \frac{\Delta + \frac{LV}{2} \sum_{t \le T} \eta_t^2}{\sum_{t \le T} w_t},
        \quad w_t = \eta_t (1 - L\eta_t/2)

    It bounds the weighted average, hence the least one, at every T = 0, 1, ...; for a constant step size it
    bounds the plain average.

    Parameters
    ----------
    step_sizes : η_0, η_1, ..., each below 2/L, shape (K,); the others as in `theorem_3_constant`
    """
    smoothness, error = _constants_theorem_3(reg, n_parts, utility)
    wrong = np.flatnonzero(~((step_sizes > 0) & (step_sizes < 2 / smoothness)))
    if wrong.size:
        raise InputError(
            f"step_sizes[{wrong[0]}] is {step_sizes[wrong[0]]:g}: it must lie in (0, 2/L), 2/L = {2 / smoothness:g}"
        )
    descent = np.cumsum(step_sizes * (1 - smoothness * step_sizes / 2))  # (K,)
    noise = smoothness * error / 2 * np.cumsum(step_sizes**2)  # (K,)
    return Bound((loss_gap + noise) / descent, "weighted average of E‖∇F‖²")


def _indices(n_iters: npt.ArrayLike, *, least: int) -> IntArray:
    last = np.atleast_1d(np.asarray(n_iters, dtype=np.int64))
    if last.size and last.min() < least:
        raise InputError(f"n_iters is {last.min()}: the last iterate's index is at least {least}")
    return last


def _claimed(value: float | None, name: str) -> float:
    if value is None or not value > 0:
        raise InputError(f"the bound needs {name} > 0, the problem claims {value}: measure it first")
    return value


def _scale_theorem_2(reg: Regularity, n_parts: int, utility: float) -> float:
    """G/μ², the squared distance all bounds of Theorem 2 are measured in."""
    second_moment = lemma_2_second_moment(n_parts, utility, _claimed(reg.grad_bound_sq, "grad_bound_sq"))
    return float(second_moment.value) / _claimed(reg.strong_convexity, "strong_convexity") ** 2


def _constants_theorem_3(reg: Regularity, n_parts: int, utility: float) -> tuple[float, float]:
    """L and V."""
    error = lemma_2(n_parts, utility, _claimed(reg.grad_bound_sq, "grad_bound_sq"))
    return _claimed(reg.smoothness, "smoothness"), float(error.value)
