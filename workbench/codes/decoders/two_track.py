"""Two-track decoding for adaptive optimizers: other weights for the second moment [hetero_gc, section V-E]."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray
from workbench.solvers import second_moment
from workbench.solvers.second_moment import BiasReading


@dataclass(frozen=True, eq=False)
class TwoTrackDecoder:
    """Decode the same messages twice: once for the first moment, once for the second."""

    first: FixedDecoder
    second: FixedDecoder

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) of the estimate that enters the first moment, for responses (R, W)."""
        return self.first.weights(responded)

    def second_weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) of the estimate whose square enters the second moment."""
        return self.second.weights(responded)

    def lifted(self, selection: sparse.csr_array) -> "TwoTrackDecoder":
        """Return the decoder among more workers; selection (W', W) places the present ones, others get 0."""
        return TwoTrackDecoder(self.first.lifted(selection), self.second.lifted(selection))


def two_track(
    code: GradientCode, straggle_prob: FloatArray, dim: int, emphasis: float, *, reading: BiasReading = "columns"
) -> TwoTrackDecoder:
    """Keep the code's fixed decoder for the first moment and add the variance-reduced one of eq. 36.

    At the optimal structure (Theorem 1) the second is the first times λU/(λU + P), or λU/(1 + λU) for the aligned
    reading: there it only changes the scale of the second moment, as another learning rate would.

    Parameters
    ----------
    straggle_prob : shape (W,)
    dim : coordinates of a gradient, which sets the quantizers' variance constant
    emphasis : λ, the price of bias beside variance

    Raises
    ------
    InputError : a decoder that looks at the straggler pattern, a biased quantizer, or emphasis out of its range
    """
    if not code.quantizer.is_unbiased:
        raise InputError(
            f"the quantizer {type(code.quantizer).__name__} is biased: eq. 36 needs the variance of an unbiased one"
        )
    if not isinstance(code.decoder, FixedDecoder):
        raise InputError(f"{code.family} decodes by straggler pattern: two tracks need one fixed weight a worker")
    # A worker that is idle sends nothing, whatever its constant says.
    variance_factor = np.where(code.bits > 0, code.quantizer.variance_factor(dim), np.inf)
    best = second_moment.solve(code.encode, straggle_prob, variance_factor, emphasis, reading=reading)
    return TwoTrackDecoder(code.decoder, FixedDecoder(best.weights))


decoder = two_track  # as the catalogue calls every decoder
