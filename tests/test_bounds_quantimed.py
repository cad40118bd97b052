"""Bounds of quantimed against exact enumeration, the recursions iterated, and simulated experiments."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.bounds import quantimed as bounds
from workbench.core.claims import claim_of
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.problems.quadratic import Quadratic
from workbench.quantizers import lattice
from workbench.schemes import quantimed
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep
from workbench.stragglers.delays import bounded_speed
from workbench.topologies.mixing import Mixing

PAIR = np.full((2, 2), 0.5)
REG = Regularity(strong_convexity=1.0, smoothness=3.0, grad_var=2.0)
NOISE = {"quantizer_var": 0.5, "inverse_batch": 0.25}


def random_weights(rng: np.random.Generator, n_workers: int) -> FloatArray:
    """Symmetric nonnegative weights whose rows sum to 1, every pair joined, shape (W, W)."""
    links = np.triu(rng.uniform(0.1, 1.0, (n_workers, n_workers)), 1)
    links += links.T
    links /= 1.2 * links.sum(axis=1).max()
    return np.asarray(links + np.diag(1 - links.sum(axis=1)))


def moments(
    weights: FloatArray,
    curvature: FloatArray,
    centre: FloatArray,
    n_iters: int,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    gradient_noise: float,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Mean (W, D) and covariance (W, W) of the models after 0, ..., T rounds of (8), worker by worker."""
    n_workers = len(weights)
    at, cov = np.zeros_like(centre), np.zeros((n_workers, n_workers))
    means, covs = [at], [cov]
    for _ in range(n_iters):
        after, noise, move = np.empty_like(at), np.zeros_like(cov), np.empty_like(cov)
        for i in range(n_workers):
            others = [j for j in range(n_workers) if j != i]
            move[i] = [mixing_step * w for w in weights[i]]
            move[i, i] = 1 - mixing_step + mixing_step * weights[i, i] - step_size * mixing_step * curvature[i]
            after[i] = move[i] @ at + step_size * mixing_step * curvature[i] * centre[i]
            for k in range(n_workers):
                noise[i, k] = sum(
                    mixing_step**2 * weights[i, j] * weights[k, j] * quantizer_var for j in others if j != k
                )
            noise[i, i] += (step_size * mixing_step) ** 2 * gradient_noise
        at, cov = after, move @ cov @ move.T + noise
        means.append(at)
        covs.append(cov)
    return means, covs


def problem_of(seed: int, n_workers: int) -> tuple[FloatArray, FloatArray, FloatArray, Regularity, float]:
    """Weights, curvatures (W,), centres (W, 2), constants and D² of quadratics ½k‖x − c‖²."""
    rng = np.random.default_rng(seed)
    curvature, centre = rng.uniform(0.5, 2.0, n_workers), rng.normal(size=(n_workers, 2))
    reg = Regularity(strong_convexity=curvature.min(), smoothness=curvature.max(), grad_var=1.5)
    gaps = 0.5 * curvature * np.sum(centre**2, axis=1)
    return random_weights(rng, n_workers), curvature, centre, reg, bounds.grad_sq_at_start(reg, gaps)


def largest_step(reg: Regularity, weights: FloatArray, step_size: float) -> float:
    """2/(1 − λ_W + α(K + μ))."""
    least = np.linalg.eigvalsh(weights)[0]
    return float(2 / (1 - least + step_size * ((reg.smoothness or 0) + (reg.strong_convexity or 0))))


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 5), step_size=st.floats(0.05, 1.0))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_error_of_quadratics_is_that_of_mean_and_covariance(seed: int, n_workers: int, step_size: float) -> None:
    weights, curvature, centre, reg, _ = problem_of(seed, n_workers)
    mixing_step = 0.9 * largest_step(reg, weights, step_size)
    optimum = curvature @ centre / curvature.sum()
    means, covs = moments(weights, curvature, centre, 12, step_size, mixing_step, 0.7, 1.5)
    exact = [
        (np.sum((at - optimum) ** 2) + np.trace(cov)) / n_workers for at, cov in zip(means[1:], covs[1:], strict=True)
    ]
    found = bounds.quadratic_error(
        weights,
        curvature,
        centre,
        np.arange(1, 13),
        step_size=step_size,
        mixing_step=mixing_step,
        quantizer_var=0.7,
        gradient_noise=1.5,
    ).value
    np.testing.assert_allclose(found, exact, rtol=1e-10)


