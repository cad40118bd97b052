"""A network with one hidden layer on images [quantimed, experiments]."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from workbench.core.blocks import in_run_blocks
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Regularity
from workbench.problems.cross_entropy import log_softmax, mean_slope, of_own_class
from workbench.problems.products import mixed_products, part_products
from workbench.problems.samples import N_DIGITS, Floats, Precision, deal, in_precision, of_classes, with_bias

DATASET = "mnist"
RUN_BLOCK = 5

Activation = Literal["tanh", "relu"]


@dataclass(frozen=True)
class OneHiddenLayer:
    r"""Mean cross-entropy of softmax(V [φ(U a); 1]) over the samples a: not convex, so no constant is claimed.

    An iterate is U (hidden, features) row after row, then V (classes, hidden + 1), the bias last in each row.

    features : a, part after part, a last column of ones, shape (N, features); their dtype is the arithmetic's
    labels : 0, ..., classes - 1, shape (N,)
    starts : first sample of each part, and N, shape (P+1,)
    activation : φ, coordinate by coordinate; the slope of relu at 0 is 0
    """

    name: ClassVar[str] = "one_hidden_layer"
    features: Floats
    labels: IntArray
    starts: IntArray
    n_classes: int
    n_hidden: int
    activation: Activation
    start: FloatArray
    regularity: Regularity = field(default_factory=Regularity)

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D = hidden · features + classes (hidden + 1)."""
        return len(self.start)

    def initial(self) -> FloatArray:
        """The random common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            _, outer = self._layers(block)
            own = of_own_class(log_softmax(outer @ self._hidden(block).swapaxes(1, 2)), self.labels)  # (runs, N)
            return np.asarray(-own.mean(axis=1, dtype=np.float64))

        return in_run_blocks(block_loss, x, RUN_BLOCK)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""

        def block_grads(block: FloatArray) -> Floats:
            inner_slopes, outer_slopes, hidden = self._backward(block)
            inner = part_products(inner_slopes, self.features, self.starts)  # (P, runs hidden, features)
            outer = part_products(outer_slopes, hidden, self.starts)  # (P, runs, classes, hidden + 1)
            return self._joined(inner, outer)

        return in_run_blocks(block_grads, x, RUN_BLOCK)

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D)."""

        def block_messages(block: FloatArray) -> Floats:
            inner_slopes, outer_slopes, hidden = self._backward(block)
            inner = mixed_products(inner_slopes, self.features, self.starts, encode)  # (W, runs hidden, features)
            outer = mixed_products(outer_slopes, hidden, self.starts, encode)  # (W, runs, classes, hidden + 1)
            return self._joined(inner, outer)

        return in_run_blocks(block_messages, x, RUN_BLOCK)

    def _layers(self, block: FloatArray) -> tuple[Floats, Floats]:
        """U of all runs (runs hidden, features), and V (runs, classes, hidden + 1)."""
        weights = block.astype(self.features.dtype)
        split = self.n_hidden * self.features.shape[1]
        inner, outer = weights[:, :split], weights[:, split:]
        return inner.reshape(-1, self.features.shape[1]), outer.reshape(len(block), self.n_classes, -1)

    def _hidden(self, block: FloatArray) -> Floats:
        """Outputs of the hidden layer and a last column of ones, shape (runs, N, hidden + 1)."""
        inner, _ = self._layers(block)
        drive = (inner @ self.features.T).reshape(len(block), self.n_hidden, -1)  # (runs, hidden, N)
        hidden = np.ones((len(block), drive.shape[2], self.n_hidden + 1), drive.dtype)
        hidden[..., :-1] = (np.tanh(drive) if self.activation == "tanh" else np.maximum(drive, 0)).swapaxes(1, 2)
        return hidden

    def _backward(self, block: FloatArray) -> tuple[Floats, Floats, Floats]:
        """Derivatives in the inputs of both layers, (runs hidden, N) and (runs, classes, N), and the hidden outputs."""
        _, outer = self._layers(block)
        hidden = self._hidden(block)  # (runs, N, hidden + 1)
        slopes = mean_slope(log_softmax(outer @ hidden.swapaxes(1, 2)), self.labels)  # (runs, classes, N)
        active = hidden[..., :-1].swapaxes(1, 2)  # (runs, hidden, N)
        gain = 1 - active**2 if self.activation == "tanh" else active > 0  # (runs, hidden, N)
        inner_slopes = (outer[..., :-1].swapaxes(1, 2) @ slopes) * gain  # (runs, hidden, N)
        return inner_slopes.reshape(-1, len(self.labels)), slopes, hidden

    def _joined(self, inner: Floats, outer: Floats) -> Floats:
        """Put both layers' products (P or W, ...) into one vector a run, shape (runs, P or W, D)."""
        shape = outer.shape[:2]  # (P or W, runs)
        return np.concatenate([inner.reshape(*shape, -1), outer.reshape(*shape, -1)], axis=2).swapaxes(0, 1)


def build(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    n_samples: int | None = None,
    n_hidden: int = 50,
    activation: Activation = "tanh",
    classes: Sequence[int] = tuple(range(N_DIGITS)),
    by_label: bool = False,
    precision: Precision = "single",
) -> OneHiddenLayer:
    """Deal the samples of some classes to parts, and draw the start: normal, with variance 1/(inputs of the layer).

    At x = 0 all hidden units are alike, get the gradient 0, and stay so: the start must be random.

    Parameters
    ----------
    n_parts : P
    images : pixels on [0, 1], shape (M, 784); labels : digits 0 to 9, shape (M,)
    n_samples : N, drawn from those of the classes at random, by default all
    n_hidden : units of the hidden layer; quantimed has 50 for ten classes, 30 for two
    by_label : give each part samples of few classes, so that the parts are unlike each other
    precision : of the products with the data; iterates stay double

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, no hidden unit, an unknown activation
    """
    if n_hidden < 1:
        raise InputError(f"n_hidden = {n_hidden}: give the hidden layer at least one unit")
    if activation not in ("tanh", "relu"):
        raise InputError(f"activation '{activation}': choose tanh or relu")
    chosen, numbered = of_classes(images, labels, classes)
    rng = stream(seed, "problem/one_hidden_layer")
    pixels, numbered, starts = deal(chosen, numbered, n_parts, n_samples=n_samples, by_label=by_label, rng=rng)
    features = in_precision(with_bias(pixels), precision)  # (N, 785)
    inner = rng.standard_normal((n_hidden, features.shape[1])) / np.sqrt(features.shape[1])
    outer = rng.standard_normal((len(classes), n_hidden + 1)) / np.sqrt(n_hidden + 1)
    start = np.concatenate([inner.ravel(), outer.ravel()])  # (D,)
    return OneHiddenLayer(features, numbered, starts, len(classes), n_hidden, activation, start)
