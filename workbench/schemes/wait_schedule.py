"""Fastest-k SGD whose k follows a schedule made beforehand, and the constants such schedules are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Problem
from workbench.problems.regularity import regularity_along
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, StepSize
from workbench.schemes.wait_count import check_n_wait, floats_a_run, take_round
from workbench.solvers.switch_times import decay_rate, error_floors
from workbench.stragglers.order_statistics import mean_kth

SIMULATED_ROUNDS = 20_000


@dataclass(frozen=True, eq=False)
class WaitSchedule:
    """The wait counts one after the other, and when each but the first takes over.

    n_wait : k, shape (K,)
    switch_s : seconds, not falling, shape (K-1,)
    """

    n_wait: IntArray
    switch_s: FloatArray

    def __post_init__(self) -> None:
        if len(self.n_wait) != len(self.switch_s) + 1:
            raise InputError(
                f"{len(self.n_wait)} wait counts and {len(self.switch_s)} switches: give one count more than switches"
            )
        if np.isnan(self.switch_s).any() or np.any(np.diff(self.switch_s) < 0):
            raise InputError(f"switch_s is {self.switch_s}: give times in their order")

    def at(self, time_s: FloatArray) -> IntArray:
        """k at times (R,) in seconds, that of a switch included, shape (R,)."""
        return np.asarray(self.n_wait[np.searchsorted(self.switch_s, time_s, side="right")])


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    seconds: FloatArray  # (R,)  its own clock


@dataclass(frozen=True, eq=False)
class ScheduledFastestK:
    """Fastest-k SGD: a round waits for as many workers as the schedule says for the moment it begins."""

    name: str
    setting: Setting
    step_size: StepSize
    schedule: WaitSchedule

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        for n_wait in self.schedule.n_wait.tolist():
            check_n_wait("n_wait", n_wait, self.setting)

    @property
    def floats_a_run(self) -> int:
        """Coordinates, workers and samples."""
        return floats_a_run(self.setting)

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, at 0 s."""
        return State(np.tile(self.setting.problem.initial(), (n_runs, 1)), np.zeros(n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        n_wait = self.schedule.at(state.seconds)  # (R,)
        done = take_round(self.setting, state.x, n_wait, self.step_size, iteration, noise)
        return State(done.x, state.seconds + done.cost.seconds), done.cost

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How many workers the next round waits for."""
        return {"n_wait": self.schedule.at(state.seconds).astype(float)}


class BoundConstants(TypedDict):
    """What the bound of Lemma 1 is made of."""

    floor: FloatArray  # (W,)  error floors f_k
    mean_wait: FloatArray  # (W,)  mean seconds of a round that waits for k
    decay: float  # α
    gap: float  # F(x_0) − F*


def bound_constants(
    setting: Setting,
    step_size: StepSize,
    *,
    strong_convexity: float | None,
    smoothness: float | None,
    grad_var: float | None,
    gap: float | None,
    replacement: bool,
) -> BoundConstants:
    """Take the constants that are given, and measure those that are None.

    P² times the variance of the gradient of a part drawn at random is that of one worker's estimate, the paper's
    σ²/s. It is measured at the optimum, around which the runs come to rest. A round's time includes its messages'.

    Raises
    ------
    InputError : a step size that is not constant or too large, a constant that the problem does not claim
    """
    setting.one_part_a_worker()
    if not isinstance(step_size, ConstantStep):
        raise InputError(f"step_size is {step_size}: the switch times are for a constant one, give a number")
    problem, measured = setting.problem, setting.problem.regularity
    convexity = _known("strong_convexity", strong_convexity, measured.strong_convexity)
    worker_var = problem.n_parts**2 * _known("grad_var", grad_var, _grad_var(problem) if grad_var is None else None)
    floor = error_floors(
        step_size=step_size.value,
        smoothness=_known("smoothness", smoothness, measured.smoothness),
        strong_convexity=convexity,
        worker_var=worker_var,
        n_workers=setting.n_workers,
        replacement=replacement,
    )
    return BoundConstants(
        floor=floor,
        mean_wait=mean_round_s(setting),
        decay=decay_rate(step_size.value, convexity),
        gap=_known("gap", gap, _gap(problem)),
    )


def mean_round_s(setting: Setting) -> FloatArray:
    """Return the mean seconds of a round that waits for k = 1, ..., W workers, messages included, shape (W,).

    Where workers may never answer, a round waits for those who do: then it is the mean of some simulated rounds.
    """
    link_s = 2 * FLOAT_BITS * setting.problem.dim * setting.seconds_per_bit
    mean = np.maximum.accumulate(mean_kth(setting.delay))  # (W,); what is equal up to rounding is equal
    times = setting.delay.sample((SIMULATED_ROUNDS,), rng=stream(0, "mean round"))  # (rounds, W)
    if np.isfinite(mean).all() or np.isfinite(times).all():
        return np.asarray(mean + link_s)
    times = np.sort(times, axis=1)
    n_answers = np.isfinite(times).sum(axis=1, keepdims=True)  # (rounds, 1)
    last = np.minimum(np.arange(1, len(mean) + 1), n_answers) - 1  # (rounds, W)
    seconds = np.where(n_answers > 0, np.take_along_axis(times, last, axis=1) + link_s, 0.0)
    return np.asarray(seconds.mean(axis=0))


def _known(name: str, given: float | None, measured: float | None) -> float:
    """Return a constant as it is given, else as it is measured."""
    value = measured if given is None else given
    if value is None:
        raise InputError(f"the problem claims no {name}: give it as a number")
    return value


def _grad_var(problem: Problem) -> float | None:
    """Variance of the gradient of a part drawn at random, at the optimum unless the problem claims another."""
    known = problem.regularity
    if known.grad_var is not None or known.optimum is None:
        return known.grad_var
    return regularity_along(problem, known.optimum[None]).grad_var


def _gap(problem: Problem) -> float | None:
    """F − F* at the start."""
    least = problem.regularity.optimal_loss
    return None if least is None else float(problem.loss(problem.initial()[None])[0]) - least
