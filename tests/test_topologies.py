"""Graphs and mixing matrices: closed-form spectra, exact laws, plain loops, and Assumption 1 of quantimed."""

from itertools import combinations
from math import comb

import networkx as nx
import numpy as np
import pytest

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.engine import configure
from workbench.topologies import erdos_renyi, grid, mixing, random_regular
from workbench.topologies.mixing import Mixing, lazy, metropolis

SIZES = (2, 3, 4, 7, 12)
FAMILIES = pytest.mark.parametrize("family", catalogue.topologies())


def drawn(family: str, n_workers: int, seed: int = 0) -> "nx.Graph[int]":
    degree = {"degree": min(2, n_workers - 1)} if family == "random_regular" else {}
    return mixing.draw(n_workers, family, degree, seed=seed)


@FAMILIES
@pytest.mark.parametrize("n_workers", SIZES)
def test_a_graph_joins_all_workers_and_nobody_to_itself(family: str, n_workers: int) -> None:
    graph = drawn(family, n_workers)
    assert sorted(graph.nodes) == list(range(n_workers))
    assert type(graph) is nx.Graph  # undirected, no two edges between the same two
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)


@FAMILIES
def test_the_seed_fixes_the_graph_and_mixing(family: str) -> None:
    edges = [sorted(map(sorted, drawn(family, 12, seed).edges)) for seed in (0, 0, 1, 2)]
    assert edges[0] == edges[1]
    if family in ("erdos_renyi", "random_regular"):
        assert edges[0] != edges[2] != edges[3]
    else:
        assert edges[0] == edges[2] == edges[3]


# What each family is.


def degrees(graph: "nx.Graph[int]") -> list[int]:
    return sorted(int(degree) for _, degree in graph.degree())


def test_families_have_their_degrees() -> None:
    assert degrees(drawn("ring", 7)) == [2] * 7
    assert degrees(drawn("complete", 7)) == [6] * 7
    assert degrees(drawn("star", 7)) == [1] * 6 + [6]
    assert degrees(drawn("grid", 12)) == [2] * 4 + [3] * 6 + [4] * 2  # 3 rows of 4
    assert degrees(drawn("torus", 12)) == [4] * 12
    assert degrees(grid.graph(12, n_rows=1)) == [1] * 2 + [2] * 10
    assert degrees(random_regular.graph(12, degree=5, rng=np.random.default_rng(0))) == [5] * 12


def test_grid_is_laid_out_row_after_row() -> None:
    graph = grid.graph(12, n_rows=3)
    assert sorted(graph.neighbors(5)) == [1, 4, 6, 9]


def test_erdos_renyi_has_the_law_given_connected() -> None:
    """Number of edges on 4 workers, by enumeration of the 64 graphs; false alarm 1e-6 over four cells."""
    prob, n_draws = 0.45, 3000
    law = np.zeros(7)
    for n_edges in range(7):
        for edges in combinations(combinations(range(4), 2), n_edges):
            graph: nx.Graph[int] = nx.Graph(edges)
            if len(graph) == 4 and nx.is_connected(graph):
                law[n_edges] += prob**n_edges * (1 - prob) ** (comb(4, 2) - n_edges)
    law /= law.sum()
    rng = np.random.default_rng(3)
    found = [erdos_renyi.graph(4, edge_prob=prob, rng=rng).number_of_edges() for _ in range(n_draws)]
    seen = np.bincount(found, minlength=7) / n_draws
    error = np.sqrt(law * (1 - law) / n_draws)
    assert np.all(np.abs(seen - law) <= 5.2 * error)


# Mixing matrices.


def path_spectrum(n: int) -> FloatArray:
    return 2 - 2 * np.cos(np.pi * np.arange(n) / n)


def ring_spectrum(n: int) -> FloatArray:
    return 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)


SPECTRA = {  # of the Laplacian
    "ring": (7, {}, ring_spectrum(7)),
    "complete": (6, {}, np.array([0.0] + [6.0] * 5)),
    "star": (6, {}, np.array([0.0] + [1.0] * 4 + [6.0])),
    "grid": (12, {"n_rows": 3}, np.add.outer(path_spectrum(3), path_spectrum(4)).ravel()),
    "torus": (12, {"n_rows": 3}, np.add.outer(ring_spectrum(3), ring_spectrum(4)).ravel()),
}


