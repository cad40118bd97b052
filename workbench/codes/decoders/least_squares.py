"""Optimal decoding: for each straggler pattern the weights that come nearest to the full sum.

Minimise ‖Bᵀa − 1‖² over the weights a of the workers that answered, and of all minimisers take the shortest
[Glasgow and Wootters; OD in hetero_gc, section VI].
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from workbench.core.types import BoolArray, FloatArray

SHIFT = 1e-4  # ridge relative to the mean eigenvalue; 1/SHIFT roundings reach the answer
STEPS = 12  # iterated Tikhonov leaves (SHIFT/eigenvalue)^STEPS of each component of the error
SETTLED = 1e-11  # largest last step of a pattern that has converged
RANK = 1e-10  # singular values below this share of the largest count as zero


@dataclass(frozen=True, eq=False)
class LeastSquaresDecoder:
    """Minimum-norm least-squares weights, batched over rounds and safe when rank-deficient."""

    encode: sparse.csr_array  # (W, P)

    @cached_property
    def _superparts(self) -> tuple[FloatArray, FloatArray]:
        """Distinct columns of B times √multiplicity, (W, V), and √multiplicity, (V,): equal parts act as one."""
        columns, counts = np.unique(self.encode.toarray(), axis=1, return_counts=True)
        root = np.sqrt(counts)
        return np.asarray(columns * root), np.asarray(root)

    @cached_property
    def _squares(self) -> sparse.csr_array:
        """Row i is z_i z_iᵀ laid flat, (W, V²): the Gram matrix of a pattern is a sum of such rows."""
        z = sparse.csr_array(self._superparts[0])
        n_workers, size = z.shape
        worker = np.repeat(np.arange(n_workers), np.diff(z.indptr))  # (nnz,)
        partners = np.diff(z.indptr)[worker]  # (nnz,): entries in the same row
        left = np.repeat(np.arange(z.nnz), partners)  # (pairs,)
        right = z.indptr[worker[left]] + np.arange(left.size) - np.repeat(np.cumsum(partners) - partners, partners)
        cell = z.indices[left].astype(np.int64) * size + z.indices[right]
        return sparse.csr_array((z.data[left] * z.data[right], (worker[left], cell)), shape=(n_workers, size**2))

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) for responses (R, W).

        With H the rows z_i that came and m the multiplicities, a = (Hᵀ)⁺√m. Iterated Tikhonov,
        a ← a + H(HᵀH + λ)⁻¹(√m − Hᵀa), converges to it whatever rank the pattern leaves to H.
        """
        z, target = self._superparts
        n_rounds, size = len(responded), target.size
        gram = (responded.astype(float) @ self._squares).reshape(n_rounds, size, size)
        trace = np.trace(gram, axis1=1, axis2=2)  # (R,)
        shift = SHIFT * np.where(trace > 0, trace / size, 1.0)
        inverse = np.linalg.inv(gram + shift[:, None, None] * np.eye(size))  # (R, V, V)
        a = np.zeros(responded.shape)
        for _ in range(STEPS):
            residual = target - a @ z  # (R, V)
            step = responded * ((inverse @ residual[:, :, None])[:, :, 0] @ z.T)
            a += step
        for slow in np.flatnonzero(np.abs(step).max(axis=1) > SETTLED):  # nearly dependent rows: settle by SVD
            heard = responded[slow]
            a[slow, heard] = np.linalg.pinv(z[heard].T, rcond=RANK) @ target
        return a

    def lifted(self, selection: sparse.csr_array) -> "LeastSquaresDecoder":
        """Return the decoder among more workers; selection (W', W) places the present ones, others hold nothing."""
        return LeastSquaresDecoder((selection @ self.encode).tocsr())
