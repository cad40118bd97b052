"""One round in which workers and server may skip: gradients, who sends, what it costs [compskip, Algorithm 1]."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import BoolArray, Encoder, FloatArray, Problem
from workbench.schemes import batches
from workbench.schemes.scheme import Cost, Noise, Setting


class Attendance(NamedTuple):
    """Who takes part in a round."""

    sends: BoolArray  # (R, W)  the worker does not skip: i in S_t
    answers: BoolArray  # (R,)  the server does not skip


@dataclass(frozen=True)
class SkippingRound:
    """Who skips: those whose coin says so, and those whose message is late.

    Worker i holds part i. A skipped message costs no bits, and its worker is not waited for: the flag that says so
    is free. A worker that never answers skips, coin or not.

    Parameters
    ----------
    worker_skip_prob : chance of each worker's coin, shape (W,)
    server_skip_prob : chance of the server's coin
    batch_size : samples of each worker's gradient, drawn without replacement; None: all of its part
    deadline_s : seconds from when the workers have the last reply; a later message is skipped. None: the server waits
    worker_bits, server_bits : bits of one message up, and of one down, which goes to every worker
    """

    setting: Setting
    worker_skip_prob: FloatArray  # (W,)
    server_skip_prob: float
    batch_size: int | None
    deadline_s: float | None
    worker_bits: int
    server_bits: int

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        check_probability("server_skip_prob", self.server_skip_prob)
        if self.worker_skip_prob.shape != (self.setting.n_workers,):
            counts = f"{self.worker_skip_prob.size} for {self.setting.n_workers} workers"
            raise InputError(f"worker_skip_prob has {counts}: give one number, or one a worker")
        for prob in self.worker_skip_prob.tolist():
            check_probability("worker_skip_prob", prob)
        if self.deadline_s is not None and not 0 < self.deadline_s < np.inf:
            raise InputError(f"deadline_s is {self.deadline_s}: give a positive finite number of seconds")
        if self.batch_size is not None:
            least = int(self.setting.problem.part_sizes.min())
            if not 1 <= self.batch_size <= least:
                raise InputError(f"batch_size is {self.batch_size}: the smallest part has {least} samples, 1 is least")

    @property
    def floats_a_run(self) -> int:
        """Three vectors a worker, and the samples of its batch."""
        return self.setting.n_workers * (3 + (self.batch_size or 0)) * self.setting.problem.dim

    def first_order(self, n_runs: int) -> batches.Order:
        """Return the order of each part's samples at the start; there is nothing to order without mini-batches."""
        if self.batch_size is None:
            return np.empty((n_runs, 0, self.setting.n_workers), np.int32)
        return batches.in_order(self.setting.problem.part_sizes, n_runs)

    @cached_property
    def _full_gradients(self) -> Encoder:
        return self.setting.problem.encoder(self.setting.n_workers * np.eye(self.setting.n_workers))

    def gradients(self, x: FloatArray, order: batches.Order, noise: Noise) -> tuple[FloatArray, batches.Order]:
        """Return g_i = W ∇f_i(x), or its mini-batch estimate, shape (R, W, D), and the samples' order.

        The mean over workers is ∇F, or unbiased for it. One worker's is so alone only where all parts are alike.
        """
        problem, n_workers = self.setting.problem, self.setting.n_workers
        if self.batch_size is None:
            return self._full_gradients(x), order
        sizes = np.full((len(x), n_workers), self.batch_size)  # (R, W)
        order, batch = batches.draw(order, sizes, problem.part_sizes, rng=noise.stream("batches"))
        everywhere = np.broadcast_to(x[:, None], (len(x), n_workers, problem.dim))  # (R, W, D)
        return problem.sample_grads(everywhere, batch.samples, n_workers * batch.weights), order

    def attend(self, noise: Noise) -> tuple[Attendance, Cost]:
        """Toss the coins and wait for the last worker that does not skip, or until the deadline.

        A message travels up after the response time, and the server's down, to all workers at once, unless the
        server skips.
        """
        link = self.setting.seconds_per_bit
        times = noise.responses.next_round() + link * self.worker_bits  # (R, W)
        expected = noise.stream("skips/workers").random(times.shape) >= self.worker_skip_prob  # (R, W)
        answers = noise.stream("skips/server").random((len(times), 1))[:, 0] >= self.server_skip_prob  # (R,)
        if self.deadline_s is None:
            sends = expected & np.isfinite(times)  # (R, W)
            seconds = np.max(times, axis=1, initial=0.0, where=sends)  # (R,)
        else:
            sends = expected & (times <= self.deadline_s)
            seconds = np.minimum(np.max(times, axis=1, initial=0.0, where=expected), self.deadline_s)
        bits_up = self.worker_bits * sends.sum(axis=1).astype(float)  # (R,)
        bits_down = self.server_bits * self.setting.n_workers * answers.astype(float)  # (R,)
        return Attendance(sends, answers), Cost(seconds + link * self.server_bits * answers, bits_up, bits_down)


class Feedback(Protocol):
    """The part of a state that measures are taken of."""

    @property
    def worker_error(self) -> FloatArray:
        """e_i, shape (R, W, D)."""
        ...

    @property
    def server_error(self) -> FloatArray:
        """ẽ, shape (R, D)."""
        ...


def feedback_measures(problem: Problem, state: Feedback, virtual: FloatArray) -> Mapping[str, FloatArray]:
    """Mean ‖e_i‖², ‖ẽ‖², ‖ẽ + mean e_i‖² [compskip, Lemma 2], and the loss at the virtual iterate (R, D)."""
    pooled = state.server_error + state.worker_error.mean(axis=1)  # (R, D)
    return {
        "worker_error_sq": np.square(state.worker_error).sum(axis=2).mean(axis=1),
        "server_error_sq": np.square(state.server_error).sum(axis=1),
        "feedback_sq": np.square(pooled).sum(axis=1),
        "virtual_loss": problem.loss(virtual),
    }


def check_keep_probs(keep_prob: float, server_keep_prob: float) -> None:
    """Refuse shares of coordinates that nothing, or more than all, is sent of."""
    for name, value in (("keep_prob", keep_prob), ("server_keep_prob", server_keep_prob)):
        if not 0 < value <= 1:
            raise InputError(f"{name} is {value}: it must be above 0 and at most 1")


def check_probability(name: str, value: float) -> None:
    """Refuse what does not lie between 0 and 1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}: it must lie between 0 and 1")


def one_a_worker(value: float | list[float], n_workers: int) -> FloatArray:
    """Return a number, or a list of one a worker, as an array (W,)."""
    return np.full(n_workers, float(value)) if isinstance(value, int | float) else np.asarray(value, float)
