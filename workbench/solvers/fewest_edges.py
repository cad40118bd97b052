"""The optimal code structure with the fewest nonzeros [hetero_gc, section V-C, eq. 34].

The weights (1 − p_i) a_ij of an optimal code are the edges between W' busy workers and P parts: row sums y_i > 0
(`row_masses`), column sums 1.  A connected subgraph with k workers and m parts has mass Σ y_i = m and at least
k + m − 1 edges, so r subgraphs have at least W' + P − r.  Conversely, a set of workers of whole mass m, laid end
to end on [0, m] as in eq. 22, needs no more than k + m − 1.  Fewest edges are most groups of whole mass.

Masses are known to rounding only, so one within WHOLE of a whole number, relatively, counts as whole, and what is
proved is proved to this tolerance.  Groups are scaled to their whole mass, which moves every y_i by a relative WHOLE
at most: that costs WHOLE² of the error.
"""

from dataclasses import dataclass
from math import comb, prod
from typing import Literal

import numpy as np
from scipy import optimize, sparse

from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.solvers.optimal_structure import row_masses

WHOLE = 2.0**-44  # relative distance from a whole number: 256 roundings
TABLE = 2**20  # patterns that are looked at one by one
HALVES = 2**22  # half patterns that are matched with each other
PATTERNS = 2048  # smallest groups that the packing chooses from
MIP_NODES = 50  # not seconds: the answer must not depend on the machine's load

Method = Literal["exchange", "all groups", "small groups"]


@dataclass(frozen=True)
class Decomposition:
    """How many groups of whole mass the busy workers fall into, and how many it could be at most.

    nonzeros : W' + P − n_groups
    upper_bound : no partition has more groups
    method : whole masses and complementary pairs alone (`exchange`), or beyond them a packing of all groups or
        of those up to some size, the others bounded by their size
    """

    n_groups: int
    upper_bound: int
    nonzeros: int
    method: Method

    @property
    def is_proved(self) -> bool:
        """Whether no code of the same error has fewer nonzeros."""
        return self.n_groups == self.upper_bound


def solve_fewest_edges(
    straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int
) -> tuple[sparse.csr_array, Decomposition]:
    """Return optimal weights a (W, P) with the fewest nonzeros that were found, and what is known of fewer.

    Workers of whole mass form groups of their own, and so do pairs whose masses add up to a whole: taking such a
    group out of one or two others leaves one of whole mass, so that no partition into more is lost. In all other
    groups are three or more. Among them workers that agree up to whole numbers are of one class, a group is a
    pattern of numbers of each class, and HiGHS packs the smallest patterns; if it comes to its limit of nodes with
    less, the smallest that still fits is taken again and again.

    Raises
    ------
    InputError : as `row_masses`
    """
    masses = row_masses(straggle_prob, variance_factor, n_parts)  # (W,)
    busy = np.flatnonzero(masses)
    by_mass = busy[np.argsort(masses[busy], kind="stable")]
    rider = masses[by_mass] <= WHOLE / masses.size  # all of them together change no group's mass
    riders, rest = by_mass[rider], by_mass[~rider]
    groups, rest = _whole_and_pairs(masses, rest)
    bound: int = len(groups)
    method: Method = "exchange"
    if rest.size:
        found, more, method = _pack(masses, rest)
        groups, bound = groups + found, bound + more
    groups = _verified(masses, groups)
    groups[-1] = np.concatenate([riders, groups[-1]])
    weights = _end_to_end(masses, groups, n_parts)
    n_groups = busy.size + n_parts - weights.nnz
    scale = sparse.diags_array(1 / (1 - np.asarray(straggle_prob, float)))
    a = sparse.csr_array(scale @ weights)
    a.sort_indices()
    return a, Decomposition(n_groups, min(bound, n_parts), a.nnz, method)


