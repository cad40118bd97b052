"""A delay law: Pareto, P(t > deadline) = (fastest/deadline)^shape."""

from dataclasses import dataclass

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, UniformSource


@dataclass(frozen=True)
class Pareto:
    """W workers alike."""

    n_workers: int
    fastest_s: float
    shape: float

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W)."""
        return self.fastest_s * (1 - rng.random((*shape, self.n_workers))) ** (-1 / self.shape)

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,)."""
        late = 1.0 if deadline_s <= self.fastest_s else (self.fastest_s / deadline_s) ** self.shape
        return np.full(self.n_workers, late)


def build(n_workers: int, *, fastest_s: float = 1.0, shape: float = 3.0) -> Pareto:
    """Build the law of `n_workers` workers.

    Raises
    ------
    InputError : parameters that are not positive
    """
    if not (fastest_s > 0 and shape > 0):
        raise InputError(f"fastest_s = {fastest_s:g}, shape = {shape:g}: both must be positive")
    return Pareto(n_workers, fastest_s, shape)
