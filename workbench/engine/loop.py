"""The only loop over iterations."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench import __version__
from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import BoolArray, DelayModel, FloatArray, IntArray, Problem, Trajectory
from workbench.schemes import coded_sgd, full_gradient

WAIT_FOR_ALL = "wait_for_all"
OUT_OF_RANGE = 1e100  # an iterate beyond it has diverged; its square is still finite
MEASURE_BLOCK = 10  # runs whose part gradients are in memory at once
MESSAGE_BLOCK = 2**18  # coordinates of messages in memory at once: 2 MB stay in the cache, and are allocated once

StepSize = Callable[[int], FloatArray | float]


@dataclass(frozen=True)
class ConstantStep:
    """η_t = value."""

    value: float

    def __call__(self, iteration: int) -> float:
        """η at any iteration."""
        return self.value


@dataclass(frozen=True)
class InverseTimeStep:
    """η_t = 1/(μt), t = 1, 2, ... [hetero_gc, Theorem 2]."""

    strong_convexity: float

    def __call__(self, iteration: int) -> float:
        """η at iteration t >= 1."""
        return 1 / (self.strong_convexity * iteration)


@dataclass(frozen=True)
class InverseSqrtStep:
    """η_t = scale/√t, t = 1, 2, ... [hetero_gc, Theorem 3]."""

    scale: float

    def __call__(self, iteration: int) -> float:
        """η at iteration t >= 1."""
        return float(self.scale / np.sqrt(iteration))


@dataclass(frozen=True)
class GridStep:
    """η_t of each run: the values in turn, each for n_runs runs."""

    values: tuple[float, ...]
    n_runs: int

    def __call__(self, iteration: int) -> FloatArray:
        """η at any iteration, shape (values n_runs,)."""
        return np.repeat(self.values, self.n_runs)


def spaced_checkpoints(n_iters: int, n_points: int = 24) -> IntArray:
    """Return about `n_points` iterations from 0 to n_iters, half evenly spaced, half geometrically."""
    even = np.linspace(0, n_iters, n_points // 2)
    early = np.geomspace(1, max(n_iters, 1), n_points // 2)
    return np.unique(np.concatenate([even, early]).round().astype(np.int64))


def simulate(
    problem: Problem,
    code: GradientCode | None,
    delay: DelayModel,
    *,
    deadline_s: float | None,
    step_size: StepSize,
    n_iters: int,
    n_runs: int,
    seed: int,
    checkpoints: Sequence[int] | IntArray | None = None,
    n_repeats: int = 1,
) -> Trajectory:
    """Run one method on `n_runs` straggler histories and measure it at the checkpoints.

    Run r meets the same stragglers under every code, and its result does not depend on the number of runs. A
    round lasts until the last worker that holds something answers, or until the deadline. Without a deadline
    a worker straggles when its time is infinite, and a round counts 1 s. A run whose iterate leaves the range
    of numbers is stopped: its measurements are infinite from there on, and `Trajectory.diverged` names it.

    Parameters
    ----------
    code : None for the reference, gradient descent that waits for all workers
    step_size : η at iteration t = 1, ..., n_iters: a number or shape (R,)
    n_repeats : repeat the n_runs noise histories this often (R = n_repeats n_runs), for a grid of steps
    """
    kept = np.unique(np.asarray(spaced_checkpoints(n_iters) if checkpoints is None else checkpoints))
    _check(problem, code, delay, n_iters, n_runs, kept)
    runs = list(range(n_runs)) * n_repeats
    straggling = RunStreams(seed, "stragglers", runs)
    family = WAIT_FOR_ALL if code is None else code.family
    quantizing = RunStreams(seed, f"quantizer/{family}", runs)
    state = coded_sgd.init(problem.initial(), len(runs))
    seconds = np.zeros(len(runs))  # (R,)
    alive = np.ones(len(runs), bool)  # (R,)
    uniform = np.ones((1, problem.n_parts))  # (1, P): ∇F is one message that holds every part
    encode = uniform if code is None else code.encode_dense  # (W, P)
    holders = np.ones(delay.n_workers, bool) if code is None else coded_sgd.holders(code)  # (W,)
    size = max(1, MESSAGE_BLOCK // (len(encode) * problem.dim))
    blocks = [slice(start, start + size) for start in range(0, len(runs), size)]
    rows: list[dict[str, FloatArray]] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for iteration in range(n_iters + 1):
            if iteration in kept:
                rows.append(_measure(problem, state.x, alive) | {"seconds": seconds, "bits_up": state.bits_up})
            if iteration == n_iters:
                break
            times = delay.sample((len(runs),), rng=straggling)  # (R, W)
            responded = np.isfinite(times) if deadline_s is None else times <= deadline_s  # (R, W)
            eta = np.broadcast_to(step_size(iteration + 1), len(runs))  # (R,)
            stepped = []
            for block in blocks:
                before = coded_sgd.State(state.x[block], state.bits_up[block])
                messages = problem.encoded_grads(before.x, encode)  # (block, W, D)
                if code is None:
                    after = full_gradient.step(before, messages[:, 0], n_workers=delay.n_workers, step_size=eta[block])
                else:
                    after = coded_sgd.step(
                        before, messages, responded[block], code=code, step_size=eta[block], rng=quantizing[block]
                    )
                stepped.append(after)
            state = coded_sgd.State(*(np.concatenate(column) for column in zip(*stepped, strict=True)))
            if code is None:
                waited = times.max(axis=1)  # (R,)
            else:
                last = times.max(axis=1, where=holders, initial=0.0)  # (R,)
                waited = np.minimum(last, np.inf if deadline_s is None else deadline_s)  # (R,)
            seconds = seconds + (1.0 if deadline_s is None else waited)
            alive = alive & (np.abs(state.x).max(axis=1) < OUT_OF_RANGE)  # NaN compares false
            if not alive.all():
                state = state._replace(x=np.where(alive[:, None], state.x, problem.initial()))
    columns = {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}  # (R, T+1) each
    config: Mapping[str, object] = {
        "problem": problem.name,
        "n_parts": problem.n_parts,
        "dim": problem.dim,
        "code": family,
        "seed": seed,
        "n_runs": n_runs,
        "n_iters": n_iters,
        "deadline_s": deadline_s,
        "step_size": repr(step_size),
        "versions": {"workbench": __version__, "numpy": np.__version__, "python": sys.version.split()[0]},
    }
    return Trajectory(iterations=kept, config=config, **columns)


def _check(
    problem: Problem, code: GradientCode | None, delay: DelayModel, n_iters: int, n_runs: int, kept: IntArray
) -> None:
    """Refuse sizes that do not fit together."""
    if n_iters < 1 or n_runs < 1:
        raise InputError(f"n_iters = {n_iters}, n_runs = {n_runs}: both must be at least 1")
    if kept.size == 0 or kept[0] < 0 or kept[-1] > n_iters:
        raise InputError(f"checkpoints must lie between 0 and n_iters = {n_iters}, got {kept.tolist()}")
    expected = (delay.n_workers, problem.n_parts)
    if code is not None and code.encode.shape != expected:
        raise InputError(f"the code is for (workers, parts) = {code.encode.shape}, delays and problem have {expected}")


def _measure(problem: Problem, x: FloatArray, alive: BoolArray) -> dict[str, FloatArray]:
    """Measure loss, error and gradients at iterates (R, D), each (R,); infinite where a run has diverged."""
    grad_sq = np.empty(len(x))  # (R,)
    part_grad_sq = np.empty(len(x))  # (R,)
    for start in range(0, len(x), MEASURE_BLOCK):
        block = slice(start, start + MEASURE_BLOCK)
        grads = problem.part_grads(x[block])  # (runs, P, D)
        grad_sq[block] = np.square(grads.sum(axis=1)).sum(axis=1)
        part_grad_sq[block] = np.einsum("rpd,rpd->rp", grads, grads).max(axis=1)
    optimum = problem.regularity.optimum
    unknown = np.full(len(x), np.nan)  # (R,)
    values = {
        "loss": problem.loss(x),
        "error_sq": unknown if optimum is None else np.square(x - optimum).sum(axis=1),
        "grad_sq": grad_sq,
        "part_grad_sq": part_grad_sq,
    }
    return {name: np.where(alive, value, np.inf) for name, value in values.items()}
