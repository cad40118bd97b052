"""Workers are the edges of a random regular graph whose vertices are groups of parts [Glasgow and Wootters].

Each worker holds the two groups at its ends, so a part is held by as many workers as its vertex has edges.
"""

import networkx as nx
import numpy as np

from workbench.codes.placement import Placement, group_of_part

ATTEMPTS = 100

SIZES = "any workers and parts, any mean replication"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Draw a graph with W edges and about 2W/replication vertices, at most one a part.

    With fewer parts than that every worker still holds two groups, and the load exceeds the replication asked for.
    Degrees differ by at most one where they do not divide. A simple graph is drawn where there is one;
    otherwise several workers hold the same pair, and with a single vertex everyone holds everything.
    """
    n_vertices = max(1, min(n_parts, round(2 * n_workers / replication)))
    vertex_of_part = group_of_part(n_parts, n_vertices)  # (P,)
    ends = _edges(n_workers, n_vertices, rng)  # (W, 2)
    worker, part = np.nonzero((ends[:, :, None] == vertex_of_part).any(axis=1))
    return Placement.of_pairs(worker, part, n_workers, n_parts)


def _edges(n_edges: int, n_vertices: int, rng: np.random.Generator) -> np.ndarray:
    """Return the two ends of every edge of a random graph with near-equal degrees, (n_edges, 2)."""
    degree, rest = divmod(2 * n_edges, n_vertices)
    seed = int(rng.integers(2**32))
    if rest == 0 and degree < n_vertices:
        return np.array(list(nx.random_regular_graph(degree, n_vertices, seed=seed).edges()))
    degrees = [degree + (vertex < rest) for vertex in range(n_vertices)]
    if degrees[0] < n_vertices and nx.is_graphical(degrees):
        try:
            graph = nx.random_degree_sequence_graph(degrees, seed=seed, tries=ATTEMPTS)
            return np.array(list(graph.edges()))
        except nx.NetworkXUnfeasible:
            pass  # unlucky draws: fall through to the multigraph, whose repeats are few
    return np.array(list(nx.configuration_model(degrees, seed=seed).edges()))
