"""Rectangular grid: everyone talks to those above, below and beside."""

import networkx as nx
import numpy as np

from workbench.core.errors import InputError


def graph(n_workers: int, *, n_rows: int | None = None, rng: np.random.Generator | None = None) -> "nx.Graph[int]":
    """Lay the workers out row after row; nothing is drawn.

    Parameters
    ----------
    n_rows : by default the largest divisor of W up to √W, which is 1, a path, for a prime

    Raises
    ------
    InputError : rows that do not divide the workers
    """
    return lattice(n_workers, n_rows, wraps=False)


def lattice(n_workers: int, n_rows: int | None, *, wraps: bool) -> "nx.Graph[int]":
    """Lay the workers out row after row; where it wraps, the last row and column are beside the first."""
    divisors = [rows for rows in range(1, n_workers + 1) if n_workers % rows == 0]
    rows = max(each for each in divisors if each**2 <= n_workers) if n_rows is None else n_rows
    if rows not in divisors:
        raise InputError(f"n_rows = {rows} with {n_workers} workers: take one of {divisors}")
    return nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, n_workers // rows, periodic=wraps))
