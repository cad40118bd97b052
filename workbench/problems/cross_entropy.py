"""Softmax and its cross-entropy, in the arithmetic of the scores."""

import numpy as np

from workbench.core.types import IntArray
from workbench.problems.samples import Floats


def log_softmax(scores: Floats) -> Floats:
    """Turn scores (..., classes, N) into log-probabilities over the classes, in place."""
    scores -= scores.max(axis=-2, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=-2, keepdims=True))
    return scores


def of_own_class(log_prob: Floats, labels: IntArray) -> Floats:
    """Pick each sample's own class, labels (N,), from (runs, classes, N), shape (runs, N)."""
    return log_prob[:, labels, np.arange(len(labels))]


def slopes(log_prob: Floats, labels: IntArray, n_samples: int) -> Floats:
    """Derivative of cross-entropies over n_samples in their scores, same shape, in place.

    Parameters
    ----------
    log_prob : shape (..., classes, M); labels : shape (M,) or (..., M)
    """
    excess = np.exp(log_prob, out=log_prob)
    excess -= labels[..., None, :] == np.arange(excess.shape[-2])[:, None]  # (..., classes, M)
    excess /= n_samples
    return excess
