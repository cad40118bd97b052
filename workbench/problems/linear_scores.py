"""Gradients of losses that see a sample through a few linear scores alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.core.types import Encoder, FloatArray, IntArray
from workbench.problems.products import (
    batch_weights,
    common_iterate,
    gathers,
    local_products,
    mixer,
    part_products,
    run_chunks,
    times,
    weigh,
)
from workbench.problems.samples import Floats

Samples = IntArray | slice  # numbers of samples, counted over all parts
Slopes = Callable[[Floats, Samples], Floats]


@dataclass(frozen=True)
class LinearScores:
    r"""The loss F = Σ_j f_j, f_j = Σ_{i in part j} ℓ_i(⟨a_i, x_1⟩, ..., ⟨a_i, x_K⟩) + ridge/2 ‖x‖².

    An iterate is the (K, features) matrix x_1, ..., x_K row after row.

    rows : a_i, part after part, shape (N, features); their dtype is the arithmetic's
    starts : first sample of each part, and N, shape (P+1,)
    n_scores : K
    slopes : scores (..., K, M) and their samples (..., M) -> derivatives of ℓ in them; it may work in place
    """

    rows: Floats
    starts: IntArray
    n_scores: int
    slopes: Slopes
    ridge: float = 0.0

    def scores(self, x: FloatArray) -> Floats:
        """Scores of all samples at iterates (R, D), shape (R, K, N)."""
        weights = x.astype(self.rows.dtype, copy=False).reshape(len(x), self.n_scores, -1)  # (R, K, features)
        return times(weights, self.rows.T)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        grads = self._summed(self._slopes(x))
        if self.ridge:
            grads += self.ridge * x[:, None, :]
        return grads

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D)."""
        mix, ridges = mixer(encode, self.rows, self.starts), self.ridge * encode.sum(axis=1)  # (W,)

        def messages(x: FloatArray) -> FloatArray:
            out = np.empty((len(x), len(encode), x.shape[1]))  # (R, W, D)
            mix(self._slopes(x), out)
            if self.ridge:
                out += ridges[:, None] * x[:, None, :]
            return out

        return messages

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        slopes = self._slopes(x)  # (R, K, N)
        weigh(slopes, weights, self.starts)
        product = slopes.reshape(-1, len(self.rows)) @ self.rows  # (R K, features)
        grad = product.reshape(x.shape).astype(np.float64, copy=False)  # (R, D)
        if self.ridge:
            grad += self.ridge * weights.sum(axis=1)[:, None] * x
        return grad

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        grads = self._summed(self._local_slopes(x))
        if self.ridge:
            grads += self.ridge * x
        return grads

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], x (R, P, D) and the others (R, P, B), as x.

        Small batches are gathered; of large ones, the part's other samples get the weight 0.
        """
        if gathers(batch, self.starts, self.n_scores):
            grads = np.empty(x.shape)  # (R, P, D)
            for runs in run_chunks(len(x), batch[0].size * self.rows.shape[1]):
                grads[runs] = self._gathered(x[runs], batch[runs], weights[runs])
        else:
            slopes = self._local_slopes(x)  # (R, K, N)
            slopes *= batch_weights(batch, weights, self.starts)[:, None]
            grads = self._summed(slopes)
        if self.ridge:
            grads += (self.ridge / np.diff(self.starts) * weights.sum(axis=2))[..., None] * x
        return grads

    def _gathered(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> Floats:
        chosen = self.starts[:-1, None] + batch  # (runs, P, B)
        rows = self.rows.take(chosen, axis=0)  # (runs, P, B, features)
        own = x.astype(rows.dtype, copy=False).reshape(*x.shape[:2], self.n_scores, -1)  # (runs, P, K, features)
        slopes = self.slopes(own @ rows.swapaxes(2, 3), chosen)  # (runs, P, K, B)
        slopes *= weights[:, :, None]
        return (slopes @ rows).reshape(x.shape)

    def _slopes(self, x: FloatArray) -> Floats:
        return self.slopes(self.scores(x), slice(None))

    def _local_slopes(self, x: FloatArray) -> Floats:
        common = common_iterate(x)
        if common is not None:
            return self._slopes(common)
        own = x.reshape(*x.shape[:2], self.n_scores, -1)  # (R, P, K, features)
        return self.slopes(local_products(own, self.rows.T, self.starts), slice(None))

    def _summed(self, slopes: Floats) -> FloatArray:
        """Sum slopes (R, K, N) times features over each part, shape (R, P, D)."""
        grads = np.empty((len(slopes), len(self.starts) - 1, self.n_scores * self.rows.shape[1]))
        part_products(slopes, self.rows, self.starts, grads)
        return grads
