"""Cyclic: every worker holds consecutive groups of parts, one further than its neighbour [Tandon et al., 2017]."""

import numpy as np

from workbench.codes.placement import Placement, check_replication, group_of_part

SIZES = "any workers and parts, any replication"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Give worker i the groups i, i + 1, ..., i + replication − 1 modulo W, where W contiguous groups share the parts.

    Raises
    ------
    InputError : the replication is not in 1..W
    """
    check_replication(n_workers, replication)
    part = np.repeat(np.arange(n_parts), replication)
    behind = np.tile(np.arange(replication), n_parts)
    worker = (np.repeat(group_of_part(n_parts, n_workers), replication) - behind) % n_workers
    return Placement.of_pairs(worker, part, n_workers, n_parts)
