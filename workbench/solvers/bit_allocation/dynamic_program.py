"""Exact allocation by the paper's dynamic program."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from workbench.core.types import FloatArray, IntArray
from workbench.solvers.bit_allocation.problem import Allocation, Instance, VarianceOfBits, set_up


def solve_dynamic_program(
    straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
) -> Allocation:
    """Maximise the utility exactly by dynamic programming [Bellman equation (25), with b <= 32].

    V_i(r) = max_x V_{i−1}(r − x) + u_i(2 + x), x <= 30, at once for all r that the other workers can meet.
    Time 31·W·R with R = B − 2W, memory at most 60 W² bytes; with idle workers 33·W·B and 64 W².

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
    instance = set_up(straggle_prob, variance_of_bits, budget, allow_idle)
    return instance.exactly(_knapsack(instance), "dynamic_program")


def _knapsack(instance: Instance) -> IntArray:
    """Choose costs that sum to `room`, or to `slack` less, with most gain; shape (W,)."""
    gain, budget, slack = instance.gain, instance.room, instance.slack
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
