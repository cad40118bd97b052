"""Erdős–Rényi graph: every two workers are joined with one probability [quantimed, section 5]."""

import networkx as nx
import numpy as np

from workbench.core.errors import InputError

ATTEMPTS = 1000


def graph(n_workers: int, *, edge_prob: float = 0.4, rng: np.random.Generator) -> "nx.Graph[int]":
    """Join every two workers independently with probability `edge_prob`, redrawn until the graph is connected.

    So the law is the one given that the graph is connected; with 0.4 and 50 workers hardly a draw is lost.

    Raises
    ------
    InputError : no probability, or one so small that no draw was connected
    """
    if not 0 < edge_prob <= 1:
        raise InputError(f"edge_prob is {edge_prob}: it must be positive and at most 1")
    for _ in range(ATTEMPTS):
        drawn: nx.Graph[int] = nx.gnp_random_graph(n_workers, edge_prob, seed=int(rng.integers(2**32)))
        if nx.is_connected(drawn):
            return drawn
    likely = np.log(n_workers) / n_workers
    raise InputError(
        f"edge_prob = {edge_prob}: {ATTEMPTS} draws on {n_workers} workers were unconnected, "
        f"take more than log(W)/W = {likely:.2g}"
    )