def _whole(mass: FloatArray) -> BoolArray:
    """Whether each mass, which is not 0, is a whole number to rounding."""
    return np.asarray(np.abs(mass - np.rint(mass)) <= WHOLE * mass)


def _classes(masses: FloatArray, workers: IntArray) -> tuple[list[IntArray], FloatArray, FloatArray]:
    """Return the workers of each class, its fraction in (0, 1) and its mean mass, shape (C,) each, by fraction."""
    fraction = masses[workers] % 1.0  # (n,)
    order = np.argsort(fraction, kind="stable")
    workers, fraction = workers[order], fraction[order]
    smaller = np.minimum(masses[workers[1:]], masses[workers[:-1]])  # what its own rounding cannot explain is unlike
    starts = np.flatnonzero(np.diff(fraction) > WHOLE * smaller) + 1
    members = np.split(workers, starts)
    size = np.array([each.size for each in members])
    first = np.concatenate([[0], starts])
    return members, np.add.reduceat(fraction, first) / size, np.add.reduceat(masses[workers], first) / size


def _whole_and_pairs(masses: FloatArray, workers: IntArray) -> tuple[list[IntArray], IntArray]:
    """Take out workers of whole mass and pairs that add up to one; return the groups and the other workers."""
    alone = _whole(masses[workers])
    groups = list(workers[alone][:, None])
    workers = workers[~alone]
    if workers.size == 0:
        return groups, workers
    members, fraction, mean = _classes(masses, workers)
    complement = np.searchsorted(fraction, 1 - fraction)
    for c in np.flatnonzero(fraction <= 0.5 + WHOLE):
        near = [d for d in (complement[c] - 1, complement[c]) if c <= d < fraction.size]
        for d in near:
            if abs(fraction[c] + fraction[d] - 1) <= WHOLE * (mean[c] + mean[d]):
                n_pairs = members[c].size // 2 if c == d else min(members[c].size, members[d].size)
                first, members[c] = np.split(members[c], [n_pairs])
                second, members[d] = np.split(members[d], [n_pairs])
                groups += list(np.stack([first, second], axis=1))
    return groups, np.concatenate(members)


