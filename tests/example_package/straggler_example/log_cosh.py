"""A problem: robust centres, F(x) = Σ_i Σ_l log cosh(x_l − a_il) over samples a_i dealt to parts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.sizes import check_memory


@dataclass(frozen=True)
class LogCosh:
    """samples : a, shape (P, N/P, D)."""

    name: ClassVar[str] = "log_cosh"
    samples: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.samples)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.samples.shape[2])

    @property
    def part_sizes(self) -> IntArray:
        """N/P for each part, shape (P,)."""
        return np.full(self.n_parts, self.samples.shape[1])

    def initial(self) -> FloatArray:
        """The origin, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        offset = np.abs(x[:, None, None, :] - self.samples)  # (R, P, N/P, D)
        return np.asarray((offset + np.log1p(np.exp(-2 * offset)) - np.log(2)).sum(axis=(1, 2, 3)))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        return self.local_grads(np.repeat(x[:, None, :], self.n_parts, axis=1))

    def encoder(self, encode: FloatArray) -> Encoder:
        """Messages of encode (W, P): iterates (R, D) -> (R, W, D)."""
        return lambda x: encode @ self.part_grads(x)

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r), shape (R, D)."""
        return np.einsum("rp,rpd->rd", weights, self.part_grads(x))

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        return np.asarray(np.tanh(x[:, :, None, :] - self.samples).sum(axis=2))

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Weighted sample gradients, batch and weights (R, P, B), shape (R, P, D)."""
        chosen = self.samples[np.arange(self.n_parts)[:, None], batch]  # (R, P, B, D)
        return np.einsum("rpb,rpbd->rpd", weights, np.tanh(x[:, :, None, :] - chosen))


def build(n_parts: int, *, seed: int, dim: int = 4, n_samples: int | None = None) -> LogCosh:
    """Draw normal samples; by default five a part.

    Raises
    ------
    InputError : sizes below 1, or more than memory holds
    """
    if n_parts < 1 or dim < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}: neither may be below 1")
    each = 5 if n_samples is None else max(1, n_samples // n_parts)
    check_memory(n_parts * each * dim, f"n_parts = {n_parts}, n_samples = {n_parts * each} and dim = {dim}")
    samples = 1 + stream(seed, "problem/log_cosh").standard_normal((n_parts, each, dim))  # (P, N/P, D)
    return LogCosh(samples, Regularity(smoothness=float(n_parts * each)))