def test_the_error_of_quadratics_over_every_path_of_the_noise() -> None:
    """Two rounds of two workers, messages x ± 1, gradients ± 2: 256 equally likely paths in rational numbers."""
    step, mix, curvature, centre = Fraction(1, 4), Fraction(1, 2), (1, 3), (2, -1)
    optimum, total = Fraction(-1, 4), Fraction(0)
    for signs in product((-1, 1), repeat=8):
        x = [Fraction(0), Fraction(0)]
        for round_ in (0, 4):
            q, xi = signs[round_ : round_ + 2], signs[round_ + 2 : round_ + 4]
            x = [
                (1 - mix / 2) * x[i]
                + mix / 2 * (x[1 - i] + q[1 - i])
                - step * mix * (curvature[i] * (x[i] - centre[i]) + 2 * xi[i])
                for i in (0, 1)
            ]
        total += ((x[0] - optimum) ** 2 + (x[1] - optimum) ** 2) / 2
    found = bounds.quadratic_error(
        PAIR,
        np.array([1.0, 3.0]),
        np.array([[2.0], [-1.0]]),
        2,
        step_size=0.25,
        mixing_step=0.5,
        quantizer_var=1.0,
        gradient_noise=4.0,
    ).value[0]
    assert found == pytest.approx(float(total / 2**8), rel=1e-12)


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 5), step_size=st.floats(0.05, 1.0))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_theorem_1_repaired_bounds_the_error_of_quadratics(seed: int, n_workers: int, step_size: float) -> None:
    weights, curvature, centre, reg, grad_sq = problem_of(seed, n_workers)
    mixing_step = largest_step(reg, weights, step_size)
    n_iters = np.array([1, 2, 5, 20, 100])
    steps: dict[str, float] = {"step_size": step_size, "mixing_step": 0.999 * mixing_step}
    exact = bounds.quadratic_error(
        weights, curvature, centre, n_iters, **steps, quantizer_var=0.5, gradient_noise=1.5 * 0.25
    ).value
    start = grad_sq / ((reg.smoothness or 0) * (reg.strong_convexity or 1))
    bound = bounds.theorem_1_repaired(
        reg, weights, n_iters, **steps, **NOISE, grad_sq=grad_sq, start_error_sq=start
    ).value
    assert np.all(exact <= bound)
    with pytest.raises(InputError, match="mixing_step"):
        bounds.theorem_1_repaired(
            reg,
            weights,
            n_iters,
            step_size=step_size,
            mixing_step=1.001 * mixing_step,
            **NOISE,
            grad_sq=grad_sq,
            start_error_sq=start,
        )


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 5), step_size=st.floats(0.01, 3.0))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_minimiser_of_the_penalty_is_within_its_bounds(seed: int, n_workers: int, step_size: float) -> None:
    weights, curvature, centre, reg, grad_sq = problem_of(seed, n_workers)
    pull = np.eye(n_workers) - weights + step_size * np.diag(curvature)
    limit = np.linalg.solve(pull, step_size * curvature[:, None] * centre)  # (W, D)
    optimum = curvature @ centre / curvature.sum()
    assert np.sum((curvature[:, None] * (limit - centre)) ** 2) <= grad_sq
    at_optimum = bounds.grad_sq_at_start(reg, 0.5 * curvature * np.sum((centre - optimum) ** 2, axis=1))
    assert np.sum((curvature[:, None] * (limit - centre)) ** 2) <= at_optimum <= grad_sq
    away = np.sum((limit - optimum) ** 2) / n_workers
    assert away <= bounds.distance(reg, weights, step_size=step_size, grad_sq=at_optimum).value
    assert np.sum(limit**2) <= grad_sq / ((reg.smoothness or 0) * (reg.strong_convexity or 1))


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 5), some_prob=st.sampled_from([0.2, 0.7, 1.0]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_theorem_1_is_the_recursion_iterated_and_twice_the_distance(
    seed: int, n_workers: int, some_prob: float
) -> None:
    weights, _, _, reg, grad_sq = problem_of(seed, n_workers)
    smooth, convex, mean_step = reg.smoothness or 0, reg.strong_convexity or 0, some_prob * 0.4
    scatter = 2 * some_prob * (1 - some_prob)  # 2ρ(1 − ρ)
    steady = mean_step * convex / ((mean_step * convex) ** 2 + scatter * (0.4 * smooth) ** 2)
    steps: dict[str, float] = {"step_size": 0.4, "mixing_step": min(largest_step(reg, weights, mean_step), steady) / 2}
    given_: dict[str, float] = {**steps, **NOISE, "grad_sq": grad_sq, "some_prob": some_prob}
    mix = steps["mixing_step"]
    factor = (1 - mix * mean_step * convex) ** 2 + scatter * (mix * 0.4 * smooth) ** 2
    noise = 0.5 * (np.sum(weights**2) - np.sum(np.diag(weights) ** 2)) + 0.4**2 * scatter * grad_sq
    noise += 0.4**2 * n_workers * 1.5 * 0.25
    error, errors = 3.0, []
    for _ in range(20):
        error = factor * error + mix**2 * noise
        errors.append(error)
    n_iters = np.arange(1, 21)
    found = bounds.theorem_1_recursion(reg, weights, n_iters, **given_, start_error_sq=3.0).value
    np.testing.assert_allclose(found, errors, rtol=1e-10)
    gap = 1 - np.sort(np.linalg.eigvalsh(weights))[-2]
    apart = (1 + (smooth / convex) ** 2) * grad_sq / n_workers * (mean_step / gap) ** 2
    assert bounds.distance(reg, weights, step_size=mean_step, grad_sq=grad_sq).value == pytest.approx(apart)
    found = bounds.theorem_1_repaired(reg, weights, n_iters, **given_, start_error_sq=3.0).value
    np.testing.assert_allclose(found, 2 * np.array(errors) / n_workers + 2 * apart, rtol=1e-10)


def test_consensus_recursion_is_the_recursion_iterated_and_repaired_bounds_it() -> None:
    weights = random_weights(np.random.default_rng(3), 4)
    net = bounds.Averaging(weights)
    steps: dict[str, float] = {"step_size": net.gap / 6, "mixing_step": 0.8, "disagreement_sq": 2.0}
    n_iters = np.arange(1, 80)
    curve = bounds.consensus_recursion(REG, weights, n_iters, **steps, **NOISE).value
    others = weights - np.diag(np.diag(weights))
    centred = (np.eye(4) - 0.25) @ others
    noise = 0.5 * np.sum(centred**2) / 4 + steps["step_size"] ** 2 * 2.0 * 0.25 * 0.75
    level, levels = 0.0, []
    for _ in n_iters:
        levels.append(level)
        pulled = 2 * steps["step_size"] ** 2 / net.gap * (9 * level + 2.0)
        level = (1 - 0.8 * net.gap) * level + 0.8 * pulled + 0.64 * noise
    np.testing.assert_allclose(curve, np.cumsum(levels) / n_iters, rtol=1e-9, atol=1e-14)
    most = float(bounds.consensus_repaired(REG, weights, **steps, **NOISE).value)
    assert most == pytest.approx(4 * (steps["step_size"] / net.gap) ** 2 * 2.0 + 2 * 0.8 / net.gap * noise)
    assert np.max(levels) <= most
    mean_noise = np.sum(others.mean(axis=0) ** 2) * 0.5  # E‖(1/W) 1ᵀW_o q‖²
    product_ = steps["step_size"] * 0.8
    rest = 3 / (product_ * n_iters) + 3 * (product_ * 2 * 0.25 / 4 + 0.8 / steps["step_size"] * mean_noise)
    for call, apart in ((bounds.theorem_2_recursion, curve), (bounds.theorem_2_repaired, most)):
        found = call(REG, weights, n_iters, **steps, **NOISE, loss_gap=1.5).value
        np.testing.assert_allclose(found, rest + 9 * apart, rtol=1e-9)


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 5), share=st.floats(0.1, 0.95))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_theorem_2_bounds_the_exact_averages_of_quadratics(seed: int, n_workers: int, share: float) -> None:
    """f_i = ½k‖x − c_i‖² with one k: ∇f_i − ∇f does not depend on x, so ζ² is exact."""
    rng = np.random.default_rng(seed)
    weights, centre, curvature = random_weights(rng, n_workers), rng.normal(size=(n_workers, 2)), np.ones(n_workers)
    reg, n_iters = Regularity(smoothness=1.0, grad_var=1.5), 40
    net = bounds.Averaging(weights)
    steps: dict[str, float] = {"step_size": share * net.gap / 2, "mixing_step": 2 / (net.gap + net.widest)}
    means, covs = moments(
        weights, curvature, centre, n_iters - 1, **steps, quantizer_var=0.5, gradient_noise=1.5 * 0.25
    )
    target = centre.mean(axis=0)
    level = np.eye(n_workers) - 1 / n_workers
    apart = [
        (np.sum((level @ at) ** 2) + np.trace(level @ cov)) / n_workers for at, cov in zip(means, covs, strict=True)
    ]
    slope = [np.sum((at.mean(axis=0) - target) ** 2) + cov.mean() for at, cov in zip(means, covs, strict=True)]
    spread = float(np.mean(np.sum((centre - target) ** 2, axis=1)))
    common: dict[str, float] = {**steps, **NOISE, "disagreement_sq": spread}
    gap = 0.5 * float(np.sum(target**2))
    assert np.mean(apart) <= bounds.consensus_recursion(reg, weights, n_iters, **common).value[0]
    assert np.max(apart) <= bounds.consensus_repaired(reg, weights, **common).value
    assert np.mean(slope) <= bounds.theorem_2_recursion(reg, weights, n_iters, **common, loss_gap=gap).value[0]
    assert np.mean(slope) <= bounds.theorem_2_repaired(reg, weights, n_iters, **common, loss_gap=gap).value[0]


