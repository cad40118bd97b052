"""Hadamard designs: parts are rows of a Hadamard matrix of order 4t, held where the row is +1.

With 4t − 1 workers any two of 4t − 1 parts share equally many; with 4t workers there are 8t − 2 parts, complementary
ones sharing nobody and all others t workers. Both attain Welch's bound.
"""

import numpy as np

from workbench.codes.placement import Placement, Size, in_order, place_known, points_as_workers
from workbench.combinatorics.block_designs import hadamard_2_designs, hadamard_3_designs


def sizes(most_workers: int) -> list[Size]:
    """List the 2-designs, their complements and the 3-designs of every order that is known."""
    two = [each for design in hadamard_2_designs(most_workers) for each in (design, design.complement)]
    return in_order(points_as_workers(design) for design in [*two, *hadamard_3_designs(most_workers)])


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Build the design from its matrix.

    Raises
    ------
    InputError : no such design here: the nearest
    """
    takes = (
        "it takes 4t − 1 workers, t ≥ 2, and replication 2t − 1 or 2t, or 4t workers and replication 2t, and a matrix "
        "of order 4t from Sylvester, Paley or products of theirs"
    )
    return place_known("Hadamard design", sizes, n_workers, n_parts, replication, takes=takes)
