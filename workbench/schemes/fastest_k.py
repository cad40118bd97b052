"""Fastest-k SGD with a fixed k: the master averages what the fastest k workers send [fastest_k, eq. 5]."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.types import FloatArray
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize
from workbench.schemes.wait_count import check_n_wait, floats_a_run, take_round


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate


@dataclass(frozen=True)
class FastestK:
    """x − η (P/k) Σ ∇f_i(x) over the k workers that answer first; a round lasts until the k-th has."""

    name: ClassVar[str] = "fastest_k"
    setting: Setting
    step_size: StepSize
    n_wait: int

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        check_n_wait("n_wait", self.n_wait, self.setting)

    @property
    def floats_a_run(self) -> int:
        """Coordinates, workers and samples."""
        return floats_a_run(self.setting)

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point."""
        return State(np.tile(self.setting.problem.initial(), (n_runs, 1)))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        n_wait = np.full(len(state.x), self.n_wait)  # (R,)
        done = take_round(self.setting, state.x, n_wait, self.step_size, iteration, noise)
        return State(done.x), done.cost

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How many workers the next round waits for."""
        return {"n_wait": np.full(len(state.x), float(self.n_wait))}


def build(setting: Setting, *, step_size: StepSize, n_wait: int) -> FastestK:
    """Wait for the fastest `n_wait` workers in every round; each worker holds one part.

    Raises
    ------
    InputError : an n_wait beyond the workers, other numbers of parts and workers
    """
    return FastestK(setting, step_size, n_wait)
