"""Optimal decoding: for each straggler pattern the weights that come nearest to the full sum.

Minimise ‖Bᵀa − 1‖² over the weights a of the workers that answered, and of all minimisers take the shortest
[Glasgow and Wootters; OD in hetero_gc, section VI].
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from workbench.codes.code import GradientCode
from workbench.core.types import BoolArray, FloatArray, IntArray

RANK = 1e-10  # singular values below this share of the largest count as zero
PIVOT = 1e-11  # pivots of a Gram matrix below this share of its largest entry: dependent, or too near to tell
SETTLED = 1e-12  # last correction of converged weights, relative to the largest weight
CORRECTIONS = 6  # a pattern that has not converged by then is decoded by singular values
BATCHED = 16  # up to this many workers or distinct parts, singular values of many patterns at once are quicker
BLOCK = 2**16  # matrix entries worked on at a time, to stay in the cache


@dataclass(frozen=True, eq=False)
class DecodingCertificate:
    """How well each pattern of responses can be decoded, and how far its weights can be trusted.

    residual : ‖Bᵀa − 1‖ of the weights given, recomputed, shape (R,); 0 iff the sum is recovered for all gradients
    condition : largest over smallest nonzero singular value of the rows that came, shape (R,); 1 where none came
    rank : of the rows that came, shape (R,)
    """

    residual: FloatArray
    condition: FloatArray
    rank: IntArray


@dataclass(frozen=True, eq=False)
class LeastSquaresDecoder:
    """Minimum-norm least-squares weights, safe when rank-deficient; a pattern that repeats is decoded once."""

    encode: sparse.csr_array  # (W, P)

    @cached_property
    def _superparts(self) -> tuple[FloatArray, FloatArray]:
        """Distinct columns of B times √multiplicity, (W, V), and √multiplicity, (V,): equal parts act as one."""
        columns, counts = np.unique(self.encode.toarray(), axis=1, return_counts=True)
        root = np.sqrt(counts)
        return np.ascontiguousarray(columns * root), np.asarray(root)

    @cached_property
    def _overlap(self) -> FloatArray:
        """Inner products of the workers' rows, (W, W)."""
        rows = self._superparts[0]
        return rows @ rows.T

    def weights(self, responded: BoolArray) -> FloatArray:
        """Return the weights (R, W) for responses (R, W)."""
        patterns, pattern_of_run = _distinct(responded)
        if min(self._superparts[0].shape) <= BATCHED:
            weights = self._by_singular_values(patterns)
        else:
            weights = np.zeros(patterns.shape)
            for row, heard in zip(weights, patterns, strict=True):
                row[heard] = self._of_pattern(heard)
        return weights[pattern_of_run]

    def certificate(self, responded: BoolArray) -> DecodingCertificate:
        """Measure the residual, the condition and the rank of each pattern in responses (R, W)."""
        rows, target = self._superparts
        patterns, pattern_of_run = _distinct(responded)
        residual = np.linalg.norm(self.weights(patterns) @ rows - target, axis=1)
        condition, rank = np.ones(len(patterns)), np.zeros(len(patterns), np.int64)
        for index, heard in enumerate(patterns):
            if heard.any():
                singular = np.linalg.svd(rows[heard], compute_uv=False)
                nonzero = singular[singular > RANK * singular[0]]
                condition[index], rank[index] = singular[0] / nonzero[-1] if nonzero.size else 1.0, nonzero.size
        return DecodingCertificate(residual[pattern_of_run], condition[pattern_of_run], rank[pattern_of_run])

    def _by_singular_values(self, patterns: BoolArray) -> FloatArray:
        rows, target = self._superparts
        weights = np.zeros(patterns.shape)
        size = max(1, BLOCK // rows.size)
        for start in range(0, len(patterns), size):
            heard = patterns[start : start + size]  # (block, W)
            inverse = np.linalg.pinv(heard[:, :, None] * rows, rcond=RANK)  # (block, V, W)
            weights[start : start + size] = heard * (target @ inverse)
        return weights

    def _of_pattern(self, heard: BoolArray) -> FloatArray:
        """Return the weights of the workers heard, (n,), by normal equations of the smaller side, corrected.

        With H the rows that came and t the target: a = (HHᵀ)⁺Ht, or a = H(HᵀH)⁺t. Each correction solves for
        what H itself, not its Gram matrix, says is still missing, so the squared condition slows convergence
        but does not show in the answer.
        """
        rows, target = self._superparts
        h = rows[heard]  # (n, V)
        met = h.any(axis=0)  # the other parts are lost whatever the weights, and would only spoil the rank
        if not met.all():
            h, target = h[:, met], target[met]
        is_wide = len(h) <= target.size
        gram = self._overlap[np.ix_(heard, heard)] if is_wide else h.T @ h
        inverse = _PseudoInverse.of_gram(gram, h.T if is_wide else h)
        weights = np.zeros(len(h))
        if inverse is not None:
            for _ in range(CORRECTIONS):
                missing = target - weights @ h  # (V,)
                step = inverse(h @ missing) if is_wide else h @ inverse(missing)
                weights += step
                if np.all(np.abs(step) <= SETTLED * np.abs(weights).max()):
                    return weights
        return np.asarray(np.linalg.lstsq(h.T, target, rcond=RANK)[0])

    def lifted(self, selection: sparse.csr_array) -> "LeastSquaresDecoder":
        """Return the decoder among more workers; selection (W', W) places the present ones, others hold nothing."""
        return LeastSquaresDecoder((selection @ self.encode).tocsr())


@dataclass(frozen=True, eq=False)
class _PseudoInverse:
    """Solves Gx = b in the least-squares sense, x and b being taken orthogonal to the null space of G."""

    factor: FloatArray  # (k, k) lower Cholesky factor of G's rows and columns `basis`
    basis: IntArray  # (k,)
    null: FloatArray  # (n, n - k) orthonormal basis of the null space

    @classmethod
    def of_gram(cls, gram: FloatArray, root: FloatArray) -> "_PseudoInverse | None":
        """Factor gram = rootᵀroot (n, n) by Cholesky with pivots; None where its rank cannot be told for sure.

        What the pivots leave over counts as the null space only if the root itself sends it to zero.
        """
        n = len(gram)
        scale = gram.diagonal().max(initial=0.0)
        if scale == 0:
            return None
        lower, pivots, rank, _ = lapack.dpstrf(gram.T, lower=1, tol=PIVOT * scale, overwrite_a=1)
        order = pivots - 1
        basis, rest = order[:rank], order[rank:]
        factor = np.asfortranarray(lower[:rank, :rank])  # as LAPACK wants it, or every solve would copy it
        null = np.zeros((n, n - rank))
        if rest.size:
            null[rest] = np.eye(rest.size)
            for _ in range(2):  # the second time corrects what the squared condition spoils
                null[basis] -= lapack.dpotrs(factor, (root.T @ (root @ null))[basis], lower=1)[0]
            null = np.linalg.qr(null)[0]
            if np.linalg.norm(root @ null) > RANK * np.sqrt(scale):
                return None
        return cls(factor, basis, null)

    def __call__(self, b: FloatArray) -> FloatArray:
        """Return the shortest x (n,) that comes nearest to Gx = b, b of shape (n,)."""
        b = b - self.null @ (b @ self.null)
        x = np.zeros(b.size)
        x[self.basis] = lapack.dpotrs(self.factor, b[self.basis], lower=1)[0]
        return x - self.null @ (x @ self.null)


def _distinct(responded: BoolArray) -> tuple[BoolArray, IntArray]:
    """Return the distinct patterns (K, W) and which of them each run has, (R,)."""
    packed = np.packbits(responded, axis=1)
    _, first, pattern_of_run = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return responded[first], pattern_of_run.reshape(-1)


def decoder(code: GradientCode, straggle_prob: FloatArray) -> LeastSquaresDecoder:
    """Decode a code optimally in every pattern, whatever straggle_prob (W,) is."""
    return LeastSquaresDecoder(code.encode)
