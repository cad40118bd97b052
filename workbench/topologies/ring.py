"""Ring: everyone talks to two."""

import networkx as nx
import numpy as np


def graph(n_workers: int, *, rng: np.random.Generator | None = None) -> "nx.Graph[int]":
    """Join worker i with worker i + 1 modulo W; nothing is drawn."""
    ring: nx.Graph[int] = nx.cycle_graph(n_workers)
    return ring
