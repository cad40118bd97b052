"""The only loop over iterations."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from workbench import __version__
from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray, IntArray, Measuring, Problem, Trajectory
from workbench.schemes.scheme import Noise, Scheme, State

OUT_OF_RANGE = 1e100  # an iterate beyond it has diverged; its square is still finite
MEASURE_BLOCK = 2**20  # coordinates of part gradients in memory at once while measuring
BUFFER = 1024  # numbers: numpy repeats factors that it broadcasts there, and it should stay in the first cache
CHUNK = 2**20  # numbers of a step: 8 MB are allocated once, and products read the data once for many runs

Progress = Callable[[int], None]


def spaced_checkpoints(n_iters: int, n_points: int = 24) -> IntArray:
    """Return about `n_points` iterations from 0 to n_iters, half evenly spaced, half geometrically."""
    even = np.linspace(0, n_iters, n_points // 2)
    early = np.geomspace(1, max(n_iters, 1), n_points // 2)
    return np.unique(np.concatenate([even, early]).round().astype(np.int64))


def simulate(
    scheme: Scheme[State],
    *,
    n_iters: int,
    n_runs: int,
    seed: int,
    checkpoints: Sequence[int] | IntArray | None = None,
    n_repeats: int = 1,
    chunk_runs: int | None = None,
    measure_gradients: bool = True,
    progress: Progress | None = None,
) -> Trajectory:
    """Run a scheme on `n_runs` noise histories and measure it at the checkpoints.

    Run r meets the same stragglers under every scheme. Chunks of runs go through all iterations one after the
    other, so that memory does not grow with runs or iterations; the chunk changes no draw, only the rounding of
    products. A run whose iterate leaves the range of numbers is stopped: its measurements are infinite from there
    on, and `Trajectory.diverged` names it.

    Parameters
    ----------
    checkpoints : iterations at which the state is measured; about 24 of them if None
    n_repeats : repeat the n_runs noise histories this often (R = n_repeats n_runs), for a grid of steps
    chunk_runs : runs in memory at once; by default as many as make `CHUNK` numbers a step
    measure_gradients : False: grad_sq and part_grad_sq are NaN; of a large network they cost about a round each time
    progress : called with the number of run-iterations done since the last call

    Raises
    ------
    InputError : sizes below 1, checkpoints that are not between 0 and n_iters
    """
    kept = np.unique(np.asarray(spaced_checkpoints(n_iters) if checkpoints is None else checkpoints))
    check_sizes(n_iters, n_runs, kept, chunk_runs)
    runs = list(range(n_runs)) * n_repeats
    size = chunk_runs or max(1, CHUNK // scheme.floats_a_run)
    chunks = []
    for start in range(0, len(runs), size):
        rows = np.arange(start, min(start + size, len(runs)))  # (chunk,)
        noise = Noise(scheme.setting.delay, seed, [runs[row] for row in rows], rows)
        chunks.append(_run(scheme, noise, n_iters, kept, progress, measure_gradients=measure_gradients))
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}  # (R, T+1) each
    fixed = {name: columns.pop(name) for name in FIELDS}
    return Trajectory(
        iterations=kept, measures=columns, config=_config(scheme, n_iters, n_runs, seed, chunk_runs), **fixed
    )


FIELDS = ("loss", "error_sq", "grad_sq", "part_grad_sq", "seconds", "bits_up", "bits_down")


def _run(
    scheme: Scheme[State],
    noise: Noise,
    n_iters: int,
    kept: IntArray,
    progress: Progress | None,
    *,
    measure_gradients: bool,
) -> dict[str, FloatArray]:
    """Take one chunk of runs through all iterations; each measurement is (R, T+1)."""
    state = scheme.init(len(noise.rows))
    total = np.zeros((3, len(noise.rows)))  # (3, R) seconds, bits up, bits down
    alive = np.ones(len(noise.rows), bool)  # (R,)
    wanted = set(kept.tolist())
    rows: list[dict[str, FloatArray]] = []
    with np.errstate(all="ignore"):
        np.setbufsize(BUFFER)  # errstate puts the old size back
        for iteration in range(n_iters + 1):
            if iteration in wanted:
                measured = _measure(scheme.setting.problem, scheme.iterate(state), gradients=measure_gradients)
                measured |= scheme.measures(state)
                rows.append({name: np.where(alive, value, np.inf) for name, value in measured.items()})
                rows[-1] |= dict(zip(FIELDS[-3:], total.copy(), strict=True))
            if iteration == n_iters:
                break
            state, cost = scheme.step(state, iteration + 1, noise)
            for so_far, spent in zip(total, cost, strict=True):
                so_far += spent
            if progress is not None:
                progress(len(alive))
            x = scheme.iterate(state)  # (R, D)
            if not np.vdot(x, x) < OUT_OF_RANGE**2:  # below it no coordinate is beyond; NaN compares false
                fits = np.abs(x).max(axis=1) < OUT_OF_RANGE  # (R,)
                alive = alive & fits
                state = _restarted(state, scheme.init(len(alive)), fits)
    return {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}


def _restarted(state: State, fresh: State, fits: BoolArray) -> State:
    """Put the runs that do not fit back to the start, where they do no harm."""
    kept = (
        np.where(fits.reshape(-1, *[1] * (now.ndim - 1)), now, start) for now, start in zip(state, fresh, strict=True)
    )
    return type(state)(*kept)


def _config(scheme: Scheme[Any], n_iters: int, n_runs: int, seed: int, chunk_runs: int | None) -> Mapping[str, object]:
    problem = scheme.setting.problem
    return {
        "scheme": scheme.name,
        "problem": problem.name,
        "n_workers": scheme.setting.n_workers,
        "n_parts": problem.n_parts,
        "dim": problem.dim,
        "seed": seed,
        "n_runs": n_runs,
        "n_iters": n_iters,
        "chunk_runs": chunk_runs,
        "versions": {"workbench": __version__, "numpy": np.__version__, "python": sys.version.split()[0]},
    }


def check_sizes(n_iters: int, n_runs: int, kept: IntArray, chunk_runs: int | None) -> None:
    """Refuse sizes that do not fit together.

    Raises
    ------
    InputError : as for `simulate`
    """
    if n_iters < 1 or n_runs < 1:
        raise InputError(f"n_iters = {n_iters}, n_runs = {n_runs}: both must be at least 1")
    if kept.size == 0 or kept.min() < 0 or kept.max() > n_iters:
        raise InputError(f"checkpoints must lie between 0 and n_iters = {n_iters}, got {kept.tolist()}")
    if chunk_runs is not None and chunk_runs < 1:
        raise InputError(f"chunk_runs = {chunk_runs}: at least one run must be in memory")


def _measure(problem: Problem, x: FloatArray, *, gradients: bool) -> dict[str, FloatArray]:
    """Measure loss, error, gradients if wanted, and what the problem measures besides, at x (R, D), shape (R,) each."""
    unknown = np.full(len(x), np.nan)  # (R,)
    grad_sq, part_grad_sq = _squared_gradients(problem, x) if gradients else (unknown, unknown)
    optimum = problem.regularity.optimum
    return {
        "loss": problem.loss(x),
        "error_sq": unknown if optimum is None else np.square(x - optimum).sum(axis=1),
        "grad_sq": grad_sq,
        "part_grad_sq": part_grad_sq,
        **(problem.measures(x) if isinstance(problem, Measuring) else {}),
    }


def _squared_gradients(problem: Problem, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ‖∇F‖² and the largest ‖∇f_j‖² of the parts at iterates (R, D), shape (R,) each."""
    whole, largest = np.empty((2, len(x)))  # (R,) each
    size = max(1, MEASURE_BLOCK // (problem.n_parts * problem.dim))
    for start in range(0, len(x), size):
        block = slice(start, start + size)
        grads = problem.part_grads(x[block])  # (runs, P, D)
        whole[block] = np.square(grads.sum(axis=1)).sum(axis=1)
        largest[block] = np.einsum("rpd,rpd->rp", grads, grads).max(axis=1)
    return whole, largest
