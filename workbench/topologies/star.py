"""Star: worker 0 talks to everyone, the others to worker 0 alone."""

import networkx as nx
import numpy as np


def graph(n_workers: int, *, rng: np.random.Generator | None = None) -> "nx.Graph[int]":
    """Join worker 0 with all others; nothing is drawn."""
    star: nx.Graph[int] = nx.star_graph(n_workers - 1)
    return star
