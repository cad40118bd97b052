"""Difference sets: part j is held by the workers j + d, d in a set whose differences are all equally frequent.

Any two parts share equally many workers, which attains Welch's bound. Sets of Singer, of quadratic and biquadratic
residues and of twin prime powers, and the complements of all.
"""

import numpy as np

from workbench.codes.placement import Placement, Size, in_order, place_known, points_as_workers
from workbench.combinatorics.block_designs import difference_sets


def sizes(most_workers: int) -> list[Size]:
    """List the sets, one for each size."""
    return in_order(points_as_workers(design) for design in difference_sets(most_workers))


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Translate the set once for each part.

    Raises
    ------
    InputError : no set of this size in a group of this order: the nearest
    """
    takes = "none of Singer, of residues or of twin prime powers has this size"
    return place_known("difference set", sizes, n_workers, n_parts, replication, takes=takes)
