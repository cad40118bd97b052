"""Logistic regression with two classes, synthetic or two of the digits."""

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray
from workbench.problems.binary_logistic import BinaryLogistic, measured
from workbench.problems.samples import deal, of_classes, part_starts

NAME = "logistic_regression"


def build(
    n_parts: int,
    *,
    seed: int,
    dim: int = 50,
    n_samples: int | None = None,
    condition: float = 5.0,
    disagreement: float = 1.0,
    l2: float = 0.01,
) -> BinaryLogistic:
    """Draw two classes that follow the logistic model in each part, with unlike parts; F is a mean over samples.

    A feature vector is normal with variances geometrically spaced on [1, condition], times its part's own scale.
    A sample of part j is on the positive side with probability 1/(1 + exp(−⟨a, x_j⟩)), where
    x_j = x̄ + disagreement·δ_j, and ‖x̄‖ and ‖δ_j‖ are about 1.

    Parameters
    ----------
    n_parts : P
    n_samples : N, at least P; by default the least multiple of P from 10 dim on
    l2 : weight of the ridge

    Raises
    ------
    InputError : sizes that do not fit together, negative l2
    """
    if n_parts < 1 or dim < 1 or condition < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}, condition = {condition:g}: none may be below 1")
    _check_ridge(l2)
    n_samples = n_parts * -(-10 * dim // n_parts) if n_samples is None else n_samples
    starts = part_starts(n_samples, n_parts)
    rng = stream(seed, f"problem/{NAME}")
    owner = np.repeat(np.arange(n_parts), np.diff(starts))  # (N,)
    spread = np.sqrt(np.geomspace(1.0, condition, dim))  # (D,)
    features = rng.uniform(0.5, 1.5, n_parts)[owner, None] * spread * rng.standard_normal((n_samples, dim))  # (N, D)
    shared = rng.standard_normal(dim) / np.sqrt(dim)  # (D,)
    own = shared + disagreement * rng.standard_normal((n_parts, dim)) / np.sqrt(dim)  # (P, D)
    odds = np.einsum("nd,nd->n", features, own[owner])  # (N,), logarithmic
    signs = np.where(rng.logistic(size=n_samples) < odds, 1.0, -1.0)[None]  # (1, N)
    reg = measured(features, signs, scale=1 / n_samples, l2=l2)
    return BinaryLogistic(NAME, features, signs, starts, 1 / n_samples, l2, np.zeros(dim), reg)


def two_classes(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    classes: tuple[int, int] = (0, 2),
    n_samples: int | None = 100,
    l2: float = 0.0,
) -> BinaryLogistic:
    """Tell two classes of images apart as in [onebit_gc, eq. 31]: F is a sum over the samples.

    The pixels are taken as they are, without a bias, and the start is normal with variance 1 a coordinate.

    Parameters
    ----------
    n_parts : P
    images : pixels on [0, 1], shape (M, D); labels : digits 0 to 9, shape (M,)
    classes : labels of the sides −1 and +1
    n_samples : N, drawn at random from those of both classes, all of them if None
    l2 : weight of the ridge; the paper has none, and then no optimum is claimed

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, classes without an image, negative l2
    """
    if len(classes) != 2:
        raise InputError(f"classes = {list(classes)}: name the two to be told apart")
    _check_ridge(l2)
    chosen, sides = of_classes(images, labels, classes)
    rng = stream(seed, f"problem/{NAME}/images")
    features, sides, starts, *_ = deal(chosen, sides, n_parts, n_samples=n_samples, rng=rng)
    signs = (2.0 * sides - 1)[None]  # (1, N)
    reg = measured(features, signs, scale=1.0, l2=l2)
    return BinaryLogistic(NAME, features, signs, starts, 1.0, l2, rng.standard_normal(features.shape[1:]), reg)


def _check_ridge(l2: float) -> None:
    """Refuse a ridge that is none."""
    if l2 < 0:
        raise InputError(f"l2 = {l2:g}: it must not be negative")
