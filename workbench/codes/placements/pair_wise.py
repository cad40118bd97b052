"""Approximately pair-wise balanced: equal replication, even loads, pairs of parts overlapping as evenly as found.

Exact pair-wise balance, |S_j ∩ S_k| = d_j d_k/W for all pairs, is impossible for more than W − 1 parts with
0 < d < W, so [onebit_gc] itself draws at random; here each choice keeps the overlaps low on purpose.
`Placement.overlap_deviation` says how far from balance the outcome is.
"""

import numpy as np
from scipy import sparse

from workbench.codes.code import Placement


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Give each part to `replication` workers: least loaded first, then least overlap, then at random."""
    copies = min(replication, n_workers)
    holds = np.zeros((n_workers, n_parts))  # (W, P)
    load = np.zeros(n_workers)
    for part in rng.permutation(n_parts):
        overlap = np.zeros(n_parts)  # of this part with each other one
        chosen = np.zeros(n_workers, dtype=bool)
        for _ in range(copies):
            # Adding worker i raises the sum of squared overlaps by 2 overlap + 1 for each part it holds.
            cost = holds @ (2 * overlap + 1)
            order = np.lexsort((rng.random(n_workers), cost, load, chosen))
            worker = order[0]
            overlap += holds[worker]
            chosen[worker] = True
        holds[chosen, part] = 1
        load += chosen
    return Placement(sparse.csr_array(holds))
