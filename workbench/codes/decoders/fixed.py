"""Decoding weights that are the same in every round: v_i where worker i answered [hetero_gc, eq. 2]."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from workbench.core.types import BoolArray, FloatArray


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
