"""Bounds of onebit_gc against exact enumeration, against the recursions, and against each other."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.bounds import hetero_gc
from workbench.bounds import onebit_gc as bounds
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import pair_wise_balanced, uniform_random
from workbench.core.claims import claim_of
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.moments.enumeration import error_by_enumeration
from workbench.quantizers.random_sign import RandomSign

REG = Regularity(strong_convexity=0.5, smoothness=4.0, grad_bound_sq=3.0)
MASS = np.array([1.5, 0.5, 0.5, 0.5])  # of three parts on four workers


def second_moment(holds: FloatArray, grads: FloatArray, straggle_prob: float) -> float:
    """E‖ĝ‖² of the 1-bit code by enumeration of the stragglers; holds (W, P), grads (P, D)."""
    n_workers = len(holds)
    code = GradientCode(
        "given",
        sparse.csr_array(holds / holds.sum(axis=0)),
        FixedDecoder(np.full(n_workers, 1 / (1 - straggle_prob))),
        RandomSign(np.ones(n_workers, np.int64)),
    )
    _, error = error_by_enumeration(code, np.full(n_workers, straggle_prob), grads)
    return error + float(np.sum(grads.sum(axis=0) ** 2))


@given(
    seed=st.integers(0, 10_000),
    n_workers=st.integers(1, 6),
    n_parts=st.integers(1, 5),
    dim=st.integers(1, 4),
    straggle_prob=st.floats(0, 0.9),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lemma_2_repaired_bounds_every_placement_and_equal_gradients_attain_it(
    seed: int, n_workers: int, n_parts: int, dim: int, straggle_prob: float
) -> None:
    rng = np.random.default_rng(seed)
    copies = rng.integers(1, n_workers + 1, n_parts)
    holds = uniform_random.place(n_workers, n_parts, copies, rng=rng).holds.toarray()
    mass = bounds.masses(holds)
    assert mass.sum() == pytest.approx(n_parts)
    bound = bounds.lemma_2_repaired(Regularity(grad_bound_sq=1.0), mass, dim, straggle_prob).value
    grads = rng.standard_normal((n_parts, dim))
    grads /= np.linalg.norm(grads, axis=1, keepdims=True)
    assert second_moment(holds, grads, straggle_prob) <= bound * (1 + 1e-12)
    aligned = np.tile(grads[:1], (n_parts, 1))
    assert second_moment(holds, aligned, straggle_prob) == pytest.approx(float(bound), rel=1e-10)


@pytest.mark.parametrize(("n_workers", "n_parts", "copies"), [(4, 3, 2), (8, 7, 4), (9, 4, 3), (9, 4, 6), (5, 1, 2)])
def test_lemma_2_is_exact_where_the_placement_is_pair_wise_balanced(n_workers: int, n_parts: int, copies: int) -> None:
    holds = pair_wise_balanced.place(n_workers, n_parts, copies).holds.toarray()
    printed = bounds.lemma_2(REG, np.full(n_parts, copies), n_workers, 5, 0.25).value
    assert bounds.lemma_2_repaired(REG, bounds.masses(holds), 5, 0.25).value == pytest.approx(float(printed), rel=1e-13)


def test_equal_masses_are_best_and_replication_does_not_matter_to_them() -> None:
    ring = np.eye(4) + np.roll(np.eye(4), 1, axis=0)  # (W, P)
    one, two = (bounds.lemma_2_repaired(REG, bounds.masses(holds), 7, 0.2).value for holds in (np.eye(4), ring))
    assert one == two
    assert two <= bounds.lemma_2(REG, np.full(4, 2), 4, 7, 0.2).value
    assert two < bounds.lemma_2_repaired(REG, np.array([2.0, 2.0, 0.0, 0.0]), 7, 0.2).value


def test_theorem_1_is_four_times_the_second_moment_and_the_repaired_one_is_not() -> None:
    n_iters = np.arange(1, 40)
    printed = bounds.theorem_1(REG, [2, 2, 2], 4, 6, 0.2, n_iters).value
    repaired = bounds.theorem_1_repaired(REG, MASS, 6, 0.2, n_iters).value
    second = float(bounds.lemma_2_repaired(REG, MASS, 6, 0.2).value)
    np.testing.assert_allclose(printed, 4 * second / 0.25 / n_iters)
    np.testing.assert_allclose(printed / repaired, np.where(n_iters == 2, 2.0, 4.0))


def test_theorem_1_repaired_bounds_the_recursion_from_the_worst_start() -> None:
    n_iters = np.arange(1, 200)
    second = float(bounds.lemma_2_repaired(REG, MASS, 6, 0.2).value)
    worst = second / 0.25
    repaired = bounds.theorem_1_repaired(REG, MASS, 6, 0.2, n_iters).value
    curve = bounds.theorem_1_recursion(REG, MASS, 6, 0.2, 2.0 / n_iters, start_error_sq=worst).value[:-1]  # 1/(λt)
    assert np.all(curve <= repaired * (1 + 1e-12))
    exact = [Fraction(1)]  # in units of G/λ²
    for t in range(1, 199):
        exact.append(max(1 - Fraction(2, t), Fraction(0)) * exact[-1] + Fraction(1, t * t))
    np.testing.assert_allclose(curve, worst * np.array(exact, float), rtol=1e-12)


def test_the_recursion_bounds_a_run_with_other_steps() -> None:
    """F = x²/2 on one worker: E x² has its own exact recursion, E ĝ² = x²/q ≤ C/q while |x| ≤ 1."""
    reg, q = Regularity(strong_convexity=1.0, grad_bound_sq=1.0), 0.75
    steps = 0.4 / np.arange(1, 60)
    curve = bounds.theorem_1_recursion(reg, np.ones(1), 1, 1 - q, steps, start_error_sq=1.0).value
    exact = np.concatenate([[1.0], np.cumprod(1 - 2 * steps + steps**2 / q)])
    assert np.all(exact <= curve)
    assert np.all(np.diff(exact) < 0)


def test_the_steps_solve_their_equations() -> None:
    n_iters = np.array([20, 100, 10_000])  # S = 2
    step = bounds.theorem_2_step(4.0, n_iters)
    np.testing.assert_allclose(step - 2 * step**2, (n_iters + 1.0) ** -0.75, rtol=1e-12)
    steps = bounds.theorem_3_steps(4.0, 0.2, 30)
    assert steps[0] == pytest.approx(0.2)
    np.testing.assert_allclose(steps - 2 * steps**2, 0.12 / np.sqrt(np.arange(1, 32)), rtol=1e-12)
    assert np.all(steps <= 0.2 / np.sqrt(np.arange(1, 32)) * (1 + 1e-12))


def test_theorems_2_and_3_round_the_descent_recursion_upwards() -> None:
    n_iters = np.array([20, 100, 1000])
    for last, step, printed, best_step, best in zip(
        n_iters,
        bounds.theorem_2_step(4.0, n_iters),
        bounds.theorem_2_repaired(REG, MASS, 6, 0.2, n_iters, loss_gap=2.0).value,
        bounds.best_step(REG, MASS, 6, 0.2, n_iters, loss_gap=2.0),
        bounds.theorem_2_best(REG, MASS, 6, 0.2, n_iters, loss_gap=2.0).value,
        strict=True,
    ):
        summed = bounds.descent_recursion(REG, MASS, 6, 0.2, np.full(last + 1, step), loss_gap=2.0).value[-1]
        assert printed == pytest.approx(summed, rel=1e-10)
        assert bounds.descent_recursion(REG, MASS, 6, 0.2, np.full(last + 1, best_step), loss_gap=2.0).value[-1] <= best
    steps = bounds.theorem_3_steps(4.0, 0.2, 1000)
    recursion = bounds.descent_recursion(REG, MASS, 6, 0.2, steps, loss_gap=2.0).value
    rounded = bounds.theorem_3_repaired(REG, MASS, 6, 0.2, np.arange(1001), loss_gap=2.0, first_step=0.2).value
    assert np.all(recursion <= rounded * (1 + 1e-12))
    assert recursion[0] == pytest.approx(rounded[0])


def test_the_best_step_falls_as_the_square_root() -> None:
    few, many = bounds.theorem_2_best(REG, MASS, 6, 0.2, [10**6, 10**8], loss_gap=2.0).value
    assert few / many == pytest.approx(10, rel=1e-3)
    few, many = bounds.theorem_2_repaired(REG, MASS, 6, 0.2, [10**16, 10**18], loss_gap=2.0).value
    assert few / many == pytest.approx(10**0.5, rel=1e-2)


def test_the_descent_recursion_is_that_of_hetero_gc() -> None:
    """V = κ C Σℓ² = C k²/U for the utility U = P²/(κ Σℓ²)."""
    steps = np.full(10, 0.1)
    ours = bounds.descent_recursion(REG, MASS, 6, 0.2, steps, loss_gap=2.0).value
    utility = 9 / (bounds.noise_factor(6, 0.2) * float(np.sum(MASS**2)))
    np.testing.assert_allclose(hetero_gc.theorem_3_recursion(REG, 3, utility, steps, loss_gap=2.0).value, ours)


def test_the_misprints_differ_from_the_repaired_forms_by_their_bracket() -> None:
    """κB against D/q − B, B = (P − 1)/W + 1/d, on the balanced placement with masses MASS."""
    bracket, kappa = 2 / 4 + 1 / 2, bounds.noise_factor(6, 0.2)
    share = (6 / 0.8 - bracket) / (kappa * bracket)
    printed = bounds.theorem_2(REG, 3, 2, 4, 6, 0.2, 50, loss_gap=0.0).value
    np.testing.assert_allclose(
        printed, share * bounds.theorem_2_repaired(REG, MASS, 6, 0.2, 50, loss_gap=0.0).value, rtol=1e-12
    )
    printed = bounds.theorem_3(REG, 3, 2, 4, 6, 0.2, 0, loss_gap=0.0, first_step=0.1).value
    repaired = bounds.theorem_3_repaired(REG, MASS, 6, 0.2, 0, loss_gap=0.0, first_step=0.1).value
    np.testing.assert_allclose(printed, 2 * share * repaired, rtol=1e-12)
    late, late_repaired = (
        bounds.theorem_3(REG, 3, 2, 4, 6, 0.2, 80, loss_gap=0.0, first_step=0.1).value,
        bounds.theorem_3_repaired(REG, MASS, 6, 0.2, 80, loss_gap=0.0, first_step=0.1).value,
    )
    np.testing.assert_allclose(late / (2 + np.log(81)), share * late_repaired / (1 + np.log(81)), rtol=1e-12)
    gap = (
        bounds.theorem_2(REG, 3, 2, 4, 6, 0.2, 80, loss_gap=1.0).value
        - bounds.theorem_2(REG, 3, 2, 4, 6, 0.2, 80, loss_gap=0.0).value
    )
    np.testing.assert_allclose(gap, 1 / 3)


def test_the_best_step_is_never_above_half_of_the_largest() -> None:
    options: Any = {"mass": np.ones(2), "dim": 3, "straggle_prob": 0.2, "n_iters": [3, 10**6]}
    first, late = bounds.best_step(REG, **options, loss_gap=1e6)
    assert first == 1 / (2 * 2.0) > late  # S = 2


def test_a_run_of_one_gradient_has_a_bound() -> None:
    """T = 0, S = 1/8: γ − Sγ² = 1."""
    own, step = Regularity(smoothness=0.25, grad_bound_sq=1.0), 4 - 8**0.5
    more: Any = {"n_iters": [0], "loss_gap": 2.0}
    assert bounds.theorem_2_step(0.25, [0])[0] == pytest.approx(step)
    noise = (3 - 0.5) / 0.5 / 8  # one part on one worker: B = 1, D = 3
    assert bounds.theorem_2(own, 1, 1, 1, 3, 0.5, **more).value[0] == pytest.approx(2 + step**2 * noise)
    repaired = bounds.theorem_2_repaired(own, np.ones(1), 3, 0.5, **more).value[0]
    assert repaired == pytest.approx(2 + step**2 * noise)
    assert bounds.best_step(own, np.ones(1), 3, 0.5, **more)[0] == pytest.approx((2 / noise) ** 0.5)
    best = bounds.theorem_2_best(own, np.ones(1), 3, 0.5, **more).value[0]
    assert best == pytest.approx(4 * (2 * noise) ** 0.5 + 4 / 8 * 2)


def test_no_noise_needs_no_small_step() -> None:
    step = bounds.best_step(REG, np.ones(1), 1, 0.0, [3, 5], loss_gap=1.0)
    np.testing.assert_array_equal(step, [0.25, 0.25])


def test_monotonicity() -> None:
    assert bounds.noise_factor(5, 0.1) < bounds.noise_factor(5, 0.2) < bounds.noise_factor(6, 0.2)
    assert bounds.noise_factor(1, 0.0) == 0
    few, many = (bounds.lemma_2(REG, np.full(4, d), 8, 6, 0.2).value for d in (2, 4))
    assert many < few


def test_bounds_say_what_is_wrong() -> None:
    with pytest.raises(InputError, match="straggle_prob"):
        bounds.noise_factor(3, 1.0)
    with pytest.raises(InputError, match="dim"):
        bounds.noise_factor(0, 0.5)
    with pytest.raises(InputError, match="part 1 is on no worker"):
        bounds.masses([[1, 0], [1, 0]])
    with pytest.raises(InputError, match="replication"):
        bounds.lemma_2(REG, [5], 4, 3, 0.1)
    with pytest.raises(InputError, match="grad_bound_sq"):
        bounds.lemma_2(Regularity(), [1], 4, 3, 0.1)
    with pytest.raises(InputError, match="strong_convexity"):
        bounds.theorem_1(Regularity(grad_bound_sq=1.0), [1], 4, 3, 0.1, 5)
    with pytest.raises(InputError, match="at least 1"):
        bounds.theorem_1_repaired(REG, MASS, 3, 0.1, 0)
    with pytest.raises(InputError, match="negative"):
        bounds.theorem_1_recursion(REG, MASS, 3, 0.1, np.array([-1.0]), start_error_sq=1.0)
    with pytest.raises(InputError, match="needs more than"):
        bounds.theorem_2_step(4.0, 2)
    with pytest.raises(InputError, match="smoothness"):
        bounds.theorem_2_step(0.0, 2)
    with pytest.raises(InputError, match="first_step"):
        bounds.theorem_3_steps(4.0, 0.25, 2)
    with pytest.raises(InputError, match=r"step_sizes\[1\]"):
        bounds.descent_recursion(REG, MASS, 3, 0.1, np.array([0.1, 0.5]), loss_gap=1.0)
    with pytest.raises(InputError, match=r"step_sizes\[0\]"):
        bounds.descent_recursion(REG, MASS, 3, 0.1, np.array([0.0, 0.1]), loss_gap=1.0)


def test_bounds_carry_their_claims() -> None:
    assert claim_of(bounds.lemma_2).key == "onebit_gc/lemma_2"
    assert claim_of(bounds.theorem_2_best).key == "onebit_gc/theorem_2_repaired"
    assert claim_of(bounds.theorem_1).equation == 15
