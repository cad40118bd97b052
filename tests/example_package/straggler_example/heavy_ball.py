"""A scheme: gradient descent with Polyak's momentum, waiting for all workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.types import FloatArray
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column
from workbench.schemes.wait_for_all import cost_of_all


class State(NamedTuple):
    """Where every run is, and was."""

    x: FloatArray  # (R, D)
    before: FloatArray  # (R, D)


@dataclass(frozen=True)
class HeavyBall:
    """x + momentum (x − x_before) − η ∇F(x)."""

    name: ClassVar[str] = "heavy_ball"
    setting: Setting
    step_size: StepSize
    momentum: float

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all part gradients."""
        return self.setting.problem.n_parts * self.setting.problem.dim

    def init(self, n_runs: int) -> State:
        """Start at rest."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))
        return State(x, x)

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        ones = np.ones((len(state.x), self.setting.problem.n_parts))
        gradient = self.setting.problem.weighted_grad(state.x, ones)
        x = state.x + self.momentum * (state.x - state.before)
        x = x - column(self.step_size, iteration, noise.rows) * gradient
        return State(x, state.x), cost_of_all(self.setting, noise.responses.next_round())

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How fast every run moves, squared."""
        return {"velocity_sq": np.square(state.x - state.before).sum(axis=1)}


def build(setting: Setting, *, step_size: StepSize, momentum: float = 0.5) -> HeavyBall:
    """Descend with momentum."""
    return HeavyBall(setting, step_size, momentum)
