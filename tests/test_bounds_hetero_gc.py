"""Bounds against exact enumeration, against the recursions behind them, and against each other."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.bounds import hetero_gc
from workbench.core.claims import claim_of
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.solvers.optimal_structure import solve_dense, solve_sparse, utilities

REG = Regularity(strong_convexity=0.5, smoothness=4.0, grad_bound_sq=3.0)
Z = stats.norm.isf(1e-6 / 2)


def error_by_patterns(weights: FloatArray, straggle_prob: FloatArray, factor: FloatArray, grads: FloatArray) -> float:
    """E‖Σ_i I_i (h_i + n_i) − Σ_j g_j‖², h_i = Σ_j a_ij g_j, E‖n_i‖² = ω_i‖h_i‖², over every straggler pattern."""
    messages = weights @ grads  # (W, D)
    total = 0.0
    for came in product([0, 1], repeat=len(weights)):
        answered = np.array(came)
        prob = np.prod(np.where(answered, 1 - straggle_prob, straggle_prob))
        noise = answered @ (factor * np.sum(messages**2, axis=1))
        total += prob * (np.sum((answered @ messages - grads.sum(axis=0)) ** 2) + noise)
    return float(total)


def unbiased_weights(rng: np.random.Generator, straggle_prob: FloatArray, n_parts: int) -> FloatArray:
    """Random weights of both signs, corrected on one worker so that (12) holds, shape (W, P)."""
    weights = rng.normal(size=(straggle_prob.size, n_parts))
    weights[0] += (1 - (1 - straggle_prob) @ weights) / (1 - straggle_prob[0])
    return weights


@given(seed=st.integers(0, 10_000), n_workers=st.integers(1, 6), n_parts=st.integers(1, 4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lemma_1_bounds_the_exact_error_of_any_unbiased_weights(seed: int, n_workers: int, n_parts: int) -> None:
    rng = np.random.default_rng(seed)
    p, factor = rng.uniform(0, 0.9, n_workers), rng.exponential(size=n_workers)
    weights = unbiased_weights(rng, p, n_parts)
    grads = rng.normal(size=(n_parts, 3))
    grads /= np.linalg.norm(grads, axis=1, keepdims=True)
    bound = hetero_gc.lemma_1(weights, p, factor, 1.0).value
    assert error_by_patterns(weights, p, factor, grads) <= bound * (1 + 1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_lemma_1_and_2_are_attained_by_aligned_gradients_on_the_optimal_structure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, factor = rng.uniform(0.05, 0.9, 5), rng.exponential(size=5)
    aligned = np.tile([0.6, 0.8], (4, 1))  # (P, D), unit
    utility = float(utilities(p, factor).sum())
    for weights in (solve_dense(p, factor, 4), solve_sparse(p, factor, 4).toarray()):
        exact = error_by_patterns(weights, p, factor, aligned)
        assert hetero_gc.lemma_1(weights, p, factor, 1.0).value == pytest.approx(exact, rel=1e-12)
        assert hetero_gc.lemma_2(4, utility, 1.0).value == pytest.approx(exact, rel=1e-10)


def test_lemma_1_without_absolute_values_is_no_bound() -> None:
    weights = np.array([[3.0, -1.0], [-1.0, 3.0]])
    p, grads = np.full(2, 0.5), np.array([[1.0], [-1.0]])
    exact = error_by_patterns(weights, p, np.zeros(2), grads)
    signed = np.sum(p * (1 - p) * weights.sum(axis=1) ** 2)
    assert (exact, signed, float(hetero_gc.lemma_1(weights, p, np.zeros(2), 1.0).value)) == (8.0, 2.0, 8.0)


def test_an_idle_worker_with_infinite_variance_costs_nothing() -> None:
    weights = np.array([[1.25, 1.25], [0.0, 0.0]])
    bound = hetero_gc.lemma_1(weights, np.array([0.2, 0.3]), np.array([0.0, np.inf]), 2.0).value
    assert bound == pytest.approx(2 * 0.8 * 0.2 * 2.5**2)


def test_the_second_moment_adds_the_squared_sum() -> None:
    assert hetero_gc.lemma_2_second_moment(4, 2.0, 3.0).value == 3 * 16 * 1.5
    assert hetero_gc.lemma_2_second_moment(4, np.inf, 3.0).value == 48
    with pytest.raises(InputError, match="utility is 0"):
        hetero_gc.lemma_2(4, 0.0, 1.0)


@given(start=st.floats(0, 1), n_parts=st.integers(1, 9), utility=st.floats(0.1, 100))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_theorem_2_recursion_solves_the_recursion(start: float, n_parts: int, utility: float) -> None:
    scale = 3.0 * n_parts**2 * (1 + 1 / utility) / 0.5**2
    error = [start * scale]
    for t in range(1, 200):
        error.append((1 - 2 / t) * error[-1] + scale / t**2)
    last = np.arange(1, 201)
    solved = hetero_gc.theorem_2_recursion(REG, n_parts, utility, last, start_error_sq=start * scale)
    np.testing.assert_allclose(solved.value, error, rtol=1e-12, atol=1e-13 * scale)


def test_theorem_2_dominates_its_recursion_and_is_four_times_too_large_in_the_end() -> None:
    last = np.arange(1, 200_001)
    for start in (0.0, 10.0, 3 * 4 * 1.5 / 0.25):
        bound = hetero_gc.theorem_2(REG, 2, 2.0, last).value
        sharp = hetero_gc.theorem_2_recursion(REG, 2, 2.0, last, start_error_sq=start).value
        assert np.all(sharp <= bound)
        assert bound[-1] / sharp[-1] == pytest.approx(4, rel=1e-3)
        assert np.all(4 * sharp[2:] <= bound[2:] * (1 + 1e-12))  # constant 1 from T = 3 on


def test_the_recursion_is_attained() -> None:
    """Two-point gradients ±√G of mean μx turn every inequality of the proof into an equality, T ≤ 5."""
    law = {Fraction(0): Fraction(1)}  # of x, in units of sqrt(G)/mu
    exact = []
    for t in range(1, 6):
        exact.append(float(sum(prob * x**2 for x, prob in law.items())))
        after: dict[Fraction, Fraction] = {}
        for x, prob in law.items():
            for sign in (1, -1):
                if (chance := prob * (1 + sign * x) / 2) > 0:
                    y = x - Fraction(sign, t)
                    after[y] = after.get(y, Fraction(0)) + chance
        assert max(map(abs, law)) <= 1 or t == 5  # so that the next gradient's law is one
        law = after
    unit = Regularity(strong_convexity=1.0, grad_bound_sq=1.0)
    solved = hetero_gc.theorem_2_recursion(unit, 1, np.inf, np.arange(1, 6), start_error_sq=0.0)
    np.testing.assert_allclose(solved.value, exact, rtol=1e-14)


def test_the_recursion_dominates_sgd_on_a_quadratic() -> None:
    """F = μx²/2 with noise of variance σ²: closed-form second moment, met by simulation, below the recursion."""
    mu, sigma, start, n_iters, n_runs = 0.5, 0.7, 1.5, 60, 4000
    exact = [start**2]
    for t in range(1, n_iters):
        exact.append((1 - 1 / t) ** 2 * exact[-1] + sigma**2 / (mu * t) ** 2)
    second_moment = mu**2 * max(exact) + sigma**2
    rng = np.random.default_rng(7)
    x = np.full(n_runs, start)  # (R,)
    for t in range(1, n_iters):
        x = x - (mu * x + sigma * rng.standard_normal(n_runs)) / (mu * t)
        seen = x**2
        z = (seen.mean() - exact[t]) / (seen.std(ddof=1) / np.sqrt(n_runs))
        assert abs(z) < Z  # false alarm 6e-5 over the 59 steps
    reg = Regularity(strong_convexity=mu, grad_bound_sq=second_moment)
    solved = hetero_gc.theorem_2_recursion(reg, 1, np.inf, np.arange(1, n_iters + 1), start_error_sq=start**2).value
    assert np.all(np.array(exact) <= solved * (1 + 1e-12))
    assert solved[-1] < 8 * exact[-1]


def test_a_start_beyond_the_gradient_bound_is_refused() -> None:
    with pytest.raises(InputError, match="leave at most 12"):
        hetero_gc.theorem_2_recursion(REG, 1, np.inf, [3], start_error_sq=12.5)


@pytest.mark.parametrize("constant", [True, False])
def test_theorem_3_on_a_quadratic(constant: bool) -> None:
    """On F = Lx²/2 descent is an equality: the recursion's slack is E F(x_{T+1}) − F* and nothing else."""
    smoothness, sigma_sq, start, n_points = 4.0, 0.3, 2.0, 200
    first = 1 / smoothness
    last = np.arange(n_points)
    steps = np.full(n_points, first / np.sqrt(n_points)) if constant else first / np.sqrt(last + 1)
    error = [start**2]  # E x_t^2
    for step in steps:
        error.append((1 - step * smoothness) ** 2 * error[-1] + step**2 * sigma_sq)
    grad_sq = smoothness**2 * np.array(error[:-1])  # (K,)
    loss = smoothness / 2 * np.array(error[1:])  # (K,), of x_{T+1}
    gap = smoothness / 2 * start**2
    reg = Regularity(smoothness=smoothness, grad_bound_sq=1.0)
    utility = 1 / sigma_sq  # V = sigma^2 for one part
    sharp = hetero_gc.theorem_3_recursion(reg, 1, utility, steps, loss_gap=gap).value
    weight = steps * (1 - smoothness * steps / 2)
    np.testing.assert_allclose(sharp * np.cumsum(weight), np.cumsum(weight * grad_sq) + loss, rtol=1e-12)
    if constant:
        printed = hetero_gc.theorem_3_constant(reg, 1, utility, last, loss_gap=gap, planned=n_points - 1).value
        measured = np.cumsum(grad_sq) / (last + 1)
        alone = hetero_gc.theorem_3_constant(reg, 1, utility, [n_points - 1], loss_gap=gap).value
        assert alone[0] == pytest.approx((2 * smoothness * gap + sigma_sq) / np.sqrt(n_points))
        assert alone[0] == pytest.approx(printed[-1])
    else:
        printed = hetero_gc.theorem_3_decaying(reg, 1, utility, last, loss_gap=gap, first_step=first).value
        measured = np.minimum.accumulate(grad_sq)
    assert np.all(measured <= sharp)
    assert np.all(sharp <= printed)


