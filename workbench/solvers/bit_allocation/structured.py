r"""Exact allocation at any size: only a handful of workers differ from the Lagrangian solution.

Buy the envelopes' segments by decreasing slope until one, of slope λ, does not fit: every worker then sits at a corner
of its envelope, the costs :math:`\bar x`, and a target of T bits less than that segment's width is left. As each
corner maximises :math:`u_i(x) - \lambda x`, to deviate by v bits loses :math:`\delta_i(v) \ge 0`, and an allocation of
the whole budget has utility (constant) − Σ δ_i(v_i) with Σ v_i = T. Let deviations go up by at most m and down by at
most l. Then (proofs_check/hetero_gc/algorithm_1.py):

1. Some optimum has fewer than m + l deviating workers. Take up-moves while the sum so far is <= 0 and down-moves
   otherwise: all partial sums lie in [1 − l, m] (or run straight to T at the end), and no two are equal, since the
   workers between them would add nothing and could return to their corners.
2. With K = m + l, each of its deviations by v is one of the K cheapest by v: if not, one of these K workers sits at its
   corner, and changing places with it loses nothing.

So a dynamic program over at most 2·M·K pairs (worker, deviation) remains, whatever the number of workers. Nothing but
growth with the bits is asked of the utilities: the tight and the QSGD constants have a kink, so that they need not be
convex first and concave after it.
"""

from typing import NamedTuple

import numpy as np

from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.solvers.bit_allocation.envelope import ROWS, envelope_segments
from workbench.solvers.bit_allocation.problem import Allocation, Instance, VarianceOfBits, set_up

ROUNDING = 8 * np.finfo(float).eps


class Deviations(NamedTuple):
    """Moves of single workers away from their corners, (N,) each."""

    worker: IntArray
    shift: IntArray  # v, bits
    drop: FloatArray  # δ_i(v) − λv, utility given up

    def where(self, keep: BoolArray | IntArray) -> "Deviations":
        """Return some of them."""
        return Deviations(self.worker[keep], self.shift[keep], self.drop[keep])


def solve_structured(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Maximise the utility exactly, in time W log W.

    Parameters, Raises : as `solve_dynamic_program`
    """
    instance = set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    cost, slope, target = _corners(instance)
    if target > 0:
        targets = [target - left for left in range(instance.slack + 1)]
        moves = _best_moves(_core(instance.gain, cost, slope, targets), targets, _reach(instance.gain, cost))
        cost[moves.worker] += moves.shift
    return instance.exactly(cost, "structured")


def _reach(gain: FloatArray, corner: IntArray) -> int:
    """Return K = m + l: the longest possible moves up and down."""
    return int((gain.shape[1] - 1 - corner).max() + corner.max())


def _corners(instance: Instance) -> tuple[IntArray, float, int]:
    """Return the costs of the Lagrangian solution (W,), the slope λ at which it stops, and the bits T left then."""
    segments = envelope_segments(instance.gain)
    spent = np.cumsum(segments.width)  # (S,)
    count = int(np.searchsorted(spent, instance.room, side="right"))
    bought = segments.worker[:count], segments.width[:count]
    cost = np.bincount(*bought, minlength=len(instance.gain)).astype(np.int64)  # (W,)
    slope = float(segments.slope[count]) if count < spent.size else 0.0
    return cost, slope, instance.room - int(cost.sum())


def _core(gain: FloatArray, corner: IntArray, slope: float, targets: list[int]) -> Deviations:
    """Return the K cheapest moves of each shift, less those that lose more than a single move to a target does.

    Moves of one shift, and sums of moves to one target, are compared by what they drop, without their common price:
    beside the price of a worker that hardly ever straggles the others' utilities would vanish.
    """
    bound = min(_least_drop(gain, corner, goal) for goal in targets) + slope * max(targets)
    found = []
    for start in range(0, len(gain), ROWS):
        at = corner[start : start + ROWS, None]  # (rows, 1)
        rows = gain[start : start + ROWS]
        drop = np.take_along_axis(rows, at, axis=1) - rows  # (rows, M)
        price = slope * (np.arange(gain.shape[1]) - at)  # (rows, M)
        rounding = ROUNDING * (np.abs(price) + np.abs(rows) + slope * max(targets))
        row, cost = np.nonzero(drop + price <= bound + rounding)
        shift = cost - at[row, 0]
        found.append(Deviations(start + row, shift, drop[row, cost]).where(shift != 0))
    core = Deviations(*(np.concatenate(part) for part in zip(*found, strict=True)))
    core = core.where(np.lexsort((core.worker, core.drop, core.shift)))
    rank = np.arange(core.shift.size) - np.searchsorted(core.shift, core.shift)  # among those of the same shift
    return core.where(rank < _reach(gain, corner))


def _least_drop(gain: FloatArray, corner: IntArray, shift: int) -> float:
    """Return the least drop of a single move by `shift` bits, infinite if there is none; 0 for no move at all."""
    able = np.flatnonzero(corner + shift < gain.shape[1])
    drop = gain[able, corner[able]] - gain[able, corner[able] + shift]
    return float(drop.min(initial=np.inf))


def _best_moves(core: Deviations, targets: list[int], reach: int) -> Deviations:
    """Return the moves of least drop, at most one a worker, whose shifts add up to one of the targets.

    Parameters
    ----------
    reach : no answer needs as many moves
    """
    if not core.shift.size:
        return core
    core = core.where(np.lexsort((core.shift, core.worker)))
    workers, first = np.unique(core.worker, return_index=True)
    down, up = _extent(core.shift, first, max(targets), reach)
    drop = np.full(down + 1 + up, np.inf)  # of every sum of shifts from -down on
    drop[down] = 0.0
    sums = np.arange(drop.size)
    taken = []  # for each worker, its move for each sum: 0 none, j its j-th
    for start, stop in zip(first, [*first[1:], core.worker.size], strict=True):
        before = sums - core.shift[start:stop, None]  # (moves, sums)
        inside = (before >= 0) & (before < drop.size)
        options = np.where(inside, drop[np.where(inside, before, 0)], np.inf) + core.drop[start:stop, None]
        options = np.concatenate([drop[None], options])
        taken.append(np.argmin(options, axis=0))
        drop = options.min(axis=0)
    at, chosen = down + min(targets, key=lambda goal: float(drop[down + goal])), []
    for index in reversed(range(workers.size)):
        if move := int(taken[index][at]):
            chosen.append(int(first[index]) + move - 1)
            at -= int(core.shift[chosen[-1]])
    return core.where(np.array(chosen, np.int64))


def _extent(shift: IntArray, first: IntArray, target: int, reach: int) -> tuple[int, int]:
    """Bound how far the sum of at most `reach` moves, one a worker, can go down and up on its way to `target`."""
    most_down = -np.minimum(np.minimum.reduceat(shift, first), 0)  # (workers,)
    most_up = np.maximum(np.maximum.reduceat(shift, first), 0)
    longest_down, longest_up = int(most_down.max()), int(most_up.max())
    # moves up, all as long as can be, must be undone by moves down but for the target
    both = -(-reach * longest_down * longest_up // max(longest_down + longest_up, 1)) + abs(target)
    down = min(int(most_down.sum()), both)
    return max(down, 1), max(min(int(most_up.sum()), both), target)
