"""Contract of every quantizer, run over the catalogue, and the constants of each."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from workbench.core import blocks, catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import SummingQuantizer
from workbench.quantizers import (
    lattice,
    random_sign,
    scaled_sign,
    sparse_sign,
    stochastic_levels,
    ternary,
    top_k,
)
from workbench.quantizers.stochastic_levels import StochasticLevels, levels, variance_constant

FAMILIES = list(catalogue.quantizers().items())
BITS = np.array([2, 3, 0, 5])  # an idle worker among them
ACTIVE = BITS > 0
UNBIASED = {"identity", "random_sign", "stochastic_levels", "ternary"}
SCALED = {"lattice", "sparse_sign"}  # with a length of their own, to which messages are short or long


def messages(seed: int, dim: int = 7) -> np.ndarray:
    """Normal coordinates, some of them beyond the lattice's range, and one that is 0."""
    v = np.random.default_rng(seed).standard_normal((BITS.size, dim))
    v[:, seed % dim] = 0
    return v


def error(quantizer, v):
    """E‖Q(v) − v‖² (..., W) of workers that are not idle, else 0."""
    active = quantizer.bits_per_coordinate > 0
    return np.where(active, quantizer.variance(v) + np.sum((quantizer.mean(v) - v) ** 2, axis=-1), 0)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_draws_have_the_stated_mean_and_variance(name, module):
    """20,000 draws, each cell at z for a total false alarm of 1e-6; idle workers send nothing."""
    quantizer, v, runs = module.quantizer(BITS), messages(1), 20_000
    drawn = quantizer(np.broadcast_to(v, (runs, *v.shape)), rng=RunStreams(2, "q", runs))
    z = stats.norm.isf(1e-6 / (v.size + BITS.size) / 2)
    off = drawn - quantizer.mean(v)
    assert np.all(np.abs(off.mean(axis=0)) <= z * off.std(axis=0) / np.sqrt(runs) + 1e-14)
    square = np.sum(off**2, axis=-1)  # (runs, W)
    spread = z * square.std(axis=0) / np.sqrt(runs) + 1e-12
    assert np.all(np.abs(square.mean(axis=0) - quantizer.variance(v)) <= spread)
    assert not drawn[:, ~ACTIVE].any()
    assert not quantizer.mean(v)[~ACTIVE].any()
    assert not quantizer.variance(v)[~ACTIVE].any()


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_unbiased_where_it_says_so(name, module):
    """And not where it does not: ordinary messages show the bias."""
    quantizer, v = module.quantizer(BITS), messages(1)
    assert quantizer.is_unbiased is (name in UNBIASED)
    assert np.array_equal(quantizer.mean(v)[ACTIVE], v[ACTIVE]) is quantizer.is_unbiased


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_error_never_exceeds_its_constant(name, module):
    quantizer = module.quantizer(BITS)
    for seed in range(50):
        v = messages(seed) ** 3  # heavy coordinates too
        bound = quantizer.variance_factor(v.shape[-1]) * np.sum(v**2, axis=-1)
        assert np.all(error(quantizer, v) <= bound * (1 + 1e-12))
    assert not quantizer.variance_factor(7)[~ACTIVE].any()


