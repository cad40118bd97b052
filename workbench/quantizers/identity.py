"""No quantization: every coordinate travels as a 32-bit float."""

from dataclasses import dataclass, replace

import numpy as np

from workbench.core.types import FloatArray, IntArray, UniformSource

FLOAT_BITS = 32


@dataclass(frozen=True, eq=False)
class Identity:
    """Send messages as they are; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,), 0 or 32
    is_unbiased = True

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Return messages (R, W, D) unchanged, 0 for idle workers."""
        return self.mean(v)

    def mean(self, v: FloatArray) -> FloatArray:
        """v itself for messages (..., W, D), 0 for idle workers."""
        return np.where(self.bits[:, None] > 0, v, 0.0)

    def variance_factor(self, dim: int) -> FloatArray:
        """Zero, shape (W,)."""
        return np.zeros(self.bits.size)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """Zero, shape (W,)."""
        return self.variance_factor(dim)

    def variance(self, v: FloatArray) -> FloatArray:
        """Zero for messages (..., W, D), shape (..., W)."""
        return np.zeros(v.shape[:-1])

    def message_bits(self, dim: int) -> IntArray:
        """32 d bits, shape (W,)."""
        return self.bits * dim

    def with_bits(self, bits: IntArray) -> "Identity":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def quantizer(bits: IntArray) -> Identity:
    """Build it; a worker with any bits sends 32 a coordinate, an idle one (0) none."""
    return Identity(np.where(np.asarray(bits) > 0, FLOAT_BITS, 0))
