"""Bounds of compskip as numbers: the printed forms, what their proofs give, and the repaired scheme's.

T (`n_iters`) counts gradients: an average or a minimum over T iterates runs over x_0, ..., x_{T−1}. A worker's
gradient has conditional mean g with ‖g‖² ≤ ω² (`grad_bound_sq`) and variance at most σ² (`grad_var`); their mean over
the workers is ∇f, and workers are independent given the past. The errors held back are H_t = ẽ_t + Σ_i e_{t,i}/M.
Smoothness L is in the ½ form, as the paper's.
"""

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Regularity

SMOOTH = "smoothness"
BOUNDED = "bounded gradients"
NOISE = "workers' noise independent given the past"
CONTRACTION = "compressors contract in the mean, skips included"
BALANCED = "c'/|S| = c/M, c̃ = c"
NO_MOMENTUM = "no momentum"
SMALL_STEP = "step size at most 1/(2L)"


@claim("compskip", "Contraction of signs repaired", eq=11, assumes=("magnitudes in a known range",))
def contraction_of_signs_repaired(least: float, most: float, keep_prob: float, error_step: float) -> Bound:
    r"""Bound what c·sign_β leaves of a message whose nonzero magnitudes lie in [least, most]; attained at an end.

    .. math:: E\|c\,\mathrm{sign}_\beta(p) - p\|^2 \le (1 - \delta)\|p\|^2, \quad
        \delta = \beta \min_{r \in \{\text{least}, \text{most}\}} \big(1 - (1 - c/r)^2\big)

    It is a contraction exactly if least > c/2; no range without ends has a δ.

    Parameters
    ----------
    keep_prob, error_step : β and c
    """
    if not 0 < least <= most:
        raise InputError(f"the range is [{least:g}, {most:g}]: give 0 < least <= most")
    shortfall = max((1 - error_step / magnitude) ** 2 for magnitude in (least, most))
    return Bound(np.asarray(1 - keep_prob * (1 - shortfall)), "E‖c sign(p) − p‖²/‖p‖²")


@claim("compskip", "Lemma 2", eq=26, assumes=(CONTRACTION, BOUNDED, BALANCED, NO_MOMENTUM))
def lemma_2(contraction: float, server_contraction: float, n_workers: int, n_sent: int, grad_sq: float) -> Bound:
    r"""Bound the errors held back as printed, G² U_t.

    .. math:: U_t = \frac{4(2 - \delta)}{\delta^2} \Big(1 +
        \frac{4(2 - \tilde\delta)(1 - \tilde\delta)(2 - \delta) M}{\tilde\delta^2 (1 - \delta) M_t}\Big)

    No δ > 0 exists for signs times a constant, and δ may be at most 1 − γ².

    Parameters
    ----------
    contraction, server_contraction : δ and δ̃ in (0, 1)
    n_workers, n_sent : M, and the M_t of them that do not skip
    grad_sq : G² = σ² + ω²
    """
    delta, server = _inside(contraction, "contraction"), _inside(server_contraction, "server_contraction")
    if not 1 <= n_sent <= n_workers:
        raise InputError(f"n_sent is {n_sent} of {n_workers} workers: (26) divides by it, give at least 1")
    at_server = 4 * (2 - server) * (1 - server) * (2 - delta) * n_workers / (server**2 * (1 - delta) * n_sent)
    return Bound(np.asarray(grad_sq * 4 * (2 - delta) / delta**2 * (1 + at_server)), "‖H_t‖²")


@claim("compskip", "Lemma 2 repaired", assumes=(BOUNDED, NOISE, BALANCED, NO_MOMENTUM))
def lemma_2_repaired(
    reg: Regularity, n_iters: npt.ArrayLike, *, n_workers: int, dim: int, error_step: float, error_decay: float
) -> Bound:
    r"""Bound the errors that Algorithm 1 holds back after T rounds, whoever skips and whatever is masked.

    .. math:: E\|H_T\|^2 \le \Big(\sqrt{\omega^2 + \sigma^2/M} + c\sqrt{D}\Big)^2
        \Big(\frac{1 - \gamma^T}{1 - \gamma}\Big)^2

    from H_{t+1} = γH_t + ḡ_t − cΔ̃_t. Under γ = 1 it is T² in the last factor: nothing bounds it.

    Parameters
    ----------
    reg : must claim grad_bound_sq (ω²) and grad_var (σ²) of one worker's gradient
    n_iters : T at least 0, shape (K,)
    error_step, error_decay : c and γ
    """
    each = np.sqrt(_mean_gradient_sq(reg, n_workers)) + error_step * np.sqrt(dim)
    return Bound((each * _weights(error_decay, _indices(n_iters, least=0))) ** 2, "E‖H_T‖²")


