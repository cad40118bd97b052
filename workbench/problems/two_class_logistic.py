"""Logistic regression that tells two classes of images apart [onebit_gc, eq. 31]."""

from collections.abc import Sequence

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray
from workbench.problems.binary_logistic import BinaryLogistic, measured
from workbench.problems.samples import deal, of_classes
from workbench.problems.sizes import check_ridge

DATASET = "mnist"
NAME = "two_class_logistic"


def build(
    n_parts: int,
    *,
    seed: int,
    images: FloatArray,
    labels: IntArray,
    classes: Sequence[int] = (0, 2),
    n_samples: int | None = None,
    l2: float = 0.0,
) -> BinaryLogistic:
    """Tell two classes of images apart: F is a sum over the samples.

    The pixels are taken as they are, without a bias, and the start is normal with variance 1 a coordinate.

    Parameters
    ----------
    n_parts : P
    images : pixels on [0, 1], shape (M, D); labels : digits 0 to 9, shape (M,)
    classes : labels of the sides −1 and +1
    n_samples : N, drawn at random from those of both classes, by default all of them; the paper has 100
    l2 : weight of the ridge; the paper has none, and then no optimum is claimed

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, classes without an image, negative l2
    """
    if len(classes) != 2:
        raise InputError(f"classes = {list(classes)}: name the two to be told apart")
    check_ridge(l2)
    chosen, sides = of_classes(images, labels, classes)
    rng = stream(seed, "problem/logistic_regression/images")  # the draws of the papers' figures go by this name
    features, sides, starts, *_ = deal(chosen, sides, n_parts, n_samples=n_samples, rng=rng)
    signs = (2.0 * sides - 1)[None]  # (1, N)
    reg = measured(features, signs, scale=1.0, l2=l2)
    return BinaryLogistic(NAME, features, signs, starts, 1.0, l2, rng.standard_normal(features.shape[1:]), reg)
