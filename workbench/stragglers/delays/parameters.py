"""Parameters of a delay law as a configuration gives them: one number for all workers, or one for each."""

from collections.abc import Sequence

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray

Given = float | Sequence[float]  # one number for all, or one for each


def positive(count: int, name: str, value: Given, each: str = "worker") -> FloatArray:
    """Return a positive finite parameter of every worker, shape (W,); see `spread` for the parameters."""
    values = spread(count, name, value, each)
    return _checked(name, values, (values > 0) & (values < np.inf), "a positive finite number", each)


def non_negative(count: int, name: str, value: Given, each: str = "worker") -> FloatArray:
    """Return a finite parameter of every worker that is at least 0, shape (W,)."""
    values = spread(count, name, value, each)
    return _checked(name, values, (values >= 0) & (values < np.inf), "a finite number, at least 0", each)


def factor(count: int, name: str, value: Given, each: str = "worker") -> FloatArray:
    """Return a finite parameter of every worker that is at least 1, shape (W,)."""
    values = spread(count, name, value, each)
    return _checked(name, values, (values >= 1) & (values < np.inf), "a finite factor, at least 1", each)


def probability(count: int, name: str, value: Given, each: str = "worker") -> FloatArray:
    """Return a probability of every worker, shape (W,)."""
    values = spread(count, name, value, each)
    return _checked(name, values, (values >= 0) & (values <= 1), "a probability from 0 to 1", each)


def spread(count: int, name: str, value: Given, each: str = "worker") -> FloatArray:
    """Return a parameter of every worker, shape (W,).

    Parameters
    ----------
    count : W
    name : of the parameter, for messages
    value : one number for all, or one for each
    each : what there are `count` of

    Raises
    ------
    InputError : none of them, or a list that has not one number for each
    """
    if count < 1:
        raise InputError(f"{count} {each}s: give at least one")
    values = np.asarray(value, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise InputError(
            f"{name} has {values.size} numbers for {count} {each}s: give one number for all, or one for each"
        )
    return np.broadcast_to(values, count).copy()


def _checked(name: str, values: FloatArray, fits: BoolArray, wanted: str, each: str) -> FloatArray:
    """Return the values (W,), or name the first that does not fit."""
    if not fits.all():
        index = int(np.argmin(fits))
        raise InputError(f"{name} is {values[index]:g} for {each} {index}: give {wanted}")
    return values
