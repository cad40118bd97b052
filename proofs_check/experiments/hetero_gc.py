"""Theorems 2 and 3 of hetero_gc against simulation, with their own step sizes.

C is the largest squared part gradient met in the runs, the other constants are the problem's own.
"""

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from proofs_check.experiments.experiment import Comparison, Experiment, Outcome, average_so_far, run
from proofs_check.experiments.problems import alike
from workbench.bounds import hetero_gc
from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Assumption, Status
from workbench.core.errors import InputError
from workbench.core.types import DelayModel, FloatArray, IntArray, Problem, Trajectory
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, InverseSqrtStep, InverseTimeStep, StepSize
from workbench.solvers.optimal_structure import utilities
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.profile import StragglerProfile
from workbench.verdicts import bounded_gradients, simulated_independence

ROUNDING = 1e-9  # relative; designs are exact to about 1e-12, and 1e-9 changes no verdict

Rule = Literal["constant", "decaying"]


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
) -> Outcome:
    """Run η_t = 1/(μt) and hold E‖x_T − x*‖² against Theorem 2, T = 1, ..., n_iters + 1.

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
    step_size = InverseTimeStep(1 / reg.strong_convexity)
    experiment = Experiment(
        hetero_gc.theorem_2,
        "given",
        partial(CodedSgd, Setting(problem, delay), code, step_size, deadline_s),
        compare_theorem_2,
        n_runs,
        n_iters,
        seed,
        checkpoints=tuple(range(n_iters + 1)),
        false_alarm=false_alarm,
    )
    return run(experiment)


def check_theorem_3(
    problem: Problem,
    code: GradientCode,
    delay: DelayModel,
    *,
    rule: Rule,
    deadline_s: float | None,
    n_iters: int,
    n_runs: int,
    seed: int,
    loss_floor: float | None = None,
    false_alarm: float = 1e-3,
) -> Outcome:
    """Run one of the two step rules and hold the squared gradient against Theorem 3.

    constant: η = 1/(L√(n_iters+1)), the average over x_0, ..., x_T for every T up to n_iters; the theorem
    itself is the last checkpoint, the others rest on the same inequality (74). decaying: η_0 = 1/L, the
    least mean.

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
    step_size = _theorem_3_step(rule, reg.smoothness, n_iters)
    experiment = Experiment(
        hetero_gc.theorem_3_constant if rule == "constant" else hetero_gc.theorem_3_decaying,
        "given",
        partial(CodedSgd, Setting(problem, delay), code, step_size, deadline_s),
        partial(compare_theorem_3, rule=rule, loss_floor=floor),
        n_runs,
        n_iters,
        seed,
        checkpoints=tuple(range(n_iters + 1)),
        false_alarm=false_alarm,
    )
    return run(experiment)


def compare_theorem_2(scheme: CodedSgd, trajectory: Trajectory, at: IntArray) -> Comparison:
    """Hold the errors of x_{t+1} beside Theorem 2 and the recursion behind it; x_1 is the start."""
    problem = scheme.setting.problem
    utility, assumptions = _code_assumptions(scheme)
    reg, bounded = bounded_gradients(problem.regularity, trajectory)
    start = float(trajectory.error_sq[0, 0])
    convex = Assumption(hetero_gc.STRONGLY_CONVEX, True, f"mu = {reg.strong_convexity:.4g}, from the problem")
    most = (reg.grad_bound_sq or 0.0) * problem.n_parts**2 / (reg.strong_convexity or np.inf) ** 2  # ‖∇F‖²/μ²
    return Comparison(
        trajectory.error_sq[:, at],
        hetero_gc.theorem_2(reg, problem.n_parts, utility, at + 1),
        (*assumptions, bounded, convex),
        start,
        max(most, start),
        hetero_gc.theorem_2_recursion(reg, problem.n_parts, utility, at + 1, start_error_sq=start),
        {"utility": utility, "grad_bound_sq": reg.grad_bound_sq or 0.0, "start_error_sq": start},
    )


