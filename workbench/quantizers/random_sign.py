"""Random 1-bit quantization with the norm sent along [onebit_gc, eq. 6].

Every coordinate becomes ±‖v‖, with probabilities 1/2 ± v_l/(2‖v‖); unbiased, and its error is
(d − 1)‖v‖² whatever v is. The paper's 0/0 at v = 0 is settled as Q(0) = 0. A coin is made of 32 random bits, so
that drawn means are v up to 2⁻³⁰‖v‖ a coordinate.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.core.blocks import message_blocks
from workbench.core.types import BoolArray, FloatArray, IntArray, WordSource

NORM_BITS = 32
LARGEST_WORD = 2.0**31 - 1
LEAST_NORM = 1e-153  # the squares of shorter messages leave the range of numbers: their coins get ever fairer


@dataclass(frozen=True, eq=False)
class RandomSign:
    """Quantize to one bit a coordinate; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,), 0 or 1
    is_unbiased = True

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: WordSource) -> FloatArray:
        """Quantize messages (R, W, D): +‖v‖ with probability 1/2 + v/(2‖v‖), else −‖v‖."""
        norms = _norms(v)
        said = (norms * (self.bits > 0))[..., None]  # (R, W, 1): an idle worker says nothing
        return np.where(_tossed(v, norms, rng), said, -said)

    def weighted_sums(self, v: FloatArray, weights: FloatArray, *, rng: WordSource) -> FloatArray:
        """Σ_i weights[r, k, i] Q(v[r, i]) for messages (R, W, D) and weights (R, K, W), shape (R, K, D).

        They are twice the sums Σ_i weights_i ‖v_i‖ over the positive signs, less those over all.
        """
        norms = _norms(v)
        positive = _tossed(v, norms, rng)
        scales = weights * (norms * (self.bits > 0))[:, None]  # (R, K, W)
        sums = np.zeros((*weights.shape[:2], v.shape[2]))
        for runs, workers in message_blocks(v.shape):
            sums[runs] += scales[runs, :, workers] @ positive[runs, workers].astype(np.float64)
        sums *= 2
        sums -= scales.sum(axis=2, keepdims=True)
        return sums

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


def _norms(v: FloatArray) -> FloatArray:
    """‖v‖ of messages (R, W, D), shape (R, W)."""
    return np.asarray(np.sqrt(np.vecdot(v, v)))


def _tossed(v: FloatArray, norms: FloatArray, rng: WordSource) -> BoolArray:
    """Toss which coordinates of messages (R, W, D) with norms (R, W) become positive, shape (R, W, D).

    A coin is a word that lies below (2³¹ − 1)v/‖v‖: its chance is 1/2 + v/(2‖v‖) up to 2⁻³¹, also at 0 and 1.
    """
    scale = LARGEST_WORD / np.maximum(norms, LEAST_NORM)  # (R, W)
    below, positive = np.empty(v.shape, np.int32), np.empty(v.shape, np.bool_)
    np.multiply(v, scale[..., None], out=below, casting="unsafe")  # cast while multiplying: one way less over them
    for words, threshold, into in zip(rng.words(v.shape), below, positive, strict=True):  # used while in the cache
        np.less(words, threshold, out=into)
    return positive


def quantizer(bits: IntArray) -> RandomSign:
    """Build the quantizer; a worker with any bits uses one, an idle one (0) none."""
    return RandomSign(np.minimum(np.asarray(bits, np.int64), 1))
