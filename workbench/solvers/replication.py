"""How many workers hold each part, for 1-bit gradient coding at a fixed mean [onebit_gc, eqs. 17-19].

Minimise Σ_j 1/d_j, on which alone the bound of Lemma 2 depends, subject to Σ_j d_j = D P and whole 1 <= d_j <= W.
"""

from dataclasses import dataclass

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import IntArray


@dataclass(frozen=True)
class ReplicationCertificate:
    """How good a replication is.

    objective : Σ_j 1/d_j
    lower_bound : P/D, the least over real d_j; the least over whole ones where D is whole
    """

    objective: float
    lower_bound: float

    @property
    def gap(self) -> float:
        """Relative excess over the real optimum, which whole numbers cannot avoid where D is not whole."""
        return self.objective / self.lower_bound - 1


def solve_homogeneous(n_parts: int, n_workers: int, mean_replication: float) -> tuple[IntArray, ReplicationCertificate]:
    """Return the replication d (P,) that minimises Σ_j 1/d_j, the larger numbers first [onebit_gc, eq. 19].

    1/d is convex: over real numbers all d_j = D (Jensen), and over whole ones any two differ by at most one, as
    moving a worker from d_j >= d_l + 2 to d_l lowers 1/d_j + 1/d_l.  That leaves ⌊D⌋ and ⌈D⌉.

    Parameters
    ----------
    mean_replication : D in [1, W], with D P whole to 1e-9 relatively

    Raises
    ------
    InputError : no such replication exists
    """
    if n_parts < 1 or n_workers < 1:
        raise InputError(f"n_parts is {n_parts}, n_workers {n_workers}: each must be at least 1")
    if not 1 <= mean_replication <= n_workers:
        raise InputError(
            f"mean_replication is {mean_replication:g}: every part is held by 1 to {n_workers} workers, take a mean "
            "between them"
        )
    total = round(mean_replication * n_parts)
    if abs(total - mean_replication * n_parts) > 1e-9 * total:
        raise InputError(
            f"mean_replication {mean_replication:g} of {n_parts} parts gives {mean_replication * n_parts:g} copies: "
            f"take a whole number of them, {total} for instance, over {n_parts}"
        )
    share, rest = divmod(total, n_parts)
    replication = np.full(n_parts, share)  # (P,)
    replication[:rest] += 1
    objective = (n_parts - rest) / share + rest / (share + 1)
    return replication, ReplicationCertificate(objective, n_parts**2 / total)