def test_equation_8_simulated_has_the_error_of_quadratics_and_stays_below_theorem_1() -> None:
    """Messages and gradients with Gaussian noise, 20,000 runs, checked at four T: false alarm 1e-6 over all."""
    rng, runs = np.random.default_rng(20240601), 20_000
    weights, curvature, centre, reg, grad_sq = problem_of(7, 3)
    at = np.array([1, 3, 10, 30])
    steps: dict[str, float] = {"step_size": 0.3, "mixing_step": 0.5}
    optimum = curvature @ centre / curvature.sum()
    x, errors = np.zeros((runs, 3, 2)), []  # (R, W, D)
    others = weights - np.diag(np.diag(weights))
    for t in range(1, 31):
        messages = x + np.sqrt(0.5 / 2) * rng.standard_normal(x.shape)
        grads = curvature[:, None] * (x - centre) + np.sqrt(1.5 * 0.25 / 2) * rng.standard_normal(x.shape)
        own = (1 - 0.5 + 0.5 * np.diag(weights))[:, None] * x
        x = own + 0.5 * np.einsum("ij,rjd->rid", others, messages) - 0.15 * grads
        if t in at:
            errors.append(np.sum((x - optimum) ** 2, axis=(1, 2)) / 3)
    sample = np.array(errors)  # (K, R)
    exact = bounds.quadratic_error(
        weights, curvature, centre, at, **steps, quantizer_var=0.5, gradient_noise=1.5 * 0.25
    ).value
    z = stats.norm.isf(1e-6 / (2 * at.size))
    standard_error = sample.std(axis=1, ddof=1) / np.sqrt(runs)
    np.testing.assert_array_less(np.abs(sample.mean(axis=1) - exact), z * standard_error)
    start = grad_sq / ((reg.smoothness or 0) * (reg.strong_convexity or 1))
    bound = bounds.theorem_1_repaired(reg, weights, at, **steps, **NOISE, grad_sq=grad_sq, start_error_sq=start).value
    assert np.all(sample.mean(axis=1) + z * standard_error <= bound)


