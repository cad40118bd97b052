"""Uniformly random: part j on exactly d_j workers, all sets of that size equally likely, parts independent.

The expected overlap of two parts is d_j d_k/W: pair-wise balance on average [onebit_gc, section V].
"""

import numpy as np

from workbench.codes.placement import Placement
from workbench.core.errors import InputError
from workbench.core.types import IntArray

SIZES = "any workers and parts, any replication"


def place(n_workers: int, n_parts: int, replication: int | IntArray, *, rng: np.random.Generator) -> Placement:
    """Draw the workers of each part without replacement.

    Parameters
    ----------
    replication : the same for all parts, or for each of them, (P,)

    Raises
    ------
    InputError : a replication is not in 1..W
    """
    copies = np.asarray(replication)
    if copies.shape not in ((), (n_parts,)):
        raise InputError(f"replication of shape {copies.shape} for {n_parts} parts: give one number, or one for each")
    copies = np.broadcast_to(copies, n_parts)  # (P,)
    wrong = np.flatnonzero((copies < 1) | (copies > n_workers))
    if wrong.size:
        part = wrong[0]
        raise InputError(f"part {part}: replication {copies[part]} with {n_workers} workers: take 1 to {n_workers}")
    order = rng.random((n_parts, n_workers)).argsort(axis=1)  # (P, W)
    part_of_copy, copy = np.nonzero(np.arange(n_workers) < copies[:, None])
    return Placement.of_pairs(order[part_of_copy, copy], part_of_copy, n_workers, n_parts)
