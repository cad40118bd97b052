"""Two-track decoding: closed forms against a convex program, enumeration and what it amounts to."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.codes import bernoulli, erasure_head, optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.two_track import two_track
from workbench.core.errors import InputError
from workbench.moments.enumeration import straggler_patterns
from workbench.solvers import optimal_structure
from workbench.solvers.second_moment import solve
from workbench.stragglers.profile import StragglerProfile

READINGS = ["columns", "aligned"]


def instance(seed: int, n_workers: int, n_parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed weights w (W, P), p and ω (W,)."""
    rng = np.random.default_rng(seed)
    encode = rng.standard_normal((n_workers, n_parts)) * (rng.random((n_workers, n_parts)) < 0.7)
    return encode, rng.uniform(0.05, 0.9, n_workers), rng.uniform(0, 2, n_workers)


def objective(
    encode: np.ndarray, p: np.ndarray, omega: np.ndarray, emphasis: float, reading: str, v: Any
) -> tuple[Any, Any]:
    """λ·bias² and variance as they are written, v an array or a cvxpy variable."""
    cp: Any = import_module("cvxpy")
    miss = (encode.T * (1 - p)) @ v - 1  # (P,)
    bias_sq = cp.sum_squares(miss) if reading == "columns" else cp.square(cp.sum(miss))
    variance = cp.sum_squares(cp.multiply(np.sqrt((1 - p) * (p + omega)) * np.abs(encode).sum(axis=1), v))
    return emphasis * bias_sq, variance


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(("n_workers", "n_parts"), [(3, 8), (8, 3), (6, 6), (1, 1)])
def test_closed_form_equals_the_convex_program(reading: str, n_workers: int, n_parts: int) -> None:
    cp: Any = import_module("cvxpy")
    encode, p, omega = instance(n_workers, n_workers, n_parts)
    for emphasis in (0.1, 3.0):
        v = cp.Variable(n_workers)
        program = cp.Problem(cp.Minimize(sum(objective(encode, p, omega, emphasis, reading, v))))
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
        answer = solve(encode, p, omega, emphasis, reading=reading)
        bias, variance = (term.value for term in objective(encode, p, omega, emphasis, reading, answer.weights))
        assert emphasis * answer.bias_sq == pytest.approx(bias, rel=1e-9, abs=1e-14)
        assert answer.variance == pytest.approx(variance, rel=1e-9, abs=1e-14)
        assert emphasis * answer.bias_sq + answer.variance <= program.value * (1 + 1e-9) + 1e-12
        np.testing.assert_allclose(answer.weights, v.value, rtol=0, atol=1e-5)
        assert answer.gradient <= 1e-12


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.floats(-3, 3), st.sampled_from(READINGS))
@settings(max_examples=60, deadline=None)
def test_no_neighbour_is_better(seed: int, n_workers: int, n_parts: int, exponent: float, reading: str) -> None:
    """The certificate is small, and every step away from the answer raises the objective."""
    encode, p, omega = instance(seed, n_workers, n_parts)
    emphasis = 10.0**exponent
    answer = solve(encode, p, omega, emphasis, reading=reading)
    assert answer.gradient <= 1e-9
    least = emphasis * answer.bias_sq + answer.variance
    for step in np.random.default_rng(seed).standard_normal((5, n_workers)):
        terms = objective(encode, p, omega, emphasis, reading, answer.weights + 0.1 * step)
        assert sum(term.value for term in terms) >= least * (1 - 1e-9) - 1e-12