def test_the_scheme_with_its_lattice_stays_below_theorem_1_and_2() -> None:
    """QuanTimed-DSGD, two workers, whole batches, 400 runs of 40 rounds, inside the lattice: σ² = η²/4."""
    runs, n_iters = 400, 40
    # part losses ½(x − c)²/2, whose sum is f: worker i's f_i is ½(x − c_i)²
    problem: Any = Quadratic(np.array([[[0.5]], [[0.5]]]), np.array([[0.3], [1.1]]), Regularity())
    setting = Setting(problem, bounded_speed.build(2, slowest=1.0, fastest=1.0))
    quantizer = lattice.quantizer(np.array([6, 6]), half_range=4.0)  # η = 1/8
    scheme = quantimed.build(
        setting,
        step_size=ConstantStep(0.4),
        mixing=Mixing(PAIR),
        mixing_step=0.5,
        deadline_s=2.0,
        quantizer=quantizer,
    )
    state, noise = scheme.init(runs), Noise(setting.delay, 5, list(range(runs)))
    trail = [np.asarray(state.x)[..., 0]]  # (R, W)
    for iteration in range(1, n_iters + 1):
        state, _ = scheme.step(state, iteration, noise)
        trail.append(np.asarray(state.x)[..., 0])
    x = np.array(trail)  # (T + 1, R, W)
    assert np.abs(x).max() < 3.8
    var = float(quantizer.variance_bound(1)[0])
    assert var == (1 / 8) ** 2 / 4
    target, centre = 0.7, np.array([0.3, 1.1])
    steps: dict[str, float] = {"step_size": 0.4, "mixing_step": 0.5, "quantizer_var": var, "inverse_batch": 0.0}
    reg = Regularity(strong_convexity=1.0, smoothness=1.0, grad_var=0.0)
    grad_sq = bounds.grad_sq_at_start(reg, 0.5 * centre**2)
    last = np.mean((x[-1] - target) ** 2, axis=1)  # (R,)
    bound = bounds.theorem_1_repaired(reg, PAIR, n_iters, **steps, grad_sq=grad_sq, start_error_sq=grad_sq).value[0]
    z = stats.norm.isf(1e-6)
    assert last.mean() + z * last.std(ddof=1) / np.sqrt(runs) <= bound
    exact = bounds.quadratic_error(
        PAIR,
        np.ones(2),
        centre[:, None],
        n_iters,
        step_size=0.4,
        mixing_step=0.5,
        quantizer_var=var,
        gradient_noise=0.0,
    ).value[0]
    assert last.mean() <= exact + z * last.std(ddof=1) / np.sqrt(runs)  # η²/4 bounds the lattice's variance
    slope = np.mean((x[:-1].mean(axis=2) - target) ** 2, axis=0)  # (R,)
    common = {**steps, "disagreement_sq": float(np.mean((centre - target) ** 2))}
    limit = bounds.theorem_2_recursion(reg, PAIR, n_iters, **common, loss_gap=0.5 * target**2).value[0]
    assert slope.mean() + z * slope.std(ddof=1) / np.sqrt(runs) <= limit


