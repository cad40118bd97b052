"""Bounds of quantimed as numbers: the printed O(.) forms, explicit ones, and the recursions behind them.

The paper's f is the mean of W losses f_i, so that `reg` holds for each f_i: W times our part losses, whose sum is F.
Its K, μ, γ² are smoothness, strong_convexity, grad_var: E‖∇̃f_i − ∇f_i‖² ≤ γ²/b for a batch of b. α is step_size, ε
mixing_step, σ² quantizer_var, and inverse_batch is ν = E[1/|S|; |S| > 0]. Averaging enters by κ = 1 − λ_2 where the
paper has 1 − β ≤ κ, and by the others' weights W_o = W − diag(W). Everyone starts at the same point x_0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.core.claims import Bound, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Regularity

STRONGLY_CONVEX = "strong convexity"
SMOOTH = "smoothness"
UNBIASED = "unbiased quantizer"
SOME_GRADIENT = "a gradient of every worker by every deadline"
ALIKE = "bounded disagreement of the local gradients"


@dataclass(frozen=True, eq=False)
class Averaging:
    """What the bounds see of a mixing matrix.

    weights : w_ij, symmetric, rows summing to 1, shape (W, W)
    """

    weights: FloatArray

    def __post_init__(self) -> None:
        if self.gap <= 1e-12:
            raise InputError(f"1 − λ_2 is {self.gap:.3g}: with these weights the workers never agree, join them")

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.weights)

    @cached_property
    def eigenvalues(self) -> FloatArray:
        """λ_1 >= ... >= λ_W, shape (W,)."""
        return np.asarray(np.linalg.eigvalsh(self.weights)[::-1])

    @property
    def gap(self) -> float:
        """κ = 1 − λ_2."""
        return float(1 - self.eigenvalues[1])

    @property
    def widest(self) -> float:
        """1 − λ_W."""
        return float(1 - self.eigenvalues[-1])

    @property
    def others(self) -> FloatArray:
        """W_o, shape (W, W)."""
        return np.asarray(self.weights - np.diag(np.diag(self.weights)))

    @property
    def noise_of_all(self) -> float:
        """‖W_o‖_F², at most W."""
        return float(np.sum(self.others**2))

    @property
    def noise_of_mean(self) -> float:
        """W ‖mean row of W_o‖² = (1/W) Σ (1 − w_ii)², the part of ‖W_o‖_F² that moves the mean model."""
        return float(np.mean((1 - np.diag(self.weights)) ** 2))


def grad_sq_at_start(reg: Regularity, loss_gaps: npt.ArrayLike) -> float:
    """D² = 2K Σ_i (f_i(0) − f_i*), below (9); f_i(x*) in place of f_i(0) serves as well, and is less.

    Parameters
    ----------
    loss_gaps : f_i(0) − f_i*, shape (W,)
    """
    gaps = np.asarray(loss_gaps, float)  # (W,)
    if gaps.min() < 0:
        raise InputError(f"loss_gaps[{gaps.argmin()}] is {gaps.min():g}: no loss lies below its least value")
    return 2 * _claimed(reg.smoothness, "smoothness") * float(gaps.sum())


@claim("quantimed", "Remark 1")
def remark_1(mean_inverse_speed: float, deadline_s: float, n_samples: int) -> Bound:
    """Give the printed 1/b_eff = max{E[1/V]/T_d, 1/m}, which is below ν: E max exceeds max E, and |S| is rounded."""
    if not deadline_s > 0 or n_samples < 1:
        raise InputError(f"deadline_s is {deadline_s}, n_samples is {n_samples}: give positive ones")
    return Bound(np.asarray(max(mean_inverse_speed / deadline_s, 1 / n_samples)), "E[1/|S|]")


def batches_of_uniform_speed(
    slowest: float, fastest: float, deadline_s: float, n_samples: int
) -> tuple[float, float, float]:
    """Return P(|S| > 0), ν = E[1/|S|; |S| > 0] and E|S| exactly, |S| = min(⌊V T_d⌋, m), V uniform.

    What Remark 1 puts its own expression in the place of.

    Parameters
    ----------
    slowest, fastest : bounds of the speed V, in gradients a second
    n_samples : m
    """
    if not 0 <= slowest < fastest or not deadline_s > 0 or n_samples < 1:
        raise InputError(f"speeds {slowest} to {fastest}, deadline {deadline_s}, {n_samples} samples: out of range")
    low, high = slowest * deadline_s, fastest * deadline_s
    sizes = np.arange(1, n_samples + 1)  # (m,)
    ends = np.append(sizes[1:].astype(float), np.inf)  # (m,): the last size holds all above
    prob = np.clip(np.minimum(high, ends) - np.maximum(low, sizes), 0, None) / (high - low)  # (m,)
    return float(prob.sum()), float(prob @ (1 / sizes)), float(prob @ sizes)


@claim("quantimed", "Theorem 1", eq=9, assumes=(STRONGLY_CONVEX, SMOOTH, UNBIASED, SOME_GRADIENT))
def theorem_1(
    reg: Regularity,
    mixing_rate: float,
    n_iters: npt.ArrayLike,
    *,
    exponent: float,
    grad_sq: float,
    quantizer_var: float,
    inverse_batch: float,
) -> Bound:
    r"""Evaluate (9) with 1 for the constants behind its O(.); it is claimed from some T_min on.

    .. math:: \Big(\frac{D^2 (K/\mu)^2}{(1-\beta)^2} + \frac{\sigma^2}{\mu}\Big) T^{-\delta}
        + \frac{\gamma^2}{\mu b_{eff}} T^{-2\delta}

    Parameters
    ----------
    mixing_rate : β < 1
    exponent : δ in (0, 1/2); α = T^(−δ/2), ε = T^(−3δ/2)
    grad_sq : D² of `grad_sq_at_start`
    inverse_batch : 1/b_eff of `remark_1`
    """
    if not 0 < exponent < 0.5:
        raise InputError(f"exponent is {exponent}: Theorem 1 takes δ in (0, 1/2)")
    if not 0 <= mixing_rate < 1:
        raise InputError(f"mixing_rate is {mixing_rate}: (9) needs β in [0, 1)")
    last, convexity = _indices(n_iters), _claimed(reg.strong_convexity, "strong_convexity")
    condition = _claimed(reg.smoothness, "smoothness") / convexity
    slow = grad_sq * condition**2 / (1 - mixing_rate) ** 2 + quantizer_var / convexity
    fast = _given(reg.grad_var, "grad_var") / convexity * inverse_batch
    return Bound(slow * last**-exponent + fast * last ** (-2 * exponent), "mean over workers of E‖x_i − x*‖²")


@claim("quantimed", "Theorem 1 distance", assumes=(STRONGLY_CONVEX, SMOOTH))
def distance(reg: Regularity, weights: FloatArray, *, step_size: npt.ArrayLike, grad_sq: float) -> Bound:
    r"""Bound (1/W)‖x*_α − 1x*‖² by (1 + K²/μ²) α²D²/(Wκ²), x*_α the minimiser of ½xᵀ(I − W)x + αΣf_i(x_i).

    Parameters
    ----------
    weights : w_ij, shape (W, W)
    step_size : α; where a worker has a gradient with probability ρ only, ρα
    """
    net = Averaging(weights)
    condition = _claimed(reg.smoothness, "smoothness") / _claimed(reg.strong_convexity, "strong_convexity")
    value = (1 + condition**2) * np.square(step_size) * grad_sq / (net.n_workers * net.gap**2)
    return Bound(np.asarray(value), "‖x*_α − 1x*‖²/W")


@claim("quantimed", "Theorem 1 recursion", assumes=(STRONGLY_CONVEX, SMOOTH, UNBIASED))
def theorem_1_recursion(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    start_error_sq: float,
    grad_sq: float | None = None,
    some_prob: float = 1.0,
) -> Bound:
    r"""Bound E‖x_T − x*_α‖² over all workers by the recursion a ← q a + ε²N, summed in closed form.

    .. math:: q = (1 - \varepsilon\rho\alpha\mu)^2 + 2\varepsilon^2\alpha^2\rho(1-\rho)K^2, \quad
        N = \sigma^2 \|W_o\|_F^2 + \alpha^2 (W\gamma^2\nu + 2\rho(1-\rho)D^2)

    Parameters
    ----------
    start_error_sq : ‖x_0 − x*_α‖² over all workers; at most D²/(Kμ) from x_0 = 0
    grad_sq : D², needed where some_prob < 1
    some_prob : ρ = P(|S| > 0), the same for all workers: the gradients' mean is ρ∇f_i, and ρα takes α's place
    """
    last, net = _indices(n_iters), Averaging(weights)
    _check_prob(some_prob)
    kept, noise = _rate(reg, net, step_size, mixing_step, some_prob), quantizer_var * net.noise_of_all
    lost = 0.0 if some_prob == 1 else 2 * some_prob * (1 - some_prob) * _given(grad_sq, "grad_sq")
    noise += step_size**2 * (net.n_workers * _given(reg.grad_var, "grad_var") * inverse_batch + lost)
    power = kept**last  # (K,)
    return Bound(power * start_error_sq + mixing_step**2 * noise * (1 - power) / (1 - kept), "E‖x_T − x*_α‖²")


@claim("quantimed", "Theorem 1 repaired", assumes=(STRONGLY_CONVEX, SMOOTH, UNBIASED))
def theorem_1_repaired(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    grad_sq: float,
    start_error_sq: float,
    some_prob: float = 1.0,
) -> Bound:
    r"""Bound the mean squared error of the workers' models, explicitly and for any step sizes that contract.

    .. math:: \frac{2}{W} E\|x_T - x^*_\alpha\|^2 + \frac{2}{W} \|x^*_\alpha - 1x^*\|^2

    with `theorem_1_recursion` and `distance`; parameters as there.
    """
    away = theorem_1_recursion(
        reg,
        weights,
        n_iters,
        step_size=step_size,
        mixing_step=mixing_step,
        quantizer_var=quantizer_var,
        inverse_batch=inverse_batch,
        start_error_sq=start_error_sq,
        grad_sq=grad_sq,
        some_prob=some_prob,
    ).value  # (K,)
    limit = distance(reg, weights, step_size=some_prob * step_size, grad_sq=grad_sq).value
    return Bound(2 * away / len(weights) + 2 * limit, "mean over workers of E‖x_i − x*‖²")


def best_steps(strong_convexity: float, n_iters: int) -> tuple[float, float]:
    """α = s^(1/4), ε = s^(3/4) with s = ln T/(2μT): `theorem_1_repaired` then falls as √(ln T/T).

    The paper's T^(−δ) comes after a T_min that no one reaches for δ near 1/2; this has no such wait.
    """
    if n_iters < 2 or not strong_convexity > 0:
        raise InputError(f"n_iters is {n_iters}, strong_convexity {strong_convexity}: give T at least 2, μ > 0")
    product = np.log(n_iters) / (2 * strong_convexity * n_iters)
    return float(product**0.25), float(product**0.75)


@claim("quantimed", "Theorem 1 quadratic", assumes=("quadratic losses", "constant noise"))
def quadratic_error(
    weights: FloatArray,
    curvature: FloatArray,
    centre: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    gradient_noise: float,
) -> Bound:
    r"""Evaluate the mean squared error itself where f_i(x) = ½ k_i ‖x − c_i‖², from x_0 = 0.

    One round is x ← Mx + εαkc + noise with M = I − ε(I − W) − εα diag(k), symmetric: mean and covariance are geometric
    series in its eigenvalues.

    Parameters
    ----------
    curvature, centre : k (W,) and c (W, D)
    quantizer_var, gradient_noise : E‖Q(x) − x‖² and E‖∇̃f_i − ∇f_i‖², the same for every message and worker
    """
    last, n_workers = _indices(n_iters), len(weights)
    others = weights - np.diag(np.diag(weights))  # (W, W)
    pull = np.eye(n_workers) - weights + step_size * np.diag(curvature)  # (W, W): ∇²h_α
    shrink, axes = np.linalg.eigh(np.eye(n_workers) - mixing_step * pull)  # (W,), (W, W)
    if np.abs(shrink).max() >= 1:
        raise InputError(f"the iteration grows by {np.abs(shrink).max():.6g} a round: take a smaller mixing_step")
    limit = np.linalg.solve(pull, step_size * curvature[:, None] * centre)  # x*_α, (W, D)
    optimum = curvature @ centre / curvature.sum()  # (D,)
    source = quantizer_var * others @ others.T + step_size**2 * gradient_noise * np.eye(n_workers)  # (W, W)
    rotated, products = mixing_step**2 * axes.T @ source @ axes, np.outer(shrink, shrink)
    value = np.empty(len(last))  # (K,)
    for k, t in enumerate(last):
        mean = limit - (axes * shrink**t) @ (axes.T @ limit)  # (W, D)
        spread = rotated * (1 - products**t) / (1 - products)  # in the eigenvectors' axes
        value[k] = (np.sum((mean - optimum) ** 2) + np.trace(spread)) / n_workers
    return Bound(value, "mean over workers of E‖x_i − x*‖²")


@claim("quantimed", "Theorem 2", eq=10, assumes=(SMOOTH, UNBIASED))
def theorem_2(
    reg: Regularity,
    n_workers: int,
    mixing_rate: float,
    n_iters: npt.ArrayLike,
    *,
    n_samples: int,
    quantizer_var: float,
    inverse_batch: float,
) -> Bound:
    r"""Evaluate (10) with 1 for the constants behind its O(.): it has no f(x_0) − f*, and bounds nothing.

    .. math:: \Big(\frac{K^2\gamma^2}{(1-\beta)^2 m} + \frac{K\sigma^2}{W}\Big) T^{-1/3}
        + \frac{K\gamma^2}{W b_{eff}} T^{-2/3}

    Parameters
    ----------
    mixing_rate : β < 1
    n_samples : m
    inverse_batch : 1/b_eff of `remark_1`
    """
    last, smoothness = _indices(n_iters), _claimed(reg.smoothness, "smoothness")
    slow = (
        smoothness**2 * eq_11(reg, mixing_rate, 1, n_samples=n_samples).value + smoothness * quantizer_var / n_workers
    )
    fast = smoothness * _given(reg.grad_var, "grad_var") / n_workers * inverse_batch
    return Bound(slow / np.cbrt(last) + fast / np.cbrt(last) ** 2, "average of E‖∇f(x̄)‖²")


@claim("quantimed", "Eq. 11", eq=11, assumes=(SMOOTH, UNBIASED))
def eq_11(reg: Regularity, mixing_rate: float, n_iters: npt.ArrayLike, *, n_samples: int) -> Bound:
    """Evaluate (11) with 1 for its constant, γ²/(m(1 − β)²) T^(−1/3): it has no quantization noise."""
    if not 0 <= mixing_rate < 1:
        raise InputError(f"mixing_rate is {mixing_rate}: (11) needs β in [0, 1)")
    scale = _given(reg.grad_var, "grad_var") / (n_samples * (1 - mixing_rate) ** 2)
    return Bound(scale / np.cbrt(_indices(n_iters)), "average consensus error")


@claim("quantimed", "Eq. 11 recursion", assumes=(SMOOTH, UNBIASED, SOME_GRADIENT, ALIKE))
def consensus_recursion(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    disagreement_sq: float,
) -> Bound:
    r"""Bound the average over t < T of (1/W) Σ E‖x_i − x̄‖² by its recursion from c_0 = 0, summed in closed form.

    .. math:: c \leftarrow (1 - \varepsilon\kappa + 2\alpha^2\varepsilon K^2/\kappa)\, c
        + 2\alpha^2\varepsilon\zeta^2/\kappa + \varepsilon^2 N, \quad
        N = \frac{\sigma^2}{W}\Big(\|W_o\|_F^2 - \tfrac1W \sum (1 - w_{ii})^2\Big)
        + \alpha^2\gamma^2\nu \Big(1 - \tfrac1W\Big)

    Parameters
    ----------
    disagreement_sq : ζ² ≥ (1/W) Σ ‖∇f_i(x) − ∇f(x)‖² at every x
    """
    last, net = _indices(n_iters), Averaging(weights)
    leak, source = _consensus(reg, net, step_size, mixing_step, quantizer_var, inverse_batch, disagreement_sq)
    # Σ_{t<T} (1 − (1 − leak)^t) = T − (1 − (1 − leak)^T)/leak
    return Bound(source / leak * (1 - (1 - (1 - leak) ** last) / (leak * last)), "average consensus error")


@claim("quantimed", "Eq. 11 repaired", assumes=(SMOOTH, UNBIASED, SOME_GRADIENT, ALIKE))
def consensus_repaired(
    reg: Regularity,
    weights: FloatArray,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    disagreement_sq: float,
) -> Bound:
    r"""Bound the consensus error at every t by 4α²ζ²/κ² + (2ε/κ) N.

    Parameters
    ----------
    step_size : α at most κ/(2K); the others as in `consensus_recursion`
    """
    net = Averaging(weights)
    most = net.gap / (2 * _claimed(reg.smoothness, "smoothness"))
    if not 0 < step_size <= most:
        raise InputError(f"step_size is {step_size:g}: it must be positive and at most κ/(2K) = {most:g}")
    _, source = _consensus(reg, net, step_size, mixing_step, quantizer_var, inverse_batch, disagreement_sq)
    return Bound(np.asarray(2 * source / (mixing_step * net.gap)), "consensus error")


@claim("quantimed", "Theorem 2 repaired", assumes=(SMOOTH, UNBIASED, SOME_GRADIENT, ALIKE))
def theorem_2_repaired(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    disagreement_sq: float,
    loss_gap: float,
) -> Bound:
    r"""Bound the average over t < T of E‖∇f(x̄_t)‖², C of `consensus_repaired`.

    .. math:: \frac{2(f(x_0) - f^*)}{\alpha\varepsilon T} + K^2 C
        + \frac{K\alpha\varepsilon\gamma^2\nu}{W} + \frac{K\varepsilon\sigma^2}{\alpha W^2} \sum (1-w_{ii})^2

    Parameters
    ----------
    mixing_step : ε at most 2/(κ + 1 − λ_W), which leaves Kαε ≤ 1
    loss_gap : f(x_0) − f*; the others as in `consensus_repaired`
    """
    apart = consensus_repaired(
        reg,
        weights,
        step_size=step_size,
        mixing_step=mixing_step,
        quantizer_var=quantizer_var,
        inverse_batch=inverse_batch,
        disagreement_sq=disagreement_sq,
    ).value
    noise = _descent_noise(reg, weights, step_size, mixing_step, quantizer_var, inverse_batch)
    start = 2 * loss_gap / (step_size * mixing_step * _indices(n_iters))  # (K,)
    return Bound(start + _claimed(reg.smoothness, "smoothness") ** 2 * apart + noise, "average of E‖∇f(x̄)‖²")


@claim("quantimed", "Theorem 2 recursion", assumes=(SMOOTH, UNBIASED, SOME_GRADIENT, ALIKE))
def theorem_2_recursion(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    disagreement_sq: float,
    loss_gap: float,
) -> Bound:
    """Bound the same average with `consensus_recursion` in place of C, which needs no α ≤ κ/(2K)."""
    last = _indices(n_iters)
    apart = consensus_recursion(
        reg,
        weights,
        last,
        step_size=step_size,
        mixing_step=mixing_step,
        quantizer_var=quantizer_var,
        inverse_batch=inverse_batch,
        disagreement_sq=disagreement_sq,
    ).value  # (K,)
    noise = _descent_noise(reg, weights, step_size, mixing_step, quantizer_var, inverse_batch)
    start = 2 * loss_gap / (step_size * mixing_step * last)  # (K,)
    return Bound(start + _claimed(reg.smoothness, "smoothness") ** 2 * apart + noise, "average of E‖∇f(x̄)‖²")


def _rate(reg: Regularity, net: Averaging, step_size: float, mixing_step: float, some_prob: float) -> float:
    """Factor q of one round."""
    smoothness, convexity = (
        _claimed(reg.smoothness, "smoothness"),
        _claimed(reg.strong_convexity, "strong_convexity"),
    )
    mean_step = some_prob * step_size
    most = 2 / (net.widest + mean_step * (smoothness + convexity))
    if not (step_size > 0 and 0 < mixing_step <= most):
        raise InputError(f"step_size {step_size:g}, mixing_step {mixing_step:g}: positive, the latter at most {most:g}")
    lost = 2 * mixing_step**2 * step_size**2 * some_prob * (1 - some_prob) * smoothness**2
    kept: float = (1 - mixing_step * mean_step * convexity) ** 2 + lost
    if kept >= 1:
        raise InputError(f"empty batches let the error grow by {kept:.6g} a round: take a smaller mixing_step")
    return kept


def _consensus(
    reg: Regularity,
    net: Averaging,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    disagreement_sq: float,
) -> tuple[float, float]:
    """What a round takes off the consensus error, relatively, and what it adds to it."""
    most = 2 / (net.gap + net.widest)
    if not 0 < mixing_step <= most:
        raise InputError(f"mixing_step is {mixing_step:g}: it must be positive and at most {most:g}")
    leak = mixing_step * (net.gap - 2 * step_size**2 * _claimed(reg.smoothness, "smoothness") ** 2 / net.gap)
    if leak <= 0:
        raise InputError(f"step_size is {step_size:g}: it must be below κ/(√2 K) for the models to stay together")
    rounding = quantizer_var / net.n_workers * (net.noise_of_all - net.noise_of_mean)
    sampling = step_size**2 * _given(reg.grad_var, "grad_var") * inverse_batch * (1 - 1 / net.n_workers)
    drift = 2 * step_size**2 * mixing_step * disagreement_sq / net.gap
    return leak, drift + mixing_step**2 * (rounding + sampling)


def _descent_noise(
    reg: Regularity,
    weights: FloatArray,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
) -> float:
    """What noise of the mean model adds to the average of E‖∇f‖²."""
    net, smoothness = Averaging(weights), _claimed(reg.smoothness, "smoothness")
    sampling = step_size * mixing_step * _given(reg.grad_var, "grad_var") * inverse_batch
    rounding = mixing_step / step_size * quantizer_var * net.noise_of_mean
    return smoothness / net.n_workers * (sampling + rounding)


def _check_prob(some_prob: float) -> None:
    if not 0 < some_prob <= 1:
        raise InputError(f"some_prob is {some_prob}: give a probability above 0")


def _indices(n_iters: npt.ArrayLike) -> IntArray:
    last = np.atleast_1d(np.asarray(n_iters, dtype=np.int64))
    if last.size and last.min() < 1:
        raise InputError(f"n_iters is {last.min()}: the bounds are about T at least 1")
    return last


def _claimed(value: float | None, name: str) -> float:
    if value is None or not value > 0:
        raise InputError(f"the bound needs {name} > 0, the problem claims {value}: measure it first")
    return value


def _given(value: float | None, name: str) -> float:
    """Like `_claimed`, for what may be 0."""
    if value is None or not value >= 0:
        raise InputError(f"the bound needs {name} >= 0, the problem claims {value}: measure it first")
    return value
