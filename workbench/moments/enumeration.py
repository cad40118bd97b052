"""The oracle: walk through every straggler pattern and add up. For at most 20 workers."""

import numpy as np

from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray

MAX_WORKERS = 20


def straggler_patterns(straggle_prob: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Return every pattern of responses, (2^W, W), and its probability, (2^W,), workers independent.

    Raises
    ------
    InputError : more than 20 workers
    """
    n_workers = straggle_prob.size
    if n_workers > MAX_WORKERS:
        raise InputError(f"{n_workers} workers have 2^{n_workers} straggler patterns: enumerate at most {MAX_WORKERS}")
    index = np.arange(2**n_workers)[:, None]  # (2^W, 1)
    responded = (index >> np.arange(n_workers)) & 1 == 1  # (2^W, W)
    return responded, np.prod(np.where(responded, 1 - straggle_prob, straggle_prob), axis=1)


def error_by_enumeration(
    code: GradientCode, straggle_prob: FloatArray, part_grads: FloatArray
) -> tuple[FloatArray, float]:
    """Return E[ĝ] (D,) and E‖ĝ − Σg_j‖² for given part gradients (P, D), from the definition.

    Only the quantizers' mean and variance are taken from their formulas; messages, decoding and patterns are literal.
    """
    responded, prob = straggler_patterns(straggle_prob)
    messages = code.encode_dense @ part_grads  # (W, D)
    weights = code.decoder.weights(responded)  # (2^W, W)
    expected = weights @ code.quantizer.mean(messages)  # (2^W, D): mean of ĝ given the pattern
    noise = weights**2 @ code.quantizer.variance(messages)  # (2^W,)
    miss = np.sum((expected - part_grads.sum(axis=0)) ** 2, axis=1)
    return prob @ expected, float(prob @ (miss + noise))
