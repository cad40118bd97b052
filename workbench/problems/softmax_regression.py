"""Softmax regression with ten classes on images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workbench.core.blocks import in_run_blocks
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Regularity
from workbench.problems.cross_entropy import log_softmax, mean_slope, of_own_class
from workbench.problems.products import mixed_products, part_products
from workbench.problems.regularity import FLATTEST, inverse_of_gram, minimise
from workbench.problems.samples import N_DIGITS, Floats, Precision, deal, in_precision, with_bias

DATASET = "mnist"
RUN_BLOCK = 5


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

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D."""
        return N_DIGITS * int(self.features.shape[1])

    def initial(self) -> FloatArray:
        """Start at the origin, where every class is as likely, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            own = of_own_class(log_softmax(self._scores(block)), self.labels)  # (runs, N)
            return np.asarray(-own.mean(axis=1, dtype=np.float64))

        return np.asarray(in_run_blocks(block_loss, x, RUN_BLOCK) + self.l2 / 2 * np.square(x).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""

        def block_grads(block: FloatArray) -> Floats:
            grads = part_products(self._slopes(block), self.features, self.starts)  # (P, runs classes, 785)
            return grads.reshape(self.n_parts, len(block), self.dim).swapaxes(0, 1)

        grads = in_run_blocks(block_grads, x, RUN_BLOCK)  # (R, P, D)
        grads += (self.l2 / self.n_parts) * x[:, None, :]
        return grads

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D)."""

        def block_messages(block: FloatArray) -> Floats:
            mixed = mixed_products(self._slopes(block), self.features, self.starts, encode)  # (W, runs classes, 785)
            return mixed.reshape(len(encode), len(block), self.dim).swapaxes(0, 1)

        messages = in_run_blocks(block_messages, x, RUN_BLOCK)  # (R, W, D)
        if self.l2:
            messages += (self.l2 / self.n_parts) * encode.sum(axis=1)[:, None] * x[:, None, :]
        return messages

    def _scores(self, block: FloatArray) -> Floats:
        """Scores of all classes, shape (runs, classes, N)."""
        weights = block.astype(self.features.dtype).reshape(-1, self.features.shape[1])  # (runs classes, 785)
        return (weights @ self.features.T).reshape(len(block), N_DIGITS, -1)

    def _slopes(self, block: FloatArray) -> Floats:
        """Derivative of the mean cross-entropy in the scores, shape (runs classes, N)."""
        return mean_slope(log_softmax(self._scores(block)), self.labels).reshape(-1, len(self.labels))


def build(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    n_samples: int | None = None,
    l2: float = 0.01,
    by_label: bool = False,
    precision: Precision = "single",
) -> SoftmaxRegression:
    """Centre the pixels, deal the samples to parts at random or sorted by label, and measure the smoothness.

    Without the mean image's share the largest eigenvalue is several times smaller, and 1/L a useful step.
    The softmax Hessian is at most I/2 in the scores, so L = λ_max(XᵀX)/(2N) + l2 (½ form).

    Parameters
    ----------
    images : pixels on [0, 1], shape (M, 784); labels : digits 0 to 9, shape (M,)
    n_samples : N, drawn from the M at random, by default all
    l2 : weight of the ridge; without one the digits are separable and ever longer steps fit them ever better
    by_label : give each part samples of one or two digits, so that the parts are unlike each other
    precision : of the products with the data; iterates stay double

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, negative l2
    """
    if l2 < 0:
        raise InputError(f"l2 = {l2:g}: it must not be negative")
    rng = stream(seed, "problem/softmax_regression")
    pixels, digits, starts = deal(images, labels, n_parts, n_samples=n_samples, by_label=by_label, rng=rng)
    features = with_bias(pixels)  # (N, 785)
    stored = in_precision(features, precision)
    largest = np.linalg.eigvalsh(features.T @ features / len(digits))[-1]
    smoothness = float(largest / 2 + l2)
    reg = Regularity(l2 or None, smoothness)
    if l2 >= FLATTEST * smoothness:
        reg = _with_optimum(reg, stored.astype(np.float64), digits, l2)
    return SoftmaxRegression(stored, digits, starts, l2, reg)


def _with_optimum(reg: Regularity, features: FloatArray, labels: IntArray, l2: float) -> Regularity:
    """Add where the loss is least, and how small it is there, if Newton's method gets there."""
    n_samples, width = features.shape

    def log_prob(x: FloatArray) -> FloatArray:
        return np.asarray(log_softmax(x.reshape(1, N_DIGITS, width) @ features.T), np.float64)  # (1, classes, N)

    def gradient(x: FloatArray) -> FloatArray:
        return np.asarray((mean_slope(log_prob(x), labels)[0] @ features).ravel() + l2 * x)

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
