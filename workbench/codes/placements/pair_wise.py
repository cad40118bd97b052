"""Approximately pair-wise balanced: equal replication, even loads, pairs of parts overlapping as evenly as found.

Exact pair-wise balance, |S_j ∩ S_k| = d_j d_k/W for all pairs, is impossible for more than W − 1 parts with
0 < d < W, so [onebit_gc] itself draws at random; here each choice keeps the overlaps low on purpose.
`Placement.balance` says how far from balance the outcome is.
"""

import numpy as np
from scipy import sparse

from workbench.codes.placement import Placement


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Give each part to `replication` workers: least loaded first, then least overlap, then at random."""
    copies = min(replication, n_workers)
    worker_of_copy = np.empty((n_parts, copies), np.int64)
    shared = np.zeros((n_workers, n_workers))  # parts held by both workers of a pair; the load on the diagonal
    for part in rng.permutation(n_parts):
        chosen = np.zeros(n_workers, dtype=bool)
        for copy in range(copies):
            # With worker i the sum of squared overlaps grows by 2 overlap + 1 for each part that i holds.
            cost = 2 * shared[:, chosen].sum(axis=1)  # (W,), but for the load, which is compared first
            order = np.lexsort((rng.random(n_workers), cost, shared.diagonal(), chosen))
            worker_of_copy[part, copy] = order[0]
            chosen[order[0]] = True
        shared[np.ix_(chosen, chosen)] += 1
    part_of_copy = np.repeat(np.arange(n_parts), copies)
    entries = np.ones(part_of_copy.size), (worker_of_copy.ravel(), part_of_copy)
    return Placement(sparse.csr_array(entries, shape=(n_workers, n_parts)))
