"""The sparse construction (22), how many weights it needs, and fewest edges (34)."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, pairwise, product

import numpy as np
import sympy as sp

from proofs_check.tools.smt import follows
from proofs_check.tools.symbolic import enumerated, is_identity, is_nonnegative_form, settle
from workbench.core.claims import Verdict, claim, claim_of
from workbench.solvers import optimal_structure
from workbench.solvers.fewest_edges import solve_fewest_edges

Masses = Sequence[Fraction]


@claim("hetero_gc", "Eq. 22", eq=22)
def eq_22(*, first: int = 1) -> Verdict:
    """Prove that the overlaps have the row and column sums of Theorem 1, for every number of workers and parts.

    With φ_j(z) = z clipped to [j − 1, j], the overlap of [z', z] and [j − 1, j] is φ_j(z) − φ_j(z'). Over the workers
    it telescopes to φ_j(k) − φ_j(0) = 1; over the parts φ_j(z) − φ_j(0) adds up to z, as [0, k] is cut at integers.

    Parameters
    ----------
    first : the parts' segments are [j − first, j]
    """
    import z3

    left, right, j = z3.Reals("left right j")

    def lesser(x: z3.ArithRef, y: z3.ArithRef) -> z3.ArithRef:
        return z3.If(x < y, x, y)

    def greater(x: z3.ArithRef, y: z3.ArithRef) -> z3.ArithRef:
        return z3.If(x > y, x, y)

    def clipped(z: z3.ArithRef, low: z3.ArithRef, high: z3.ArithRef) -> z3.ArithRef:
        return lesser(greater(z, low), high)

    low = j - first
    zero = z3.RealVal(0)
    overlap = greater(lesser(right, j) - greater(left, low), zero)
    k = z3.Real("k")
    ours = optimal_structure.solve_sparse(np.array([0.5, 0.25, 0.2]), np.array([0.5, 0.5, 0.2]), 3).toarray()
    # u = 1/2, 1, 2: masses 3/7, 6/7, 12/7 on [0, 3]
    by_hand = [[3, 0, 0], [4, 2, 0], [0, 5, 7]]
    q = np.array([0.5, 0.75, 0.8])
    steps = {
        "an overlap is a difference of clipped ends": follows(
            overlap == clipped(right, low, j) - clipped(left, low, j), left <= right
        ),
        "nonnegative": follows(overlap >= 0),
        "columns: the ends telescope to 1": follows(clipped(k, low, j) - clipped(zero, low, j) == 1, j >= 1, j <= k),
        "rows: a part adds what it takes from the length up to it": follows(
            clipped(right, zero, low) + clipped(right, low, j) - low == clipped(right, zero, j), j >= 1
        ),
        "ours": bool(np.allclose(7 * q[:, None] * ours, by_hand, rtol=0, atol=1e-12)),
    }
    return settle(claim_of(eq_22), steps, "nonnegative weights of the optimal structure")


@claim("hetero_gc", "Load of the sparse construction")
def load_of_the_sparse_construction(*, less: int = 1) -> Verdict:
    """Prove at most n + k − 1 nonzeros, and a load below 2 for k ≥ n.

    Every nonzero is one piece of [0, k], cut at the n − 1 inner ends of segments and the k − 1 inner integers.

    Parameters
    ----------
    less : n + k − less
    """
    n, k, more = sp.symbols("n k more", positive=True)
    pieces = (n - 1) + (k - 1) + 1
    splits = _splits()
    room = [_pieces(split, parts) - len(split) - parts for split, parts in splits]
    steps = {
        "one piece more than cuts": is_identity(pieces, n + k - less),
        "k >= n: load below 2": is_nonnegative_form(2 - (pieces / k).subs(k, n + more), (1 + more) / (n + more)),
        "in small cases, and attained": max(room) == -less,
        "163 small cases": len(splits) == 163,  # C(5 parts - 1, workers - 1) of them
    }
    return settle(claim_of(load_of_the_sparse_construction), steps, "the load is at most 1 + (n − 1)/k")


@claim("hetero_gc", "Eq. 34", eq=34)
def eq_34(*, edges: int = 1) -> Verdict:
    """Prove n + k − r edges for r disjoint subgraphs, and compare the least number with ours over all supports.

    A support carries the masses iff every set J of parts has |J| ≤ Σ_{i ∈ N(J)} y_i (the total being k).

    Parameters
    ----------
    edges : a connected subgraph of v vertices has v − edges
    """
    rows, columns, r = sp.symbols("rows columns r", positive=True)
    small = _quarters()
    least = {masses: _fewest(masses) for masses in small}
    groups = {masses: _most_groups(masses) for masses in small}
    ours = {masses: _ours(masses) for masses in small}
    steps = {
        # one subgraph; summed over r of them, the rows are n and the columns k
        "a spanning tree": is_identity(rows + columns - 1, rows + columns - edges),
        "the load": is_identity((rows + columns - r * edges) / columns, 1 + (rows - r) / columns),
        "fewest = n + k - r with the most subgraphs": all(least[m] == len(m) + int(sum(m)) - groups[m] for m in small),
        "27 sets of three or four masses": len(small) == 27,  # the partitions of 12 quarters
        "ours": ours == least,
    }
    return enumerated(claim_of(eq_34), steps, f"least for the largest r; {len(small)} sets of masses, all supports")


def _quarters() -> list[Masses]:
    """Return all sets of three or four masses in quarters that add up to 3 parts."""
    return [
        tuple(Fraction(each, 4) for each in split)
        for workers in range(3, 5)
        for split in combinations_with_replacement(range(1, 13), workers)
        if sum(split) == 4 * 3
    ]


def _splits() -> list[tuple[tuple[int, ...], int]]:
    """Masses in units of 1/5 for up to three workers and parts."""
    return [
        (split, parts)
        for parts in range(1, 4)
        for workers in range(1, 4)
        for split in product(range(1, 16), repeat=workers)
        if sum(split) == 5 * parts
    ]


def _pieces(split: tuple[int, ...], parts: int) -> int:
    """The number of overlaps of positive length, laid end to end."""
    ends = [0, *np.cumsum(split).tolist()]
    return sum(min(right, 5 * j + 5) > max(left, 5 * j) for left, right in pairwise(ends) for j in range(parts))


def _fewest(masses: Masses) -> int:
    """The fewest pairs of worker and part that can carry the masses, over all supports."""
    parts = int(sum(masses))
    sets = [tuple(c for c in range(parts) if at >> c & 1) for at in range(1, 1 << parts)]
    best = len(masses) * parts
    for support in product(range(1, 1 << parts), repeat=len(masses)):
        size = sum(row.bit_count() for row in support)
        if size < best and all(
            len(chosen)
            <= sum(
                (y for y, row in zip(masses, support, strict=True) if any(row >> c & 1 for c in chosen)), Fraction(0)
            )
            for chosen in sets
        ):
            best = size
    return best


def _most_groups(masses: Masses) -> int:
    """The most groups of workers with whole masses."""
    if not masses:
        return 0
    first, *rest = masses
    found = (
        1 + _most_groups([mass for i, mass in enumerate(rest) if i not in others])
        for size in range(len(masses))
        for others in combinations(range(len(rest)), size)
        if sum((rest[i] for i in others), first).denominator == 1
    )
    return max(found)


def _ours(masses: Masses) -> int:
    """Nonzeros of our solver's answer, for workers of these masses: u ∝ y by ω ∝ 1/y without stragglers."""
    y = np.array([float(m) for m in masses])
    return int(solve_fewest_edges(np.zeros(y.size), y.max() / y, int(sum(masses)))[0].nnz)
