"""The unbiased code with fixed decoding weights of least worst-case error bound [hetero_gc, Theorem 1].

Everywhere a_ij = v_i w_ij is the weight of part j in worker i's decoded message, shape (W, P).
"""

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from workbench.core.errors import InputError
from workbench.core.types import FloatArray


@dataclass(frozen=True)
class KktResiduals:
    """How far an answer is from optimal, recomputed from the answer alone.

    stationarity : root of Σ_i u_i (2(p_i+ω_i) Σ_j a_ij − λ)²; its square is 4x the excess over the optimum
    primal : the larger of max_j |Σ_i (1−p_i) a_ij − 1|, the violation of unbiasedness, and the most negative
        (1−p_i) a_ij, without which the objective is no bound on the error (Lemma 1)
    relative : the larger of primal and stationarity/(λ√U); the latter squared is the relative excess
    """

    stationarity: float
    primal: float
    relative: float


@dataclass(frozen=True)
class ConvexStatus:
    """What the convex solver says of its own answer: a claim, to be held against `kkt_residuals`."""

    solver: str
    status: str
    objective: float


def utilities(straggle_prob: FloatArray, variance_factor: FloatArray) -> FloatArray:
    r"""Return each worker's utility u_i = (1 − p_i)/(p_i + ω_i) [below eq. 20].

    Parameters
    ----------
    straggle_prob : p in [0, 1), shape (W,)
    variance_factor : ω >= 0, relative quantizer variance, shape (W,); infinite = idle worker, utility 0

    Raises
    ------
    InputError : a value out of its range
    """
    p, omega = np.asarray(straggle_prob, float), np.asarray(variance_factor, float)
    _require(p, (p >= 0) & (p < 1), "straggle_prob", "must lie in [0, 1): leave out a worker that never answers")
    _require(omega, omega >= 0, "variance_factor", "must be >= 0 (infinite for an idle worker)")
    with np.errstate(divide="ignore", over="ignore"):  # p + omega = 0, or next to it: never wrong
        return np.asarray((1 - p) / (p + omega))


