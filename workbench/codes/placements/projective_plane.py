"""Projective plane: points are workers and lines are parts, any two parts share exactly one worker.

As every symmetric design it attains Welch's bound on the mean-square deviation of the overlaps.
"""

import numpy as np

from workbench.codes.placement import Placement, Size, in_order, place_known, points_as_workers
from workbench.combinatorics.block_designs import projective_planes


def sizes(most_workers: int) -> list[Size]:
    """List PG(2, q) for every prime power q; the plane is its own dual, so lines as workers are the same sizes."""
    return in_order(points_as_workers(design) for design in projective_planes(most_workers))


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Give each part to the q + 1 points of its line.

    Raises
    ------
    InputError : no such plane: the nearest
    """
    takes = "it takes q² + q + 1 workers, at most as many parts and replication q + 1, q a prime power"
    return place_known("projective plane", sizes, n_workers, n_parts, replication, takes=takes)
