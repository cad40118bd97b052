r"""The second-moment decoder of two-track decoding: minimise λ·bias² + variance [hetero_gc, eq. 36, Appendix F].

Over decoding weights v (W,) of encoded messages with weights w (W, P), and with 1 the (P,) vector of ones,

.. math:: \lambda\, b^2(v) + V(v), \quad V(v) = \sum_i (1 - p_i)(p_i + \omega_i)\, v_i^2 \Big(\sum_j |w_{ij}|\Big)^2,

where the bias is read as :math:`\|W^T \mathrm{diag}(1-p) v - 1\|^2` (columns: orthonormal part gradients) or as
:math:`(1^T(W^T \mathrm{diag}(1-p) v - 1))^2` (aligned: equal ones).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg, sparse

from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.solvers.optimal_structure import utilities

SETTLED = 1e-10  # relative gradient up to which the quick way is taken

BiasReading = Literal["columns", "aligned"]


@dataclass(frozen=True, eq=False)
class SecondMomentDecoder:
    """The minimiser, with what it costs and how far it is from stationary.

    weights : v, shape (W,); 0 for a worker that is idle or holds nothing
    bias_sq, variance : b² and V at the minimum
    gradient : norm of the objective's gradient relative to that at v = 0, recomputed; 0 at the minimum
    """

    weights: FloatArray
    bias_sq: float
    variance: float
    gradient: float


def solve(
    encode: sparse.csr_array | FloatArray,
    straggle_prob: FloatArray,
    variance_factor: FloatArray,
    emphasis: float,
    *,
    reading: BiasReading = "columns",
) -> SecondMomentDecoder:
    r"""Solve by the closed form, with M = Wᵀdiag(1 − p), D the matrix of V and m = Mᵀ1.

    Columns: :math:`v = D^{-1} M^T (I/\lambda + M D^{-1} M^T)^{-1} 1` (Woodbury) or
    :math:`(D/\lambda + M^T M)^{-1} M^T 1`, whichever is smaller; aligned:
    :math:`v = \lambda P D^{-1} m/(1 + \lambda m^T D^{-1} m)` (Sherman and Morrison). Where workers without error
    (p + ω = 0) leave several minimisers, the shortest is taken.

    Parameters
    ----------
    encode : w, shape (W, P)
    straggle_prob, variance_factor : p in [0, 1) and ω >= 0, shape (W,); ω infinite = idle worker
    emphasis : λ > 0, the price of bias

    Raises
    ------
    InputError : a value out of its range
    """
    utilities(straggle_prob, variance_factor)  # for its complaints
    if not 0 < emphasis < np.inf:
        raise InputError(f"emphasis is {emphasis:g}: the price of bias must be positive and finite")
    w = sparse.csr_array(encode)
    p, omega = np.asarray(straggle_prob, float), np.asarray(variance_factor, float)
    if w.shape[0] != p.size:
        raise InputError(f"encode has {w.shape[0]} workers, straggle_prob {p.size}: they must be the same")
    size = np.asarray(abs(w).sum(axis=1))  # (W,)
    used = np.flatnonzero(np.isfinite(omega) & (size > 0))
    cost = (1 - p[used]) * (p[used] + omega[used]) * size[used] ** 2  # (used,): the diagonal of D
    meets = sparse.csr_array(sparse.diags_array(1 - p[used]) @ w[used])  # Mᵀ, (used, P)
    if reading == "aligned":
        meets = sparse.csr_array(meets.sum(axis=1)[:, None])  # m, (used, 1)
    target = np.full(meets.shape[1], w.shape[1] if reading == "aligned" else 1.0)
    for ridge in (_by_kernel, _by_lstsq):
        v = ridge(meets, cost / emphasis, target)
        miss = meets.T @ v - target
        scale = float(np.linalg.norm(meets @ target))
        gradient = float(np.linalg.norm(meets @ miss + cost / emphasis * v)) / scale if scale else 0.0
        if gradient <= SETTLED:
            break
    weights = np.zeros(p.size)
    weights[used] = v
    return SecondMomentDecoder(weights, float(miss @ miss), float(cost @ v**2), gradient)


def _by_kernel(rows: sparse.csr_array, cost: FloatArray, target: FloatArray) -> FloatArray:
    """Minimise ‖rowsᵀv − target‖² + Σ cost_i v_i², rows (n, k), by the smaller of its two kernels; NaN if singular."""
    n, k = rows.shape
    with np.errstate(divide="ignore"):
        scaled = sparse.csr_array(sparse.diags_array(1 / cost) @ rows)  # (n, k)
    try:
        if k < n:
            factor = linalg.cho_factor((rows.T @ scaled).toarray() + np.eye(k), check_finite=False)
            return np.asarray(scaled @ linalg.cho_solve(factor, target, check_finite=False))
        factor = linalg.cho_factor((rows @ rows.T).toarray() + np.diag(cost))
        return np.asarray(linalg.cho_solve(factor, rows @ target))
    except linalg.LinAlgError:
        return np.full(n, np.nan)


def _by_lstsq(rows: sparse.csr_array, cost: FloatArray, target: FloatArray) -> FloatArray:
    """Solve the same problem without squaring its condition; of several minimisers return the shortest."""
    stacked = np.vstack([rows.T.toarray(), np.diag(np.sqrt(cost))])
    return np.asarray(np.linalg.lstsq(stacked, np.concatenate([target, np.zeros(len(cost))]), rcond=None)[0])
