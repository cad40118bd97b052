"""Decoders against a plain least-squares solve of every pattern."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.codes import tandon_cyclic
from workbench.codes.decoders import least_squares
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import fractional_repetition, random_regular
from workbench.moments.enumeration import straggler_patterns


def reference_weights(encode: np.ndarray, responded: np.ndarray) -> np.ndarray:
    """One numpy.linalg.lstsq a pattern."""
    weights = np.zeros(responded.shape)
    for row, heard in zip(weights, responded, strict=True):
        if heard.any():
            row[heard] = np.linalg.lstsq(encode[heard].T, np.ones(encode.shape[1]), rcond=1e-10)[0]
    return weights


@given(st.integers(0, 10_000), st.integers(2, 14), st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_least_squares_weights_equal_lstsq(seed, n_workers, n_parts, replication):
    """Whatever rank the stragglers leave, min-norm weights agree with the reference to 1e-10."""
    rng = np.random.default_rng(seed)
    placement = random_regular.place(n_workers, n_parts, min(replication, n_workers), rng=rng)
    responded = rng.random((20, n_workers)) < 0.6
    decoder = LeastSquaresDecoder(placement.holds)
    expected = reference_weights(placement.holds.toarray(), responded)
    np.testing.assert_allclose(decoder.weights(responded), expected, rtol=0, atol=1e-10)


def test_least_squares_weights_of_real_rows():
    """Not only 0/1 holdings: arbitrary real rows, full rank or not."""
    rng = np.random.default_rng(1)
    encode = rng.standard_normal((9, 5)) * (rng.random((9, 5)) < 0.7)
    responded = rng.random((50, 9)) < 0.7
    weights = LeastSquaresDecoder(sparse.csr_array(encode)).weights(responded)
    np.testing.assert_allclose(weights, reference_weights(encode, responded), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("replication", [2, 3, 4, 8])
@pytest.mark.parametrize(("n_workers", "n_parts"), [(60, 60), (40, 90), (60, 18)])
def test_larger_codes_decode_as_lstsq_does(n_workers, n_parts, replication):
    """Normal equations with pivots: full rank, more rows than parts or fewer, lost parts, even cycles, nobody."""
    rng = np.random.default_rng(replication)
    holds = random_regular.place(n_workers, n_parts, replication, rng=rng).holds
    responded = rng.random((40, n_workers)) < rng.uniform(0, 1, (40, 1))
    responded[0] = False
    weights = LeastSquaresDecoder(holds).weights(responded)
    np.testing.assert_allclose(weights, reference_weights(holds.toarray(), responded), rtol=0, atol=1e-10)
    assert np.all(weights[~responded] == 0)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25)])
@pytest.mark.parametrize("rank", [1, 5, 17, 20])
@pytest.mark.parametrize("decay", [0.0, 4.0])
def test_any_rank_and_condition(shape, rank, decay):
    """Rows of a given rank, singular values over `decay` decades: shortest weights and least residual."""
    rng = np.random.default_rng(rank)
    left, right = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in shape)
    encode = left * 10 ** -np.linspace(0, decay, rank) @ right.T
    responded = rng.random((30, shape[0])) < 0.8
    decoder = LeastSquaresDecoder(sparse.csr_array(encode))
    weights, expected = decoder.weights(responded), reference_weights(encode, responded)
    scale = np.abs(expected).max(axis=1, initial=1.0, keepdims=True)
    assert np.all(np.abs(weights - expected) <= 1e-8 * scale)
    miss, least = (np.linalg.norm(w @ encode - 1, axis=1) for w in (weights, expected))
    np.testing.assert_allclose(miss, least, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("smallest", [1e-5, 1e-7, 1e-9, 1e-12])
@pytest.mark.parametrize("n_workers", [20, 40])
def test_nearly_dependent_rows(smallest, n_workers):
    """Where a Gram matrix cannot tell a small singular value from none, singular values decide."""
    rng = np.random.default_rng(2)
    left, right = (np.linalg.qr(rng.standard_normal((size, 20)))[0] for size in (n_workers, 30))
    singular = np.append(np.linspace(2, 1, 19), smallest)
    encode = left * singular @ right.T
    everyone = np.ones((1, n_workers), dtype=bool)
    weights = LeastSquaresDecoder(sparse.csr_array(encode)).weights(everyone)
    expected = reference_weights(encode, everyone)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.linalg.norm(weights @ encode - 1) <= np.linalg.norm(expected @ encode - 1) * (1 + 1e-8)


def test_graphs_and_exact_codes_stay_on_the_fast_path(monkeypatch):
    """No pattern of the usual codes falls back to one lstsq call after the other."""

    def refuse(*args, **kwargs):
        raise AssertionError("fell back")

    rng = np.random.default_rng(3)
    encodings = [random_regular.place(60, 60, d, rng=rng).holds for d in (2, 3, 4)]
    encodings += [tandon_cyclic.encoding(60, 5, rng=rng).tocsr(), fractional_repetition.place(60, 60, 3).holds]
    monkeypatch.setattr(least_squares.np.linalg, "lstsq", refuse)
    for encode in encodings:
        for p in (0.05, 0.3):
            LeastSquaresDecoder(encode).weights(rng.random((50, 60)) >= p)


def test_repeated_patterns_are_decoded_alike_and_in_place():
    rng = np.random.default_rng(4)
    decoder = LeastSquaresDecoder(random_regular.place(40, 30, 3, rng=rng).holds)
    few = rng.random((5, 40)) < 0.7
    order = rng.integers(0, 5, 200)
    np.testing.assert_array_equal(decoder.weights(few[order]), decoder.weights(few)[order])
    whole, alone = decoder.certificate(few[order]), [decoder.certificate(few[[i]]) for i in range(5)]
    for name in ("residual", "condition", "rank"):
        one_by_one = np.array([getattr(c, name)[0] for c in alone])
        np.testing.assert_allclose(getattr(whole, name), one_by_one[order], rtol=1e-9, atol=1e-12)


def test_blocks_of_small_patterns_change_nothing(monkeypatch):
    decoder = LeastSquaresDecoder(random_regular.place(9, 7, 3, rng=np.random.default_rng(5)).holds)
    responded = straggler_patterns(np.full(9, 0.5))[0]
    whole = decoder.weights(responded)
    monkeypatch.setattr(least_squares, "BLOCK", 200)
    np.testing.assert_array_equal(decoder.weights(responded), whole)


@pytest.mark.parametrize("n_workers", [7, 40])
def test_order_of_workers_and_parts_does_not_matter(n_workers):
    rng = np.random.default_rng(6)
    encode = random_regular.place(n_workers, 30, 3, rng=rng).holds
    responded = rng.random((30, n_workers)) < 0.7
    workers, parts = rng.permutation(n_workers), rng.permutation(30)
    weights = LeastSquaresDecoder(encode).weights(responded)
    shuffled = LeastSquaresDecoder(encode[workers][:, parts]).weights(responded[:, workers])
    np.testing.assert_allclose(shuffled, weights[:, workers], rtol=0, atol=1e-11)
    halved = LeastSquaresDecoder(encode * 0.5).weights(responded)
    np.testing.assert_allclose(halved, 2 * weights, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("n_workers", "n_parts"), [(8, 6), (40, 30), (30, 60)])
def test_the_certificate_is_what_it_says(n_workers, n_parts):
    """Residual, condition and rank of each pattern against their definitions over all parts."""
    rng = np.random.default_rng(7)
    encode = random_regular.place(n_workers, n_parts, 3, rng=rng).holds.toarray()
    responded = rng.random((30, n_workers)) < rng.uniform(0, 1, (30, 1))
    responded[0] = False
    decoder = LeastSquaresDecoder(sparse.csr_array(encode))
    certificate = decoder.certificate(responded)
    np.testing.assert_allclose(
        certificate.residual, np.linalg.norm(decoder.weights(responded) @ encode - 1, axis=1), atol=1e-12
    )
    for heard, rank, condition in zip(responded, certificate.rank, certificate.condition, strict=True):
        assert rank == (np.linalg.matrix_rank(encode[heard]) if heard.any() else 0)
        singular = np.linalg.svd(encode[heard], compute_uv=False) if rank else np.ones(1)
        assert condition == pytest.approx(singular[0] / singular[max(rank, 1) - 1], rel=1e-9)


def test_no_code_and_nobody():
    """Rows of zeros, or no row at all: no weight, everything missed, rank 0, condition 1."""
    for size in (3, 20):
        decoder = LeastSquaresDecoder(sparse.csr_array((size, size)))
        everyone = np.ones((1, size), dtype=bool)
        for responded in (everyone, ~everyone):
            np.testing.assert_array_equal(decoder.weights(responded), 0)
            certificate = decoder.certificate(responded)
            assert (certificate.rank[0], certificate.condition[0]) == (0, 1)
            assert certificate.residual[0] == pytest.approx(np.sqrt(size))


# ---- first responder ------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_first_of_each_group_counts(seed, n_workers):
    """Against a loop over runs and workers, labels in any order."""
    rng = np.random.default_rng(seed)
    group = rng.integers(-1, 4, n_workers)
    responded = rng.random((20, n_workers)) < 0.5
    expected = np.zeros(responded.shape)
    for run in range(20):
        seen = {-1}
        for worker in np.flatnonzero(responded[run]):
            expected[run, worker] = group[worker] not in seen
            seen.add(group[worker])
    np.testing.assert_array_equal(FirstResponderDecoder(group).weights(responded), expected)


def test_first_responder_among_more_workers():
    decoder = FirstResponderDecoder(np.array([0, 0, 5]))
    selection = sparse.csr_array((np.ones(3, np.int64), ([1, 2, 4], [0, 1, 2])), shape=(6, 3))
    wide = decoder.lifted(selection)
    np.testing.assert_array_equal(wide.group, [-1, 0, 0, -1, 5, -1])
    np.testing.assert_array_equal(wide.weights(np.ones((1, 6), dtype=bool)), [[0, 1, 0, 0, 1, 0]])
