"""Verdicts: how often they are wrong, how often they see, and what an assumption does to them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from proofs_check.experiments import hetero_gc as experiments
from proofs_check.experiments.experiment import Outcome
from proofs_check.experiments.hetero_gc import check_theorem_2, check_theorem_3
from workbench import verdicts
from workbench.bounds import hetero_gc
from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core.claims import Assumption, Bound, Claim, Grade, Status, Verdict, claim
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.problems import least_squares
from workbench.solvers.optimal_structure import solve_dense, solve_sparse
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.profile import StragglerProfile
from workbench.verdicts import confidence_band, judge

CLAIM = Claim("hetero_gc", "Theorem 2")
P = np.array([0.05, 0.1, 0.3, 0.4, 0.2, 0.15])
SIZES = {"deadline_s": 1.0, "n_iters": 60, "n_runs": 20, "seed": 3}


def statuses(samples: FloatArray, bound: FloatArray, false_alarm: float) -> dict[Status, int]:
    """Count the verdicts on samples (replications, R, K)."""
    found = [judge(CLAIM, one, bound, false_alarm=false_alarm).status for one in samples]
    return {status: found.count(status) for status in Status}


def at_most(count: int, n: int, prob: float) -> bool:
    """Whether `count` of n agrees with a probability of at most prob; false alarm 1e-6."""
    return bool(stats.binom.sf(count - 1, n, prob) > 1e-6)


def test_false_alarm_with_the_mean_exactly_at_the_bound() -> None:
    """1,500 replications, 20 runs, 30 checkpoints, false_alarm 0.05; two tests at 1e-6 each."""
    n, n_points, level = 1500, 30, 0.05
    samples = 5 + np.random.default_rng(1).standard_normal((n, 20, n_points))
    counts = statuses(samples, np.full(n_points, 5.0), level)
    exact = 1 - (1 - level / (2 * n_points)) ** n_points  # about level/2: checkpoints are independent here
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], n, exact)
    assert low <= counts[Status.REFUTED] <= high
    assert counts[Status.HOLDS] == 0


@pytest.mark.parametrize("skewed", [False, True])
def test_holds_is_rarely_wrong_even_for_equal_checkpoints(skewed: bool) -> None:
    """The worst case for HOLDS: all checkpoints are one and the same; exponential samples are skewed."""
    n, n_points, level = 1500, 10, 0.05
    rng = np.random.default_rng(2)
    draw = rng.standard_exponential if skewed else lambda size: 1 + rng.standard_normal(size)
    samples = np.repeat(draw((n, 50, 1)), n_points, axis=2)
    counts = statuses(samples, np.ones(n_points), level)
    assert at_most(counts[Status.HOLDS], n, level)
    assert at_most(counts[Status.REFUTED], n, level)


def test_power_when_the_mean_is_a_fifth_above_the_bound() -> None:
    """Exponential samples, 400 runs: the mean is 1.2 bounds at one of 20 checkpoints, half a bound elsewhere."""
    rng = np.random.default_rng(3)
    mean = np.full(20, 0.5)
    mean[7] = 1.2
    counts = statuses(mean * rng.gamma(4, 1 / 4, (200, 400, 20)), np.ones(20), 1e-3)
    assert counts[Status.REFUTED] >= 190
    verdict = judge(CLAIM, mean * rng.gamma(4, 1 / 4, (400, 20)), np.ones(20))
    assert "checkpoint 7" in verdict.explanation
    assert verdict.grade is Grade.TESTED


def test_in_between_it_says_so() -> None:
    samples = np.random.default_rng(4).gamma(4, 1 / 4, (20, 5))
    assert judge(CLAIM, samples, np.full(5, 1.05)).status is Status.UNDERDETERMINED
    assert judge(CLAIM, samples, np.full(5, 3.0)).status is Status.HOLDS


def test_a_deterministic_run_may_touch_its_bound() -> None:
    samples = np.full((7, 3), 0.1)
    assert judge(CLAIM, samples, np.full(3, 0.1)).status is Status.HOLDS
    assert judge(CLAIM, samples, np.full(3, 0.0999)).status is Status.REFUTED


@pytest.mark.parametrize("bound", [0.5, 0.98, 5.0])
def test_a_failed_assumption_is_never_a_pass(bound: float) -> None:
    samples = np.random.default_rng(5).gamma(4, 1 / 4, (50, 5))
    good, bad = Assumption("smoothness", True, ""), Assumption("unbiased code", False, "0.3")
    verdict = judge(CLAIM, samples, np.full(5, bound), [good, bad])
    assert verdict.status is Status.OUTSIDE_ASSUMPTIONS
    assert "unbiased code" in verdict.explanation
    assert verdict.assumptions == (good, bad)
    unknown = judge(CLAIM, samples, np.full(5, bound), [good, replace(bad, holds=None)])
    assert unknown.status is Status.UNDERDETERMINED


def test_diverged_runs_leave_nothing_to_compare() -> None:
    samples = np.ones((5, 3))
    samples[2, 1:] = np.inf
    verdict = judge(CLAIM, samples, np.full(3, 10.0))
    assert verdict.status is Status.UNDERDETERMINED
    assert "1 of 5 runs diverged" in verdict.explanation


@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_units_and_the_order_of_runs_do_not_matter(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples, bound = rng.gamma(2, 1, (12, 6)), rng.uniform(1, 5, 6)
    here = judge(CLAIM, samples, bound)
    there = judge(CLAIM, scale * samples[rng.permutation(12)], scale * bound)
    assert here.status is there.status
    assert there.evidence == pytest.approx(dict(here.evidence))


def test_evidence_says_how_loose_the_bound_is() -> None:
    samples = np.tile([1.0, 2.0, 4.0], (3, 1))
    evidence = judge(CLAIM, samples, np.array([10.0, 10.0, 10.0])).evidence
    assert evidence["looseness_min"] == evidence["looseness_final"] == 2.5
    assert evidence["looseness_median"] == 5
    assert evidence["max_ratio"] == 0.4
    assert (evidence["runs"], evidence["checkpoints"]) == (3, 3)


def test_the_band_covers_all_checkpoints_at_once() -> None:
    rng = np.random.default_rng(6)
    n, level = 1500, 0.1
    missed = missed_least = 0
    mean = np.array([3.0, 2.0, 2.5, 1.9])
    for _ in range(n):
        band = confidence_band(mean + rng.standard_normal((10, 4)), false_alarm=level)
        missed += not np.all((band.low <= mean) & (mean <= band.high))
        least, best = band.running_min(), np.minimum.accumulate(mean)
        missed_least += not np.all((least.low <= best) & (best <= least.high))
    assert at_most(missed, n, level)
    assert at_most(missed_least, n, level)
    assert missed > n * level / 3  # not idly wide


def test_what_judge_refuses() -> None:
    with pytest.raises(InputError, match="at least 2"):
        judge(CLAIM, np.ones((1, 3)), np.ones(3))
    with pytest.raises(InputError, match="false_alarm"):
        judge(CLAIM, np.ones((3, 3)), np.ones(3), false_alarm=0.0)
    for bound in (np.ones(2), np.array([1.0, np.nan, 1.0]), np.array([1.0, -1.0, 1.0])):
        with pytest.raises(InputError, match="checkpoints"):
            judge(CLAIM, np.ones((3, 3)), bound)


def test_unbiasedness_is_measured() -> None:
    weights = solve_dense(P, np.zeros(6), 4)
    assert experiments.unbiased_code(weights, P).holds
    weights[2, 1] += 1e-6
    assert experiments.unbiased_code(weights, P).holds is False


def test_optimal_structure_is_measured() -> None:
    factor = np.array([0.1, 0.2, 0.0, 1.0, np.inf, 0.3])  # worker 4 is idle
    for weights in (solve_dense(P, factor, 4), solve_sparse(P, factor, 4).toarray()):
        assert experiments.optimal_structure(weights, P, factor).holds
        moved = weights.copy()  # still unbiased: move mass from worker 1 to worker 0
        moved[0, 0] += 0.05 / (1 - P[0])
        moved[1, 0] -= 0.05 / (1 - P[1])
        assert experiments.unbiased_code(moved, P).holds
        assert experiments.optimal_structure(moved, P, factor).holds is False
    signed = solve_dense(P, factor, 4)  # the same row masses and column sums, with a negative weight
    shift = 2.0
    for worker, sign in ((0, 1), (1, -1)):
        signed[worker, :2] += np.array([sign, -sign]) * shift / (1 - P[worker])
    assert experiments.unbiased_code(signed, P).holds
    assert signed.min() < 0
    assert experiments.optimal_structure(signed, P, factor).holds is False


def test_dependence_in_a_log_is_an_unmet_assumption() -> None:
    assert verdicts.logged_independence(1.1, 0.3).holds is None
    assert verdicts.logged_independence(40.0, 1e-4).holds is False
    assert verdicts.simulated_independence().holds


@pytest.fixture(scope="module")
def problem() -> least_squares.LeastSquares:
    """A small least-squares problem."""
    return least_squares.build(8, seed=1, dim=6, condition=2.0)


@pytest.fixture(scope="module")
def code() -> GradientCode:
    """The optimal code for it."""
    spec = DesignSpec(n_parts=8, dim=6, bit_budget=30)
    return optimally_structured.design(StragglerProfile(P), spec, rng=np.random.default_rng(0))


def all_checks(problem: least_squares.LeastSquares, code: GradientCode) -> list[Outcome]:
    """Check both theorems, Theorem 3 with both rules."""
    return [
        check_theorem_2(problem, code, Bernoulli(P), **SIZES),
        check_theorem_3(problem, code, Bernoulli(P), rule="constant", **SIZES),
        check_theorem_3(problem, code, Bernoulli(P), rule="decaying", **SIZES),
    ]


def test_the_theorems_hold_on_the_optimal_code(problem: least_squares.LeastSquares, code: GradientCode) -> None:
    for check in all_checks(problem, code):
        verdict: Verdict = check.verdict
        assert verdict.status is Status.HOLDS, verdict.explanation
        assert all(assumption.holds for assumption in verdict.assumptions)
        assert {a.name for a in verdict.assumptions} == set(verdict.claim.assumes) | (
            {hetero_gc.SMALL_STEP} if verdict.claim.name == "Theorem 3" else set()
        )
        assert check.iterations[0] == 0
        sharper = check.comparison.recursion
        assert sharper is not None
        assert check.band.mean.shape == check.bound.shape == sharper.value.shape == (61,)
        assert np.all(check.band.low <= sharper.value * (1 + 1e-9))  # false alarm 1e-3
        assert np.all(sharper.value <= check.bound * (1 + 1e-9))
        assert verdict.evidence["recursion_looseness_final"] < verdict.evidence["looseness_final"]


def test_the_bounds_are_the_theorems_at_the_right_index(
    problem: least_squares.LeastSquares, code: GradientCode
) -> None:
    """Written out: T = 1 at the start in Theorem 2, T = n_iters at the end in Theorem 3."""
    reg = problem.regularity
    strong, smooth = reg.strong_convexity or 0.0, reg.smoothness or 0.0
    second, constant, decaying = all_checks(problem, code)
    for check, expected in (
        (second, lambda c, u, _: 4 * c * 64 * (1 + 1 / u) / strong**2 / np.arange(1, 62)),
        (constant, lambda c, u, gap: (2 * smooth * gap + c * 64 / u) / np.sqrt(61)),
        (decaying, lambda c, u, gap: (2 * smooth * gap + c * 64 / u * (1 + np.log(61))) / np.sqrt(61)),
    ):
        evidence = check.verdict.evidence
        value = expected(evidence["grad_bound_sq"], evidence["utility"], evidence.get("loss_gap"))
        np.testing.assert_allclose(check.bound if np.ndim(value) else check.bound[-1], value, rtol=1e-12)
    assert second.comparison.recursion is not None
    assert second.comparison.recursion.value[0] == pytest.approx(second.band.mean[0], rel=1e-14)
    assert np.all(np.diff(decaying.band.mean) <= 0)


def test_a_check_repeats_itself(problem: least_squares.LeastSquares, code: GradientCode) -> None:
    first, second = (check_theorem_2(problem, code, Bernoulli(P), **SIZES) for _ in range(2))
    np.testing.assert_array_equal(first.band.mean, second.band.mean)
    assert first.verdict == second.verdict


def test_codes_outside_the_theorem_get_no_pass(problem: least_squares.LeastSquares, code: GradientCode) -> None:
    halved = replace(code, encode=sparse.csr_array(code.encode * 0.9))
    moving = replace(code, decoder=LeastSquaresDecoder(code.encode))
    for other, names in (
        (halved, {hetero_gc.UNBIASED, hetero_gc.OPTIMAL}),
        (moving, {hetero_gc.OPTIMAL}),
    ):
        verdict = check_theorem_2(problem, other, Bernoulli(P), **SIZES).verdict
        assert verdict.status is Status.OUTSIDE_ASSUMPTIONS
        assert {a.name for a in verdict.assumptions if a.holds is False} == names
    assert isinstance(code.decoder, FixedDecoder)


def test_a_wrong_theorem_is_refuted(
    problem: least_squares.LeastSquares, code: GradientCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same check with a bound that falls like T^-7 instead of 1/T."""
    true = hetero_gc.theorem_2

    @claim("hetero_gc", "Theorem 2")
    def wrong(reg: Regularity, n_parts: int, utility: float, n_iters: FloatArray) -> Bound:
        right = true(reg, n_parts, utility, n_iters)
        return Bound(right.value / np.asarray(n_iters) ** 6, right.quantity)

    monkeypatch.setattr(hetero_gc, "theorem_2", wrong)
    assert check_theorem_2(problem, code, Bernoulli(P), **SIZES).verdict.status is Status.REFUTED


def test_problems_without_the_constants_are_refused(problem: least_squares.LeastSquares, code: GradientCode) -> None:
    bare = replace(problem, regularity=Regularity())
    with pytest.raises(InputError, match="strong convexity"):
        check_theorem_2(bare, code, Bernoulli(P), **SIZES)
    with pytest.raises(InputError, match="loss_floor"):
        check_theorem_3(bare, code, Bernoulli(P), rule="constant", **SIZES)
    floored = replace(problem, regularity=Regularity(smoothness=problem.regularity.smoothness))
    check = check_theorem_3(floored, code, Bernoulli(P), rule="constant", loss_floor=0.0, **SIZES)
    assert check.verdict.status is Status.HOLDS
