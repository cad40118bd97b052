"""Paley expander: worker i holds the groups of parts i + square, over a field of q ≡ 1 modulo 4 elements.

The second eigenvalue is (1 + √q)/2 against the degree (q − 1)/2 [expander codes: Raviv et al., 2018].
"""

from functools import partial

import numpy as np

from workbench.codes.placement import Placement, Size, place_known
from workbench.combinatorics.expanders import paley as adjacency
from workbench.combinatorics.finite_field import prime_powers
from workbench.core.types import IntArray


def sizes(most_workers: int) -> list[Size]:
    """List the prime powers; W contiguous groups share the parts, whatever their number."""
    orders = [q for q in prime_powers(most_workers) if q % 4 == 1]
    return [Size(q, None, (q - 1) // 2, f"Paley graph over GF({q})", partial(_holds, q)) for q in orders]


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Give each worker the groups of its neighbours.

    Raises
    ------
    InputError : no such graph: the nearest
    """
    takes = "it takes a prime power q ≡ 1 modulo 4 of workers and replication (q − 1)/2"
    return place_known("Paley expander", sizes, n_workers, n_parts, replication, takes=takes)


def _holds(order: int) -> IntArray:
    return adjacency(order, (order - 1) // 2).toarray().astype(np.int64)
