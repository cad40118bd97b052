"""What all checks of quantimed share: how premises combine, and the smallest networks."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import sympy as sp

from workbench.core.errors import InputError
from workbench.core.types import FloatArray

ONE = sp.Integer(1)
PAIR: FloatArray = np.full((2, 2), 0.5)  # two workers, W = 11ᵀ/2
THIRDS: FloatArray = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
SWAP: FloatArray = np.array([[0.0, 1.0], [1.0, 0.0]])  # two workers that keep nothing of their own


def close(found: npt.ArrayLike, exact: npt.ArrayLike) -> bool:
    """Show that a bound as a number is the exact one, but for roundings."""
    return bool(np.allclose(found, exact, rtol=1e-12, atol=0.0))


def raises(call: Callable[[], object]) -> bool:
    """Show that the input is refused."""
    try:
        call()
    except InputError:
        return True
    return False


def is_largest(call: Callable[[float], object], most: float) -> bool:
    """Show that a step is taken up to `most` and refused beyond, to the next numbers of single precision."""
    below, above = (float(np.nextafter(np.float32(most), np.float32(end))) for end in (-np.inf, np.inf))
    return not raises(lambda: call(below)) and raises(lambda: call(above))
