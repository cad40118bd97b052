"""The bit allocation problem as a table of utilities, and its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.solvers.optimal_structure import utilities

MIN_BITS, MAX_BITS = 2, 32  # sign and one magnitude level; single precision

VarianceOfBits = Callable[[FloatArray], FloatArray]
"""Relative quantizer variance ω of a real-valued number of bits a coordinate >= 2, elementwise."""


@dataclass(frozen=True)
class Allocation:
    """Bits a coordinate of each worker, (W,), and how good that is.

    upper_bound : no allocation has more utility; the optimum itself where an exact method found it
    """

    bits: IntArray
    utility: float
    upper_bound: float
    method: str

    @property
    def gap(self) -> float:
        """How far below the optimum the utility may be, relative to the upper bound."""
        return (self.upper_bound - self.utility) / self.upper_bound


class Solver(Protocol):
    """What all methods have in common."""

    def __call__(
        self, straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, *, allow_idle: bool = False
    ) -> Allocation:
        """Split `budget` bits a coordinate among workers with probabilities (W,)."""
        ...


@dataclass(frozen=True, eq=False)
class Instance:
    """Choose a cost 0..M−1 for every worker, summing to `room`, with most gain.

    gain : (W, M), utility of worker i with least + x bits in column x; −inf where that is no choice
    least : bits at cost 0
    slack : bits that may be better left: with idle workers one, as 33 bits are 32 + 0 or 31 + 2 and 1 is no choice
    """

    gain: FloatArray
    room: int
    least: int
    slack: int

    def utility(self, cost: IntArray) -> float:
        """Return Σ_i u_i of the costs (W,)."""
        return float(self.gain[np.arange(cost.size), cost].sum())

    def exactly(self, cost: IntArray, method: str) -> Allocation:
        """Return the allocation of optimal costs (W,): its utility is its own upper bound."""
        utility = self.utility(cost)
        return Allocation(self.least + cost, utility, utility, method)


def set_up(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, budget: int, allow_idle: bool) -> Instance:
    """Return the problem for straggle probabilities (W,).

    Raises
    ------
    InputError : a budget below the least allocation; a worker of infinite utility
    """
    p = np.asarray(straggle_prob, float)
    least = 0 if allow_idle else MIN_BITS
    room = spendable(p.size, budget, allow_idle) - least * p.size
    bits = np.arange(least, MAX_BITS + 1).astype(float)  # (M,)
    return Instance(utility_table(p, variance_of_bits, bits), room, least, slack=int(allow_idle))


def spendable(n_workers: int, budget: int, allow_idle: bool) -> int:
    """Return the part of the budget that can be used, or say that it is too small."""
    least = MIN_BITS if allow_idle else MIN_BITS * n_workers
    if n_workers < 1 or budget < least:
        way_out = "raise the budget" if allow_idle else "raise the budget or let workers idle (--allow-idle)"
        raise InputError(
            f"budget {budget} is below the minimum of {least} bits a coordinate for {n_workers} workers: {way_out}"
        )
    return min(budget, MAX_BITS * n_workers)


def utility_table(straggle_prob: FloatArray, variance_of_bits: VarianceOfBits, bits: FloatArray) -> FloatArray:
    """Return u_i(b) for every worker and every number of bits (M,), shape (W, M).

    u_i(0) = 0 and u_i(1) = −inf: a worker sends nothing, or at least a sign and one magnitude level.

    Raises
    ------
    InputError : a worker that neither straggles nor quantizes, whose utility is infinite
    """
    p, bits = np.asarray(straggle_prob, float), np.asarray(bits, float)
    usable = bits >= MIN_BITS
    variance = np.full(bits.shape, np.inf)  # (M,)
    variance[usable] = variance_of_bits(bits[usable])
    table = utilities(p[:, None], variance[None, :])  # (W, M)
    if not np.all(np.isfinite(table)):
        raise InputError(
            f"worker {int(np.argmin(np.isfinite(table).all(axis=1)))} neither straggles nor quantizes "
            "(p + omega = 0): it needs no other worker; leave the others out or use a coarser quantizer"
        )
    table[:, bits == 1] = -np.inf  # a sign alone is no choice
    return table
