"""Bounded speed: gradients a second, uniform between two bounds [quantimed, sections 3 and 5]."""

from dataclasses import dataclass

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, UniformSource
from workbench.stragglers.delays.parameters import non_negative, positive


@dataclass(frozen=True)
class BoundedSpeed:
    """Worker i's response time is 1/V_i, the time of one gradient, V_i ~ Uniform(slowest_i, fastest_i)."""

    slowest: FloatArray  # (W,), gradients a second
    fastest: FloatArray  # (W,)

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.slowest)

    @property
    def kinks_s(self) -> FloatArray:
        """Where the law has corners, at most (2W,)."""
        return np.asarray(1 / np.concatenate([self.fastest, self.slowest[self.slowest > 0]]))

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Seconds a gradient, shape (*shape, W); a large uniform is a low speed."""
        uniform = rng.random((*shape, self.n_workers))  # (*shape, W)
        return 1 / (self.slowest + (self.fastest - self.slowest) * (1 - uniform))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(1/V > deadline) = P(V < 1/deadline), shape (W,)."""
        needed = 1 / deadline_s if deadline_s > 0 else np.inf
        below = np.clip(needed, self.slowest, self.fastest) - self.slowest  # (W,)
        # Where all speeds are one, times are compared: 1/(1/V) may be more than V.
        jump = np.where(deadline_s < 1 / self.fastest, 1.0, 0.0)  # (W,)
        width = self.fastest - self.slowest  # (W,)
        return np.asarray(np.divide(below, width, out=jump, where=width > 0))


def build(n_workers: int, *, slowest: float | list[float], fastest: float | list[float]) -> BoundedSpeed:
    """Return the law of 1/V with V ~ Uniform(slowest, fastest), anew for each worker and round.

    Parameters
    ----------
    slowest, fastest : bounds of the speed, in gradients a second; from slowest = 0 the mean time is infinite

    Raises
    ------
    InputError : bounds in the wrong order
    """
    low = non_negative(n_workers, "slowest", slowest)  # (W,)
    high = positive(n_workers, "fastest", fastest)  # (W,)
    if np.any(low > high):
        index = int(np.argmax(low > high))
        raise InputError(f"slowest = {low[index]:g} is above fastest = {high[index]:g} for worker {index}: swap them")
    return BoundedSpeed(low, high)
