"""Samples dealt to parts."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray

N_DIGITS = 10

Precision = Literal["single", "double"]
Floats = npt.NDArray[np.floating]


def part_starts(n_samples: int, n_parts: int) -> IntArray:
    """Cut samples in a row into parts of nearly equal size: the first sample of each, and N, shape (P+1,).

    Raises
    ------
    InputError : no part, or fewer samples than parts
    """
    if not 1 <= n_parts <= n_samples:
        raise InputError(f"{n_samples} samples for {n_parts} parts: give at least one part, and each of them a sample")
    return np.linspace(0, n_samples, n_parts + 1).astype(np.int64)


def deal(
    images: FloatArray,
    labels: IntArray,
    n_parts: int,
    *,
    n_samples: int | None,
    by_label: bool = False,
    rng: np.random.Generator,
) -> tuple[FloatArray, IntArray, IntArray]:
    """Draw labelled images for the parts, in random order or sorted by label.

    Returns the images (N, pixels), their labels (N,), and the parts' first samples and N, shape (P+1,).

    Parameters
    ----------
    images : pixels, shape (M, pixels); labels : digits 0 to 9, shape (M,)
    n_samples : N, by default all M

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match
    """
    n_samples = len(images) if n_samples is None else n_samples
    if len(images) != len(labels) or not 1 <= n_parts <= n_samples <= len(images):
        sizes = f"{len(images)} images, {len(labels)} labels, {n_samples} of them for {n_parts} parts"
        raise InputError(f"{sizes}: every image needs a label, every part a sample, and no sample serves twice")
    if labels.min() < 0 or labels.max() >= N_DIGITS:
        raise InputError(f"labels from {labels.min()} to {labels.max()}: they must be digits 0 to 9")
    order = rng.permutation(len(labels))[:n_samples]  # (N,)
    if by_label:
        order = order[np.argsort(labels[order], kind="stable")]
    return images[order], labels[order].astype(np.int64), part_starts(n_samples, n_parts)


def of_classes(images: FloatArray, labels: IntArray, classes: Sequence[int]) -> tuple[FloatArray, IntArray]:
    """Keep the images of some classes, and number these 0, 1, ... in the order given.

    Raises
    ------
    InputError : labels that do not match, fewer than two classes, one named twice or without an image
    """
    if len(images) != len(labels):
        raise InputError(f"{len(images)} images, {len(labels)} labels: every image needs a label")
    if len(set(classes)) < max(len(classes), 2):
        raise InputError(f"classes = {list(classes)}: name two or more, each once")
    is_class = labels[:, None] == np.asarray(classes)  # (M, classes)
    if not is_class.any(axis=0).all():
        missing = classes[int(np.argmin(is_class.any(axis=0)))]
        raise InputError(f"class {missing} has no image: choose among {np.unique(labels).tolist()}")
    kept = is_class.any(axis=1)  # (M,)
    return images[kept], is_class[kept].argmax(axis=1)


def in_precision(values: FloatArray, precision: Precision) -> Floats:
    """Round to single precision, or return the values as they are."""
    return values.astype(np.float32) if precision == "single" else values


def with_bias(pixels: FloatArray, *, centre: bool = True) -> FloatArray:
    """Take the mean image away and append a column of ones, shape (N, pixels + 1).

    Without the mean image's share the largest eigenvalue is several times smaller, and 1/L a useful step.
    """
    shown = pixels - pixels.mean(axis=0) if centre else pixels
    return np.column_stack([shown, np.ones(len(pixels))])
