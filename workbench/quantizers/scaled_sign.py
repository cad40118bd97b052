"""Signs times the mean magnitude, (‖p‖₁/d)·sign(p) [Karimireddy et al., 2019].

Deterministic and biased. What is 0, or 0 but for rounding, counts as positive, as one bit cannot say otherwise;
then the error is ‖p‖² − ‖p‖₁²/d for every p, a contraction by 1 − 1/d at least, as ‖p‖₁ ≥ ‖p‖.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.core.types import FloatArray, IntArray, UniformSource
from workbench.quantizers.rounding import is_more_than_rounding

SCALE_BITS = 32


@dataclass(frozen=True, eq=False)
class ScaledSign:
    """Send one sign a coordinate and the mean magnitude; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,), 0 or 1
    is_unbiased = False

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D); nothing is random."""
        return self.mean(v)

    def mean(self, v: FloatArray) -> FloatArray:
        """(‖v‖₁/d)·sign(v), sign(0) = 1, for messages (..., W, D)."""
        scale = np.mean(np.abs(v), axis=-1, keepdims=True) * (self.bits > 0)[:, None]  # (..., W, 1)
        return np.asarray(np.where((v < 0) & is_more_than_rounding(v), -scale, scale))

    def variance(self, v: FloatArray) -> FloatArray:
        """Zero for messages (..., W, D), shape (..., W)."""
        return np.zeros(v.shape[:-1])

    def variance_factor(self, dim: int) -> FloatArray:
        """1 − 1/d, attained by a vector with one nonzero coordinate, shape (W,)."""
        return np.where(self.bits > 0, 1 - 1 / dim, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """1 − (1 + (d − 1)·2/π)/d, shape (W,)."""
        return np.asarray(self.variance_factor(dim) * (1 - 2 / np.pi))

    def message_bits(self, dim: int) -> IntArray:
        """d bits and the scale's 32, shape (W,)."""
        return np.where(self.bits > 0, dim + SCALE_BITS, 0)

    def with_bits(self, bits: IntArray) -> "ScaledSign":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def quantizer(bits: IntArray) -> ScaledSign:
    """Build the quantizer; a worker with any bits uses one, an idle one (0) none."""
    return ScaledSign(np.minimum(np.asarray(bits, np.int64), 1))
