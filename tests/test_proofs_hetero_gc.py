"""Every check of hetero_gc notices a spoiled constant, and its counterexamples are ones for the real thing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from proofs_check.hetero_gc import algorithm_1, error, notation, smooth, strongly_convex
from proofs_check.hetero_gc import sparse as sparse_checks
from proofs_check.hetero_gc.allocation import bellman, exact_utility
from proofs_check.registry import checks
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Grade, Status
from workbench.core.types import FloatArray
from workbench.moments.enumeration import error_by_enumeration
from workbench.quantizers.identity import Identity
from workbench.quantizers.stochastic_levels import StochasticLevels
from workbench.solvers import bit_allocation

CHECKS = {key: each for key, each in checks().items() if key.startswith("hetero_gc/")}
EASY = (tuple(Fraction(1, 2) for _ in range(3)), 64, 30)  # an instance on which nothing is lost
SPOILED = [
    ("eq_1", {"sign": 1}, ""),
    ("eq_2", {"shift": 1}, ""),
    ("straggler_model", {"eighths": (4, 4)}, ""),
    ("computation_load", {"over": 1}, ""),
    ("eq_3", {"tenths": (6, 6)}, "chances"),
    ("eq_4", {"sign": -1}, "mean"),
    ("two_bits", {"least": 1}, "one level"),
    ("two_bits", {"least": 3}, "one level"),
    ("eq_5", {"denominator": 5}, "1/denominator"),
    ("eq_5", {"loss": 2}, "sharper constant"),
    ("decay_of_the_variance", {"base": 2}, "at least d"),
    ("decay_of_the_variance", {"base": 5}, "at most"),
    ("number_32_bits_of_the_norm", {"bits": 64}, "ours"),
    ("bucketing", {"norms": 2}, "m-th"),
    ("eq_6", {"answered": 2}, "unbiased"),
    ("eq_8", {"least": 1}, "iff"),
    ("assumption_1", {"power": 1}, "strongly convex"),
    ("footnote_1", {"noise": 2}, "every C"),
    ("lemma_1", {"gradients": (1, 1)}, "error"),
    ("lemma_1", {"gradients": (2, -2)}, "bounded by 1"),
    ("lemma_1_repaired", {"quantizer_weight": 0}, "shares add up"),
    ("eq_11", {"power": 2}, "each worker"),
    ("eq_12", {"column": 2}, "example"),
    ("eq_13", {"absolute": False}, "bounds the error"),
    ("eq_16", {"product": 3}, "unbiased"),
    ("eq_18", {"back": 2}, "comes back"),
    ("theorem_1", {"power": 2}, "stationarity"),
    ("theorem_1", {"power": 0}, "y/u is the same"),
    ("lemma_2", {"gradients": (1, 1)}, "above the bound"),
    ("lemma_2_repaired", {"constant": 2}, "each worker's share"),
    ("eq_22", {"first": 2}, "telescope"),
    ("load_of_the_sparse_construction", {"less": 2}, "cuts"),
    ("eq_23", {"least": 1}, "budgets"),
    ("proposition_1", {"decreasing": -1}, "larger U"),
    ("proposition_1", {"decreasing": 2}, "inner optimum"),
    ("lemma_3", {"first": 1}, "enumeration"),
    ("complexity_of_the_dynamic_program", {"per_state": 2}, "sum"),
    ("monotone_in_p", {"offset": 2}, "derivative"),
    ("top_m", {"swapped": 0}, "exchange"),
    ("sigmoidal_utility", {"last": 2}, "curvature"),
    ("algorithm_1", {"instance": EASY}, "below the optimum"),
    ("local_search", {"gain": -1}, "rises"),
    ("local_search", {"gain": 0}, "rises"),
    ("equal_allocation", {"apart": 2}, "remainder"),
    ("greedy_is_trapped", {"instance": EASY}, "%"),
    ("structured_allocation", {"fewer": 1}, "without a sum of 0"),
    ("assumption_2", {"half": 1}, "equality"),
    ("assumption_3", {"half": 1}, "integral"),
    ("theorem_2", {"constant": 1}, "Lemma 4"),
    ("theorem_2_repaired", {"at_two": 1}, "T = 2"),
    ("theorem_2_repaired", {"at_two": 3}, "numbers"),
    ("theorem_2_recursion", {"first": 1}, "a_3"),
    ("independence_of_the_load", {"copies": 2}, "row sum"),
    ("theorem_3", {"gap": 1}, "constant rule"),
    ("theorem_3", {"noise": 0}, "decaying rule"),
    ("theorem_3_average", {"twice": 1}, "same bound"),
    ("eq_31", {"planned": 0}, "planned"),
    ("eq_32", {"sign": 1}, "falls"),
    ("eq_33", {"scale": 2}, "balanced"),
    ("eq_34", {"edges": 0}, "spanning tree"),
    ("eq_35", {"batches": ((3, 4), (3, 4))}, "levels"),
    ("eq_35_repaired", {"mixed": 1}, "given the batch"),
    ("sampling_variance_favours_dense_weights", {"parts": 2}, "every pair"),
    ("eq_36", {"emphasis": 2}, "gradient"),
    ("proposition_2", {"unbiased_cost": 2}, "V(v-bar) <= V(v)"),
    ("proposition_2", {"shrink": 2}, "v-bar = c v, columns"),
    ("proposition_2", {"shrink": 0}, "v-bar = c v, aligned"),
    ("eq_37", {"inverse": 2}, "tail"),
    ("regimes", {"budgets": (16, 56, 58)}, "middling: not relaxed"),
    ("sgd", {"sign": 1}, ""),
    ("is_sgd", {"copies": 2}, "one holder"),
    ("bgc", {"copies": 3}, "one v"),
    ("sgc", {"power": 2}, "v"),
    ("ehd", {"group": 3}, "groups"),
    ("od", {"holders": 3}, "a regular graph"),
    ("osgc", {"power": 2}, "masses"),
    ("osgc_amplifies_quantization", {"workers": 3}, "in the limit"),
    ("equal_bits_of_the_baselines", {"apart": 0}, "equal"),
    ("load_of_the_baselines", {"copies": 3}, "designed"),
    ("sgc_needs_a_load", {"copies": 2}, "one copy"),
    ("complexity_of_algorithm_1", {"per_worker": 2}, "n(n + 1)/2"),
    ("losses_at_equal_bits", {"norm_bits": 64}, "the same"),
    ("default_parameters", {"power": 2}, "the same p"),
    ("logistic_regression_and_softmax", {"classes": 2}, "along a line"),
    ("footnote_2", {"half": 1}, "one step"),
    ("inflated_second_moment", {"power": 1}, "E of the square"),
    ("variance_of_the_moving_average", {"power": 1}, "one step"),
    ("second_track_sends_nothing", {"tracks": 4}, "two tracks"),
    ("numbers_of_coco", {"validation": 5_001}, "sum"),
    ("number_50_runs", {"runs": 20}, "14.1 %"),
    ("number_32_bits", {"bits": 64}, "ratio"),
    ("number_25_6_million_parameters", {"bottlenecks": (3, 4, 23, 3)}, "25.6 million"),
    ("larger_straggling_parameters", {"spread": 1}, "relative spread"),
    ("eq_38", {"cross": 1}, "mixed"),
    ("eq_39", {"variance": 2}, "variance"),
    ("eq_40", {"omega": 3}, "omega"),
    ("eq_41", {"square": 1}, "16 > 4"),
    ("eq_43", {"price": 1}, "maximum"),
    ("eq_44", {"prefactor": 1}, "derivative"),
    ("eq_45", {"half": 1}, "row sum"),
    ("eq_46", {"twice": 1}, "their sum"),
    ("eq_47", {"power": 2}, "substituted"),
    ("eq_48", {"columns": 2}, "column sums"),
    ("eq_49", {"power": 2}, "sum"),
    ("eq_50", {"squared": 1}, "sum"),
    ("eq_51", {"shift": 1}, "levels"),
    ("eq_52", {"least": False}, "lower bound"),
    ("eq_53", {"power": 2}, "shares"),
    ("eq_54", {"sign": -1}, "decreasing"),
    ("eq_55", {"exact": False}, "whole budget"),
    ("eq_56", {"weight": 2}, "separable"),
    ("eq_57", {"beyond": 0}, "all allocations"),
    ("eq_57", {"beyond": 2}, "in vain"),
    ("eq_58", {"weight": 2}, "lambda = 1"),
    ("eq_61", {"second": 1}, "empty"),
    ("eq_62", {"emphasis": 2}, "dominance"),
    ("eq_63", {"power": 2}, "bias"),
    ("eq_64", {"exponent": 1}, "moments"),
    ("eq_65", {"third": 2}, "second derivative"),
    ("eq_66", {"rare": (2, 50)}, "inflation"),
    ("lemma_4", {"constant": 1}, "T = 1, 2, 3"),
    ("lemma_4", {"constant": 0}, "for all t >= 2"),
    ("eq_68", {"power": 2}, "C k^2"),
    ("eq_69", {"factor": 2}, "substituted"),
    ("eq_70", {"half": 1}, "substituted"),
    ("eq_71", {"squares": 0}, "mean"),
    ("eq_72", {"half": 1}, "rearranged"),
    ("eq_73", {"bracket": 1}, "1/2"),
    ("eq_74", {"power": 2}, "substituted"),
    ("eq_75", {"power": 0}, "limit"),
    ("eq_76", {"offset": 0}, "n = 1"),
    ("eq_77", {"offset": 0}, "joined"),
    ("eq_78", {"power": 0}, "limit"),
]


@pytest.mark.parametrize(("name", "spoiled", "step"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, object], step: str) -> None:
    verdict = CHECKS[f"hetero_gc/{name}"](**spoiled)
    assert (verdict.status, verdict.grade) == (Status.UNDERDETERMINED, Grade.TESTED)
    assert verdict.explanation.startswith("the proof fails at")
    assert step in verdict.explanation


def test_every_check_is_spoiled_once() -> None:
    assert {key.partition("/")[2] for key in CHECKS} == {name for name, *_ in SPOILED}


def test_the_core_of_the_structured_allocation_cannot_be_smaller() -> None:
    for fewer in (1, 2, 3):
        smaller = algorithm_1.structured_allocation(fewer=fewer)
        assert "without a sum of 0" in smaller.explanation
        assert "core holds an optimum" in smaller.explanation


def test_looser_constants_are_true_where_the_claim_is_an_inequality() -> None:
    assert strongly_convex.lemma_4(constant=5).status is Status.PROVED
    assert smooth.theorem_3(gap=3, noise=2).status is Status.HOLDS_WITH_ERRATUM


def test_the_signed_counterexample_is_one_for_a_real_code() -> None:
    code = GradientCode(
        "signed",
        sparse.csr_array(np.array([[3.0, -1.0], [-1.0, 3.0]])),
        FixedDecoder(np.ones(2)),
        Identity(np.array([32, 32])),
    )
    mean, found = error_by_enumeration(code, np.full(2, 0.5), np.array([[1.0], [-1.0]]))
    evidence = error.lemma_1().evidence
    assert found == evidence["counterexample_error"] > evidence["printed_bound"]
    np.testing.assert_allclose(mean, [0.0], atol=1e-15)


def test_the_quantizers_counterexample_is_one_for_a_real_code() -> None:
    """(40): 48 from quantization, beside 8 from stragglers."""
    code = GradientCode(
        "signed",
        sparse.csr_array(np.array([[3.0, -1.0], [-1.0, 3.0]])),
        FixedDecoder(np.ones(2)),
        StochasticLevels(np.array([2, 2])),
    )
    part = np.full(16, 0.25)
    _, found = error_by_enumeration(code, np.full(2, 0.5), np.array([part, -part]))
    assert found == pytest.approx(48 + 8, rel=1e-12)


def test_signed_weights_of_the_optimal_structure_break_theorem_3_in_simulation() -> None:
    """The walk behind the counterexample: mean squared gradient of 20,000 runs against its exact lower bound."""
    rng = np.random.default_rng(20240501)
    x, total = np.zeros(20_000), 0.0
    for _ in range(16):
        pull = np.clip(x / 2, -0.5, 0.5)  # (R,): q, F' = 2q
        total += float(np.mean((2 * pull) ** 2)) / 16
        came = rng.random((2, x.size)) < 0.5  # (W, R)
        first, second = pull + 0.5, pull - 0.5
        messages = np.array([35 * first - 33 * second, -33 * first + 35 * second])  # (W, R)
        x = x - 0.25 * np.sum(came * messages, axis=0)
    evidence = smooth.theorem_3().evidence
    # A run's average lies in [0, 1]: 6 standard errors of at most 1/2 each, false alarm 1e-9.
    assert total > evidence["signed_average_above"] - 6 * 0.5 / np.sqrt(x.size) > evidence["printed_bound"]


@given(
    weights=st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=4), g=st.integers(-3, 3)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_exact_moments_are_those_of_the_enumeration(weights: list[tuple[int, int]], g: int) -> None:
    grads, prob = (g, 2), Fraction(1, 3)
    mean, found = notation.moments_by_patterns(weights, grads, prob)
    n = len(weights)
    code = GradientCode(
        "any",
        sparse.csr_array(np.array(weights, float)),
        FixedDecoder(np.ones(n)),
        Identity(np.full(n, 32)),
    )
    ours_mean, ours = error_by_enumeration(code, np.full(n, 1 / 3), np.array([[float(g)], [2.0]]))
    assert float(ours_mean[0]) == pytest.approx(float(mean), abs=1e-12)
    assert ours == pytest.approx(float(found), rel=1e-12, abs=1e-12)


def test_the_rational_recurrence_is_our_dynamic_program() -> None:
    for prob, dim, budget in (algorithm_1.MISSED, algorithm_1.TRAPPED):

        def variance(bits: FloatArray, dim: int = dim) -> FloatArray:
            return np.asarray(dim / (4 * (2 ** (bits - 1) - 1) ** 2))

        def utility(i: int, b: int, prob: tuple[Fraction, ...] = prob, dim: int = dim) -> Fraction:
            return exact_utility(prob[i], dim, b)

        ours = bit_allocation.solve_dynamic_program(np.array([float(p) for p in prob]), variance, budget).utility
        exact = bellman(utility, len(prob), budget - 2 * len(prob), cap=30)
        assert exact is not None
        assert ours == pytest.approx(float(exact), rel=1e-12)


def test_the_enumerated_supports_carry_the_masses() -> None:
    """Masses 1, 1, 1 need three pairs; 3/2, 3/4, 3/4 cannot be split, 3 + 3 − 1."""
    third, split = (tuple(Fraction(*each) for each in masses) for masses in (((1, 1),) * 3, ((3, 2), (3, 4), (3, 4))))
    assert {third, tuple(sorted(split))} <= set(sparse_checks._quarters())
    assert (sparse_checks._fewest(third), sparse_checks._most_groups(third)) == (3, 3)
    assert (sparse_checks._fewest(split), sparse_checks._most_groups(split)) == (5, 1)


@given(seed=st.integers(0, 10**6), dim=st.integers(1, 200), bits=st.integers(2, 8), spread=st.floats(0, 4))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_vector_beats_the_sharper_quantizer_constant(seed: int, dim: int, bits: int, spread: float) -> None:
    """The proof against the quantizer's own exact variance; equal coordinates attain it where √d ≥ 2s."""
    quantizer = StochasticLevels(np.array([bits]))
    v = np.exp(spread * np.random.default_rng(seed).standard_normal((2, 1, dim)))  # (R, W, D)
    v[1] = 1.0
    relative = quantizer.variance(v)[:, 0] / np.sum(v[:, 0] ** 2, axis=-1)  # (R,)
    root, s = np.sqrt(dim), 2.0 ** (bits - 1) - 1
    sharp = root / s - 1 if root >= 2 * s else dim / (4 * s**2)
    assert np.all(relative <= sharp * (1 + 1e-9) + 1e-12)
    if root >= 2 * s:
        assert relative[1] == pytest.approx(sharp, rel=1e-9, abs=1e-12)
