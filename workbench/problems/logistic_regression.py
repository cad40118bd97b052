"""Logistic regression with two classes, synthetic."""

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.problems.binary_logistic import BinaryLogistic, measured
from workbench.problems.samples import part_starts
from workbench.problems.sizes import check_memory, check_ridge

NAME = "logistic_regression"


def build(
    n_parts: int,
    *,
    seed: int,
    dim: int = 50,
    n_samples: int | None = None,
    condition: float = 5.0,
    disagreement: float = 1.0,
    l2: float = 0.01,
) -> BinaryLogistic:
    """Draw two classes that follow the logistic model in each part, with unlike parts; F is a mean over samples.

    A feature vector is normal with variances geometrically spaced on [1, condition], times its part's own scale.
    A sample of part j is on the positive side with probability 1/(1 + exp(−⟨a, x_j⟩)), where
    x_j = x̄ + disagreement·δ_j, and ‖x̄‖ and ‖δ_j‖ are about 1.

    Parameters
    ----------
    n_parts : P
    n_samples : N, at least P; by default the least multiple of P from 10 dim on
    l2 : weight of the ridge

    Raises
    ------
    InputError : sizes that do not fit together, negative l2
    """
    if n_parts < 1 or dim < 1 or condition < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}, condition = {condition:g}: none may be below 1")
    check_ridge(l2)
    n_samples = n_parts * -(-10 * dim // n_parts) if n_samples is None else n_samples
    starts = part_starts(n_samples, n_parts)
    check_memory(n_samples * dim, f"n_samples = {n_samples} and dim = {dim}")
    rng = stream(seed, f"problem/{NAME}")
    owner = np.repeat(np.arange(n_parts), np.diff(starts))  # (N,)
    spread = np.sqrt(np.geomspace(1.0, condition, dim))  # (D,)
    features = rng.uniform(0.5, 1.5, n_parts)[owner, None] * spread * rng.standard_normal((n_samples, dim))  # (N, D)
    shared = rng.standard_normal(dim) / np.sqrt(dim)  # (D,)
    own = shared + disagreement * rng.standard_normal((n_parts, dim)) / np.sqrt(dim)  # (P, D)
    odds = np.einsum("nd,nd->n", features, own[owner])  # (N,), logarithmic
    signs = np.where(rng.logistic(size=n_samples) < odds, 1.0, -1.0)[None]  # (1, N)
    reg = measured(features, signs, scale=1 / n_samples, l2=l2)
    return BinaryLogistic(NAME, features, signs, starts, 1 / n_samples, l2, np.zeros(dim), reg)