@pytest.mark.parametrize(
    ("slowest", "fastest", "deadline", "n_samples"),
    [(10, 90, 0.02, 200), (10, 90, 0.2, 10), (0, 3, 0.5, 4), (1, 3, 1.0, 2)],
)
def test_batches_of_uniform_speed_against_samples_of_the_speed(
    slowest: float, fastest: float, deadline: float, n_samples: int
) -> None:
    """400,000 speeds, three moments in four cases: false alarm 1e-6 over all."""
    speed = np.random.default_rng(11).uniform(slowest, fastest, 400_000)
    sizes = np.minimum(np.floor(speed * deadline), n_samples)
    drawn = np.array([sizes > 0, np.where(sizes > 0, 1 / np.maximum(sizes, 1), 0), sizes])  # (3, samples)
    exact = np.array(bounds.batches_of_uniform_speed(slowest, fastest, deadline, n_samples))
    z = stats.norm.isf(1e-6 / (2 * 12))
    np.testing.assert_array_less(
        np.abs(drawn.mean(axis=1) - exact), z * drawn.std(axis=1, ddof=1) / np.sqrt(speed.size) + 1e-12
    )


def test_remark_1_is_at_most_the_mean_inverse_batch() -> None:
    for deadline in (0.1, 0.3, 1.0, 4.0, 20.0):
        prob, inverse, _ = bounds.batches_of_uniform_speed(10, 90, deadline, 200)
        printed = bounds.remark_1(np.log(9) / 80, deadline, 200).value
        assert prob == pytest.approx(1)
        assert printed <= inverse * (1 + 1e-12)
        assert inverse <= 2 * np.log(9) / 80 / deadline + 1 / 200
    assert bounds.remark_1(0.5, 1.0, 4).value == 0.5
    assert bounds.remark_1(0.5, 4.0, 4).value == 0.25