@claim("compskip", "Theorem 1", assumes=(SMOOTH, BOUNDED, NOISE, CONTRACTION, BALANCED, NO_MOMENTUM))
def theorem_1(
    reg: Regularity, n_iters: npt.ArrayLike, *, n_workers: int, error_step: float, held_sq: float, loss_gap: float
) -> Bound:
    r"""Give what stands inside the O of the proof's last display, with the constant 1 and U as a number.

    .. math:: \frac{4c\Delta}{\sqrt T} + \frac{2L\sigma^2}{cM\sqrt T} + \frac{4 G^2 L^2 U}{c^2 T}

    It is no bound: factors up to (e³ − 1)/3 are in the O, and so is U, which grows like T² at γ = 1 − 1/(T+1).

    Parameters
    ----------
    reg : must claim smoothness and grad_var
    error_step, held_sq, loss_gap : c, G²U and Δ = f(x_0) − inf f
    """
    last = _indices(n_iters, least=1)  # (K,)
    smoothness, grad_var = _claimed(reg.smoothness, "smoothness"), _claimed(reg.grad_var, "grad_var")
    slow = 4 * error_step * loss_gap + 2 * smoothness * grad_var / (error_step * n_workers)
    return Bound(slow / np.sqrt(last) + 4 * held_sq * smoothness**2 / (error_step**2 * last), "average of E‖∇f‖²")


@claim("compskip", "Theorem 1 corrected", assumes=(SMOOTH, BOUNDED, NOISE, BALANCED, NO_MOMENTUM))
def theorem_1_corrected(
    reg: Regularity,
    n_iters: npt.ArrayLike,
    *,
    n_workers: int,
    dim: int,
    error_step: float,
    error_decay: float,
    first_step: float,
    loss_gap: float,
) -> Bound:
    r"""Bound the least mean squared gradient of Algorithm 1 under η_t = η_0 γ^(−t), with the errors it really holds.

    .. math:: \min_{t < T} E\|\nabla f(x_t)\|^2 \le \frac{1}{\sum_t w_t} \Big(\Delta
        + \frac{L\sigma^2}{2c^2 M} \sum_t \eta_t^2 + \frac{L^2}{2c^3} \sum_t \eta_t \eta_{t-1}^2 E\|H_t\|^2\Big),
        \quad w_t = \frac{\eta_t}{2c}\Big(1 - \frac{L\eta_t}{c}\Big)

    E‖H_t‖² by `lemma_2_repaired`. It tends to 0 under no γ and η_0: a server that always skips never moves x.

    Parameters
    ----------
    reg : must claim smoothness, grad_bound_sq (ω²) and grad_var (σ²)
    error_step, error_decay, first_step, loss_gap : c, γ, η_0 and Δ = f(x_0) − inf f
    """
    last = _indices(n_iters, least=1)  # (K,)
    smoothness, c = _claimed(reg.smoothness, "smoothness"), error_step
    if not 0 < error_decay <= 1:
        raise InputError(f"error_decay is {error_decay}: the step size is divided by it, give a number in (0, 1]")
    rounds = np.arange(last.max(initial=1))  # (T,)
    steps = first_step * error_decay ** (-rounds.astype(float))  # (T,)
    if not 0 < first_step <= steps[-1] < c / smoothness:
        raise InputError(
            f"the step size grows from {first_step:g} to {steps[-1]:g}: it must stay in (0, c/L), c/L = "
            f"{c / smoothness:g}; take fewer rounds, a smaller first_step or error_decay nearer to 1"
        )
    held = lemma_2_repaired(
        reg, rounds, n_workers=n_workers, dim=dim, error_step=c, error_decay=error_decay
    ).value  # (T,), 0 at t = 0, where η_{t−1} is of no account
    before = steps * error_decay  # η_{t−1}
    weight = np.cumsum(steps / (2 * c) * (1 - smoothness * steps / c))
    noise = smoothness * _claimed(reg.grad_var, "grad_var") / (2 * c**2 * n_workers) * np.cumsum(steps**2)
    delay = smoothness**2 / (2 * c**3) * np.cumsum(steps * before**2 * held)
    return Bound(((loss_gap + noise + delay) / weight)[last - 1], "least E‖∇f‖²")


