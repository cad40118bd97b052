"""The k coordinates of largest magnitude, exactly, with their indices [Stich et al., 2018].

Deterministic and biased; what is left out has at most the share 1 − k/d of ‖v‖².
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, UniformSource

MAX_BITS = 32
VALUE_BITS = 32
NODES = 4001  # of the trapezoidal rule, which converges geometrically here
REACH = 25.0  # standard deviations of a Beta variable's logit, whose tails are exponential or lighter


@lru_cache(maxsize=256)
def _mean_error(n_kept: int, dim: int) -> float:
    r"""Return E‖Q(v) − v‖²/‖v‖² for v uniform on the sphere.

    For d normal coordinates z, whose direction is uniform, it is :math:`E[z^2; z \text{ is left out}]`: |z| lies below
    the k-th largest of the other d − 1 magnitudes, at which their distribution function F is
    :math:`B \sim \mathrm{Beta}(d - k, k)`; and :math:`E[z^2; F(|z|) \le B] = P(3/2, P^{-1}(1/2, B))` with the
    incomplete Gamma function P. The mean over B is taken in its logit, where its density is a smooth bell.
    """
    if n_kept == dim:
        return 0.0
    a, b = dim - n_kept, n_kept
    spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    logit = special.digamma(a) - special.digamma(b) + spread * np.linspace(-REACH, REACH, NODES)  # (N,)
    log_density = a * special.log_expit(logit) + b * special.log_expit(-logit)
    density = np.exp(log_density - log_density.max())
    below, above = special.expit(logit), special.expit(-logit)
    half_square = np.where(logit < 0, special.gammaincinv(0.5, below), special.gammainccinv(0.5, above))  # z²/2
    return float(density @ special.gammainc(1.5, half_square) / density.sum())


def _largest(v: FloatArray, n_kept: int) -> FloatArray:
    """Set all but the `n_kept` largest magnitudes of each vector (..., D) to 0; of equal ones the first stay."""
    size = np.abs(v)
    least = np.partition(size, -n_kept, axis=-1)[..., [-n_kept]]  # (..., 1): the smallest to stay
    stays, tied = size > least, size == least
    stays |= tied & (np.cumsum(tied, axis=-1) <= n_kept - np.count_nonzero(stays, axis=-1, keepdims=True))
    return np.where(stays, v, 0.0)


@dataclass(frozen=True, eq=False)
class TopK:
    """Send worker i's largest coordinates, as many as fit into bits[i] bits a coordinate; 0 bits: idle."""

    bits: IntArray  # (W,)
    is_unbiased = False

    def __post_init__(self) -> None:
        wrong = np.flatnonzero((self.bits < 0) | (self.bits > MAX_BITS))
        if wrong.size:
            raise InputError(f"worker {wrong[0]} has {self.bits[wrong[0]]} bits: give 1 to {MAX_BITS}, or 0: idle")

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate that the messages may take, shape (W,)."""
        return self.bits

    def n_kept(self, dim: int) -> IntArray:
        """The most coordinates that fit into bits·d bits, but at least 1, shape (W,); 0 for idle workers."""
        fitting = np.clip(self.bits * dim // _coordinate_bits(dim), 1, dim)
        return np.where(self.bits > 0, fitting, 0)

    def __call__(self, v: FloatArray, *, rng: UniformSource) -> FloatArray:
        """Quantize messages (R, W, D); nothing is random."""
        return self.mean(v)

    def mean(self, v: FloatArray) -> FloatArray:
        """The largest coordinates of messages (..., W, D), 0 elsewhere and for idle workers."""
        sent = np.zeros(v.shape)
        n_kept = self.n_kept(v.shape[-1])
        for k in np.unique(n_kept[n_kept > 0]):
            workers = np.flatnonzero(n_kept == k)
            sent[..., workers, :] = _largest(v[..., workers, :], int(k))
        return sent

    def variance(self, v: FloatArray) -> FloatArray:
        """Zero for messages (..., W, D), shape (..., W)."""
        return np.zeros(v.shape[:-1])

    def variance_factor(self, dim: int) -> FloatArray:
        """1 − k/d, attained by equal magnitudes, shape (W,)."""
        return np.where(self.bits > 0, 1 - self.n_kept(dim) / dim, 0.0)

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """E‖Q(v) − v‖²/‖v‖² for v uniform on the sphere, shape (W,)."""
        return np.array([_mean_error(int(k), dim) if k else 0.0 for k in self.n_kept(dim)])

    def message_bits(self, dim: int) -> IntArray:
        """A 32-bit value and a ⌈log₂ d⌉-bit index for each coordinate sent, shape (W,)."""
        return self.n_kept(dim) * _coordinate_bits(dim)

    def with_bits(self, bits: IntArray) -> "TopK":
        """Return the same quantizer for other workers, bits (W,)."""
        return replace(self, bits=bits)


def _coordinate_bits(dim: int) -> int:
    return VALUE_BITS + (dim - 1).bit_length()


def quantizer(bits: IntArray) -> TopK:
    """Build the quantizer for workers with `bits` (W,) bits a coordinate."""
    return TopK(np.asarray(bits, np.int64))