@pytest.mark.parametrize("family", SPECTRA)
@pytest.mark.parametrize("divisor", [None, 9.0])
@pytest.mark.parametrize("laziness", [0.0, 0.3])
def test_spectra_are_those_of_the_closed_forms(family: str, divisor: float | None, laziness: float) -> None:
    n_workers, parameters, spectrum = SPECTRA[family]
    found = mixing.build(n_workers, graph=family, divisor=divisor, laziness=laziness, n_rows=parameters.get("n_rows"))
    kappa = divisor or {"ring": 3, "complete": 6, "star": 6, "grid": 5, "torus": 5}[family]
    expected = np.sort(laziness + (1 - laziness) * (1 - spectrum / kappa))[::-1]
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-12)
    assert found.second_eigenvalue == pytest.approx(expected[1], abs=1e-12)
    assert found.smallest_eigenvalue == pytest.approx(expected[-1], abs=1e-12)
    assert found.spectral_gap == pytest.approx(1 - max(abs(expected[1]), abs(expected[-1])), abs=1e-12)


@FAMILIES
@pytest.mark.parametrize("weights", ["laplacian", "metropolis"])
@pytest.mark.parametrize("n_workers", SIZES)
def test_default_weights_keep_assumption_1(family: str, weights: str, n_workers: int) -> None:
    graph = drawn(family, n_workers)
    found = mixing.laplacian(graph) if weights == "laplacian" else metropolis(graph)
    assert found.certificate.holds, found.certificate
    entries = found.weights
    np.testing.assert_allclose(entries, entries.T, atol=1e-15)
    np.testing.assert_allclose(entries.sum(axis=1), 1, atol=1e-14)
    assert entries.min() >= 0
    assert np.linalg.matrix_rank(np.eye(n_workers) - entries) == n_workers - 1
    assert np.linalg.matrix_rank(np.eye(n_workers) + entries) == n_workers  # −1 is no eigenvalue
    joined = nx.to_numpy_array(graph, nodelist=range(n_workers)) > 0
    np.testing.assert_array_equal(found.adjacency, joined)
    np.testing.assert_array_equal(found.degree, joined.sum(axis=1))
    np.testing.assert_allclose(found.between + np.diag(found.own), entries, atol=0)


def test_weights_are_those_of_plain_loops() -> None:
    graph = drawn("erdos_renyi", 9, seed=4)
    degree = dict(graph.degree())
    laplacian, hastings = np.zeros((9, 9)), np.zeros((9, 9))
    kappa = 1 + max(degree.values())
    for i in range(9):
        for j in graph.neighbors(i):
            laplacian[i, j] = 1 / kappa
            hastings[i, j] = 1 / (1 + max(degree[i], degree[j]))
        laplacian[i, i], hastings[i, i] = 1 - laplacian[i].sum(), 1 - hastings[i].sum()
    np.testing.assert_allclose(mixing.laplacian(graph).weights, laplacian, atol=1e-15)
    np.testing.assert_allclose(metropolis(graph).weights, hastings, atol=1e-15)


def test_names_of_workers_do_not_matter() -> None:
    graph, order = drawn("erdos_renyi", 8), np.random.default_rng(2).permutation(8)
    renamed = nx.relabel_nodes(graph, dict(enumerate(order.tolist())))
    for weigh in (mixing.laplacian, metropolis):
        before, after = weigh(graph), weigh(renamed)
        np.testing.assert_allclose(after.weights[np.ix_(order, order)], before.weights, atol=1e-15)
        np.testing.assert_allclose(after.eigenvalues, before.eigenvalues, atol=1e-13)


def test_half_the_largest_eigenvalue_averages_but_mostly_with_negative_weights() -> None:
    """κ just above λ_max/2, as quantimed allows: λ_W > −1, and w_ii < 0 unless the graph is regular and bipartite."""
    graphs = [drawn(family, n) for family in catalogue.topologies() for n in (4, 6, 8, 12)]
    graphs += [mixing.draw(9, "erdos_renyi", {"edge_prob": 0.4}, seed=seed) for seed in range(10)]
    marked = 0
    for graph in graphs:
        found = mixing.laplacian(graph, relative_divisor=0.5 * (1 + 1e-9))
        assert -1 < found.smallest_eigenvalue < -1 + 1e-8
        balanced = nx.is_regular(graph) and nx.is_bipartite(graph)
        assert (found.own.min() < 0) == (not balanced)
        assert found.certificate.violations == (() if balanced else ("a weight is negative",))
        marked += not balanced
        with pytest.raises(InputError, match="more than half the largest eigenvalue"):
            mixing.laplacian(graph, relative_divisor=0.5 * (1 - 1e-9))
    assert marked > 10


