"""The paper's Algorithm 1 and simpler ways to split the bits, each with the dual bound on what it may miss."""

from dataclasses import replace

import numpy as np

from workbench.core.types import FloatArray, IntArray
from workbench.solvers.bit_allocation.envelope import Segments, dual_value, envelope_segments, filled
from workbench.solvers.bit_allocation.problem import (
    MAX_BITS,
    MIN_BITS,
    Allocation,
    Instance,
    VarianceOfBits,
    set_up,
    utility_table,
)

PER_BIT = 8  # points a bit of the grid that stands for real bits


def solve_algorithm_1(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Allocate by the paper's low-complexity Algorithm 1 [section III-B2; its printed lines are lost].

    For each set of the m most reliable workers, the others keeping 2 bits (or idle): (1) relax and round, (2) spread
    equally, (3) take the better, (4) move one bit at a time, the pair that gains most, while that gains; the best m
    wins. Sets too small to take the whole budget at 32 bits each are left out.

    Parameters, Raises : as `solve_dynamic_program`
    """
    p = np.asarray(straggle_prob, float)
    instance, order = _most_reliable_first(p, variance_of_bits, budget, allow_idle)
    start_bits = MIN_BITS - instance.least  # cost of a worker of the set before it gets more
    busy = instance.gain[:, start_bits:]  # (W, 31)
    resting = np.append(np.cumsum(instance.gain[::-1, 0])[::-1], 0.0)  # (W + 1,) utility of the workers from m on
    segments = _real_segments(p[order], variance_of_bits)
    best, most = np.zeros(p.size, np.int64), -np.inf  # (W,) costs, in the order of reliability
    smallest = max(1, -(-instance.room // (MAX_BITS - instance.least)))
    largest = min(p.size, instance.room // start_bits) if start_bits else p.size
    for m in range(smallest, largest + 1):
        room, workers = instance.room - start_bits * m, np.arange(m)
        starts = [_relaxed(segments, m, room), _equal(m, room)]  # (m,) each, bits beyond 2
        extra = _swap_bits(busy[:m], max(starts, key=lambda extra: float(busy[workers, extra].sum())))
        utility = float(busy[workers, extra].sum()) + resting[m]
        if utility > most:
            best, most = np.pad(start_bits + extra, (0, p.size - m)), utility
    return _packed(instance, best, "algorithm_1", order)


def solve_greedy(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Go from one choice to the next where a bit gains most, from 2 bits each or from idle workers, until none fits.

    Parameters, Raises : as `solve_dynamic_program`
    """
    instance = set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    n_workers, n_costs = instance.gain.shape
    step = np.full(n_costs, 1)  # (M,) bits to the next choice
    step[0] += MIN_BITS - 1 if allow_idle else 0
    after = np.minimum(np.arange(n_costs) + step, n_costs - 1)
    with np.errstate(invalid="ignore"):  # from a cost that is no choice
        rate = (instance.gain[:, after] - instance.gain) / step  # (W, M) gain a bit
    rate[:, -1] = -np.inf
    cost, workers, left = np.zeros(n_workers, np.int64), np.arange(n_workers), instance.room
    gain = rate[:, 0].copy()  # (W,)
    while left > 0:
        worker = int(np.argmax(gain if left > 1 else np.where(step[cost] > left, -np.inf, gain)))
        if step[cost[worker]] > left or gain[worker] == -np.inf:
            break
        left -= int(step[cost[worker]])
        cost[worker] += step[cost[worker]]
        gain[worker] = rate[worker, cost[worker]]
    return _packed(instance, cost, "greedy", workers)


def solve_relaxation(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Solve the Lagrangian relaxation over real bits for all workers at once, and round.

    Rounding gives the missing bits to the largest fractions, and among equals to the most reliable.

    Parameters, Raises : as `solve_dynamic_program`
    """
    p = np.asarray(straggle_prob, float)
    instance, order = _most_reliable_first(p, variance_of_bits, budget, allow_idle)
    segments = _real_segments(p[order], variance_of_bits, allow_idle=allow_idle)
    if not allow_idle:
        return _packed(instance, _relaxed(segments, p.size, instance.room), "relaxation", order)
    share = np.bincount(segments.worker, filled(segments.width, instance.room), minlength=p.size)  # (W,) real bits
    bits = np.where(share < MIN_BITS, 0, np.floor(share)).astype(np.int64)  # (W,)
    left = instance.room - int(bits.sum())
    for worker in np.argsort(bits - share, kind="stable"):
        step = 1 if bits[worker] else MIN_BITS
        if step <= left and bits[worker] < MAX_BITS:
            bits[worker] += step
            left -= step
    return _packed(instance, bits, "relaxation", order)


def solve_equal(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Spread the bits equally, differing by at most one; the most reliable workers get the odd ones.

    With idle workers allowed, a budget below 2 bits each goes to the most reliable ones.

    Parameters, Raises : as `solve_dynamic_program`
    """
    p = np.asarray(straggle_prob, float)
    instance, order = _most_reliable_first(p, variance_of_bits, budget, allow_idle)
    start_bits = MIN_BITS - instance.least
    m = min(p.size, instance.room // start_bits) if start_bits else p.size
    cost = np.pad(start_bits + _equal(m, instance.room - start_bits * m), (0, p.size - m))
    return _packed(instance, cost, "equal", order)


def _most_reliable_first(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, allow_idle: bool
) -> tuple[Instance, IntArray]:
    """Return the problem with its workers sorted, and the order (W,)."""
    order = np.argsort(straggle_prob, kind="stable")
    instance = set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    return replace(instance, gain=instance.gain[order]), order


def _packed(instance: Instance, cost: IntArray, method: str, order: IntArray) -> Allocation:
    """Pack what a heuristic found, with the dual bound; row i of the problem is worker order[i]."""
    bits = np.empty_like(cost)  # (W,)
    bits[order] = instance.least + cost
    return Allocation(bits, instance.utility(cost), dual_value(instance), method)


def _real_segments(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, *, allow_idle: bool = False
) -> Segments:
    """Return the envelopes' segments over real bits, on a grid of eighths of a bit."""
    grid = np.arange(PER_BIT * MIN_BITS, PER_BIT * MAX_BITS + 1) / PER_BIT  # (M,)
    if allow_idle:
        grid = np.append(0.0, grid)
    return envelope_segments(utility_table(straggle_prob, variance_of_bits, grid), grid)


def _relaxed(segments: Segments, m: int, room: int) -> IntArray:
    """Fill the envelopes of the first m workers in order of slope, and round to integers of the same sum; (m,)."""
    first = segments.worker < m
    worker, width = segments.worker[first], segments.width[first]
    share = np.bincount(worker, filled(width, room), minlength=m)  # (m,) real bits beyond 2
    extra = np.floor(share).astype(np.int64)  # (m,)
    extra[np.argsort(extra - share, kind="stable")[: room - extra.sum()]] += 1
    return extra


def _equal(m: int, room: int) -> IntArray:
    """Spread `room` over m workers, the odd bits to the first ones, (m,)."""
    room = min(room, (MAX_BITS - MIN_BITS) * m)
    return room // m + (np.arange(m) < room % m)


def _swap_bits(gain: FloatArray, extra: IntArray) -> IntArray:
    """Move one bit between two of m workers, the best pair each time, while that gains; gain (m, 31), extra (m,)."""
    # gain of the last bit in column b, of the next one in b + 1; none below 2 or above 32
    step = np.pad(np.diff(gain), ((0, 0), (1, 1)), constant_values=((0, 0), (np.inf, -np.inf)))
    extra, workers = extra.copy(), np.arange(len(gain))
    while True:
        last, following = step[workers, extra], step[workers, extra + 1]  # (m,) each
        # a worker can be both the cheapest giver and the best taker: look at the two best of either kind
        pairs = [(g, t) for g in np.argsort(last)[:2] for t in np.argsort(-following)[:2] if g != t]
        if not pairs:
            return extra
        giver, taker = max(pairs, key=lambda pair: following[pair[1]] - last[pair[0]])
        if not following[taker] > last[giver]:
            return extra
        extra[giver] -= 1
        extra[taker] += 1
