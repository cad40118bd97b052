"""Every part on exactly one worker, contiguous and as even as can be."""

import numpy as np

from workbench.codes.placement import Placement, group_of_part
from workbench.core.errors import InputError

SIZES = "any workers and parts, replication 1"


def place(n_workers: int, n_parts: int, replication: int = 1, *, rng: np.random.Generator | None = None) -> Placement:
    """Give part j to worker ⌊jW/P⌋; with more workers than parts, some hold nothing."""
    if replication != 1:
        raise InputError(f"replication {replication}: a disjoint placement holds every part once")
    return Placement.of_pairs(group_of_part(n_parts, n_workers), np.arange(n_parts), n_workers, n_parts)
