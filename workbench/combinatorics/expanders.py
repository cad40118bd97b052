"""Regular graphs with a large spectral gap, as adjacency matrices with multiplicities.

Each family is a function (n_vertices, degree, *, rng) -> symmetric matrix whose rows add up to `degree`, loops counted
twice. The smaller the second eigenvalue, the more evenly the graph spreads [Hoory, Linial, Wigderson, 2006].
"""

import networkx as nx
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh

from workbench.combinatorics.finite_field import finite_field, prime_power
from workbench.core.errors import InputError
from workbench.core.types import IntArray

DENSE = 300  # vertices up to which all eigenvalues are computed
ATTEMPTS = 20
NEAR_RAMANUJAN = 1.05  # times 2√(degree − 1), where no family of graphs can stay below the factor 1
MARGULIS_DEGREE = 8


def paley(n_vertices: int, degree: int, *, rng: np.random.Generator | None = None) -> sparse.csr_array:
    r"""Join the elements of GF(q) whose difference is a square; the other eigenvalues are :math:`(-1 \pm \sqrt q)/2`.

    Raises
    ------
    InputError : q is no prime power ≡ 1 modulo 4, or the degree is not (q − 1)/2
    """
    if n_vertices % 4 != 1 or prime_power(n_vertices) is None:
        raise InputError(f"no Paley graph with {n_vertices} vertices: take a prime power of the form 4k + 1")
    if degree != (n_vertices - 1) // 2:
        raise InputError(f"the Paley graph with {n_vertices} vertices has degree {(n_vertices - 1) // 2}, not {degree}")
    field = finite_field(n_vertices)
    vertices = np.arange(n_vertices)
    neighbours = field.add(vertices[:, None], field.cosets(2)[0])  # (n_vertices, degree)
    ends = np.repeat(vertices, degree), neighbours.ravel()
    return sparse.csr_array((np.ones(neighbours.size), ends), shape=(n_vertices, n_vertices))


def margulis(n_vertices: int, degree: int, *, rng: np.random.Generator | None = None) -> sparse.csr_array:
    """Build the graph of Margulis, Gabber and Galil on a square torus; its second eigenvalue is at most 5√2 < 8.

    Raises
    ------
    InputError : the number of vertices is no square, or the degree is not 8
    """
    side = round(n_vertices**0.5)
    if side**2 != n_vertices:
        raise InputError(
            f"no Margulis-Gabber-Galil graph with {n_vertices} vertices: take a square, {max(side, 1) ** 2} is near"
        )
    if degree != MARGULIS_DEGREE:
        raise InputError(f"a Margulis-Gabber-Galil graph has degree {MARGULIS_DEGREE}, not {degree}")
    graph = nx.margulis_gabber_galil_graph(side)
    ends = np.array(list(graph.edges())) @ [side, 1]  # (edges, 2)
    return _of_edges(ends, n_vertices)


def random_regular(n_vertices: int, degree: int, *, rng: np.random.Generator) -> sparse.csr_array:
    """Draw simple regular graphs until one is nearly Ramanujan; of many that are not, the best.

    Above half the vertices it is what a random graph of the other degree leaves out, as that is quicker to draw.

    Raises
    ------
    InputError : no such graph exists, or none with a spectral gap was found
    """
    if not 1 <= degree < n_vertices or n_vertices * degree % 2:
        raise InputError(
            f"no simple graph with {n_vertices} vertices of degree {degree}: take a degree below the vertices, "
            "their product even"
        )
    left_out = n_vertices - 1 - degree
    if left_out < degree:
        missing = nx.random_regular_graph(left_out, n_vertices, seed=int(rng.integers(2**32)))
        everything = np.ones((n_vertices, n_vertices)) - np.eye(n_vertices)
        return sparse.csr_array(everything - nx.to_numpy_array(missing, nodelist=range(n_vertices)))
    if degree < 3:
        raise InputError(f"graphs of degree {degree} have no lasting spectral gap: take a degree of at least 3")
    best, least = None, float(degree)
    for _ in range(ATTEMPTS):
        graph = nx.random_regular_graph(degree, n_vertices, seed=int(rng.integers(2**32)))
        adjacency = _of_edges(np.array(list(graph.edges())), n_vertices)
        second = second_eigenvalue(adjacency)
        if second < least * (1 - 1e-9):
            best, least = adjacency, second
        if best is not None and least <= NEAR_RAMANUJAN * 2 * np.sqrt(degree - 1):
            break
    if best is None:
        raise InputError(
            f"no graph with {n_vertices} vertices of degree {degree} and a spectral gap in {ATTEMPTS} draws: "
            "take a degree of at least 3"
        )
    return best


def second_eigenvalue(adjacency: sparse.csr_array) -> float:
    """Return the largest absolute value of an eigenvalue other than one copy of the degree; 0 for a single vertex.

    It is the degree itself where the graph falls apart or is bipartite.
    """
    n_vertices = adjacency.shape[0]
    if n_vertices == 1:
        return 0.0
    if n_vertices <= DENSE:
        values = np.linalg.eigvalsh(adjacency.toarray())  # ascending
    else:
        start = np.random.default_rng(0).standard_normal(n_vertices)  # ARPACK's own would differ from call to call
        values = np.sort(eigsh(adjacency, k=4, which="BE", v0=start, return_eigenvectors=False))
    return float(max(values[-2], -values[0]))


def _of_edges(ends: IntArray, n_vertices: int) -> sparse.csr_array:
    """Count every edge (n_edges, 2) from both of its ends, so that a loop counts twice."""
    entries = np.ones(ends.size), (ends.ravel(), ends[:, ::-1].ravel())
    return sparse.csr_array(entries, shape=(n_vertices, n_vertices))
