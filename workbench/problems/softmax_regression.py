"""Softmax regression with ten classes on images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.cross_entropy import log_softmax, of_own_class, slopes
from workbench.problems.linear_scores import LinearScores, Samples
from workbench.problems.regularity import FLATTEST, inverse_of_gram, minimise
from workbench.problems.samples import N_DIGITS, Floats, HeldOut, Precision, deal, held_out, in_precision, with_bias
from workbench.problems.sizes import check_ridge

DATASET = "mnist"


@dataclass(frozen=True)
class SoftmaxRegression:
    r"""Mean cross-entropy F = Σ_j f_j, f_j = (1/N) Σ_{i in part j} −log softmax(X_i xᵀ)[y_i] + l2/(2P) ‖x‖².

    An iterate is the (classes, features) matrix row after row, the bias last in each: D = 10 (784 + 1).

    features : X and a last column of ones, part after part, shape (N, 785); its dtype is the arithmetic's
    labels : y, shape (N,)
    starts : first sample of each part, and N, shape (P+1,)
    """

    name: ClassVar[str] = "softmax_regression"
    features: Floats
    labels: IntArray
    starts: IntArray
    l2: float
    regularity: Regularity
    held_out: HeldOut | None = None

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D."""
        return N_DIGITS * int(self.features.shape[1])

    @property
    def part_sizes(self) -> IntArray:
        """Samples of each part, shape (P,)."""
        return np.diff(self.starts)

    def initial(self) -> FloatArray:
        """Start at the origin, where every class is as likely, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        own = of_own_class(log_softmax(self._linear.scores(x)), self.labels)  # (R, N)
        return np.asarray(self.l2 / 2 * np.square(x).sum(axis=1) - own.mean(axis=1, dtype=np.float64))

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
        return LinearScores(self.features, self.starts, N_DIGITS, self._slopes, self.l2 / self.n_parts)

    def _slopes(self, scores: Floats, samples: Samples) -> Floats:
        """Derivative of the losses of some samples (..., M) in their scores (..., classes, M), same shape, in place."""
        return slopes(log_softmax(scores), self.labels[samples], len(self.labels))


def build(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    n_samples: int | None = None,
    l2: float = 0.01,
    by_label: bool = False,
    n_held_out: int = 0,
    precision: Precision = "single",
) -> SoftmaxRegression:
    """Centre the pixels, deal the samples to parts at random or sorted by label, and measure the smoothness.

    Without the mean image's share the largest eigenvalue is several times smaller, and 1/L a useful step.
    The softmax Hessian is at most I/2 in the scores, so L = λ_max(XᵀX)/(2N) + l2 (½ form).

    Parameters
    ----------
    images : pixels on [0, 1], shape (M, 784); labels : digits 0 to 9, shape (M,)
    n_samples : N, drawn from the M at random, by default all not held out
    l2 : weight of the ridge; without one the digits are separable and ever longer steps fit them ever better
    by_label : give each part samples of one or two digits, so that the parts are unlike each other
    n_held_out : further samples, which no part holds: the share of them that is classified rightly is measured
    precision : of the products with the data; iterates stay double

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, negative l2
    """
    check_ridge(l2)
    rng = stream(seed, "problem/softmax_regression")
    dealt = deal(images, labels, n_parts, n_samples=n_samples, by_label=by_label, n_held_out=n_held_out, rng=rng)
    digits, features = dealt.labels, with_bias(dealt.images)  # (N,), (N, 785)
    stored = in_precision(features, precision)
    largest = np.linalg.eigvalsh(features.T @ features / len(digits))[-1]
    smoothness = float(largest / 2 + l2)
    reg = Regularity(l2 or None, smoothness)
    if l2 >= FLATTEST * smoothness:
        reg = _with_optimum(reg, stored.astype(np.float64), digits, l2)
    return SoftmaxRegression(stored, digits, dealt.starts, l2, reg, held_out(dealt, precision))


def _with_optimum(reg: Regularity, features: FloatArray, labels: IntArray, l2: float) -> Regularity:
    """Add where the loss is least, and how small it is there, if Newton's method gets there."""
    n_samples, width = features.shape

    def log_prob(x: FloatArray) -> FloatArray:
        return np.asarray(log_softmax(x.reshape(1, N_DIGITS, width) @ features.T), np.float64)  # (1, classes, N)

    def gradient(x: FloatArray) -> FloatArray:
        return np.asarray((slopes(log_prob(x), labels, n_samples)[0] @ features).ravel() + l2 * x)

    def hessian_at(x: FloatArray) -> Callable[[FloatArray], FloatArray]:
        prob = np.exp(log_prob(x)[0])  # (classes, N)

        def product(v: FloatArray) -> FloatArray:
            moved = prob * (v.reshape(N_DIGITS, width) @ features.T)  # (classes, N)
            moved -= prob * moved.sum(axis=0)
            return np.asarray((moved @ features).ravel() / n_samples + l2 * v)

        return product

    # Most samples end up with one likely class, where the curvature is well below 1/2.
    precondition = inverse_of_gram(features.T @ features / (50 * n_samples), l2, N_DIGITS)
    optimum = minimise(gradient, hessian_at, precondition, dim=N_DIGITS * width, strong_convexity=l2)
    if optimum is None:
        return reg
    least = l2 / 2 * np.square(optimum).sum() - of_own_class(log_prob(optimum), labels).mean()
    return replace(reg, optimum=optimum, optimal_loss=float(least))
