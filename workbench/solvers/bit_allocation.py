"""Split a bit budget among unequal workers [hetero_gc, (b-SP1)].

Maximise Σ_i u_i(b_i) subject to Σ_i b_i <= B, with b_i in {2..32}, or in {0, 2..32} where workers may idle;
u_i(b) = (1−p_i)/(p_i+ω(b)) and u_i(0) = 0. The paper asks for Σ_i b_i = B: as no u_i decreases, that is the
same until every worker has 32 bits (or, with idle workers, until one odd bit is left over).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.solvers.optimal_structure import utilities

MIN_BITS, MAX_BITS = 2, 32  # sign and one magnitude level; single precision

VarianceOfBits = Callable[[FloatArray], FloatArray]
"""Relative quantizer variance ω of a real-valued number of bits a coordinate >= 2, elementwise."""


@dataclass(frozen=True)
class Allocation:
    """Bits a coordinate of each worker, (W,), and how good that is.

    upper_bound : no allocation has more utility; the optimum itself where an exact method found it
    """

    bits: IntArray
    utility: float
    upper_bound: float
    method: str

    @property
    def gap(self) -> float:
        """How far below the optimum the utility may be, relative to the upper bound."""
        return (self.upper_bound - self.utility) / self.upper_bound


def utility_table(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, bits: FloatArray) -> FloatArray:
    """Return u_i(b) for every worker and every number of bits (M,), shape (W, M).

    u_i(0) = 0 and u_i(1) = −inf: a worker sends nothing, or at least a sign and one magnitude level.

    Raises
    ------
    InputError : a worker that neither straggles nor quantizes, whose utility is infinite
    """
    p, bits = np.asarray(straggle_prob, float), np.asarray(bits, float)
    usable = bits >= MIN_BITS
    variance = np.full(bits.shape, np.inf)  # (M,)
    variance[usable] = variance_of_bits(bits[usable])
    table = utilities(p[:, None], variance[None, :])  # (W, M)
    if not np.all(np.isfinite(table)):
        raise InputError(
            f"worker {int(np.argmin(np.isfinite(table).all(axis=1)))} neither straggles nor quantizes "
            "(p + omega = 0): it needs no other worker; leave the others out or use a coarser quantizer"
        )
    table[:, bits == 1] = -np.inf  # a sign alone is no choice
    return table


def solve_exact(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Maximise the utility exactly by dynamic programming [Bellman equation (25), with b <= 32].

    V_i(r) = max_x V_{i−1}(r − x) + u_i(2 + x), x <= 30, at once for all r that the other workers can meet.
    Time 31·W·R with R = B − 2W; memory at most 60 W² bytes.

    Parameters
    ----------
    straggle_prob : p, shape (W,)
    variance_of_bits : ω as a function of the bits a coordinate, not increasing
    budget : B, bits a coordinate summed over the workers; what exceeds 32 W stays unspent
    allow_idle : let workers send nothing, b_i = 0

    Raises
    ------
    InputError : the budget does not pay the least allocation
    """
    bits, table, room = _set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    # With idle workers one odd bit may be better left: 33 bits are 32 + 0 or 31 + 2, and 1 is no choice.
    chosen = _knapsack(table, room, slack=int(allow_idle))
    utility = float(table[np.arange(chosen.size), chosen].sum())
    return Allocation(bits[chosen], utility, utility, "exact")


