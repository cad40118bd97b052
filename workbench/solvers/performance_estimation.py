r"""Worst cases of first-order methods as semidefinite programs, between two numbers that need no trust in a solver.

A run is described by a Gram matrix G of its vectors (iterates, gradients, noise) and by function values y. A worst case
is then :math:`\max\ \langle C, G\rangle + c^T y` subject to :math:`\langle A_k, G\rangle + a_k^T y \le b_k` and
:math:`G \succeq 0`. Multipliers :math:`\lambda \ge 0` with :math:`\sum_k \lambda_k a_k = c` give

.. math:: \langle C, G\rangle + c^T y \le \lambda^T b - \langle S, G\rangle, \quad S = \sum_k \lambda_k A_k - C,

hence the upper number: the identity in a_k holds exactly, and what S lacks to be positive semidefinite is paid for by a
bound on the trace of G that is certified in the same way. The lower number is the value at a point moved inside.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from math import fsum
from typing import Any

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import BoolArray, FloatArray, IntArray

ROUNDING = 1e-13  # relative; what forming the matrices, their sums and eigenvalues in doubles may cost
GRID = 2.0**-46  # of the largest multiplier: on this grid sums of multipliers are exact
NEGLIGIBLE = (0.0, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)  # multipliers, of the largest one
GIVEN_UP = 1e-4  # relative distance of the two numbers above which nothing is returned


class CertificateError(ValueError):
    """Multipliers that do not prove the number they come with."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A worst case as a semidefinite program.

    block : of each vector, shape (n,); vectors of two blocks have the inner product 0
    objective, objective_values : C, shape (n, n), and c, shape (m,)
    matrices, values, limits : A, shape (K, n, n), a, shape (K, m), and b, shape (K,)
    is_equal : constraints that hold with equality, shape (K,)
    """

    block: IntArray
    objective: FloatArray
    objective_values: FloatArray
    matrices: FloatArray
    values: FloatArray
    limits: FloatArray
    is_equal: BoolArray

    @property
    def blocks(self) -> list[IntArray]:
        """Indices of the vectors, block by block."""
        return [np.flatnonzero(self.block == each) for each in np.unique(self.block)]


@dataclass(frozen=True, eq=False)
class Certificate:
    """A proof that no run is worse than `upper`: `check` accepts it or raises.

    multipliers : λ, shape (K,)
    trace_multipliers : the same for a bound on the trace of G, shape (K,)
    """

    upper: float
    multipliers: FloatArray
    trace_multipliers: FloatArray


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The worst case, between a feasible point's value and a certified bound.

    gram, function_values : the feasible point, shapes (n, n) and (m,)
    """

    lower: float
    upper: float
    certificate: Certificate
    gram: FloatArray
    function_values: FloatArray


def solve(problem: Problem) -> WorstCase:
    """Solve, and enclose the solution between a feasible value and a certified bound.

    Raises
    ------
    InputError : the solver came nowhere near: constants many orders of magnitude apart
    """
    gram, values, multipliers = _conic(problem)
    _, _, trace_multipliers = _conic(_trace_of(problem))
    draft = Certificate(np.inf, _on_identity(problem, multipliers), _on_identity(_trace_of(problem), trace_multipliers))
    try:
        certificate = replace(draft, upper=_proved(problem, draft))
    except CertificateError as error:
        raise InputError(f"the solver's answer proves nothing ({error}): take constants nearer to each other") from None
    gram, values = _moved_inside(problem, gram, values)
    lower = float(np.sum(problem.objective * gram) + problem.objective_values @ values)
    found = WorstCase(lower, certificate.upper, certificate, gram, values)
    if not found.upper - found.lower <= GIVEN_UP * max(abs(found.upper), abs(found.lower)):
        raise InputError(
            f"the worst case is only known to lie in [{found.lower:.6g}, {found.upper:.6g}]: "
            "take constants nearer to each other, or fewer rounds"
        )
    return found


def check(problem: Problem, certificate: Certificate) -> None:
    """Accept the certificate, or raise.

    Raises
    ------
    CertificateError : its multipliers prove nothing, or less than it says
    """
    proved = _proved(problem, certificate)
    if not proved <= certificate.upper:
        raise CertificateError(f"the multipliers prove {proved!r}, the certificate says {certificate.upper!r}")


