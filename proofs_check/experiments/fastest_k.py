"""Proposition 1, Lemma 1 and Theorem 1 of fastest_k against simulation.

Every worker keeps its part, and all parts have one Hessian: the variance of one worker's gradient is the same at
every x, and all constants are exact. Lemma 1 is looked at in seconds: a run's error at time t is that after the rounds
it has done by then.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from proofs_check.experiments.experiment import Comparison, Experiment
from proofs_check.experiments.problems import alike, disagreement_sq
from workbench.bounds import fastest_k
from workbench.core.claims import Assumption, Bound, Status, claim_of
from workbench.core.types import DelayModel, FloatArray, IntArray, Regularity, Trajectory
from workbench.schemes import fastest_k_scheduled
from workbench.schemes.fastest_k import FastestK
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep
from workbench.schemes.wait_schedule import ScheduledFastestK, bound_constants
from workbench.solvers import switch_times
from workbench.stragglers.delays import exponential, loglogistic, shifted_exponential
from workbench.stragglers.order_statistics import mean_kth, var_kth

N_WORKERS = 10
SHARE = 0.6  # of the mean seconds of all rounds: so far every run gets
RATE = 1.0  # of the exponential delays, 1/s
MEMORYLESS = partial(exponential.build, rate_per_s=RATE)


def waiting(
    n_wait: int,
    step_size: float,
    *,
    n_workers: int = N_WORKERS,
    delay: Callable[[int], DelayModel] = MEMORYLESS,
    spectrum: tuple[float, ...] = (1.0, 1.0),
    spread: float = 1.0,
    distance: float = 2.0,
) -> FastestK:
    """Build fastest-k SGD with a fixed k on `problems.alike`."""
    problem = alike(n_workers, list(spectrum), spread=spread, distance=distance)
    return FastestK(Setting(problem, delay(n_workers)), ConstantStep(step_size), n_wait)


def switching(step_size: float, *, spread: float = 1.0, distance: float = 2.0) -> ScheduledFastestK:
    """Build the scheme that switches at the times of Theorem 1."""
    problem = alike(N_WORKERS, [1.0, 1.0], spread=spread, distance=distance)
    setting = Setting(problem, exponential.build(N_WORKERS, rate_per_s=RATE))
    return fastest_k_scheduled.build(setting, step_size=ConstantStep(step_size), policy="theorem_1")


def step_of(scheme: FastestK | ScheduledFastestK) -> float:
    """η."""
    return float(scheme.step_size(1, np.zeros(1, np.int64)))


def constants(scheme: FastestK | ScheduledFastestK) -> tuple[Regularity, float]:
    """Return the problem's constants, with σ²/s for s = 1, and F − F* at the start."""
    problem, reg = scheme.setting.problem, scheme.setting.problem.regularity
    start = problem.initial()[None]
    var = float(disagreement_sq(problem, start)[0])
    reg = Regularity(reg.strong_convexity, reg.smoothness, grad_var=var, optimal_loss=reg.optimal_loss)
    return reg, float(problem.loss(start)[0]) - (reg.optimal_loss or 0.0)


def assumptions(scheme: FastestK | ScheduledFastestK, needed: tuple[str, ...], floor: float) -> tuple[Assumption, ...]:
    """Look at what a bound assumes."""
    reg, gap = constants(scheme)
    step, most = step_of(scheme), 1 / (2 * (reg.smoothness or np.inf))
    found = (
        Assumption(fastest_k.SMOOTH, True, f"L = {reg.smoothness:.4g}, exact"),
        Assumption(fastest_k.CONVEX, True, f"c = {reg.strong_convexity:.4g}, exact"),
        Assumption(
            fastest_k.VARIANCE, True, f"sigma²/s = {reg.grad_var:.4g} at every x, M = 0; k different parts have less"
        ),
        Assumption(
            fastest_k.FIXED_PARTS, True, "by construction: worker i keeps part i, delays are continuous and iid"
        ),
        Assumption(fastest_k.SMALL_STEP, step <= most, f"step {step:.4g}, 1/(2L) = {most:.4g}"),
        Assumption(fastest_k.IID, True, "by construction: delays are drawn apart from the gradients"),
        Assumption(fastest_k.ABOVE_FLOOR, gap >= floor, f"gap {gap:.4g}, floor {floor:.4g}"),
    )
    return tuple(each for each in found if each.name in needed)


