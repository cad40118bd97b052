"""Complete graph: everyone talks to everyone."""

import networkx as nx
import numpy as np


def graph(n_workers: int, *, rng: np.random.Generator | None = None) -> "nx.Graph[int]":
    """Join every two workers; nothing is drawn."""
    complete: nx.Graph[int] = nx.complete_graph(n_workers)
    return complete