def test_theorem_3_refuses_steps_outside_its_proof() -> None:
    with pytest.raises(InputError, match="first_step"):
        hetero_gc.theorem_3_decaying(REG, 1, 1.0, [10], loss_gap=1.0, first_step=0.26)
    with pytest.raises(InputError, match=r"step_sizes\[1\]"):
        hetero_gc.theorem_3_recursion(REG, 1, 1.0, np.array([0.1, 0.5]), loss_gap=1.0)


def test_constants_that_are_not_claimed_are_asked_for() -> None:
    with pytest.raises(InputError, match="grad_bound_sq"):
        hetero_gc.theorem_2(Regularity(strong_convexity=1.0), 1, 1.0, [1])
    with pytest.raises(InputError, match="strong_convexity"):
        hetero_gc.theorem_2(Regularity(grad_bound_sq=1.0), 1, 1.0, [1])
    with pytest.raises(InputError, match="smoothness"):
        hetero_gc.theorem_3_constant(Regularity(grad_bound_sq=1.0), 1, 1.0, [1], loss_gap=1.0)
    with pytest.raises(InputError, match="n_iters is 0"):
        hetero_gc.theorem_2(REG, 1, 1.0, [0])


@given(c=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_bounds_scale_with_the_units(c: float) -> None:
    """Loss in units of 1/c: μ, L and Δ times c, C times c²; errors stay, squared gradients take c²."""
    scaled = Regularity(strong_convexity=0.5 * c, smoothness=4.0 * c, grad_bound_sq=3.0 * c**2)
    last = np.arange(1, 20)
    np.testing.assert_allclose(
        hetero_gc.theorem_2(scaled, 3, 2.0, last).value, hetero_gc.theorem_2(REG, 3, 2.0, last).value
    )
    for function, extra in (
        (hetero_gc.theorem_3_constant, {}),
        (hetero_gc.theorem_3_decaying, {"first_step": 0.1}),
    ):
        there = function(scaled, 3, 2.0, last, loss_gap=c, **{k: v / c for k, v in extra.items()})
        here = function(REG, 3, 2.0, last, loss_gap=1.0, **extra)
        np.testing.assert_allclose(there.value, c**2 * here.value)


def test_every_bound_names_its_claim() -> None:
    assert claim_of(hetero_gc.theorem_2).key == "hetero_gc/theorem_2"
    assert hetero_gc.SMALL_STEP in claim_of(hetero_gc.theorem_3_decaying).assumes


def test_theorem_2_repaired_bounds_the_literal_recursion_and_is_attained_at_both_starts() -> None:
    last = np.arange(1, 60)
    scale = 3.0 * 2**2 * 1.5 / 0.5**2  # G/μ²
    bound = hetero_gc.theorem_2_repaired(REG, 2, 2.0, last).value
    for start in (Fraction(0), Fraction(1, 3), Fraction(1)):
        curve, a = [], start  # in units of G/μ²
        for t in range(1, 60):
            curve.append(float(a))
            a = (1 - Fraction(2, t)) * a + Fraction(1, t**2)
        assert np.all(scale * np.array(curve) <= bound * (1 + 1e-12))
        if start == 1:
            assert bound[0] == scale * curve[0]
        if start == 0:
            assert bound[1] == scale * curve[1]
    printed = hetero_gc.theorem_2(REG, 2, 2.0, last).value
    np.testing.assert_allclose(printed / bound, np.where(last == 2, 2, 4), rtol=1e-14)


def test_theorem_3_recursion_is_the_literal_sum() -> None:
    steps = [0.25, 0.1, 0.4, 0.05]
    gap, error = 2.0, 3.0 * 9 / 1.5
    weight = noise = 0.0
    expected = []
    for eta in steps:
        weight += eta - 4.0 * eta**2 / 2
        noise += 4.0 * eta**2 / 2 * error
        expected.append((gap + noise) / weight)
    found = hetero_gc.theorem_3_recursion(REG, 3, 1.5, np.array(steps), loss_gap=gap).value
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("first", [0.01, 0.1, 0.25])
def test_the_decaying_rule_bounds_the_average_too(first: float) -> None:
    """The largest average that the summed descent allows has all of it in the last gradient, which weighs least."""
    last = np.arange(0, 50)
    steps = first / np.sqrt(last + 1.0)
    weights = steps * (1 - 4.0 * steps / 2)
    weighted = hetero_gc.theorem_3_recursion(REG, 2, 2.0, steps, loss_gap=1.0).value
    average = weighted * np.cumsum(weights) / np.minimum.accumulate(weights) / (last + 1)
    assert np.all(average <= hetero_gc.theorem_3_decaying(REG, 2, 2.0, last, loss_gap=1.0, first_step=first).value)


def test_the_second_moment_is_bounded_by_lemma_2_over_all_patterns() -> None:
    rng = np.random.default_rng(3)
    p, factor = rng.uniform(0.1, 0.7, 4), rng.uniform(0, 2, 4)
    weights = np.asarray(solve_sparse(p, factor, 3).toarray())
    utility = float(utilities(p, factor).sum())
    for _ in range(20):
        grads = rng.standard_normal((3, 2))
        grads /= np.linalg.norm(grads, axis=1, keepdims=True)
        second = error_by_patterns(weights, p, factor, grads) + float(np.sum(grads.sum(axis=0) ** 2))
        assert second <= hetero_gc.lemma_2_second_moment(3, utility, 1.0).value * (1 + 1e-12)