@claim("compskip", "Theorem 1 repaired", assumes=(SMOOTH, BOUNDED, NOISE, CONTRACTION, SMALL_STEP))
def theorem_1_repaired(
    reg: Regularity,
    n_iters: npt.ArrayLike,
    *,
    contraction: npt.ArrayLike,
    server_contraction: float,
    step_size: float,
    loss_gap: float,
) -> Bound:
    r"""Bound the mean squared gradient of the scheme compskip_repaired at a constant step η ≤ 1/(2L).

    .. math:: \frac1T \sum_{t<T} E\|\nabla f(x_t)\|^2 \le \frac{4\Delta}{\eta T} + \frac{2L\eta\sigma^2}{M}
        + 2L^2\eta^2 Q, \quad \sqrt Q = \frac1M \sum_i G \frac{r_i}{1 - r_i}
        + \frac{\tilde r}{1 - \tilde r} \sqrt{\frac1M \sum_i \frac{G^2}{(1 - r_i)^2}}

    r = √(1 − δ), G² = ω² + σ². With η = 1/(2L√T): (8LΔ + σ²/M)/√T + Q/(2T), which is O(1/√T).

    Parameters
    ----------
    reg : must claim smoothness, grad_bound_sq (ω²) and grad_var (σ²) of one worker's gradient
    contraction, server_contraction : δ, shape (W,), and δ̃, in (0, 1], skips included
    loss_gap : Δ = f(x_0) − inf f
    """
    last = _indices(n_iters, least=1)  # (K,)
    kept, server_kept = _kept(contraction), _kept(server_contraction)[0]  # (W,)
    grad = np.sqrt(_mean_gradient_sq(reg, 1))  # G
    held = np.mean(grad * kept / (1 - kept))
    held += server_kept / (1 - server_kept) * np.sqrt(np.mean((grad / (1 - kept)) ** 2))
    smoothness = _small_step(reg, step_size)
    noise = 2 * smoothness * step_size * _claimed(reg.grad_var, "grad_var") / kept.size
    return Bound(
        4 * loss_gap / (step_size * last) + noise + 2 * (smoothness * step_size * held) ** 2, "average of E‖∇f‖²"
    )


@claim("compskip", "Lemma 2 recursion", assumes=(BOUNDED, NOISE, CONTRACTION))
def lemma_2_recursion(
    reg: Regularity, n_iters: npt.ArrayLike, *, contraction: npt.ArrayLike, server_contraction: float
) -> Bound:
    r"""Bound the errors that compskip_repaired holds back after T rounds, round by round.

    .. math:: a_i' = (1 - \delta_i) P_i, \; P_i = (\sqrt{a_i} + \omega)^2 + \sigma^2, \qquad
        b' = (1 - \tilde\delta)\Big(\sqrt b + \sqrt{\textstyle\sum_i P_i/M}\Big)^2, \qquad
        E\|H\|^2 \le \Big(\sqrt b + \sum_i \sqrt{a_i}/M\Big)^2

    a_i and b bound E‖e_i‖² and E‖ẽ‖²; they start at 0 and rise to their limits.

    Parameters
    ----------
    n_iters : T at least 0, shape (K,); the others as in `theorem_1_repaired`
    """
    last = _indices(n_iters, least=0)  # (K,)
    kept, server_kept = _kept(contraction), _kept(server_contraction)[0]  # (W,)
    mean_grad, grad_var = np.sqrt(_claimed(reg.grad_bound_sq, "grad_bound_sq")), _claimed(reg.grad_var, "grad_var")
    at_worker, at_server = np.zeros(kept.size), 0.0  # √a, √b
    held = np.zeros(last.max(initial=0) + 1)
    for t in range(1, held.size):
        wanted_sq = (at_worker + mean_grad) ** 2 + grad_var  # P, (W,)
        at_worker = kept * np.sqrt(wanted_sq)
        at_server = server_kept * (at_server + np.sqrt(wanted_sq.mean()))
        held[t] = (at_server + at_worker.mean()) ** 2
    return Bound(held[last], "E‖H_T‖²")


