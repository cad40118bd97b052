"""Softmax regression with ten classes on images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from workbench.core.blocks import in_run_blocks
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Regularity

DATASET = "mnist"
N_CLASSES = 10
RUN_BLOCK = 5

Floats = npt.NDArray[np.floating]


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
        return N_CLASSES * int(self.features.shape[1])

    def initial(self) -> FloatArray:
        """Start at the origin, where every class is as likely, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            _, own = self._log_softmax(block)  # (runs, N)
            return np.asarray(-own.mean(axis=1, dtype=np.float64))

        return np.asarray(in_run_blocks(block_loss, x, RUN_BLOCK) + self.l2 / 2 * np.square(x).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        grads = in_run_blocks(lambda block: self._part_grads(block).swapaxes(0, 1), x, RUN_BLOCK)  # (R, P, D)
        grads += (self.l2 / self.n_parts) * x[:, None, :]
        return grads

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D).

        Part gradients exist for one block of runs at a time, so that a part held by several workers is
        computed once.
        """
        mix = csr_array(encode, dtype=self.features.dtype)  # (W, P)

        def block_messages(block: FloatArray) -> FloatArray:
            mixed = mix @ self._part_grads(block).reshape(self.n_parts, -1)  # (W, runs D)
            return np.asarray(mixed).reshape(-1, len(block), self.dim).swapaxes(0, 1)

        messages = in_run_blocks(block_messages, x, RUN_BLOCK)  # (R, W, D)
        if self.l2:
            messages += (self.l2 / self.n_parts) * encode.sum(axis=1)[:, None] * x[:, None, :]
        return messages

    def _log_softmax(self, block: FloatArray) -> tuple[Floats, Floats]:
        """Log-probabilities of all classes (runs, classes, N), and of the samples' own class (runs, N)."""
        weights = block.astype(self.features.dtype).reshape(-1, self.features.shape[1])  # (runs classes, 785)
        scores = (weights @ self.features.T).reshape(len(block), N_CLASSES, -1)  # (runs, classes, N)
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return scores, scores[:, self.labels, np.arange(len(self.labels))]

    def _part_grads(self, block: FloatArray) -> Floats:
        """Cross-entropy's part gradients, shape (P, runs, D)."""
        scores, _ = self._log_softmax(block)
        excess = np.exp(scores, out=scores)  # (runs, classes, N)
        excess[:, self.labels, np.arange(len(self.labels))] -= 1
        excess /= len(self.labels)
        flat = excess.reshape(-1, len(self.labels))  # (runs classes, N)
        grads = np.empty((self.n_parts, len(flat), self.features.shape[1]), self.features.dtype)
        for part, (start, stop) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            np.matmul(flat[:, start:stop], self.features[start:stop], out=grads[part])
        return grads.reshape(self.n_parts, len(block), self.dim)


def build(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    n_samples: int | None = None,
    l2: float = 0.01,
    by_label: bool = False,
    precision: Literal["single", "double"] = "single",
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
    n_samples = len(images) if n_samples is None else n_samples
    if len(images) != len(labels) or not 1 <= n_parts <= n_samples <= len(images):
        sizes = f"{len(images)} images, {len(labels)} labels, {n_samples} of them for {n_parts} parts"
        raise InputError(f"{sizes}: every image needs a label, every part a sample, and no sample serves twice")
    if labels.min() < 0 or labels.max() >= N_CLASSES:
        raise InputError(f"labels from {labels.min()} to {labels.max()}: they must be digits 0 to 9")
    if l2 < 0:
        raise InputError(f"l2 = {l2:g}: it must not be negative")
    order = stream(seed, "problem/softmax_regression").permutation(len(labels))[:n_samples]  # (N,)
    if by_label:
        order = order[np.argsort(labels[order], kind="stable")]
    pixels = images[order]  # (N, 784)
    features = np.column_stack([pixels - pixels.mean(axis=0), np.ones(n_samples)])  # (N, 785)
    largest = np.linalg.eigvalsh(features.T @ features / n_samples)[-1]
    return SoftmaxRegression(
        features.astype(np.float32 if precision == "single" else np.float64),
        labels[order].astype(np.int64),
        np.linspace(0, n_samples, n_parts + 1).astype(np.int64),
        l2,
        Regularity(strong_convexity=l2 or None, smoothness=float(largest / 2 + l2)),
    )