def compare_rounds(
    scheme: FastestK, trajectory: Trajectory, at: IntArray, *, bound: Callable[..., Bound]
) -> Comparison:
    """Hold F − F* after j rounds beside Proposition 1."""
    reg, gap = constants(scheme)
    sizes = (N_WORKERS, scheme.n_wait) if bound is fastest_k.proposition_1_fixed_parts else (scheme.n_wait, 1.0)
    value = bound(reg, *sizes, at, step_size=step_of(scheme), gap=gap)
    sharper = None
    if bound is fastest_k.proposition_1:
        sharper = fastest_k.proposition_1_recursion(reg, scheme.n_wait, 1.0, at, step_size=step_of(scheme), gap=gap)
    looked_at = assumptions(scheme, claim_of(bound).assumes, 0.0)
    samples = trajectory.loss[:, at] - (reg.optimal_loss or 0.0)
    return Comparison(samples, value, looked_at, gap, recursion=sharper, constants={"grad_var": reg.grad_var or 0.0})


def rounds_done(trajectory: Trajectory, time_s: FloatArray) -> IntArray:
    """Count the rounds that each run has done by the times (K,), shape (R, K).

    Raises
    ------
    ValueError : a run that ended before
    """
    if trajectory.seconds[:, -1].min() < time_s.max():
        raise ValueError(f"a run ends at {trajectory.seconds[:, -1].min():g} s, before {time_s.max():g} s: more rounds")
    return np.stack([np.searchsorted(run, time_s, side="right") - 1 for run in trajectory.seconds])


def compare_seconds(
    scheme: FastestK,
    trajectory: Trajectory,
    at: IntArray,
    *,
    bound: Callable[..., Bound],
    slack: float = 0.0,
    share: float = SHARE,
) -> Comparison:
    """Hold F − F* after `share` of the mean seconds of so many rounds beside Lemma 1.

    With slack ε the lemma is about runs that have done (1 − ε)t/μ rounds by then: the others count as 0, which makes
    the mean no larger than under this condition.
    """
    reg, gap = constants(scheme)
    k, step = scheme.n_wait, step_of(scheme)
    mean_wait = float(mean_kth(scheme.setting.delay)[k - 1])
    time_s = np.asarray(share * mean_wait * at, np.float64)  # (K,)
    done = rounds_done(trajectory, time_s)  # (R, K)
    samples = np.take_along_axis(trajectory.loss, done, axis=1) - (reg.optimal_loss or 0.0)
    if slack:
        samples = np.where(done >= (1 - slack) * time_s / mean_wait, samples, 0.0)
    if bound is fastest_k.lemma_1_in_the_mean:
        value = bound(reg, scheme.setting.n_workers, k, 1.0, time_s, rate=RATE, step_size=step, gap=gap)
    else:
        value = bound(reg, k, 1.0, time_s, mean_wait=mean_wait, step_size=step, gap=gap, slack=slack)
    floor = float(fastest_k.proposition_1(reg, k, 1.0, np.inf, step_size=step, gap=gap).value[0])
    looked_at = assumptions(scheme, claim_of(bound).assumes, floor)
    return Comparison(samples, value, looked_at, gap, constants={"mean_wait": mean_wait, "floor": floor})


def compare_failures(
    scheme: FastestK,
    trajectory: Trajectory,
    at: IntArray,
    *,
    bound: Callable[..., Bound],
    slack: float,
    share: float = SHARE,
) -> Comparison:
    """Hold how often fewer than (1 − ε)t/μ rounds are done beside the probability of Lemma 1; at most 1 is known."""
    k, delay = scheme.n_wait, scheme.setting.delay
    mean_wait, wait_var = float(mean_kth(delay)[k - 1]), float(var_kth(delay)[k - 1])
    time_s = np.asarray(share * mean_wait * at, np.float64)  # (K,)
    samples = (rounds_done(trajectory, time_s) < (1 - slack) * time_s / mean_wait).astype(float)
    value = bound(time_s, mean_wait=mean_wait, wait_var=wait_var, slack=slack)
    looked_at = assumptions(scheme, claim_of(bound).assumes, 0.0)
    return Comparison(samples, value, looked_at, 1.0, constants={"mean_wait": mean_wait, "wait_var": wait_var})


def compare_switching(scheme: ScheduledFastestK, trajectory: Trajectory, at: IntArray, *, end_s: float) -> Comparison:
    """Hold F − F* up to end_s seconds beside e(t), which Theorem 1 switches by [eqs. 17, 24]."""
    reg, gap = constants(scheme)
    policy = switch_times.theorem_1(
        **bound_constants(
            scheme.setting,
            scheme.step_size,
            strong_convexity=None,
            smoothness=None,
            grad_var=None,
            gap=None,
            replacement=True,
        )
    )
    time_s = end_s * at / trajectory.iterations[-1]  # (K,)
    samples = np.take_along_axis(trajectory.loss, rounds_done(trajectory, time_s), axis=1) - (reg.optimal_loss or 0.0)
    needed = (fastest_k.SMOOTH, fastest_k.CONVEX, fastest_k.VARIANCE, fastest_k.SMALL_STEP, fastest_k.IID)
    looked_at = assumptions(scheme, needed, 0.0)
    return Comparison(samples, Bound(policy.error(time_s), fastest_k.GAP), looked_at, gap)


