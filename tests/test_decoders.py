"""Decoders against a plain least-squares solve of every pattern."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import random_regular


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
