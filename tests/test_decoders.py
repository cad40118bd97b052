"""Decoders against a plain least-squares solve of every pattern."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.codes import tandon_cyclic
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders import first_responder, fixed, least_squares
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.decoders.fixed import FixedDecoder, full_weights
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import fractional_repetition, random_regular
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.moments.enumeration import straggler_patterns
from workbench.quantizers import identity
from workbench.stragglers.profile import StragglerProfile


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
    rounding = n_workers * np.finfo(float).eps * np.linalg.norm(np.abs(expected) @ np.abs(encode))  # of the products
    assert np.linalg.norm(weights @ encode - 1) <= np.linalg.norm(expected @ encode - 1) * (1 + 1e-8) + rounding


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


# ---- by name, of any code -------------------------------------------------------------------------------

STRAGGLE_PROB = np.random.default_rng(8).uniform(0.05, 0.6, 9)
CODES = {
    name: module.design(StragglerProfile(STRAGGLE_PROB), DesignSpec(6, 10, 45), rng=np.random.default_rng(0))
    for name, module in catalogue.codes().items()
}
RECOVERING = sorted(set(CODES) - {"bernoulli"})  # whose messages span the sum, whatever the draw


def of_holdings(encode: np.ndarray) -> GradientCode:
    """Any code, its own decoder out of the way."""
    n_workers = len(encode)
    decoder = FixedDecoder(np.full(n_workers, np.nan))
    return GradientCode("any", sparse.csr_array(encode), decoder, identity.quantizer(np.full(n_workers, 32)))


def test_the_catalogue_has_the_decoders():
    assert {"fixed", "least_squares", "first_responder", "two_track"} <= set(catalogue.decoders())


@pytest.mark.parametrize("name", RECOVERING)
def test_fixed_weights_are_kept_and_derived_ones_are_unbiased(name):
    """Over all 512 patterns the mean weight of every part is 1, for codes with another decoder of their own."""
    code = CODES[name]
    decoder = fixed.decoder(code, STRAGGLE_PROB)
    if isinstance(code.decoder, FixedDecoder):
        assert decoder is code.decoder
        return
    responded, prob = straggler_patterns(STRAGGLE_PROB)
    np.testing.assert_allclose(prob @ decoder.weights(responded) @ code.encode_dense, 1, atol=1e-10)


@pytest.mark.parametrize("name", RECOVERING)
def test_full_weights_recover_the_sum_of_all_messages(name):
    np.testing.assert_allclose(CODES[name].encode.T @ full_weights(CODES[name], STRAGGLE_PROB), 1, atol=1e-10)


def test_full_weights_of_an_unbiased_code_are_its_mean_weights():
    """1 for every worker of a stochastic code, not the shortest weights; 1 too where the code's own leave a bias."""
    np.testing.assert_allclose(full_weights(CODES["stochastic"], STRAGGLE_PROB), 1, rtol=1e-12)
    lossy = CODES["ignore_stragglers"]  # more workers than parts: some hold none
    np.testing.assert_allclose(full_weights(lossy, STRAGGLE_PROB), np.diff(lossy.encode.indptr) > 0, atol=1e-12)
    half_right = replace(of_holdings(np.diag([1.0, 0.5])), decoder=FixedDecoder(np.ones(2)))  # for one of two parts
    np.testing.assert_allclose(full_weights(half_right, np.zeros(2)), [1, 2], rtol=1e-12)
    shortest = LeastSquaresDecoder(CODES["stochastic"].encode).weights(np.ones((1, 9), bool))
    assert np.abs(shortest - 1).max() > 1e-3


@pytest.mark.parametrize("name", sorted(CODES))
def test_least_squares_by_name_decodes_every_pattern_best(name):
    responded = straggler_patterns(STRAGGLE_PROB)[0][::7]
    weights = least_squares.decoder(CODES[name], STRAGGLE_PROB).weights(responded)
    expected = reference_weights(CODES[name].encode_dense, responded)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-8 * max(1, np.abs(expected).max()))


def test_first_responder_by_name_decodes_fractional_repetition():
    """As the exact code's own decoder does; and whichever code has such holdings, idle workers among them."""
    everyone = straggler_patterns(STRAGGLE_PROB)[0]
    code = CODES["tandon_fractional"]
    found = first_responder.decoder(code, STRAGGLE_PROB).weights(everyone)
    np.testing.assert_array_equal(found, code.decoder.weights(everyone))
    erasure_head = first_responder.decoder(CODES["erasure_head"], STRAGGLE_PROB)
    np.testing.assert_array_equal(erasure_head.weights(everyone), found)
    holds = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(first_responder.decoder(of_holdings(holds), np.zeros(4)).group, [1, -1, 0, 1])


@pytest.mark.parametrize(
    "encode",
    [
        [[1, 1, 0], [0, 1, 1]],  # a part in common, others not
        [[1, 1, 1], [1, 1, 0]],
        [[1, 0, 1], [1, 0, 1]],  # a part that nobody holds
        [[0.5, 0.5], [0.5, 0.5]],  # weights of less than 1
        [[1, 1], [1, 2]],
        [[1, 0.5], [0, 0.5]],  # a part in two groups
    ],
)
def test_first_responder_refuses_what_is_no_fractional_repetition(encode):
    with pytest.raises(InputError, match=r"any is no fractional repetition: .*; choose least_squares$"):
        first_responder.decoder(of_holdings(np.array(encode, float)), np.zeros(len(encode)))


@pytest.mark.parametrize("name", ["stochastic", "tandon_cyclic", "optimal_decoding", "optimally_structured"])
def test_first_responder_names_the_code_it_refuses(name):
    with pytest.raises(InputError, match=f"{name} is no fractional repetition"):
        first_responder.decoder(CODES[name], STRAGGLE_PROB)
