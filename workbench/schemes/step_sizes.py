"""Step sizes η_t, t = 1, 2, ..., of the schemes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray


class StepSize(Protocol):
    """η_t at iteration t = 1, 2, ..., for the rows of a simulation: one number, or shape (R,)."""

    def __call__(self, iteration: int, rows: IntArray) -> FloatArray | float:
        """η at an iteration, for the rows (R,)."""
        ...


@dataclass(frozen=True)
class ConstantStep:
    """η_t = value."""

    value: float

    def __post_init__(self) -> None:
        _check_positive("step_size", self.value)

    def __call__(self, iteration: int, rows: IntArray) -> float:
        """η at any iteration."""
        return self.value


@dataclass(frozen=True)
class InverseTimeStep:
    """η_t = scale/(t + shift); 1/(μt) has scale 1/μ [hetero_gc, Theorem 2; onebit_gc, Theorem 1]."""

    scale: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        _check_positive("scale", self.scale)
        if not -1 < self.shift < np.inf:
            raise InputError(f"shift is {self.shift}: t + shift must be positive from t = 1 on, and finite")

    def __call__(self, iteration: int, rows: IntArray) -> float:
        """η at iteration t >= 1."""
        return self.scale / (iteration + self.shift)


@dataclass(frozen=True)
class InverseSqrtStep:
    """η_t = scale/√t [hetero_gc, Theorem 3]."""

    scale: float

    def __post_init__(self) -> None:
        _check_positive("scale", self.scale)

    def __call__(self, iteration: int, rows: IntArray) -> float:
        """η at iteration t >= 1."""
        return float(self.scale / np.sqrt(iteration))


@dataclass(frozen=True)
class GeometricStep:
    """η_t = first·ratio^(t − 1); compskip's η_t = η_0 γ^(−t) has ratio 1/γ [compskip, Lemma 1]."""

    first: float
    ratio: float

    def __post_init__(self) -> None:
        _check_positive("first", self.first)
        _check_positive("ratio", self.ratio)

    def __call__(self, iteration: int, rows: IntArray) -> float:
        """η at iteration t >= 1."""
        return float(self.first * np.float64(self.ratio) ** (iteration - 1))  # of a float, Python's power may overflow


@dataclass(frozen=True)
class GridStep:
    """η_t of each row: the values in turn, each for n_runs rows."""

    values: tuple[float, ...]
    n_runs: int

    def __call__(self, iteration: int, rows: IntArray) -> FloatArray:
        """η at any iteration, for rows (R,) of all values n_runs, shape (R,)."""
        return np.asarray(self.values)[rows // self.n_runs]


def _check_positive(name: str, value: float) -> None:
    """Refuse what would make a step size that ascends, or is none."""
    if not 0 < value < np.inf:
        raise InputError(f"{name} is {value}: a step size is positive and finite")


def column(step_size: StepSize, iteration: int, rows: IntArray) -> FloatArray:
    """Return η_t for each row, shape (R, 1)."""
    steps = np.empty((len(rows), 1))
    steps.T[...] = step_size(iteration, rows)  # a number, or one for each row
    return steps
