"""Moments against the oracle that walks through every straggler pattern."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse, stats

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import MomentKind
from workbench.moments import weight_moments
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


def given_error(code, prob, grads, seed=0):
    return error_split(code, prob, grads, rng=np.random.default_rng(seed))


def quantized_by(module, code):
    """The code with another quantizer, the same workers idle, and bits that suit every quantizer."""
    bits = np.where(code.bits > 0, np.clip(code.bits, 2, 5), 0)
    return GradientCode(code.family, code.encode, code.decoder, module.quantizer(bits))


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
        grads = np.random.default_rng(seed).standard_normal((size[1], 7))
        expected = least_over_factors(code, prob, grads, code.quantizer.variance(code.encode_dense @ grads))
        assert given_error(code, prob, grads).split.rescaled == pytest.approx(expected, rel=1e-9)


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


def split_by_enumeration(code, prob, grads):
    """Bias squared, stragglers' and quantizers' variance: pattern by pattern around the enumerated mean."""
    messages, (responded, chance) = code.encode_dense @ grads, straggler_patterns(prob)
    weights = code.decoder.weights(responded)  # (2^W, W)
    mean, mse = error_by_enumeration(code, prob, grads)
    straggling = chance @ np.sum((weights @ code.quantizer.mean(messages) - mean) ** 2, axis=1)
    noise = (chance @ weights**2) @ code.quantizer.variance(messages)
    return np.sum((mean - grads.sum(axis=0)) ** 2), straggling, noise, mse


def assert_equals_enumeration(code, prob, grads, rel=1e-9):
    found = given_error(code, prob, grads)
    assert (found.kind, found.standard_error) == (MomentKind.EXACT, 0)
    *parts, mse = split_by_enumeration(code, prob, grads)
    assert found.split.mse == pytest.approx(mse, rel=rel)
    split = (found.split.bias_sq, found.split.straggler_var, found.split.quantizer_var)
    assert split == pytest.approx(parts, rel=rel, abs=rel * mse)


@pytest.mark.parametrize("quantizer", catalogue.quantizers().values(), ids=catalogue.quantizers())
@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_error_for_given_gradients_equals_enumeration(name, module, quantizer):
    """Whatever the decoder, whether the quantizer is biased or not, and source by source."""
    for seed in range(2):
        code, prob = random_design(module, seed, 8, 6)
        code = quantized_by(quantizer, code)
        grads = np.random.default_rng(seed).standard_normal((6, 7))
        grads[seed] = 0
        assert_equals_enumeration(code, prob, grads)


@pytest.mark.parametrize("name", catalogue.quantizers())
def test_literal_enumeration_of_quantizer_outcomes(name):
    """Every straggler pattern and every quantizer outcome, no mean or variance formula: W = 2, P = 2, D = 3."""
    code, prob = random_design(dict(FAMILIES)["stochastic"], 0, 2, 2)
    code = GradientCode("x", code.encode, code.decoder, catalogue.quantizers()[name].quantizer(np.array([2, 3])))
    grads = np.array([[0.3, -1.2, 0.0], [0.6, 0.4, 0.0]])
    messages, truth = code.encode_dense @ grads, grads.sum(axis=0)
    outcomes = [list(vector_outcomes(name, m, bits)) for m, bits in zip(messages, (2, 3), strict=True)]
    total, mean, second = 0.0, np.zeros(3), 0.0
    for pattern in itertools.product([0, 1], repeat=2):
        p_pattern = np.prod([1 - q if up else q for up, q in zip(pattern, prob, strict=True)])
        for (q0, v0), (q1, v1) in itertools.product(*outcomes):
            got = pattern[0] * code.decoder.decode[0] * v0 + pattern[1] * code.decoder.decode[1] * v1
            mean += p_pattern * q0 * q1 * got
            total += p_pattern * q0 * q1 * np.sum((got - truth) ** 2)
            second += p_pattern * q0 * q1 * np.sum(got**2)
    found = given_error(code, prob, grads).split
    assert found.mse == pytest.approx(total, rel=1e-12)
    assert found.bias_sq == pytest.approx(np.sum((mean - truth) ** 2), rel=1e-12, abs=1e-14)
    assert found.rescaled == pytest.approx(truth @ truth - (mean @ truth) ** 2 / second, rel=1e-9)
    np.testing.assert_allclose(error_by_enumeration(code, prob, grads)[0], mean, rtol=1e-12, atol=1e-14)


def vector_outcomes(name, v, bits):
    """Yield (probability, quantized vector) of a message (3,), independent of the quantizers' code."""
    for outcome in itertools.product(*(coordinate_outcomes(name, v, bits, x) for x in v)):
        yield np.prod([chance for chance, _ in outcome]), np.array([value for _, value in outcome])