def _proved(problem: Problem, certificate: Certificate) -> float:
    """Return the bound that the multipliers prove, whatever it says."""
    of_trace, lacking = _dual(_trace_of(problem), certificate.trace_multipliers)
    if not lacking < 0.5:
        raise CertificateError(f"the trace's slack matrix lacks {lacking:.3g}: it bounds no trace")
    trace = max(of_trace, 0.0) / (1 - lacking)  # tr G ≤ λᵀb + lacking tr G
    value, lacking = _dual(problem, certificate.multipliers)
    return value + lacking * trace * (1 + ROUNDING)


def _dual(problem: Problem, multipliers: FloatArray) -> tuple[float, float]:
    """Return λᵀb and what S lacks to be positive semidefinite, both rounded up."""
    if multipliers.shape != problem.limits.shape or not np.all(np.isfinite(multipliers)):
        raise CertificateError(f"{multipliers.shape} multipliers for {problem.limits.shape} constraints")
    if np.any(multipliers[~problem.is_equal] < 0):
        raise CertificateError(f"a multiplier of an inequality is negative: {multipliers.min():.3g}")
    if any(_missing(problem, multipliers)):
        raise CertificateError("the function values do not cancel")
    slack = np.tensordot(multipliers, problem.matrices, 1) - problem.objective  # S, (n, n)
    eigenvalues = [np.linalg.eigvalsh(slack[np.ix_(own, own)])[0] for own in problem.blocks]
    size = np.linalg.norm(problem.matrices, axis=(1, 2)) @ np.abs(multipliers) + np.linalg.norm(problem.objective)
    terms = multipliers * problem.limits
    value = fsum(terms) + ROUNDING * fsum(np.abs(terms))
    return value, max(0.0, -float(min(eigenvalues))) + ROUNDING * float(size)


def _missing(problem: Problem, multipliers: FloatArray) -> list[Fraction]:
    """c − Σ_k λ_k a_k without rounding, (m,)."""
    missing = [Fraction(each) for each in problem.objective_values]
    for k, j in np.argwhere(problem.values):
        missing[j] -= Fraction(multipliers[k]) * Fraction(problem.values[k, j])
    return missing


def _on_identity(problem: Problem, multipliers: FloatArray) -> FloatArray:
    """Make a solver's multipliers satisfy Σ λ_k a_k = c exactly: on a grid, by those that can best afford it."""
    kept = np.where(problem.is_equal, multipliers, np.maximum(multipliers, 0.0))
    grid = GRID * 2.0 ** np.ceil(np.log2(max(np.abs(kept).max(), 1.0)))
    kept = np.round(kept / grid) * grid
    moved = kept
    for noise in NEGLIGIBLE:  # the less is dropped the better, but nothing may become negative
        moved = _shifted(problem, np.where(np.abs(kept) > noise * np.abs(kept).max(), kept, 0.0))
        if np.all(moved[~problem.is_equal] >= 0):
            break
    return np.asarray(moved)


def _shifted(problem: Problem, multipliers: FloatArray) -> FloatArray:
    """Shift the largest multipliers with independent a_k."""
    moved = multipliers.copy()
    basis: list[int] = []
    for k in np.argsort(-multipliers):
        if np.linalg.matrix_rank(problem.values[[*basis, k]]) > len(basis):
            basis.append(int(k))
    if basis:
        table = [[Fraction(each) for each in row] for row in problem.values[basis].T]  # (m, m)
        for k, shift in zip(basis, _solved(table, _missing(problem, moved)), strict=True):
            moved[k] = float(Fraction(moved[k]) + shift)
    return moved