def test_averaging_sees_what_the_matrix_has() -> None:
    for seed in range(5):
        weights = random_weights(np.random.default_rng(seed), 5)
        net, others = bounds.Averaging(weights), weights - np.diag(np.diag(weights))
        assert net.gap == pytest.approx(1 - np.sort(np.linalg.eigvalsh(weights))[-2])
        assert net.widest == pytest.approx(1 - np.linalg.eigvalsh(weights)[0])
        assert net.noise_of_all == pytest.approx(np.trace(others @ others.T))
        assert net.noise_of_all <= 5
        assert net.noise_of_mean == pytest.approx(5 * np.sum(others.mean(axis=0) ** 2))
        assert net.noise_of_mean <= net.noise_of_all


def test_printed_forms() -> None:
    """(9), (10) and (11) by hand at T = 64: T^(−1/3) = 1/4, and T = 256 with δ = 1/4."""
    reg = Regularity(strong_convexity=0.5, smoothness=3.0, grad_var=2.0)
    nine = bounds.theorem_1(reg, 0.5, 256, exponent=0.25, grad_sq=2.0, **NOISE).value[0]
    assert nine == pytest.approx((2 * 36 * 4 + 0.5 / 0.5) / 4 + 2 / 0.5 * 0.25 / 16)
    ten = bounds.theorem_2(REG, 5, 0.5, 64, n_samples=10, **NOISE).value[0]
    assert ten == pytest.approx((9 * 4 * 2 / 10 + 3 * 0.5 / 5) / 4 + 3 * 2 / 5 * 0.25 / 16)
    assert bounds.eq_11(REG, 0.5, 64, n_samples=10).value[0] == pytest.approx(2 * 4 / 10 / 4)


def test_rates() -> None:
    """Theorem 1 with its steps falls as T^(−δ), with the best ones as √(ln T/T), Theorem 2 as T^(−1/3)."""
    many = np.array([10**12, 10**14])

    def first(steps: tuple[float, float], n_iters: int) -> float:
        return float(
            bounds.theorem_1_repaired(
                REG, PAIR, n_iters, step_size=steps[0], mixing_step=steps[1], **NOISE, grad_sq=2.0, start_error_sq=1.0
            ).value[0]
        )

    few, last = (first((t**-0.125, t**-0.375), t) for t in many.tolist())
    assert few / last == pytest.approx(100**0.25, rel=0.02)
    few, last = (first(bounds.best_steps(1.0, t), t) for t in many.tolist())
    assert last / few == pytest.approx(np.sqrt(14 / 12) / 10, rel=0.02)
    assert last < first((1e14**-0.125, 1e14**-0.375), 10**14)
    few, last = (
        float(
            bounds.theorem_2_repaired(
                REG,
                PAIR,
                t,
                step_size=t ** (-1 / 6),
                mixing_step=t**-0.5,
                **NOISE,
                disagreement_sq=1.0,
                loss_gap=1.0,
            ).value[0]
        )
        for t in many.tolist()
    )
    assert few / last == pytest.approx(100 ** (1 / 3), rel=0.02)