def coordinate_outcomes(name, v, bits, x):
    """Return the (probability, value) pairs of coordinate x of the message v."""
    sign, norm, largest = int(x > 0) - int(x < 0), np.sqrt(sum(v**2)), max(abs(v))
    match name:
        case "identity":
            return [(1, x)]
        case "random_sign":
            return [(0.5 + x / norm / 2, norm), (0.5 - x / norm / 2, -norm)]
        case "ternary":
            return [(abs(x) / largest, sign * largest), (1 - abs(x) / largest, 0)]
        case "sparse_sign":
            return [(0.3, sign), (0.7, 0)]
        case "scaled_sign":
            return [(1, (1 if x >= 0 else -1) * sum(abs(v)) / 3)]
        case "top_k":
            return [(1, x if abs(x) == largest else 0)]  # 34 bits a coordinate: one fits at most
        case "lattice":
            step = 2 / 2**bits
            inside = min(max(x, -1), 1 - step)
            low = np.floor(inside / step)
            return [(low + 1 - inside / step, low * step), (inside / step - low, (low + 1) * step)]
        case "stochastic_levels":
            s = 2 ** (bits - 1) - 1
            r = s * abs(x) / norm
            return [(np.floor(r) + 1 - r, sign * np.floor(r) * norm / s), (r % 1, sign * (np.floor(r) + 1) * norm / s)]


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_nothing_beats_the_worst_case(name, module):
    """Random and aligned unit gradients in any direction stay below it, whatever the unbiased quantizer."""
    original, prob = random_design(module, 2, 8, 5, dim=64)
    rng = np.random.default_rng(3)
    worst_direction = np.ones((5, 64)) / 8  # equal coordinates: the worst of stochastic levels
    uneven = np.where(np.arange(64) == 0, 1, 1 / 9) * np.ones((5, 1))  # and of ternary signs
    for quantizer in ("identity", "random_sign", "stochastic_levels", "ternary"):
        code = quantized_by(catalogue.quantizers()[quantizer], original)
        bound = moments(code, prob, 64, rng=np.random.default_rng(0)).worst_case
        for grads in [worst_direction, uneven, *rng.standard_normal((10, 5, 64))]:
            unit = grads / np.linalg.norm(grads, axis=1, keepdims=True)
            assert error_by_enumeration(code, prob, unit)[1] <= bound * (1 + 1e-9)


def signed_code(seed, n_workers, n_parts):
    """A fixed decoder over weights of either sign, quantized to one bit: every vector attains ω = d − 1."""
    rng = np.random.default_rng(seed)
    encode = sparse.csr_array(rng.standard_normal((n_workers, n_parts)))
    decoder = FixedDecoder(rng.uniform(0.5, 2, n_workers))
    quantizer = catalogue.quantizers()["random_sign"].quantizer(np.ones(n_workers, np.int64))
    return GradientCode("signed", encode, decoder, quantizer), rng.uniform(0.05, 0.7, n_workers)


def worst_of_signs(code, prob):
    """Largest error over part gradients ± one unit vector, all 2^P of them."""
    unit = np.eye(1, 3)
    signs = itertools.product([-1.0, 1.0], repeat=code.n_parts)
    return max(error_by_enumeration(code, prob, np.array(sign)[:, None] * unit)[1] for sign in signs)


def worst_of_all_gradients(code, prob):
    """Largest error over all ‖g_j‖ ≤ 1 in at least P dimensions: the error is Σ M_jk⟨g_j, g_k⟩, here a convex program.

    M comes from errors alone, by polarisation.
    """
    import cvxpy as cp

    basis, size = np.eye(code.n_parts), code.n_parts
    single = [error_by_enumeration(code, prob, np.outer(e, np.eye(1, 3)))[1] for e in basis]
    gram = cp.Variable((size, size), PSD=True)  # ⟨g_j, g_k⟩
    quadratic = np.diag(single)
    for j, k in itertools.combinations(range(size), 2):
        both = error_by_enumeration(code, prob, np.outer(basis[j] + basis[k], np.eye(1, 3)))[1]
        quadratic[j, k] = quadratic[k, j] = (both - single[j] - single[k]) / 2
    return cp.Problem(cp.Maximize(cp.trace(quadratic @ gram)), [cp.diag(gram) <= 1]).solve(solver=cp.CLARABEL)


