"""Synchronous decentralized SGD: everyone steps from a mixture of its own and its neighbours' models."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from workbench.core.blocks import message_blocks
from workbench.core.types import FloatArray
from workbench.schemes.batches import Order
from workbench.schemes.decentralized_round import Links, LocalGradients, check_step, consensus_sq
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, W, D)  the workers' models
    batch_size: FloatArray  # (R,)  mean over the workers in the last round, 0 before the first
    order: Order  # (R, samples of the largest part, W)  of mini-batches


@dataclass(frozen=True)
class DecentralizedSgd:
    r"""The update of quantimed, equation (8), with any rule for the sizes of the batches.

    .. math:: x_i \leftarrow (1 - \varepsilon + \varepsilon w_{ii}) x_i
        + \varepsilon \sum_{j \in N_i} w_{ij} Q(x_j) - \alpha \varepsilon \tilde\nabla f_i(x_i)

    The neighbours N_i do not contain i, whose own model is not quantized. A round lasts until the last worker has
    computed and its message has arrived.

    Parameters
    ----------
    mixing_step : ε
    """

    name: str
    setting: Setting
    step_size: StepSize
    mixing_step: float
    links: Links
    local: LocalGradients

    def __post_init__(self) -> None:
        check_step(self.mixing_step, self.links.mixing)

    @property
    def floats_a_run(self) -> int:
        """Two vectors a worker, and its order of samples, of half the size a number."""
        problem = self.setting.problem
        return self.setting.n_workers * (2 * problem.dim + int(problem.part_sizes.max()) // 2)

    @cached_property
    def _kept(self) -> FloatArray:
        return 1 - self.mixing_step * (1 - self.links.mixing.own[:, None])  # (W, 1)

    @cached_property
    def _taken(self) -> FloatArray:
        return self.mixing_step * self.links.mixing.between  # (W, W)

    def init(self, n_runs: int) -> State:
        """Start all workers at the problem's starting point."""
        x = np.tile(self.setting.problem.initial(), (n_runs, self.setting.n_workers, 1))  # (R, W, D)
        return State(x, np.zeros(n_runs), self.local.first_order(n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        plan = self.local.plan(noise.responses.next_round())
        order, batch = self.local.draw(state.order, plan.sizes, noise)
        gradients = self.local.at(state.x, batch)  # (R, W, D)
        step = self.mixing_step * column(self.step_size, iteration, noise.rows)  # (R, 1)
        x = self._taken @ self._sent(state.x, noise)  # eq. 8, (R, W, D)
        for runs, workers in message_blocks(x.shape):
            x[runs, workers] += self._kept[workers] * state.x[runs, workers]
            x[runs, workers] -= step[runs, :, None] * gradients[runs, workers]
        seconds = (plan.seconds + self.links.message_s).max(axis=1)  # (R,)
        cost = Cost(seconds, np.full(len(x), self.links.sent_bits.sum()), np.zeros(len(x)))
        return State(x, plan.sizes.mean(axis=1), order), cost

    def _sent(self, x: FloatArray, noise: Noise) -> FloatArray:
        """Models as the neighbours get them, (R, W, D)."""
        if self.links.quantizer is None:
            return x
        return self.links.quantizer(x, rng=noise.stream(f"quantizer/{self.name}"))

    def iterate(self, state: State) -> FloatArray:
        """Mean of the workers' models, shape (R, D)."""
        return np.asarray(state.x.mean(axis=1))

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How far the workers' models are apart, and how large the last round's batches were."""
        return {"consensus_sq": consensus_sq(state.x), "batch_size": state.batch_size}
