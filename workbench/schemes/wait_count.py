"""One round in which the master waits for the fastest workers only [fastest_k, eq. 5]."""

from typing import NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column


class Round(NamedTuple):
    """Where a round led, and by which estimate of the gradient."""

    x: FloatArray  # (R, D)
    estimate: FloatArray  # (R, D)
    cost: Cost


def take_round(
    setting: Setting, x: FloatArray, n_wait: IntArray, step_size: StepSize, iteration: int, noise: Noise
) -> Round:
    r"""Step by :math:`-\eta\,\frac{P}{k} \sum_{i \in R} \nabla f_i(x)`, R the fastest k workers [eq. 5].

    Worker i holds part i. F is the sum of the parts' losses, and the paper's the mean of the workers', so the
    average of what is heard counts P times. The iterate goes to every worker; who is late is not heard.

    Parameters
    ----------
    x : iterates, shape (R, D)
    n_wait : k of each run, shape (R,)
    """
    heard, n_heard, last_s = fastest(noise.responses.next_round(), n_wait)  # (R, W), (R,), (R,)
    estimate = setting.problem.weighted_grad(x, heard * (setting.n_workers / np.maximum(n_heard, 1))[:, None])
    vector_bits = float(FLOAT_BITS * setting.problem.dim)
    cost = Cost(
        np.where(n_heard > 0, last_s + 2 * vector_bits * setting.seconds_per_bit, 0.0),
        np.multiply(vector_bits, n_heard),
        np.full(len(x), setting.n_workers * vector_bits),
    )
    return Round(x - column(step_size, iteration, noise.rows) * estimate, estimate, cost)


class Heard(NamedTuple):
    """Who is heard in a round, how many they are, and when the last of them answers."""

    workers: BoolArray  # (R, W)
    n_heard: IntArray  # (R,)
    last_s: FloatArray  # (R,)  seconds, 0 where there is nobody


def fastest(times: FloatArray, n_wait: IntArray) -> Heard:
    """Find who is among the fastest.

    Of workers that answer at the same time the first come first. Where fewer than `n_wait` answer at all, it is
    those who do, as if the master knew; where nobody does, nobody at 0 s.

    Parameters
    ----------
    times : response times in seconds, infinite where there is none, shape (R, W)
    n_wait : workers to wait for, shape (R,)
    """
    runs = np.arange(len(times))
    last_s = np.sort(times, axis=1)[runs, n_wait - 1]  # (R,); sorting so few is faster than to partition them
    heard = times <= last_s[:, None]  # (R, W)
    if last_s.max(initial=0.0) < np.inf and np.count_nonzero(heard) == n_wait.sum():
        return Heard(heard, n_wait, last_s)
    order = np.argsort(times, axis=1, kind="stable")  # (R, W)
    n_heard = np.minimum(n_wait, np.isfinite(times).sum(axis=1))  # (R,)
    np.put_along_axis(heard, order, np.arange(times.shape[1]) < n_heard[:, None], axis=1)
    return Heard(heard, n_heard, np.where(n_heard > 0, times[runs, order[runs, n_heard - 1]], 0.0))


def floats_a_run(setting: Setting) -> int:
    """Coordinates of an iterate and its gradient, one number a worker, and one a sample."""
    return 2 * setting.problem.dim + setting.n_workers + int(setting.problem.part_sizes.sum())


def check_n_wait(name: str, n_wait: int, setting: Setting) -> None:
    """Refuse to wait for nobody, or for more workers than there are."""
    if not 1 <= n_wait <= setting.n_workers:
        raise InputError(f"{name} is {n_wait}: wait for at least 1 and at most all {setting.n_workers} workers")
