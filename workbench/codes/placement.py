"""Who holds which part, and how evenly pairs of parts share their workers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench.combinatorics.block_designs import BlockDesign
from workbench.core.errors import InputError
from workbench.core.types import IntArray

Indices = npt.NDArray[np.integer[Any]]

REACH = 4  # times the workers asked for, as far as the nearest size is looked for


@dataclass(frozen=True)
class Balance:
    """How far |S_j ∩ S_k| is from d_j d_k/W, the pair-wise balance of [onebit_gc, section III], over pairs of parts.

    rms, worst : root mean square and largest deviation; 0 iff pair-wise balanced
    welch : no placement with these replications on W workers has a smaller rms (Welch's bound)
    integral : nor a smaller one than this, as overlaps are integers
    """

    rms: float
    worst: float
    welch: float
    integral: float

    @property
    def least(self) -> float:
        """The better of the two bounds on the rms."""
        return max(self.welch, self.integral)


@dataclass(frozen=True, eq=False)
class Placement:
    """Which worker holds which part, as a sparse 0/1 matrix (W, P)."""

    holds: sparse.csr_array

    @classmethod
    def of_pairs(cls, worker: Indices, part: Indices, n_workers: int, n_parts: int) -> "Placement":
        """Build it from its (worker, part) pairs, each of them once; both (n_edges,)."""
        return cls(sparse.csr_array((np.ones(worker.size), (worker, part)), shape=(n_workers, n_parts)))

    @property
    def n_edges(self) -> int:
        """Number of (worker, part) pairs."""
        return int(self.holds.nnz)

    @property
    def replication(self) -> IntArray:
        """Number of workers that hold each part, shape (P,)."""
        return np.bincount(self.holds.indices, minlength=self.holds.shape[1]).astype(np.int64)

    @property
    def load(self) -> IntArray:
        """Number of parts that each worker holds, shape (W,)."""
        return np.diff(self.holds.indptr).astype(np.int64)

    @cached_property
    def balance(self) -> Balance:
        r"""Measure the pair-wise balance.

        The vectors :math:`1_{S_j} - d_j/W` lie in W − 1 dimensions and have squares :math:`s_j = d_j(1 - d_j/W)`,
        so the squares of their Gram matrix add up to at least :math:`(\sum s_j)^2/(W - 1)`, its diagonal included.
        """
        n_workers, n_parts = self.holds.shape
        if n_parts < 2:
            return Balance(0.0, 0.0, 0.0, 0.0)
        copies = self.replication  # (P,)
        target = np.outer(copies, copies) / n_workers  # (P, P)
        deviation = (self.holds.T @ self.holds).toarray() - target
        rounding = target - np.round(target)
        for between_pairs in (deviation, rounding):
            np.fill_diagonal(between_pairs, 0)
        n_pairs = n_parts * (n_parts - 1)
        square = copies * (1 - copies / n_workers)  # (P,)
        least = square.sum() ** 2 / max(n_workers - 1, 1) - np.sum(square**2)
        rms = float(np.sqrt(np.sum(deviation**2) / n_pairs))
        welch = float(np.sqrt(max(least, 0.0) / n_pairs))
        integral = float(np.sqrt(np.sum(rounding**2) / n_pairs))
        return Balance(rms, float(np.abs(deviation).max()), welch, integral)


def group_of_part(n_parts: int, n_groups: int) -> IntArray:
    """Group the parts contiguously and as evenly as can be: part j is in group ⌊j G/P⌋, shape (P,).

    With fewer parts than groups some groups are empty and no group has two parts.
    """
    return np.arange(n_parts) * n_groups // n_parts


def check_replication(n_workers: int, replication: int) -> None:
    """Refuse a replication that no placement on `n_workers` can have.

    Raises
    ------
    InputError : the replication and its range
    """
    if not 1 <= replication <= n_workers:
        raise InputError(f"replication {replication} with {n_workers} workers: take 1 to {n_workers}")


@dataclass(frozen=True)
class Size:
    """Sizes at which a placement exists, and how to build it.

    n_parts : the most there can be, as every subset of a design's parts is one too; None for any number
    replication : workers that hold a part
    construction : where it comes from, in a few words
    holds : builds the matrix of 0 and 1, (W, n_parts); where any number of parts will do, (W, W) for groups of them
    """

    n_workers: int
    n_parts: int | None
    replication: int
    construction: str
    holds: Callable[[], IntArray] = field(repr=False, compare=False)

    def __str__(self) -> str:
        parts = "any number of parts" if self.n_parts is None else f"{self.n_parts} parts"
        return f"{self.n_workers} workers, {parts}, replication {self.replication} ({self.construction})"


def points_as_workers(design: BlockDesign) -> Size:
    """Let the points of a design be workers and its blocks parts."""
    sizes = design.n_points, design.n_blocks, design.block_size
    return Size(*sizes, design.construction, design.incidence)


def in_order(sizes: Iterable[Size]) -> list[Size]:
    """Sort by workers and replication; of those with the same ones keep the first that has the most parts."""
    best: dict[tuple[int, int], Size] = {}
    for size in sizes:
        key = size.n_workers, size.replication
        if key not in best or (best[key].n_parts or 0) < (size.n_parts or 0):
            best[key] = size
    return [best[key] for key in sorted(best)]


def place_known(
    name: str,
    sizes: Callable[[int], list[Size]],
    n_workers: int,
    n_parts: int,
    replication: int,
    *,
    takes: str | None = None,
    why_not: str | None = None,
) -> Placement:
    """Build the placement of fixed sizes that was asked for, or say what is nearest to it.

    Parameters
    ----------
    name : of the placement, as the message calls it
    sizes : gives those that exist with at most so many workers
    takes : which sizes there are, a clause for the message where the workers and the replication do not fit
    why_not : what stands against just this size, if that is known

    Raises
    ------
    InputError : it does not exist: why, and the nearest that does
    """
    size = find_size(
        name, sizes(REACH * (n_workers + 2)), n_workers, n_parts, replication, why_not=why_not, takes=takes
    )
    columns = np.arange(n_parts) if size.n_parts is not None else group_of_part(n_parts, n_workers)
    worker, part = np.nonzero(size.holds()[:, columns])
    return Placement.of_pairs(worker, part, n_workers, n_parts)


def find_size(
    name: str,
    sizes: Iterable[Size],
    n_workers: int,
    n_parts: int,
    replication: int,
    *,
    takes: str | None = None,
    why_not: str | None = None,
) -> Size:
    """Return the size that was asked for, or say what is nearest to it; parameters as `place_known`.

    Raises
    ------
    InputError : it does not exist: why, and the nearest that does
    """
    known = list(sizes)
    for size in known:
        enough = size.n_parts is None or n_parts <= size.n_parts
        if (size.n_workers, size.replication) == (n_workers, replication) and enough:
            return size

    def distance(size: Size) -> float:
        ratios = np.log([size.n_workers / n_workers, size.replication / replication])
        missing = 0.0 if size.n_parts is None else max(0.0, float(np.log(n_parts / size.n_parts)))
        return float(np.abs(ratios).sum()) + missing

    asked = f"no {name} with {n_workers} workers, {n_parts} parts and replication {replication}"
    at_size = [size.n_parts or 0 for size in known if (size.n_workers, size.replication) == (n_workers, replication)]
    obstacle = why_not or (f"at most {max(at_size)} parts there" if at_size else takes)
    reason = f" ({obstacle})" if obstacle else ""
    raise InputError(f"{asked}{reason}: the nearest has {min(known, key=distance)}")
