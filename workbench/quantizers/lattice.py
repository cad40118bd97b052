"""Low-precision lattice: stochastic rounding to multiples of a fixed scale [quantimed, eq. 7].

s bits name the 2^s multiples −η2^{s−1}, ..., η(2^{s−1} − 1) of the scale η; the paper prints η(2^s − 1) as the
last one, for which s bits do not suffice. Inside this range rounding is unbiased; outside it saturates, so
that the paper's Assumption 2, unbiased for every x, does not hold for (7).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.core.blocks import message_blocks
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, UniformSource

MAX_BITS = 32


@dataclass(frozen=True, eq=False)
class Lattice:
    """Round worker i's coordinates to 2^bits[i] levels in [−A, A − η_i], η_i = 2A/2^bits[i]; 0 bits: idle.

    Parameters
    ----------
    half_range : A > 0, the same for all workers, agreed upon beforehand: more bits make the levels finer
    """

    bits: IntArray  # (W,)
    half_range: float = 1.0
    is_unbiased = False

    def __post_init__(self) -> None:
        wrong = np.flatnonzero((self.bits < 0) | (self.bits > MAX_BITS))
        if wrong.size:
            raise InputError(f"worker {wrong[0]} has {self.bits[wrong[0]]} bits: give 1 to {MAX_BITS}, or 0: idle")
        if not 0 < self.half_range < np.inf:
            raise InputError(f"half_range is {self.half_range}: it must be positive and finite")

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    @property
    def scale(self) -> FloatArray:
        """η, shape (W,); 0 for an idle worker."""
        return np.where(self.bits > 0, self.half_range * np.exp2(1.0 - self.bits), 0.0)

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D) (eq. 7); idle workers send 0."""
        rounded, scale = rng.random(v.shape), self.scale[:, None]  # (R, W, D), (W, 1)
        for runs, workers in message_blocks(v.shape):
            block = rounded[runs, workers]
            position = self._position(v[runs, workers], workers)
            down = np.floor(position)
            position -= down  # the fraction, P(up)
            np.less(block, position, out=block)
            block += down
            block *= scale[workers]
        return rounded

    def mean(self, v: FloatArray) -> FloatArray:
        """v cut off at the ends of the range, for messages (..., W, D); 0 for idle workers."""
        return np.asarray(self._position(v) * self.scale[:, None])

    def variance(self, v: FloatArray) -> FloatArray:
        """η² Σ_l frac(1 − frac) for messages (..., W, D), shape (..., W): at most `variance_bound`."""
        position = self._position(v)
        position -= np.floor(position)
        return np.asarray(self.scale**2 * np.sum(position * (1 - position), axis=-1))

    def variance_bound(self, dim: int) -> FloatArray:
        """d η²/4, the bound on the variance whatever v is, shape (W,); inside the range also on the error."""
        return np.asarray(dim * self.scale**2 / 4)

    def variance_factor(self, dim: int) -> FloatArray:
        """Infinite, shape (W,): short vectors keep an error of the order of η²; 0 for idle workers."""
        return np.where(self.bits > 0, np.inf, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """NaN, shape (W,): it depends on ‖v‖/η; 0 for idle workers."""
        return np.where(self.bits > 0, np.nan, 0.0)

    def message_bits(self, dim: int) -> IntArray:
        """s·d bits, shape (W,)."""
        return self.bits * dim

    def with_bits(self, bits: IntArray) -> "Lattice":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)

    @cached_property
    def _range(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """η, infinite for an idle worker, −2^{s−1} and 2^{s−1} − 1, shape (W, 1) each."""
        half = np.exp2(self.bits - 1.0)[:, None]
        return np.where(self.bits > 0, self.scale, np.inf)[:, None], -half, half - 1

    def _position(self, v: FloatArray, workers: slice = slice(None)) -> FloatArray:
        """v/η of some workers cut off at −2^{s−1} and 2^{s−1} − 1, a new array (..., workers, D)."""
        scale, least, most = (each[workers] for each in self._range)
        position = v / scale
        np.maximum(position, least, out=position)  # np.clip takes longer with bounds that are arrays
        return np.asarray(np.minimum(position, most, out=position))


def quantizer(bits: IntArray, half_range: float = 1.0) -> Lattice:
    """Build the quantizer for workers with `bits` (W,) bits a coordinate and the range of `half_range`."""
    return Lattice(np.asarray(bits, np.int64), half_range)