@pytest.mark.parametrize(("name", "module"), FAMILIES)
@pytest.mark.parametrize("dim", [1, 2, 6, 40])
def test_mean_variance_factor_is_the_mean_over_the_sphere(name, module, dim):
    """20,000 uniform directions; false alarm 1e-6 over the workers and dimensions. NaN iff the radius matters."""
    quantizer, n = module.quantizer(BITS), 20_000
    found = quantizer.mean_variance_factor(dim)
    np.testing.assert_array_equal(np.isnan(found), ACTIVE & (name in SCALED))
    v = np.random.default_rng(3).standard_normal((n, 1, dim))
    v = np.repeat(v / np.linalg.norm(v, axis=-1, keepdims=True), BITS.size, axis=1)
    each = error(quantizer, v)  # (n, W)
    if name in SCALED:
        longer = error(quantizer, 10 * v).mean(axis=0) / 100
        assert np.all(np.abs(longer - each.mean(axis=0))[ACTIVE] > 1e-3)
        return
    z = stats.norm.isf(1e-6 / BITS.size / 4 / 2)
    spread = z * each.std(axis=0) / np.sqrt(n) + 1e-12
    assert np.all(np.abs(each.mean(axis=0) - found) <= spread)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_scale_and_zero(name, module):
    """Q(cv) = cQ(v) in law, c > 0, where nothing sets a scale: here through mean and variance; Q(0) = 0 exactly."""
    quantizer, v = module.quantizer(BITS), messages(4)
    if name in SCALED:
        assert not np.allclose(quantizer.variance(3 * v), 9 * quantizer.variance(v))
    else:
        np.testing.assert_allclose(quantizer.variance(3 * v), 9 * quantizer.variance(v), rtol=1e-12)
        np.testing.assert_allclose(quantizer.mean(3 * v), 3 * quantizer.mean(v), rtol=1e-12)
    zero = np.zeros((2, *v.shape))
    assert not quantizer(zero, rng=RunStreams(0, "q", 2)).any()
    assert not quantizer.mean(zero).any()
    assert not quantizer.variance(zero).any()


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_workers_are_quantized_each_alone(name, module):
    """Other workers beside it, their order and an axis of runs change nothing; the message itself stays as it is."""
    quantizer, v = module.quantizer(BITS), messages(5)
    order, kept = np.array([3, 0, 2, 1]), v.copy()
    moved = quantizer.with_bits(quantizer.bits_per_coordinate[order])
    for law in ("mean", "variance"):
        np.testing.assert_array_equal(getattr(moved, law)(v[order]), getattr(quantizer, law)(v)[order])
        np.testing.assert_array_equal(getattr(quantizer, law)(v[None])[0], getattr(quantizer, law)(v))
    for law in ("variance_factor", "mean_variance_factor", "message_bits"):
        np.testing.assert_array_equal(getattr(moved, law)(9), getattr(quantizer, law)(9)[order])
    quantizer(v[None], rng=RunStreams(0, "q", 1))
    np.testing.assert_array_equal(v, kept)


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_blocks_of_messages_change_nothing(name, module, monkeypatch):
    quantizer, v = module.quantizer(BITS), np.random.default_rng(6).standard_normal((11, 4, 7))
    whole = quantizer(v, rng=RunStreams(0, "q", 11))
    for coordinates in (1, 15, 60, 100, 280):
        monkeypatch.setattr(blocks, "BLOCK", coordinates)
        np.testing.assert_array_equal(quantizer(v, rng=RunStreams(0, "q", 11)), whole)


def draws(run):
    """The draws of a run, each from the beginning of its stream."""
    return RunStreams(1, "q", [run]).random, RunStreams(1, "q", [run]).words


def test_random_signs_and_levels_of_given_draws():
    """Coordinate by coordinate, one draw each, in the order of the messages [onebit_gc, eq. 6; hetero_gc, eqs. 3-5]."""
    v = np.random.default_rng(7).standard_normal((6, 4, 5)) * 10.0 ** np.arange(-3, 3)[:, None, None]
    v[2, 1] = 0
    signs = random_sign.quantizer(BITS)(v, rng=RunStreams(1, "q", 6))
    rounded = StochasticLevels(BITS)(v, rng=RunStreams(1, "q", 6))
    for run, worker, coordinate in itertools.product(range(6), range(4), range(5)):
        message, bits = v[run, worker], BITS[worker]
        x, norm = message[coordinate], np.sqrt(sum(message**2))
        u, word = (next(iter(draw((1, 4, 5))))[worker, coordinate] for draw in draws(run))
        is_sent = bits > 0 and norm > 0
        sign = (1 if word / 2**31 * norm < x else -1) * norm if is_sent else 0
        s = 2.0 ** (bits - 1) - 1
        level = np.floor(x / norm * s + u) * norm / s if is_sent else 0
        assert signs[run, worker, coordinate] == pytest.approx(sign, rel=1e-14)
        assert rounded[run, worker, coordinate] == pytest.approx(level, rel=1e-14)


