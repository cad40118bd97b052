"""Adam on the full gradient, every worker waited for, unquantized: the reference of coded Adam."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.types import Encoder, FloatArray
from workbench.schemes.adam_update import AdamRates, GradientMoments, direction, updated
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column
from workbench.schemes.wait_for_all import cost_of_all


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    first: FloatArray  # (R, D)  decaying mean of the gradient
    second: FloatArray  # (R, D)  decaying mean of its square


@dataclass(frozen=True)
class Adam:
    """x − η m̂/(√v̂ + ε); a round lasts until the slowest worker has answered."""

    name: ClassVar[str] = "adam"
    setting: Setting
    step_size: StepSize
    rates: AdamRates

    @property
    def floats_a_run(self) -> int:
        """Coordinates of a gradient and its moments, and one number a sample."""
        return 3 * self.setting.problem.dim + int(self.setting.problem.part_sizes.sum())

    @cached_property
    def _full_gradient(self) -> Encoder:
        return self.setting.problem.encoder(np.ones((1, self.setting.problem.n_parts)))

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, both moments at 0."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))  # (R, D)
        return State(x, np.zeros(x.shape), np.zeros(x.shape))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        gradient = self._full_gradient(state.x)[:, 0]  # (R, D)
        moments = updated(GradientMoments(state.first, state.second), gradient, gradient, self.rates)
        x = state.x - column(self.step_size, iteration, noise.rows) * direction(moments, iteration, self.rates)
        return State(x, *moments), cost_of_all(self.setting, noise.responses.next_round())

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


def build(
    setting: Setting, *, step_size: StepSize, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Adam:
    """Wait for all workers in every round, and step by Adam.

    Parameters
    ----------
    beta1, beta2, epsilon : of `AdamRates`

    Raises
    ------
    InputError : a rate out of its range
    """
    return Adam(setting, step_size, AdamRates(beta1, beta2, epsilon))
