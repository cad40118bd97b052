"""Random 1-bit quantization with the norm sent along [onebit_gc, eq. 6].

Every coordinate becomes ±‖v‖, with probabilities 1/2 ± v_l/(2‖v‖); unbiased, and its error is
(d − 1)‖v‖² whatever v is. The paper's 0/0 at v = 0 is settled as Q(0) = 0.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.core.blocks import message_blocks
from workbench.core.types import FloatArray, IntArray, UniformSource

NORM_BITS = 32
SIGN_BIT = np.int64(np.iinfo(np.int64).min)


@dataclass(frozen=True, eq=False)
class RandomSign:
    """Quantize to one bit a coordinate; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,), 0 or 1
    is_unbiased = True

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D): +‖v‖ where U < 1/2 + v/(2‖v‖), else −‖v‖; works in place on the draws U."""
        norm = np.sqrt(np.vecdot(v, v))[..., None]  # (R, W, 1)
        half = np.divide(0.5, norm, out=np.zeros_like(norm), where=norm > 0)
        norm *= (self.bits > 0)[:, None]
        signs = rng.random(v.shape)  # (R, W, D)
        for some in message_blocks(v.shape):
            own = signs[some]
            wide = np.empty(own.shape)  # a row's own number all along it: broadcasting takes three times as long
            np.copyto(wide, half[some])
            wide *= v[some]
            wide += 0.5
            np.subtract(wide, own, out=own)
            np.copyto(wide, norm[some])
            as_bits = own.view(np.int64)
            as_bits &= SIGN_BIT  # np.copysign takes three times as long
            as_bits |= wide.view(np.int64)
        return signs

    def mean(self, v: FloatArray) -> FloatArray:
        """v itself for messages (..., W, D), 0 for idle workers."""
        return np.where(self.bits[:, None] > 0, v, 0.0)

    def variance_factor(self, dim: int) -> FloatArray:
        """d − 1, attained by every vector, shape (W,)."""
        return np.where(self.bits > 0, dim - 1.0, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """d − 1, shape (W,)."""
        return self.variance_factor(dim)

    def variance(self, v: FloatArray) -> FloatArray:
        """(d − 1)‖v‖² for messages (..., W, D), shape (..., W)."""
        return np.asarray(self.variance_factor(v.shape[-1]) * np.sum(v**2, axis=-1))

    def message_bits(self, dim: int) -> IntArray:
        """d bits and the norm's 32, shape (W,)."""
        return np.where(self.bits > 0, dim + NORM_BITS, 0)

    def with_bits(self, bits: IntArray) -> "RandomSign":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def quantizer(bits: IntArray) -> RandomSign:
    """Build the quantizer; a worker with any bits uses one, an idle one (0) none."""
    return RandomSign(np.minimum(np.asarray(bits, np.int64), 1))