def test_the_certificate_is_recomputed_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solve that goes wrong is seen."""
    from workbench.solvers import second_moment

    for way in ("_by_kernel", "_by_lstsq"):
        right = getattr(second_moment, way)
        monkeypatch.setattr(second_moment, way, lambda *args, right=right: right(*args) * 1.001)
    encode, p, omega = instance(0, 5, 4)
    assert solve(encode, p, omega, 1.0).gradient > 1e-4


@pytest.mark.parametrize("emphasis", [1e12, 1e14, 1e16])
@pytest.mark.parametrize("size", [(7, 4), (4, 7)])
def test_bias_of_any_price_with_dependent_workers(emphasis: float, size: tuple[int, int]) -> None:
    """Rank 3 of 4: the kernel is singular to rounding, and least squares takes over."""
    rng = np.random.default_rng(5)
    encode = rng.random((size[0], 3)) @ rng.random((3, size[1]))
    p, omega = rng.uniform(0.1, 0.6, (2, size[0]))
    assert solve(sparse.csr_array(encode), p, omega, emphasis).gradient <= 1e-8


def test_two_tracks_need_an_unbiased_quantizer() -> None:
    from workbench.core import catalogue

    code = GradientCode(
        "biased",
        sparse.eye_array(3, format="csr"),
        FixedDecoder(np.ones(3)),
        catalogue.quantizers()["sparse_sign"].quantizer(np.full(3, 4)),
    )
    with pytest.raises(InputError, match="SparseSign is biased"):
        two_track(code, np.full(3, 0.2), 10, 1.0)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("sparse_structure", [True, False])
def test_at_the_optimal_structure_it_only_rescales(reading: str, sparse_structure: bool) -> None:
    """v̄ = cv with c = λU/(λU + P), aligned λU/(1 + λU): a change of the learning rate [ours]."""
    rng = np.random.default_rng(3)
    p, omega, n_parts = rng.uniform(0.05, 0.8, 9), rng.uniform(0, 3, 9), 5
    build = optimal_structure.solve_sparse if sparse_structure else optimal_structure.solve_dense
    a = sparse.csr_array(build(p, omega, n_parts))
    v = rng.uniform(0.5, 2, 9)  # any split of a_ij = v_i w_ij
    encode = sparse.csr_array(sparse.diags_array(1 / v) @ a)
    total = optimal_structure.utilities(p, omega).sum()
    for emphasis in (0.01, 1.0, 50.0):
        share = emphasis * total
        c = share / (share + n_parts) if reading == "columns" else share / (1 + share)
        answer = solve(encode, p, omega, emphasis, reading=reading)
        np.testing.assert_allclose(answer.weights, c * v, rtol=1e-10)
        assert answer.variance == pytest.approx(c**2 * n_parts**2 / total, rel=1e-10)


@pytest.mark.parametrize("reading", READINGS)
def test_variance_is_never_above_the_unbiased_decoders(reading: str) -> None:
    """Proposition 2 in what holds of it: λb² + V <= V(v), hence V <= V(v), at any unbiased fixed decoding."""
    profile = StragglerProfile(np.random.default_rng(4).uniform(0.05, 0.6, 8))
    p = profile.straggle_prob
    rng = np.random.default_rng(5)
    mass = rng.random((8, 6))
    encode = mass / mass.sum(axis=0)  # (W, P): unbiased with v = 1/(1 − p)
    unbiased = np.sum(p / (1 - p) * encode.sum(axis=1) ** 2)
    for emphasis in (0.01, 1.0, 100.0):
        answer = solve(encode, p, np.zeros(8), emphasis, reading=reading)
        assert emphasis * answer.bias_sq + answer.variance <= unbiased * (1 + 1e-12)


def test_small_emphasis_makes_the_error_larger_than_unbiased_decoding() -> None:
    """The counterexample to Proposition 2's wording: λ = 1/10, U = 10, P = 1."""
    p = np.full(10, 0.5)
    answer = solve(np.full((10, 1), 0.1), p, np.zeros(10), 0.1)
    assert answer.bias_sq + answer.variance == pytest.approx(0.275)
    assert np.sum(p / (1 - p) * 0.1**2) == pytest.approx(0.1)


@pytest.mark.parametrize("reading", READINGS)
def test_bias_and_variance_are_those_of_all_patterns(reading: str) -> None:
    """Nonnegative weights, no quantization, equal gradients: the variance is V exactly, and bias² is as it is read."""
    rng = np.random.default_rng(6)
    encode, p = rng.random((6, 4)), rng.uniform(0.1, 0.7, 6)
    answer = solve(encode, p, np.zeros(6), 0.7, reading=reading)
    responded, prob = straggler_patterns(p)
    alpha = responded * answer.weights @ encode  # (patterns, P)
    miss = prob @ alpha - 1
    bias_sq = miss @ miss if reading == "columns" else miss.sum() ** 2
    assert answer.bias_sq == pytest.approx(bias_sq, rel=1e-12)
    total = alpha.sum(axis=1)
    assert answer.variance == pytest.approx(prob @ (total - prob @ total) ** 2, rel=1e-12)


def test_scaling_and_order_of_workers_do_not_matter() -> None:
    """v scales against w, and permutes with the workers and with nothing else."""
    encode, p, omega = instance(7, 7, 5)
    weights = solve(encode, p, omega, 2.0).weights
    scale, order = np.random.default_rng(8).uniform(0.1, 10, 7), np.random.default_rng(9).permutation(7)
    np.testing.assert_allclose(solve(encode * scale[:, None], p, omega, 2.0).weights, weights / scale, rtol=1e-9)
    permuted = solve(encode[order][:, ::-1], p[order], omega[order], 2.0).weights
    np.testing.assert_allclose(permuted, weights[order], rtol=1e-9)


