"""Contract of every code family, run over the catalogue."""

import numpy as np
import pytest
from scipy import sparse, stats

from workbench.codes.code import DesignSpec, equal_bits
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
