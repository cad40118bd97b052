"""Moments against the oracle that walks through every straggler pattern."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse, stats

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import MomentKind
from workbench.moments import estimate
from workbench.moments.design_comparison import (
    OPTIMAL,
    compare,
    dense_moments,
    design_baselines,
    matched_replication,
)
from workbench.moments.enumeration import error_by_enumeration, straggler_patterns
from workbench.moments.estimate import error_split, moments
from workbench.moments.replay import replay, replay_left_out
from workbench.quantizers.identity import quantizer as identity
from workbench.quantizers.stochastic_levels import StochasticLevels, variance_constant
from workbench.solvers import optimal_structure
from workbench.stragglers.profile import StragglerProfile

FAMILIES = list(catalogue.codes().items())


def random_design(module, seed, n_workers, n_parts, dim=40):
    rng = np.random.default_rng(seed)
    profile = StragglerProfile(rng.uniform(0.02, 0.7, n_workers))
    spec = DesignSpec(n_parts, dim, 4 * n_workers + int(rng.integers(9)), replication=min(3, n_workers))
    return module.design(profile, spec, rng=rng), profile.straggle_prob


def unquantized(code):
    return GradientCode(code.family, code.encode, code.decoder, identity(np.ones(code.n_workers)))


def aligned_and_orthonormal(code, prob):
    """Squared error of stragglers alone, by enumeration, for unit gradients that are equal or orthonormal."""
    for grads in (np.ones((code.n_parts, 1)), np.eye(code.n_parts)):
        yield error_by_enumeration(unquantized(code), prob, grads)[1]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 4), (12, 9)])
@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_bias_and_straggler_error_equal_enumeration(name, module, size):
    """To 1e-12 for fixed decoders; 1e-11 where least-squares weights enter."""
    for seed in range(3):
        code, prob = random_design(module, seed, *size)
        found = moments(code, prob, 40, rng=np.random.default_rng(0))
        assert found.kind is MomentKind.EXACT
        tolerance = 1e-12 if isinstance(code.decoder, FixedDecoder) else 1e-11
        mean, _ = error_by_enumeration(code, prob, np.eye(code.n_parts))
        np.testing.assert_allclose(found.bias, mean - 1, rtol=0, atol=tolerance)
        for split, expected in zip(
            (found.aligned, found.orthonormal), aligned_and_orthonormal(code, prob), strict=True
        ):
            without_noise = split.bias_sq + split.straggler_var
            assert without_noise == pytest.approx(expected, rel=tolerance, abs=tolerance)


def least_over_factors(code, prob, grads, noise):
    """min over c of E‖cĝ − Σg_j‖², searched numerically; noise (W,) is each quantizer's variance of its message."""
    total, messages = grads.sum(axis=0), code.encode_dense @ grads

    def error(factor):
        patterns = zip(*straggler_patterns(prob), strict=True)
        return sum(
            chance * (np.sum((factor * weights @ messages - total) ** 2) + factor**2 * weights**2 @ noise)
            for chance, weights in ((q, code.decoder.weights(up[None])[0]) for up, q in patterns)
        )

    return optimize.minimize_scalar(error, bracket=(0.0, 1.0)).fun


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_rescaled_error_is_the_least_over_all_factors(name, module):
    """Pattern by pattern; a minimum is flat, so the search is exact to far below 1e-9."""
    for seed, size in ((0, (3, 4)), (1, (5, 3))):
        code, prob = random_design(module, seed, *size)
        found = moments(code, prob, 40, rng=np.random.default_rng(0))
        for split, grads in ((found.aligned, np.ones((size[1], 1))), (found.orthonormal, np.eye(size[1]))):
            noise = code.quantizer.mean_variance_factor(40) * np.sum((code.encode_dense @ grads) ** 2, axis=1)  # (W,)
            expected = least_over_factors(code, prob, grads, noise)
            assert split.rescaled == pytest.approx(expected, rel=1e-9, abs=1e-9)
            assert split.rescaled <= split.mse * (1 + 1e-12)
        if isinstance(code.decoder, FixedDecoder):
            grads = np.random.default_rng(seed).standard_normal((size[1], 7))
            expected = least_over_factors(code, prob, grads, code.quantizer.variance(code.encode_dense @ grads))
            assert error_split(code, prob, grads).rescaled == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_quantizer_error_equals_enumeration_over_random_orientations(name, module):
    """Mean over 4,000 random rotations of orthonormal gradients against the closed form, at 6 standard errors."""
    code, prob = random_design(module, 3, 6, 3, dim=5)
    found = moments(code, prob, 5, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    frames = np.linalg.qr(rng.standard_normal((4000, 5, 3)))[0].transpose(0, 2, 1)  # (n, P, D)
    weights = code.decoder.weights(straggler_patterns(prob)[0])
    weight_sq = straggler_patterns(prob)[1] @ weights**2
    for grads, split in (
        (frames, found.orthonormal),
        (np.repeat(frames[:, :1], 3, axis=1), found.aligned),
    ):
        noise = code.quantizer.variance(code.encode_dense @ grads) @ weight_sq  # (n,)
        assert abs(noise.mean() - split.quantizer_var) <= 6 * noise.std() / np.sqrt(4000) + 1e-12


@pytest.mark.parametrize(("name", "module"), [f for f in FAMILIES if f[0] not in ("erasure_head", "optimal_decoding")])
def test_error_for_given_gradients_equals_enumeration(name, module):
    for seed in range(5):
        code, prob = random_design(module, seed, 10, 6)
        grads = np.random.default_rng(seed).standard_normal((6, 7))
        _, expected = error_by_enumeration(code, prob, grads)
        assert error_split(code, prob, grads).mse == pytest.approx(expected, rel=1e-12)


def test_literal_enumeration_of_quantizer_outcomes():
    """Every straggler pattern and every rounding outcome, no variance formula: W = 2, P = 2, D = 2."""
    code, prob = random_design(dict(FAMILIES)["stochastic"], 0, 2, 2)
    code = GradientCode("x", code.encode, code.decoder, StochasticLevels(np.array([2, 3])))
    grads = np.array([[0.3, -1.2], [0.5, 0.4]])
    messages = code.encode_dense @ grads
    total, mean = 0.0, np.zeros(2)
    for pattern in itertools.product([0, 1], repeat=2):
        p_pattern = np.prod([1 - q if up else q for up, q in zip(pattern, prob, strict=True)])
        outcomes = [list(coordinate_outcomes(m, s)) for m, s in zip(messages, (1, 3), strict=True)]
        for (q0, v0), (q1, v1) in itertools.product(*outcomes):
            got = pattern[0] * code.decoder.decode[0] * v0 + pattern[1] * code.decoder.decode[1] * v1
            mean += p_pattern * q0 * q1 * got
            total += p_pattern * q0 * q1 * np.sum((got - grads.sum(axis=0)) ** 2)
    np.testing.assert_allclose(mean, grads.sum(axis=0), rtol=1e-12)
    assert error_split(code, prob, grads).mse == pytest.approx(total, rel=1e-12)


def coordinate_outcomes(message, s):
    """Yield (probability, quantized vector) of stochastic rounding with s levels."""
    norm = np.linalg.norm(message)
    r = s * np.abs(message) / norm
    for ups in itertools.product([0, 1], repeat=2):
        frac = r - np.floor(r)
        chance = np.prod([f if up else 1 - f for up, f in zip(ups, frac, strict=True)])
        yield chance, norm / s * np.sign(message) * (np.floor(r) + np.array(ups))


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_nothing_beats_the_worst_case(name, module):
    """Random and aligned unit gradients in any direction stay below it; the optimal code attains it."""
    code, prob = random_design(module, 2, 8, 5, dim=64)
    bound = moments(code, prob, 64, rng=np.random.default_rng(0)).worst_case
    rng = np.random.default_rng(3)
    worst_direction = np.ones((5, 64)) / 8  # equal coordinates: the quantizer's worst
    for grads in [worst_direction, *rng.standard_normal((30, 5, 64))]:
        unit = grads / np.linalg.norm(grads, axis=1, keepdims=True)
        assert error_by_enumeration(code, prob, unit)[1] <= bound * (1 + 1e-9)


def test_the_optimal_worst_case_is_lemma_2():
    comparison = compare(StragglerProfile(np.array([0.1, 0.3, 0.5, 0.2])), DesignSpec(5, 400, 16), seed=0)
    found = comparison.optimal.moments.worst_case
    assert found == pytest.approx(25 / comparison.allocation.utility, rel=1e-12)
    assert found == pytest.approx(comparison.residual_bound, rel=1e-12)


def test_the_worst_case_is_attained_by_aligned_gradients_of_equal_coordinates():
    prob, bits = np.array([0.1, 0.3, 0.5, 0.2]), np.array([3, 4, 2, 3])  # sqrt(400) >= 2 s for all of them
    code = optimally_structured.design_for_bits(StragglerProfile(prob), DesignSpec(5, 400, 12), bits)
    found = moments(code, prob, 400, rng=np.random.default_rng(0)).worst_case
    equal = np.full((5, 400), 1 / 20)
    assert error_by_enumeration(code, prob, equal)[1] == pytest.approx(found, rel=1e-12)


def test_large_groups_of_like_workers_equal_enumeration():
    """13 workers that all hold the same: the Poisson-binomial branch against 2^13 patterns."""
    rng = np.random.default_rng(4)
    encode = sparse.csr_array(np.tile([1.0, 2.0, 0.0], (13, 1)))
    code = GradientCode("alike", encode, LeastSquaresDecoder(encode), StochasticLevels(np.full(13, 3)))
    prob = rng.uniform(0.1, 0.9, 13)
    found = moments(code, prob, 30, rng=rng)
    assert found.kind is MomentKind.EXACT
    responded, chance = straggler_patterns(prob)
    weight_sq = chance @ code.decoder.weights(responded) ** 2
    expected = weight_sq @ (code.quantizer.mean_variance_factor(30) * 9)
    assert found.aligned.quantizer_var == pytest.approx(expected, rel=1e-8)
    _, straggling = error_by_enumeration(unquantized(code), prob, np.eye(3))
    assert found.orthonormal.bias_sq + found.orthonormal.straggler_var == pytest.approx(straggling, rel=1e-8)


def test_sampled_moments_cover_the_exact_ones(monkeypatch):
    """Forbid enumeration: the sampled error lies within 5 of its own standard errors of the exact one."""
    code, prob = random_design(dict(FAMILIES)["optimal_decoding"], 6, 12, 8)
    exact = moments(code, prob, 40, rng=np.random.default_rng(0))
    monkeypatch.setattr(estimate, "ENUMERATED_WORKERS", 0)
    sampled = moments(code, prob, 40, rng=np.random.default_rng(1))
    assert (exact.kind, sampled.kind) == (MomentKind.EXACT, MomentKind.SAMPLED)
    assert abs(sampled.aligned.mse - exact.aligned.mse) <= 5 * sampled.standard_error
    gap = abs(sampled.orthonormal.mse - exact.orthonormal.mse)
    assert 0 < gap <= 5 * sampled.standard_error_orthonormal
    assert 0 < abs(sampled.worst_case - exact.worst_case) <= 5 * sampled.standard_error_worst_case
    assert exact.standard_error_worst_case == 0


def test_dense_closed_form():
    """The dense code has the sparse one's aligned error, and its orthonormal error is P times less."""
    prob = np.array([0.1, 0.4, 0.25])
    spec = DesignSpec(6, 30, 12)
    comparison = compare(StragglerProfile(prob), spec, seed=0)
    omega = comparison.optimal.code.quantizer.variance_factor(30)
    weights = optimal_structure.solve_dense(prob, omega, 6)
    dense = GradientCode(
        "dense",
        sparse.csr_array(weights),
        FixedDecoder(np.ones(3)),
        comparison.optimal.code.quantizer,
    )
    expected = moments(dense, prob, 30, rng=np.random.default_rng(0))
    found = dense_moments(comparison.optimal.moments, 6)
    assert found.aligned.mse == pytest.approx(expected.aligned.mse, rel=1e-12)
    assert found.orthonormal.mse == pytest.approx(expected.orthonormal.mse, rel=1e-12)
    assert found.aligned.rescaled == pytest.approx(expected.aligned.rescaled, rel=1e-12)
    assert found.orthonormal.rescaled == pytest.approx(expected.orthonormal.rescaled, rel=1e-12)


def test_the_optimal_code_has_the_least_worst_case_of_unbiased_families():
    rng = np.random.default_rng(5)
    for seed in range(5):
        profile = StragglerProfile(rng.uniform(0.05, 0.5, 10))
        comparison = compare(profile, DesignSpec(8, 1000, 60), seed=seed)
        for family in ("osgc", "stochastic", "one_bit"):
            assert comparison.baselines[family].moments.worst_case >= comparison.residual_bound * (1 - 1e-12)
        assert OPTIMAL not in comparison.baselines
        assert comparison.spec.replication == matched_replication(comparison.optimal.code)


def test_workers_may_be_reordered():
    rng = np.random.default_rng(6)
    prob, order = rng.uniform(0.05, 0.5, 7), rng.permutation(7)
    spec = DesignSpec(5, 100, 40)
    first, second = (
        moments(optimally_structured.design(StragglerProfile(p), spec, rng=rng), p, 100, rng=rng)
        for p in (prob, prob[order])
    )
    assert first.worst_case == pytest.approx(second.worst_case, rel=1e-12)
    assert first.aligned.mse == pytest.approx(second.aligned.mse, rel=1e-12)


def test_a_budget_below_two_bits_each_pays_for_the_most_reliable():
    profile = StragglerProfile(np.array([0.5, 0.1, 0.4, 0.2, 0.3]))
    comparison = compare(profile, DesignSpec(3, 50, 6, allow_idle=True), seed=0)
    for family, evaluated in comparison.baselines.items():
        assert evaluated.code.bits.sum() <= 6, family
        assert evaluated.code.encode.shape == (5, 3)
        assert not evaluated.code.placement.load[[0, 2]].any(), family


def test_enumeration_refuses_what_it_cannot_finish():
    with pytest.raises(InputError, match="at most 20"):
        straggler_patterns(np.full(21, 0.5))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_workers=st.integers(1, 6),
    constant=st.sampled_from(["tight", "paper", "qsgd"]),
    allow_idle=st.booleans(),
)
def test_the_dual_bounds_the_utility(seed, n_workers, constant, allow_idle):
    """Never below the utility, and equal to the least dual value, which is at a slope between two points, or 0."""
    rng = np.random.default_rng(seed)
    prob, budget = rng.uniform(0.01, 0.9, n_workers), int(rng.integers(2 * n_workers, 12 * n_workers + 1))
    spec = DesignSpec(3, int(rng.integers(1, 10_000)), budget, 1, constant, allow_idle)
    found = compare(StragglerProfile(prob), spec, seed=0)
    assert found.dual_bound >= found.allocation.utility * (1 - 1e-12)
    bits = np.arange(0 if allow_idle else 2, 33)
    omega = variance_constant(np.maximum(bits, 2).astype(float), spec.dim, constant)  # (M,)
    table = np.where(bits > 0, (1 - prob[:, None]) / (prob[:, None] + omega), 0.0)  # (W, M)
    budget = min(budget, 32 * n_workers)
    first, second = np.triu_indices(len(bits), 1)
    slopes = np.append((table[:, second] - table[:, first]) / (bits[second] - bits[first]), 0.0)  # (N,)
    dual = slopes * budget + sum((row - slopes[:, None] * bits).max(axis=1) for row in table)
    assert found.dual_bound == pytest.approx(dual[slopes >= 0].min(), rel=1e-9)


