"""Trajectory x bound -> verdict: simulated means with confidence bands against what a theorem promises."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from workbench.bounds import hetero_gc
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Assumption, Bound, Claim, Grade, Status, Verdict, claim_of
from workbench.core.errors import InputError
from workbench.core.types import DelayModel, FloatArray, IntArray, Problem, Regularity, Trajectory
from workbench.engine.loop import simulate
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, InverseSqrtStep, InverseTimeStep
from workbench.solvers.optimal_structure import utilities

ROUNDING = 1e-9  # relative; designs are exact to about 1e-12, and 1e-9 changes no verdict


@dataclass(frozen=True)
class Band:
    """A mean over runs between two curves that hold it at every checkpoint at once, shapes (K,)."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    false_alarm: float
    n_runs: int
    n_diverged: int = 0

    def running_min(self) -> "Band":
        """Return the band of the least mean so far: on the event that all K intervals hold, so does it."""
        mean, low, high = np.minimum.accumulate([self.mean, self.low, self.high], axis=1)
        return replace(self, mean=mean, low=low, high=high)


def confidence_band(samples: FloatArray, *, false_alarm: float = 1e-3) -> Band:
    """Put a simultaneous confidence band around the mean over runs.

    Student intervals at level false_alarm/(2K) on either side: by Bonferroni all K of them hold with
    probability 1 - false_alarm, however the checkpoints depend on each other. Student's law is exact for
    normal samples; for skewed ones see `judge`.

    Parameters
    ----------
    samples : one row a run, independent of each other, shape (R, K)
    false_alarm : probability that the band misses the mean somewhere

    Raises
    ------
    InputError : fewer than two runs, or false_alarm outside (0, 1)
    """
    n_runs, n_points = samples.shape
    if n_runs < 2:
        raise InputError(f"{n_runs} run: a confidence band needs at least 2, ask for more runs")
    if not 0 < false_alarm < 1:
        raise InputError(f"false_alarm is {false_alarm}: it is a probability, say 0.001")
    finite = np.isfinite(samples).all(axis=1)  # (R,)
    if not finite.all():
        unknown = np.full(n_points, np.nan)
        return Band(unknown, unknown, unknown, false_alarm, n_runs, int(np.sum(~finite)))
    mean = samples.mean(axis=0)  # (K,)
    quantile = stats.t.ppf(1 - false_alarm / (2 * n_points), n_runs - 1)
    half = quantile * samples.std(axis=0, ddof=1) / np.sqrt(n_runs)  # (K,)
    return Band(mean, mean - half, mean + half, false_alarm, n_runs)


def judge(
    claim: Claim,
    samples: FloatArray,
    bound: FloatArray,
    assumptions: Sequence[Assumption] = (),
    *,
    false_alarm: float = 1e-3,
) -> Verdict:
    """Hold the simulated mean of `samples` against the claim's upper bound at every checkpoint.

    HOLDS: all upper ends lie below the bound; REFUTED: some lower end lies above it; else
    UNDERDETERMINED. A failed assumption makes it OUTSIDE_ASSUMPTIONS, whatever the numbers say. Either wrong
    verdict has probability false_alarm at most for normal samples. To say HOLDS wrongly, the interval of one
    checkpoint must fail, at level false_alarm/(2K): the factor 2K is the margin for samples skewed to the
    right, whose upper ends fail more often than Student's law says; their lower ends fail less often.

    Parameters
    ----------
    samples : the bounded quantity, one row a run, shape (R, K)
    bound : upper bound on its expectation, shape (K,)
    assumptions : those of the claim, looked at
    """
    return judge_band(claim, confidence_band(samples, false_alarm=false_alarm), bound, assumptions)


