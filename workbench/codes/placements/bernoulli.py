"""Every worker holds every part with the same probability, independently [Charles et al.; BGC in hetero_gc]."""

import numpy as np
from scipy import sparse

from workbench.codes.code import Placement


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Draw each pair with probability replication/W; a part may be left with nobody, as the law has it."""
    worker, part = np.nonzero(rng.random((n_workers, n_parts)) < replication / n_workers)
    return Placement(sparse.csr_array((np.ones(worker.size), (worker, part)), shape=(n_workers, n_parts)))
