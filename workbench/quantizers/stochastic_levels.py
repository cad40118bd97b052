"""Stochastic rounding to uniform magnitude levels, b_i bits a coordinate for worker i [hetero_gc, eqs. 3-5].

A coordinate keeps its sign, and its magnitude relative to the vector's norm is rounded at random to one of
the levels 0, 1/s, ..., 1 with s = 2^(b-1) - 1, so that the result is unbiased.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from workbench.core.blocks import message_blocks
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, UniformSource, VarianceConstant

MIN_BITS = 2  # the sign and one level
MAX_BITS = 32
NORM_BITS = 32
FINE, TERMS = 4, 2000  # levels within one standard deviation of a coordinate that are many; terms of the series then


def levels(bits: FloatArray | IntArray) -> FloatArray:
    """Return the number s of nonzero magnitude levels at `bits` (real numbers allowed), same shape."""
    return np.asarray(np.exp2(np.asarray(bits, float) - 1) - 1)


def variance_constant(bits: FloatArray | IntArray, dim: int, constant: VarianceConstant = "tight") -> FloatArray:
    r"""Return ω with :math:`E\|Q(v) - v\|^2 \le \omega \|v\|^2` for every v in dimension `dim`.

    paper: :math:`d/(4s^2)` [hetero_gc, below eq. 5]; qsgd: :math:`\min(d/s^2, \sqrt d/s)`; tight:
    :math:`\sqrt d/s - 1` where :math:`\sqrt d \ge 2s`, attained by equal coordinates, else :math:`d/(4s^2)`.

    Parameters
    ----------
    bits : bits a coordinate, at least 2, any shape; real numbers are allowed for relaxations
    """
    s = levels(bits)
    if np.any(s < 1):
        raise InputError(f"{np.min(bits)} bits: stochastic levels need at least {MIN_BITS} (a sign and one level)")
    root = np.sqrt(dim)
    if constant == "paper":
        return np.asarray(dim / (4 * s**2))
    if constant == "qsgd":
        return np.asarray(np.minimum(dim / s**2, root / s))
    return np.asarray(np.where(root >= 2 * s, root / s - 1, dim / (4 * s**2)))


@lru_cache(maxsize=256)
def _mean_variance(bits: int, dim: int) -> float:
    r"""Return :math:`(d/s^2)\,E[h(s|t|)]`, t a coordinate of a uniform unit vector, h = frac (1 - frac).

    Few levels: on the cell [m, m+1] h is a parabola, and the moments of |t| up to a point are incomplete Beta
    functions, whose cancellation grows with s². Many: :math:`h(r) = 1/6 - \sum_k \cos(2\pi k r)/(\pi k)^2`, with
    :math:`E \cos(zt) = \Gamma(d/2) (2/z)^{d/2-1} J_{d/2-1}(z)`. The relative error is below 1e-6.
    """
    from scipy import special  # slow to import, and few commands come here

    if dim == 1:
        return 0.0  # the only coordinate sits on the last level
    s = float(levels(np.array(bits)))
    if s > FINE * np.sqrt(dim):
        if dim > 100:
            return dim / (6 * s**2)  # all further terms together are below 1e-40
        k = np.arange(1, TERMS + 1)
        z, order = 2 * np.pi * k * s, dim / 2 - 1
        cosine = np.exp(special.gammaln(dim / 2) + order * np.log(2 / z)) * special.jv(order, z)
        return float(dim / s**2 * (1 / 6 - np.sum(cosine / (np.pi * k) ** 2)))
    reach = min(1.0, 12 / np.sqrt(dim))  # beyond 12 standard deviations lies less than 1e-30
    cells = np.ceil(s * reach)
    edge_sq = np.minimum(np.arange(cells + 1) / s, 1.0) ** 2  # (cells + 1,)
    half = (dim - 1) / 2
    mass = special.betainc(0.5, half, edge_sq)
    first = np.exp(special.betaln(1, half) - special.betaln(0.5, half)) * special.betainc(1, half, edge_sq)
    second = special.betainc(1.5, half, edge_sq) / dim
    m = np.arange(cells)
    inside = -(s**2) * np.diff(second) + (2 * m + 1) * s * np.diff(first) - m * (m + 1) * np.diff(mass)
    return float(dim / s**2 * inside.sum())


@dataclass(frozen=True, eq=False)
class StochasticLevels:
    """Quantize worker i's message with bits[i] bits a coordinate; 0 bits: the worker sends nothing."""

    bits: IntArray  # (W,)
    constant: VarianceConstant = "tight"
    is_unbiased = True

    def __post_init__(self) -> None:
        wrong = np.flatnonzero((self.bits != 0) & ((self.bits < MIN_BITS) | (self.bits > MAX_BITS)))
        if wrong.size:
            raise InputError(
                f"worker {wrong[0]} has {self.bits[wrong[0]]} bits: give {MIN_BITS} to {MAX_BITS}, or 0: idle"
            )

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate, shape (W,)."""
        return self.bits

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D): ‖v‖ sign(v) ξ, ξ on the levels (eq. 3); idle workers send 0.

        floor(r + U), U uniform, is one of r's two neighbouring integers and has mean r, for negative r too:
        eq. 4 and the sign in one pass over the coordinates.
        """
        norm = np.sqrt(np.vecdot(v, v))[..., None]  # (R, W, 1)
        s = levels(self.bits)[:, None]  # (W, 1); -1/2 for an idle worker, whose message is 0 anyway
        to_levels = np.divide(s, norm, out=np.zeros_like(norm), where=norm > 0)
        norm *= np.where(self.bits[:, None] > 0, 1 / s, 0.0)
        rounded = rng.random(v.shape)  # (R, W, D)
        for some in message_blocks(v.shape):
            block = rounded[some]
            block += v[some] * to_levels[some]
            np.floor(block, out=block)
            block *= norm[some]
        return rounded

    def mean(self, v: FloatArray) -> FloatArray:
        """v itself for messages (..., W, D), 0 for idle workers."""
        return np.where(self.bits[:, None] > 0, v, 0.0)

    def variance_factor(self, dim: int) -> FloatArray:
        """ω by the chosen constant, shape (W,); 0 for an idle worker, which sends nothing."""
        return self._over_workers(lambda bits: float(variance_constant(np.array(bits), dim, self.constant)))

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """E‖Q(v) − v‖²/‖v‖² for v uniform on the sphere, shape (W,)."""
        return self._over_workers(lambda bits: _mean_variance(bits, dim))

    def variance(self, v: FloatArray) -> FloatArray:
        """E‖Q(v) − E Q(v)‖² for messages (..., W, D): Σ_l frac(1 − frac) ‖v‖²/s², shape (..., W)."""
        norm = np.linalg.norm(v, axis=-1, keepdims=True)
        s = levels(self.bits)[:, None]
        r = np.abs(v) * np.divide(s, norm, out=np.zeros_like(norm), where=norm > 0)
        part = r - np.floor(r)
        each = np.sum(part * (1 - part), axis=-1) * (norm / s)[..., 0] ** 2
        return np.asarray(np.where(self.bits > 0, each, 0.0))

    def message_bits(self, dim: int) -> IntArray:
        """b·d bits and the norm's 32, shape (W,)."""
        return np.where(self.bits > 0, self.bits * dim + NORM_BITS, 0)

    def _over_workers(self, factor: Callable[[int], float]) -> FloatArray:
        """Evaluate `factor` once for each number of bits in use."""
        used, where = np.unique(self.bits, return_inverse=True)
        return np.array([factor(int(bits)) if bits else 0.0 for bits in used])[where]

    def with_bits(self, bits: IntArray) -> "StochasticLevels":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def quantizer(bits: IntArray, constant: VarianceConstant = "tight") -> StochasticLevels:
    """Build the quantizer for workers with `bits` (W,) bits a coordinate."""
    return StochasticLevels(np.asarray(bits, np.int64), constant)
