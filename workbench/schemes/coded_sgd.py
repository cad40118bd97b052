"""Coded, quantized SGD: workers send quantized mixtures of part gradients, the master decodes those heard."""

from typing import NamedTuple

import numpy as np

from workbench.codes.code import GradientCode
from workbench.core.types import BoolArray, FloatArray, UniformSource


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    bits_up: FloatArray  # (R,)  bits that reached the master so far


def init(x0: FloatArray, n_runs: int) -> State:
    """Start all runs at x0, shape (D,)."""
    return State(np.tile(x0, (n_runs, 1)), np.zeros(n_runs))


def step(
    state: State,
    messages: FloatArray,
    responded: BoolArray,
    *,
    code: GradientCode,
    step_size: FloatArray | float,
    rng: UniformSource,
) -> State:
    r"""Take one round of every run: x − η Σ_i v_i Q_i(f_i) over the workers that responded [hetero_gc, II].

    Every worker's quantizer draws in every round, heard or not: the noise of a worker does not depend on who
    else straggles.

    Parameters
    ----------
    messages : f_i at state.x, shape (R, W, D)
    responded : True where the worker beat the deadline, shape (R, W)
    step_size : η, one for all runs or shape (R,)
    """
    n_runs, dim = state.x.shape
    if len(messages) != n_runs:
        raise ValueError(f"messages has {len(messages)} runs, state has {n_runs}")
    heard = code.quantizer(messages, rng=rng)  # (R, W, D)
    weights = code.decoder.weights(responded)  # (R, W), 0 for stragglers
    estimate = np.einsum("rw,rwd->rd", weights, heard)  # (R, D)
    eta = np.broadcast_to(step_size, n_runs)[:, None]  # (R, 1)
    return State(state.x - eta * estimate, state.bits_up + responded @ message_bits(code, dim))


def message_bits(code: GradientCode, dim: int) -> FloatArray:
    """Bits of each worker's message, 0 for a worker that holds no part, shape (W,)."""
    return np.where(holders(code), code.quantizer.message_bits(dim), 0.0)


def holders(code: GradientCode) -> BoolArray:
    """Workers that hold at least one part, shape (W,)."""
    return np.asarray(np.any(code.encode_dense != 0, axis=1))
