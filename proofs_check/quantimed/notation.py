"""What all checks of quantimed share: how premises combine, and the smallest networks."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from proofs_check.tools.balls import ball
from proofs_check.tools.symbolic import is_identity, is_nonnegative
from workbench.core.errors import InputError
from workbench.core.types import FloatArray

ONE = sp.Integer(1)
PAIR: FloatArray = np.full((2, 2), 0.5)  # two workers, W = 11ᵀ/2
THIRDS: FloatArray = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
SWAP: FloatArray = np.array([[0.0, 1.0], [1.0, 0.0]])  # two workers that keep nothing of their own


def combines(conclusion: sp.Expr, premises: Mapping[sp.Expr, sp.Expr]) -> bool:
    """Show conclusion = Σ weight · premise with weights ≥ 0: where the premises are nonnegative, so is it.

    Parameters
    ----------
    premises : premise -> its weight
    """
    total = sp.Add(*(weight * premise for premise, weight in premises.items()))
    return all(map(is_nonnegative, map(sp.sympify, premises.values()))) and is_identity(conclusion, total)


def close(found: npt.ArrayLike, exact: npt.ArrayLike) -> bool:
    """Show that a bound as a number is the exact one, but for roundings."""
    return bool(np.allclose(found, exact, rtol=1e-12, atol=0.0))


def rounded(number: Any, places: int) -> Fraction | None:
    """Round a ball to a decimal number; None if its ends differ in it."""
    whole = (number * 10**places + ball(Fraction(1, 2))).floor().unique_fmpz()
    return None if whole is None else Fraction(int(whole), 10**places)


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