def test_the_certificate_names_what_is_violated() -> None:
    swap = Mixing(np.array([[0.0, 1.0], [1.0, 0.0]]))  # all that Assumption 1 of quantimed asks for
    assert swap.certificate.violations == ("the smallest eigenvalue is not above −1",)
    assert swap.spectral_gap == pytest.approx(0, abs=1e-15)
    ring = Mixing(np.roll(np.eye(6), 1, axis=0) / 2 + np.roll(np.eye(6), -1, axis=0) / 2)
    assert ring.certificate.violations == ("the smallest eigenvalue is not above −1",)
    assert lazy(ring).certificate.holds
    apart = Mixing(np.kron(np.eye(2), np.full((2, 2), 0.5)))
    assert apart.certificate.violations == ("null(I − W) is more than span(1)",)
    growing = Mixing(np.array([[1.5, -0.5], [-0.5, 1.5]]))
    assert growing.certificate.violations == (
        "null(I − W) is more than span(1)",
        "an eigenvalue exceeds 1",
        "a weight is negative",
    )
    assert growing.certificate.least_weight == -0.5
    assert growing.certificate.asymmetry == growing.certificate.row_sum_error == 0


@pytest.mark.parametrize("relative_divisor", [None, 0.52])
def test_averaging_contracts_by_the_mixing_rate_and_not_faster(relative_divisor: float | None) -> None:
    found = mixing.build(10, graph="erdos_renyi", edge_prob=0.4, relative_divisor=relative_divisor)
    assert (-found.smallest_eigenvalue > found.second_eigenvalue) == (relative_divisor is not None)
    values, vectors = np.linalg.eigh(found.weights)
    slowest = vectors[:, np.argsort(np.abs(values))[-2]]
    assert np.linalg.norm(found.weights @ slowest) == pytest.approx(found.mixing_rate)
    apart = np.random.default_rng(0).standard_normal((10, 50))
    apart -= apart.mean(axis=0)
    shrunk = np.linalg.norm(found.weights @ apart, axis=0) / np.linalg.norm(apart, axis=0)
    assert shrunk.max() <= found.mixing_rate


def test_a_table_of_plain_values_builds_it() -> None:
    table = {"graph": "erdos_renyi", "edge_prob": 0.4, "weights": "laplacian", "seed": 0}
    found = configure.call(mixing.build, 50, table=table, where="[scheme] mixing")
    np.testing.assert_array_equal(found.weights, mixing.build(50, edge_prob=0.4).weights)
    nested = configure.call(mixing.build, 6, table={"graph": {"kind": "grid", "n_rows": 1}}, where="mixing")
    np.testing.assert_array_equal(nested.weights, mixing.build(6, graph="grid", n_rows=1).weights)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"graph": "web"}, "unknown graph 'web': choose one of complete, erdos_renyi"),
        ({"graph": "ring", "edge_prob": 0.4}, "graph 'ring' has no 'edge_prob': it takes nothing"),
        ({"graph": "grid", "degree": 3}, "graph 'grid' has no 'degree': it takes n_rows"),
        ({"graph": {"n_rows": 3}}, "a graph needs 'kind'"),
        ({"graph": "grid", "n_rows": 4}, "n_rows = 4 with 6 workers"),
        ({"graph": "torus", "n_rows": 0}, "n_rows = 0 with 6 workers"),
        ({"graph": "random_regular", "degree": 6}, "degree = 6 with 6 workers: take 1 to 5"),
        ({"graph": "random_regular", "degree": 1}, "100 draws on 6 workers were unconnected, take a larger one"),
        ({"edge_prob": 0.0}, "edge_prob is 0.0: it must be positive"),
        ({"edge_prob": 1e-9}, r"1000 draws on 6 workers were unconnected, take more than log\(W\)/W = 0.3"),
        ({"graph": "ring", "weights": "metropolis", "divisor": 3.0}, "'metropolis' have no divisor"),
        ({"graph": "ring", "divisor": 3.0, "relative_divisor": 1.0}, "give one of them"),
        ({"graph": "ring", "divisor": 2.0}, "I − L/2 does not average: take more than half .* 2"),
        ({"graph": "ring", "divisor": float("nan")}, "does not average"),
        ({"graph": "ring", "laziness": 1.0}, "laziness is 1.0"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(parameters: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why) as refusal:
        mixing.build(6, **parameters)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (np.ones((2, 3)), "give a square matrix"),
        (np.ones((1, 1)), "two or more workers"),
        (np.array([[np.nan, 1.0], [1.0, 0.0]]), "must be finite"),
        (np.array([[0.5, 0.5], [0.5, 0.6]]), "worker 1 sum to 1.1"),
        (np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.2, 0.2, 0.6]]), "to and from worker 0 differ by 0.1"),
    ],
)
def test_what_is_no_mixing_matrix_is_refused(weights: FloatArray, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Mixing(weights)
    with pytest.raises(InputError, match="1 workers: a network needs two or more"):
        mixing.build(1)


def test_an_unconnected_graph_is_refused() -> None:
    graph: nx.Graph[int] = nx.Graph([(0, 1), (2, 3)])
    for weigh in (mixing.laplacian, metropolis):
        with pytest.raises(InputError, match="falls into 2 pieces"):
            weigh(graph)