def judge_band(claim: Claim, band: Band, bound: FloatArray, assumptions: Sequence[Assumption] = ()) -> Verdict:
    """Hold a band that is already computed against a bound, as `judge` does."""
    if bound.shape != band.mean.shape or np.isnan(bound).any() or np.any(bound < 0):
        raise InputError(
            f"bound of shape {bound.shape} for {band.mean.size} checkpoints: give one number >= 0 for each"
        )
    rounding = 1 + band.n_runs * np.finfo(float).eps  # of a mean of n_runs terms
    status, explanation = _compare(band, bound * rounding)
    failed = [a.name for a in assumptions if a.holds is False]
    unknown = [a.name for a in assumptions if a.holds is None]
    if failed:
        status = Status.OUTSIDE_ASSUMPTIONS
        explanation = f"not satisfied: {', '.join(failed)}; for what it is worth, {explanation}"
    elif unknown:
        status = Status.UNDERDETERMINED
        explanation = f"nothing is known about: {', '.join(unknown)}; {explanation}"
    return Verdict(claim, status, Grade.TESTED, explanation, _evidence(band, bound), tuple(assumptions))


def _compare(band: Band, bound: FloatArray) -> tuple[Status, str]:
    if band.n_diverged:
        return Status.UNDERDETERMINED, f"{band.n_diverged} of {band.n_runs} runs diverged: no mean to compare"
    confidence = f"simultaneous confidence {1 - band.false_alarm:.4g} over {band.mean.size} checkpoints"
    above = np.flatnonzero(band.low > bound)
    if above.size:
        worst = above[np.argmax(band.low[above] - bound[above])]
        return Status.REFUTED, (
            f"at checkpoint {worst} the mean of {band.n_runs} runs is {band.mean[worst]:.4g}, at least "
            f"{band.low[worst]:.4g}, against a bound of {bound[worst]:.4g}, {confidence}"
        )
    if np.all(band.high <= bound):
        return Status.HOLDS, f"the mean of {band.n_runs} runs stays below the bound, {confidence}"
    open_points = int(np.sum(band.high > bound))
    return Status.UNDERDETERMINED, (
        f"the band of {band.n_runs} runs straddles the bound at {open_points} checkpoints, {confidence}: "
        "more runs would decide"
    )


def _evidence(band: Band, bound: FloatArray) -> dict[str, float]:
    evidence = {
        "runs": float(band.n_runs),
        "checkpoints": float(bound.size),
        "false_alarm": band.false_alarm,
        "diverged": float(band.n_diverged),
    }
    seen = (band.mean > 0) & np.isfinite(bound)  # (K,)
    if seen.any():
        looseness = bound[seen] / band.mean[seen]  # (K',)
        evidence |= {
            "looseness_min": float(looseness.min()),
            "looseness_median": float(np.median(looseness)),
            "looseness_final": float(looseness[-1]),
        }
        if looseness.min() > 0:
            evidence["max_ratio"] = float(1 / looseness.min())
    return evidence


@dataclass(frozen=True)
class TheoremCheck:
    """A theorem against a simulation with its own step size; the curves have shape (K,)."""

    verdict: Verdict
    quantity: str
    iterations: IntArray  # steps taken
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    bound: FloatArray
    recursion: FloatArray  # the sharper bound from the recursion behind the theorem


def check_theorem_2(
    problem: Problem,
    code: GradientCode,
    delay: DelayModel,
    *,
    deadline_s: float | None,
    n_iters: int,
    n_runs: int,
    seed: int,
    false_alarm: float = 1e-3,
) -> TheoremCheck:
    """Run η_t = 1/(μt) and hold E‖x_T − x*‖² against Theorem 2 of hetero_gc, T = 1, ..., n_iters + 1.

    C is the largest squared part gradient met in these runs, the other constants are the problem's own.

    Raises
    ------
    InputError : a problem that claims no strong convexity or no optimum
    """
    reg = problem.regularity
    if reg.strong_convexity is None or reg.optimum is None:
        raise InputError(
            f"Theorem 2 needs strong convexity and a known optimum, which {problem.name} does not claim: "
            "check Theorem 3, or take least_squares"
        )
    utility, assumptions = _code_assumptions(problem, code, delay, deadline_s)
    trajectory = simulate(
        CodedSgd(Setting(problem, delay), code, InverseTimeStep(1 / reg.strong_convexity), deadline_s),
        n_iters=n_iters,
        n_runs=n_runs,
        seed=seed,
        checkpoints=range(n_iters + 1),
    )
    reg, bounded = bounded_gradients(reg, trajectory)
    last = trajectory.iterations + 1  # x_1 is the start
    start = float(trajectory.error_sq[0, 0])
    bound = hetero_gc.theorem_2(reg, problem.n_parts, utility, last)
    recursion = hetero_gc.theorem_2_recursion(reg, problem.n_parts, utility, last, start_error_sq=start)
    convex = Assumption(hetero_gc.STRONGLY_CONVEX, True, f"mu = {reg.strong_convexity:.4g}, from the problem")
    band = confidence_band(trajectory.error_sq, false_alarm=false_alarm)
    verdict = judge_band(claim_of(hetero_gc.theorem_2), band, bound.value, (*assumptions, bounded, convex))
    constants = {"utility": utility, "grad_bound_sq": reg.grad_bound_sq or 0.0, "start_error_sq": start}
    return _check(verdict, trajectory.iterations, band, bound, recursion, constants)


