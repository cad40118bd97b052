r"""CompSkipDSGD mended: signs travel with their scale, and no error is ever lost.

Sent signs are multiplied by the mean magnitude of the coordinates they stand for, so that the compressor is a
contraction (`contraction`), which sign_β with a constant factor is not. Then the virtual iterate
x − η(ẽ + mean e_i) takes exact SGD steps, whoever skips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import ClassVar, NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, UniformSource
from workbench.quantizers.rounding import is_more_than_rounding
from workbench.quantizers.scaled_sign import SCALE_BITS
from workbench.quantizers.sparse_sign import SEED_BITS
from workbench.schemes.batches import Order
from workbench.schemes.compskip_round import SkippingRound, check_keep_probs, feedback_measures, one_a_worker
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


def contraction(keep_prob: float, dim: int, skip_prob: float = 0.0) -> float:
    r"""Return the largest δ with E‖C(p) − p‖² ≤ (1 − δ)‖p‖² for every p, C of `compressed`, skipped by coin.

    With K the kept coordinates, ‖C(p) − p‖² = ‖p‖² − ‖p_K‖₁²/|K|, as a scale times signs is best at the mean magnitude.
    As ‖p_K‖₁ ≥ ‖p_K‖, and E[1{l ∈ K}/|K|] is P(K not empty)/d for each l,

    .. math:: \delta = (1 - q)\,(1 - (1 - \beta)^d)/d,

    attained by a vector with one nonzero coordinate. Equal magnitudes have (1 − q)β.
    """
    return float((1 - skip_prob) * (1 - (1 - keep_prob) ** dim) / dim)


def compressed(v: FloatArray, keep_prob: float, *, rng: UniformSource) -> FloatArray:
    """Return (‖v_K‖₁/|K|)·sign(v_K) for messages (R, W, D), 0 outside the kept coordinates K.

    The sign of what is 0, or 0 but for rounding, is 1.
    """
    signs = np.where((v < 0) & is_more_than_rounding(v), -1.0, 1.0)  # (R, W, D)
    if keep_prob < 1:
        signs *= rng.random(v.shape) < keep_prob
    n_kept = np.maximum(np.count_nonzero(signs, axis=-1), 1)  # (R, W)
    scale = np.einsum("rwd,rwd->rw", signs, v) / n_kept
    return np.asarray(signs * scale[:, :, None])


def message_bits(keep_prob: float, dim: int) -> int:
    """One bit a kept coordinate, βd in the mean, rounded up, 32 for the scale, and 32 for the seed of K if β < 1."""
    if keep_prob == 1:
        return dim + SCALE_BITS
    return SEED_BITS + SCALE_BITS + ceil(round(keep_prob * dim, 6))


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    worker_error: FloatArray  # (R, W, D)  e_i
    server_error: FloatArray  # (R, D)  ẽ
    last_step: FloatArray  # (R,)  η_{t-1}
    order: Order  # (R, samples of the largest part, W)  of mini-batches


@dataclass(frozen=True)
class RepairedCompSkip:
    """x − η C(ẽ + Σ_i C(g_i + e_i)/M), with errors fed back on both sides; `build` describes the parameters."""

    name: ClassVar[str] = "compskip_repaired"
    setting: Setting
    step_size: StepSize
    keep_prob: float
    server_keep_prob: float
    worker_skip_prob: FloatArray  # (W,)
    server_skip_prob: float
    batch_size: int | None
    deadline_s: float | None

    def __post_init__(self) -> None:
        check_keep_probs(self.keep_prob, self.server_keep_prob)
        _ = self._round  # refuse what does not fit together now
        if max(self.server_skip_prob, *self.worker_skip_prob.tolist()) == 1:
            raise InputError("a skip probability is 1: who always skips is never heard, make it smaller")

    @cached_property
    def _round(self) -> SkippingRound:
        bits = [message_bits(prob, self.setting.problem.dim) for prob in (self.keep_prob, self.server_keep_prob)]
        skips = (self.worker_skip_prob, self.server_skip_prob)
        return SkippingRound(self.setting, *skips, self.batch_size, self.deadline_s, *bits)

    @property
    def floats_a_run(self) -> int:
        """Three vectors a worker, and the samples of its batch."""
        return self._round.floats_a_run

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, without errors."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))  # (R, D)
        errors = np.zeros((n_runs, self.setting.n_workers, x.shape[1]))  # (R, W, D)
        return State(x, errors, np.zeros(x.shape), np.zeros(n_runs), self._round.first_order(n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run.

        Errors are fed back times η_{t-1}/η_t, which is 1 for a constant step: each gradient then moves the iterate
        by its own step, however late it gets there.
        """
        gradients, order = self._round.gradients(state.x, state.order, noise)  # (R, W, D)
        (sends, answers), cost = self._round.attend(noise)  # (R, W), (R,)
        step = column(self.step_size, iteration, noise.rows)  # (R, 1)
        again = state.last_step[:, None] / step  # (R, 1)
        wanted = gradients + again[:, None] * state.worker_error  # p, (R, W, D)
        sent = self._compressed(wanted, self.keep_prob, "workers", noise)
        sent *= sends[:, :, None]
        pooled = again * state.server_error + sent.sum(axis=1) / self.setting.n_workers  # p̃, (R, D)
        reply = self._compressed(pooled[:, None], self.server_keep_prob, "server", noise)[:, 0]  # (R, D)
        reply *= answers[:, None]
        return State(state.x - step * reply, wanted - sent, pooled - reply, step[:, 0], order), cost

    def _compressed(self, v: FloatArray, keep_prob: float, whose: str, noise: Noise) -> FloatArray:
        """Compress messages (R, W, D); every one is drawn, skipped or not."""
        return compressed(v, keep_prob, rng=noise.stream(f"quantizer/{self.name}/{whose}"))

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def virtual_iterate(self, state: State) -> FloatArray:
        r"""Return the iterate that the errors kept back would lead to, shape (R, D).

        .. math:: \tilde x_t = x_t - \eta_{t-1}\Big(\tilde e_t + \sum_i e_{t,i}/M\Big), \qquad
            \tilde x_{t+1} = \tilde x_t - \frac{\eta_t}{M} \sum_i g_{t,i}

        exactly, for every step size, skips and compression.
        """
        held = state.server_error + state.worker_error.mean(axis=1)  # (R, D)
        return np.asarray(state.x - state.last_step[:, None] * held)

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Mean squares of the errors and the loss at the virtual iterate."""
        return feedback_measures(self.setting.problem, state, self.virtual_iterate(state))


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    keep_prob: float = 1.0,
    server_keep_prob: float = 1.0,
    worker_skip_prob: float | list[float] = 0.3,
    server_skip_prob: float = 0.1,
    batch_size: int | None = None,
    deadline_s: float | None = None,
) -> RepairedCompSkip:
    """Compress and skip without loss; skips are independent coins, each with its probability.

    Parameters
    ----------
    keep_prob, server_keep_prob : share of the coordinates that is sent
    worker_skip_prob, server_skip_prob : chances of the coins; a list has one for each worker
    batch_size : samples of a gradient; None: the worker's whole part
    deadline_s : whoever is later skips too; worker_skip_prob = 0 leaves it to the stragglers alone

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    skips = (one_a_worker(worker_skip_prob, setting.n_workers), server_skip_prob)
    return RepairedCompSkip(setting, step_size, keep_prob, server_keep_prob, *skips, batch_size, deadline_s)
