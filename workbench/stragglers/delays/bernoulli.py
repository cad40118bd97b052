"""Answers at one moment or never: the law behind a profile of straggle probabilities alone."""

from dataclasses import dataclass

import numpy as np

from workbench.core.types import FloatArray, UniformSource


@dataclass(frozen=True)
class Bernoulli:
    """Worker i answers after `answer_s` seconds with probability 1 - p_i, else never."""

    prob: FloatArray  # (W,)
    answer_s: float = 0.0

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.prob)

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W): answer_s or infinite."""
        uniform = rng.random((*shape, self.n_workers))  # (*shape, W)
        return np.where(uniform < 1 - self.prob, self.answer_s, np.inf)

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,): the same p at every deadline from answer_s on."""
        return self.prob if deadline_s >= self.answer_s else np.ones(self.n_workers)
