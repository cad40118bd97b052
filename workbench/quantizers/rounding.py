"""What rounding leaves of coordinates that are 0, and whose sign means nothing."""

import numpy as np

from workbench.core.types import BoolArray, FloatArray

# Of a message's largest coordinate. Sums over samples leave a few units of 2^-52 where they cancel: at the start of
# softmax regression many pixels' gradients do, and what is left changes with the number of runs multiplied at once.
# Single precision leaves up to 2^-23, where coordinates that are not 0 are found as well: those keep their signs.
RESIDUE = 2.0**-43


def is_more_than_rounding(v: FloatArray) -> BoolArray:
    """Tell the coordinates of messages (..., W, D) that are not 0 up to rounding, as v; NaN is not."""
    size = np.abs(v)
    largest = np.minimum(size.max(axis=-1, keepdims=True, initial=0.0), np.finfo(float).max)  # (..., W, 1)
    return np.asarray(size > RESIDUE * largest)