def test_the_busiest_share_counts_parts():
    """Parts 12, 1 and 1 on three workers, none on the fourth: 12 over the mean of the three."""
    profile = StragglerProfile(np.array([0.01, 0.3, 0.5, 0.99]))
    found = compare(profile, DesignSpec(12, 100, 30, allow_idle=True), seed=0)
    np.testing.assert_array_equal(np.count_nonzero(found.optimal.code.encode_dense, axis=1), [12, 1, 1, 0])
    assert found.busiest_share == pytest.approx(12 * 3 / 14, rel=1e-12)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_a_replayed_round_is_a_sent_round(name, module):
    """Part gradients that agree, in random directions, really quantized: means of 3,000 estimates of each round
    within Z standard errors of ratio and error, false alarm 1e-6 over rounds and families."""
    code, _ = random_design(module, 4, 5, 3, dim=6)
    responded = np.random.default_rng(5).random((4, 5)) < 0.7  # (rounds, W)
    ratio, error = replay(code, responded, 6)
    rng = np.random.default_rng(6)
    z = stats.norm.isf(1e-6 / (2 * 2 * len(responded) * len(FAMILIES)))
    for up, mean, mean_error in zip(responded, ratio, error, strict=True):
        direction = rng.standard_normal((3000, 6))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        messages = code.encode_dense.sum(axis=1)[:, None] * direction[:, None]  # (n, W, D)
        heard = code.quantizer(messages, rng=rng)  # (n, W, D)
        got = np.einsum("w,nwd->nd", code.decoder.weights(up[None])[0], heard) / 3  # (n, D): relative to the sum
        along, square = np.sum(got * direction, axis=1), np.sum((got - direction) ** 2, axis=1)
        assert abs(along.mean() - mean) <= z * along.std() / np.sqrt(3000) + 1e-12
        assert abs(square.mean() - mean_error) <= z * square.std() / np.sqrt(3000) + 1e-12


