"""Contract of every placement, run over the catalogue, and what each one promises."""

from itertools import combinations, combinations_with_replacement

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from workbench.codes.placement import Placement, Size, find_size, group_of_part
from workbench.codes.placements import (
    affine_plane,
    bernoulli,
    cyclic,
    difference_set,
    expander_margulis,
    expander_paley,
    expander_random,
    fractional_repetition,
    hadamard_design,
    nearly_balanced,
    pair_wise_balanced,
    projective_plane,
    quadratic_residue,
    random_regular,
    uniform_random,
)
from workbench.combinatorics.expanders import margulis, paley
from workbench.core import catalogue
from workbench.core.errors import InputError

SIZES = [(1, 1), (2, 7), (6, 4), (9, 9), (12, 5), (40, 30)]
MOST = 64  # workers, for the placements of fixed sizes
FIXED = {name: module for name, module in catalogue.placements().items() if hasattr(module, "sizes")}
FREE = {name: module for name, module in catalogue.placements().items() if name not in FIXED}
CASES = [
    *((name, *size, 1 if name == "disjoint" else min(3, size[0])) for name in FREE for size in SIZES),
    *(
        (name, size.n_workers, size.n_parts or n_parts, size.replication)
        for name, module in FIXED.items()
        for size in module.sizes(MOST)
        for n_parts in ((7, size.n_workers, 100) if size.n_parts is None else (0,))
    ),
]
NOT_EXACT = {"bernoulli", "fractional_repetition", "random_regular", "expander_margulis"}  # about d workers for a part


def rng(seed=3):
    return np.random.default_rng(seed)


def overlaps(placement):
    """Count the workers that two parts share, from sets, (pairs,)."""
    workers = [set(np.flatnonzero(column).tolist()) for column in placement.holds.toarray().T]
    return np.array([len(one & other) for one, other in combinations(workers, 2)])


# ---- every placement ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "n_workers", "n_parts", "replication"), CASES)
def test_placements_hold_their_promises(name, n_workers, n_parts, replication):
    module = catalogue.placements()[name]
    if name == "expander_random" and (n_workers <= replication or n_workers * replication % 2):
        with pytest.raises(InputError, match=f"no simple graph with {n_workers} vertices of degree {replication}"):
            module.place(n_workers, n_parts, replication, rng=rng())
        return
    placement = module.place(n_workers, n_parts, replication, rng=rng())
    assert placement.holds.shape == (n_workers, n_parts)
    assert placement.holds.nnz == np.count_nonzero(placement.holds.toarray())  # no pair twice
    assert set(np.unique(placement.holds.data)) <= {1.0}
    assert placement.n_edges == placement.load.sum() == placement.replication.sum()
    if name != "bernoulli":
        assert placement.replication.min() >= 1
    if name not in NOT_EXACT:
        assert np.all(placement.replication == replication)
    if name in ("disjoint", "nearly_balanced"):
        assert np.ptp(placement.load) <= 1
    again = module.place(n_workers, n_parts, replication, rng=rng())
    np.testing.assert_array_equal(again.holds.toarray(), placement.holds.toarray())


@pytest.mark.parametrize("name", FIXED)
def test_no_size_is_listed_twice_or_beyond_the_question(name):
    sizes = FIXED[name].sizes(MOST)
    keys = [(size.n_workers, size.replication) for size in sizes]
    assert keys == sorted(set(keys))
    assert all(1 <= size.replication <= size.n_workers <= MOST for size in sizes)
    assert all(size.construction and str(size.replication) in str(size) for size in sizes)
    smaller = FIXED[name].sizes(30)
    assert smaller == [size for size in sizes if size.n_workers <= 30]


@pytest.mark.parametrize("name", FIXED)
def test_a_missing_size_names_the_nearest(name):
    with pytest.raises(InputError, match=r"with 3 workers, 5 parts and replication 2.*: the nearest has \d+ workers"):
        FIXED[name].place(3, 5, 2, rng=rng())
    one = FIXED[name].sizes(MOST)[-1]
    if one.n_parts is not None:
        with pytest.raises(InputError, match=f"nearest has {one.n_workers} workers, {one.n_parts} parts, replication"):
            FIXED[name].place(one.n_workers, one.n_parts + 1, one.replication, rng=rng())