def test_weighted_sums_are_those_of_the_messages(monkeypatch):
    """Of the very same draws, whatever the blocks, for one row of weights and for two; one message is 0."""
    quantizer, v = random_sign.quantizer(BITS), np.random.default_rng(8).standard_normal((11, 4, 7))
    v[2, 1] = 0
    assert isinstance(quantizer, SummingQuantizer)
    kept, sent = v.copy(), quantizer(v, rng=RunStreams(0, "q", 11))
    for rows, coordinates in itertools.product((1, 2), (1, 15, 60, 280, 2**15)):
        monkeypatch.setattr(blocks, "BLOCK", coordinates)
        weights = np.random.default_rng(rows).standard_normal((11, rows, 4))
        sums = quantizer.weighted_sums(v, weights, rng=RunStreams(0, "q", 11))
        np.testing.assert_allclose(sums, weights @ sent, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(v, kept)


def test_random_signs_need_no_more_than_one_bit():
    """Whoever has four bits sends as with one."""
    quantizer, v = random_sign.quantizer(np.ones(2, int)), np.random.default_rng(3).standard_normal((5, 2, 6))
    wider = quantizer.with_bits(np.array([4, 0]))
    one, other = (each(v, rng=RunStreams(0, "q", 5)) for each in (quantizer, wider))
    np.testing.assert_array_equal(other, one * [[1], [0]])
    weights = np.ones((5, 1, 2))
    sums = wider.weighted_sums(v, weights, rng=RunStreams(0, "q", 5))
    np.testing.assert_allclose(sums, one[:, :1], rtol=1e-12)


def test_random_signs_of_the_least_and_the_longest_messages():
    """A coordinate that is all of its message keeps its sign, from 1e-152 to 1e150; far shorter ones raise nothing."""
    quantizer = random_sign.quantizer(np.ones(2, int))
    for size in 10.0 ** np.arange(-152, 151):
        v = np.tile([[size, 0, 0], [0, 0, -size]], (20, 1, 1))
        sent = quantizer(v, rng=RunStreams(0, "q", 20))
        np.testing.assert_allclose(sent[:, [0, 1], [0, 2]], v[:, [0, 1], [0, 2]], rtol=1e-12)
    for size in 10.0 ** np.arange(-320, -152):
        sent = quantizer(np.full((3, 2, 3), size), rng=RunStreams(0, "q", 3))
        assert np.all(np.abs(sent) <= 2 * size * np.sqrt(3))


MESSAGE_BITS = {  # of d = 13 coordinates at 2, 3, 0 and 5 bits
    "identity": [416, 416, 0, 416],
    "lattice": [26, 39, 0, 65],
    "random_sign": [45, 45, 0, 45],
    "scaled_sign": [45, 45, 0, 45],
    "sparse_sign": [36, 36, 0, 36],  # ceil(0.3 * 13) and a seed
    "stochastic_levels": [58, 71, 0, 97],
    "ternary": [56, 56, 0, 56],  # 3 bytes and the maximum
    "top_k": [36, 36, 0, 36],  # one value and its 4-bit index, of 65 bits at most
}


@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_message_bits(name, module):
    quantizer = module.quantizer(BITS)
    found = quantizer.message_bits(13)
    assert found.dtype == quantizer.bits_per_coordinate.dtype == np.int64
    np.testing.assert_array_equal(found, MESSAGE_BITS[name])
    np.testing.assert_array_equal(quantizer.bits_per_coordinate > 0, ACTIVE)
    assert np.all(quantizer.message_bits(10**6)[ACTIVE] > found[ACTIVE])


# ---- stochastic levels ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("dim", [2, 3, 4, 7, 40, 99, 101, 100_000, 1_000_000])
@pytest.mark.parametrize("bits", [2, 4, 7, 10, 12, 14, 17, 19])
def test_mean_variance_factor_at_every_fineness(bits, dim):
    """Gauss-Legendre quadrature of frac (1 - frac) over the angle, on every cell of the levels."""
    s = int(levels(np.array(bits)))
    reach = min(1.0, 12 / np.sqrt(dim))
    edge = np.arccos(np.minimum(np.arange(np.ceil(s * reach) + 1) / s, 1.0))  # descending
    point, weight = np.polynomial.legendre.leggauss(400 if edge.size < 100 else 12)
    half = (edge[:-1] - edge[1:]) / 2
    angle = edge[1:, None] + half[:, None] * (1 + point)  # (cells, points)
    r = s * np.cos(angle)
    mass = half[:, None] * weight * np.sin(angle) ** (dim - 2)
    cell = np.arange(len(half))[:, None]
    expected = dim / s**2 * np.sum(mass * (r - cell) * (cell + 1 - r)) / mass.sum()
    assert stochastic_levels._mean_variance(bits, dim) == pytest.approx(expected, rel=2e-6)


def test_run_streams_refuse_a_shared_draw():
    with pytest.raises(ValueError, match="first axis must be the runs"):
        StochasticLevels(BITS)(messages(5)[None], rng=RunStreams(0, "q", 3))


@pytest.mark.parametrize("bits", [[1], [33], [-2]])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(InputError, match="worker 0"):
        StochasticLevels(np.array(bits))


# ---- lattice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_the_lattice_is_what_its_bits_can_name(bits):
    """All of the 2^s levels from −η2^{s−1} to η(2^{s−1} − 1) are sent, and no other, by messages of any length."""
    v = np.random.default_rng(0).uniform(-4, 4, (2000, 1, 50))
    sent = lattice.quantizer(np.array([bits]), half_range=2.0)(v, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(np.unique(sent), 2.0 ** (2 - bits) * np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)))


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=8), st.integers(1, 32), st.floats(1e-3, 1e3))
def test_the_lattice_is_unbiased_inside_its_range_only(fractions, bits, half_range):
    """Assumption 2 of quantimed, E Q(x) = x and an error of at most dη²/4 for every x, holds inside and not outside."""
    quantizer = lattice.quantizer(np.array([bits]), half_range)
    scale, dim = quantizer.scale[0], len(fractions)
    assert scale * 2 ** (bits - 1) == pytest.approx(half_range, rel=1e-12)
    v = np.clip(np.array(fractions)[None] * half_range, None, half_range - scale)
    np.testing.assert_allclose(quantizer.mean(v), v, rtol=1e-12, atol=1e-14 * half_range)
    bound = quantizer.variance_bound(dim)[0]
    assert error(quantizer, v)[0] <= bound * (1 + 1e-9) + 1e-24 * half_range**2
    beyond = np.full((1, dim), 3 * half_range)
    assert not quantizer.variance(beyond).any()
    np.testing.assert_allclose(quantizer.mean(beyond), half_range - scale, rtol=0, atol=1e-12 * half_range)
    np.testing.assert_allclose(quantizer.mean(-beyond), -half_range, rtol=1e-12)


