"""Nearly pair-wise balanced: equal replication, even loads, pairs of parts overlapping as evenly as found.

Exact pair-wise balance, |S_j ∩ S_k| = d_j d_k/W for all pairs, is impossible for more than W − 1 parts with
0 < d < W, and for any two on workers whose loads differ by at most one, so [onebit_gc] itself draws at random; here the
search starts from a block design where one has these sizes, and keeps the overlaps even on purpose.
`Placement.balance` says how far from balance the outcome is, and how far any placement has to be.
"""

import numpy as np

from workbench.codes.placement import Placement, check_replication
from workbench.combinatorics.block_designs import two_designs
from workbench.combinatorics.even_overlaps import deviation_sq, even_out, level
from workbench.core.types import IntArray

MOST_SEARCHED = 1000  # workers or parts, beyond which the search would take longer than it is worth

SIZES = "any workers and parts, any replication"


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator) -> Placement:
    """Take the best of a greedy placement and the designs of this size, and even out its overlaps.

    Raises
    ------
    InputError : the replication is not in 1..W
    """
    check_replication(n_workers, replication)
    holds = _greedy(n_workers, n_parts, replication, rng)
    if max(n_workers, n_parts) <= MOST_SEARCHED:
        fitting = [
            design
            for design in two_designs(n_workers)
            if (design.n_points, design.block_size) == (n_workers, replication)
        ]
        starts = [holds, *(level(_copied(design.incidence(), n_parts, rng)) for design in fitting)]
        holds = even_out(min(starts, key=deviation_sq), rng=rng)
    worker, part = np.nonzero(holds)
    return Placement.of_pairs(worker, part, n_workers, n_parts)


def _greedy(n_workers: int, n_parts: int, replication: int, rng: np.random.Generator) -> IntArray:
    """Give each part to `replication` workers: least loaded first, then least overlap, then at random, (W, P)."""
    if replication == n_workers:
        return np.ones((n_workers, n_parts), np.int64)
    holds = np.zeros((n_workers, n_parts), np.int64)
    shared = np.zeros((n_workers, n_workers))  # parts held by both workers of a pair; the load on the diagonal
    for part in rng.permutation(n_parts):
        chosen = np.zeros(n_workers, dtype=bool)
        # With worker i the sum of squared overlaps grows by 2 overlap + 1 for each part that i holds.
        cost = np.zeros(n_workers)  # but for the load, which is compared first
        for _ in range(replication):
            worker = np.lexsort((rng.random(n_workers), cost, shared.diagonal(), chosen))[0]
            chosen[worker] = True
            cost += 2 * shared[:, worker]
        shared[np.ix_(chosen, chosen)] += 1
        holds[chosen, part] = 1
    return holds


def _copied(incidence: IntArray, n_parts: int, rng: np.random.Generator) -> IntArray:
    """Return as many copies of all blocks as fit, and further blocks that keep the loads even, (W, P)."""
    n_points, n_blocks = incidence.shape
    copies, n_further = divmod(n_parts, n_blocks)
    left = rng.permutation(n_blocks)
    further: list[int] = []
    load = np.zeros(n_points, np.int64)
    for _ in range(n_further):
        choice = int(np.argmin(load @ incidence[:, left]))
        further.append(int(left[choice]))
        load += incidence[:, further[-1]]
        left = np.delete(left, choice)
    return incidence[:, np.concatenate([np.tile(np.arange(n_blocks), copies), further]).astype(np.int64)]
