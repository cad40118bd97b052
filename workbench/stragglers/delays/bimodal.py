"""Bimodal: now and then a response takes several times as long, as on a machine that others use too."""

from dataclasses import dataclass

import numpy as np

from workbench.core.types import FloatArray, UniformSource
from workbench.stragglers.delays.parameters import factor, non_negative, positive, probability


@dataclass(frozen=True)
class Bimodal:
    """A shifted exponential, `slowdown` times longer with probability `slow_prob`, each response on its own."""

    shift_s: FloatArray  # (W,)
    rate_per_s: FloatArray  # (W,)
    slow_prob: FloatArray  # (W,)
    slowdown: FloatArray  # (W,)

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.shift_s)

    @property
    def kinks_s(self) -> FloatArray:
        """Where the law has corners, shape (2W,)."""
        return np.concatenate([self.shift_s, self.slowdown * self.shift_s])

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W).

        One uniform says both: its upper end of length slow_prob are the slow responses, and where it lies
        within its end is again uniform.
        """
        upper = 1 - rng.random((*shape, self.n_workers))  # (*shape, W), in (0, 1]
        slow = upper <= self.slow_prob
        level = np.where(slow, upper, upper - self.slow_prob) / np.where(slow, self.slow_prob, 1 - self.slow_prob)
        time_s = self.shift_s - np.log(np.minimum(level, 1.0)) / self.rate_per_s
        return np.asarray(np.where(slow, self.slowdown * time_s, time_s))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,)."""
        usual, slow = self._survival(deadline_s), self._survival(deadline_s / self.slowdown)
        return usual + self.slow_prob * (slow - usual)

    def _survival(self, time_s: float | FloatArray) -> FloatArray:
        """P(an undisturbed response takes longer), shape (W,)."""
        return np.exp(-self.rate_per_s * np.maximum(time_s - self.shift_s, 0.0))


def build(
    n_workers: int,
    *,
    shift_s: float | list[float],
    rate_per_s: float | list[float],
    slow_prob: float | list[float],
    slowdown: float | list[float],
) -> Bimodal:
    """Return the law of shift + an exponential wait, all of it `slowdown` times longer with probability slow_prob.

    Parameters
    ----------
    shift_s : the least response time, seconds
    rate_per_s : one over the mean wait, in 1/s
    slowdown : a factor, at least 1
    """
    return Bimodal(
        non_negative(n_workers, "shift_s", shift_s),
        positive(n_workers, "rate_per_s", rate_per_s),
        probability(n_workers, "slow_prob", slow_prob),
        factor(n_workers, "slowdown", slowdown),
    )
