"""Synchronous mini-batch SGD: worker i holds part i, and the master waits for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Quantizer
from workbench.quantizers import identity
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes import batches
from workbench.schemes.batches import Order
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    order: Order  # (R, samples of the largest part, P)  as the last batch left it


@dataclass(frozen=True)
class Sgd:
    """x − η Σ_i Q_i((m_i/B) Σ_b ∇f_{i,b}(x)), B of the m_i samples of each part, drawn anew without replacement.

    A round lasts until the slowest worker's message has come.
    """

    name: ClassVar[str] = "sgd"
    setting: Setting
    step_size: StepSize
    batch_size: int
    quantizer: Quantizer

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        least = int(self.setting.problem.part_sizes.min())
        if not 1 <= self.batch_size <= least:
            raise InputError(f"batch_size is {self.batch_size}: give at least 1 and at most {least}, the smallest part")
        bits = self.quantizer.bits_per_coordinate  # (W,)
        if bits.size != self.setting.n_workers:
            raise InputError(f"the quantizer is for {bits.size} workers, there are {self.setting.n_workers}")
        if not bits.all():
            raise InputError(f"worker {int(np.argmin(bits))} has 0 bits but holds a part: give it some")

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all messages and of the samples of the batches."""
        return self.setting.n_workers * (2 + self.batch_size) * self.setting.problem.dim

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, the samples in order."""
        problem = self.setting.problem
        return State(np.tile(problem.initial(), (n_runs, 1)), batches.in_order(problem.part_sizes, n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        problem = self.setting.problem
        (n_runs, dim), n_workers = state.x.shape, self.setting.n_workers
        sizes = np.full((n_runs, n_workers), self.batch_size)  # (R, P)
        order, batch = batches.draw(state.order, sizes, problem.part_sizes, rng=noise.stream("batches"))
        everywhere = np.broadcast_to(state.x[:, None], (n_runs, n_workers, dim))  # (R, P, D)
        messages = problem.sample_grads(everywhere, batch.samples, batch.weights)  # (R, P, D)
        estimate = self.quantizer(messages, rng=noise.stream("quantizer/sgd")).sum(axis=1)  # (R, D)
        x = state.x - column(self.step_size, iteration, noise.rows) * estimate
        return State(x, order), self._cost(noise.responses.next_round())

    def _cost(self, times: FloatArray) -> Cost:
        """Cost of a round in which all workers get the iterate and answer after times (R, W)."""
        problem, n_runs = self.setting.problem, len(times)
        message_bits = self.quantizer.message_bits(problem.dim)  # (W,)
        travel_s = self.setting.seconds_per_bit * (FLOAT_BITS * problem.dim + message_bits)  # (W,)
        down = self.setting.n_workers * FLOAT_BITS * problem.dim
        return Cost(
            (times + travel_s).max(axis=1), np.full(n_runs, float(message_bits.sum())), np.full(n_runs, float(down))
        )

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


def build(setting: Setting, *, step_size: StepSize, batch_size: int, quantizer: Quantizer | None = None) -> Sgd:
    """Train with mini-batches, one part a worker, nobody's message lost.

    Parameters
    ----------
    batch_size : B, samples of each part in a round
    quantizer : of the messages; None: they travel as they are

    Raises
    ------
    InputError : other numbers of parts and workers, a batch larger than a part, a worker without bits
    """
    chosen = identity.quantizer(np.full(setting.n_workers, FLOAT_BITS)) if quantizer is None else quantizer
    return Sgd(setting, step_size, batch_size, chosen)