@claim("compskip", "Theorem 1 recursion", assumes=(SMOOTH, BOUNDED, NOISE, CONTRACTION, SMALL_STEP))
def theorem_1_recursion(
    reg: Regularity,
    n_iters: npt.ArrayLike,
    *,
    contraction: npt.ArrayLike,
    server_contraction: float,
    step_size: float,
    loss_gap: float,
) -> Bound:
    r"""Sum the descent inequality behind `theorem_1_repaired` without its roundings; parameters as there.

    .. math:: \frac1T \sum_{t<T} E\|\nabla f(x_t)\|^2 \le \frac{2}{1 - L\eta} \Big(\frac{\Delta}{\eta T}
        + \frac{L\eta\sigma^2}{2M} + \frac{L^2\eta^2}{2T} \sum_{t<T} E\|H_t\|^2\Big)
    """
    last = _indices(n_iters, least=1)  # (K,)
    smoothness, n_workers = _small_step(reg, step_size), np.size(contraction)
    held = lemma_2_recursion(
        reg, np.arange(last.max(initial=1)), contraction=contraction, server_contraction=server_contraction
    ).value  # (T,)
    scaled = smoothness * step_size
    noise = scaled * _claimed(reg.grad_var, "grad_var") / (2 * n_workers)
    delay = scaled**2 / 2 * (np.cumsum(held) / np.arange(1, held.size + 1))[last - 1]  # (K,)
    return Bound(2 / (1 - scaled) * (loss_gap / (step_size * last) + noise + delay), "average of E‖∇f‖²")


def _weights(error_decay: float, last: IntArray) -> FloatArray:
    """1 + γ + ... + γ^(T−1), shape (K,)."""
    if not 0 <= error_decay <= 1:
        raise InputError(f"error_decay is {error_decay}: it must lie between 0 and 1")
    return np.asarray(np.concatenate([[0.0], np.cumsum(error_decay ** np.arange(last.max(initial=0)))])[last])


def _mean_gradient_sq(reg: Regularity, n_workers: int) -> float:
    """ω² + σ²/M."""
    return _claimed(reg.grad_bound_sq, "grad_bound_sq") + _claimed(reg.grad_var, "grad_var") / n_workers


def _kept(contraction: npt.ArrayLike) -> FloatArray:
    """√(1 − δ), shape (W,)."""
    deltas = np.atleast_1d(np.asarray(contraction, float))
    if not np.all((deltas > 0) & (deltas <= 1)):
        raise InputError(f"contraction is {deltas.min()} to {deltas.max()}: it must be above 0 and at most 1")
    return np.asarray(np.sqrt(1 - deltas))


def _small_step(reg: Regularity, step_size: float) -> float:
    """L, after a look at η."""
    smoothness = _claimed(reg.smoothness, "smoothness")
    if not 0 < step_size <= (1 + 1e-12) / (2 * smoothness):
        raise InputError(f"step_size is {step_size:g}: it must lie in (0, 1/(2L)], 1/(2L) = {1 / (2 * smoothness):g}")
    return smoothness


def _inside(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise InputError(f"{name} is {value}: it must lie between 0 and 1, both excluded")
    return value


def _indices(n_iters: npt.ArrayLike, *, least: int) -> IntArray:
    last = np.atleast_1d(np.asarray(n_iters, dtype=np.int64))
    if last.size and last.min() < least:
        raise InputError(f"n_iters is {last.min()}: give at least {least}")
    return last


def _claimed(value: float | None, name: str) -> float:
    if value is None or value < 0:
        raise InputError(f"the bound needs {name} >= 0, the problem claims {value}: measure it first")
    return value