def check_theorem_3(
    problem: Problem,
    code: GradientCode,
    delay: DelayModel,
    *,
    rule: Literal["constant", "decaying"],
    deadline_s: float | None,
    n_iters: int,
    n_runs: int,
    seed: int,
    loss_floor: float | None = None,
    false_alarm: float = 1e-3,
) -> TheoremCheck:
    """Run one of the two step rules and hold the squared gradient against Theorem 3 of hetero_gc.

    constant: η = 1/(L√(n_iters+1)), the average over x_0, ..., x_T for every T up to n_iters; the theorem
    itself is the last checkpoint, the others rest on the same inequality (74). decaying: η_0 = 1/L, the
    least mean. C is measured as in `check_theorem_2`.

    Parameters
    ----------
    loss_floor : a lower bound of F; by default the problem's optimal loss
    """
    reg = problem.regularity
    floor = reg.optimal_loss if loss_floor is None else loss_floor
    if reg.smoothness is None or floor is None:
        raise InputError(
            f"Theorem 3 needs smoothness and a lower bound of the loss, {problem.name} claims {reg.smoothness} "
            f"and {floor}: give loss_floor"
        )
    utility, assumptions = _code_assumptions(problem, code, delay, deadline_s)
    largest = 1 / reg.smoothness
    constant = largest / np.sqrt(n_iters + 1)
    step_size = ConstantStep(constant) if rule == "constant" else InverseSqrtStep(largest)
    trajectory = simulate(
        CodedSgd(Setting(problem, delay), code, step_size, deadline_s),
        n_iters=n_iters,
        n_runs=n_runs,
        seed=seed,
        checkpoints=range(n_iters + 1),
    )
    reg, bounded = bounded_gradients(reg, trajectory)
    last = trajectory.iterations  # x_0 is the start
    gap = float(trajectory.loss[0, 0]) - floor
    if rule == "constant":
        steps = np.full(last.size, constant)  # (K,)
        average = np.cumsum(trajectory.grad_sq, axis=1) / (last + 1)  # (R, K)
        band = confidence_band(average, false_alarm=false_alarm)
        claim = claim_of(hetero_gc.theorem_3_constant)
        bound = hetero_gc.theorem_3_constant(reg, problem.n_parts, utility, last, loss_gap=gap, planned=n_iters)
    else:
        steps = largest / np.sqrt(last + 1.0)  # (K,)
        band = confidence_band(trajectory.grad_sq, false_alarm=false_alarm).running_min()
        claim = claim_of(hetero_gc.theorem_3_decaying)
        bound = hetero_gc.theorem_3_decaying(reg, problem.n_parts, utility, last, loss_gap=gap, first_step=largest)
    recursion = hetero_gc.theorem_3_recursion(reg, problem.n_parts, utility, steps, loss_gap=gap)
    smooth = Assumption(hetero_gc.SMOOTH, True, f"L = {reg.smoothness:.4g}, from the problem")
    small = Assumption(hetero_gc.SMALL_STEP, True, f"largest step {steps.max():.4g}, 1/L = {largest:.4g}")
    verdict = judge_band(claim, band, bound.value, (*assumptions, bounded, smooth, small))
    constants = {"utility": utility, "grad_bound_sq": reg.grad_bound_sq or 0.0, "loss_gap": gap}
    return _check(verdict, last, band, bound, recursion, constants)