@pytest.mark.parametrize("reading", READINGS)
def test_workers_without_error_remove_all_bias_they_can(reading: str) -> None:
    """p + ω = 0 is the limit of small ones; an idle worker and one that holds nothing get 0."""
    encode = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    p, omega = np.array([0.0, 0.0, 0.3, 0.2, 0.1]), np.array([0.0, 0.0, 0.0, 0.0, np.inf])
    answer = solve(encode, p, omega, 1.0, reading=reading)
    np.testing.assert_allclose(answer.weights, [0.5, 0.5, 0, 0, 0], atol=1e-14)
    near = solve(encode, p + np.array([1e-7, 1e-7, 0, 0, 0]), omega, 1.0, reading=reading)
    np.testing.assert_allclose(near.weights, answer.weights, atol=1e-6)
    assert answer.bias_sq + answer.variance <= 1e-28


def test_nobody_to_decode_leaves_all_bias() -> None:
    answer = solve(np.ones((2, 3)), np.full(2, 0.5), np.full(2, np.inf), 1.0)
    np.testing.assert_array_equal(answer.weights, 0)
    assert (answer.bias_sq, answer.variance, answer.gradient) == (3, 0, 0)


def test_thousands_of_workers() -> None:
    """Few parts or few workers: the smaller system is solved."""
    for n_workers, n_parts in ((5000, 40), (40, 5000)):
        rng = np.random.default_rng(10)
        encode = sparse.random_array((n_workers, n_parts), density=0.05, rng=rng, format="csr")
        answer = solve(encode, rng.uniform(0.1, 0.5, n_workers), rng.random(n_workers), 1.0)
        assert answer.gradient <= 1e-12


def test_mistakes_are_named() -> None:
    encode, p, omega = instance(0, 3, 2)
    with pytest.raises(InputError, match="emphasis is 0: the price of bias must be positive"):
        solve(encode, p, omega, 0.0)
    with pytest.raises(InputError, match="encode has 3 workers, straggle_prob 2"):
        solve(encode, p[:2], omega[:2], 1.0)
    with pytest.raises(InputError, match="straggle_prob of worker 1 is 1"):
        solve(encode, np.array([0.1, 1.0, 0.1]), omega, 1.0)


# ---- the decoder ----------------------------------------------------------------------------------------


def designed(module: Any) -> tuple[GradientCode, np.ndarray]:
    profile = StragglerProfile(np.random.default_rng(11).uniform(0.05, 0.6, 8))
    return module.design(profile, DesignSpec(5, 50, 40), rng=np.random.default_rng(12)), profile.straggle_prob


@pytest.mark.parametrize("reading", READINGS)
def test_two_tracks_of_the_designed_code_are_proportional(reading: str) -> None:
    code, p = designed(optimally_structured)
    both = two_track(code, p, 50, 2.0, reading=reading)
    responded = np.random.default_rng(13).random((20, 8)) < 0.6
    np.testing.assert_array_equal(both.weights(responded), code.decoder.weights(responded))
    total = optimal_structure.utilities(p, code.quantizer.variance_factor(50)).sum()
    c = 2 * total / (2 * total + (5 if reading == "columns" else 1))
    np.testing.assert_allclose(both.second_weights(responded), c * both.weights(responded), rtol=1e-10)


def test_two_tracks_differ_elsewhere_and_lift() -> None:
    code, p = designed(bernoulli)
    both = two_track(code, p, 50, 2.0)
    assert isinstance(both.first, FixedDecoder)
    ratio = both.second.decode / both.first.decode
    assert np.ptp(ratio[np.flatnonzero(np.diff(code.encode.indptr))]) > 0.01
    workers = np.array([0, 2, 3, 4, 6, 7, 8, 9])
    selection = sparse.csr_array((np.ones(8), (workers, np.arange(8))), shape=(10, 8))
    wide = both.lifted(selection)
    everyone = np.ones((1, 10), dtype=bool)
    np.testing.assert_array_equal(wide.second_weights(everyone)[0, workers], both.second.decode)
    np.testing.assert_array_equal(wide.weights(everyone)[0, [1, 5]], 0)


def test_two_tracks_need_fixed_weights() -> None:
    code, p = designed(erasure_head)
    with pytest.raises(InputError, match="erasure_head decodes by straggler pattern"):
        two_track(code, p, 50, 1.0)
