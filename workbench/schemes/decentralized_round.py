"""What schemes without a master have in common: gradients at everyone's own model, and models to the neighbours."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Problem, Quantizer
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes import batches
from workbench.schemes.scheme import Noise, Setting
from workbench.topologies.mixing import Mixing

ROUNDING = 1e-12  # relative: a gradient that is ready at the deadline but for rounding counts


class Plan(NamedTuple):
    """How much each worker computes in a round, and how long it takes."""

    sizes: IntArray  # (R, W)  samples of its gradient
    seconds: FloatArray  # (R, W)


class BatchRule(Protocol):
    """What decides on the sizes of mini-batches."""

    @property
    def is_whole(self) -> bool:
        """Whether every batch is the whole part, and none is drawn."""
        ...

    def plan(self, sample_s: FloatArray, part_sizes: IntArray) -> Plan:
        """Plan a round in which a sample takes sample_s (R, W) seconds, of part_sizes (W,) samples."""
        ...

    def check(self, part_sizes: IntArray) -> None:
        """Refuse what does not fit the parts."""
        ...


@dataclass(frozen=True)
class FixedBatch:
    """The same number of samples in every round, however long that takes; None: all of the worker's part."""

    batch_size: int | None

    @property
    def is_whole(self) -> bool:
        """Whether every batch is the whole part."""
        return self.batch_size is None

    def sizes(self, part_sizes: IntArray) -> IntArray:
        """Samples of each worker's gradients, shape (W,)."""
        return part_sizes if self.batch_size is None else np.full(len(part_sizes), self.batch_size)

    def plan(self, sample_s: FloatArray, part_sizes: IntArray) -> Plan:
        """Everyone computes until its batch is done: b times the time of a sample."""
        sizes = self.sizes(part_sizes)  # (W,)
        return Plan(np.broadcast_to(sizes, sample_s.shape), sizes * sample_s)

    def check(self, part_sizes: IntArray) -> None:
        """Refuse more samples than the smallest part has."""
        least = int(part_sizes.min())
        if self.batch_size is not None and not 1 <= self.batch_size <= least:
            raise InputError(f"batch_size is {self.batch_size}: the smallest part has {least} samples, 1 is least")


@dataclass(frozen=True)
class Deadline:
    """As many samples as are done after deadline_s seconds, at most the worker's part [quantimed, section 3]."""

    deadline_s: float
    is_whole = False

    def plan(self, sample_s: FloatArray, part_sizes: IntArray) -> Plan:
        """|S_i| = min(⌊T_d/time of a sample⌋, m_i), and everyone computes for T_d."""
        done = np.floor(self.deadline_s * (1 + ROUNDING) / sample_s)  # (R, W)
        return Plan(np.minimum(done, part_sizes).astype(np.int64), np.full(sample_s.shape, self.deadline_s))

    def check(self, part_sizes: IntArray) -> None:
        """Refuse a deadline that is no time."""
        if not 0 < self.deadline_s < np.inf:
            raise InputError(f"deadline_s is {self.deadline_s}: give a positive finite number of seconds")


@dataclass(frozen=True)
class LocalGradients:
    """Mini-batch gradients of P f_i at worker i's own model, so that the mean over the workers is one of F.

    Worker i holds part i; quantimed's f_i, whose mean is f, are P times ours, whose sum is F.

    Parameters
    ----------
    timed_samples : samples behind one response time of the delays
    """

    problem: Problem
    rule: BatchRule
    timed_samples: int

    def __post_init__(self) -> None:
        if self.timed_samples < 1:
            raise InputError(f"timed_samples is {self.timed_samples}: a response time is that of at least one sample")
        self.rule.check(self.problem.part_sizes)

    def first_order(self, n_runs: int) -> batches.Order:
        """Return the order of each part's samples at the start; there is nothing to order for whole parts."""
        if self.rule.is_whole:
            return np.empty((n_runs, 0, self.problem.n_parts), np.int32)
        return batches.in_order(self.problem.part_sizes, n_runs)

    def plan(self, response_s: FloatArray) -> Plan:
        """Plan a round with these response times (R, W)."""
        return self.rule.plan(response_s / self.timed_samples, self.problem.part_sizes)

    def draw(self, order: batches.Order, sizes: IntArray, noise: Noise) -> tuple[batches.Order, batches.Batch | None]:
        """Draw a batch of sizes (R, W), without replacement; None stands for whole parts."""
        if self.rule.is_whole:
            return order, None
        return batches.draw(order, sizes, self.problem.part_sizes, rng=noise.stream("batches"))

    def at(self, x: FloatArray, batch: batches.Batch | None) -> FloatArray:
        """P/|S_i| Σ over S_i of its samples' gradients (eq. 6), 0 for an empty S_i, at models (R, W, D), as x."""
        n_parts = self.problem.n_parts
        if batch is None:
            return n_parts * self.problem.local_grads(x)
        return self.problem.sample_grads(x, batch.samples, n_parts * batch.weights)


@dataclass(frozen=True)
class Links:
    """Who hears whom, with what weight and precision, and what that costs.

    Every worker has a link of its own to each neighbour; all of them carry the same message at the same time.

    Parameters
    ----------
    quantizer : of the models that are sent; None: float_bits a coordinate, without a rounding
    """

    setting: Setting
    mixing: Mixing
    quantizer: Quantizer | None = None
    float_bits: int = FLOAT_BITS

    def __post_init__(self) -> None:
        self.setting.one_part_a_worker()
        n_workers = self.setting.n_workers
        if self.mixing.n_workers != n_workers:
            raise InputError(f"mixing weights for {self.mixing.n_workers} workers, there are {n_workers}")
        if self.float_bits < 1:
            raise InputError(f"float_bits is {self.float_bits}: a number takes at least one bit")
        if self.quantizer is None:
            return
        bits = self.quantizer.bits_per_coordinate  # (W,)
        if len(bits) != n_workers or np.any(bits < 1):
            raise InputError(f"the quantizer has {bits.tolist()} bits for {n_workers} workers: give each one or more")

    @cached_property
    def message_bits(self) -> FloatArray:
        """Bits of a worker's message, shape (W,)."""
        dim = self.setting.problem.dim
        if self.quantizer is None:
            return np.full(self.setting.n_workers, float(self.float_bits * dim))
        return self.quantizer.message_bits(dim).astype(float)

    @cached_property
    def message_s(self) -> FloatArray:
        """Seconds that a worker's message travels, shape (W,)."""
        return self.setting.seconds_per_bit * self.message_bits

    @cached_property
    def sent_bits(self) -> FloatArray:
        """Bits that a worker sends when it sends to all its neighbours, shape (W,)."""
        return self.message_bits * self.mixing.degree


def consensus_sq(x: FloatArray) -> FloatArray:
    """Mean over the workers of ‖x_i − x̄‖² for models (R, W, D), shape (R,)."""
    return np.asarray(np.square(x - x.mean(axis=1, keepdims=True)).sum(axis=2).mean(axis=1))


def check_step(mixing_step: float, mixing: Mixing) -> None:
    """Refuse a step ε of averaging with which disagreement does not shrink: |1 − ε + ελ_W| >= 1."""
    most = 2 / (1 - mixing.smallest_eigenvalue)
    if not 0 < mixing_step < most:
        raise InputError(
            f"mixing_step is {mixing_step:.6g}: with these weights averaging takes one above 0 and below {most:.6g}"
        )
