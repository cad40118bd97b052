"""Who holds which part, and how evenly pairs of parts share their workers."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from workbench.core.errors import InputError
from workbench.core.types import IntArray


@dataclass(frozen=True)
class Balance:
    """How far |S_j ∩ S_k| is from d_j d_k/W, the pair-wise balance of [onebit_gc, section III], over pairs of parts.

    rms, worst : root mean square and largest deviation; 0 iff pair-wise balanced
    welch : no placement with these replications on W workers has a smaller rms (Welch's bound)
    """

    rms: float
    worst: float
    welch: float


@dataclass(frozen=True, eq=False)
class Placement:
    """Which worker holds which part, as a sparse 0/1 matrix (W, P)."""

    holds: sparse.csr_array

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
            return Balance(0.0, 0.0, 0.0)
        copies = self.replication  # (P,)
        overlap = (self.holds.T @ self.holds).toarray()  # (P, P)
        deviation = np.abs(overlap - np.outer(copies, copies) / n_workers)[~np.eye(n_parts, dtype=bool)]
        square = copies * (1 - copies / n_workers)  # (P,)
        least = square.sum() ** 2 / max(n_workers - 1, 1) - np.sum(square**2)
        rms = float(np.sqrt(np.mean(deviation**2)))
        welch = float(np.sqrt(max(least, 0.0) / deviation.size))
        return Balance(rms, float(deviation.max()), welch)


@dataclass(frozen=True)
class Size:
    """Sizes at which a placement exists.

    n_parts : the most there can be; every subset of a design's parts is one too
    replication : workers that hold a part
    construction : where it comes from, in a few words
    """

    n_workers: int
    n_parts: int
    replication: int
    construction: str

    def __str__(self) -> str:
        return f"{self.n_workers} workers, {self.n_parts} parts, replication {self.replication} ({self.construction})"


def find_size(
    name: str, sizes: Iterable[Size], n_workers: int, n_parts: int, replication: int, *, why_not: str = ""
) -> Size:
    """Return the size that was asked for, or say what is nearest to it.

    Parameters
    ----------
    name : of the placement, as the message calls it
    sizes : that exist, those far beyond the question included
    why_not : what makes other sizes impossible, a clause for the message

    Raises
    ------
    InputError : it does not exist: why, and the nearest that does
    """
    known = list(sizes)
    for size in known:
        if (size.n_workers, size.replication) == (n_workers, replication) and n_parts <= size.n_parts:
            return size
    asked = f"no {name} with {n_workers} workers, {n_parts} parts and replication {replication}"
    reason = f" ({why_not})" if why_not else ""
    if not known:
        raise InputError(f"{asked}{reason}")

    def distance(size: Size) -> float:
        ratios = np.log([size.n_workers / n_workers, size.replication / replication])
        missing = max(0.0, float(np.log(n_parts / size.n_parts)))
        return float(np.abs(ratios).sum()) + missing

    raise InputError(f"{asked}{reason}: the nearest has {min(known, key=distance)}")