def unbiased_code(weights: FloatArray, straggle_prob: FloatArray) -> Assumption:
    """Look at (12), Σ_i (1 − p_i) a_ij = 1 for every part, for weights a of shape (W, P)."""
    deviation = float(np.abs((1 - straggle_prob) @ weights - 1).max())
    return Assumption(
        hetero_gc.UNBIASED, deviation <= ROUNDING, f"largest |sum_i (1 - p_i) a_ij - 1| is {deviation:.2g}"
    )


def optimal_structure(weights: FloatArray, straggle_prob: FloatArray, variance_factor: FloatArray) -> Assumption:
    """Look at Theorem 1: the weights' (W, P) worst-case error is k²/U.

    An unbiased code has this least error if and only if its row masses are the optimal ones and no weight is
    negative: it is Lemma 1's with |a_ij|, which negative weights only raise.
    """
    worst = float(hetero_gc.lemma_1(weights, straggle_prob, variance_factor, 1.0).value)
    total = float(utilities(straggle_prob, variance_factor).sum())
    least = float(hetero_gc.lemma_2(weights.shape[1], total, 1.0).value)
    return Assumption(
        hetero_gc.OPTIMAL,
        abs(worst - least) <= ROUNDING * least,
        f"worst-case error {worst:.6g} against the least {least:.6g}",
    )


def bounded_gradients(reg: Regularity, trajectory: Trajectory) -> tuple[Regularity, Assumption]:
    """Measure C, the largest squared part gradient that the runs met at their checkpoints."""
    met = trajectory.part_grad_sq[np.isfinite(trajectory.part_grad_sq)]
    largest = float(met.max(initial=0.0))
    where = f"C = {largest:.4g} is the largest met by these {len(trajectory.part_grad_sq)} runs"
    if reg.strong_convexity is not None:
        where += "; it holds along the runs only: no bound on all of R^d exists beside strong convexity"
    bounded = not bool(trajectory.diverged.any())
    return replace(reg, grad_bound_sq=largest), Assumption(hetero_gc.BOUNDED, bounded, where)


def simulated_independence() -> Assumption:
    """State that simulated stragglers are independent."""
    return Assumption(
        hetero_gc.INDEPENDENT, True, "by construction: the delay model draws workers and rounds independently"
    )


def logged_independence(overdispersion: float, p_value: float, *, level: float = 0.01) -> Assumption:
    """Look at a log: variance of the stragglers a round over that of independent workers, and its p-value.

    A small p-value refutes independence; a large one leaves it open, it proves nothing.
    """
    return Assumption(
        hetero_gc.INDEPENDENT,
        False if p_value < level else None,
        f"stragglers a round vary {overdispersion:.3g} times as much as independent ones would (p = {p_value:.2g})",
    )


def _code_assumptions(
    problem: Problem, code: GradientCode, delay: DelayModel, deadline_s: float | None
) -> tuple[float, tuple[Assumption, ...]]:
    """Return U and the assumptions on code and stragglers that both theorems share."""
    straggle_prob = delay.straggle_prob(np.inf if deadline_s is None else deadline_s)  # (W,)
    factor = np.where(code.bits > 0, code.quantizer.variance_factor(problem.dim), np.inf)  # (W,)
    utility = float(utilities(straggle_prob, factor).sum())
    if isinstance(code.decoder, FixedDecoder):
        weights = code.decoder.decode[:, None] * code.encode_dense  # (W, P)
        about = unbiased_code(weights, straggle_prob), optimal_structure(weights, straggle_prob, factor)
    else:
        moving = "the decoder depends on who answered: there are no fixed weights a_ij"
        about = (
            Assumption(hetero_gc.UNBIASED, None, moving),
            Assumption(hetero_gc.OPTIMAL, False, moving),
        )
    return utility, (*about, simulated_independence())


def _check(
    verdict: Verdict, iterations: IntArray, band: Band, bound: Bound, recursion: Bound, constants: dict[str, float]
) -> TheoremCheck:
    """Put the curves beside the verdict, and the constants and the recursion's looseness into its evidence."""
    if band.mean[-1] > 0:
        constants["recursion_looseness_final"] = float(recursion.value[-1] / band.mean[-1])
    return TheoremCheck(
        replace(verdict, evidence=dict(verdict.evidence) | constants),
        bound.quantity,
        iterations,
        band.mean,
        band.low,
        band.high,
        bound.value,
        recursion.value,
    )
