"""Exact worst cases beside the bounds: how much of a bound is true, for small T.

Each function takes what its bounds take and gives the largest value that the bounded quantity can have over all losses
of the assumed class, all starts and all noise with the assumed moments, in any dimension, enclosed by a feasible value
and a certified bound (`solvers.performance_estimation`). The noise is not tied to a code: the placement or the code
enters by its second moments, as it does in the proofs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.bounds import compskip, fastest_k, hetero_gc, onebit_gc, quantimed
from workbench.core.claims import Bound
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, Regularity
from workbench.solvers.first_order_runs import Descent, Feedback, by_pepit, of_descent, of_feedback
from workbench.solvers.performance_estimation import solve


@dataclass(frozen=True, eq=False)
class WorstCases:
    """Worst cases of `quantity`, one for each T asked for, none below `lower` and none above `upper`, shapes (K,).

    runs : what the T stand for, to be solved again or shown to PEPit
    """

    lower: FloatArray
    upper: FloatArray
    quantity: str
    runs: tuple[Descent | Feedback, ...] = ()

    def by_pepit(self) -> FloatArray:
        """Ask PEPit for the same numbers over noise of two equally likely values, NaN where it cannot say, (K,).

        Raises
        ------
        InputError : PEPit is not installed, or more than three rounds, where the tree of runs has too many branches
        """
        if any(isinstance(run, Descent) and run.is_noisy and len(run.steps) > 3 for run in self.runs):
            raise InputError("PEPit goes through the whole tree of noise: ask for at most 3 rounds")
        if not self.runs:
            return np.full(self.upper.shape, np.nan)
        values = []
        for run in self.runs:
            if isinstance(run, Feedback):
                values.append(np.nan)
                continue
            own, unit = run.in_own_units()
            values.append(unit * by_pepit(own))
        return np.array(values)


Function = Callable[..., WorstCases]
BESIDE: dict[str, Function] = {}


def beside(*bounds: Callable[..., Any]) -> Callable[[Function], Function]:
    """Put a worst case beside the bounds whose quantity it takes to its largest, under their keys."""

    def attach(function: Function) -> Function:
        for bound in bounds:
            BESIDE[f"{bound.__module__.rpartition('.')[2]}/{bound.__name__}"] = function
        return function

    return attach


@beside(fastest_k.proposition_1, fastest_k.proposition_1_recursion)
def worst_case_proposition_1(
    reg: Regularity,
    n_wait: int,
    part_size: float,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    gap: float,
    var_growth: float = 0.0,
    strongly_convex: bool = True,
) -> WorstCases:
    """Worst E[F − F*] after j rounds.

    Parameters
    ----------
    n_iters : j, shape (K,)
    strongly_convex : over strongly convex losses, exactly. Else over all that satisfy the weaker assumption
        2c(F − F*) ≤ ‖∇F‖²: `lower` stays where it is, and `upper` uses the assumption at the iterates only
    """
    bound = fastest_k.proposition_1_recursion(
        reg, n_wait, part_size, n_iters, step_size=step_size, gap=gap, var_growth=var_growth
    )
    smoothness, convexity = float(reg.smoothness or 0), float(reg.strong_convexity or 0)
    batch = n_wait * part_size

    def run(j: int, lowest: float, dominated: float) -> Descent:
        return Descent(
            (step_size,) * j,
            "loss gap",
            lowest,
            smoothness,
            loss_gap=gap,
            noise=float(reg.grad_var or 0) / batch,
            noise_by_grad=var_growth / batch,
            dominated=dominated,
        )

    rounds = _rounds(n_iters, bound)
    convex = _solved((run(j, convexity, 0.0) for j in rounds), bound)
    if strongly_convex:
        return convex
    weaker = _solved((run(j, -smoothness, convexity) for j in rounds), bound)
    return WorstCases(convex.lower, np.maximum(weaker.upper, convex.upper), bound.quantity, weaker.runs)


@beside(hetero_gc.theorem_2, hetero_gc.theorem_2_recursion)
def worst_case_hetero_gc_theorem_2(
    reg: Regularity, n_parts: int, utility: float, n_iters: npt.ArrayLike, *, start_error_sq: float | None = None
) -> WorstCases:
    """Worst E‖x_T − x*‖² under η_t = 1/(μt), where ‖∇F‖² ≤ Ck² and E‖ĝ − ∇F‖² ≤ Ck²/U at every iterate.

    Parameters
    ----------
    start_error_sq : ‖x_1 − x*‖² exactly; by default any
    """
    bound = hetero_gc.theorem_2(reg, n_parts, utility, n_iters)
    error = float(hetero_gc.lemma_2(n_parts, utility, float(reg.grad_bound_sq or 0)).value)
    return _harmonic(reg, n_parts, error, n_iters, bound, start_error_sq)


@beside(onebit_gc.theorem_1)
def worst_case_onebit_gc_theorem_1(
    reg: Regularity, replication: npt.ArrayLike, n_workers: int, dim: int, straggle_prob: float, n_iters: npt.ArrayLike
) -> WorstCases:
    """Worst E‖x_T − x*‖² under 1/(λt) of a pair-wise balanced placement."""
    bound = onebit_gc.theorem_1(reg, replication, n_workers, dim, straggle_prob, n_iters)
    error = _balanced_error(reg, replication, n_workers, dim, straggle_prob)
    return _harmonic(reg, np.size(replication), error, n_iters, bound, None)


@beside(onebit_gc.theorem_1_repaired)
def worst_case_onebit_gc_theorem_1_repaired(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike
) -> WorstCases:
    """Worst E‖x_T − x*‖² under 1/(λt) of any placement."""
    bound = onebit_gc.theorem_1_repaired(reg, mass, dim, straggle_prob, n_iters)
    error = _placement_error(reg, mass, dim, straggle_prob)
    return _harmonic(reg, float(np.sum(mass)), error, n_iters, bound, None)


@beside(onebit_gc.theorem_1_recursion)
def worst_case_onebit_gc_theorem_1_recursion(
    reg: Regularity,
    mass: FloatArray,
    dim: int,
    straggle_prob: float,
    step_sizes: FloatArray,
    *,
    start_error_sq: float,
) -> WorstCases:
    """Worst E‖x_t − x*‖² of x_1, ..., x_{K+1} under any step sizes, from a start at most so far away."""
    steps = np.atleast_1d(np.asarray(step_sizes, float))  # (K,)
    bound = onebit_gc.theorem_1_recursion(reg, mass, dim, straggle_prob, steps, start_error_sq=start_error_sq)
    error = _placement_error(reg, mass, dim, straggle_prob)
    runs = (
        Descent(
            tuple(steps[:t].tolist()),
            "squared distance",
            float(reg.strong_convexity or 0),
            np.inf,
            distance_sq=start_error_sq,
            noise=error,
            grad_bound_sq=float(reg.grad_bound_sq or 0) * float(np.sum(mass)) ** 2,
        )
        for t in range(steps.size + 1)
    )
    return _solved(runs, bound)


@beside(hetero_gc.theorem_3_constant)
def worst_case_hetero_gc_theorem_3_constant(
    reg: Regularity,
    n_parts: int,
    utility: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    planned: int | None = None,
) -> WorstCases:
    """Worst average of E‖∇F‖² under the constant step size 1/(L√(T+1))."""
    bound = hetero_gc.theorem_3_constant(reg, n_parts, utility, n_iters, loss_gap=loss_gap, planned=planned)
    error = float(hetero_gc.lemma_2(n_parts, utility, float(reg.grad_bound_sq or 0)).value)
    smoothness = float(reg.smoothness or 0)
    tables = (
        np.full(last, 1 / (smoothness * np.sqrt((last if planned is None else planned) + 1)))
        for last in _rounds(n_iters, bound)
    )
    return _not_convex(reg, n_parts, error, tables, bound, loss_gap)


@beside(hetero_gc.theorem_3_decaying)
def worst_case_hetero_gc_theorem_3_decaying(
    reg: Regularity, n_parts: int, utility: float, n_iters: npt.ArrayLike, *, loss_gap: float, first_step: float
) -> WorstCases:
    """Worst least E‖∇F‖² of x_0, ..., x_T under η_0/√(t+1)."""
    bound = hetero_gc.theorem_3_decaying(reg, n_parts, utility, n_iters, loss_gap=loss_gap, first_step=first_step)
    error = float(hetero_gc.lemma_2(n_parts, utility, float(reg.grad_bound_sq or 0)).value)
    tables = (first_step / np.sqrt(np.arange(1.0, last + 1)) for last in _rounds(n_iters, bound))
    return _not_convex(reg, n_parts, error, tables, bound, loss_gap, least=True)


@beside(hetero_gc.theorem_3_recursion)
def worst_case_hetero_gc_theorem_3_recursion(
    reg: Regularity, n_parts: int, utility: float, step_sizes: FloatArray, *, loss_gap: float
) -> WorstCases:
    """Worst average of E‖∇F‖² with the weights η_t(1 − Lη_t/2), at every T = 0, 1, ..."""
    steps = np.atleast_1d(np.asarray(step_sizes, float))  # (K,)
    bound = hetero_gc.theorem_3_recursion(reg, n_parts, utility, steps, loss_gap=loss_gap)
    error = float(hetero_gc.lemma_2(n_parts, utility, float(reg.grad_bound_sq or 0)).value)
    return _weighted(reg, n_parts, error, steps, bound, loss_gap)


@beside(onebit_gc.descent_recursion)
def worst_case_onebit_gc_descent_recursion(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, step_sizes: FloatArray, *, loss_gap: float
) -> WorstCases:
    """Worst average of E‖∇F‖² with the weights γ_t − Sγ_t², at every T = 0, 1, ..., of any placement."""
    steps = np.atleast_1d(np.asarray(step_sizes, float))  # (K,)
    bound = onebit_gc.descent_recursion(reg, mass, dim, straggle_prob, steps, loss_gap=loss_gap)
    error = _placement_error(reg, mass, dim, straggle_prob)
    return _weighted(reg, float(np.sum(mass)), error, steps, bound, loss_gap)


@beside(onebit_gc.theorem_2_repaired)
def worst_case_onebit_gc_theorem_2_repaired(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike, *, loss_gap: float
) -> WorstCases:
    """Worst average of E‖∇F‖² under the step size (21) of any placement."""
    bound = onebit_gc.theorem_2_repaired(reg, mass, dim, straggle_prob, n_iters, loss_gap=loss_gap)
    steps = onebit_gc.theorem_2_step(float(reg.smoothness or 0), n_iters)
    error = _placement_error(reg, mass, dim, straggle_prob)
    tables = (np.full(last, step) for last, step in zip(_rounds(n_iters, bound), steps, strict=True))
    return _not_convex(reg, float(np.sum(mass)), error, tables, bound, loss_gap)


@beside(onebit_gc.theorem_2_best)
def worst_case_onebit_gc_theorem_2_best(
    reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float, n_iters: npt.ArrayLike, *, loss_gap: float
) -> WorstCases:
    """Worst average of E‖∇F‖² under `best_step` of any placement."""
    bound = onebit_gc.theorem_2_best(reg, mass, dim, straggle_prob, n_iters, loss_gap=loss_gap)
    steps = onebit_gc.best_step(reg, mass, dim, straggle_prob, n_iters, loss_gap=loss_gap)
    error = _placement_error(reg, mass, dim, straggle_prob)
    tables = (np.full(last, step) for last, step in zip(_rounds(n_iters, bound), steps, strict=True))
    return _not_convex(reg, float(np.sum(mass)), error, tables, bound, loss_gap)


@beside(onebit_gc.theorem_3_repaired)
def worst_case_onebit_gc_theorem_3_repaired(
    reg: Regularity,
    mass: FloatArray,
    dim: int,
    straggle_prob: float,
    n_iters: npt.ArrayLike,
    *,
    loss_gap: float,
    first_step: float,
) -> WorstCases:
    """Worst least E‖∇F‖² of x_0, ..., x_T under the step sizes (24) of any placement."""
    bound = onebit_gc.theorem_3_repaired(
        reg, mass, dim, straggle_prob, n_iters, loss_gap=loss_gap, first_step=first_step
    )
    error = _placement_error(reg, mass, dim, straggle_prob)
    tables = (
        onebit_gc.theorem_3_steps(float(reg.smoothness or 0), first_step, last)[:last]
        for last in _rounds(n_iters, bound)
    )
    return _not_convex(reg, float(np.sum(mass)), error, tables, bound, loss_gap, least=True)


@beside(compskip.theorem_1_corrected)
def worst_case_compskip_theorem_1_corrected(
    reg: Regularity,
    n_iters: npt.ArrayLike,
    *,
    n_workers: int,
    dim: int,
    error_step: float,
    error_decay: float,
    first_step: float,
    loss_gap: float,
) -> WorstCases:
    """Worst least E‖∇f‖² of Algorithm 1, min(2LΔ, ω²) at every T: a server that always skips never moves x.

    No loss has more at x_0, and ½Lx² has as much, or Huber's loss where ω² is less.
    """
    bound = compskip.theorem_1_corrected(
        reg,
        n_iters,
        n_workers=n_workers,
        dim=dim,
        error_step=error_step,
        error_decay=error_decay,
        first_step=first_step,
        loss_gap=loss_gap,
    )
    largest = min(2 * float(reg.smoothness or 0) * loss_gap, float(reg.grad_bound_sq or 0))
    curve = np.full(np.shape(bound.value), largest)  # (K,)
    return WorstCases(curve, curve, bound.quantity)


@beside(compskip.theorem_1_repaired, compskip.theorem_1_recursion)
def worst_case_compskip_theorem_1_repaired(
    reg: Regularity,
    n_iters: npt.ArrayLike,
    *,
    contraction: npt.ArrayLike,
    server_contraction: float,
    step_size: float,
    loss_gap: float,
) -> WorstCases:
    """Worst average of E‖∇f‖² over x_0, ..., x_{T−1} of the scheme compskip_repaired, for any compressors.

    The workers' noise is uncorrelated given the past, which is all that the proof uses of its independence.
    """
    bound = compskip.theorem_1_recursion(
        reg,
        n_iters,
        contraction=contraction,
        server_contraction=server_contraction,
        step_size=step_size,
        loss_gap=loss_gap,
    )
    kept = tuple((1 - np.atleast_1d(np.asarray(contraction, float))).tolist())
    runs = (
        Feedback(
            last,
            step_size,
            float(reg.smoothness or 0),
            loss_gap,
            float(reg.grad_bound_sq or 0),
            float(reg.grad_var or 0),
            kept,
            1 - server_contraction,
        )
        for last in _rounds(n_iters, bound)
    )
    return _solved(runs, bound)


@beside(quantimed.theorem_1_recursion)
def worst_case_quantimed_theorem_1_recursion(
    reg: Regularity,
    weights: FloatArray,
    n_iters: npt.ArrayLike,
    *,
    step_size: float,
    mixing_step: float,
    quantizer_var: float,
    inverse_batch: float,
    start_error_sq: float,
    grad_sq: float = 0.0,
    some_prob: float = 1.0,
) -> WorstCases:
    r"""Worst E‖x_T − x*_α‖², where all that is known of ½xᵀ(I − W)x + ραΣf_i(x_i) are its extreme curvatures.

    They are ραμ and 1 − λ_W + ραK, and the noise's variance is at most N + 2α²ρ(1 − ρ)K²‖x − x*_α‖².
    """
    bound = quantimed.theorem_1_recursion(
        reg,
        weights,
        n_iters,
        step_size=step_size,
        mixing_step=mixing_step,
        quantizer_var=quantizer_var,
        inverse_batch=inverse_batch,
        start_error_sq=start_error_sq,
        grad_sq=grad_sq,
        some_prob=some_prob,
    )
    net, smoothness = quantimed.Averaging(weights), float(reg.smoothness or 0)
    lost = 2 * step_size**2 * some_prob * (1 - some_prob)
    sampling = step_size**2 * net.n_workers * float(reg.grad_var or 0) * inverse_batch
    runs = (
        Descent(
            (mixing_step,) * last,
            "squared distance",
            some_prob * step_size * float(reg.strong_convexity or 0),
            net.widest + some_prob * step_size * smoothness,
            distance_sq=start_error_sq,
            noise=quantizer_var * net.noise_of_all + sampling + lost * grad_sq,
            noise_by_distance=lost * smoothness**2,
        )
        for last in _rounds(n_iters, bound)
    )
    return _solved(runs, bound)


def _harmonic(
    reg: Regularity, n_parts: float, error: float, n_iters: npt.ArrayLike, bound: Bound, start_error_sq: float | None
) -> WorstCases:
    """Step sizes 1/(μt), t = 1, 2, ..., to x_T from x_1."""
    convexity = float(reg.strong_convexity or 0)
    runs = (
        Descent(
            tuple((1 / (convexity * np.arange(1, last))).tolist()),
            "squared distance",
            convexity,
            np.inf,
            distance_sq=np.inf if start_error_sq is None else start_error_sq,
            distance_is_exact=start_error_sq is not None,
            noise=error,
            grad_bound_sq=float(reg.grad_bound_sq or 0) * n_parts**2,
        )
        for last in _rounds(n_iters, bound)
    )
    return _solved(runs, bound)


def _not_convex(
    reg: Regularity,
    n_parts: float,
    error: float,
    tables: Iterable[FloatArray],
    bound: Bound,
    loss_gap: float,
    *,
    least: bool = False,
    weights: Iterable[FloatArray] = (),
) -> WorstCases:
    """One run for each table of step sizes, of a smooth loss with bounded part gradients."""
    smoothness, grad_sq = float(reg.smoothness or 0), float(reg.grad_bound_sq or 0) * n_parts**2
    given = iter(weights)
    runs = (
        Descent(
            tuple(steps.tolist()),
            "least squared gradient" if least else "mean squared gradient",
            -smoothness,
            smoothness,
            weights=tuple(np.asarray(next(given, ())).tolist()),
            loss_gap=loss_gap,
            noise=error,
            grad_bound_sq=grad_sq,
        )
        for steps in tables
    )
    return _solved(runs, bound)


def _weighted(
    reg: Regularity, n_parts: float, error: float, steps: FloatArray, bound: Bound, loss_gap: float
) -> WorstCases:
    """The average of the descent inequality, at every T."""
    descent = steps * (1 - float(reg.smoothness or 0) * steps / 2)  # (K,)
    tables = [steps[:last] for last in range(steps.size)]
    weights = [descent[: last + 1] for last in range(steps.size)]
    return _not_convex(reg, n_parts, error, tables, bound, loss_gap, weights=weights)


def _solved(runs: Iterable[Descent | Feedback], bound: Bound) -> WorstCases:
    """Solve every run in its own units."""
    solved, lower, upper = tuple(runs), [], []
    for run in solved:
        own, unit = run.in_own_units()
        found = solve(of_descent(own) if isinstance(own, Descent) else of_feedback(own))
        lower.append(unit * found.lower)
        upper.append(unit * found.upper)
    return WorstCases(np.array(lower), np.array(upper), bound.quantity, solved)


def _rounds(n_iters: npt.ArrayLike, bound: Bound) -> list[int]:
    """The T asked for, already accepted by the bound."""
    rounds: IntArray = np.atleast_1d(np.asarray(n_iters))
    if rounds.shape != np.shape(bound.value) or np.any(rounds != np.round(rounds)) or np.any(rounds < 0):
        raise InputError(f"n_iters is {rounds.tolist()}: worst cases are for whole numbers of rounds")
    return [int(each) for each in rounds]


def _placement_error(reg: Regularity, mass: FloatArray, dim: int, straggle_prob: float) -> float:
    """V = κ C Σ ℓ², the worst E‖ĝ − ∇F‖²."""
    factor = onebit_gc.noise_factor(dim, straggle_prob)
    return float(reg.grad_bound_sq or 0) * factor * float(np.sum(np.asarray(mass) ** 2))


def _balanced_error(
    reg: Regularity, replication: npt.ArrayLike, n_workers: int, dim: int, straggle_prob: float
) -> float:
    """V of a pair-wise balanced placement: Lemma 2 without its first term."""
    second_moment = float(onebit_gc.lemma_2(reg, replication, n_workers, dim, straggle_prob).value)
    return second_moment - float(reg.grad_bound_sq or 0) * np.size(replication) ** 2
