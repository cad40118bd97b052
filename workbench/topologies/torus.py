"""Torus: a rectangular grid whose opposite sides are joined, so that nobody is at its border."""

import networkx as nx
import numpy as np

from workbench.topologies.grid import lattice


def graph(n_workers: int, *, n_rows: int | None = None, rng: np.random.Generator | None = None) -> "nx.Graph[int]":
    """Lay the workers out row after row and join the sides; nothing is drawn.

    Parameters
    ----------
    n_rows : by default the largest divisor of W up to √W, which is 1, a ring, for a prime

    Raises
    ------
    InputError : rows that do not divide the workers
    """
    return lattice(n_workers, n_rows, wraps=True)
