"""Mini-batches: samples of each part, drawn without replacement."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.core.streams import RunStreams
from workbench.core.types import FloatArray, IntArray

Order = npt.NDArray[np.int32]  # (R, samples of the largest part, P): each part's samples in some order


class Batch(NamedTuple):
    """Samples of each part, counted within it, and the weights that make their gradients an estimate of the part's."""

    samples: IntArray  # (R, P, B)
    weights: FloatArray  # (R, P, B), 0 beyond a batch's own size


def in_order(part_sizes: IntArray, n_runs: int) -> Order:
    """Return each part's samples in their order, shape (R, samples of the largest part, P)."""
    return np.tile(np.arange(part_sizes.max(), dtype=np.int32)[:, None], (n_runs, 1, len(part_sizes)))


def draw(order: Order, sizes: IntArray, part_sizes: IntArray, *, rng: RunStreams) -> tuple[Order, Batch]:
    r"""Draw batches without replacement, each of a part's sets of that size as likely as any other.

    The first steps of a Fisher-Yates shuffle, which are uniform whatever order they start from. The weights are
    (samples of the part)/(size of the batch), so that the weighted sample gradients are unbiased for ∇f_j.

    Parameters
    ----------
    order : as the last draw left it, or `in_order`
    sizes : samples wanted of each part, at most its own, shape (R, P); 0 is allowed
    part_sizes : samples there are, shape (P,)

    Returns
    -------
    the order to hand to the next draw, and the batches
    """
    n_runs, most, n_parts = order.shape
    uniform = rng.random_rows(sizes.max(axis=1), n_parts)  # (R, B, P)
    largest = uniform.shape[1]
    shuffled = order.copy()
    flat = shuffled.reshape(-1)
    first = np.arange(n_runs)[:, None] * (most * n_parts) + np.arange(n_parts)  # (R, P): where in `flat` a part begins
    place = np.arange(largest)[:, None, None]
    left = np.maximum(part_sizes - place, 1)  # (B, 1, P): samples not yet drawn
    beyond = (uniform.swapaxes(0, 1) * left).astype(np.int64, order="C")  # (B, R, P): places on to the partner
    for there, here in zip(first + n_parts * (place + beyond), shuffled.swapaxes(0, 1), strict=False):  # (R, P) each
        drawn = flat.take(there)
        flat[there] = here
        here[...] = drawn
    wanted = np.arange(largest) < sizes[..., None]  # (R, P, B)
    share = np.divide(part_sizes, sizes, out=np.zeros(sizes.shape), where=sizes > 0)  # (R, P)
    weights = np.where(wanted, share[..., None], 0.0)  # (R, P, B)
    return shuffled, Batch(shuffled[:, :largest].swapaxes(1, 2).astype(np.int64, order="C"), weights)
