"""Coded, quantized SGD: workers send quantized mixtures of part gradients, the master decodes those heard."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from workbench.codes.code import GradientCode
from workbench.core.types import FloatArray
from workbench.schemes.coded_round import CodedRound
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate


@dataclass(frozen=True)
class CodedSgd:
    """x − η Σ_i v_i Q_i(f_i) over the workers that responded [hetero_gc, II; onebit_gc, eqs. 4-8].

    With the matching code this is 1-bit GC-DL, SGC-DL, BGC, ErasureHead, optimal decoding, OSGC, the optimal code
    or SGD that ignores stragglers.
    """

    setting: Setting
    code: GradientCode
    step_size: StepSize
    deadline_s: float | None = None
    name: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.code.family)
        _ = self._round  # refuse sizes that do not fit together now

    @cached_property
    def _round(self) -> CodedRound:
        return CodedRound(self.setting, self.code, self.deadline_s)

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all messages."""
        return self._round.floats_a_run

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point."""
        return State(np.tile(self.setting.problem.initial(), (n_runs, 1)))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        responded, cost = self._round.listen(noise)  # (R, W)
        weights = self.code.decoder.weights(responded)[:, None]  # (R, 1, W)
        estimate = self._round.estimates(state.x, weights, noise)[:, 0]  # (R, D)
        return State(state.x - column(self.step_size, iteration, noise.rows) * estimate), cost

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


def build(setting: Setting, *, code: GradientCode, step_size: StepSize, deadline_s: float | None = None) -> CodedSgd:
    """Train with a gradient code.

    Parameters
    ----------
    deadline_s : the master stops listening then; without one it hears all who answer at all

    Raises
    ------
    InputError : a code for other numbers of workers or parts
    """
    return CodedSgd(setting, code, step_size, deadline_s)
