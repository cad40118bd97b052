"""Random expander: worker i holds the groups of parts of its neighbours in a random regular graph with a wide gap."""

import numpy as np

from workbench.codes.placement import Placement, check_replication, group_of_part
from workbench.combinatorics.expanders import random_regular as adjacency

SIZES = "any parts; replication 3 to W − 1, workers × replication even"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Draw a graph on the workers, nearly Ramanujan where found; W contiguous groups share the parts.

    Raises
    ------
    InputError : no such graph exists, or none with a spectral gap
    """
    check_replication(n_workers, replication)
    graph = adjacency(n_workers, replication, rng=rng)[:, group_of_part(n_parts, n_workers)]
    worker, part = graph.nonzero()
    return Placement.of_pairs(worker, part, n_workers, n_parts)
