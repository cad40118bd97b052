"""CompSkipDSGD: signs of a random share of the coordinates, both ways, that workers and server may skip [compskip]."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.quantizers.sparse_sign import SparseSign
from workbench.schemes.batches import Order
from workbench.schemes.compskip_round import (
    SkippingRound,
    check_keep_probs,
    check_probability,
    feedback_measures,
    one_a_worker,
)
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column

ROUNDING = 1e-9  # of the magnitudes that cancel; what rounding leaves of them must not get a sign


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    momentum: FloatArray  # (R, W, D)  m_{t-1,i}
    worker_error: FloatArray  # (R, W, D)  e_{t,i}
    server_error: FloatArray  # (R, D)  ẽ_t
    last_step: FloatArray  # (R,)  η_{t-1}
    order: Order  # (R, samples of the largest part, W)  of mini-batches


@dataclass(frozen=True)
class CompSkip:
    """Algorithm 1 of compskip, line by line; `build` describes the parameters.

    Line 11 prints x_{t+1} = x_t − η_t Δ_t, and what line 10 receives is the server's Δ̃_t, so that is what is meant.
    """

    name: str
    setting: Setting
    step_size: StepSize
    worker_error_step: float
    message_weight: float | Literal["balanced"]
    server_error_step: float
    keep_prob: float
    server_keep_prob: float
    momentum: float
    error_decay: float
    worker_skip_prob: FloatArray  # (W,)
    server_skip_prob: float
    batch_size: int | None
    deadline_s: float | None

    def __post_init__(self) -> None:
        weights = {"worker_error_step": self.worker_error_step, "server_error_step": self.server_error_step}
        if self.message_weight != "balanced":
            weights["message_weight"] = self.message_weight
        for name, value in weights.items():
            if not 0 < value < np.inf:
                raise InputError(f"{name} is {value}: it must be positive and finite")
        check_keep_probs(self.keep_prob, self.server_keep_prob)
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}: it must be at least 0 and below 1")
        check_probability("error_decay", self.error_decay)
        _ = self._round  # refuse what does not fit together now

    @cached_property
    def _worker_signs(self) -> SparseSign:
        return SparseSign(np.ones(self.setting.n_workers, np.int64), self.keep_prob)

    @cached_property
    def _server_signs(self) -> SparseSign:
        return SparseSign(np.ones(1, np.int64), self.server_keep_prob)

    @cached_property
    def _round(self) -> SkippingRound:
        dim = self.setting.problem.dim
        bits = [int(signs.message_bits(dim)[0]) for signs in (self._worker_signs, self._server_signs)]
        skips = (self.worker_skip_prob, self.server_skip_prob)
        return SkippingRound(self.setting, *skips, self.batch_size, self.deadline_s, *bits)

    @property
    def floats_a_run(self) -> int:
        """Three vectors a worker, and the samples of its batch."""
        return self._round.floats_a_run

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, with no momentum and no errors (line 2)."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))  # (R, D)
        nothing = np.zeros((n_runs, self.setting.n_workers, x.shape[1]))  # (R, W, D)
        return State(x, nothing, nothing, np.zeros(x.shape), np.zeros(n_runs), self._round.first_order(n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        gradients, order = self._round.gradients(state.x, state.order, noise)  # line 5, (R, W, D)
        (sends, answers), cost = self._round.attend(noise)  # (R, W), (R,)
        momentum = self.momentum * state.momentum
        momentum += gradients  # line 6
        wanted = gradients  # p, line 7, in the place of the gradients
        wanted += self.momentum * momentum
        wanted += self.error_decay * state.worker_error
        sent = self._signs(self._worker_signs, wanted, "workers", noise)
        sent *= sends[:, :, None]  # lines 8 and 9
        pooled = _sum(self.error_decay * state.server_error, self._gathered(sent, sends.sum(axis=1)))  # p̃, line 15
        sent *= self.worker_error_step
        worker_error = np.subtract(wanted, sent, out=wanted)  # line 12
        reply = self._signs(self._server_signs, pooled[:, None], "server", noise)[:, 0]  # Δ̃, (R, D)
        reply *= answers[:, None]  # lines 16 and 17
        server_error = _sum(pooled, -self.server_error_step * reply)  # line 18
        step = column(self.step_size, iteration, noise.rows)  # (R, 1)
        x = state.x - step * reply  # line 11
        return State(x, momentum, worker_error, server_error, step[:, 0], order), cost

    def _signs(self, signs: SparseSign, v: FloatArray, whose: str, noise: Noise) -> FloatArray:
        """sign_β of messages (R, W, D); every one is drawn, skipped or not."""
        if signs.keep_prob == 1:
            return signs.mean(v)
        return signs(v, rng=noise.stream(f"quantizer/{self.name}/{whose}"))

    def _gathered(self, sent: FloatArray, n_sent: FloatArray) -> FloatArray:
        """c'/|S| Σ_i Δ_i over those sent (R, W, D), shape (R, D); 0 where all skip."""
        total = sent.sum(axis=1)  # whole numbers, hence exact
        if self.message_weight == "balanced":  # c'/|S| = c/M
            return np.asarray(self.worker_error_step * (total / self.setting.n_workers))
        return np.asarray(self.message_weight * (total / np.maximum(n_sent, 1)[:, None]))

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    @property
    def virtual_gain(self) -> float:
        r"""The factor :math:`\kappa` by which the virtual iterate takes its step; 1/c in Lemma 1 of compskip."""
        return (1 + self.momentum + self._momentum_lag) * self._message_share / self.server_error_step

    def virtual_iterate(self, state: State) -> FloatArray:
        r"""Return the iterate that the errors kept back would lead to, shape (R, D).

        .. math:: \tilde x_t = x_t - \frac{\eta_{t-1}}{\tilde c}
            \Big(\tilde e_t + \frac{w}{M} \sum_i (e_{t,i} + a\, m_{t-1,i})\Big), \quad a = \mu^2/(\gamma - \mu)

        Lemma 1 of compskip has :math:`\tilde c = c`, w = 1 and no momentum. Exactly
        :math:`\tilde x_{t+1} = \tilde x_t - \eta_t \kappa \sum_i g_{t,i}/M`, with κ the virtual gain, if
        :math:`\gamma\eta_t = \eta_{t-1}`, γ > μ or μ = 0, and the weight is "balanced" (w = 1) or no worker skips
        (w = c'/c). With γ <= μ, μ > 0, the weights that a gradient gets in the end add up to infinity: a is set to 0.
        """
        held = state.worker_error.mean(axis=1) + self._momentum_lag * state.momentum.mean(axis=1)  # (R, D)
        scale = state.last_step[:, None] / self.server_error_step  # (R, 1)
        return np.asarray(state.x - scale * (state.server_error + self._message_share * held))

    @property
    def _message_share(self) -> float:
        """w, the share of what a worker takes off its error that arrives at the server."""
        return 1.0 if self.message_weight == "balanced" else self.message_weight / self.worker_error_step

    @property
    def _momentum_lag(self) -> float:
        """a, the part of the momentum that is still to come."""
        ahead = self.error_decay - self.momentum
        return self.momentum**2 / ahead if ahead > 0 else 0.0

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Mean squares of the errors and the loss at the virtual iterate; nothing if errors are not fed back."""
        if self.error_decay == 0:
            return {}
        return feedback_measures(self.setting.problem, state, self.virtual_iterate(state))


def _sum(a: FloatArray, b: FloatArray) -> FloatArray:
    """a + b, exactly 0 where they cancel but for rounding: votes are tied often, and a tie has no sign."""
    total = a + b
    total[np.abs(total) <= ROUNDING * (np.abs(a) + np.abs(b))] = 0.0
    return total


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    worker_error_step: float = 0.01,
    message_weight: float | Literal["balanced"] = "balanced",
    server_error_step: float = 0.01,
    keep_prob: float = 0.3,
    server_keep_prob: float = 0.5,
    momentum: float = 0.9,
    error_decay: float = 0.9,
    worker_skip_prob: float | list[float] = 0.3,
    server_skip_prob: float = 0.1,
    batch_size: int | None = None,
    deadline_s: float | None = None,
) -> CompSkip:
    """Compress and skip, with the paper's parameters [compskip, III] unless others are given.

    Parameters
    ----------
    worker_error_step, server_error_step : c and c̃, what a sent sign takes off the error kept
    message_weight : c', the weight of the mean sign at the server; "balanced": c|S|/M, as Lemma 1 needs
    keep_prob, server_keep_prob : β and β̃
    momentum, error_decay : μ and γ
    worker_skip_prob, server_skip_prob : chances of the coins; a list has one for each worker
    batch_size : samples of a gradient; None: the worker's whole part
    deadline_s : whoever is later skips too; worker_skip_prob = 0 leaves it to the stragglers alone

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    return CompSkip(
        "compskip",
        setting,
        step_size,
        worker_error_step,
        message_weight,
        server_error_step,
        keep_prob,
        server_keep_prob,
        momentum,
        error_decay,
        one_a_worker(worker_skip_prob, setting.n_workers),
        server_skip_prob,
        batch_size,
        deadline_s,
    )
