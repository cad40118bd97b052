"""Margulis-Gabber-Galil expander: worker i holds the groups of parts of its neighbours on a square torus.

The degree is 8 with loops counted twice and parallel edges each; a group that is there several times is held once, so
that a part is held by at most 8 workers [expander codes: Raviv et al., 2018].
"""

from functools import partial

import numpy as np

from workbench.codes.placement import Placement, Size, place_known
from workbench.combinatorics.expanders import MARGULIS_DEGREE
from workbench.combinatorics.expanders import margulis as adjacency
from workbench.core.types import IntArray


def sizes(most_workers: int) -> list[Size]:
    """List the squares from 9 on; W contiguous groups share the parts, whatever their number."""
    return [
        Size(side**2, None, MARGULIS_DEGREE, f"torus of side {side}, at most {MARGULIS_DEGREE}", partial(_holds, side))
        for side in range(3, int(most_workers**0.5) + 1)
    ]


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Give each worker the groups of its neighbours.

    Raises
    ------
    InputError : no such graph: the nearest
    """
    takes = f"it takes a square number of workers from 9 on and replication {MARGULIS_DEGREE}"
    return place_known("Margulis expander", sizes, n_workers, n_parts, replication, takes=takes)


def _holds(side: int) -> IntArray:
    return (adjacency(side**2, MARGULIS_DEGREE).toarray() > 0).astype(np.int64)