def lagrangian_bound(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> float:
    """Return min over λ >= 0 of λB + Σ_i max_b (u_i(b) − λb), which no allocation exceeds.

    The dual is piecewise linear and its minimum is that of the concave envelopes: their segments are bought
    by decreasing slope until the budget is spent, the last one in part.
    """
    bits, table, room = _set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    return _dual(bits, table, room)


def solve_algorithm_1(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int) -> Allocation:
    """Allocate by the paper's low-complexity Algorithm 1 [section III-B2; its printed lines are lost].

    For each set of the m most reliable workers, the others keeping 2 bits: (1) relax and round, (2) spread
    equally, (3) take the better, (4) move one bit at a time, the pair that gains most, while that gains;
    the best m wins. Sets too small to take the whole residual budget (30 m < B − 2W) are left out.

    Parameters, Raises : as `solve_exact`, without idle workers
    """
    p = np.asarray(straggle_prob, float)
    bits, table, room = _set_up(p, variance_of_bits, budget, allow_idle=False)
    order = np.argsort(p, kind="stable")  # (W,) most reliable first
    table = table[order]
    segments = _relaxation_segments(p[order], variance_of_bits)
    workers = np.arange(p.size)
    best, most = np.zeros(p.size, np.int64), -np.inf  # (W,) bits beyond 2, in the order of reliability
    for m in range(max(1, -(-room // (MAX_BITS - MIN_BITS))), p.size + 1):
        starts = [_relaxed(segments, p.size, m, room), _equal(p.size, m, room)]
        start = max(starts, key=lambda extra: float(table[workers, extra].sum()))
        extra = _swap_bits(table, start, m)
        utility = float(table[workers, extra].sum())
        if utility > most:
            best, most = extra, utility
    return _allocation(bits, table, room, best, "algorithm_1", order)


def solve_greedy(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int) -> Allocation:
    """Give one bit at a time to the worker that gains most by it, from 2 bits each.

    Parameters, Raises : as `solve_exact`, without idle workers
    """
    bits, table, room = _set_up(straggle_prob, variance_of_bits, budget, allow_idle=False)
    step = np.diff(table, axis=1, append=-np.inf)  # (W, M) gain of one more bit
    extra = np.zeros(len(table), np.int64)  # (W,)
    gain = step[:, 0].copy()  # (W,)
    for _ in range(room):
        worker = np.argmax(gain)
        extra[worker] += 1
        gain[worker] = step[worker, extra[worker]]
    return _allocation(bits, table, room, extra, "greedy")


def solve_relaxation(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int) -> Allocation:
    """Solve the Lagrangian relaxation over real bits for all workers at once, and round.

    Rounding gives the missing bits to the largest fractions, and among equals to the most reliable.

    Parameters, Raises : as `solve_exact`, without idle workers
    """
    p = np.asarray(straggle_prob, float)
    bits, table, room = _set_up(p, variance_of_bits, budget, allow_idle=False)
    order = np.argsort(p, kind="stable")  # (W,)
    extra = _relaxed(_relaxation_segments(p[order], variance_of_bits), p.size, p.size, room)
    return _allocation(bits, table[order], room, extra, "relaxation", order)


def solve_equal(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int) -> Allocation:
    """Spread the bits equally, differing by at most one; the most reliable workers get the odd ones.

    Parameters, Raises : as `solve_exact`, without idle workers
    """
    p = np.asarray(straggle_prob, float)
    bits, table, room = _set_up(p, variance_of_bits, budget, allow_idle=False)
    order = np.argsort(p, kind="stable")  # (W,)
    extra = _equal(p.size, p.size, room)
    return _allocation(bits, table[order], room, extra, "equal", order)


def _set_up(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, allow_idle: bool
) -> tuple[IntArray, FloatArray, int]:
    """Return the possible bits (M,), their utilities (W, M), and the budget beyond the least allocation."""
    p = np.asarray(straggle_prob, float)
    room = _spendable(p.size, budget, allow_idle) - (0 if allow_idle else MIN_BITS * p.size)
    bits = np.arange(0 if allow_idle else MIN_BITS, MAX_BITS + 1)  # (M,)
    return bits, utility_table(p, variance_of_bits, bits.astype(float)), room


def _allocation(
    bits: IntArray,
    table: FloatArray,
    room: int,
    extra: IntArray,
    method: str,
    order: IntArray | None = None,
) -> Allocation:
    """Pack what a heuristic found, with the dual bound; row i of the table is worker order[i]."""
    utility = float(table[np.arange(extra.size), extra].sum())
    found = np.empty_like(extra)  # (W,)
    found[slice(None) if order is None else order] = bits[extra]
    return Allocation(found, utility, _dual(bits, table, room), method)


def _dual(bits: IntArray, table: FloatArray, room: int) -> float:
    """Return the least Lagrangian dual value: the concave envelopes' best."""
    _, width, slope = _envelope_segments(table, bits.astype(float))  # (segments,) each
    left = room - (np.cumsum(width) - width)  # budget before each segment
    return float(table[:, 0].sum() + np.sum(slope * np.clip(left, 0, width)))


def _spendable(n_workers: int, budget: int, allow_idle: bool) -> int:
    """Return the part of the budget that can be used, or say that it is too small."""
    least = MIN_BITS if allow_idle else MIN_BITS * n_workers
    if n_workers < 1 or budget < least:
        way_out = "raise the budget" if allow_idle else "raise the budget or let workers idle (--allow-idle)"
        raise InputError(
            f"budget {budget} is below the minimum of {least} bits a coordinate for {n_workers} workers: {way_out}"
        )
    return min(budget, MAX_BITS * n_workers)


def _knapsack(gain: FloatArray, budget: int, slack: int) -> IntArray:
    """Choose each worker's cost so that they sum to `budget`, or to `slack` less, with most gain; shape (W,).

    gain : (W, M) for the costs 0..M−1, −inf where a cost is no choice
    """
    n_workers, top = len(gain), gain.shape[1] - 1
    worker = np.arange(n_workers + 1)
    # Only sums that the workers so far can make, and that the workers to come can still fill up.
    low = np.maximum(0, budget - slack - top * (n_workers - worker))  # (W + 1,)
    high = np.minimum(budget, top * worker)  # (W + 1,)
    best = [np.zeros(1)]  # best[i][r - low[i]]: V_i(r)
    for i in range(n_workers):
        reach = np.full(high[i + 1] - low[i + 1] + 1 + top, -np.inf)  # V_i from low[i + 1] - top on
        start = low[i] - (low[i + 1] - top)
        reach[start : start + best[i].size] = best[i]
        before = sliding_window_view(reach, reach.size - top)  # (M, sums): V_i(r - x), x from top to 0
        best.append((before + gain[i, ::-1, None]).max(axis=0))  # eq. 25
    spent = budget - slack + int(np.argmax(best[-1][budget - slack - low[-1] :]))
    choice = np.zeros(n_workers, np.int64)  # (W,)
    for i in reversed(range(n_workers)):
        x = np.arange(max(0, spent - high[i]), min(top, spent - low[i]) + 1)
        choice[i] = x[np.argmax(best[i][spent - x - low[i]] + gain[i, x])]
        spent -= int(choice[i])
    return choice


def _envelope_segments(table: FloatArray, grid: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return worker, width and slope of the segments of the rows' concave envelopes, steepest first.

    table : (W, M), utilities at grid (M,), increasing
    """
    n_workers, n_points = table.shape
    rows = np.arange(n_workers)
    at = np.zeros(n_workers, np.int64)  # (W,) the envelope's corner reached by each worker
    workers, widths, slopes = [], [], []
    while np.any(at < n_points - 1):
        active = rows[at < n_points - 1]
        corner = at[active]  # (active,)
        ahead = int(corner.min()) + 1
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = (table[active, ahead:] - table[active, corner][:, None]) / (grid[ahead:] - grid[corner][:, None])
        rise[np.arange(ahead, n_points) <= corner[:, None]] = -np.inf
        follower = ahead + np.argmax(rise, axis=1)
        workers.append(active)
        widths.append(grid[follower] - grid[corner])
        slopes.append(rise.max(axis=1))
        at[active] = follower
    worker, width, slope = (np.concatenate(part) for part in (workers, widths, slopes))
    # stable, and each worker's slopes do not increase: its segments stay in their order
    order = np.argsort(-slope, kind="stable")
    return worker[order], width[order], slope[order]


def _relaxation_segments(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the envelopes' segments over real bits, on a grid of eighths of a bit."""
    grid = np.arange(8 * MIN_BITS, 8 * MAX_BITS + 1) / 8.0  # (M,)
    return _envelope_segments(utility_table(straggle_prob, variance_of_bits, grid), grid)


def _relaxed(segments: tuple[IntArray, FloatArray, FloatArray], n_workers: int, m: int, room: int) -> IntArray:
    """Fill the envelopes of the first m workers in order of slope, and round to integers of the same sum."""
    worker, width, _ = segments
    worker, width = worker[segments[0] < m], width[segments[0] < m]
    filled = np.clip(room - (np.cumsum(width) - width), 0, width)
    share = np.bincount(worker, filled, minlength=n_workers)  # (W,) real bits beyond 2
    extra = np.floor(share).astype(np.int64)  # (W,)
    extra[np.argsort(extra - share, kind="stable")[: room - extra.sum()]] += 1
    return extra


def _equal(n_workers: int, m: int, room: int) -> IntArray:
    """Spread `room` over the first m workers, the odd bits to the first ones, shape (W,)."""
    extra = np.zeros(n_workers, np.int64)  # (W,)
    extra[:m] = room // m
    extra[: room % m] += 1
    return extra


def _swap_bits(table: FloatArray, extra: IntArray, m: int) -> IntArray:
    """Move one bit between two of the first m workers, the best pair each time, while that gains; (W,)."""
    # gain of the last bit in column b, of the next one in b + 1; none below 2 or above 32
    step = np.pad(np.diff(table[:m]), ((0, 0), (1, 1)), constant_values=((0, 0), (np.inf, -np.inf)))
    extra, workers = extra.copy(), np.arange(m)
    while True:
        loss, gain = step[workers, extra[:m]], step[workers, extra[:m] + 1]  # (m,) each
        # a worker can be both the cheapest giver and the best taker: look at the two best of either kind
        pairs = [(g, t) for g in np.argsort(loss)[:2] for t in np.argsort(-gain)[:2] if g != t]
        if not pairs:
            return extra
        giver, taker = max(pairs, key=lambda pair: gain[pair[1]] - loss[pair[0]])
        if not gain[taker] > loss[giver]:
            return extra
        extra[giver] -= 1
        extra[taker] += 1
