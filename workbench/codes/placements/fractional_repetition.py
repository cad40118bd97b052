"""Fractional repetition: groups of workers that hold the same parts, disjoint between groups [Tandon et al.]."""

import numpy as np

from workbench.codes.placement import Placement, group_of_part

SIZES = "any workers and parts, any replication"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Form ⌊W/replication⌋ groups, at most one a part; where sizes do not divide they differ by one."""
    n_groups = max(1, min(n_workers // replication, n_parts))
    group_of_worker = np.arange(n_workers) * n_groups // n_workers  # (W,)
    worker, part = np.nonzero(group_of_worker[:, None] == group_of_part(n_parts, n_groups))
    return Placement.of_pairs(worker, part, n_workers, n_parts)