def test_the_worst_case_lies_above_the_convex_program_and_the_signs():
    """Σ|M_jk| is at least the exact worst case, which is at least that of gradients on one line; for two parts all
    agree, and so they do wherever signs of gradients make all of M nonnegative."""
    gaps = []
    for seed, n_parts in itertools.product(range(4), (2, 3, 4)):
        code, prob = signed_code(seed, 3, n_parts)
        bound = moments(code, prob, 3, rng=np.random.default_rng(0)).worst_case
        convex, signs = worst_of_all_gradients(code, prob), worst_of_signs(code, prob)
        assert signs <= convex * (1 + 1e-6) <= bound * (1 + 2e-6)
        if n_parts == 2:
            assert signs == pytest.approx(bound, rel=1e-9)
        gaps.append(bound / convex - 1)
    assert max(gaps) > 1e-3  # signed weights: a bound, not always attained


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


def alike(n_workers, decoder, bits, quantizer=StochasticLevels):
    """Workers that all hold 1 and 2 of two of three parts."""
    encode = sparse.csr_array(np.tile([1.0, 2.0, 0.0], (n_workers, 1)))
    return GradientCode("alike", encode, decoder(encode), quantizer(np.asarray(bits)))


def first_responder(encode):
    return FirstResponderDecoder(np.zeros(encode.shape[0], np.int64))


@dataclass(frozen=True, eq=False)
class MeanDecoder:
    """Share a weight of 2 equally among all who answered: groups that share no part still depend on each other."""

    def weights(self, responded):
        return 2 * responded / np.maximum(responded.sum(axis=1, keepdims=True), 1)


@dataclass(frozen=True, eq=False)
class AlternatingDecoder:
    """Weigh like workers unequally: by turns 1 and 3."""

    def weights(self, responded):
        return responded * (1.0 + 2 * (np.arange(responded.shape[1]) % 2)) * (1 + responded[:, [0]])


@pytest.mark.parametrize("decoder", [LeastSquaresDecoder, first_responder])
@pytest.mark.parametrize("name", ["lattice", "stochastic_levels", "scaled_sign", "ternary"])
def test_given_gradients_with_large_groups_of_like_workers(decoder, name):
    """13 like workers against 2^13 patterns; whether first responder or equal shares, biased or not."""
    quantizer = catalogue.quantizers()[name].quantizer
    code = alike(13, decoder, [3] * 13, quantizer)
    prob, grads = np.random.default_rng(4).uniform(0.5, 0.95, 13), np.random.default_rng(5).standard_normal((3, 4))
    assert_equals_enumeration(code, prob, grads, rel=1e-8)


def test_groups_may_be_interleaved():
    """13 like workers among three others, two of which share a part, in an order that is not its own inverse."""
    order = np.random.default_rng(7).permutation(16)
    assert not np.array_equal(order, np.argsort(order))
    rows = np.array([[1.0, 2.0, 0, 0]] * 13 + [[0, 0, 1, 0], [0, 0, 2, 1], [0, 0, 0, 0]])[order]
    encode, group = sparse.csr_array(rows), np.array([0] * 13 + [1, 2, -1])[order]
    quantizer = catalogue.quantizers()["scaled_sign"].quantizer(np.full(16, 1))
    code = GradientCode("interleaved", encode, FirstResponderDecoder(group), quantizer)
    prob, grads = np.random.default_rng(4).uniform(0.5, 0.95, 16), np.random.default_rng(5).standard_normal((4, 3))
    assert_equals_enumeration(code, prob, grads)


def test_unequal_bits_of_an_unbiased_quantizer_leave_like_workers_alike():
    code = alike(13, LeastSquaresDecoder, [2, 3, 4] * 4 + [2])
    prob, grads = np.full(13, 0.7), np.random.default_rng(5).standard_normal((3, 4))
    assert_equals_enumeration(code, prob, grads, rel=1e-8)


