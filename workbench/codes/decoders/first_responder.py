"""Decode from one worker of each group of like workers that answered [Tandon et al., 2017, section IV]."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from workbench.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class FirstResponderDecoder:
    """Give weight 1 to the first worker, in order of index, of each group that answered, 0 to all others.

    Parameters
    ----------
    group : label of each worker's group, shape (W,); −1 for a worker that is in none
    """

    group: IntArray

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) for responses (R, W)."""
        order = np.argsort(self.group, kind="stable")  # (W,): groups one after the other, each by index
        label = self.group[order]
        came = responded[:, order] & (label >= 0)  # (R, W)
        so_far = np.cumsum(came, axis=1)  # (R, W)
        start = np.searchsorted(label, label)  # (W,): where each one's group begins
        before = np.subtract(so_far, came)[:, start]  # (R, W): answers of the groups before
        weights = np.zeros(responded.shape)
        weights[:, order] = came & (so_far == before + 1)
        return weights

    def lifted(self, selection: sparse.csr_array) -> "FirstResponderDecoder":
        """Return the decoder among more workers; selection (W', W) places the present ones, others are in no group."""
        return FirstResponderDecoder(np.asarray(selection @ (self.group + 1)) - 1)
