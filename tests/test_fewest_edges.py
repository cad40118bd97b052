"""Fewest nonzeros of an optimal code: against all subsets, against an integer program over the edges, extremes."""

from fractions import Fraction
from math import gcd
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse
from scipy.sparse import csgraph

from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.solvers import fewest_edges
from workbench.solvers.fewest_edges import Decomposition, solve_fewest_edges
from workbench.solvers.optimal_structure import kkt_residuals, row_masses, solve_sparse


def profile_of(masses: FloatArray, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """A profile whose row masses are the given ones: u_i in proportion to them."""
    utility = 0.9 * masses / masses.max()
    prob = np.random.default_rng(seed).uniform(0.05, 0.3, masses.size)
    return prob, (1 - prob) / utility - prob


def solved(prob: FloatArray, omega: FloatArray, n_parts: int) -> tuple[sparse.csr_array, Decomposition]:
    """Solve, and check all that holds for every answer."""
    a, certificate = solve_fewest_edges(prob, omega, n_parts)
    residuals = kkt_residuals(a, prob, omega)
    assert residuals.primal <= 1e-12
    assert residuals.relative <= 1e-9
    assert a.data.min() > 0  # Lemma 1's bound needs weights that are not negative
    assert a.has_canonical_format
    masses = row_masses(prob, omega, n_parts)
    np.testing.assert_allclose((1 - prob) * a.sum(axis=1), masses, rtol=1e-12)
    busy = np.flatnonzero(np.diff(a.indptr))
    np.testing.assert_array_equal(busy, np.flatnonzero(masses))
    # eq. 34 from the answer alone: as many trees as groups, each on a whole mass
    bipartite = sparse.block_array([[None, a], [a.T, None]])
    n_trees, label = csgraph.connected_components(bipartite, directed=False)
    assert n_trees - (prob.size - busy.size) == certificate.n_groups
    assert a.nnz == certificate.nonzeros == busy.size + n_parts - certificate.n_groups
    load = np.bincount(label[: prob.size], masses, minlength=n_trees)
    np.testing.assert_allclose(load, np.bincount(label[prob.size :], minlength=n_trees), rtol=1e-12)
    assert 1 <= certificate.n_groups <= certificate.upper_bound <= n_parts
    assert certificate.is_proved == (certificate.n_groups == certificate.upper_bound)
    return a, certificate


def most_groups(masses: list[Fraction]) -> int:
    """f(S) = max_i f(S − i) + [Σ_S whole], in exact arithmetic over all 2^W sets."""
    n = len(masses)
    total, most = [Fraction(0)] * 2**n, [0] * 2**n
    for chosen in range(1, 2**n):
        members = [i for i in range(n) if chosen >> i & 1]
        total[chosen] = total[chosen & ~(1 << members[0])] + masses[members[0]]
        most[chosen] = max(most[chosen & ~(1 << i)] for i in members) + (total[chosen].denominator == 1)
    return most[-1]


def completed(numerators: list[int], denominator: int) -> list[Fraction]:
    """Masses in units of 1/denominator, one more to make the total whole."""
    masses = [Fraction(a, denominator) for a in numerators]
    short = -sum(numerators) % denominator
    return [*masses, Fraction(short, denominator)] if short else masses


@given(st.integers(2, 30), st.data())
@settings(max_examples=150, deadline=None)
def test_no_partition_has_more_groups(denominator: int, data: st.DataObject) -> None:
    """Up to ten workers whose masses are multiples of one fraction, against all sets of them."""
    numerators = data.draw(st.lists(st.integers(1, 3 * denominator), min_size=1, max_size=9))
    masses = completed(numerators, denominator)
    prob, omega = profile_of(np.array(masses, float))
    _, certificate = solved(prob, omega, int(sum(masses)))
    assert certificate.is_proved
    assert certificate.n_groups == most_groups(masses)


@pytest.mark.parametrize("seed", range(6))
def test_real_masses_of_hidden_groups(seed: int) -> None:
    """Twelve workers in groups whose masses are whole by design, against all sets in exact arithmetic."""
    rng = np.random.default_rng(seed)
    groups = [rng.integers(1, 1000, 4) for _ in range(3)]
    masses = [Fraction(int(a) * (1 + g), int(sum(group))) for g, group in enumerate(groups) for a in group]
    prob, omega = profile_of(np.array(masses, float), seed)
    _, certificate = solved(prob, omega, 6)
    assert certificate.is_proved
    assert certificate.n_groups == most_groups(masses) >= 3


@pytest.mark.parametrize(
    "limits", [{"TABLE": 1}, {"TABLE": 1, "PATTERNS": 2}, {"TABLE": 1, "HALVES": 1}, {"TABLE": 1, "HALVES": 150}]
)
@pytest.mark.parametrize("seed", range(12))
def test_what_is_not_settled_is_bounded(seed: int, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With too little room for all patterns, the answer and its bound still enclose the most groups."""
    for name, value in limits.items():
        monkeypatch.setattr(fewest_edges, name, value)
    rng = np.random.default_rng(seed)
    denominator = int(rng.integers(5, 40))
    masses = completed(rng.integers(1, denominator, 9).tolist(), denominator)
    prob, omega = profile_of(np.array(masses, float))
    a, certificate = solved(prob, omega, int(sum(masses)))
    assert certificate.n_groups <= most_groups(masses) <= certificate.upper_bound
    if limits.get("HALVES") == 1:
        assert certificate.method in ("exchange", "small groups")
    if limits == {"TABLE": 1}:  # halves of up to four of ten workers are matched: that is nearly everything
        assert certificate.n_groups == most_groups(masses)
        assert a.nnz <= solve_sparse(prob, omega, int(sum(masses))).nnz


@pytest.mark.parametrize("seed", range(8))
def test_no_optimal_code_has_fewer_edges(seed: int) -> None:
    """The integer program over the edges themselves, min Σ z_ij with mass_ij <= z_ij, knows of no groups."""
    rng = np.random.default_rng(seed)
    denominator = int(rng.integers(2, 6))
    masses = completed(rng.integers(1, 2 * denominator, 4).tolist(), denominator)
    n_workers, n_parts = len(masses), int(sum(masses))
    if n_parts > 5:
        masses = [mass / 2 for mass in masses if n_parts % 2 == 0] or [Fraction(1, 2)] * 4
        n_workers, n_parts = len(masses), int(sum(masses))
    n_edges = n_workers * n_parts
    ones = sparse.identity(n_edges)
    sums = sparse.vstack(
        [
            sparse.kron(sparse.identity(n_workers), np.ones((1, n_parts))),
            sparse.kron(np.ones((1, n_workers)), sparse.identity(n_parts)),
        ]
    )
    target = np.concatenate([np.array(masses, float), np.ones(n_parts)])
    fewest = optimize.milp(
        np.repeat([0.0, 1.0], n_edges),
        integrality=np.repeat([0, 1], n_edges),
        bounds=optimize.Bounds(0, 1),
        constraints=[
            optimize.LinearConstraint(sparse.hstack([sums, sparse.csr_array(sums.shape)]), target, target),
            optimize.LinearConstraint(sparse.hstack([ones, -ones]), ub=0),
        ],
    )
    _, certificate = solved(*profile_of(np.array(masses, float)), n_parts)
    assert certificate.nonzeros == round(fewest.fun)


@pytest.mark.parametrize(
    ("n_workers", "n_parts"), [(256, 64), (64, 256), (30, 12), (7, 5), (100, 64), (500, 64), (1, 3)]
)
def test_equal_workers_form_as_many_groups_as_the_greatest_common_divisor(n_workers: int, n_parts: int) -> None:
    _, certificate = solved(np.full(n_workers, 0.1), np.full(n_workers, 0.23), n_parts)
    assert certificate.is_proved
    assert certificate.n_groups == gcd(n_workers, n_parts)


def test_few_classes_of_many_workers() -> None:
    """90 workers of 2/7, 90 of 3/7: two thirds and one third make groups of three, 2·2/7 + 3/7 = 1; the rest wait.

    45 triples use up the first class; the other 45 workers of 3/7 need seven each, and 45 = 6·7 + 3.
    """
    masses = completed([2] * 90 + [3] * 90, 7)
    _, certificate = solved(*profile_of(np.array(masses, float)), int(sum(masses)))
    assert certificate.is_proved
    assert certificate.n_groups >= 45 + 6
    assert certificate.method == "all groups"


def test_whole_masses_and_pairs_need_no_search() -> None:
    masses = np.array([2.0, 1.0, 0.3, 0.7, 1.25, 0.75, 0.5, 2.5, 0.3, 1.7])
    _, certificate = solved(*profile_of(masses), 11)
    assert certificate == Decomposition(n_groups=6, upper_bound=6, nonzeros=15, method="exchange")


@pytest.mark.parametrize("off", [1e-7, 1e-9, 1e-11])
def test_a_mass_that_is_nearly_whole_is_no_group(off: float) -> None:
    """HiGHS alone would take each of these for whole, within its tolerance."""
    masses = np.array([1 + off, 1 - off / 3, 1 - 2 * off / 3, 0.3 + off, 0.7, 1.0 - off])
    _, certificate = solved(*profile_of(masses), 5)
    assert certificate.is_proved
    assert certificate.n_groups == 2  # the first three, and the others
    _, rounded = solved(*profile_of(np.array([1.0, 1.0, 1.0, 0.3, 0.7, 1.0])), 5)
    assert rounded.n_groups == 5


def test_real_masses_have_no_group_but_all() -> None:
    """Proved for twelve workers; for 64 only that groups have more than eight workers, and it says so."""
    rng = np.random.default_rng(5)
    _, few = solved(rng.uniform(0.05, 0.6, 12), rng.exponential(size=12), 8)
    assert (few.n_groups, few.upper_bound) == (1, 1)
    prob, omega = rng.uniform(0.05, 0.6, (2, 64))
    a, many = solved(prob, omega, 16)
    assert (many.n_groups, many.upper_bound, many.method) == (1, 64 // 9, "small groups")
    assert not many.is_proved
    assert a.nnz == solve_sparse(prob, omega, 16).nnz


def test_hidden_groups_among_many_workers() -> None:
    """Forty groups of three to five workers on forty parts: matched from halves, packed, and proved."""
    rng = np.random.default_rng(1)
    masses = np.concatenate([rng.dirichlet(np.ones(rng.integers(3, 6))) for _ in range(40)])
    prob, omega = profile_of(rng.permutation(masses))
    _, certificate = solved(prob, omega, 40)
    assert (certificate.n_groups, certificate.upper_bound) == (40, 40)


def test_the_smallest_groups_are_not_always_the_most() -> None:
    """a + b + c = 1 is the one triple, but a, b and c each complete one of three groups of four."""
    rng = np.random.default_rng(3)
    prime = 1_000_003
    a, b = (int(each) for each in rng.integers(1, prime // 3, 2))
    masses = [Fraction(each, prime) for each in (a, b, prime - a - b)]
    for first in masses[:3]:
        second, third = (Fraction(int(each), prime) for each in rng.integers(1, prime // 3, 2))
        masses += [second, third, (-first - second - third) % 1]
    _, certificate = solved(*profile_of(np.array(masses, float)), int(sum(masses)))
    assert certificate.is_proved
    assert certificate.n_groups == most_groups(masses) == 3


def test_without_an_answer_of_highs_the_smallest_groups_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = SimpleNamespace(x=None, mip_dual_bound=None)
    monkeypatch.setattr(fewest_edges.optimize, "milp", lambda *_, **__: nothing)
    _, certificate = solved(np.full(90, 0.1), np.full(90, 0.23), 30)
    assert (certificate.n_groups, certificate.is_proved) == (30, True)
    _, certificate = solved(np.full(120, 0.1), np.full(120, 0.23), 30)
    assert (certificate.n_groups, certificate.upper_bound) == (30, 30)


def test_matches_that_were_left_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten classes of 1/31 to 10/31, two workers each: some of the groups up to four, and not as if they were all."""
    fraction, count = np.arange(1, 11) / 31, np.full(10, 2)
    every, is_all = fewest_edges._matched(fraction, fraction, count, 2)
    assert is_all
    monkeypatch.setattr(fewest_edges, "HALVES", 100)
    some, is_all = fewest_edges._matched(fraction, fraction, count, 2)
    assert not is_all
    assert {*map(tuple, some.tolist())} < {*map(tuple, every.tolist())}


@pytest.mark.parametrize(("heavy", "apart"), [(30.0, 1e-12), (100.0, 2.2e-12), (1e3, 3e-11), (1e6, 4e-8)])
def test_light_workers_are_not_made_alike_by_a_heavy_one(heavy: float, apart: float) -> None:
    """Fractions .3, .3 + d (of a heavy worker, within its rounding) and .3 + 2d: three groups of three."""
    b = 0.3 + 2 * apart
    masses = [0.3, 0.21, 0.49, b, 0.2345, 1 - b - 0.2345, heavy + 0.3 + apart, 0.1, 0.6 - apart]
    prob, omega = profile_of(np.array(masses))
    _, found = solved(prob, omega, round(sum(masses)))
    assert (found.n_groups, found.upper_bound) == (3, 3)


@pytest.mark.parametrize("heavy", [10.0, 40.0, 1e6])
def test_a_group_is_whole_by_its_own_tolerance(heavy: float) -> None:
    """What the heavy worker's rounding would excuse, the light group's does not: all four belong together."""
    off = 0.9 * fewest_edges.WHOLE * heavy
    masses = np.array([0.2, 0.3, 0.5 + off, heavy - off])
    prob, omega = profile_of(masses)
    n_parts = round(float(masses.sum()))
    weights, found = solved(prob, omega, n_parts)
    assert found.n_groups == 1
    rows = np.asarray((1 - prob) * weights.sum(axis=1))
    np.testing.assert_allclose(rows, row_masses(prob, omega, n_parts), rtol=1e-12 * heavy)


def test_wrong_groups_cost_edges_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the packing says, every group is summed once more."""
    monkeypatch.setattr(fewest_edges, "_pack", lambda _, workers: ([workers[:2], workers[2:]], 2, "small groups"))
    _, certificate = solved(*profile_of(np.array([0.3, 0.45, 0.15, 0.1, 1.0])), 2)
    assert (certificate.n_groups, certificate.upper_bound) == (2, 2)


def test_a_light_worker_beside_a_heavy_one_is_placed_accurately() -> None:
    """1e-6 beside 50: laid behind the heavy worker, it would lose ten digits."""
    masses = np.array([50 + 1e-7, 1e-6, 2.3, 7.7 - 1e-7 - 1e-6])
    solved(*profile_of(masses), 60)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_workers_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masses = np.array(completed(rng.integers(1, 24, 11).tolist(), 12), float)
    n_parts = round(masses.sum())
    prob, omega = profile_of(masses)
    order = rng.permutation(masses.size)
    _, certificate = solved(prob, omega, n_parts)
    assert solved(prob[order], omega[order], n_parts)[1] == certificate
    finer = solved(prob, omega, 2 * n_parts)[1]  # twice each mass: whole groups stay whole
    assert finer.n_groups >= certificate.n_groups


def test_idle_and_perfect_and_light_workers() -> None:
    """Infinite ω: no part; p + ω = 0: everything, equally; masses of 1e-17 and less are placed all the same."""
    a, _ = solved(np.array([0.4, 0.1, 0.4]), np.array([0.2, np.inf, 0.2]), 4)
    np.testing.assert_array_equal(np.diff(a.indptr), [2, 0, 2])
    a, certificate = solve_fewest_edges(np.array([0.0, 0.2, 0.0]), np.array([0.0, 0.1, 0.0]), 4)
    np.testing.assert_array_equal(a.toarray(), [[1, 1, 0, 0], [0] * 4, [0, 0, 1, 1]])
    assert certificate.is_proved
    prob = np.array([0.2, 0.2, 0.2, 0.2, 0.5])
    light, certificate = solved(prob, np.array([0.1, 1e17, 1e18, 0.1, 1e40]), 4)
    assert certificate.n_groups == 2
    assert light.nnz == 5 + 4 - 2


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="n_parts is 0"):
        solve_fewest_edges(np.array([0.1]), np.array([1.0]), 0)
    with pytest.raises(InputError, match="no worker of 2 can be used"):
        solve_fewest_edges(np.array([0.1, 0.2]), np.array([np.inf, np.inf]), 2)