def test_bounds_say_what_is_wrong() -> None:
    steps: dict[str, Any] = {"step_size": 0.25, "mixing_step": 0.5, **NOISE}
    with pytest.raises(InputError, match="never agree"):
        bounds.Averaging(np.eye(2))
    with pytest.raises(InputError, match=r"loss_gaps\[1\]"):
        bounds.grad_sq_at_start(REG, [1.0, -1.0])
    with pytest.raises(InputError, match="exponent"):
        bounds.theorem_1(REG, 0.5, 4, exponent=0.5, grad_sq=1.0, **NOISE)
    with pytest.raises(InputError, match="mixing_rate"):
        bounds.theorem_1(REG, 1.0, 4, exponent=0.25, grad_sq=1.0, **NOISE)
    with pytest.raises(InputError, match="mixing_rate"):
        bounds.eq_11(REG, 1.0, 4, n_samples=1)
    with pytest.raises(InputError, match="strong_convexity"):
        bounds.distance(Regularity(smoothness=1.0), PAIR, step_size=0.1, grad_sq=1.0)
    with pytest.raises(InputError, match="grad_var"):
        bounds.theorem_1_recursion(
            Regularity(strong_convexity=1.0, smoothness=1.0), PAIR, 4, **steps, start_error_sq=1.0
        )
    with pytest.raises(InputError, match="some_prob"):
        bounds.theorem_1_recursion(REG, PAIR, 4, **steps, start_error_sq=1.0, some_prob=0.0)
    with pytest.raises(InputError, match="grad_sq"):
        bounds.theorem_1_recursion(REG, PAIR, 4, **steps, start_error_sq=1.0, some_prob=0.5)
    with pytest.raises(InputError, match="empty batches"):
        bounds.theorem_1_recursion(
            REG,
            PAIR,
            4,
            **(steps | {"step_size": 1.0, "mixing_step": 0.9}),
            start_error_sq=1.0,
            grad_sq=1.0,
            some_prob=0.3,
        )
    with pytest.raises(InputError, match="at least 1"):
        bounds.theorem_1_recursion(REG, PAIR, 0, **steps, start_error_sq=1.0)
    with pytest.raises(InputError, match="at least 2"):
        bounds.best_steps(1.0, 1)
    with pytest.raises(InputError, match="grows by"):
        bounds.quadratic_error(
            PAIR,
            np.ones(2),
            np.ones((2, 1)),
            4,
            step_size=1.0,
            mixing_step=2.5,
            quantizer_var=0.0,
            gradient_noise=0.0,
        )
    with pytest.raises(InputError, match="κ/"):
        bounds.consensus_repaired(REG, PAIR, **steps, disagreement_sq=1.0)
    with pytest.raises(InputError, match="stay together"):
        bounds.consensus_recursion(REG, PAIR, 4, **(steps | {"step_size": 0.25}), disagreement_sq=1.0)
    with pytest.raises(InputError, match="mixing_step"):
        bounds.consensus_recursion(REG, PAIR, 4, **(steps | {"mixing_step": 1.1}), disagreement_sq=1.0)
    with pytest.raises(InputError, match="deadline_s"):
        bounds.remark_1(1.0, 0.0, 3)
    with pytest.raises(InputError, match="out of range"):
        bounds.batches_of_uniform_speed(3, 2, 1.0, 4)


def test_bounds_carry_their_claims() -> None:
    assert claim_of(bounds.theorem_1).equation == 9
    assert claim_of(bounds.theorem_2).equation == 10
    assert claim_of(bounds.eq_11).equation == 11
    assert bounds.SOME_GRADIENT in claim_of(bounds.theorem_2_repaired).assumes
