"""A gradient code: who computes what, with which weights, at how many bits, and how it is combined."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from scipy import sparse

from workbench.codes.placement import Placement
from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray, IntArray, Quantizer, VarianceConstant
from workbench.quantizers.stochastic_levels import MAX_BITS, MIN_BITS, StochasticLevels

LARGEST = 10**15  # numbers of a design: their products with bits stay 64-bit integers
MAX_WORKERS = 5000  # some families hold W² numbers in memory
MAX_PAIRS = 10**7  # (worker, part) pairs: some families hold them all in memory
MAX_CONVEX_PAIRS = 20_000  # for the convex solver, some seconds

Structure = Literal["sparse", "dense", "convex", "fewest-edges"]


class Decoder(Protocol):
    """The weights that the master gives to the messages of a round."""

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) for responses (R, W); 0 for stragglers."""
        ...

    def lifted(self, selection: sparse.csr_array) -> "Decoder":
        """Return the decoder among more workers; selection (W', W) places the present ones."""
        ...


@dataclass(frozen=True)
class DesignSpec:
    """What a design is asked for, the same for every family.

    Parameters
    ----------
    n_parts : P, parts of the data
    dim : d, coordinates of a gradient
    bit_budget : B, bits a coordinate summed over all workers
    replication : mean number of workers a part is given to, for the families that are free to choose
    variance_constant : which bound on the quantizer's variance the design trusts
    allow_idle : whether a worker may get 0 bits, and then no part
    structure : which of the optimal codes of one error is built: eq. 22's, the one in which each worker weighs all
        parts alike, the convex solver's, or the one of fewest nonzeros
    """

    n_parts: int
    dim: int
    bit_budget: int
    replication: int = 2
    variance_constant: VarianceConstant = "tight"
    allow_idle: bool = False
    structure: Structure = "sparse"

    def __post_init__(self) -> None:
        for name in ("n_parts", "dim", "bit_budget", "replication"):
            if not 1 <= getattr(self, name) <= LARGEST:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1 and at most {LARGEST:.0e}")

    def check_size(self, n_workers: int) -> None:
        """Refuse a design for `n_workers` that would not fit into memory.

        Raises
        ------
        InputError : too many workers, or too many pairs of worker and part
        """
        if n_workers > MAX_WORKERS:
            raise InputError(f"{n_workers} workers: a comparison of all codes takes at most {MAX_WORKERS}")
        if n_workers * self.n_parts > MAX_PAIRS:
            raise InputError(
                f"{n_workers} workers and {self.n_parts} parts are more than {MAX_PAIRS:.0e} pairs: "
                f"take at most {MAX_PAIRS // n_workers} parts"
            )
        if self.structure == "convex" and n_workers * self.n_parts > MAX_CONVEX_PAIRS:
            raise InputError(
                f"{n_workers} workers and {self.n_parts} parts are more than the {MAX_CONVEX_PAIRS} pairs that the "
                "convex structure takes: choose sparse or dense, which have the same error in closed form"
            )


@dataclass(frozen=True, eq=False)
class GradientCode:
    """Encoding, decoding and quantization of W workers over P parts.

    Worker i sends Q_i(f_i), f_i = Σ_j encode_ij g_j; the master adds the messages that came, each times
    its decoding weight [hetero_gc, eq. 2].
    """

    family: str
    encode: sparse.csr_array  # (W, P), no explicit zeros
    decoder: Decoder
    quantizer: Quantizer

    @property
    def n_workers(self) -> int:
        """W."""
        return int(self.encode.shape[0])

    @property
    def n_parts(self) -> int:
        """P."""
        return int(self.encode.shape[1])

    @property
    def bits(self) -> IntArray:
        """Bits a coordinate of each worker, shape (W,)."""
        return self.quantizer.bits_per_coordinate

    @cached_property
    def placement(self) -> Placement:
        """The pairs (worker, part) with a nonzero weight."""
        pattern = self.encode.copy()
        pattern.data = np.ones(pattern.nnz)
        return Placement(pattern)

    @property
    def load(self) -> float:
        """Mean replication: nonzeros of the encoding matrix over parts."""
        return self.encode.nnz / self.n_parts

    @cached_property
    def encode_dense(self) -> FloatArray:
        """The encoding matrix, (W, P)."""
        return np.asarray(self.encode.toarray())

    def among(self, workers: IntArray, n_workers: int) -> "GradientCode":
        """Return the code with its workers at the indices `workers` among `n_workers`; the others stay idle."""
        ones = np.ones(workers.size, np.int64)
        selection = sparse.csr_array((ones, (workers, np.arange(workers.size))), shape=(n_workers, workers.size))
        return GradientCode(
            self.family,
            (selection @ self.encode).tocsr(),
            self.decoder.lifted(selection),
            self.quantizer.with_bits(np.asarray(selection @ self.bits)),
        )


def equal_bits(encode: sparse.csr_array, bit_budget: int) -> IntArray:
    """Split the budget among the workers that hold something, differing by at most one bit, shape (W,).

    Raises
    ------
    InputError : fewer than 2 bits for each
    """
    active = np.flatnonzero(np.diff(encode.indptr))
    share, rest = divmod(bit_budget, active.size)
    if share < MIN_BITS:
        raise InputError(
            f"a budget of {bit_budget} bits a coordinate leaves {active.size} workers less than {MIN_BITS} each: "
            f"raise it to {MIN_BITS * active.size} or more"
        )
    bits = np.zeros(encode.shape[0], np.int64)
    bits[active] = np.minimum(share + (np.arange(active.size) < rest), MAX_BITS)
    return bits


def equally_quantized(family: str, encode: sparse.csr_array, decoder: Decoder, spec: DesignSpec) -> GradientCode:
    """Complete a code whose design does not look at quantization: stochastic levels with equal bits."""
    quantizer = StochasticLevels(equal_bits(encode, spec.bit_budget), spec.variance_constant)
    return GradientCode(family, encode, decoder, quantizer)