def _solved(table: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Solve a regular square system without rounding, by Gauss and Jordan."""
    rows = [[*row, value] for row, value in zip(table, right, strict=True)]
    for j in range(len(rows)):
        pivot = next(i for i in range(j, len(rows)) if rows[i][j])
        rows[j], rows[pivot] = rows[pivot], rows[j]
        rows[j] = [each / rows[j][j] for each in rows[j]]
        for i, row in enumerate(rows):
            if i != j and row[j]:
                rows[i] = [each - row[j] * top for each, top in zip(row, rows[j], strict=True)]
    return [row[-1] for row in rows]


def _trace_of(problem: Problem) -> Problem:
    """The problem of the largest tr G under the same constraints."""
    return replace(
        problem, objective=np.eye(len(problem.block)), objective_values=np.zeros_like(problem.objective_values)
    )


def _conic(problem: Problem, *, inside: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ask CLARABEL for G, y and λ; with `inside` for a point away from all constraints instead."""
    cp: Any = import_module("cvxpy")  # untyped
    squares = [cp.Variable((own.size, own.size), symmetric=True) for own in problem.blocks]
    values, room = cp.Variable(problem.objective_values.size), cp.Variable()
    entries = cp.hstack([cp.vec(each, order="C") for each in squares])
    picked = [np.ravel_multi_index(np.ix_(own, own), problem.objective.shape).ravel() for own in problem.blocks]
    index = np.concatenate(picked)
    flat = problem.matrices.reshape(len(problem.limits), -1)[:, index]  # (K, entries)
    size = np.maximum(np.linalg.norm(flat, axis=1), np.linalg.norm(problem.values, axis=1))  # (K,)
    left = cp.multiply(1 / size, flat @ entries + problem.values @ values - problem.limits)
    free, tied = np.flatnonzero(~problem.is_equal), np.flatnonzero(problem.is_equal)
    constraints: list[Any] = [left[free] <= (-room if inside else 0)]
    constraints += [left[tied] == 0] if tied.size else []
    constraints += [each >> (room * np.eye(each.shape[0]) if inside else 0) for each in squares]
    constraints += [room <= 1]
    goal = room if inside else problem.objective.ravel()[index] @ entries + problem.objective_values @ values
    program = cp.Problem(cp.Maximize(goal), constraints)
    with warnings.catch_warnings(), suppress(cp.SolverError):
        warnings.simplefilter("ignore")  # how accurate it is comes out below
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11, ignore_dpp=True)
    if entries.value is None or constraints[0].dual_value is None:
        raise InputError(
            f"the solver says '{program.status}': the worst case is unbounded, or no run fits the constants"
        )
    gram = np.zeros(problem.objective.shape)
    gram.ravel()[index] = entries.value
    multipliers = np.zeros(len(problem.limits))
    multipliers[free] = constraints[0].dual_value
    if tied.size:
        multipliers[tied] = constraints[1].dual_value
    return gram, np.asarray(values.value, float), multipliers / size


def _moved_inside(problem: Problem, gram: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move a solver's point towards an inner one, no farther than needed to be feasible despite rounding."""
    inner_gram, inner_values, _ = _conic(problem, inside=True)
    near, inner = (_on_equalities(problem, *each) for each in ((gram, values), (inner_gram, inner_values)))
    low, high = 0.0, 1.0
    if not _is_feasible(problem, *inner):
        raise InputError("no run lies strictly within the constants: one of them leaves no freedom, move it a little")
    for _ in range(60):
        middle = (low + high) / 2
        mixed = [(1 - middle) * a + middle * b for a, b in zip(near, inner, strict=True)]
        low, high = (low, middle) if _is_feasible(problem, *mixed) else (middle, high)
    gram, values = ((1 - high) * a + high * b for a, b in zip(near, inner, strict=True))
    return gram, values


def _on_equalities(problem: Problem, gram: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Project on the constraints that hold with equality."""
    tied = np.flatnonzero(problem.is_equal)
    rows = np.hstack([problem.matrices[tied].reshape(tied.size, gram.size), problem.values[tied]])
    point = np.concatenate([gram.ravel(), values])
    if tied.size:
        point = point - np.linalg.lstsq(rows, rows @ point - problem.limits[tied], rcond=None)[0]
    return point[: gram.size].reshape(gram.shape), point[gram.size :]


def _is_feasible(problem: Problem, gram: FloatArray, values: FloatArray) -> bool:
    """Whether a point satisfies every inequality with room for rounding."""
    parts = np.abs(problem.matrices).reshape(len(problem.limits), -1) @ np.abs(gram).ravel()
    size = parts + np.abs(problem.values) @ np.abs(values) + np.abs(problem.limits)  # (K,)
    left = np.tensordot(problem.matrices, gram, 2) + problem.values @ values - problem.limits  # (K,)
    if np.any((left > -ROUNDING * size)[~problem.is_equal]):
        return False
    room = ROUNDING * np.trace(gram)
    return all(np.linalg.eigvalsh(gram[np.ix_(own, own)])[0] > room for own in problem.blocks)
