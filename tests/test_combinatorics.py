"""Fields, Hadamard matrices, designs and expanders against their defining equations, counted in integers."""

from collections import Counter
from itertools import combinations, permutations, product

import networkx as nx
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.combinatorics import block_designs, even_overlaps, expanders, hadamard
from workbench.combinatorics.finite_field import finite_field, prime_power, prime_powers
from workbench.core.errors import InputError

# ---- finite fields --------------------------------------------------------------------------------------


def test_prime_powers_are_those_of_the_factorisation():
    for number in range(1, 2500):
        factors = sympy.factorint(number)
        assert prime_power(number) == (next(iter(factors.items())) if len(factors) == 1 else None)


@pytest.mark.parametrize("order", prime_powers(64))
def test_a_field_satisfies_every_axiom(order):
    """By enumeration of all triples: nothing about the polynomial behind the field is used."""
    field = finite_field(order)
    a = np.arange(order)
    total, times = field.add(a[:, None], a), field.multiply(a[:, None], a)
    for table, neutral in ((total, 0), (times, 1)):
        assert table.min() == 0
        assert table.max() == order - 1
        np.testing.assert_array_equal(table, table.T)
        np.testing.assert_array_equal(table[neutral], a)
        np.testing.assert_array_equal(table[table], table[a[:, None, None], table])  # (ab)c = a(bc)
    np.testing.assert_array_equal(times[a[:, None, None], total], total[times[:, :, None], times[:, None, :]])
    np.testing.assert_array_equal(np.sort(total, axis=1), np.tile(a, (order, 1)))
    np.testing.assert_array_equal(np.sort(times[1:, 1:], axis=1), np.tile(a[1:], (order - 1, 1)))
    np.testing.assert_array_equal(field.add(field.subtract(a[:, None], a), a), np.tile(a[:, None], order))


@pytest.mark.parametrize("prime", [2, 3, 5, 7, 61])
def test_a_prime_field_is_the_integers_modulo_it(prime):
    field, a = finite_field(prime), np.arange(prime)
    np.testing.assert_array_equal(field.add(a[:, None], a), np.add.outer(a, a) % prime)
    np.testing.assert_array_equal(field.multiply(a[:, None], a), np.multiply.outer(a, a) % prime)


@pytest.mark.parametrize(("order", "index"), [(13, 2), (27, 2), (25, 4), (64, 3), (37, 4)])
def test_the_first_coset_is_the_powers(order, index):
    field = finite_field(order)
    powered = {int(_power(field, element, index)) for element in range(1, order)}
    cosets = field.cosets(index)
    assert set(cosets[0].tolist()) == powered
    assert sorted(cosets.ravel().tolist()) == list(range(1, order))


def _power(field, element, exponent):
    result = np.array(1)
    for _ in range(exponent):
        result = field.multiply(result, element)
    return result


@pytest.mark.parametrize("order", [0, 1, 6, 12, 100])
def test_there_is_no_other_field(order):
    with pytest.raises(InputError, match=f"no field has {order} elements: take a prime power"):
        finite_field(order)


# ---- Hadamard matrices ----------------------------------------------------------------------------------

UNKNOWN = {92, 116, 156, 172, 184, 188, 232, 236}


def test_orders_up_to_256_are_all_but_eight():
    assert set(hadamard.orders(256)) == ({1, 2} | set(range(4, 257, 4))) - UNKNOWN


@pytest.mark.parametrize("order", hadamard.orders(256))
def test_a_hadamard_matrix_is_one(order):
    matrix = hadamard.hadamard(order)
    assert set(np.unique(matrix)) <= {-1, 1}
    columns = matrix.astype(float)  # products of at most 256 ones: exact
    np.testing.assert_array_equal(columns @ columns.T, order * np.eye(order))
    assert np.all(matrix[0] == 1)
    assert np.all(matrix[:, 0] == 1)


