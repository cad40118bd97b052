"""Every worker holds every part with the same probability, independently [Charles et al.; BGC in hetero_gc]."""

import numpy as np

from workbench.codes.placement import Placement

SIZES = "any workers and parts, any mean replication"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Draw each pair with probability replication/W; a part may be left with nobody, as the law has it.

    A draw in which nobody holds anything is drawn again.
    """
    holds = np.zeros((n_workers, n_parts), dtype=bool)
    while not holds.any():
        holds = rng.random(holds.shape) < replication / n_workers
    worker, part = np.nonzero(holds)
    return Placement.of_pairs(worker, part, n_workers, n_parts)