@pytest.mark.parametrize("name", ["cyclic", "expander_random", "nearly_balanced", "pair_wise_balanced"])
@pytest.mark.parametrize("replication", [0, 7])
def test_a_replication_that_cannot_be_is_refused(name, replication):
    with pytest.raises(InputError, match=f"replication {replication} with 6 workers: take 1 to 6"):
        catalogue.placements()[name].place(6, 4, replication, rng=rng())


@given(st.integers(1, 40), st.integers(1, 40))
def test_groups_are_contiguous_and_even(n_parts, n_groups):
    group = group_of_part(n_parts, n_groups)
    assert np.all(np.diff(group) >= 0)
    assert np.ptp(np.bincount(group, minlength=n_groups)) <= 1
    assert group.max() < n_groups


def test_the_nearest_size_is_near_in_ratio():
    sizes = [Size(w, p, d, f"{w}", lambda: np.ones((1, 1), np.int64)) for w, p, d in ((10, 9, 5), (40, 39, 20))]
    for n_workers, n_parts, replication, nearest in ((12, 9, 5, 10), (30, 9, 15, 40), (20, 39, 10, 40)):
        with pytest.raises(InputError, match=f"no thing .*because.*: the nearest has {nearest} workers"):
            find_size("thing", sizes, n_workers, n_parts, replication, why_not="because")
    assert find_size("thing", sizes, 40, 3, 20) is sizes[1]


# ---- balance --------------------------------------------------------------------------------------------


