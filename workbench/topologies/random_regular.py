"""Random regular graph: everyone talks to the same number of others, drawn at random."""

import networkx as nx
import numpy as np

from workbench.core.errors import InputError

ATTEMPTS = 100


def graph(n_workers: int, *, degree: int = 4, rng: np.random.Generator) -> "nx.Graph[int]":
    """Draw a graph in which everyone has `degree` neighbours, redrawn until it is connected.

    Raises
    ------
    InputError : a degree that no graph has, or only unconnected ones
    """
    if not 1 <= degree < n_workers or degree * n_workers % 2:
        raise InputError(
            f"degree = {degree} with {n_workers} workers: take 1 to {n_workers - 1}, with an even product of the two"
        )
    for _ in range(ATTEMPTS):
        drawn = nx.random_regular_graph(degree, n_workers, seed=int(rng.integers(2**32)))
        if nx.is_connected(drawn):
            return nx.convert_node_labels_to_integers(drawn, ordering="sorted")
    raise InputError(f"degree = {degree}: {ATTEMPTS} draws on {n_workers} workers were unconnected, take a larger one")
