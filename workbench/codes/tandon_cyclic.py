"""Exact cyclic code: consecutive holdings, random weights, any replication − 1 stragglers [Tandon et al., 2017]."""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placement import group_of_part
from workbench.core.types import FloatArray
from workbench.stragglers.profile import StragglerProfile

NOISE = 0.2  # of a column of H beside its unit part orthogonal to its neighbours


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Draw the code; worker i holds `replication` consecutive groups of parts, i the first, modulo W.

    Exact for any s = replication − 1 stragglers, biased beyond. Rounding limits it: at W = 100, s = 10 one random
    pattern in 5,000 is decoded with |aB − 1| above 1e-10; the worst found has 1e-9. Parts are grouped contiguously into
    W groups; with fewer parts than workers some are empty.
    """
    n_workers = profile.n_workers
    square = encoding(n_workers, min(spec.replication, n_workers) - 1, rng=rng)
    encode = square[:, group_of_part(spec.n_parts, n_workers)].tocsr()
    return equally_quantized("tandon_cyclic", encode, LeastSquaresDecoder(encode), spec)


def encoding(n_workers: int, n_stragglers: int, *, rng: np.random.Generator) -> sparse.csc_array:
    """Draw B (W, W), row i on the groups i, ..., i + s, from which any W − s rows make 1.

    The rows span the null space of H, in which 1 lies, and with probability 1 any W − s of them are independent.
    Row i comes from the singular vectors of s + 1 columns of H; the usual way, which fixes one entry to 1 and solves
    with the other s columns, gives rows of very unequal norms when those are nearly dependent. Here all norms are
    1/√(s + 1), as if parts were shared evenly.
    """
    columns = (np.arange(n_workers)[:, None] + np.arange(n_stragglers + 1)) % n_workers  # (W, s + 1)
    h = _parity_checks(n_workers, n_stragglers, rng)
    rows = np.linalg.svd(h[:, columns].transpose(1, 0, 2))[2][:, -1]  # (W, s + 1)
    rows *= np.where(rows.sum(axis=1, keepdims=True) < 0, -1, 1) / np.sqrt(n_stragglers + 1)
    worker = np.repeat(np.arange(n_workers), n_stragglers + 1)
    return sparse.csc_array((rows.ravel(), (worker, columns.ravel())), shape=(n_workers, n_workers))


def _parity_checks(n_workers: int, n_stragglers: int, rng: np.random.Generator) -> FloatArray:
    """Draw H (s, W) with H1 = 0 and orthonormal rows.

    Each column is nearly orthogonal to the s − 1 before it. Independent normal entries, the usual choice, leave some
    neighbours nearly dependent and make weights about twenty times larger for most patterns.
    """
    noise = NOISE / np.sqrt(max(n_stragglers, 1)) * rng.standard_normal((n_stragglers, n_workers))
    h = np.empty(noise.shape)
    for column in range(n_workers if n_stragglers else 0):
        before = h[:, max(column - n_stragglers + 1, 0) : column]  # (s, at most s − 1)
        across = np.linalg.svd(before)[0][:, -1]  # (s,): orthogonal to all of them
        h[:, column] = across * rng.choice([-1, 1]) + noise[:, column]
    return np.linalg.qr((h - h.mean(axis=1, keepdims=True)).T)[0].T
