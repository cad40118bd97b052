"""One against the rest: ten two-sided logistic losses on images [fastest_k, eq. 8]."""

import numpy as np

from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray
from workbench.problems.binary_logistic import BinaryLogistic, measured
from workbench.problems.samples import N_DIGITS, Precision, deal, held_out, in_precision, with_bias
from workbench.problems.sizes import check_ridge

DATASET = "mnist"
NAME = "one_vs_rest_logistic"


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
    average: bool = True,
    centre: bool = True,
    precision: Precision = "single",
) -> BinaryLogistic:
    """Ask of every image ten times whether it is that digit, and take the mean over the ten questions.

    The start is the origin. The printed (8) has the logistic function mirrored and one log σ for
    log(1 − σ); this is the log-loss that was meant. There the ridge leaves the biases free, and with them F
    is not strongly convex; here it holds them too.

    Parameters
    ----------
    n_parts : P
    images : pixels on [0, 1], shape (M, 784); labels : digits 0 to 9, shape (M,)
    n_samples : N, drawn from the M at random, by default all not held out
    l2 : weight of the ridge on all ten weight vectors and biases
    by_label : give each part samples of one or two digits, so that the parts are unlike each other
    n_held_out : further samples, which no part holds: the share of them that is classified rightly is measured
    average : take the mean over the samples too; the paper prints their sum
    centre : take the mean image away, which makes the loss far better conditioned; the paper does not say
    precision : of the products with the data; iterates stay double

    Raises
    ------
    InputError : fewer samples than parts, labels that do not match, negative l2
    """
    check_ridge(l2)
    rng = stream(seed, f"problem/{NAME}")
    dealt = deal(images, labels, n_parts, n_samples=n_samples, by_label=by_label, n_held_out=n_held_out, rng=rng)
    features = in_precision(with_bias(dealt.images, centre=centre), precision)  # (N, 785)
    signs = in_precision(np.where(dealt.labels == np.arange(N_DIGITS)[:, None], 1.0, -1.0), precision)  # (10, N)
    scale = 1 / N_DIGITS / (len(dealt.labels) if average else 1)
    reg = measured(features, signs, scale=scale, l2=l2)
    start = np.zeros(N_DIGITS * features.shape[1])  # (D,)
    kept = held_out(dealt, precision, centre=centre)
    return BinaryLogistic(NAME, features, signs, dealt.starts, scale, l2, start, reg, kept)