def test_the_variance_bound_is_attained_between_two_levels():
    quantizer = lattice.quantizer(np.array([3, 0]))
    v = np.full((2, 5), 0.125)  # η = 1/4
    np.testing.assert_allclose(quantizer.variance(v), quantizer.variance_bound(5))
    np.testing.assert_array_equal(quantizer.variance_bound(5), [5 / 64, 0])


# ---- signs ----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-10, 10) | st.just(0.0), min_size=1, max_size=8), st.floats(0.01, 1), st.floats(0.01, 10))
def test_sparse_sign_has_the_error_of_its_formula(v, keep_prob, magnitude):
    """‖p‖² − 2cβ‖p‖₁ + c²β·nnz(p): d in the place of nnz overstates it where p has zeros."""
    v = np.array(v)[None]
    quantizer = sparse_sign.quantizer(np.array([1]), keep_prob, magnitude)
    n_nonzero = sum(1 for x in v[0] if abs(x) > 2.0**-43 * np.abs(v).max())
    expected = np.sum(v**2) - 2 * magnitude * keep_prob * np.abs(v).sum() + magnitude**2 * keep_prob * n_nonzero
    assert error(quantizer, v)[0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_sparse_sign_contracts_no_short_vector():
    """No relative constant exists: the error over ‖p‖² grows without bound as p gets shorter."""
    quantizer = sparse_sign.quantizer(np.array([1]))
    relative = [error(quantizer, np.full((1, 4), size))[0] / (4 * size**2) for size in (1e-1, 1e-3, 1e-5)]
    assert relative[0] > 10
    assert relative[2] > 1e4 * relative[1] / 2 > 1e7


@given(st.lists(st.floats(-10, 10) | st.just(0.0), min_size=1, max_size=8))
def test_scaled_sign_has_the_error_of_its_formula(v):
    """‖p‖² − ‖p‖₁²/d for every p, zeros among its coordinates or not."""
    v = np.array(v)[None]
    expected = np.sum(v**2) - np.abs(v).sum() ** 2 / v.size
    assert error(scaled_sign.quantizer(np.array([1])), v)[0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("module", [sparse_sign, scaled_sign], ids=["sparse_sign", "scaled_sign"])
def test_what_rounding_leaves_of_a_zero_has_no_sign(module):
    """Up to 2^-43 of a message's largest coordinate; above it, in a message's own measure, signs count."""
    quantizer, zero = module.quantizer(np.array([1, 1])), np.array([[1.0, 0.0, -2.0], [1e-20, 0.0, 1e-9]])
    size = np.array([[2.0], [1e-9]])  # (W, 1)
    for sign in (-1, 1):
        left = zero + sign * size * 2.0**-43 * (zero == 0)
        np.testing.assert_allclose(quantizer.mean(left), quantizer.mean(zero), rtol=1e-12)
        np.testing.assert_array_equal(quantizer.variance(left), quantizer.variance(zero))
        more = zero + sign * size * 2.0**-42 * (zero == 0)
        np.testing.assert_array_equal(np.sign(quantizer.mean(more)[:, 1]), [sign, sign])
    diverged = quantizer.mean(np.array([[np.nan, 1.0], [-np.inf, 1.0]]))
    assert np.isnan(diverged[0, 0])
    assert diverged[1, 0] < 0


# ---- adversaries ----------------------------------------------------------------------------------------


def worst_vector(quantizer, dim: int) -> np.ndarray:
    """Search the direction of largest relative error: one coordinate is 1, the others descend from seeded starts."""

    def relative(others):
        v = np.append(1.0, others)[None]
        return -error(quantizer, v)[0] / np.sum(v**2)

    starts = [np.random.default_rng(power).random(dim - 1) ** power for power in range(1, 11)]  # ever sparser
    tries = [optimize.minimize(relative, start, bounds=[(0, 1)] * (dim - 1), tol=1e-13) for start in starts]
    return np.array([-found.fun for found in tries])


@pytest.mark.parametrize("module", [ternary, scaled_sign], ids=["ternary", "scaled_sign"])
@pytest.mark.parametrize("dim", [2, 5, 16])
def test_an_adversary_approaches_the_constant_and_never_exceeds_it(module, dim):
    quantizer = module.quantizer(np.array([2]))
    constant = quantizer.variance_factor(dim)[0]
    found = worst_vector(quantizer, dim)
    assert found.max() == pytest.approx(constant, rel=1e-6)
    assert np.all(found <= constant * (1 + 1e-12))


@pytest.mark.parametrize("dim", [2, 9, 1000])
def test_the_worst_vectors_attain_the_constants(dim):
    equal, alone, uneven = np.ones((1, dim)), np.eye(1, dim), np.full((1, dim), 1 / (1 + np.sqrt(dim)))
    uneven[0, 0] = 1
    for module, v in ((ternary, uneven), (scaled_sign, alone), (top_k, equal)):
        quantizer = module.quantizer(np.array([4]))
        attained = error(quantizer, v)[0] / np.sum(v**2)
        assert attained == pytest.approx(quantizer.variance_factor(dim)[0], rel=1e-12), module.__name__


# ---- top k and ternary ----------------------------------------------------------------------------------


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=70), st.integers(1, 32), st.integers(1, 32))
def test_top_k_keeps_the_largest_and_the_first_of_equals(v, bits, other_bits):
    """Against sorting by magnitude and index; as many as fit into the bits, and at least one."""
    v, dim = np.array([v, v], float), len(v)
    quantizer = top_k.quantizer(np.array([bits, other_bits]))
    one = 32 + int(np.ceil(np.log2(dim)))
    for row, sent, k, budget in zip(v, quantizer.mean(v), quantizer.n_kept(dim), (bits, other_bits), strict=True):
        assert k == max([n for n in range(1, dim + 1) if n * one <= budget * dim], default=1)
        kept = sorted(range(dim), key=lambda i: (-abs(row[i]), i))[:k]
        np.testing.assert_array_equal(sent, [row[i] if i in kept else 0.0 for i in range(dim)])
    np.testing.assert_array_equal(quantizer.message_bits(dim), quantizer.n_kept(dim) * one)