def _rounds(bound: Callable[..., Bound], kind: str, n_iters: int, scheme: Callable[[], Any], **more: Any) -> Experiment:
    return Experiment(
        bound, kind, scheme, partial(compare_rounds, bound=bound), **({"n_runs": 200} | more), n_iters=n_iters
    )


def _seconds(
    bound: Callable[..., Bound], kind: str, n_iters: int, scheme: Callable[[], Any], slack: float = 0.0, **more: Any
) -> Experiment:
    compare = partial(compare_seconds, bound=bound, slack=slack)
    return Experiment(bound, kind, scheme, compare, **({"n_runs": 200} | more), n_iters=n_iters)


STEP, K = 0.1, 4
UNEVEN = partial(waiting, K, STEP, spectrum=(1.0, 2.0))
NOISY = partial(waiting, K, 0.5, spread=4.0, distance=0.5)  # the floor is above the start
# η L v/(2ck) = F(x_0) − F*: the start is the floor itself, where Lemma 1 has nothing to promise
AT_FLOOR = partial(waiting, K, STEP, spread=1.0, distance=(1 + 1e-9) * (STEP / K) ** 0.5)
HEAVY = partial(loglogistic.build, median_s=1.0, shape=2.5)
STEADY = partial(shifted_exponential.build, shift_s=1.0, rate_per_s=50.0)

EXPERIMENTS = (
    _rounds(fastest_k.proposition_1, "informative", 200, partial(waiting, K, STEP), within=5),
    _rounds(fastest_k.proposition_1, "vacuous", 40, NOISY, n_runs=1000),
    _rounds(fastest_k.proposition_1_recursion, "informative", 200, UNEVEN, within=5),
    _rounds(fastest_k.proposition_1_recursion, "vacuous", 40, NOISY, n_runs=1000),
    _rounds(fastest_k.proposition_1_fixed_parts, "informative", 200, partial(waiting, K, STEP), within=3),
    _rounds(fastest_k.proposition_1_fixed_parts, "vacuous", 20, NOISY, n_runs=4000),
    _seconds(fastest_k.lemma_1, "informative", 200, partial(waiting, K, STEP), slack=0.3, within=5),
    _seconds(fastest_k.lemma_1, "vacuous", 100, AT_FLOOR, slack=0.3),
    _seconds(fastest_k.lemma_1_in_the_mean, "informative", 200, partial(waiting, K, STEP), within=5),
    _seconds(fastest_k.lemma_1_in_the_mean, "vacuous", 100, AT_FLOOR, n_runs=1000),
    _seconds(
        fastest_k.lemma_1,
        "in_the_mean",
        60,
        partial(waiting, 2, 0.5, n_workers=2, delay=HEAVY, spread=0.0),
        n_runs=4000,
        expected=Status.REFUTED,
    ),
    Experiment(
        fastest_k.lemma_1_failure_repaired,
        "informative",
        partial(waiting, K, STEP),
        partial(compare_failures, bound=fastest_k.lemma_1_failure_repaired, slack=0.4),
        4000,
        15,
        within=20,
    ),
    Experiment(
        fastest_k.lemma_1_failure_repaired,
        "vacuous",
        partial(waiting, K, STEP),
        partial(compare_failures, bound=fastest_k.lemma_1_failure_repaired, slack=0.5, share=0.1),
        1000,
        10,
        checkpoints=(6, 8, 10),
    ),
    Experiment(
        fastest_k.lemma_1_failure,
        "printed",
        partial(waiting, K, STEP, delay=STEADY),
        partial(compare_failures, bound=fastest_k.lemma_1_failure, slack=0.3, share=0.95),
        1000,
        4,
        checkpoints=(2,),
        expected=Status.REFUTED,
    ),
    Experiment(
        fastest_k.theorem_1,
        "informative",
        partial(switching, STEP),
        partial(compare_switching, end_s=20.0),
        200,
        200,
        within=15,
    ),
    Experiment(
        fastest_k.theorem_1,
        "vacuous",
        partial(switching, STEP, spread=4.0, distance=0.1),
        partial(compare_switching, end_s=20.0),
        200,
        200,
    ),
)
