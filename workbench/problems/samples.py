"""Samples dealt to parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.problems.sizes import check_memory

N_DIGITS = 10

Precision = Literal["single", "double"]
Floats = npt.NDArray[np.floating]
Pixels = FloatArray | npt.NDArray[np.uint8]


class Dealt(NamedTuple):
    """Labelled images of the parts, one part after the other, and others that no part holds."""

    images: FloatArray  # (N, pixels)
    labels: IntArray  # (N,)
    starts: IntArray  # (P+1,)  first sample of each part, and N
    held_out_images: FloatArray  # (H, pixels)
    held_out_labels: IntArray  # (H,)


@dataclass(frozen=True)
class HeldOut:
    """Samples that no part holds, to see how an iterate does on what it was not trained with.

    features : a row a sample, as those of the parts, shape (H, features); labels : their classes, shape (H,)
    """

    features: Floats
    labels: IntArray

    def accuracy(self, scores: Floats) -> dict[str, FloatArray]:
        """Share of the samples whose own class has the largest of the scores (R, classes, H), shape (R,)."""
        return {"accuracy": (scores.argmax(axis=1) == self.labels).mean(axis=1)}


def part_starts(n_samples: int, n_parts: int) -> IntArray:
    """Cut samples in a row into parts of nearly equal size: the first sample of each, and N, shape (P+1,).

    Raises
    ------
    InputError : no part, fewer samples than parts, or more than memory holds
    """
    if not 1 <= n_parts <= n_samples:
        raise InputError(f"{n_samples} samples for {n_parts} parts: give at least one part, and each of them a sample")
    check_memory(n_samples, f"n_samples = {n_samples}")
    return np.linspace(0, n_samples, n_parts + 1).astype(np.int64)


def deal(
    images: Pixels,
    labels: IntArray,
    n_parts: int,
    *,
    n_samples: int | None,
    by_label: bool = False,
    n_held_out: int = 0,
    rng: np.random.Generator,
) -> Dealt:
    """Draw labelled images for the parts, in random order or sorted by label, and then those that are held out.

    Parameters
    ----------
    images : pixels on [0, 1], or bytes, shape (M, pixels); labels : digits 0 to 9, shape (M,)
    n_samples : N, by default all that are not held out
    n_held_out : H; how many they are changes nothing about the parts' samples while n_samples is given

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match
    """
    if n_held_out < 0:
        raise InputError(f"n_held_out = {n_held_out}: it must not be negative")
    n_samples = len(images) - n_held_out if n_samples is None else n_samples
    if len(images) != len(labels) or not 1 <= n_parts <= n_samples <= len(images) - n_held_out:
        sizes = f"{len(images)} images, {len(labels)} labels, {n_samples} of them for {n_parts} parts"
        sizes += f", {n_held_out} held out" if n_held_out else ""
        raise InputError(f"{sizes}: every image needs a label, every part a sample, and no sample serves twice")
    if labels.min() < 0 or labels.max() >= N_DIGITS:
        raise InputError(f"labels from {labels.min()} to {labels.max()}: they must be digits 0 to 9")
    shuffled = rng.permutation(len(labels))  # (M,)
    order, aside = shuffled[:n_samples], shuffled[n_samples : n_samples + n_held_out]  # (N,), (H,)
    if by_label:
        order = order[np.argsort(labels[order], kind="stable")]
    return Dealt(
        unit_range(images[order]),
        labels[order].astype(np.int64),
        part_starts(n_samples, n_parts),
        unit_range(images[aside]),
        labels[aside].astype(np.int64),
    )


def held_out(dealt: Dealt, precision: Precision, *, centre: bool = True) -> HeldOut | None:
    """Return the samples held out, the parts' mean image taken away where it is from theirs; None without any."""
    if not len(dealt.held_out_labels):
        return None
    features = with_bias(dealt.held_out_images, centre=centre, like=dealt.images)  # (H, pixels + 1)
    return HeldOut(in_precision(features, precision), dealt.held_out_labels)


def unit_range(pixels: Pixels) -> FloatArray:
    """Return pixels on [0, 1]: bytes are divided by 255, floating-point numbers are on it already."""
    return np.asarray(pixels / 255 if pixels.dtype == np.uint8 else pixels, float)


def framed(images: FloatArray, side: int) -> FloatArray:
    """Put square images (M, pixels) in the middle of black ones, side pixels wide and high, shape (M, side²).

    Raises
    ------
    InputError : images that are not square, or larger
    """
    width = isqrt(images.shape[1])
    if width**2 != images.shape[1] or side < width:
        raise InputError(f"images of {images.shape[1]} pixels cannot be framed to {side} x {side}: give a larger side")
    before = (side - width) // 2
    margin = (before, side - width - before)
    square = images.reshape(len(images), width, width)
    return np.pad(square, ((0, 0), margin, margin)).reshape(len(images), side**2)


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
    if kept.all():  # spare a copy of all images
        return images, is_class.argmax(axis=1)
    return images[kept], is_class[kept].argmax(axis=1)


def in_precision(values: FloatArray, precision: Precision) -> Floats:
    """Round to single precision, or return the values as they are."""
    return values.astype(np.float32) if precision == "single" else values


def with_bias(pixels: FloatArray, *, centre: bool = True, like: FloatArray | None = None) -> FloatArray:
    """Take the mean image away and append a column of ones, shape (N, pixels + 1).

    Without the mean image's share the largest eigenvalue is several times smaller, and 1/L a useful step.

    Parameters
    ----------
    like : the images whose mean that is, shape (M, pixels); by default those of `pixels`
    """
    shown = pixels - (pixels if like is None else like).mean(axis=0) if centre else pixels
    return np.column_stack([shown, np.ones(len(pixels))])
