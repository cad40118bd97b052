"""What makes `workbench.solvers.bit_allocation.structured` exact at every size.

The Lagrangian solution puts worker i at the corner x̄_i, a maximiser of u_i(x) − λx; a worker that deviates from it by
v_i bits loses δ_i(v_i) ≥ 0. A target of Σ v_i = T is left. No deviation is above m or below −l, and K = m + l.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from random import Random

import sympy as sp

from proofs_check.tools.symbolic import is_identity, is_nonnegative, settle
from workbench.core.claims import Verdict, claim, claim_of

LARGEST_MOVE = 4  # of the enumerated sets of moves
N_WORKERS, N_COSTS, N_INSTANCES = 6, 3, 300  # of the instances solved in full: more workers than K <= 4

Gain = list[list[int]]


@claim("workbench", "Structured allocation", assumes=("finitely many choices for each worker",))
def structured_allocation(*, fewer: int = 0) -> Verdict:
    """Prove that some optimum deviates from the corners at fewer than K workers, each among the K cheapest.

    1. The utility is the price of the bits and a constant, less the losses: the optimum has the least Σ δ_i(v_i).
    2. Take an optimum with the fewest deviating workers. No nonempty set of them has Σ v_i = 0: sent back to their
       corners, they would keep T and lose nothing. Order them: up while the partial sum is ≤ 0, down while it is > 0,
       and when one kind is used up the rest, which runs straight to T. The partial sums, 0 first, are integers in
       [1 − l, m], and no two are equal, as the set between them would have sum 0: at most K, one more than workers.
    3. Say worker i deviates by v and is not among the K cheapest by v. Fewer than K of these deviate; let j be one at
       its corner. Exchanging the two adds δ_j(v) − δ_i(v) ≤ 0 and leaves one misplaced worker less.

    Parameters
    ----------
    fewer : claim the same of K − fewer in place of K
    """
    u, u_corner, x, corner, slope = sp.symbols("u u_corner x corner lambda", real=True)
    below, move, rest = sp.symbols("below move rest", nonnegative=True)
    loss = (u_corner - slope * corner) - (u - slope * x)
    # From s = −below ≤ 0 up by 1 + move ≤ m = 1 + move + rest.
    risen, most = -below + 1 + move, 1 + move + rest
    # From s = 1 + below > 0 down by 1 + move ≤ l = 1 + move + rest.
    fallen, least = (1 + below) - (1 + move), 1 - (1 + move + rest)
    up, down = sp.symbols("m l", positive=True)
    bounded = all(
        _most_moves(upward, downward) < upward + downward - fewer
        for upward, downward in product(range(1, LARGEST_MOVE + 1), repeat=2)
    )
    steps = {
        "utility = constant + price of the bits - loss": is_identity(u, u_corner - slope * corner + slope * x - loss),
        "a move up from s <= 0 ends at m or below": is_nonnegative(sp.expand(most - risen)),
        "a move down from s > 0 ends at 1 - l or above": is_nonnegative(sp.expand(fallen - least)),
        "[1 - l, m] has m + l integers": is_identity(up - (1 - down) + 1, up + down),
        f"no larger set without a sum of 0 has moves up to {LARGEST_MOVE}": bounded,
        "the core holds an optimum": all(_core_optimum(*case, fewer) == _optimum(*case) for case in _instances()),
    }
    return settle(
        claim_of(structured_allocation),
        steps,
        "exact for any utilities: beside the Lagrangian solution only the K cheapest workers for each deviation need "
        "be looked at, whatever the number of workers; an idle worker's odd bit only lowers T by one",
        evidence={"instances": float(N_INSTANCES)},
    )


def _most_moves(up: int, down: int) -> int:
    """Return the size of the largest multiset of moves with total 0 to `up` and no nonempty part of total 0."""
    values = [v for v in range(-down, up + 1) if v]
    largest = 0
    stack: list[tuple[int, int, int, frozenset[int]]] = [(0, 0, 0, frozenset())]
    while stack:
        first, size, total, parts = stack.pop()
        if 0 <= total <= up:
            largest = max(largest, size)
        if size > up + down:  # already too large to be true
            continue
        for at, value in enumerate(values[first:], first):
            grown = parts | {part + value for part in parts} | {value}
            if 0 not in grown:
                stack.append((at, size + 1, total + value, grown))
    return largest


def _instances() -> Iterator[tuple[Gain, int]]:
    """Yield utilities by worker and cost, and a budget; few values, so that ties are common."""
    rng = Random(20240501)
    for _ in range(N_INSTANCES):
        steps = [[rng.randint(0, 6) for _ in range(N_COSTS - 1)] for _ in range(N_WORKERS)]
        gain = [[sum(row[:x]) for x in range(N_COSTS)] for row in steps]
        yield gain, rng.randint(1, N_WORKERS * (N_COSTS - 1))


def _optimum(gain: Gain, budget: int) -> int:
    """Return the most gain of all allocations of the whole budget."""
    return max(_total(gain, costs) for costs in product(range(N_COSTS), repeat=N_WORKERS) if sum(costs) == budget)


def _total(gain: Gain, costs: tuple[int, ...]) -> int:
    return sum(row[x] for row, x in zip(gain, costs, strict=True))


def _core_optimum(gain: Gain, budget: int, fewer: int) -> int | None:
    """Return the most gain of fewer than K moves away from the corners, each among the K cheapest of its kind."""
    corner, slope = _corners(gain, budget)
    reach = max(N_COSTS - 1 - x for x in corner) + max(corner) - fewer
    core: set[tuple[int, int]] = set()
    for v in range(1 - N_COSTS, N_COSTS):
        able = [i for i in range(N_WORKERS) if v and 0 <= corner[i] + v < N_COSTS]
        able.sort(key=lambda i: slope * v + gain[i][corner[i]] - gain[i][corner[i] + v])
        core |= {(i, corner[i] + v) for i in able[: max(reach, 0)]}
    choices = [[x for x in range(N_COSTS) if x == corner[i] or (i, x) in core] for i in range(N_WORKERS)]
    moved = (
        costs
        for costs in product(*choices)
        if sum(costs) == budget and sum(x != at for x, at in zip(costs, corner, strict=True)) < max(reach, 1)
    )
    return max((_total(gain, costs) for costs in moved), default=None)


def _corners(gain: Gain, budget: int) -> tuple[list[int], Fraction]:
    """Buy the segments of the concave envelopes, steepest first, until one does not fit."""
    corner = [0] * N_WORKERS
    while True:
        steepest = max(
            (Fraction(row[y] - row[x], y - x), y - x, -i)
            for i, (row, x) in enumerate(zip(gain, corner, strict=True))
            for y in range(x + 1, N_COSTS)
        )
        slope, width, worker = steepest[0], steepest[1], -steepest[2]
        if sum(corner) + width > budget or sum(corner) == budget:
            return corner, slope
        corner[worker] += width
        if sum(corner) == N_WORKERS * (N_COSTS - 1):
            return corner, Fraction(0)
