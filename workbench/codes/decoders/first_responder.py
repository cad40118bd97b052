"""Decode from one worker of each group of like workers that answered [Tandon et al., 2017, section IV]."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
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


def decoder(code: GradientCode, straggle_prob: FloatArray) -> FirstResponderDecoder:
    """Take the first answer of each group of a fractional repetition, whatever straggle_prob (W,) is.

    Raises
    ------
    InputError : a code in which two workers hold some parts in common and others not, or weigh one by less than 1
    """
    encode = code.encode.sorted_indices()
    holders = np.flatnonzero(np.diff(encode.indptr))
    first_part = encode.indices[encode.indptr[holders]]
    _, first_worker, group_of_holder = np.unique(first_part, return_index=True, return_inverse=True)
    groups = encode[holders[first_worker]]  # (groups, P)
    are_like = abs(encode[holders] - groups[group_of_holder]).nnz == 0
    if not are_like or groups.nnz != code.n_parts or not np.all(groups.sum(axis=0) == 1):
        raise InputError(
            f"{code.family} is no fractional repetition: first_responder needs groups of workers that hold the same "
            "parts with weight 1, and each part in one group; choose least_squares"
        )
    group = np.full(code.n_workers, -1, np.int64)
    group[holders] = group_of_holder
    return FirstResponderDecoder(group)