@given(st.integers(2, 8), st.integers(2, 7), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_balance_is_counted_from_sets_and_its_bounds_hold(n_workers, n_parts, seed):
    copies = rng(seed).integers(1, n_workers + 1, n_parts)
    placement = uniform_random.place(n_workers, n_parts, copies, rng=rng(seed))
    target = np.array([d * e / n_workers for d, e in combinations(copies.tolist(), 2)])
    deviation = np.abs(overlaps(placement) - target)
    balance = placement.balance
    assert balance.rms == pytest.approx(np.sqrt(np.mean(deviation**2)), abs=1e-12)
    assert balance.worst == pytest.approx(deviation.max(), abs=1e-12)
    assert balance.integral == pytest.approx(np.sqrt(np.mean((target - np.rint(target)) ** 2)), abs=1e-12)
    assert max(balance.welch, balance.integral) == balance.least <= balance.rms + 1e-12


def test_one_part_is_balanced():
    balance = cyclic.place(4, 1, 2).balance
    assert (balance.rms, balance.worst, balance.least) == (0, 0, 0)


SYMMETRIC = [
    (module, size)
    for module in (projective_plane, difference_set, quadratic_residue, hadamard_design)
    for size in module.sizes(MOST)
    if size.n_workers == size.n_parts
]


@pytest.mark.parametrize(("module", "size"), SYMMETRIC)
def test_symmetric_designs_have_constant_overlap_and_attain_welchs_bound(module, size):
    v, k = size.n_workers, size.replication
    placement = module.place(v, v, k)
    assert set(overlaps(placement).tolist()) == {k * (k - 1) // (v - 1)}
    assert np.all(placement.load == k)
    assert placement.balance.rms == pytest.approx(placement.balance.welch, rel=1e-9)


@pytest.mark.parametrize(("module", "size"), [(m, s) for m in (affine_plane, hadamard_design) for s in m.sizes(MOST)])
def test_designs_with_points_as_workers_attain_welchs_bound(module, size):
    placement = module.place(size.n_workers, size.n_parts, size.replication)
    assert np.ptp(placement.load) == 0
    found = set(overlaps(placement).tolist())
    if size.n_parts >= size.n_workers:
        assert placement.balance.rms == pytest.approx(placement.balance.welch, rel=1e-9)
        assert len(found) <= 2
    else:  # points of an affine plane: as even as integers can be is one overlap
        assert found == {1}


# ---- pair-wise balanced, exactly ------------------------------------------------------------------------


@pytest.mark.parametrize("size", pair_wise_balanced.sizes(100), ids=str)
def test_pair_wise_balance_is_exact(size):
    placement = pair_wise_balanced.place(size.n_workers, size.n_parts, size.replication)
    assert 3 <= size.n_parts < size.n_workers
    holds = placement.holds.toarray()
    shared = holds.T @ holds
    target = np.full((size.n_parts, size.n_parts), size.replication**2 // size.n_workers)
    np.fill_diagonal(target, size.replication)
    assert size.replication**2 % size.n_workers == 0
    np.testing.assert_array_equal(shared, target)
    assert np.ptp(placement.load) > 1
    few = pair_wise_balanced.place(size.n_workers, 3, size.replication)
    assert few.balance.worst == 0


def test_every_construction_of_pair_wise_balance_is_listed():
    """The most parts by workers and replication: Hadamard, array, united symbols, planes, other designs, copies."""
    known = {(size.n_workers, size.replication): size.n_parts for size in pair_wise_balanced.sizes(120)}
    expected = {(20, 10): 19, (100, 50): 99, (27, 9): 13, (27, 18): 13, (25, 10): 6, (49, 14): 8, (49, 21): 8}
    expected |= {(9, 3): 7, (16, 4): 13, (25, 5): 21, (16, 12): 13, (112, 28): 109, (112, 84): 109, (32, 8): 13}
    assert expected.items() <= known.items()


@pytest.mark.parametrize("n_workers", range(1, 13))
def test_pair_wise_balance_is_found_exactly_where_it_exists(n_workers):
    """By exhaustive search over all sets of workers: the largest family whose pairs share d²/W."""
    for replication in range(1, n_workers):
        most = 1
        if n_workers == 12 and replication == 6:
            most = n_workers - 1  # 924 sets are many to search; this is the most of any number of workers
        elif replication**2 % n_workers == 0:
            every = list(map(frozenset, combinations(range(n_workers), replication)))
            shared = replication**2 // n_workers
            graph = nx.Graph((a, b) for a, b in combinations(every, 2) if len(a & b) == shared)
            most = len(nx.max_weight_clique(graph, weight=None)[0])
        for n_parts in range(1, n_workers + 2):
            if n_parts <= most:
                placement = pair_wise_balanced.place(n_workers, n_parts, replication)
                assert np.all(placement.replication == replication)
                assert placement.balance.worst == 0
            else:
                with pytest.raises(InputError, match=r"impossible: |neither known here nor shown"):
                    pair_wise_balanced.place(n_workers, n_parts, replication)


@pytest.mark.parametrize("n_workers", [1, 5, 8])
def test_whoever_holds_everything_is_balanced(n_workers):
    placement = pair_wise_balanced.place(n_workers, 20, n_workers)
    assert placement.n_edges == 20 * n_workers
    assert placement.balance.worst == 0


UNBALANCED = {
    "not integral": ((10, 3, 4), r"impossible: two parts would share d²/W = 1.6 workers\)"),
    "two parts": ((10, 2, 4), "d²/W = 1.6"),
    "too many": (
        (8, 8, 4),
        r"impossible: their centred vectors .* only 7 can be\): the nearest has 8 workers, 7 parts",
    ),
    "order 92": ((92, 4, 46), "none known here: 91 parts would take a Hadamard matrix of order 92, .*nearest has 96"),
    "unknown": ((9, 8, 3), r"neither known here nor shown to be impossible\): the nearest has 9 workers, 7 parts"),
}


@pytest.mark.parametrize("name", UNBALANCED)
def test_missing_pair_wise_balance_is_explained(name):
    sizes, message = UNBALANCED[name]
    with pytest.raises(InputError, match=message):
        pair_wise_balanced.place(*sizes)


@pytest.mark.parametrize(("n_workers", "n_parts"), [(4, 2), (4, 3), (4, 4), (8, 2), (9, 2)])
def test_even_loads_exclude_exact_balance(n_workers, n_parts):
    """All placements with d²/W an integer and loads within one of each other, by enumeration."""
    replication = {4: 2, 8: 4, 9: 3}[n_workers]
    sets = list(combinations(range(n_workers), replication))
    n_even = 0
    for chosen in combinations_with_replacement(sets, n_parts):
        load = np.bincount(np.concatenate(chosen), minlength=n_workers)
        if np.ptp(load) <= 1:
            n_even += 1
            shared = {len(set(one) & set(other)) for one, other in combinations(chosen, 2)}
            assert shared != {replication**2 // n_workers}
    assert n_even > 0


# ---- nearly balanced ------------------------------------------------------------------------------------


def greedy(n_workers, n_parts, replication, rng):
    """Place by least load, then least overlap, then at random: what any search has to beat."""
    holds = np.zeros((n_workers, n_parts))
    shared = np.zeros((n_workers, n_workers))
    for part in rng.permutation(n_parts):
        chosen = np.zeros(n_workers, dtype=bool)
        for _ in range(replication):
            cost = 2 * shared[:, chosen].sum(axis=1)
            chosen[np.lexsort((rng.random(n_workers), cost, shared.diagonal(), chosen))[0]] = True
        shared[np.ix_(chosen, chosen)] += 1
        holds[chosen, part] = 1
    return Placement(sparse.csr_array(holds))


@pytest.mark.parametrize(
    "sizes", [(6, 4, 3), (16, 24, 4), (12, 16, 4), (20, 30, 5), (13, 9, 4), (7, 20, 3), (30, 100, 6), (24, 10, 20)]
)
def test_nearly_balanced_is_no_worse_than_greedy(sizes):
    for seed in range(3):
        found = nearly_balanced.place(*sizes, rng=rng(seed))
        assert found.balance.rms <= greedy(*sizes, rng(seed)).balance.rms + 1e-12
        assert np.ptp(found.load) <= 1
        assert np.all(found.replication == sizes[2])


def test_nearly_balanced_beats_greedy_by_much_where_there_is_room():
    assert nearly_balanced.place(50, 60, 7, rng=rng()).balance.rms < 0.9 * greedy(50, 60, 7, rng()).balance.rms


@pytest.mark.parametrize("sizes", [(13, 13, 4), (31, 31, 6), (57, 57, 8), (23, 23, 11), (16, 20, 4), (12, 44, 6)])
def test_nearly_balanced_knows_the_designs(sizes):
    """Where a 2-design has these sizes, or copies of one, Welch's bound is attained."""
    balance = nearly_balanced.place(*sizes, rng=rng()).balance
    assert balance.rms == pytest.approx(balance.welch, rel=1e-9)


def test_nearly_balanced_takes_part_of_a_design():
    """A line less leaves the loads of a projective plane within one, and its overlaps all 1."""
    placement = nearly_balanced.place(13, 12, 4, rng=rng())
    assert set(overlaps(placement).tolist()) == {1}


def test_blocks_beyond_whole_copies_keep_the_loads_even():
    """Of the affine plane of order 3 a parallel class more: three lines that every point is on once."""
    incidence = next(plane for plane in affine_plane.sizes(9) if plane.n_workers == 9).holds()
    for seed in range(5):
        copied = nearly_balanced._copied(incidence, 12 + 3, rng(seed))
        np.testing.assert_array_equal(copied.sum(axis=1), 5)
        assert set(copied.sum(axis=0)) == {3}


@pytest.mark.parametrize("sizes", [(1500, 4, 2), (3, 1500, 2)])
def test_nearly_balanced_does_without_search_at_large_sizes(sizes):
    placement = nearly_balanced.place(*sizes, rng=rng())
    assert np.all(placement.replication == 2)
    assert np.ptp(placement.load) <= 1


# ---- random ones ----------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_bernoulli_placement_is_never_empty(seed, n_workers, n_parts):
    """With one part and copy, nobody holds it in a third of the draws."""
    placement = bernoulli.place(n_workers, n_parts, 1, rng=rng(seed))
    assert placement.n_edges >= 1
    assert placement.holds.shape == (n_workers, n_parts)


def test_bernoulli_placement_has_its_law():
    """Pairs per draw are binomial, given that there is one: 3,000 draws within Z errors, false alarm 1e-6."""
    draws = rng(6)
    counts = np.array([bernoulli.place(4, 2, 1, rng=draws).n_edges for _ in range(3000)])
    expected = 2 / (1 - 0.75**8)
    assert abs(counts.mean() - expected) < stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)
    assert abs(2 - expected) > 2 * stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)  # what a test can tell


def test_uniform_placement_draws_all_sets_equally_often_and_parts_independently():
    """The 6 x 4 outcomes of two parts on 4 workers, chi-square over 4,800 draws, false alarm 1e-6."""
    placement = uniform_random.place(4, 2 * 4800, np.tile([2, 3], 4800), rng=rng(8))
    holds = placement.holds.toarray().T.reshape(4800, 2, 4)
    codes = (holds @ [1, 2, 4, 8]).astype(int)  # (draws, 2)
    _, counts = np.unique(codes @ [16, 1], return_counts=True)
    assert counts.size == 24
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(
    ("replication", "message"),
    [
        (np.array([1, 2]), r"replication of shape \(2,\) for 3 parts: give one number, or one for each"),
        (np.array([1, 0, 2]), "part 1: replication 0 with 4 workers: take 1 to 4"),
        (np.array([1, 2, 5]), "part 2: replication 5 with 4 workers: take 1 to 4"),
        (5, "part 0: replication 5 with 4 workers"),
    ],
)
def test_uniform_placement_refuses(replication, message):
    with pytest.raises(InputError, match=message):
        uniform_random.place(4, 3, replication, rng=rng())


# ---- regular ones ---------------------------------------------------------------------------------------


def test_fractional_repetition_groups_are_disjoint():
    holds = fractional_repetition.place(13, 9, 3).holds.toarray()
    overlap = holds @ holds.T
    same = (holds[:, None] == holds).all(axis=2)
    np.testing.assert_array_equal(overlap > 0, same)


def test_random_regular_is_regular_where_sizes_allow():
    placement = random_regular.place(30, 20, 3, rng=rng(4))
    assert np.all(placement.replication == 3)
    assert np.all(placement.load == 2)


@pytest.mark.parametrize(("n_workers", "replication"), [(1, 1), (5, 1), (6, 3), (7, 7), (10, 4)])
def test_cyclic_windows_move_by_one(n_workers, replication):
    holds = cyclic.place(n_workers, n_workers, replication).holds.toarray()
    for worker in range(n_workers):
        assert set(np.flatnonzero(holds[worker])) == {(worker + t) % n_workers for t in range(replication)}
    grouped = cyclic.place(n_workers, 3 * n_workers, replication).holds.toarray()
    np.testing.assert_array_equal(grouped, np.repeat(holds, 3, axis=1))


@pytest.mark.parametrize(
    ("module", "adjacency"),
    [(expander_paley, paley(13, 6)), (expander_margulis, margulis(25, 8)), (expander_paley, paley(25, 12))],
)
def test_expanders_give_workers_the_groups_of_their_neighbours(module, adjacency):
    n_workers, degree = adjacency.shape[0], int(adjacency.toarray()[0].sum())
    holds = module.place(n_workers, n_workers, degree).holds.toarray()
    np.testing.assert_array_equal(holds, adjacency.toarray() > 0)
    for n_parts in (2 * n_workers, 7):
        grouped = module.place(n_workers, n_parts, degree).holds.toarray()
        np.testing.assert_array_equal(grouped, holds[:, group_of_part(n_parts, n_workers)])


def test_random_expander_places_the_graph_that_its_seed_draws():
    graph = expander_random.adjacency(20, 4, rng=rng(9)).toarray()
    np.testing.assert_array_equal(expander_random.place(20, 20, 4, rng=rng(9)).holds.toarray(), graph)
