"""Answers at one moment or never: the law behind a profile of straggle probabilities alone."""

from dataclasses import dataclass

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, UniformSource
from workbench.stragglers.delays.parameters import probability


@dataclass(frozen=True)
class Bernoulli:
    """Worker i answers after `answer_s` seconds with probability 1 - p_i, else never."""

    prob: FloatArray  # (W,)
    answer_s: float = 0.0

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.prob)

    @property
    def kinks_s(self) -> FloatArray:
        """Where the law jumps, shape (1,)."""
        return np.array([self.answer_s])

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W): answer_s or infinite."""
        uniform = rng.random((*shape, self.n_workers))  # (*shape, W)
        return np.where(uniform < 1 - self.prob, self.answer_s, np.inf)

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,): the same p at every deadline from answer_s on."""
        return self.prob if deadline_s >= self.answer_s else np.ones(self.n_workers)


def build(n_workers: int, *, straggle_prob: float | list[float], answer_s: float = 1.0) -> Bernoulli:
    """Return the law of an answer after `answer_s` seconds, or never with probability `straggle_prob`.

    Raises
    ------
    InputError : an answer_s that is no finite number of seconds, at least 0
    """
    if not 0 <= answer_s < np.inf:
        raise InputError(f"answer_s is {answer_s:g}: give a finite number of seconds, at least 0")
    return Bernoulli(probability(n_workers, "straggle_prob", straggle_prob), float(answer_s))