def compare_theorem_3(
    scheme: CodedSgd, trajectory: Trajectory, at: IntArray, *, rule: Rule, loss_floor: float | None = None
) -> Comparison:
    """Hold the average, or the least, squared gradient beside Theorem 3 and the recursion behind it."""
    problem = scheme.setting.problem
    utility, assumptions = _code_assumptions(scheme)
    reg, bounded = bounded_gradients(problem.regularity, trajectory)
    largest = 1 / (reg.smoothness or np.inf)
    floor = (reg.optimal_loss or 0.0) if loss_floor is None else loss_floor
    gap = float(trajectory.loss[0, 0]) - floor
    n_iters = int(trajectory.iterations[-1])
    if rule == "constant":
        steps = np.full(n_iters + 1, largest / np.sqrt(n_iters + 1))  # (T+1,)
        samples = average_so_far(trajectory.grad_sq, at)
        bound = hetero_gc.theorem_3_constant(reg, problem.n_parts, utility, at, loss_gap=gap, planned=n_iters)
    else:
        steps = largest / np.sqrt(np.arange(n_iters + 1) + 1.0)  # (T+1,)
        samples = trajectory.grad_sq[:, at]
        bound = hetero_gc.theorem_3_decaying(reg, problem.n_parts, utility, at, loss_gap=gap, first_step=largest)
    recursion = hetero_gc.theorem_3_recursion(reg, problem.n_parts, utility, steps, loss_gap=gap)
    smooth = Assumption(hetero_gc.SMOOTH, True, f"L = {reg.smoothness:.4g}, from the problem")
    small = Assumption(hetero_gc.SMALL_STEP, True, f"largest step {steps.max():.4g}, 1/L = {largest:.4g}")
    start = float(trajectory.grad_sq[0, 0])
    most = (reg.grad_bound_sq or 0.0) * problem.n_parts**2
    return Comparison(
        samples,
        bound,
        (*assumptions, bounded, smooth, small),
        start,
        start if rule == "decaying" else max(most, start),
        replace(recursion, value=recursion.value[at]),
        {"utility": utility, "grad_bound_sq": reg.grad_bound_sq or 0.0, "loss_gap": gap},
        least=rule == "decaying",
    )


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


def _code_assumptions(scheme: CodedSgd) -> tuple[float, tuple[Assumption, ...]]:
    """Return U and the assumptions on code and stragglers that both theorems share."""
    code, setting, deadline_s = scheme.code, scheme.setting, scheme.deadline_s
    straggle_prob = setting.delay.straggle_prob(np.inf if deadline_s is None else deadline_s)  # (W,)
    factor = np.where(code.bits > 0, code.quantizer.variance_factor(setting.problem.dim), np.inf)  # (W,)
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


def _theorem_3_step(rule: Rule, smoothness: float, n_iters: int) -> StepSize:
    return (
        ConstantStep(1 / (smoothness * np.sqrt(n_iters + 1))) if rule == "constant" else InverseSqrtStep(1 / smoothness)
    )


UNEQUAL = (0.1, 0.3) * 6  # straggling probabilities


def coded_sgd(
    rule: Literal["inverse_time", "constant", "decaying"],
    n_iters: int,
    *,
    straggle_prob: tuple[float, ...] = UNEQUAL,
    n_parts: int = 12,
    dim: int = 16,
    spread: float = 2.0,
    bias: float = 1.0,
) -> CodedSgd:
    """Train F = ‖x‖²/2 + const with the optimal code of 2 bits a worker, with the theorems' steps.

    Parameters
    ----------
    spread : as in `problems.alike`; the start is at distance 1
    bias : what the code's weights are multiplied by; 1 keeps it unbiased
    """
    problem = alike(n_parts, [1.0] * dim, spread=spread, distance=1.0)
    prob = np.array(straggle_prob)  # (W,)
    spec = DesignSpec(n_parts=n_parts, dim=dim, bit_budget=2 * prob.size)
    code = optimally_structured.design(StragglerProfile(prob), spec, rng=np.random.default_rng(0))
    step = InverseTimeStep(1.0) if rule == "inverse_time" else _theorem_3_step(rule, 1.0, n_iters)
    delay = Bernoulli(prob, answer_s=1.0)
    return CodedSgd(Setting(problem, delay), replace(code, encode=code.encode * bias), step)


FEW = {"straggle_prob": (0.1, 0.3), "n_parts": 4, "dim": 100}


def _second(setting: str, n_iters: int, *, config: dict[str, Any] | None = None, **more: Any) -> Experiment:
    scheme = partial(coded_sgd, "inverse_time", n_iters, **(config or {}))
    return Experiment(hetero_gc.theorem_2, setting, scheme, compare_theorem_2, 100, n_iters, **more)


def _third(rule: Rule, setting: str, n_iters: int, *, config: dict[str, Any] | None = None, **more: Any) -> Experiment:
    bound = hetero_gc.theorem_3_constant if rule == "constant" else hetero_gc.theorem_3_decaying
    scheme, compare = partial(coded_sgd, rule, n_iters, **(config or {})), partial(compare_theorem_3, rule=rule)
    return Experiment(bound, setting, scheme, compare, 100, n_iters, **more)


EXPERIMENTS = (
    _second("informative", 400, within=60),
    _second("vacuous", 2),
    _second("biased", 400, config={"bias": 0.9}, expected=Status.OUTSIDE_ASSUMPTIONS),
    _third("constant", "informative", 400, within=5),
    _third("constant", "vacuous", 1, config=FEW),
    _third("decaying", "informative", 400, config={"spread": 1.0}, within=80),
    _third("decaying", "vacuous", 3, config=FEW),
)