def row_masses(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> FloatArray:
    """Return y_i = (1 − p_i) Σ_j a_ij = P u_i/U, shape (W,) [Theorem 1].

    Workers of infinite utility, where there are any, share everything equally: the limit of the formula.

    Raises
    ------
    InputError : no part to hold, or every worker idle
    """
    share = _relative_utilities(straggle_prob, variance_factor, n_parts)  # (W,)
    return np.asarray(n_parts * (share / share.sum()))


def solve_dense(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> FloatArray:
    """Return the closed form in which each worker weighs all parts alike, shape (W, P) [Theorem 1]."""
    masses = row_masses(straggle_prob, variance_factor, n_parts)  # (W,)
    weight = masses / n_parts / (1 - np.asarray(straggle_prob, float))  # (W,)
    return np.repeat(weight[:, None], n_parts, axis=1)  # (W, P)


def solve_sparse(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> csr_array:
    """Return the closed form with at most W + P − 1 nonzeros, shape (W, P) [eq. 22].

    The masses y_i lie end to end on [0, P]; (1 − p_i) a_ij is the length of worker i's segment in [j, j + 1].
    Workers whose mass is below the rounding of a position, 4 P eps, stay idle: relative loss at most 4 W eps.
    """
    share = _relative_utilities(straggle_prob, variance_factor, n_parts)  # (W,)
    rounding = 4 * np.finfo(float).eps
    share = np.where(share > rounding * share.sum(), share, 0.0)
    # The whole parts of 2^40 shares add without rounding and the rest hardly matters, so a million ends
    # are each as accurate as a single one.
    whole = np.floor(share * 2.0**40)
    ends = np.cumsum(whole.astype(np.int64)) + np.cumsum(share * 2.0**40 - whole)  # (W,)
    ends = n_parts * (ends / ends[-1])
    # An end that meets a part's border up to rounding is put on it; left where it is, it would cut off a
    # sliver of 1e-16 and count as one more stored part.
    border = np.rint(ends)
    ends = np.where(np.abs(ends - border) <= rounding * n_parts, border, ends)
    cuts = np.sort(np.concatenate([ends, np.arange(1.0, n_parts + 1)]), kind="stable")  # (W + P,)
    # Lengths are differences of neighbouring cuts, so each column's sum telescopes to one.
    length = np.diff(cuts, prepend=0.0)
    cuts, length = cuts[length > 0], length[length > 0]  # (nnz,) each
    worker = np.searchsorted(ends, cuts)  # the first segment that reaches this cut
    part = np.ceil(cuts).astype(np.int64) - 1
    weight = length / (1 - np.asarray(straggle_prob, float)[worker])
    return csr_array((weight, (worker, part)), shape=(ends.size, n_parts))


def solve_convex(
    straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int
) -> tuple[FloatArray, ConvexStatus]:
    """Solve (c-SP2) as it stands by CVXPY with CLARABEL: the check on the closed form, shape (W, P).

    Minimise Σ_i (1−p_i)(p_i+ω_i)(Σ_j a_ij)² subject to Σ_i (1−p_i) a_ij = 1 for every part [eqs. 18, 19].  The
    row sums alone are determined; a >= 0 is asked for as Lemma 1's bound fails for weights of both signs.

    Raises
    ------
    RuntimeError : the solver returned no answer
    """
    cp: Any = import_module("cvxpy")  # heavy, and untyped
    utility = utilities(straggle_prob, variance_factor)  # (W,)
    _relative_utilities(straggle_prob, variance_factor, n_parts)  # for its complaints
    busy = np.flatnonzero(utility)  # an idle worker has infinite cost, which no solver can be given
    p, omega = np.asarray(straggle_prob, float)[busy], np.asarray(variance_factor, float)[busy]
    cost = np.sqrt((1 - p) * (p + omega))  # (busy,)
    a = cp.Variable((busy.size, n_parts), nonneg=True)
    error = cp.sum_squares(cp.multiply(cost, cp.sum(a, axis=1)))
    program = cp.Problem(cp.Minimize(error), [(1 - p) @ a == 1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")  # the status says so, and the residuals
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    if a.value is None:
        raise RuntimeError(f"CLARABEL found no answer to (c-SP2): {program.status}")
    answer = np.zeros((utility.size, n_parts))  # (W, P)
    answer[busy] = a.value
    return answer, ConvexStatus("CLARABEL", str(program.status), float(program.value))


def residual_bound(a: FloatArray | csr_array, straggle_prob: FloatArray, variance_factor: FloatArray) -> float:
    """Return Σ_i (1−p_i)(p_i+ω_i)(Σ_j a_ij)², the worst-case mean squared error for C = 1 [eq. 10]."""
    utilities(straggle_prob, variance_factor)  # for its complaints
    p, omega = np.asarray(straggle_prob, float), np.asarray(variance_factor, float)
    row = np.asarray(a.sum(axis=1))  # (W,)
    used = row != 0  # an idle worker costs nothing, though its omega is infinite
    return float(np.sum((1 - p[used]) * (p[used] + omega[used]) * row[used] ** 2))


def kkt_residuals(a: FloatArray | csr_array, straggle_prob: FloatArray, variance_factor: FloatArray) -> KktResiduals:
    """Measure how far `a` is from solving (c-SP2), with the multiplier taken from `a` alone.

    At the optimum 2(p_i+ω_i) Σ_j a_ij = λ for every worker [eq. 45]; λ is the mean of the left side under
    the weights u_i/U. An error-free worker (u infinite) makes the optimum 0, and λ = 0.
    """
    utility = utilities(straggle_prob, variance_factor)  # (W,)
    p, omega = np.asarray(straggle_prob, float), np.asarray(variance_factor, float)
    row = np.asarray(a.sum(axis=1))  # (W,)
    least = a.min(axis=1).toarray().ravel() if isinstance(a, csr_array) else a.min(axis=1)  # (W,)
    most_negative = float(np.max((p - 1) * least))
    primal = max(float(np.max(np.abs((1 - p) @ a - 1))), most_negative)
    total = utility.sum()
    multiplier = 2 * np.sum((1 - p) * row) / total
    weighed = np.isfinite(utility) & (utility > 0)
    gradient = 2 * (p[weighed] + omega[weighed]) * row[weighed]
    stationarity = float(np.sqrt(np.sum(utility[weighed] * (gradient - multiplier) ** 2)))
    if np.any(row[utility == 0]):
        stationarity = float("inf")
    scale = 2 * abs(np.sum((1 - p) * row)) / np.sqrt(total)  # λ√U
    # scale 0: either nothing is left to improve, or every error is infinitely many times the optimum
    excess = stationarity / scale if scale > 0 else (float("inf") if stationarity > 0 else 0.0)
    return KktResiduals(stationarity, primal, max(primal, float(excess)))


def _require(values: FloatArray, good: np.ndarray, name: str, rule: str) -> None:
    if not np.all(good):
        worker = int(np.argmin(good))
        raise InputError(f"{name} of worker {worker} is {values.flat[worker]:g}: it {rule}")


def _relative_utilities(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> FloatArray:
    """Return u_i / max u, with the limit 0/1 where a utility is infinite, shape (W,)."""
    utility = utilities(straggle_prob, variance_factor)
    if n_parts < 1:
        raise InputError(f"n_parts is {n_parts}: there must be at least one part")
    if utility.ndim != 1 or not np.any(utility > 0):
        raise InputError(
            f"no worker of {utility.size} can be used, as every utility (1 - p)/(p + omega) is zero: "
            "give bits to at least one"
        )
    largest = utility.max()
    return np.asarray(np.isinf(utility).astype(float) if np.isinf(largest) else utility / largest)
