"""Contract of every code family, run over the catalogue; placements and decoders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from workbench.codes.code import DesignSpec, equal_bits
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import bernoulli, fractional_repetition, pair_wise, random_regular
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import Quantizer
from workbench.moments.enumeration import error_by_enumeration
from workbench.moments.estimate import moments
from workbench.schemes import coded_sgd
from workbench.stragglers.profile import StragglerProfile

FAMILIES = list(catalogue.codes().items())
UNBIASED = {"optimally_structured", "osgc", "stochastic", "one_bit"}
SIZES = [(1, 1), (2, 7), (6, 4), (9, 9), (12, 5), (40, 30)]


def design(module, n_workers, n_parts, *, seed=0, budget=None, replication=2):
    rng = np.random.default_rng(seed)
    profile = StragglerProfile(rng.uniform(0.05, 0.6, n_workers))
    spec = DesignSpec(n_parts, 50, budget or 5 * n_workers, replication=min(replication, n_workers))
    return module.design(profile, spec, rng=rng), profile


def test_the_catalogue_holds_every_family_of_the_comparison():
    assert {name for name, _ in FAMILIES} >= {
        "bernoulli",
        "erasure_head",
        "ignore_stragglers",
        "one_bit",
        "optimal_decoding",
        "optimally_structured",
        "osgc",
        "stochastic",
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_shape_budget_and_idle_rows(name, module, size):
    code, _ = design(module, *size)
    assert code.family == name
    assert code.encode.shape == size
    assert isinstance(code.quantizer.message_bits(3), np.ndarray)
    assert code.bits.sum() <= 5 * size[0]
    assert np.all(np.isfinite(code.encode_dense))
    assert np.all(code.encode.data != 0)
    # who sends nothing holds nothing, and the reverse for designs that see no quantizer
    assert np.all((code.bits > 0) | (code.placement.load == 0))


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_same_seed_same_code(name, module):
    first, second = (design(module, 12, 7, seed=5)[0] for _ in range(2))
    np.testing.assert_array_equal(first.encode_dense, second.encode_dense)
    np.testing.assert_array_equal(first.bits, second.bits)


@pytest.mark.parametrize(("name", "module"), [f for f in FAMILIES if f[0] in UNBIASED])
@pytest.mark.parametrize("size", SIZES)
def test_unbiased_families_satisfy_condition_12(name, module, size):
    code, profile = design(module, *size)
    weights = code.decoder.decode[:, None] * code.encode_dense  # a_ij
    np.testing.assert_allclose((1 - profile.straggle_prob) @ weights, 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_one_round_has_the_exact_mean_and_error(name, module):
    """Scheme step against enumeration, 20,000 rounds; false alarm 1e-6 over the cells and families."""
    code, profile = design(module, 6, 4, seed=7)
    runs, dim = 20_000, 3
    grads = np.random.default_rng(8).standard_normal((4, dim))
    mean, mse = error_by_enumeration(code, profile.straggle_prob, grads)
    messages = np.broadcast_to(code.encode_dense @ grads, (runs, 6, dim))
    responded = np.random.default_rng(9).random((runs, 6)) >= profile.straggle_prob
    start = coded_sgd.init(np.zeros(dim), runs)
    after = coded_sgd.step(
        start, messages, responded, code=code, step_size=1.0, rng=RunStreams(10, f"quantizer/{name}", runs)
    )
    estimate = -after.x  # (runs, dim)
    square = np.sum((estimate - grads.sum(axis=0)) ** 2, axis=1)
    z = stats.norm.isf(1e-6 / (len(FAMILIES) * (dim + 1)) / 2)
    assert np.all(np.abs(estimate.mean(axis=0) - mean) <= z * estimate.std(axis=0) / np.sqrt(runs))
    assert abs(square.mean() - mse) <= z * square.std() / np.sqrt(runs)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_spreading_over_idle_workers_changes_nothing(name, module):
    code, profile = design(module, 6, 4)
    workers = np.array([1, 2, 4, 5, 7, 9])
    wide = code.among(workers, 10)
    prob = np.full(10, 0.3)
    prob[workers] = profile.straggle_prob
    assert wide.bits.sum() == code.bits.sum()
    rng = np.random.default_rng(0)
    narrow_moments = moments(code, profile.straggle_prob, 50, rng=rng)
    wide_moments = moments(wide, prob, 50, rng=rng)
    assert wide_moments.aligned.mse == pytest.approx(narrow_moments.aligned.mse, rel=1e-9)
    assert wide_moments.worst_case == pytest.approx(narrow_moments.worst_case, rel=1e-9)


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


@pytest.mark.parametrize("module", list(catalogue.placements().values()))
@pytest.mark.parametrize("size", SIZES)
def test_placements_hold_their_promises(module, size):
    name = module.__name__.rsplit(".", 1)[1]
    copies = 1 if name == "disjoint" else min(3, size[0])
    placement = module.place(*size, copies, rng=np.random.default_rng(3))
    assert placement.holds.shape == size
    assert set(np.unique(placement.holds.data)) <= {1.0}
    assert placement.n_edges == placement.load.sum() == placement.replication.sum()
    if name != "bernoulli":
        assert placement.replication.min() >= 1
    if name in ("disjoint", "pair_wise"):
        assert np.all(placement.replication == copies)
        assert np.ptp(placement.load) <= 1


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_bernoulli_placement_is_never_empty(seed, n_workers, n_parts):
    """With one part and copy, nobody holds it in a third of the draws."""
    placement = bernoulli.place(n_workers, n_parts, 1, rng=np.random.default_rng(seed))
    assert placement.n_edges >= 1
    assert placement.holds.shape == (n_workers, n_parts)


def test_bernoulli_placement_has_its_law():
    """Pairs per draw are binomial, given that there is one: 3,000 draws within Z errors, false alarm 1e-6."""
    rng = np.random.default_rng(6)
    counts = np.array([bernoulli.place(4, 2, 1, rng=rng).n_edges for _ in range(3000)])
    expected = 2 / (1 - 0.75**8)
    assert abs(counts.mean() - expected) < stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)
    assert abs(2 - expected) > 2 * stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)  # what a test can tell


def test_fractional_repetition_groups_are_disjoint():
    holds = fractional_repetition.place(13, 9, 3).holds.toarray()
    overlap = holds @ holds.T
    same = (holds[:, None] == holds).all(axis=2)
    np.testing.assert_array_equal(overlap > 0, same)


def test_random_regular_is_regular_where_sizes_allow():
    placement = random_regular.place(30, 20, 3, rng=np.random.default_rng(4))
    assert np.all(placement.replication == 3)
    assert np.all(placement.load == 2)


def test_pair_wise_is_nearer_to_balance_than_chance():
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(20):
        holds = np.zeros((16, 24))
        for part in range(24):
            holds[rng.choice(16, 4, replace=False), part] = 1
        drawn.append(type(pair_wise.place(2, 2, 1, rng=rng))(sparse.csr_array(holds)).overlap_deviation())
    assert pair_wise.place(16, 24, 4, rng=rng).overlap_deviation() < min(drawn)


def test_equal_bits_differ_by_one_and_spend_the_budget():
    holds = sparse.csr_array(np.array([[1.0], [0.0], [1.0], [1.0]]))
    np.testing.assert_array_equal(equal_bits(holds, 11), [4, 0, 4, 3])
    np.testing.assert_array_equal(equal_bits(holds, 1000), [32, 0, 32, 32])
    with pytest.raises(InputError, match="raise it to 6"):
        equal_bits(holds, 5)


@pytest.mark.parametrize("field", ["n_parts", "dim", "bit_budget", "replication"])
def test_spec_refuses_zero(field):
    sizes = {"n_parts": 4, "dim": 5, "bit_budget": 6, "replication": 2} | {field: 0}
    with pytest.raises(InputError, match=f"{field} is 0"):
        DesignSpec(**sizes)


def test_quantizers_satisfy_the_protocol():
    module = dict(FAMILIES)["osgc"]
    quantizer: Quantizer = design(module, 4, 3)[0].quantizer
    np.testing.assert_array_equal(quantizer.with_bits(np.array([4, 0])).bits_per_coordinate, [4, 0])
