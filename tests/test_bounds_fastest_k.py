"""Bounds of fastest_k against the recursions behind them, exact laws of renewals, and the solver of switch times."""

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from proofs_check.fastest_k.renewal import mean, rounds_done, variance
from workbench.bounds import fastest_k as bounds
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.solvers import switch_times

REG = Regularity(smoothness=2.0, strong_convexity=1.0, grad_var=10.0)
STEP = {"step_size": 1e-3, "gap": 100.0}
EXAMPLE = {"n_wait": 2, "part_size": 10.0, **STEP}  # of Example 1
HALF = Fraction(1, 2)


def exact_moments(centres: FloatArray, n_wait: int, step_size: float, start: float, n_iters: int) -> FloatArray:
    """E w_j²/2 for parts (w − b)²/2 with centred b, all subsets of n_wait parts enumerated, shape (n_iters + 1,)."""
    means = np.array([np.mean(each) for each in combinations(centres, n_wait)])
    moment = [start**2]
    for _ in range(n_iters):
        moment.append((1 - step_size) ** 2 * moment[-1] + step_size**2 * np.mean(means**2))
    return np.array(moment) / 2


@given(seed=st.integers(0, 10_000), n_wait=st.integers(1, 5), start=st.floats(0, 5), step_size=st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_proposition_1_bounds_the_exact_error_of_fixed_parts(
    seed: int, n_wait: int, start: float, step_size: float
) -> None:
    centres = np.random.default_rng(seed).normal(size=5)
    centres -= centres.mean()
    spread, rounds = float(np.mean(centres**2)), np.arange(30)
    exact = exact_moments(centres, n_wait, step_size, start, 29)
    own = Regularity(smoothness=1.0, strong_convexity=1.0, grad_var=spread)
    options: Any = {"step_size": step_size, "gap": start**2 / 2}
    fixed = bounds.proposition_1_fixed_parts(own, 5, n_wait, rounds, **options).value
    printed = bounds.proposition_1(own, n_wait, 1.0, rounds, **options).value
    sharper = bounds.proposition_1_recursion(own, n_wait, 1.0, rounds, **options).value
    for bound in (fixed, printed, sharper):
        assert np.all(exact <= bound * (1 + 1e-9) + 1e-12)
    assert np.all(fixed <= printed + 1e-12)
    if n_wait == 5:
        assert fixed[-1] == pytest.approx((1 - step_size) ** 29 * start**2 / 2, abs=1e-12)


@pytest.mark.parametrize(("convexity", "variance"), [(1.0, 10.0), (0.5, 10.0), (0.5, 0.0)])
def test_proposition_1_is_its_recursion_and_the_sharper_one_lies_below(convexity: float, variance: float) -> None:
    own = Regularity(smoothness=2.0, strong_convexity=convexity, grad_var=variance)
    keep, noise = 1 - 1e-3 * convexity, 2.0 * 1e-6 * variance / (2 * 20)
    error, sharper, curvature = 100.0, 100.0, 2.0 * (1 + 3.0 / 20)
    value = bounds.proposition_1(own, n_iters=np.arange(50), var_growth=3.0, **EXAMPLE).value
    recursion = bounds.proposition_1_recursion(own, n_iters=np.arange(50), var_growth=3.0, **EXAMPLE).value
    for j in range(50):
        assert (value[j], recursion[j]) == (pytest.approx(error, rel=1e-12), pytest.approx(sharper, rel=1e-12))
        error, sharper = keep * error + noise, (1 - 1e-3 * convexity * (2 - 1e-3 * curvature)) * sharper + noise
    assert np.all(recursion <= value)


def test_the_recursion_allows_twice_the_printed_step() -> None:
    options: Any = {"n_wait": 2, "part_size": 10.0, "step_size": 0.4, "gap": 100.0}
    value = bounds.proposition_1_recursion(REG, n_iters=1, **options).value[0]
    assert value == pytest.approx((1 - 0.4 * (2 - 0.4 * 2)) * 100 + 2 * 0.4**2 * 10 / (2 * 20))


@pytest.mark.parametrize("n_workers", [1, 4])
def test_all_fixed_parts_leave_no_floor(n_workers: int) -> None:
    own = Regularity(smoothness=2.0, strong_convexity=0.5, grad_var=10.0)
    value = bounds.proposition_1_fixed_parts(own, n_workers, n_workers, [0, 3], step_size=0.1, gap=8.0).value
    np.testing.assert_allclose(value, [8.0, 8.0 * 0.95**3])


def test_lemma_1_at_whole_rounds_is_proposition_1() -> None:
    time_s = np.array([0.0, 0.9, 9.0])
    value = bounds.lemma_1(REG, time_s=time_s, mean_wait=0.9, **EXAMPLE).value
    np.testing.assert_allclose(value, bounds.proposition_1(REG, n_iters=[0, 1, 10], **EXAMPLE).value, rtol=1e-13)
    slower = bounds.lemma_1(REG, time_s=time_s, mean_wait=0.9, slack=0.1, **EXAMPLE).value
    assert np.all(slower >= value)
    assert np.all(slower[1:] > value[1:])


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=3, unique_by=lambda each: each[0]),
    st.integers(1, 9),
    st.integers(1, 24),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_few_rounds_are_as_rare_as_the_repaired_clause_says(
    weights: list[tuple[int, int]], tenths: int, quarters: int
) -> None:
    total = sum(weight for _, weight in weights)
    law = {Fraction(length, 2): Fraction(weight, total) for length, weight in weights}
    slack, time = Fraction(tenths, 10), Fraction(quarters, 4) * 2
    centre, spread = mean(law), variance(law)
    least = time / centre * (1 - slack)
    exact = sum(prob for done, prob in rounds_done(law, time).items() if done < least)
    options: Any = {"mean_wait": float(centre), "wait_var": float(spread), "slack": float(slack)}
    repaired = bounds.lemma_1_failure_repaired([float(time)], **options).value[0]
    n = -(-least.numerator // least.denominator)
    if abs(float(least) - round(float(least))) > 1e-9 and abs(time - n * centre) > Fraction(1, 10**9):  # no rounding
        assert float(exact) <= repaired + 1e-12
    if float(time * slack) >= (2 + 2**0.5) * float(centre) * (1 + 1e-9):
        assert float(exact) <= bounds.lemma_1_failure([float(time)], **options).value[0] + 1e-12


def test_the_printed_clause_fails_where_a_round_is_longer_than_the_slack() -> None:
    law = {Fraction(99, 100): HALF, Fraction(101, 100): HALF}
    few = sum(prob for done, prob in rounds_done(law, Fraction(5)).items() if 10 * done < 45)
    options: Any = {"mean_wait": 1.0, "wait_var": 1e-4, "slack": 0.1}
    assert float(few) == 0.5 > bounds.lemma_1_failure([5.0], **options).value[0]
    assert bounds.lemma_1_failure_repaired([5.0, 40.0], **options).value[0] == 1.0
    assert bounds.lemma_1_failure_repaired([40.0], **options).value[0] == pytest.approx(36e-4 / (36e-4 + 16))
    exactly: Any = {"mean_wait": 1.0, "wait_var": 0.0, "slack": 0.5}
    assert bounds.lemma_1_failure_repaired([1.0, 1.2], **exactly).value.tolist() == [0.0, 0.0]
    assert bounds.lemma_1_failure_repaired([9.95], **options).value[0] == pytest.approx(9e-4 / (9e-4 + 0.95**2))


@pytest.mark.parametrize("convexity", [1.0, 0.5])
def test_the_mean_bound_holds_for_poisson_rounds_and_is_sharp_but_for_one_round(convexity: float) -> None:
    """k = 1 of n exponential workers: J is a Poisson variable and E q^J is exp(−(1 − q) n λ t)."""
    reg = Regularity(smoothness=2.0, strong_convexity=convexity, grad_var=10.0)
    lost = 0.1 * convexity
    time_s, keep, floor = np.linspace(0, 40, 9), 1 - lost, 0.1 * 2 * 10 / (2 * convexity * 10)
    own: Any = {"part_size": 10.0, "rate": 0.5, "step_size": 0.1, "gap": 100.0}
    value = bounds.lemma_1_in_the_mean(reg, 3, 1, time_s=time_s, **own).value
    exact = floor + np.exp(-lost * 1.5 * time_s) * (100 - floor)
    assert np.all(exact <= value * (1 + 1e-12))
    late = np.minimum(np.exp(-lost * 1.5 * time_s) / keep, 1)
    np.testing.assert_allclose(value, floor + late * (100 - floor), rtol=1e-12)
    model = bounds.lemma_1(reg, 1, 10.0, time_s, mean_wait=1 / 1.5, step_size=0.1, gap=100.0).value
    assert np.all(model[1:] < exact[1:]), "(17) is no bound on the mean"


def test_the_mean_bound_holds_for_simulated_rounds() -> None:
    """k = 2 of 3, 20000 runs of 200 rounds: one-sided at 1e-6 over 4 times."""
    rng, keep = np.random.default_rng(5), 0.9
    ends = np.cumsum(np.partition(rng.exponential(2.0, (20_000, 200, 3)), 1, axis=2)[..., 1], axis=1)  # (R, J)
    own: Any = {"part_size": 1e9, "rate": 0.5, "step_size": 0.1, "gap": 1.0}
    times = np.array([1.0, 5.0, 20.0, 60.0])
    value = bounds.lemma_1_in_the_mean(REG, 3, 2, time_s=times, **own).value
    kept = keep ** np.sum(ends[:, :, None] <= times, axis=1)  # (R, K)
    error = kept.std(axis=0, ddof=1) / np.sqrt(len(kept))
    assert np.all(kept.mean(axis=0) - stats.norm.isf(1e-6 / 4) * error <= value)
    assert np.all(kept.mean(axis=0) >= 0.8 * value), "within the one round that it gives away"


@given(seed=st.integers(0, 10_000), n_workers=st.integers(2, 6), gap=st.floats(2, 1e4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_policy_is_faster_than_the_integral_and_the_envelope_attains_it(
    seed: int, n_workers: int, gap: float
) -> None:
    rng = np.random.default_rng(seed)
    waits = np.cumsum(rng.exponential(size=n_workers) + 0.01)
    floors = 1 / np.arange(1, n_workers + 1)
    options: Any = {"decay": 0.3, "gap": gap}
    errors = np.geomspace(gap, floors[-1] * 1.001, 7)[1:]
    least = bounds.theorem_1_repaired(floors, waits, errors, **options).value
    np.testing.assert_allclose(switch_times.envelope(floors, waits, **options).seconds(errors), least, rtol=1e-7)
    others = [switch_times.theorem_1(floors, waits, **options)]
    others += [switch_times.fixed(k, floors, waits, **options) for k in range(1, n_workers + 1)]
    for policy in others:
        assert np.all(policy.seconds(errors) >= least * (1 - 1e-9))


def test_theorem_1s_times_are_the_solvers_where_they_rise() -> None:
    waits = bounds.eq_7(5, np.arange(1, 6), rate=5.0).value
    floors, decay = 1e-3 / np.arange(1, 6), float(-np.log1p(-1e-3))
    times = bounds.theorem_1(floors, waits, decay=decay, gap=100.0).value
    np.testing.assert_allclose(
        times, switch_times.theorem_1(floors, waits, decay=decay, gap=100.0).switch_s, rtol=1e-12
    )
    assert np.ceil(times[0]) == 497
    for gap in (5e-4, floors[0]):
        below = bounds.theorem_1(floors, waits, decay=decay, gap=gap).value
        assert np.isnan(below).all(), "below the first floor the logarithm has nothing to take"


def test_the_least_seconds_are_the_integral() -> None:
    floors, waits = np.array([1.0, 0.5, 1 / 3]), np.array([1.0, 1.7, 2.9])

    def slowness(error: float) -> float:
        return float(1 / (0.4 * np.max((error - floors) / waits)))

    by_quadrature = integrate.quad(slowness, 0.6, 20.0, limit=200)[0]
    value = bounds.theorem_1_repaired(floors, waits, [0.6, 20.0, 0.3, 1 / 3], decay=0.4, gap=20.0).value
    assert value[0] == pytest.approx(by_quadrature, rel=1e-7)
    assert value[1:].tolist() == [0.0, np.inf, np.inf]


def test_mean_waits_of_exponential_workers() -> None:
    """40000 rounds of 5 workers: five means at 1e-6 together, two-sided."""
    sorted_s = np.sort(np.random.default_rng(2).exponential(1 / 3, (40_000, 5)), axis=1)
    error = sorted_s.std(axis=0, ddof=1) / np.sqrt(len(sorted_s))
    waits = bounds.eq_7(5, np.arange(1, 6), rate=3.0).value
    assert np.all(np.abs(sorted_s.mean(axis=0) - waits) < stats.norm.isf(1e-6 / 10) * error)


def test_units_of_time_and_error_do_not_matter() -> None:
    for failure in (bounds.lemma_1_failure, bounds.lemma_1_failure_repaired):
        plain = failure([9.0, 40.0], mean_wait=1.0, wait_var=0.3, slack=0.4).value
        np.testing.assert_allclose(failure([27.0, 120.0], mean_wait=3.0, wait_var=2.7, slack=0.4).value, plain)
    floors, waits = np.array([1.0, 0.5, 1 / 3]), np.array([1.0, 1.7, 2.9])
    for function, own in ((bounds.theorem_1, ()), (bounds.theorem_1_repaired, (np.array([0.6, 3.0]),))):
        plain = function(floors, waits, *own, decay=0.4, gap=20.0).value
        scaled = function(7 * floors, 3 * waits, *(7 * each for each in own), decay=0.4, gap=140.0).value
        np.testing.assert_allclose(scaled, 3 * plain, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (bounds.proposition_1, {"reg": REG, "n_iters": 1, **EXAMPLE, "step_size": 0.3}, "step_size is 0.3"),
        (bounds.proposition_1, {"reg": REG, "n_iters": 1, **EXAMPLE, "step_size": 0.2, "var_growth": 9}, r"\(0, 0.17"),
        (bounds.proposition_1_recursion, {"reg": REG, "n_iters": 1, **EXAMPLE, "step_size": 0.6}, "step_size is 0.6"),
        (bounds.proposition_1, {"reg": Regularity(), "n_iters": 1, **EXAMPLE}, "needs smoothness"),
        (
            bounds.proposition_1_fixed_parts,
            {"reg": REG, "n_workers": 3, "n_wait": 4, "n_iters": 1, **STEP},
            "n_wait is 4",
        ),
        (bounds.lemma_1, {"reg": REG, "time_s": 1, "mean_wait": 1, **EXAMPLE, "gap": 1e-6}, "below the floor"),
        (bounds.lemma_1, {"reg": REG, "time_s": -1, "mean_wait": 1, **EXAMPLE}, "not negative"),
        (bounds.lemma_1_failure_repaired, {"time_s": 1, "mean_wait": 1, "wait_var": 1, "slack": 0}, "slack is 0"),
        (bounds.theorem_1, {"floor": [1, 2], "mean_wait": [1, 2], "decay": 1, "gap": 9}, "fall with k"),
        (bounds.theorem_1, {"floor": [1], "mean_wait": [1, 2], "decay": 1, "gap": 9}, "one of each"),
        (bounds.eq_7, {"n_workers": 3, "n_wait": [1, 4], "rate": 1.0}, "n_wait is 1 to 4"),
        (bounds.eq_7, {"n_workers": 3, "n_wait": 1, "rate": 0.0}, "rate is 0"),
    ],
)
def test_values_out_of_range_are_refused(function: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        function(**arguments)


def test_a_gap_below_some_floors_is_no_matter_to_the_least_seconds() -> None:
    value = bounds.theorem_1_repaired(np.array([1.0, 0.5]), np.array([1.0, 2.0]), [0.6], decay=1.0, gap=0.9).value
    assert value[0] == pytest.approx(2 * np.log(0.4 / 0.1))