@pytest.mark.parametrize(("n_kept", "dim"), [(1, 3), (6, 7), (3, 1000), (700, 1000), (10**5, 5 * 10**6)])
def test_top_k_on_the_sphere_equals_the_order_statistics(n_kept, dim):
    """1 − ∫ q(u)² P(fewer than k of d − 1 uniforms exceed u) du, q the quantile of a normal magnitude."""
    middle, width = 1 - n_kept / dim, 12 * np.sqrt(n_kept * (dim - n_kept) / dim) / dim  # where P passes from 0 to 1
    points = np.clip([middle - width, middle, middle + width], 0, 1)

    def kept(u):
        return 2 * special.gammaincinv(0.5, u) * special.betainc(dim - n_kept, n_kept, u)

    expected = 1 - integrate.quad(kept, 0, 1, points=points, limit=500, epsabs=1e-12, epsrel=1e-11)[0]
    assert top_k._mean_error(n_kept, dim) == pytest.approx(expected, rel=1e-8)


def test_top_k_on_the_sphere_has_its_limits():
    """d = 2: 1/2 − 1/π; all but the smallest of many: E z² = π/d³; all: nothing is left out."""
    assert top_k._mean_error(1, 2) == pytest.approx(0.5 - 1 / np.pi, rel=1e-12)
    assert top_k._mean_error(10**6 - 1, 10**6) == pytest.approx(np.pi / 1e18, rel=1e-5)
    assert top_k._mean_error(5, 5) == 0


