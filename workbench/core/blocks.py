"""Work on the runs in blocks of one fixed size."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from workbench.core.types import FloatArray


def in_run_blocks(function: Callable[[FloatArray], npt.NDArray[np.floating]], x: FloatArray, size: int) -> FloatArray:
    """Apply `function`, (size, D) -> (size, ...), to all runs, `size` at a time, the last block zero-padded.

    A BLAS product may round a row differently when the number of rows changes. With one block size a run's
    result does not depend on how many other runs are computed beside it.

    Parameters
    ----------
    function : pure and row by row
    x : one iterate a run, shape (R, D)
    size : runs in a block
    """
    out: FloatArray | None = None
    for start in range(0, len(x), size):
        rows = x[start : start + size]
        block = np.zeros((size, x.shape[1]))  # (size, D)
        block[: len(rows)] = rows
        done = function(block)  # (size, ...)
        if out is None:
            out = np.empty((len(x), *done.shape[1:]))  # (R, ...)
        out[start : start + size] = done[: len(rows)]
    if out is None:
        raise ValueError("no runs: x has shape (0, D)")
    return out