def _pack(masses: FloatArray, workers: IntArray) -> tuple[list[IntArray], int, Method]:
    """Partition workers of whole total into groups of whole mass; return them, the most possible, and the method.

    Patterns of more than `complete` workers may be unknown, but there are v such groups only if
    (complete + 1) v workers are left for them, and what no pattern covers is one group more.
    """
    members, fraction, mean = _classes(masses, workers)
    count = np.array([each.size for each in members])  # (C,)
    patterns, complete = _patterns(fraction, mean, count)
    size = patterns.sum(axis=1)  # (K,)
    is_complete = complete >= workers.size
    most = workers.size // size.min() if size.size else workers.size
    large = 0 if is_complete else min(workers.size // (complete + 1), round(float(masses[workers].sum())))
    packing = optimize.milp(
        -np.ones(size.size + 1),
        integrality=np.ones(size.size + 1),
        bounds=optimize.Bounds(0, np.append(np.full(size.size, most), large)),
        constraints=[
            optimize.LinearConstraint(sparse.csr_array(np.column_stack([patterns.T, 0 * count])), ub=count),
            optimize.LinearConstraint(np.append(size, complete + 1.0)[None, :], ub=workers.size),
        ],
        options={"node_limit": MIP_NODES, "mip_rel_gap": 0.0},
    )
    chosen = _greedy(patterns, count)
    if packing.x is not None and packing.x[:-1].sum() > chosen.sum() + 0.5:
        chosen = np.rint(packing.x[:-1]).astype(np.int64)  # (K,)
    bound = workers.size // 3 if packing.mip_dual_bound is None else int(np.floor(-packing.mip_dual_bound + 1e-6))
    groups = []
    for pattern in np.repeat(patterns, chosen, axis=0):
        taken = [np.split(each, [n]) for each, n in zip(members, pattern, strict=True)]
        groups.append(np.concatenate([head for head, _ in taken]))
        members = [tail for _, tail in taken]
    left = np.sort(np.concatenate(members))
    groups += np.split(left, np.flatnonzero(_whole(np.cumsum(masses[left])))[:-1] + 1) if left.size else []
    return groups, max(bound, len(groups)), "all groups" if is_complete else "small groups"


def _greedy(patterns: IntArray, count: IntArray) -> IntArray:
    """Return how often each pattern is taken, shape (K,), if the first that still fits is always next."""
    left, chosen = count.copy(), np.zeros(len(patterns), np.int64)
    for k, pattern in enumerate(patterns):
        chosen[k] = np.min(left[pattern > 0] // pattern[pattern > 0])
        left -= chosen[k] * pattern
    return chosen


def _patterns(fraction: FloatArray, mean: FloatArray, count: IntArray) -> tuple[IntArray, int]:
    """Return least patterns of whole mass, shape (K, C), and up to how many workers there are no others."""
    n_workers = int(count.sum())
    if prod(int(n) + 1 for n in count) <= TABLE:
        return _smallest(_table(fraction, mean, count), n_workers)
    found, complete = np.zeros((0, count.size), np.int64), 2
    half = 2
    while complete < n_workers and comb(count.size + half, half) <= HALVES:
        matched, is_all = _matched(fraction, mean, count, half)
        if is_all or len(found) == 0:
            found = matched
        if not is_all:
            break
        complete = min(2 * half, n_workers)
        half += max(1, half // 2)
    return _smallest(found, complete)


def _table(fraction: FloatArray, mean: FloatArray, count: IntArray) -> IntArray:
    """Return all patterns of whole mass that contain no other, from the table of all patterns, (K, C)."""
    shape = tuple(int(n) + 1 for n in count)
    grids = np.ix_(*(np.arange(n) for n in shape))
    rest = sum(grid * f for grid, f in zip(grids, fraction, strict=True))
    weight = sum(grid * m for grid, m in zip(grids, mean, strict=True))
    whole = np.abs(rest - np.rint(rest)) <= WHOLE * weight
    whole.flat[0] = False
    contains = whole  # whole itself, or above one that is
    for axis in range(count.size):
        contains = np.logical_or.accumulate(contains, axis=axis)
    above = np.zeros(shape, bool)  # strictly
    for axis in range(count.size):
        later, earlier = [slice(None)] * count.size, [slice(None)] * count.size
        later[axis], earlier[axis] = slice(1, None), slice(None, -1)
        above[tuple(later)] |= contains[tuple(earlier)]
    return np.argwhere(whole & ~above)


def _matched(fraction: FloatArray, mean: FloatArray, count: IntArray, half: int) -> tuple[IntArray, bool]:
    """Return patterns of whole mass of up to 2 `half` workers, matched from halves, and whether these are all.

    A half is a multiset of `half` classes, the one numbered C standing for none.  Where there are too many
    matches, every n-th is kept.
    """
    n_classes = count.size
    fraction, mean = np.append(fraction, 0.0), np.append(mean, 0.0)
    halves = np.arange(n_classes + 1)[:, None]  # (N, 1), then (N, half): the classes of a half ascend
    for _ in range(half - 1):
        choices = n_classes + 1 - halves[:, -1]
        offset = np.arange(choices.sum()) - np.repeat(np.cumsum(choices) - choices, choices)
        halves = np.repeat(halves, choices, axis=0)
        halves = np.column_stack([halves, halves[:, -1] + offset])
    total = fraction[halves].sum(axis=1) % 1.0  # (N,)
    order = np.argsort(total, kind="stable")
    total, halves = total[order], halves[order]
    slack = WHOLE * 2 * half * mean.max()
    low = np.searchsorted(total, 1 - total - slack)
    pairs = np.searchsorted(total, 1 - total + slack, side="right") - low  # (N,)
    rows, all_rows = _thinned(np.arange(total.size), int(pairs.sum()), HALVES // 8)
    low, pairs = low[rows], pairs[rows]
    left = np.repeat(rows, pairs)  # (pairs,)
    right = np.repeat(low, pairs) + np.arange(left.size) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    both = np.concatenate([halves[left], halves[right]], axis=1)  # (pairs, 2 half)
    rest, weight = fraction[both].sum(axis=1), mean[both].sum(axis=1)  # (pairs,) each
    whole = (np.abs(rest - np.rint(rest)) <= WHOLE * weight) & (weight > 0)
    both = np.unique(np.sort(both[whole], axis=1), axis=0)
    both, all_found = _thinned(both, len(both), 8 * HALVES // (n_classes + 1))
    cell = np.arange(len(both))[:, None] * (n_classes + 1) + both
    pattern = np.bincount(cell.ravel(), minlength=len(both) * (n_classes + 1)).reshape(len(both), n_classes + 1)
    pattern = pattern[:, :-1]  # (K, C)
    return pattern[np.all(pattern <= count, axis=1)], all_rows and all_found


def _thinned(rows: IntArray, weight: int, most: int) -> tuple[IntArray, bool]:
    """Return every n-th row so that about `most` of the weight is left, and whether these are all."""
    step = max(1, -(-weight // most))
    return rows[::step], step == 1


def _smallest(patterns: IntArray, complete: int) -> tuple[IntArray, int]:
    """Return at most PATTERNS of them, the smallest, none containing another; complete to how many workers."""
    size = patterns.sum(axis=1)
    order = np.argsort(size, kind="stable")
    if order.size > PATTERNS:
        complete = int(size[order[PATTERNS]]) - 1
        order = order[:PATTERNS]
    least: IntArray = patterns[order]  # (K, C)
    kept = np.ones(len(least), bool)
    for k, pattern in enumerate(least):
        if kept[k]:
            kept[k + 1 :] &= ~np.all(least[k + 1 :] >= pattern, axis=1)
    return least[kept], complete


def _verified(masses: FloatArray, groups: list[IntArray]) -> list[IntArray]:
    """Sum every group's masses once more; those that are not whole, and as many others, make one group that is."""
    good = [bool(_whole(masses[group].sum())) for group in groups]
    wrong = [group for group, is_good in zip(groups, good, strict=True) if not is_good]
    right = [group for group, is_good in zip(groups, good, strict=True) if is_good]
    right.sort(key=lambda group: float(masses[group].sum()))
    while wrong and right and not _whole(masses[np.concatenate(wrong)].sum()):
        wrong.append(right.pop())  # the heaviest, whose rounding may be what is missing
    return right + ([np.concatenate(wrong)] if wrong else [])


def _end_to_end(masses: FloatArray, groups: list[IntArray], n_parts: int) -> sparse.csr_array:
    """Lay each group's masses end to end on its parts, least mass first, and return them as (W, P).

    Ascending ends are each as accurate as their last mass, so that no worker is too light to be placed.
    """
    workers, parts, lengths = [], [], []
    first = 0  # part of the group
    for group in groups:
        worker = group[np.argsort(masses[group], kind="stable")]
        ends = np.cumsum(masses[worker])
        size = round(float(ends[-1]))
        ends *= size / ends[-1]
        border = np.rint(ends)
        ends = np.where(np.abs(ends - border) <= WHOLE * border, border, ends)
        cuts = np.union1d(ends, np.arange(1.0, size + 1))  # (nnz of the group,)
        workers.append(worker[np.searchsorted(ends, cuts)])
        parts.append(first + np.ceil(cuts).astype(np.int64) - 1)
        lengths.append(np.diff(cuts, prepend=0.0))
        first += size
    place = (np.concatenate(workers), np.concatenate(parts))
    return sparse.csr_array((np.concatenate(lengths), place), shape=(masses.size, n_parts))
