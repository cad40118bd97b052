"""Contract of every quantizer, run over the catalogue, and the variance constants."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.quantizers import stochastic_levels
from workbench.quantizers.stochastic_levels import StochasticLevels, levels, variance_constant

FAMILIES = list(catalogue.quantizers().items())
BITS = np.array([2, 3, 0, 5])  # an idle worker among them


def messages(seed: int, dim: int = 7) -> np.ndarray:
    v = np.random.default_rng(seed).standard_normal((BITS.size, dim))
    v[BITS == 0] = 0  # an idle worker has nothing to say
    return v


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_unbiased_with_the_stated_variance(name, module):
    """Mean and mean square error of 20,000 draws, each cell at z for a total false alarm of 1e-6."""
    quantizer, v, runs = module.quantizer(BITS), messages(1), 20_000
    drawn = quantizer(np.broadcast_to(v, (runs, *v.shape)), rng=np.random.default_rng(2))
    z = stats.norm.isf(1e-6 / (v.size + BITS.size) / 2)
    error = drawn - v
    assert np.all(np.abs(error.mean(axis=0)) <= z * error.std(axis=0) / np.sqrt(runs) + 1e-14)
    square = np.sum(error**2, axis=-1)  # (runs, W)
    spread = z * square.std(axis=0) / np.sqrt(runs) + 1e-12
    assert np.all(np.abs(square.mean(axis=0) - quantizer.variance(v)) <= spread)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_variance_never_exceeds_its_constant(name, module):
    quantizer = module.quantizer(BITS)
    for seed in range(50):
        v = messages(seed) ** 3  # heavy coordinates too
        bound = quantizer.variance_factor(v.shape[-1]) * np.sum(v**2, axis=-1)
        assert np.all(quantizer.variance(v) <= bound * (1 + 1e-12))


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_mean_variance_factor_is_the_mean_over_the_sphere(name, module):
    """20,000 uniform directions; false alarm 1e-6 over the workers."""
    quantizer, dim, n = module.quantizer(BITS), 6, 20_000
    v = np.random.default_rng(3).standard_normal((n, 1, dim))
    v = np.repeat(v / np.linalg.norm(v, axis=-1, keepdims=True), BITS.size, axis=1)
    each = quantizer.variance(v)  # (n, W)
    z = stats.norm.isf(1e-6 / BITS.size / 2)
    spread = z * each.std(axis=0) / np.sqrt(n) + 1e-12
    assert np.all(np.abs(each.mean(axis=0) - quantizer.mean_variance_factor(dim)) <= spread)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_scale_sign_and_zero(name, module):
    """Q(cv) = cQ(v) and Q(−v) = −Q(v) in law: here through the variance; Q(0) = 0 exactly."""
    quantizer, v = module.quantizer(BITS), messages(4)
    np.testing.assert_allclose(quantizer.variance(-3 * v), 9 * quantizer.variance(v), rtol=1e-12)
    zero = quantizer(np.zeros((2, *v.shape)), rng=RunStreams(0, "q", 2))
    assert not zero.any()
    assert quantizer.message_bits(10)[2] == 0


@given(
    st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=1, max_size=9).filter(lambda v: np.linalg.norm(v) > 1e-6),
    st.integers(2, 9),
)
def test_tight_constant_bounds_every_vector(v, bits):
    v = np.array(v)[None]
    quantizer = StochasticLevels(np.array([bits]))
    assert quantizer.variance(v)[0] <= variance_constant(np.array(bits), v.size) * np.sum(v**2) * (1 + 1e-9) + 1e-300


@pytest.mark.parametrize(("dim", "bits"), [(16, 2), (100, 3), (400, 4), (64, 3)])
def test_tight_constant_is_attained_by_equal_coordinates(dim, bits):
    v = np.ones((1, dim))
    assert np.sqrt(dim) >= 2 * levels(np.array(bits))
    attained = StochasticLevels(np.array([bits])).variance(v)[0] / dim
    assert attained == pytest.approx(variance_constant(np.array(bits), dim), rel=1e-12)


def test_constants_are_ordered():
    """tight <= paper and tight <= qsgd for every dimension and bit width."""
    for dim, bits in itertools.product([1, 2, 10, 1000, 5_000_000], range(2, 33)):
        tight, paper, qsgd = (variance_constant(np.array(bits), dim, kind) for kind in ("tight", "paper", "qsgd"))
        assert tight <= paper * (1 + 1e-12)
        assert tight <= qsgd * (1 + 1e-12)


def test_paper_constant_is_500_times_too_large_at_its_own_size():
    paper, tight = (variance_constant(np.array(2), 5_000_000, kind) for kind in ("paper", "tight"))
    assert paper / tight > 500


def test_fine_levels_join_the_cell_sum_smoothly():
    """The mean variance by cells and its fine-level limit d/(6 s²) agree where both apply."""
    cells = stochastic_levels._mean_variance(12, 100_000)
    assert cells == pytest.approx(100_000 / (6 * 2047**2), rel=1e-6)


def test_run_streams_refuse_a_shared_draw():
    with pytest.raises(ValueError, match="first axis must be the runs"):
        StochasticLevels(BITS)(messages(5)[None], rng=RunStreams(0, "q", 3))


@pytest.mark.parametrize("bits", [[1], [33], [-2]])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(InputError, match="worker 0"):
        StochasticLevels(np.array(bits))
