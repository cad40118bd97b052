"""Adaptive fastest-k SGD: wait for more workers once estimates start to point back [fastest_k, Algorithm 1]."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize
from workbench.schemes.wait_count import check_n_wait, floats_a_run, take_round

BURN_IN = 0.1  # of the number of samples [V-A]

Growth = Literal["add", "double"]


class State(NamedTuple):
    """Where every run is, and what it has counted since its last growth."""

    x: FloatArray  # (R, D)  iterate
    estimate: FloatArray  # (R, D)  gradient estimate of the last round
    n_wait: IntArray  # (R,)  k of the next round
    n_negative: IntArray  # (R,)  countNegative: rounds that turned back, less those that did not
    n_rounds: IntArray  # (R,)  countIter: the next round's number, from 1


@dataclass(frozen=True)
class AdaptiveFastestK:
    """Pflug's test for the stationary phase, per run: products of consecutive estimates turn negative as often as not.

    Algorithm 1 tests ĝ_j before there is one. Here the test follows as soon as the newest estimate is there, and
    takes it with the one before; the first round has none before it and is not counted, only numbered.
    """

    name: ClassVar[str] = "fastest_k_adaptive"
    setting: Setting
    step_size: StepSize
    first_n_wait: int
    most_n_wait: int
    growth: Growth
    wait_step: int
    threshold: int
    burn_in: int

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        check_n_wait("first_n_wait", self.first_n_wait, self.setting)
        check_n_wait("most_n_wait", self.most_n_wait, self.setting)
        if self.first_n_wait > self.most_n_wait:
            raise InputError(f"first_n_wait = {self.first_n_wait} is above most_n_wait = {self.most_n_wait}: lower it")
        if self.growth not in ("add", "double"):
            raise InputError(f"growth is '{self.growth}': choose add or double")
        if self.wait_step < 1 or self.threshold < 0 or self.burn_in < 0:
            given = f"wait_step = {self.wait_step}, threshold = {self.threshold}, burn_in = {self.burn_in}"
            raise InputError(f"{given}: the step must be at least 1, the others at least 0")

    @property
    def floats_a_run(self) -> int:
        """Coordinates, workers and samples."""
        return floats_a_run(self.setting)

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point with the first k."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))  # (R, D)
        zero = np.zeros(n_runs, np.int64)  # (R,)
        return State(x, np.zeros_like(x), zero + self.first_n_wait, zero, zero + 1)

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run, then let those grow that have turned back too often."""
        x, estimate, cost = take_round(self.setting, state.x, state.n_wait, self.step_size, iteration, noise)
        n_negative = state.n_negative  # (R,)
        if iteration > 1:
            turned_back = np.vecdot(estimate, state.estimate) < 0  # (R,)
            n_negative = n_negative + np.where(turned_back, 1, -1)
        larger = 2 * state.n_wait if self.growth == "double" else state.n_wait + self.wait_step  # (R,)
        grows = (n_negative > self.threshold) & (state.n_rounds > self.burn_in) & (larger <= self.most_n_wait)
        kept = ~grows
        n_wait = np.where(grows, larger, state.n_wait)
        return State(x, estimate, n_wait, n_negative * kept, state.n_rounds * kept + 1), cost

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How many workers the next round waits for."""
        return {"n_wait": state.n_wait.astype(float)}


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    first_n_wait: int = 1,
    most_n_wait: int | None = None,
    growth: Growth = "add",
    wait_step: int = 1,
    threshold: int = 10,
    burn_in: int | None = None,
) -> AdaptiveFastestK:
    """Grow k by `wait_step`, or double it, once more than `threshold` more rounds turned back than did not.

    Parameters
    ----------
    first_n_wait : k at the start, 1 in Algorithm 1; the experiments have 10 (V-A) and 2 (V-B)
    most_n_wait : k never goes beyond; None: all workers, as Algorithm 1 has it; 40 of 50 in V-A, 8 of 20 in V-B
    burn_in : k does not grow in so many rounds after it has grown, or after the start; None: a tenth of the samples

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    most = setting.n_workers if most_n_wait is None else most_n_wait
    rounds = round(BURN_IN * int(setting.problem.part_sizes.sum())) if burn_in is None else burn_in
    return AdaptiveFastestK(setting, step_size, first_n_wait, most, growth, wait_step, threshold, rounds)
