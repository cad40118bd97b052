"""Choose the deadline: a short one wastes little time a round, a long one loses few responses."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.core.types import FloatArray


@dataclass(frozen=True)
class DeadlineCurve:
    """Predicted time to a given error at K deadlines, in units of the least possible number of rounds."""

    deadline_s: FloatArray  # (K,)
    utility: FloatArray  # (K,), infinite where nobody straggles or quantizes
    time_to_error: FloatArray  # (K,), infinite where nobody is in time
    best: int

    @property
    def best_s(self) -> float:
        """The deadline with the least predicted time."""
        return float(self.deadline_s[self.best])


def total_utility(straggle_prob: FloatArray, variance_factor: FloatArray | float = 0.0) -> float:
    """Return U = sum_i (1 - p_i)/(p_i + omega_i) [hetero_gc, Theorem 1]; infinite if some p_i + omega_i = 0."""
    noise = straggle_prob + variance_factor  # (W,)
    answered = 1 - straggle_prob  # (W,)
    if np.any((noise == 0) & (answered > 0)):
        return float("inf")
    return float(np.sum(answered / noise))


def deadline_curve(
    straggle_prob_at: Callable[[float], FloatArray],
    grid_s: FloatArray,
    variance_factor: FloatArray | float = 0.0,
    utility: Callable[[FloatArray], float] | None = None,
) -> DeadlineCurve:
    """Predict the time to a given error, deadline x (1 + 1/U), at every deadline of the grid.

    Theorem 2 of hetero_gc: the rounds to a given error are proportional to 1 + 1/U, and a round is taken to last
    until the deadline, though it ends sooner when everyone has answered.  The best is a point of the grid: an
    empirical law is constant between responses, so its optimum is a response time, and the curve of a smooth
    law is flat around its optimum.

    Parameters
    ----------
    straggle_prob_at : deadline in seconds -> p, shape (W,)
    grid_s : deadlines in seconds, shape (K,)
    variance_factor : omega, scalar or shape (W,)
    utility : p (W,) -> U, instead of `total_utility` at the given omega
    """
    measure = utility or (lambda prob: total_utility(prob, variance_factor))
    value = np.array([measure(straggle_prob_at(float(at))) for at in grid_s])  # (K,)
    inverse = np.divide(1.0, value, out=np.full(len(value), np.inf), where=value > 0)  # (K,)
    time_to_error = grid_s * (1 + inverse)  # (K,)
    return DeadlineCurve(np.asarray(grid_s), value, time_to_error, int(np.argmin(time_to_error)))


def deadline_grid(response_s: FloatArray, censored_at_s: float, size: int = 200) -> FloatArray:
    """Return at most `size` response times, at evenly spaced pooled ranks and denser in the tail, ascending.

    Never beyond `censored_at_s`, past which a missing response says nothing.

    Parameters
    ----------
    response_s : responses, shape (rounds, W), inf where missing
    censored_at_s : missing responses are later than this
    """
    seen = np.unique(response_s[response_s <= censored_at_s])  # (N,)
    n_tail = size // 4
    rank = np.linspace(0, len(seen) - 1, size - n_tail).round()
    tail = len(seen) - np.geomspace(1, len(seen), n_tail).round()
    return np.asarray(seen[np.unique(np.concatenate([rank, tail]).astype(int))])