def biased_and_unequal():
    return alike(13, LeastSquaresDecoder, [2, 3, 4] * 4 + [2], catalogue.quantizers()["lattice"].quantizer)


@pytest.mark.parametrize(
    "code",
    [
        biased_and_unequal(),
        alike(13, lambda _: AlternatingDecoder(), [3] * 13),
        alike(13, lambda _: FirstResponderDecoder(np.arange(13) % 2), [3] * 13),
        GradientCode("mean", sparse.eye_array(13, format="csr"), MeanDecoder(), StochasticLevels(np.full(13, 3))),
    ],
    ids=["unequal_biases", "unequal_weights", "two_first_responders", "coupled_groups"],
)
def test_what_has_no_closed_form_is_sampled(code):
    """Like workers that do not say or weigh the same, and groups that a decoder couples: within 5 standard errors."""
    prob, grads = np.full(13, 0.5), np.random.default_rng(5).standard_normal((code.n_parts, 4))
    found = given_error(code, prob, grads)
    assert found.kind is MomentKind.SAMPLED
    exact = split_by_enumeration(code, prob, grads)[-1]
    assert 0 < abs(found.split.mse - exact) <= 5 * found.standard_error < exact / 2


def test_groups_that_a_decoder_couples_are_enumerated_together():
    """Twelve workers without a common part, weighed by how many answered."""
    code = GradientCode("mean", sparse.eye_array(12, format="csr"), MeanDecoder(), StochasticLevels(np.full(12, 3)))
    prob = np.random.default_rng(6).uniform(0.1, 0.9, 12)
    assert_equals_enumeration(code, prob, np.random.default_rng(5).standard_normal((12, 4)))
    found = moments(code, prob, 40, rng=np.random.default_rng(0))
    assert found.kind is MomentKind.EXACT
    expected = error_by_enumeration(unquantized(code), prob, np.eye(12))[1]
    assert found.orthonormal.bias_sq + found.orthonormal.straggler_var == pytest.approx(expected, rel=1e-10)


def test_moments_refuse_what_random_orientations_leave_out():
    code = alike(3, LeastSquaresDecoder, [3] * 3, catalogue.quantizers()["top_k"].quantizer)
    with pytest.raises(InputError, match=r"the quantizer TopK is biased: .* error_split takes any"):
        moments(code, np.full(3, 0.5), 4, rng=np.random.default_rng(0))
    mute = alike(3, LeastSquaresDecoder, [3, 0, 3])
    with pytest.raises(InputError, match="worker 1 holds parts but has 0 bits"):
        moments(mute, np.full(3, 0.5), 4, rng=np.random.default_rng(0))
    assert_equals_enumeration(mute, np.full(3, 0.5), np.random.default_rng(0).standard_normal((3, 4)))


def test_sampled_moments_cover_the_exact_ones(monkeypatch):
    """Forbid enumeration: the sampled error lies within 5 of its own standard errors of the exact one."""
    code, prob = random_design(dict(FAMILIES)["optimal_decoding"], 6, 12, 8)
    exact = moments(code, prob, 40, rng=np.random.default_rng(0))
    monkeypatch.setattr(weight_moments, "ENUMERATED_WORKERS", 0)
    sampled = moments(code, prob, 40, rng=np.random.default_rng(1))
    assert (exact.kind, sampled.kind) == (MomentKind.EXACT, MomentKind.SAMPLED)
    assert abs(sampled.aligned.mse - exact.aligned.mse) <= 5 * sampled.standard_error
    gap = abs(sampled.orthonormal.mse - exact.orthonormal.mse)
    assert 0 < gap <= 5 * sampled.standard_error_orthonormal
    assert 0 < abs(sampled.worst_case - exact.worst_case) <= 5 * sampled.standard_error_worst_case
    assert exact.standard_error_worst_case == 0


@pytest.mark.parametrize("n_patterns", [5, 30])
def test_drawn_weights_give_their_sample_moments(n_patterns):
    rng = np.random.default_rng(0)
    weights, share = rng.standard_normal((n_patterns, 8)), rng.dirichlet(np.ones(n_patterns))
    found = weight_moments.empirical_moments(weights, share)
    covariance = np.cov(weights.T, aweights=share, ddof=0)
    np.testing.assert_allclose((found.factor.T @ found.factor).toarray(), covariance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mean, np.average(weights, axis=0, weights=share), rtol=1e-12)
    np.testing.assert_allclose(found.mean_sq, np.average(weights**2, axis=0, weights=share), rtol=1e-12)


