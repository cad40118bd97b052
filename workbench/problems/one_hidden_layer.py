"""A network with one hidden layer on images [quantimed, experiments]."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.cross_entropy import log_softmax, of_own_class, slopes
from workbench.problems.linear_scores import Samples
from workbench.problems.products import (
    batch_weights,
    common_iterate,
    gathers,
    local_products,
    mixer,
    part_mixer,
    part_products,
    run_chunks,
    times,
    weigh,
)
from workbench.problems.samples import (
    N_DIGITS,
    Floats,
    HeldOut,
    Precision,
    deal,
    framed,
    held_out,
    in_precision,
    of_classes,
    with_bias,
)
from workbench.problems.sizes import check_memory

DATASET = "mnist"

Activation = Literal["tanh", "relu"]
Product = Callable[[Floats, Floats], Floats]


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
    held_out: HeldOut | None = None

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D = hidden · features + classes (hidden + 1)."""
        return len(self.start)

    @property
    def part_sizes(self) -> IntArray:
        """Samples of each part, shape (P,)."""
        return np.diff(self.starts)

    def initial(self) -> FloatArray:
        """The random common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        inner, outer = self._layers(x)
        hidden = self._hidden(times(inner, self.features.T))  # (R, hidden + 1, N)
        own = of_own_class(log_softmax(outer @ hidden), self.labels)  # (R, N)
        return np.asarray(-own.mean(axis=1, dtype=np.float64))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        return self._summed(*self._backward_all(x, times))

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D)."""
        mix_inner = mixer(encode, self.features, self.starts)
        mix_outer = part_mixer(encode, self.features.dtype)
        split = self._split

        def messages(x: FloatArray) -> FloatArray:
            inner_slopes, outer_slopes, hidden = self._backward_all(x, times)
            out = np.empty((len(x), len(encode), self.dim))
            mix_inner(inner_slopes, out[..., :split])
            # The outer layer has so few weights that all parts' products fit into memory.
            outer = np.empty((len(x), self.n_parts, self.dim - split), hidden.dtype)  # (R, P, classes (hidden + 1))
            part_products(outer_slopes, hidden.swapaxes(1, 2), self.starts, outer)
            mix_outer(outer, out[..., split:])
            return out

        return messages

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        inner_slopes, outer_slopes, hidden = self._backward_all(x, times)
        weigh(inner_slopes, weights, self.starts)
        weigh(outer_slopes, weights, self.starts)
        inner = inner_slopes.reshape(-1, len(self.labels)) @ self.features  # (R hidden, features)
        outer = outer_slopes @ hidden.swapaxes(1, 2)  # (R, classes, hidden + 1)
        layers = [inner.reshape(len(x), -1), outer.reshape(len(x), -1)]
        return np.concatenate(layers, axis=1, dtype=np.float64)

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        return self._summed(*self._backward_local(x))

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], x (R, P, D) and the others (R, P, B), as x."""
        if not gathers(batch, self.starts, self.n_hidden):
            of_sample = batch_weights(batch, weights, self.starts)[:, None]  # (R, 1, N)
            inner_slopes, outer_slopes, hidden = self._backward_local(x)
            inner_slopes *= of_sample
            outer_slopes *= of_sample
            return self._summed(inner_slopes, outer_slopes, hidden)
        grads = np.zeros(x.shape)  # (R, P, D)
        run, part = np.nonzero(weights.any(axis=2))  # (pairs,) each: whoever has samples at all
        for some in run_chunks(len(run), batch.shape[2] * self.features.shape[1]):
            own = run[some], part[some]
            chosen = self.starts[own[1], None] + batch[own]  # (pairs, B)
            rows = self.features.take(chosen, axis=0)  # (pairs, B, features)
            inner_slopes, outer_slopes, hidden = self._backward(
                *self._layers(x[own]), rows.swapaxes(1, 2), chosen, times
            )
            inner_slopes *= weights[own][:, None]
            outer_slopes *= weights[own][:, None]
            inner, outer = inner_slopes @ rows, outer_slopes @ hidden.swapaxes(1, 2)
            grads[own] = np.concatenate([each.reshape(len(chosen), -1) for each in (inner, outer)], axis=1)
        return grads

    def measures(self, x: FloatArray) -> Mapping[str, FloatArray]:
        """Accuracy on the samples held out at iterates (R, D), shape (R,); nothing without any."""
        if self.held_out is None:
            return {}
        inner, outer = self._layers(x)
        return self.held_out.accuracy(outer @ self._hidden(times(inner, self.held_out.features.T)))

    @property
    def _split(self) -> int:
        """Weights of the hidden layer, the first ones of an iterate."""
        return self.n_hidden * int(self.features.shape[1])

    def _layers(self, x: FloatArray) -> tuple[Floats, Floats]:
        """U (..., hidden, features) and V (..., classes, hidden + 1) of iterates (..., D)."""
        weights, lead = x.astype(self.features.dtype, copy=False), x.shape[:-1]
        inner, outer = weights[..., : self._split], weights[..., self._split :]
        return inner.reshape(*lead, self.n_hidden, -1), outer.reshape(*lead, self.n_classes, -1)

    def _hidden(self, drive: Floats) -> Floats:
        """Outputs of the hidden layer for inputs (..., hidden, M), and a last row of ones, (..., hidden + 1, M)."""
        hidden = np.empty((*drive.shape[:-2], self.n_hidden + 1, drive.shape[-1]), drive.dtype)
        if self.activation == "tanh":
            np.tanh(drive, out=hidden[..., :-1, :])
        else:
            np.maximum(drive, 0, out=hidden[..., :-1, :])
        hidden[..., -1, :] = 1
        return hidden

    def _backward(
        self, inner: Floats, outer: Floats, columns: Floats, samples: Samples, product: Product
    ) -> tuple[Floats, Floats, Floats]:
        """Derivatives in the inputs of both layers, (..., hidden, M) and (..., classes, M), and the hidden outputs.

        Parameters
        ----------
        columns : a column a sample, shape (..., features, M); samples : their numbers, shape (..., M)
        product : of layers' weights and columns
        """
        hidden = self._hidden(product(inner, columns))  # (..., hidden + 1, M)
        outer_slopes = slopes(log_softmax(product(outer, hidden)), self.labels[samples], len(self.labels))
        active = hidden[..., :-1, :]
        gain = 1 - active**2 if self.activation == "tanh" else active > 0  # (..., hidden, M)
        inner_slopes = product(outer[..., :-1].swapaxes(-1, -2), outer_slopes)  # (..., hidden, M)
        inner_slopes *= gain
        return inner_slopes, outer_slopes, hidden

    def _backward_all(self, x: FloatArray, product: Product) -> tuple[Floats, Floats, Floats]:
        """`_backward` of all samples, at the iterates of the runs (R, D), or of their parts (R, P, D) by `_local`."""
        return self._backward(*self._layers(x), self.features.T, slice(None), product)

    def _backward_local(self, x: FloatArray) -> tuple[Floats, Floats, Floats]:
        """`_backward` of all samples at the iterates of their parts (R, P, D), in one product if those are the same."""
        common = common_iterate(x)
        return self._backward_all(x, self._local) if common is None else self._backward_all(common, times)

    def _local(self, weights: Floats, columns: Floats) -> Floats:
        """Product of each part's own weights (R, P, K, F) with its columns, shape (R, K, N)."""
        return local_products(weights, columns, self.starts)

    def _summed(self, inner_slopes: Floats, outer_slopes: Floats, hidden: Floats) -> FloatArray:
        """Sum slopes (R, hidden, N) and (R, classes, N) times their layers' inputs over each part, (R, P, D)."""
        grads = np.empty((len(hidden), self.n_parts, self.dim))
        part_products(inner_slopes, self.features, self.starts, grads[..., : self._split])
        part_products(outer_slopes, hidden.swapaxes(1, 2), self.starts, grads[..., self._split :])
        return grads


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
    n_held_out: int = 0,
    side: int | None = None,
    precision: Precision = "single",
) -> OneHiddenLayer:
    """Deal the samples of some classes to parts, and draw the start: normal, with variance 1/(inputs of the layer).

    At x = 0 all hidden units are alike, get the gradient 0, and stay so: the start must be random.

    Parameters
    ----------
    n_parts : P
    images : pixels on [0, 1], shape (M, 784); labels : digits 0 to 9, shape (M,)
    n_samples : N, drawn from those of the classes at random, by default all not held out
    n_hidden : units of the hidden layer; quantimed has 50 for ten classes, 30 for two
    by_label : give each part samples of few classes, so that the parts are unlike each other
    n_held_out : further samples, which no part holds: the share of them that is classified rightly is measured
    side : frame the images in black to this width and height, so that the network has side² inputs
    precision : of the products with the data; iterates stay double

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, no hidden unit, an unknown activation,
        a side shorter than the images
    """
    if n_hidden < 1:
        raise InputError(f"n_hidden = {n_hidden}: give the hidden layer at least one unit")
    if activation not in ("tanh", "relu"):
        raise InputError(f"activation '{activation}': choose tanh or relu")
    width = (side or 0) ** 2 or images.shape[1]
    check_memory(n_hidden * width, f"n_hidden = {n_hidden} and images of {width} pixels")
    check_memory(len(images) * width, f"{len(images)} images of {width} pixels")
    chosen, numbered = of_classes(images, labels, classes)
    rng = stream(seed, "problem/one_hidden_layer")
    dealt = deal(chosen, numbered, n_parts, n_samples=n_samples, by_label=by_label, n_held_out=n_held_out, rng=rng)
    if side is not None:
        dealt = dealt._replace(images=framed(dealt.images, side), held_out_images=framed(dealt.held_out_images, side))
    features = in_precision(with_bias(dealt.images), precision)  # (N, 785)
    inner = rng.standard_normal((n_hidden, features.shape[1])) / np.sqrt(features.shape[1])
    outer = rng.standard_normal((len(classes), n_hidden + 1)) / np.sqrt(n_hidden + 1)
    start = np.concatenate([inner.ravel(), outer.ravel()])  # (D,)
    return OneHiddenLayer(
        features,
        dealt.labels,
        dealt.starts,
        len(classes),
        n_hidden,
        activation,
        start,
        held_out=held_out(dealt, precision),
    )