@pytest.mark.parametrize(("order", "way_out"), [(92, "take 88"), (6, "multiple of 4"), (0, "multiple"), (-4, "mult")])
def test_an_order_without_a_matrix_says_so(order, way_out):
    with pytest.raises(InputError, match=rf"no Hadamard matrix of order {order} .*{way_out}"):
        hadamard.hadamard(order)


# ---- block designs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", list(block_designs.two_designs(130)), ids=lambda design: design.construction)
def test_a_2_design_satisfies_its_equations(design):
    points = design.incidence()  # (v, b)
    assert points.shape == (design.n_points, design.n_blocks)
    assert set(np.unique(points)) <= {0, 1}
    assert np.all(points.sum(axis=0) == design.block_size)
    degree = points.sum(axis=1)  # (v,)
    assert np.all(degree * design.n_points == design.n_blocks * design.block_size)  # v r = b k
    assert design.together * (design.n_points - 1) == degree[0] * (design.block_size - 1)  # λ(v − 1) = r(k − 1)
    joint = points.astype(float) @ points.T
    np.testing.assert_array_equal(joint[~np.eye(len(joint), dtype=bool)], design.together)
    if design.is_symmetric:
        shared = points.T.astype(float) @ points
        np.testing.assert_array_equal(shared[~np.eye(len(shared), dtype=bool)], design.together)