@pytest.mark.parametrize("prob", [[0.3] * 5, [0.0, 0.9, 0.01, 0.5, 0.2, 0.2]])
def test_stragglers_are_drawn_by_their_number(prob):
    """The law of the number by enumeration; given it, every pattern's frequency, false alarm 1e-6 over all of them."""
    prob = np.array(prob)
    patterns, chance = straggler_patterns(prob)
    number = (~patterns).sum(axis=1)
    law = weight_moments._straggler_counts(prob)
    np.testing.assert_allclose(law[0], np.bincount(number, chance, prob.size + 1), rtol=1e-12, atol=1e-15)
    n = 20_000
    for k in np.flatnonzero(law[0]):
        late = weight_moments._stragglers(prob, law, np.full(n, k), np.random.default_rng(k))
        assert np.all(late.sum(axis=1) == k)
        for pattern, q in zip(patterns[number == k], chance[number == k] / law[0, k], strict=True):
            found = np.all(~late == pattern, axis=1).mean()
            assert abs(found - q) <= stats.norm.isf(1e-6 / 128) * np.sqrt(q * (1 - q) / n) + 1e-12


def test_rare_failures_of_an_exact_code_are_not_overlooked():
    """16 workers of which hardly ever three straggle: sampled errors within 5 standard errors of enumeration."""
    code, prob = exact_code(16), np.full(16, 0.01)
    _, expected = error_by_enumeration(code, prob, np.ones((16, 1)))
    for seed in range(20):
        found = moments(code, prob, 40, rng=np.random.default_rng(seed))
        assert found.kind is MomentKind.SAMPLED
        assert abs(found.aligned.mse - expected) <= 5 * found.standard_error
        assert found.standard_error < expected / 2


def exact_code(n_workers):
    """Tandon's cyclic code with replication 3, unquantized."""
    profile, spec = StragglerProfile(np.full(n_workers, 0.01)), DesignSpec(n_workers, 40, 4 * n_workers, replication=3)
    return unquantized(catalogue.codes()["tandon_cyclic"].design(profile, spec, rng=np.random.default_rng(0)))


def test_groups_that_a_decoder_couples_are_not_taken_for_independent():
    """Workers 0 and 2 share no part, but only the first of them is heard."""
    decoder = FirstResponderDecoder(np.array([0, 1, 0]))
    code = GradientCode("coupled", sparse.eye_array(3, format="csr"), decoder, identity(np.ones(3, np.int64)))
    prob, grads = np.array([0.3, 0.2, 0.4]), np.random.default_rng(0).standard_normal((3, 5))
    found = error_split(code, prob, grads, rng=np.random.default_rng(1))
    assert found.split.mse == pytest.approx(error_by_enumeration(code, prob, grads)[1], rel=1e-12)


def test_the_standard_error_of_a_sampled_error_is_its_spread():
    """25 repetitions: their mean within 5 of its standard errors of the exact error, their spread within a factor 2."""
    code = alike(13, lambda _: AlternatingDecoder(), [3] * 13, catalogue.quantizers()["scaled_sign"].quantizer)
    prob, grads = np.full(13, 0.5), np.random.default_rng(1).random((3, 5))
    sampled = [given_error(code, prob, grads, seed) for seed in range(25)]
    errors = np.array([found.split.mse for found in sampled])
    stated = np.mean([found.standard_error for found in sampled])
    assert abs(errors.mean() - split_by_enumeration(code, prob, grads)[-1]) <= 5 * stated / np.sqrt(25)
    assert stated / 2 < errors.std(ddof=1) < 2 * stated


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
    rng, quantizing = np.random.default_rng(6), RunStreams(6, "q", 3000)
    z = stats.norm.isf(1e-6 / (2 * 2 * len(responded) * len(FAMILIES)))
    for up, mean, mean_error in zip(responded, ratio, error, strict=True):
        direction = rng.standard_normal((3000, 6))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        messages = code.encode_dense.sum(axis=1)[:, None] * direction[:, None]  # (n, W, D)
        heard = code.quantizer(messages, rng=quantizing)  # (n, W, D)
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