def test_replays_equal_a_loop_over_rounds():
    """Contiguous fifths; designs know the other rounds only; round by round with one decoder call each."""
    rng = np.random.default_rng(7)
    late = rng.random((13, 4)) < [0.1, 0.3, 0.5, 0.2]
    spec, seen = DesignSpec(5, 100, 20), []

    def estimate_from(rounds):
        seen.append(rounds.tolist())
        return (late[rounds].sum(axis=0) + 0.5) / (len(rounds) + 1)

    found = replay_left_out(late, estimate_from, spec, seed=3)
    blocks = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10], [11, 12]]
    assert seen == [[r for r in range(13) if r not in block] for block in blocks]
    expected = {}
    for block, others in zip(blocks, seen, strict=True):
        profile = StragglerProfile((late[others].sum(axis=0) + 0.5) / (len(others) + 1))
        codes = design_baselines(profile, spec, seed=3)
        codes[OPTIMAL] = optimally_structured.design(profile, spec, rng=rng)
        for r in block:
            for name, code in codes.items():
                weights = code.decoder.weights(~late[[r]])[0]
                sums = code.encode_dense.sum(axis=1)
                ratio = sum(weights[w] * sums[w] for w in range(4)) / 5
                noise = code.quantizer.mean_variance_factor(100) * (weights * sums / 5) ** 2
                expected.setdefault(name, []).append((ratio, (ratio - 1) ** 2 + noise.sum()))
    assert found.keys() == expected.keys() == catalogue.codes().keys()
    for name, pairs in expected.items():
        mean, error = np.mean(pairs, axis=0), stats.sem(pairs, axis=0)
        numbers = (found[name].ratio, found[name].error, found[name].ratio_error, found[name].error_error)
        assert numbers == pytest.approx((*mean, *error), rel=1e-9, abs=1e-12), name


def test_an_unbiased_code_replays_around_the_truth():
    """Independent stragglers with known probabilities: the mean ratio is 1 within Z errors, false alarm 1e-6."""
    prob = np.array([0.1, 0.3, 0.5, 0.2, 0.4])
    late = np.random.default_rng(8).random((600, 5)) < prob
    found = replay_left_out(late, lambda _: prob, DesignSpec(5, 100, 25), seed=0)
    z = stats.norm.isf(1e-6 / 6)
    for name in (OPTIMAL, "osgc", "stochastic"):
        assert abs(found[name].ratio - 1) < z * found[name].ratio_error, name
    expected = compare(StragglerProfile(prob), DesignSpec(5, 100, 25), seed=0).optimal.moments.aligned.mse / 25
    assert abs(found[OPTIMAL].error - expected) < z * found[OPTIMAL].error_error
