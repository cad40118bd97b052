"""Quadratic residues: part j is held by the workers j + square, over a field of q ≡ 3 modulo 4 elements [Paley, 1933].

Any two parts share (q − 3)/4 workers, which attains Welch's bound.
"""

import numpy as np

from workbench.codes.placement import Placement, Size, in_order, place_known, points_as_workers
from workbench.combinatorics.block_designs import quadratic_residues


def sizes(most_workers: int) -> list[Size]:
    """List the fields, and for each the nonzero squares and their complement."""
    return in_order(
        points_as_workers(each) for design in quadratic_residues(most_workers) for each in (design, design.complement)
    )


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Translate the nonzero squares, or the other elements, once for each part.

    Raises
    ------
    InputError : no such field: the nearest
    """
    takes = "it takes a prime power q ≡ 3 modulo 4, q ≥ 7, of workers and replication (q − 1)/2 or (q + 1)/2"
    return place_known("quadratic-residue placement", sizes, n_workers, n_parts, replication, takes=takes)
