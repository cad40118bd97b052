"""Logistic losses, one for each of K two-sided questions about the same samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.linear_scores import LinearScores, Samples
from workbench.problems.regularity import FLATTEST, inverse_of_gram, minimise
from workbench.problems.samples import Floats, HeldOut


@dataclass(frozen=True)
class BinaryLogistic:
    r"""The loss F = Σ_j f_j, f_j = c Σ_{i in part j} Σ_k log(1 + exp(−s_ki ⟨a_i, x_k⟩)) + l2/(2P) ‖x‖².

    An iterate is the (K, features) matrix x_1, ..., x_K row after row.

    features : a_i, part after part, shape (N, features); their dtype is the arithmetic's
    signs : s, +1 or −1, shape (K, N)
    starts : first sample of each part, and N, shape (P+1,)
    scale : c
    held_out : whose class is the question with the largest score
    """

    name: str
    features: Floats
    signs: Floats
    starts: IntArray
    scale: float
    l2: float
    start: FloatArray
    regularity: Regularity
    held_out: HeldOut | None = None

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D = K features."""
        return len(self.signs) * int(self.features.shape[1])

    @property
    def part_sizes(self) -> IntArray:
        """Samples of each part, shape (P,)."""
        return np.diff(self.starts)

    def initial(self) -> FloatArray:
        """The common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        margins = self._linear.scores(x) * self.signs  # (R, K, N)
        each = np.log1p(np.exp(-np.abs(margins))) - np.minimum(margins, 0)
        fit = self.scale * each.sum(axis=(1, 2), dtype=np.float64)  # (R,)
        return np.asarray(fit + self.l2 / 2 * np.square(x).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        return self._linear.part_grads(x)

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D)."""
        return self._linear.encoder(encode)

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        return self._linear.weighted_grad(x, weights)

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        return self._linear.local_grads(x)

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], x (R, P, D) and the others (R, P, B), as x."""
        return self._linear.sample_grads(x, batch, weights)

    def measures(self, x: FloatArray) -> Mapping[str, FloatArray]:
        """Accuracy on the samples held out at iterates (R, D), shape (R,); nothing without any."""
        if self.held_out is None:
            return {}
        return self.held_out.accuracy(replace(self._linear, rows=self.held_out.features).scores(x))

    @property
    def _linear(self) -> LinearScores:
        return LinearScores(self.features, self.starts, len(self.signs), self._slopes, self.l2 / self.n_parts)

    def _slopes(self, scores: Floats, samples: Samples) -> Floats:
        """Derivative of the losses of some samples (..., M) in their scores (..., K, M), same shape, in place."""
        signs = self.signs.T[samples].swapaxes(-1, -2)  # (..., K, M)
        scores *= signs
        with np.errstate(over="ignore"):  # far on the right side the slope is 0
            np.exp(scores, out=scores)
        scores += 1
        np.divide(-self.scale * signs, scores, out=scores)
        return scores


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
