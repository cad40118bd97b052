"""Products of samples: summed over each part or over what each worker holds, or at an iterate for each part.

Left factors are a column a sample, right ones a row a sample. Results go into `out`, a double array or a view whose
last axis is contiguous.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from workbench.core.types import Encoder, FloatArray, IntArray
from workbench.problems.samples import Floats

CHUNK = 2**18  # numbers of an intermediate result at once: they stay in the cache
MOST_HELD = 2**24  # numbers of rows that are kept weighted for all workers together
MOST_HESSIANS = 2**24  # numbers of all workers' Hessians
# Measured on one core, in multiplications of a large product: one with a worker's few rows, one of a sparse matrix, to
# store a number of a part's product; one with a batch's few rows, and to gather a number of these.
BY_WORKER, SPARSE, STORED, BY_BATCH, GATHERED = 2, 8, 40, 2, 4

Mixer = Callable[[Floats, FloatArray], None]


class MixingCost(NamedTuple):
    """Multiplications of a run and a column of the right factor, for each way to mix."""

    by_part: float
    by_worker: float


def common_size(starts: IntArray) -> int:
    """Samples of every part, or 0 where the parts are not of one size."""
    sizes = starts[1:] - starts[:-1]  # (P,); np.diff takes four times as long for so few
    return int(sizes[0]) if (sizes == sizes[0]).all() else 0


def run_chunks(n_runs: int, numbers_a_run: int) -> Iterator[slice]:
    """Cut the runs into chunks of at most `CHUNK` numbers, or of a single run."""
    size = max(1, CHUNK // max(1, numbers_a_run))
    return (slice(start, min(start + size, n_runs)) for start in range(0, n_runs, size))


def of_samples(weights: FloatArray, starts: IntArray) -> FloatArray:
    """Give each sample the weight of its part, weights (..., P), shape (..., N)."""
    return np.asarray(np.repeat(weights, np.diff(starts), axis=-1))


def weigh(left: Floats, weights: FloatArray, starts: IntArray) -> None:
    """Multiply each part's columns of left factors (R, K, N) by the part's weight in weights (R, P), in place."""
    if size := common_size(starts):
        by_part = left.reshape(*left.shape[:2], -1, size)  # (R, K, P, N/P), a view
        by_part *= weights[:, None, :, None]
    else:
        left *= of_samples(weights, starts)[:, None]


def batch_weights(batch: IntArray, weights: FloatArray, starts: IntArray) -> FloatArray:
    """Add up the weights of each sample in the batches, batch and weights (R, P, B), shape (R, N); most may be 0."""
    n_runs, n_samples = len(batch), int(starts[-1])
    chosen = np.arange(n_runs)[:, None, None] * n_samples + starts[:-1, None] + batch  # (R, P, B)
    sums = np.bincount(chosen.ravel(), weights.ravel(), n_runs * n_samples)  # (R N,)
    return np.asarray(sums, np.float64).reshape(n_runs, n_samples)


def gathers(batch: IntArray, starts: IntArray, n_rows: int) -> bool:
    """Whether products of gathered batches (R, P, B) with n_rows rows each cost less than those of whole parts."""
    return bool(batch[0].size * (BY_BATCH + GATHERED / n_rows) < starts[-1])


def common_iterate(x: FloatArray) -> FloatArray | None:
    """Return the iterates (R, D) that all parts share in x (R, P, D), a view that repeats them; else None."""
    return x[:, 0] if x.strides[1] == 0 else None


def times(weights: Floats, columns: Floats) -> Floats:
    """Multiply weights (R, ..., K, F) with columns (F, M) of all, or with ones of their own (R, ..., F, M)."""
    if columns.ndim > 2:
        return np.asarray(weights @ columns)
    return (weights.reshape(-1, len(columns)) @ columns).reshape(*weights.shape[:-1], -1)


def part_products(left: Floats, right: Floats, starts: IntArray, out: Floats) -> None:
    """Multiply `left` and `right` over the samples of each part.

    Parameters
    ----------
    left : a column a sample, shape (R, K, N)
    right : a row a sample, shape (N, F), or (R, N, F)
    starts : first sample of each part, and N, shape (P+1,)
    out : where the products go, shape (R, P, K F)
    """
    (n_runs, n_rows, n_samples), width, size = left.shape, right.shape[-1], common_size(starts)
    products = out.reshape(*out.shape[:2], n_rows, width)  # (R, P, K, F), a view
    if size == 1:
        np.multiply(left.swapaxes(1, 2)[..., None], right[..., None, :], out=products)
    elif size and (right.ndim == 3 or n_runs == 1):
        by_part = left.reshape(n_runs, n_rows, -1, size).swapaxes(1, 2)  # (R, P, K, N/P)
        np.matmul(by_part, right.reshape(*right.shape[:-2], -1, size, width), out=products)
    elif size and n_rows == 1:  # all runs in one product a part, straight to where they belong
        of_part = left.reshape(n_runs, -1, size).swapaxes(0, 1)  # (P, R, N/P)
        np.matmul(of_part, right.reshape(-1, size, width), out=out.swapaxes(0, 1))
    else:
        flat = left.reshape(-1, n_samples) if right.ndim == 2 else left  # (R K, N), or (R, K, N)
        for part, (start, stop) in enumerate(pairwise(starts)):
            product = flat[..., start:stop] @ right[..., start:stop, :]
            products[:, part] = product.reshape(n_runs, n_rows, width)


def local_products(x: Floats, right: Floats, starts: IntArray) -> Floats:
    """Multiply each part's columns of `right` with a matrix of the part's own, shape (R, K, N).

    Parameters
    ----------
    x : a matrix for each run and part, shape (R, P, K, F)
    right : a column a sample, shape (F, N), or (R, F, N); its dtype is the arithmetic's
    starts : first sample of each part, and N, shape (P+1,)
    """
    (n_runs, n_parts, n_rows, width), size = x.shape, common_size(starts)
    out = np.empty((n_runs, n_rows, right.shape[-1]), right.dtype)
    if size and right.ndim == 3:
        by_part = right.reshape(n_runs, width, n_parts, size).swapaxes(1, 2)  # (R, P, F, N/P)
        into = out.reshape(n_runs, n_rows, n_parts, size).swapaxes(1, 2)
        np.matmul(x.astype(right.dtype, copy=False), by_part, out=into)
    elif size and n_rows == 1:
        of_part = right.reshape(width, n_parts, size).swapaxes(0, 1)  # (P, F, N/P)
        own = x[:, :, 0].swapaxes(0, 1).astype(right.dtype, copy=False)  # (P, R, F)
        np.matmul(own, of_part, out=out.reshape(n_runs, n_parts, size).swapaxes(0, 1))
    else:
        for part, (start, stop) in enumerate(pairwise(starts)):
            own = x[:, part].astype(right.dtype, copy=False)  # (R, K, F)
            flat = own.reshape(-1, width) if right.ndim == 2 else own
            out[..., start:stop] = (flat @ right[..., start:stop]).reshape(n_runs, n_rows, -1)
    return out


def mixing_cost(encode: FloatArray, starts: IntArray) -> MixingCost:
    """Count the multiplications of both ways to mix with the weights encode (W, P)."""
    n_workers, n_samples = len(encode), int(starts[-1])
    held = int(np.count_nonzero(encode, axis=0) @ np.diff(starts))  # samples, once for each holder
    by_part = n_samples + STORED * encode.shape[1] + part_mixing_cost(encode)
    return MixingCost(by_part, held if held == n_workers * n_samples else BY_WORKER * held)


def mixer(encode: FloatArray, rows: Floats, starts: IntArray) -> Mixer:
    """Prepare products of left factors (R, K, N) with the rows (N, F), summed with the weights encode (W, P).

    Parts of more than a few samples are multiplied once, whoever holds them, and mixed. For smaller ones each
    worker multiplies what it holds: nothing as large as all parts' products is formed.

    Returns (left, out) -> None, where out has shape (R, W, K F).
    """
    cost = mixing_cost(encode, starts)
    return _by_part(encode, rows, starts) if cost.by_part < cost.by_worker else _by_worker(encode, rows, starts)


def _by_part(encode: FloatArray, rows: Floats, starts: IntArray) -> Mixer:
    mix, n_parts, width = part_mixer(encode, rows.dtype), encode.shape[1], rows.shape[1]

    def mixed(left: Floats, out: FloatArray) -> None:
        coordinates = left.shape[1] * width
        chunks = list(run_chunks(len(left), n_parts * coordinates))
        memory = np.empty((chunks[0].stop, n_parts, coordinates), rows.dtype)
        for runs in chunks:
            products = memory[: runs.stop - runs.start]  # (runs, P, K F)
            part_products(left[runs], rows, starts, products)
            mix(products, out[runs])

    return mixed


def _by_worker(encode: FloatArray, rows: Floats, starts: IntArray) -> Mixer:
    n_samples, held, weights = len(rows), [], []
    for own in encode:
        of_sample = of_samples(own, starts).astype(rows.dtype)  # (N,)
        held.append(np.flatnonzero(of_sample))  # (held,)
        weights.append(of_sample[held[-1]])
    keeps = sum(map(len, held)) * rows.shape[1] <= MOST_HELD

    def weighted(worker: int) -> Floats:
        if len(held[worker]) == n_samples and (weights[worker] == 1).all():
            return rows
        return np.asarray(weights[worker][:, None] * rows[held[worker]])  # (held, F)

    kept = [weighted(worker) for worker in range(len(encode))] if keeps else []

    def mixed(left: Floats, out: FloatArray) -> None:
        flat = left.reshape(-1, n_samples)  # (R K, N)
        for worker, own in enumerate(held):
            columns = flat if len(own) == n_samples else flat.take(own, axis=1)  # (R K, held)
            out[:, worker] = (columns @ (kept[worker] if keeps else weighted(worker))).reshape(len(left), -1)

    return mixed


def part_mixing_cost(encode: FloatArray) -> int:
    """Count the multiplications to mix one column of all parts with the weights encode (W, P)."""
    return min(encode.size, SPARSE * int(np.count_nonzero(encode)))


def part_mixer(encode: FloatArray, dtype: np.dtype[np.floating]) -> Mixer:
    """Prepare Σ_j encode[w, j] parts[r, j] for encode (W, P).

    Returns (parts, out) -> None, parts of shape (R, P, M) and the given dtype, out of shape (R, W, M).
    """
    if part_mixing_cost(encode) < encode.size:
        sparse = csr_array(encode.astype(dtype))

        def mixed_sparse(parts: Floats, out: FloatArray) -> None:
            for own, into in zip(parts, out, strict=True):
                into[...] = sparse @ own

        return mixed_sparse
    dense = encode.astype(dtype)

    def mixed(parts: Floats, out: FloatArray) -> None:
        np.matmul(dense, parts, out=out)

    return mixed


class Affine:
    """The map x @ columns − offsets, columns (D, M) and offsets (M,), as one product; it keeps a copy of both."""

    def __init__(self, columns: FloatArray, offsets: FloatArray) -> None:
        # To subtract the offsets afterwards would be one more way over all results; long rows are read fastest.
        self._augmented = np.ascontiguousarray(np.vstack([columns, -offsets]))  # (D+1, M)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Map x (R, D), shape (R, M)."""
        with_one = np.ones((len(x), len(self._augmented)))
        with_one[:, :-1] = x
        return np.asarray(with_one @ self._augmented)


def by_hessians(hessians: FloatArray, pulls: FloatArray) -> Encoder:
    """Prepare messages H_w x − p_w for symmetric H (W, D, D) and p (W, D), as one product."""
    n_workers, dim = pulls.shape
    products = Affine(hessians.swapaxes(0, 1).reshape(dim, -1), pulls.ravel())
    return lambda x: products(x).reshape(len(x), n_workers, dim)
