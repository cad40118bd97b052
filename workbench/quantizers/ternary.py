r"""Stochastic ternary signs, TernGrad [Wen et al., 2017].

With m = max|v|, a coordinate becomes m·sign(v_l) with probability |v_l|/m, else 0: unbiased, with variance
:math:`\sum_l |v_l|(m - |v_l|)`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

from workbench.core.types import FloatArray, IntArray, UniformSource

MAXIMUM_BITS = 32
TRITS_IN_A_BYTE = 5  # 3^5 = 243 <= 256
BITS = 2  # 8/5 bits a coordinate, rounded up
NODES = 400
LARGEST = 14.0  # normal coordinates in a dimension below 10^15 stay below it but for a chance of 10^-28


@lru_cache(maxsize=256)
def _mean_variance(dim: int) -> float:
    r"""Return :math:`E[m \|z\|_1]/d - 1` for d normal coordinates z, whose direction is uniform.

    It is :math:`E[m |z_1|] - 1 = \int_0^\infty E[|z_1|;\, m > t]\,dt - 1`, and
    :math:`E[|z_1|;\, m \le t] = \sqrt{2/\pi}\,(1 - e^{-t^2/2})\, F(t)^{d-1}` with F(t) = erf(t/√2).
    """
    if dim == 1:
        return 0.0  # the only coordinate is the largest
    node, weight = np.polynomial.legendre.leggauss(NODES)  # (N,)
    t = LARGEST / 2 * (node + 1)
    others_below = np.exp((dim - 1) * np.log1p(-special.erfc(t / np.sqrt(2))))
    exceeds = 1 + np.expm1(-(t**2) / 2) * others_below
    return float(np.sqrt(2 / np.pi) * LARGEST / 2 * (weight @ exceeds)) - 1


@dataclass(frozen=True, eq=False)
class Ternary:
    """Send −1, 0 or 1 a coordinate and the largest magnitude; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,), 0 or 2
    is_unbiased = True

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, 8/5 rounded up, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D); idle workers send 0."""
        largest = np.max(np.abs(v), axis=-1, keepdims=True) * (self.bits > 0)[:, None]  # (R, W, 1)
        drawn = rng.random(v.shape)
        drawn *= largest  # below |v| with probability |v|/m
        return np.where(drawn < np.abs(v), np.copysign(largest, v), 0.0)

    def mean(self, v: FloatArray) -> FloatArray:
        """v itself for messages (..., W, D), 0 for idle workers."""
        return np.where(self.bits[:, None] > 0, v, 0.0)

    def variance(self, v: FloatArray) -> FloatArray:
        """Σ_l |v_l|(m − |v_l|) for messages (..., W, D), shape (..., W)."""
        size = np.abs(v)
        each = np.sum(size * (size.max(axis=-1, keepdims=True) - size), axis=-1)
        return np.asarray(np.where(self.bits > 0, each, 0.0))

    def variance_factor(self, dim: int) -> FloatArray:
        r"""(√d − 1)/2, shape (W,).

        Let m = 1, attained by one coordinate. Each other x adds x(1 − x) − ωx² ≤ 1/(4(1 + ω)) to variance − ω‖v‖²,
        which is therefore at most (d − 1)/(4(1 + ω)) − ω = 0, attained where all others are 1/(1 + √d).
        """
        return np.where(self.bits > 0, (np.sqrt(dim) - 1) / 2, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """E‖Q(v) − v‖²/‖v‖² for v uniform on the sphere, shape (W,)."""
        return np.where(self.bits > 0, _mean_variance(dim), 0.0)

    def message_bits(self, dim: int) -> IntArray:
        """A byte for every 5 coordinates, the last one perhaps not full, and the maximum's 32 bits, shape (W,)."""
        return np.where(self.bits > 0, 8 * -(-dim // TRITS_IN_A_BYTE) + MAXIMUM_BITS, 0)

    def with_bits(self, bits: IntArray) -> "Ternary":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def quantizer(bits: IntArray) -> Ternary:
    """Build the quantizer; a worker with any bits uses 8/5 a coordinate, an idle one (0) none."""
    return Ternary(np.where(np.asarray(bits) > 0, BITS, 0))
