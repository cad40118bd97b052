"""Gradient descent that waits for every worker, unquantized: the reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.types import Encoder, FloatArray
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate


@dataclass(frozen=True)
class WaitForAll:
    """x − η ∇F(x); a round lasts until the slowest worker has answered."""

    name: ClassVar[str] = "wait_for_all"
    setting: Setting
    step_size: StepSize

    @property
    def floats_a_run(self) -> int:
        """Coordinates of a gradient, and one number a sample."""
        return self.setting.problem.dim + int(self.setting.problem.part_sizes.sum())

    @cached_property
    def _full_gradient(self) -> Encoder:
        return self.setting.problem.encoder(np.ones((1, self.setting.problem.n_parts)))

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point."""
        return State(np.tile(self.setting.problem.initial(), (n_runs, 1)))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        gradient = self._full_gradient(state.x)[:, 0]  # (R, D)
        x = state.x - column(self.step_size, iteration, noise.rows) * gradient
        return State(x), cost_of_all(self.setting, noise.responses.next_round())

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


def cost_of_all(setting: Setting, times: FloatArray) -> Cost:
    """Cost of a round in which all workers get the iterate and answer unquantized, times (R, W)."""
    vector_bits = float(FLOAT_BITS * setting.problem.dim)
    bits = np.full(len(times), setting.n_workers * vector_bits)  # (R,)
    return Cost(times.max(axis=1) + 2 * vector_bits * setting.seconds_per_bit, bits, bits)


def build(setting: Setting, *, step_size: StepSize) -> WaitForAll:
    """Wait for all workers in every round."""
    return WaitForAll(setting, step_size)
