"""Gradient descent that waits for every worker, unquantized: the reference."""

import numpy as np

from workbench.core.types import FloatArray
from workbench.schemes.coded_sgd import State, init

__all__ = ["FLOAT_BITS", "State", "init", "step"]

FLOAT_BITS = 32


def step(state: State, grad: FloatArray, *, n_workers: int, step_size: FloatArray | float) -> State:
    """Take one round of every run: x − η ∇F(x), W workers send 32 bits a coordinate.

    Parameters
    ----------
    grad : ∇F at state.x, shape (R, D)
    step_size : η, one for all runs or shape (R,)
    """
    n_runs, dim = state.x.shape
    eta = np.broadcast_to(step_size, n_runs)[:, None]  # (R, 1)
    return State(state.x - eta * grad, state.bits_up + n_workers * FLOAT_BITS * dim)
