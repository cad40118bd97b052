"""Contract of every code family, run over the catalogue."""

import numpy as np
import pytest
from scipy import sparse

from workbench.codes import cyclic_mds, expander, tandon_cyclic
from workbench.codes.code import DesignSpec, GradientCode, equal_bits
from workbench.combinatorics.expanders import second_eigenvalue
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import Quantizer
from workbench.moments.estimate import moments
from workbench.stragglers.profile import StragglerProfile

FAMILIES = list(catalogue.codes().items())
UNBIASED = {"optimally_structured", "osgc", "stochastic", "one_bit", "expander"}
EXACT = ["tandon_fractional", "tandon_cyclic", "cyclic_mds"]
SIZES = [(1, 1), (2, 7), (6, 4), (9, 9), (12, 5), (40, 30)]


def design(module, n_workers, n_parts, *, seed=0, budget=None, replication=2):
    rng = np.random.default_rng(seed)
    profile = StragglerProfile(rng.uniform(0.05, 0.6, n_workers))
    spec = DesignSpec(n_parts, 50, budget or 5 * n_workers, replication=min(replication, n_workers))
    return module.design(profile, spec, rng=rng), profile


def test_the_catalogue_holds_every_family_of_the_comparison():
    assert {name for name, _ in FAMILIES} >= {
        "bernoulli",
        "cyclic_mds",
        "erasure_head",
        "expander",
        "ignore_stragglers",
        "one_bit",
        "optimal_decoding",
        "optimally_structured",
        "osgc",
        "stochastic",
        "tandon_cyclic",
        "tandon_fractional",
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


# ---- exact codes ----------------------------------------------------------------------------------------


def tolerated(name: str, n_workers: int, replication: int) -> int:
    return cyclic_mds.tolerated(n_workers, replication) if name == "cyclic_mds" else replication - 1


def lose(lost: np.ndarray, n_workers: int) -> np.ndarray:
    """Responses (R, W) without the workers lost (R, s)."""
    responded = np.ones((len(lost), n_workers), dtype=bool)
    np.put_along_axis(responded, lost, False, axis=1)
    return responded


def miss(code: GradientCode, responded: np.ndarray) -> np.ndarray:
    """|aB − 1| over the parts for the weights that the decoder gives, (R,)."""
    weights = code.decoder.weights(responded)
    assert np.all(weights[~responded] == 0)
    return np.abs(weights @ code.encode - 1).max(axis=1)


@pytest.mark.parametrize("n_parts", [3, 7, 20])
@pytest.mark.parametrize("n_workers", [1, 2, 3, 6, 7, 10])
@pytest.mark.parametrize("name", EXACT)
def test_exact_codes_recover_the_sum_whoever_is_missing(name, n_workers, n_parts):
    """Every pattern of at most s stragglers, for every replication from 1 to W."""
    everybody = (np.arange(2**n_workers)[:, None] >> np.arange(n_workers)) & 1 == 1
    for replication in range(1, n_workers + 1):
        code, _ = design(dict(FAMILIES)[name], n_workers, n_parts, seed=replication, replication=replication)
        few = everybody[np.sum(~everybody, axis=1) <= tolerated(name, n_workers, replication)]
        assert miss(code, few).max() <= 1e-10
        assert code.placement.replication.max() <= (replication if name != "tandon_fractional" else n_workers)


@pytest.mark.parametrize(("name", "n_workers"), [(name, 100) for name in EXACT] + [("cyclic_mds", 101)])
def test_exact_codes_with_a_hundred_workers_and_ten_stragglers(name, n_workers):
    """Bursts, every second to every tenth worker, few stragglers and random ones: |aB − 1| <= 1e-10.

    The MDS code keeps less for up to one random pattern in 200, whose weights are large: never more than they round
    to. It has hopeless distances, left out here: see the next test but one.
    """
    code, _ = design(dict(FAMILIES)[name], n_workers, n_workers, replication=11)
    s = tolerated(name, n_workers, 11)
    assert s == (9 if (name, n_workers) == ("cyclic_mds", 100) else 10)
    rng = np.random.default_rng(1)
    start = np.arange(n_workers)[:, None]
    patterns = [(start + np.arange(s)) % n_workers]
    patterns += [(start + gap * np.arange(s)) % n_workers for gap in range(2, 11) if name != "cyclic_mds" or gap != s]
    patterns += [rng.random((50, n_workers)).argsort(axis=1)[:, :fewer] for fewer in (0, 1, s // 2, s - 2)]
    for lost in patterns:
        assert miss(code, lose(lost, n_workers)).max() <= 1e-10
    responded = lose(rng.random((300, n_workers)).argsort(axis=1)[:, :s], n_workers)
    found = miss(code, responded)
    rounding = 2.0**-52 * np.abs(code.decoder.weights(responded)).sum(axis=1)
    assert np.all(found <= np.maximum(rounding, 1e-14))
    assert np.mean(found > 1e-10) <= (0.02 if name == "cyclic_mds" else 0)


@pytest.mark.parametrize("name", EXACT)
def test_beyond_what_they_tolerate_exact_codes_come_as_near_as_can_be(name):
    code, _ = design(dict(FAMILIES)[name], 21, 21, replication=4)
    responded = np.random.default_rng(2).random((200, 21)) < 0.6
    found = np.linalg.norm(code.decoder.weights(responded) @ code.encode - 1, axis=1)
    assert np.any(found > 0.1)
    for heard, residual in zip(responded, found, strict=True):
        rows = code.encode_dense[heard]
        best = np.linalg.lstsq(rows.T, np.ones(21), rcond=1e-10)[0] @ rows - 1
        assert residual == pytest.approx(np.linalg.norm(best), rel=1e-9, abs=1e-10)


def test_bursts_are_easy_for_the_mds_code_and_equal_distances_are_not():
    """Zeros evenly spread make neighbours the best conditioned stragglers, and some progression hopeless."""
    code, _ = design(cyclic_mds, 100, 100, replication=11)
    bursts = code.decoder.certificate(lose((np.arange(9) + np.arange(100)[:, None]) % 100, 100))
    assert bursts.condition.max() < 10
    random = np.random.default_rng(3).random((100, 100)).argsort(axis=1)[:, :9]
    assert 100 < np.median(code.decoder.certificate(lose(random, 100)).condition) < 10_000
    gaps = code.decoder.certificate(lose(9 * np.arange(9)[None], 100))
    assert (gaps.rank[0], gaps.residual[0] > 0.1) == (90, True)  # of 91, to the precision of the decoder


@pytest.mark.parametrize(("n_workers", "replication"), [(7, 3), (10, 4), (12, 12), (9, 1), (33, 7), (100, 10)])
def test_the_mds_code_is_cyclic_and_orthogonal_to_its_zeros(n_workers, replication):
    """B is circulant with `replication` consecutive entries adding up to 1, and rank W − s."""
    s = cyclic_mds.tolerated(n_workers, replication)
    row = cyclic_mds.generator(n_workers, s)
    assert (n_workers - s) % 2 == 1 or s == 0
    assert row.size == s + 1
    assert row.sum() == pytest.approx(1, rel=1e-12)
    square = cyclic_mds.circulant(row, n_workers).toarray()
    np.testing.assert_array_equal(np.roll(square, (1, 1), (0, 1)), square)
    assert np.linalg.matrix_rank(square, 1e-9) == n_workers - s
    everyone = np.ones((1, n_workers), dtype=bool)
    code, _ = design(cyclic_mds, n_workers, n_workers, replication=replication)
    np.testing.assert_allclose(code.decoder.weights(everyone), 1, rtol=0, atol=1e-10)


def test_the_cyclic_code_has_even_rows_and_moderate_weights():
    """Consecutive support, norms 1/√(s + 1); half of all patterns are decoded with weights below 100."""
    square = tandon_cyclic.encoding(100, 10, rng=np.random.default_rng(4)).toarray()
    np.testing.assert_allclose(np.linalg.norm(square, axis=1), 1 / np.sqrt(11), rtol=1e-12)
    behind = (np.arange(100)[None, :] - np.arange(100)[:, None]) % 100
    assert np.all(square[behind > 10] == 0)
    code, _ = design(tandon_cyclic, 100, 100, replication=11)
    lost = np.random.default_rng(5).random((300, 100)).argsort(axis=1)[:, :10]
    assert np.median(np.abs(code.decoder.weights(lose(lost, 100))).mean(axis=1)) < 100


# ---- the expander code ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_workers", [1, 2, 3, 4, 5, 8, 9, 13, 16, 25])
def test_the_expander_graphs_are_symmetric_and_regular(n_workers):
    """For every degree; a gap from degree 2 on."""
    for degree in range(1, n_workers + 1):
        adjacency = expander.graph(n_workers, degree, rng=np.random.default_rng(degree))
        dense = adjacency.toarray()
        np.testing.assert_array_equal(dense, dense.T)
        np.testing.assert_array_equal(dense.sum(axis=0), degree)
        assert np.all(adjacency.data > 0)
        if degree > 1:
            assert second_eigenvalue(adjacency) < degree * (1 - 1e-6)


@pytest.mark.parametrize(
    ("n_workers", "degree", "second"),
    [(13, 6, (1 + 13**0.5) / 2), (25, 12, 3), (16, 8, 5 * 2**0.5), (12, 12, 0), (12, 11, 1)],
)
def test_known_graphs_have_their_known_eigenvalues(n_workers, degree, second):
    """Paley of a prime and of a prime power, Margulis' bound, the complete graphs with and without loops."""
    found = second_eigenvalue(expander.graph(n_workers, degree, rng=np.random.default_rng(0)))
    if degree == 8:
        assert found <= second
    else:
        assert found == pytest.approx(second, abs=1e-9)


@pytest.mark.parametrize(("n_workers", "degree"), [(13, 6), (16, 8), (20, 2), (21, 5), (30, 4), (15, 11)])
def test_the_expanders_error_is_below_raviv_s_bound(n_workers, degree):
    """‖aB − 1‖² <= (λ/d)² s W/(W − s) for random stragglers and for the worst that exchanges find."""
    rng = np.random.default_rng(6)
    b = expander.graph(n_workers, degree, rng=rng).toarray() / degree
    ratio = second_eigenvalue(sparse.csr_array(b * degree)) / degree

    def error(responded: np.ndarray) -> np.ndarray:
        weights = responded * n_workers / responded.sum(axis=1, keepdims=True)
        return np.sum((weights @ b - 1) ** 2, axis=1)

    for s in (1, 2, n_workers // 4, n_workers // 2, n_workers - 1):
        bound = ratio**2 * s * n_workers / (n_workers - s)
        responded = lose(rng.random((50, n_workers)).argsort(axis=1)[:, :s], n_workers)
        assert error(responded).max() <= bound * (1 + 1e-9) + 1e-12
        worst = responded[[error(responded).argmax()]]
        while True:
            swaps = [(i, j) for i in np.flatnonzero(worst[0]) for j in np.flatnonzero(~worst[0])]
            neighbours = np.repeat(worst, len(swaps), axis=0)
            for row, (i, j) in zip(neighbours, swaps, strict=True):
                row[[i, j]] = row[[j, i]]
            best = error(neighbours).argmax()
            if error(neighbours)[best] <= error(worst)[0] * (1 + 1e-12):
                break
            worst = neighbours[[best]]
        assert error(worst)[0] <= bound * (1 + 1e-9) + 1e-12
        if s == 1:  # and the bound means something: it is not far above what was found
            assert error(worst)[0] >= bound / (4 * n_workers)
