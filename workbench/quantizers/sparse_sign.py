"""Signs of a random share of the coordinates, sign_β [compskip, below Algorithm 1].

A coordinate becomes c·sign(p_l) with probability β and 0 otherwise; c = 1 as printed. It is biased, and
E‖c sign_β(p) − p‖² = ‖p‖² − 2cβ‖p‖₁ + c²β·nnz(p), which no multiple of ‖p‖² bounds for short p.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, UniformSource
from workbench.quantizers.rounding import is_more_than_rounding

SEED_BITS = 32


@dataclass(frozen=True, eq=False)
class SparseSign:
    """Send the signs of coordinates kept with probability β; sign(0) = 0; 0 bits: the worker sends nothing.

    What is 0 but for rounding counts as 0.

    Parameters
    ----------
    keep_prob : β in (0, 1]
    magnitude : c > 0, by which the master multiplies the signs
    """

    bits: IntArray  # (W,), 0 or 1
    keep_prob: float = 0.3
    magnitude: float = 1.0
    is_unbiased = False

    def __post_init__(self) -> None:
        if not 0 < self.keep_prob <= 1:
            raise InputError(f"keep_prob is {self.keep_prob}: it must be above 0 and at most 1")
        if not 0 < self.magnitude < np.inf:
            raise InputError(f"magnitude is {self.magnitude}: it must be positive and finite")

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a kept coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D); idle workers send 0."""
        sent = self._signs(v)
        sent *= rng.random(v.shape) < self.keep_prob
        return sent

    def mean(self, v: FloatArray) -> FloatArray:
        """cβ sign(v) for messages (..., W, D)."""
        return self.keep_prob * self._signs(v)

    def variance(self, v: FloatArray) -> FloatArray:
        """c²β(1 − β)·nnz(v) for messages (..., W, D), shape (..., W)."""
        each = self.magnitude**2 * self.keep_prob * (1 - self.keep_prob)
        return np.asarray(each * np.count_nonzero(is_more_than_rounding(v), axis=-1) * (self.bits > 0))

    def variance_factor(self, dim: int) -> FloatArray:
        """Infinite, shape (W,): short vectors keep an error of c²β a coordinate; 0 for idle workers."""
        return np.where(self.bits > 0, np.inf, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """NaN, shape (W,): it depends on ‖v‖/c; 0 for idle workers."""
        return np.where(self.bits > 0, np.nan, 0.0)

    def message_bits(self, dim: int) -> IntArray:
        """32 bits for the seed of the mask and one a kept coordinate: βd of them in the mean, rounded up, shape (W,).

        The paper's count, βd, leaves out the seed. One bit cannot say that a kept coordinate is exactly 0.
        """
        return np.where(self.bits > 0, SEED_BITS + int(np.ceil(round(self.keep_prob * dim, 6))), 0)

    def with_bits(self, bits: IntArray) -> "SparseSign":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)

    def _signs(self, v: FloatArray) -> FloatArray:
        """c·sign(v), 0 for idle workers, a new array (..., W, D)."""
        signs = np.sign(v)
        signs *= is_more_than_rounding(v)
        signs *= (self.magnitude * (self.bits > 0))[:, None]
        return signs


def quantizer(bits: IntArray, keep_prob: float = 0.3, magnitude: float = 1.0) -> SparseSign:
    """Build the quantizer; a worker with any bits uses one a kept coordinate, an idle one (0) none."""
    return SparseSign(np.minimum(np.asarray(bits, np.int64), 1), keep_prob, magnitude)
