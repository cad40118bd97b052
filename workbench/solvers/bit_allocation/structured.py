r"""Exact allocation at any size: only a handful of workers differ from the Lagrangian solution.

Buy the envelopes' segments by decreasing slope until one, of slope λ, does not fit: every worker then sits at a corner
of its envelope, the costs :math:`\bar x`, and a target of T bits less than that segment's width is left. As each
corner maximises :math:`u_i(x) - \lambda x`, to deviate by v bits loses :math:`\delta_i(v) \ge 0`, and an allocation of
the whole budget has utility (constant) − Σ δ_i(v_i) with Σ v_i = T. Let deviations go up by at most m and down by at
most l. Then (proofs_check/bit_allocation.py):

1. Some optimum has fewer than m + l deviating workers. Take up-moves while the sum so far is <= 0 and down-moves
   otherwise: all partial sums lie in [1 − l, m] (or run straight to T at the end), and no two are equal, since the
   workers between them would add nothing and could return to their corners.
2. With K = m + l, each of its deviations by v is one of the K cheapest by v: if not, one of these K workers sits at its
   corner, and changing places with it loses nothing.

So a dynamic program over at most 2·M·K pairs (worker, deviation) remains, whatever the number of workers. Nothing is
asked of the shape of the utilities: the tight and the QSGD constants have a kink, so that they need not be convex first
and concave after it.
"""

from typing import NamedTuple

import numpy as np

from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.solvers.bit_allocation.envelope import ROWS, envelope_segments
from workbench.solvers.bit_allocation.problem import Allocation, Instance, VarianceOfBits, set_up


class Deviations(NamedTuple):
    """Moves of single workers away from their corners, (N,) each."""

    worker: IntArray
    shift: IntArray  # v, bits
    loss: FloatArray  # δ_i(v) >= 0

    def where(self, keep: BoolArray | IntArray) -> "Deviations":
        """Return some of them."""
        return Deviations(self.worker[keep], self.shift[keep], self.loss[keep])


def solve_structured(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Maximise the utility exactly, in time W log W.

    Parameters, Raises : as `solve_dynamic_program`
    """
    instance = set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    cost, slope, target = _corners(instance)
    if target > 0:
        # a bit that is left over loses its price
        targets = {target - left: slope * left for left in range(instance.slack + 1)}
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


def _core(gain: FloatArray, corner: IntArray, slope: float, targets: dict[int, float]) -> Deviations:
    """Return the K cheapest moves of each shift, less those that lose more than a single move to a target does."""
    bound = min(price + _single_move(gain, corner, slope, goal) for goal, price in targets.items())
    found = []
    for start in range(0, len(gain), ROWS):
        at = corner[start : start + ROWS, None]  # (rows, 1)
        loss = _losses(gain[start : start + ROWS], at, slope)  # (rows, M)
        row, cost = np.nonzero(loss <= bound)
        shift = cost - at[row, 0]
        moves = Deviations(start + row, shift, loss[row, cost])
        found.append(moves.where(shift != 0))
    core = Deviations(*(np.concatenate(part) for part in zip(*found, strict=True)))
    core = core.where(np.lexsort((core.worker, core.loss, core.shift)))
    rank = np.arange(core.shift.size) - np.searchsorted(core.shift, core.shift)  # among those of the same shift
    return core.where(rank < _reach(gain, corner))


def _losses(gain: FloatArray, corner: IntArray, slope: float) -> FloatArray:
    """Return δ for every cost, (W, M); corner (W, 1)."""
    relaxed = gain - slope * np.arange(gain.shape[1])  # (W, M): u_i(x) − λx
    return np.asarray(
        np.maximum(np.take_along_axis(relaxed, corner, axis=1) - relaxed, 0.0)
    )  # negative by rounding only


def _single_move(gain: FloatArray, corner: IntArray, slope: float, shift: int) -> float:
    """Return the least loss of a single move by `shift` bits, rounded as `_losses` is; infinite if there is none."""
    able = np.flatnonzero(corner + shift < gain.shape[1])
    here = corner[able]  # (able,)
    before, after = gain[able, here] - slope * here, gain[able, here + shift] - slope * (here + shift)
    return float(np.maximum(before - after, 0.0).min(initial=np.inf))


def _best_moves(core: Deviations, targets: dict[int, float], reach: int) -> Deviations:
    """Return the moves of least loss, at most one a worker, whose shifts add up to a target.

    Parameters
    ----------
    targets : sum of the shifts -> what it loses besides
    reach : no answer needs as many moves
    """
    core = core.where(np.lexsort((core.shift, core.worker)))
    workers, first = np.unique(core.worker, return_index=True)
    down, up = _extent(core.shift, first, max(targets), reach)
    loss = np.full(down + 1 + up, np.inf)  # of every sum of shifts from -down on
    loss[down] = 0.0
    sums = np.arange(loss.size)
    taken = []  # for each worker, its move for each sum: 0 none, j its j-th
    for start, stop in zip(first, [*first[1:], core.worker.size], strict=True):
        before = sums - core.shift[start:stop, None]  # (moves, sums)
        inside = (before >= 0) & (before < loss.size)
        options = np.where(inside, loss[np.where(inside, before, 0)], np.inf) + core.loss[start:stop, None]
        options = np.concatenate([loss[None], options])
        taken.append(np.argmin(options, axis=0))
        loss = options.min(axis=0)
    total = min(targets, key=lambda goal: loss[down + goal] + targets[goal])
    at, chosen = down + total, []
    for index in reversed(range(workers.size)):
        if move := int(taken[index][at]):
            chosen.append(int(first[index]) + move - 1)
            at -= int(core.shift[chosen[-1]])
    return core.where(np.array(chosen, np.int64))


def _extent(shift: IntArray, first: IntArray, target: int, reach: int) -> tuple[int, int]:
    """Bound how far the sum of at most `reach` moves, one a worker, can go down and up on its way to `target`."""
    if not shift.size:
        return 1, max(target, 0)
    most_down = -np.minimum(np.minimum.reduceat(shift, first), 0)  # (workers,)
    most_up = np.maximum(np.maximum.reduceat(shift, first), 0)
    longest_down, longest_up = int(most_down.max()), int(most_up.max())
    # moves up, all as long as can be, must be undone by moves down but for the target
    both = -(-reach * longest_down * longest_up // max(longest_down + longest_up, 1)) + abs(target)
    down = min(int(most_down.sum()), both)
    return max(down, 1), max(min(int(most_up.sum()), both), target)
