r"""Pair-wise balanced, exactly: |S_j ∩ S_k| = d_j d_k/W for every two parts [onebit_gc, section III].

The vectors :math:`1_{S_j} - d_j/W` are then orthogonal to each other and to the vector of ones, so at most W − 1 parts
can have 0 < d < W, and d²/W must be an integer. Known here are

- W − 1 parts with d = W/2: the rows of a Hadamard matrix;
- (W − 1)/(q − 1) parts with d = t W/q, W a power of q: t symbols of each column of an orthogonal array of strength 2;
- v parts with d = k on W = k²/λ workers, of which v hold something: a symmetric 2-(v, k, λ) design, as
  λ(v − 1) = k(k − 1) makes W = v − 1 + k/λ ≥ v; so q² + q + 1 parts on (q + 1)² workers from a projective plane;
- what they become when every worker is there c times, or everyone holds exactly the other parts;
- one part, two parts whenever d²/W is an integer, and d = W.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from workbench.codes.placement import Placement, Size, check_replication, in_order, place_known
from workbench.combinatorics.block_designs import orthogonal_array, two_designs
from workbench.combinatorics.finite_field import prime_powers
from workbench.combinatorics.hadamard import hadamard, orders
from workbench.core.errors import InputError
from workbench.core.types import IntArray


def sizes(most_workers: int) -> list[Size]:
    """List the sizes with three parts or more and d < W, for each W and d the construction with the most parts."""
    return in_order(
        size
        for base in _bases(most_workers)
        for times in range(1, most_workers // base.n_workers + 1)
        for size in (_repeated(base, times), _complement(_repeated(base, times)))
    )


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Build the design, or say whether there is none or none is known here.

    Raises
    ------
    InputError : no such placement: why, and the nearest
    """
    check_replication(n_workers, replication)
    shared, remainder = divmod(replication**2, n_workers)
    if n_parts <= 2 and (n_parts == 1 or remainder == 0):
        start = np.arange(n_parts) * (replication - shared)  # the second part's workers overlap in `shared`
        worker = start[:, None] + np.arange(replication)  # (P, replication)
        part = np.repeat(np.arange(n_parts), replication)
        return Placement.of_pairs(worker.ravel(), part, n_workers, n_parts)
    if replication == n_workers:
        worker, part = np.divmod(np.arange(n_workers * n_parts), n_parts)
        return Placement.of_pairs(worker, part, n_workers, n_parts)
    if n_parts == 2:
        able = [d for d in range(1, n_workers + 1) if d**2 % n_workers == 0]
        raise InputError(
            f"no pair-wise balanced placement of 2 parts on {n_workers} workers with replication {replication} "
            f"({_why_not(n_workers, n_parts, replication)}): the nearest has replication "
            f"{min(able, key=lambda d: abs(d - replication))}"
        )
    reason = _why_not(n_workers, n_parts, replication)
    return place_known("pair-wise balanced placement", sizes, n_workers, n_parts, replication, why_not=reason)


def _bases(most_workers: int) -> Iterator[Size]:
    """Yield the constructions with at most so many workers."""
    for order in orders(most_workers):
        if order >= 4:
            name = f"Hadamard matrix of order {order}"
            yield Size(order, order - 1, order // 2, name, partial(_hadamard_rows, order))
    for design in two_designs(most_workers):
        n_workers, remainder = divmod(design.block_size**2, max(design.together, 1))
        if design.is_symmetric and design.together and remainder == 0 and n_workers <= most_workers:
            n_idle = n_workers - design.n_points
            name = design.construction + (f", {n_idle} workers idle" if n_idle else "")
            yield Size(n_workers, design.n_blocks, design.block_size, name, partial(_padded, design.incidence, n_idle))
    for q in prime_powers(int(most_workers**0.5)):
        dim = 2
        while q**dim <= most_workers:
            n_parts, per_symbol = (q**dim - 1) // (q - 1), q ** (dim - 1)
            for n_symbols in range(1, q):
                name = f"OA({q**dim},{n_parts},{q},2), {n_symbols} of {q} symbols"
                symbols = partial(_symbols, q, dim, n_symbols)
                yield Size(q**dim, n_parts, n_symbols * per_symbol, name, symbols)
            dim += 1


def _repeated(size: Size, times: int) -> Size:
    """Let every worker be there several times: d, W and the overlaps all grow by this factor."""
    if times == 1:
        return size
    name = f"{size.construction}, every worker {times} times"
    grown = times * size.n_workers, size.n_parts, times * size.replication
    return Size(*grown, name, lambda: np.repeat(size.holds(), times, axis=0))


def _complement(size: Size) -> Size:
    """Let everyone hold exactly the other parts: the centred vectors only change their sign."""
    name = f"complement of {size.construction}"
    rest = size.n_workers - size.replication
    return Size(size.n_workers, size.n_parts, rest, name, lambda: 1 - size.holds())


def _hadamard_rows(order: int) -> IntArray:
    return (1 + hadamard(order)[:, 1:]) // 2


def _padded(incidence: Callable[[], IntArray], n_idle: int) -> IntArray:
    """Add workers that hold nothing."""
    return np.pad(incidence(), ((0, n_idle), (0, 0)))


def _symbols(q: int, dim: int, n_symbols: int) -> IntArray:
    return (orthogonal_array(q, dim) < n_symbols).astype(np.int64)


def _why_not(n_workers: int, n_parts: int, replication: int) -> str:
    """Say what stands against the sizes, a proof where there is one."""
    if replication**2 % n_workers:
        return f"impossible: two parts would share d²/W = {replication**2 / n_workers:.4g} workers"
    if n_parts >= n_workers:
        return f"impossible: their centred vectors would be orthogonal, and only {n_workers - 1} can be"
    if 2 * replication == n_workers and n_workers not in orders(n_workers):
        return (
            f"none known here: {n_workers - 1} parts would take a Hadamard matrix of order {n_workers}, which neither "
            "Sylvester nor Paley nor products of theirs give"
        )
    return "neither known here nor shown to be impossible"
