"""Logistic losses, one for each of K two-sided questions about the same samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from workbench.core.blocks import in_run_blocks
from workbench.core.types import FloatArray, IntArray, Regularity
from workbench.problems.products import mixed_products, part_products
from workbench.problems.regularity import FLATTEST, inverse_of_gram, minimise
from workbench.problems.samples import Floats

RUN_BLOCK = 5


@dataclass(frozen=True)
class BinaryLogistic:
    r"""The loss F = Σ_j f_j, f_j = c Σ_{i in part j} Σ_k log(1 + exp(−s_ki ⟨a_i, x_k⟩)) + l2/(2P) ‖x‖².

    An iterate is the (K, features) matrix x_1, ..., x_K row after row.

    features : a_i, part after part, shape (N, features); their dtype is the arithmetic's
    signs : s, +1 or −1, shape (K, N)
    starts : first sample of each part, and N, shape (P+1,)
    scale : c
    """

    name: str
    features: Floats
    signs: Floats
    starts: IntArray
    scale: float
    l2: float
    start: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D = K features."""
        return len(self.signs) * int(self.features.shape[1])

    def initial(self) -> FloatArray:
        """The common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            each = np.logaddexp(0, -self._margins(block))  # (runs, K, N)
            return np.asarray(self.scale * each.sum(axis=(1, 2), dtype=np.float64))

        return np.asarray(in_run_blocks(block_loss, x, RUN_BLOCK) + self.l2 / 2 * np.square(x).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""

        def block_grads(block: FloatArray) -> Floats:
            grads = part_products(self._slopes(block), self.features, self.starts)  # (P, runs K, features)
            return grads.reshape(self.n_parts, len(block), self.dim).swapaxes(0, 1)

        grads = in_run_blocks(block_grads, x, RUN_BLOCK)  # (R, P, D)
        grads += (self.l2 / self.n_parts) * x[:, None, :]
        return grads

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D)."""

        def block_messages(block: FloatArray) -> Floats:
            mixed = mixed_products(self._slopes(block), self.features, self.starts, encode)  # (W, runs K, features)
            return mixed.reshape(len(encode), len(block), self.dim).swapaxes(0, 1)

        messages = in_run_blocks(block_messages, x, RUN_BLOCK)  # (R, W, D)
        messages += (self.l2 / self.n_parts) * encode.sum(axis=1)[:, None] * x[:, None, :]
        return messages

    def _margins(self, block: FloatArray) -> Floats:
        """How far each sample lies on the right side, shape (runs, K, N)."""
        weights = block.astype(self.features.dtype).reshape(-1, self.features.shape[1])  # (runs K, features)
        return (weights @ self.features.T).reshape(len(block), *self.signs.shape) * self.signs

    def _slopes(self, block: FloatArray) -> Floats:
        """Derivative of the logistic losses in ⟨a_i, x_k⟩, shape (runs K, N)."""
        slopes = -self.scale * self.signs * expit(-self._margins(block))  # (runs, K, N)
        return np.asarray(slopes, self.features.dtype).reshape(-1, self.signs.shape[1])


def measured(features: Floats, signs: Floats, *, scale: float, l2: float) -> Regularity:
    """Measure the constants of the loss on features (N, F) with signs (K, N).

    The smoothness, c λ_max(AᵀA)/4 + l2, is the Hessian's largest eigenvalue at the origin and an upper bound
    elsewhere. Far out the logistic losses are flat, so l2 is all the strong convexity there is; with next to none
    the sides may be separable, and no optimum is claimed.
    """
    rows, sides = features.astype(np.float64), signs.astype(np.float64)
    gram = rows.T @ rows  # (F, F)
    smoothness = float(scale * np.linalg.eigvalsh(gram)[-1] / 4 + l2)
    if l2 < FLATTEST * smoothness:
        return Regularity(l2 or None, smoothness)

    def margins(x: FloatArray) -> FloatArray:
        return np.asarray(sides * (x.reshape(len(sides), -1) @ rows.T))  # (K, N)

    def gradient(x: FloatArray) -> FloatArray:
        return np.asarray((-scale * sides * expit(-margins(x)) @ rows).ravel() + l2 * x)

    def hessian_at(x: FloatArray) -> Callable[[FloatArray], FloatArray]:
        likely = expit(margins(x))  # (K, N)
        curvature = scale * likely * (1 - likely)  # (K, N)
        return lambda v: ((curvature * (v.reshape(len(sides), -1) @ rows.T)) @ rows).ravel() + l2 * v

    # Most samples end up far from 1:1, where the curvature is well below 1/4.
    precondition = inverse_of_gram(scale / 10 * gram, l2, len(sides))
    optimum = minimise(gradient, hessian_at, precondition, dim=sides.shape[0] * rows.shape[1], strong_convexity=l2)
    if optimum is None:
        return Regularity(l2, smoothness)
    least = scale * np.logaddexp(0, -margins(optimum)).sum() + l2 / 2 * np.square(optimum).sum()
    return Regularity(l2, smoothness, optimum=optimum, optimal_loss=float(least))
