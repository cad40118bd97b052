"""Decoding weights that are the same in every round: v_i where worker i answered [hetero_gc, eq. 2]."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from workbench.codes.code import GradientCode
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core.types import BoolArray, FloatArray

RECOVERED = 1e-9  # largest error of a part's weight at which the sum counts as recovered


@dataclass(frozen=True, eq=False)
class FixedDecoder:
    """Weigh worker i's message by decode[i] whenever it comes."""

    decode: FloatArray  # (W,)

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return decode where responded (R, W), else 0."""
        return np.asarray(responded * self.decode)

    def lifted(self, selection: sparse.csr_array) -> "FixedDecoder":
        """Return the decoder among more workers; selection (W', W) places the present ones, others get 0."""
        return FixedDecoder(selection @ self.decode)


def decoder(code: GradientCode, straggle_prob: FloatArray) -> FixedDecoder:
    """Keep a code's fixed weights; for another decoder take a_i/(1 − p_i), a from `full_weights`.

    They are unbiased wherever the code recovers the sum when all workers answer.
    """
    if isinstance(code.decoder, FixedDecoder):
        return code.decoder
    return FixedDecoder(full_weights(code, straggle_prob) / (1 - straggle_prob))


def full_weights(code: GradientCode, straggle_prob: FloatArray) -> FloatArray:
    """Return the weights (W,) under which the messages of all workers, none lost, add up to the sum.

    They are (1 − p_i)v_i if the code's own fixed v is unbiased, else the least-squares weights of all workers, which
    come as near as any where the sum cannot be had.
    """
    if isinstance(code.decoder, FixedDecoder):
        expected = (1 - straggle_prob) * code.decoder.decode  # (W,)
        if np.all(np.abs(code.encode.T @ expected - 1) <= RECOVERED):
            return np.asarray(expected)
    everyone = np.ones((1, code.n_workers), bool)
    return np.asarray(LeastSquaresDecoder(code.encode).weights(everyone)[0])