@pytest.mark.parametrize("dim", [3, 50, 10_000])
def test_ternary_on_the_sphere_equals_the_law_of_the_maximum(dim):
    """E[m‖z‖₁]/d − 1 over the density d F^{d−1} F' of the maximum, given which the others are cut-off normals."""

    def density_times(t):
        below = special.erf(t / np.sqrt(2))
        others = (dim - 1) * np.sqrt(2 / np.pi) * -np.expm1(-(t**2) / 2) / below
        return dim * below ** (dim - 1) * np.sqrt(2 / np.pi) * np.exp(-(t**2) / 2) * t * (t + others)

    typical = np.sqrt(2 * np.log(dim))
    expected = integrate.quad(density_times, 1e-9, 12, points=[typical / 2, typical, typical + 2], limit=300)[0]
    assert ternary._mean_variance(dim) == pytest.approx(expected / dim - 1, rel=1e-9)


def test_ternary_on_the_circle():
    assert ternary._mean_variance(2) == pytest.approx(2 / np.pi - 0.5, rel=1e-12)
    assert ternary._mean_variance(1) == 0


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: lattice.quantizer(np.array([3, 33])), "worker 1 has 33 bits: give 1 to 32, or 0: idle"),
        (lambda: lattice.quantizer(np.array([-3])), "worker 0 has -3 bits: give 1 to 32, or 0: idle"),
        (lambda: lattice.quantizer(np.array([3]), half_range=0.0), "half_range is 0.0: it must be positive"),
        (lambda: lattice.quantizer(np.array([3]), half_range=np.inf), "half_range is inf: it must be positive and"),
        (lambda: top_k.quantizer(np.array([33])), "worker 0 has 33 bits: give 1 to 32, or 0: idle"),
        (lambda: top_k.quantizer(np.array([-1])), "worker 0 has -1 bits: give 1 to 32, or 0: idle"),
        (lambda: sparse_sign.quantizer(np.array([1]), keep_prob=0.0), "keep_prob is 0.0: it must be above 0"),
        (lambda: sparse_sign.quantizer(np.array([1]), keep_prob=1.5), "keep_prob is 1.5: it must be above 0 and at"),
        (lambda: sparse_sign.quantizer(np.array([1]), magnitude=np.nan), "magnitude is nan: it must be positive"),
    ],
)
def test_impossible_settings_are_refused(build, complaint):
    with pytest.raises(InputError, match=complaint):
        build()