def test_every_family_is_there():
    """How many designs up to 130 points, from the prime powers alone."""
    powers = prime_powers(130)
    counted = {
        block_designs.projective_planes: sum(q * q + q + 1 <= 130 for q in powers),
        block_designs.affine_planes: sum(q * q <= 130 for q in powers),
        block_designs.singer: sum((q**m - 1) // (q - 1) <= 130 for q in powers for m in range(3, 9)),
        block_designs.quadratic_residues: sum(q % 4 == 3 and q > 3 for q in powers),
        block_designs.twin_prime_powers: sum(q % 2 and q + 2 in powers and q * (q + 2) <= 130 for q in powers),
        block_designs.hadamard_2_designs: len([n for n in hadamard.orders(131) if n > 4]),
        block_designs.hadamard_3_designs: len([n for n in hadamard.orders(130) if n >= 4]),
    }
    for family, count in counted.items():
        found = list(family(130))
        assert len(found) == count, family.__name__
        assert max(design.n_points for design in found) <= 130
    sizes = [(design.n_points, design.block_size) for design in block_designs.biquadratic_residues(200)]
    assert sorted(sizes) == [(13, 4), (37, 9), (101, 25), (109, 28), (197, 49)]


def test_any_three_points_of_a_hadamard_3_design_are_together_equally_often():
    for design in block_designs.hadamard_3_designs(20):
        points = design.incidence()
        triples = [points[list(three)].prod(axis=0).sum() for three in combinations(range(design.n_points), 3)]
        assert len(set(triples)) == 1


@pytest.mark.parametrize(("q", "dim"), [(2, 2), (2, 4), (3, 2), (3, 3), (4, 2), (5, 2), (8, 2), (9, 2)])
def test_an_orthogonal_array_has_every_pair_equally_often(q, dim):
    array = block_designs.orthogonal_array(q, dim)
    assert array.shape == (q**dim, (q**dim - 1) // (q - 1))
    for one, other in combinations(array.T, 2):
        counts = Counter(zip(one.tolist(), other.tolist(), strict=True))
        assert set(counts.values()) == {q ** (dim - 2)}
        assert len(counts) == q * q


# ---- expanders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [q for q in prime_powers(130) if q % 4 == 1])
def test_a_paley_graph_is_strongly_regular_and_its_own_complement(order):
    graph = expanders.paley(order, (order - 1) // 2)
    a = graph.toarray()
    np.testing.assert_array_equal(a, a.T)
    identity, ones = np.eye(order), np.ones((order, order))
    complement = ones - identity - a
    common = (order - 5) / 4 * a + (order - 1) / 4 * complement  # neighbours of two vertices
    np.testing.assert_array_equal(a @ a, (order - 1) / 2 * identity + common)
    field = finite_field(order)
    turned = field.multiply(np.arange(order), int(field.powers[1]))  # times a nonsquare
    np.testing.assert_array_equal(a[np.ix_(turned, turned)], complement)
    values = np.linalg.eigvalsh(a)
    np.testing.assert_allclose(values[-1], (order - 1) / 2, atol=1e-9)
    root = np.sqrt(order)
    half = (order - 1) // 2
    np.testing.assert_allclose(values[:-1], np.repeat([(-1 - root) / 2, (-1 + root) / 2], half), atol=1e-9)
    assert expanders.second_eigenvalue(graph) == pytest.approx((1 + root) / 2, abs=1e-9)


@pytest.mark.parametrize("prime", [5, 13, 17, 29, 101])
def test_paley_graphs_of_primes_are_those_of_networkx(prime):
    expected = nx.to_numpy_array(nx.paley_graph(prime).to_undirected(), nodelist=range(prime))
    np.testing.assert_array_equal(expanders.paley(prime, (prime - 1) // 2).toarray(), expected)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 12, 25])
def test_margulis_graphs_are_8_regular_and_expand(side):
    graph = expanders.margulis(side**2, 8)
    a = graph.toarray()
    np.testing.assert_array_equal(a, a.T)
    np.testing.assert_array_equal(a.sum(axis=1), 8)
    assert expanders.second_eigenvalue(graph) <= 5 * np.sqrt(2)
    by_hand = np.zeros_like(a)  # the eight neighbours of (x, y), in words
    for x, y in product(range(side), repeat=2):
        for u, v in ((x + 2 * y, y), (x + 2 * y + 1, y), (x, y + 2 * x), (x, y + 2 * x + 1)):
            by_hand[x * side + y, (u % side) * side + v % side] += 1
    np.testing.assert_array_equal(a, by_hand + by_hand.T)


@pytest.mark.parametrize(("n_vertices", "degree"), [(4, 3), (6, 3), (9, 6), (20, 5), (64, 8), (101, 10), (400, 3)])
def test_random_regular_graphs_are_nearly_ramanujan(n_vertices, degree):
    graph = expanders.random_regular(n_vertices, degree, rng=np.random.default_rng(5))
    a = graph.toarray()
    np.testing.assert_array_equal(a, a.T)
    np.testing.assert_array_equal(a.sum(axis=1), degree)
    assert set(np.unique(a)) <= {0, 1}
    assert not a.diagonal().any()
    values = np.sort(np.abs(np.linalg.eigvalsh(a)))
    assert expanders.second_eigenvalue(graph) == pytest.approx(values[-2], abs=1e-6)
    assert values[-2] <= 1.05 * 2 * np.sqrt(degree - 1)
    assert values[-2] < degree


@pytest.mark.parametrize(("n_vertices", "degree"), [(12, 3), (20, 3)])
def test_of_draws_that_are_all_too_poor_the_best_is_returned(n_vertices, degree, monkeypatch):
    """Small graphs of degree 3 differ much in their gaps."""
    monkeypatch.setattr(expanders, "NEAR_RAMANUJAN", 0)
    graph = expanders.random_regular(n_vertices, degree, rng=np.random.default_rng(2))
    rng, second = np.random.default_rng(2), []
    for _ in range(expanders.ATTEMPTS):
        drawn = nx.random_regular_graph(degree, n_vertices, seed=int(rng.integers(2**32)))
        second.append(np.sort(np.abs(np.linalg.eigvalsh(nx.to_numpy_array(drawn))))[-2])
    assert expanders.second_eigenvalue(graph) == pytest.approx(min(second), abs=1e-9)
    assert max(second) > min(second) + 0.05


@pytest.mark.parametrize("graph", [nx.cycle_graph(400), nx.disjoint_union(*[nx.complete_graph(200)] * 2)])
def test_bipartite_and_disconnected_graphs_have_no_gap(graph):
    """Both are large enough for the sparse eigenvalues."""
    adjacency = nx.to_scipy_sparse_array(graph, dtype=float)
    assert expanders.second_eigenvalue(adjacency) == pytest.approx(graph.degree[0], abs=1e-6)


NO_GRAPH = {
    "no prime power": (expanders.paley, 21, 10, "no Paley graph with 21 vertices: take a prime power of the form 4k"),
    "3 modulo 4": (expanders.paley, 11, 5, "no Paley graph with 11"),
    "degree of Paley": (expanders.paley, 13, 5, "has degree 6, not 5"),
    "no square": (expanders.margulis, 10, 8, "take a square, 9 is near"),
    "degree of Margulis": (expanders.margulis, 9, 4, "has degree 8, not 4"),
    "odd product": (expanders.random_regular, 9, 3, "their product even"),
    "too dense": (expanders.random_regular, 5, 5, "take a degree below the vertices"),
    "matching": (expanders.random_regular, 8, 1, "no lasting spectral gap: take a degree of at least 3"),
    "even cycle": (expanders.random_regular, 8, 2, "take a degree of at least 3"),
}


@pytest.mark.parametrize("name", NO_GRAPH)
def test_a_graph_that_is_not_there_says_why(name):
    family, n_vertices, degree, message = NO_GRAPH[name]
    with pytest.raises(InputError, match=message):
        family(n_vertices, degree, rng=np.random.default_rng(0))


# ---- even overlaps --------------------------------------------------------------------------------------


def direct_deviation_sq(holds):
    """Sum over pairs of sets, by counting common members."""
    sets = [set(np.flatnonzero(column)) for column in holds.T]
    target = len(sets[0]) ** 2 / len(holds)
    return sum((len(one & other) - target) ** 2 for one, other in combinations(sets, 2))


def random_sets(seed):
    """Return a random 0/1 matrix of a random shape with equal column sums."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = int(rng.integers(2, 9)), int(rng.integers(1, 14))
    order = rng.random((n_rows, n_columns)).argsort(axis=0)
    return (order < rng.integers(1, n_rows + 1)).astype(np.int64)


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_rows_are_leveled_and_columns_keep_their_sums(seed):
    holds = random_sets(seed)
    after = even_overlaps.level(holds)
    np.testing.assert_array_equal(after.sum(axis=0), holds.sum(axis=0))
    assert np.ptp(after.sum(axis=1)) <= 1
    assert set(np.unique(after)) <= {0, 1}


@pytest.mark.parametrize("seed", range(80))
def test_the_best_change_is_that_of_brute_force(seed):
    """For any two rows over all exchanges, and all moves from the longer to the shorter, each counted anew."""
    holds = even_overlaps.level(random_sets(seed))
    size, load = int(holds[:, 0].sum()), holds.sum(axis=1)
    before = direct_deviation_sq(holds)
    for a, b in permutations(range(len(holds)), 2):
        overlap = even_overlaps._overlaps(holds)
        change = even_overlaps._best_change(holds[a], holds[b], overlap, size)
        only_a, only_b = np.flatnonzero(holds[a] > holds[b]), np.flatnonzero(holds[b] > holds[a])
        moves = list(product(only_a, only_b))
        moves += product(only_a, [-1]) if load[a] == load[b] + 1 else []
        moves += product([-1], only_b) if load[b] == load[a] + 1 else []
        rises = [even_overlaps.deviation_sq(_moved(holds, a, b, j, k)) - before for j, k in moves]
        assert change.rise == pytest.approx(min(rises, default=np.inf), abs=1e-9)
        if rises:
            expected, after = _moved(holds, a, b, change.leaving, change.coming), holds.copy()
            assert direct_deviation_sq(expected) - before == pytest.approx(change.rise, abs=1e-9)
            even_overlaps._apply(after, overlap, a, b, change)
            np.testing.assert_array_equal(after, expected)
            np.testing.assert_array_equal(overlap, expected.T @ expected)


def _moved(holds, a, b, leaving, coming):
    after = holds.copy()
    if leaving >= 0:
        after[a, leaving], after[b, leaving] = 0, 1
    if coming >= 0:
        after[b, coming], after[a, coming] = 0, 1
    return after


@pytest.mark.parametrize("temperature", [0, 1, 100])
@pytest.mark.parametrize("seed", range(15))
def test_evening_out_never_makes_it_worse_nor_beats_the_bound(seed, temperature, monkeypatch):
    monkeypatch.setattr(even_overlaps, "TEMPERATURE", temperature)
    holds = even_overlaps.level(random_sets(seed))
    before = holds.copy()
    after = even_overlaps.even_out(holds, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(holds, before)
    np.testing.assert_array_equal(after.sum(axis=0), holds.sum(axis=0))
    assert np.ptp(after.sum(axis=1)) <= 1
    n_rows, n_columns = holds.shape
    least = even_overlaps.least_deviation_sq(n_rows, n_columns, int(holds[:, 0].sum()))
    assert least - 1e-9 <= direct_deviation_sq(after) <= direct_deviation_sq(holds) + 1e-9
    assert even_overlaps.deviation_sq(after) == pytest.approx(direct_deviation_sq(after), abs=1e-9)


def test_the_best_matrix_on_the_way_is_returned(monkeypatch):
    """So hot that the search ends anywhere: the optimum it starts from is not lost, nor one that it passes."""
    start = even_overlaps.level(random_sets(15))
    cold = even_overlaps.even_out(start, rng=np.random.default_rng(0))
    monkeypatch.setattr(even_overlaps, "TEMPERATURE", 10**6)
    for seed in range(10):
        hot = even_overlaps.even_out(cold, rng=np.random.default_rng(seed))
        assert even_overlaps.deviation_sq(hot) <= even_overlaps.deviation_sq(cold)
        passed = even_overlaps.even_out(start, rng=np.random.default_rng(seed))
        assert even_overlaps.deviation_sq(passed) < 0.9 * even_overlaps.deviation_sq(start)


@pytest.mark.parametrize(("n_rows", "n_columns", "size"), [(4, 3, 2), (5, 4, 2), (5, 3, 3), (6, 3, 2), (4, 5, 1)])
def test_the_search_finds_the_optimum_of_small_cases(n_rows, n_columns, size):
    """The optimum over all matrices with nearly equal rows, by enumeration; the bound lies below it."""
    columns = [np.isin(np.arange(n_rows), chosen).astype(int) for chosen in combinations(range(n_rows), size)]
    matrices = (np.array(chosen).T for chosen in product(columns, repeat=n_columns))
    leveled = [holds for holds in matrices if np.ptp(holds.sum(axis=1)) <= 1]
    optimum = min(even_overlaps.deviation_sq(holds) for holds in leveled)
    assert even_overlaps.least_deviation_sq(n_rows, n_columns, size) <= optimum + 1e-9
    worst = max(leveled, key=even_overlaps.deviation_sq)
    found = even_overlaps.even_out(worst, rng=np.random.default_rng(1))
    assert direct_deviation_sq(found) == pytest.approx(optimum, abs=1e-9)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_two_designs_and_their_copies_attain_the_bound(copies):
    """F = Σ c_j c_jᵀ is a multiple of I − J/W for them: nothing overlaps more evenly. Copies overlap in all of d."""
    for design in block_designs.two_designs(21):
        holds = np.tile(design.incidence(), (1, copies))
        least = even_overlaps.least_deviation_sq(*holds.shape, design.block_size)
        assert even_overlaps.deviation_sq(holds) == pytest.approx(least, rel=1e-9, abs=1e-9)
