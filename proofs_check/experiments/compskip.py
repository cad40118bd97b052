"""Theorem 1 of compskip against simulation: as printed, corrected for Algorithm 1, and of the repaired scheme.

The corrected form has no informative setting. With A = Σ η_t/c, ω² ≥ ‖∇f(x_0)‖² and Δ ≥ ‖∇f(x_0)‖²/(2L) it is, for
every γ and in the limit of small steps, at least ‖∇f(x_0)‖² (1/(LA) + (LA)²/3) ≥ (3/2)^(2/3) ‖∇f(x_0)‖²: more than the
first gradient, which is among those it bounds the least of. Larger steps only raise it, on a grid of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from proofs_check.experiments.experiment import Comparison, Experiment, average_so_far, from_one_on
from proofs_check.experiments.problems import alike, sample_variance
from workbench.bounds import compskip
from workbench.core.claims import Assumption, Bound, Status, claim_of
from workbench.core.types import FloatArray, IntArray, Regularity, Trajectory
from workbench.schemes import compskip as printed_scheme
from workbench.schemes import compskip_repaired as repaired_scheme
from workbench.schemes.compskip import CompSkip
from workbench.schemes.compskip_repaired import RepairedCompSkip
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, GeometricStep
from workbench.stragglers.delays.bernoulli import Bernoulli

NEVER_INFORMATIVE = {"compskip/theorem_1_corrected": (3 / 2) ** (2 / 3)}  # its least value, in ‖∇f(x_0)‖²


def setting(n_workers: int, dim: int, spread: float, sample_noise: float) -> Setting:
    """Build f = ‖x‖²/2 + const, one part a worker; no worker is ever late, skips are coins."""
    problem = alike(n_workers, [1.0] * dim, spread=spread, distance=1.0, part_size=dim + 3, sample_noise=sample_noise)
    return Setting(problem, Bernoulli(np.zeros(n_workers), answer_s=1.0))


def repaired(
    step_size: float,
    *,
    n_workers: int = 4,
    dim: int = 2,
    spread: float = 1.0,
    sample_noise: float = 0.5,
    keep_prob: float = 1.0,
    skip_prob: float = 0.1,
    batch_size: int | None = 2,
) -> RepairedCompSkip:
    """Build the repaired scheme; workers and server skip alike."""
    return repaired_scheme.build(
        setting(n_workers, dim, spread, sample_noise),
        step_size=ConstantStep(step_size),
        keep_prob=keep_prob,
        server_keep_prob=keep_prob,
        worker_skip_prob=skip_prob,
        server_skip_prob=skip_prob,
        batch_size=batch_size,
    )


def algorithm_1(
    n_iters: int,
    first_step: float,
    *,
    n_workers: int = 4,
    dim: int = 2,
    spread: float = 1.0,
    sample_noise: float = 0.5,
    error_step: float = 0.1,
    skip_prob: float = 0.1,
    batch_size: int | None = 2,
) -> CompSkip:
    """Build Algorithm 1 without momentum, with c' = c|S|/M, c̃ = c, γ = 1 − 1/(T + 1) and η_t = η_0 γ^(−t)."""
    decay = 1 - 1 / (n_iters + 1)
    return printed_scheme.build(
        setting(n_workers, dim, spread, sample_noise),
        step_size=GeometricStep(first_step, 1 / decay),
        worker_error_step=error_step,
        server_error_step=error_step,
        momentum=0.0,
        error_decay=decay,
        worker_skip_prob=skip_prob,
        server_skip_prob=skip_prob,
        batch_size=batch_size,
    )


def watch(scheme: CompSkip | RepairedCompSkip, state: Any) -> Mapping[str, FloatArray]:
    """Measure the largest variance of a worker's gradient, by all samples of its part."""
    batch, n_workers = scheme.batch_size, scheme.setting.n_workers
    if batch is None:
        return {"grad_var": np.zeros(len(state.x))}
    everywhere = np.repeat(state.x[:, None], n_workers, axis=1)  # (R, W, D)
    return {"grad_var": sample_variance(scheme.setting.problem, everywhere).max(axis=1) / batch}


def facts(
    scheme: CompSkip | RepairedCompSkip, trajectory: Trajectory
) -> tuple[Regularity, tuple[Assumption, ...], dict[str, Any]]:
    """Measure ω² and σ² on the runs; return what all bounds share: constants, assumptions, arguments."""
    n_workers, reg = scheme.setting.n_workers, scheme.setting.problem.regularity
    alive = not bool(trajectory.diverged.any())
    mean_sq = n_workers**2 * float(trajectory.part_grad_sq.max())
    var = float(trajectory.measures["grad_var"].max())
    reg = replace(reg, grad_bound_sq=mean_sq, grad_var=var)
    assumptions = (
        Assumption(compskip.SMOOTH, True, f"L = {reg.smoothness:.4g}, exact"),
        Assumption(compskip.BOUNDED, alive, f"omega² = {mean_sq:.4g}, sigma² = {var:.4g}, the largest met by the runs"),
        Assumption(compskip.NOISE, True, "by construction: workers draw their batches independently"),
    )
    gap = float(trajectory.loss[0, 0]) - (reg.optimal_loss or 0.0)
    return reg, assumptions, {"loss_gap": gap}


def compare_repaired(
    scheme: RepairedCompSkip, trajectory: Trajectory, at: IntArray, *, bound: Callable[..., Bound]
) -> Comparison:
    """Hold the average of ‖∇f(x_t)‖², t < T, beside the repaired Theorem 1 and the recursion behind it."""
    reg, assumptions, more = facts(scheme, trajectory)
    dim = scheme.setting.problem.dim
    at_workers = np.array(
        [repaired_scheme.contraction(scheme.keep_prob, dim, skip) for skip in scheme.worker_skip_prob.tolist()]
    )
    at_server = repaired_scheme.contraction(scheme.server_keep_prob, dim, scheme.server_skip_prob)
    step = float(scheme.step_size(1, np.zeros(1, np.int64)))
    more |= {"contraction": at_workers, "server_contraction": at_server, "step_size": step}
    most = 1 / (2 * (reg.smoothness or np.inf))
    assumptions += (
        Assumption(compskip.CONTRACTION, True, f"delta >= {at_workers.min():.4g} and {at_server:.4g}, exact"),
        Assumption(compskip.SMALL_STEP, step <= most, f"step {step:.4g}, 1/(2L) = {most:.4g}"),
    )
    start = float(trajectory.grad_sq[0, 0])
    sharper = None if bound is compskip.theorem_1_recursion else compskip.theorem_1_recursion(reg, at, **more)
    constants = {"grad_bound_sq": reg.grad_bound_sq or 0.0, "grad_var": reg.grad_var or 0.0}
    return Comparison(
        average_so_far(trajectory.grad_sq, at - 1),
        bound(reg, at, **more),
        assumptions,
        start,
        max(start, reg.grad_bound_sq or 0.0),
        sharper,
        constants,
    )


def compare_algorithm_1(
    scheme: CompSkip, trajectory: Trajectory, at: IntArray, *, bound: Callable[..., Bound]
) -> Comparison:
    """Hold ‖∇f(x_t)‖², t < T, beside Theorem 1: the average beside the printed form, the least beside the corrected."""
    reg, assumptions, more = facts(scheme, trajectory)
    problem, n_workers, c = scheme.setting.problem, scheme.setting.n_workers, scheme.worker_error_step
    balanced = scheme.message_weight == "balanced" and scheme.server_error_step == c
    assumptions += (
        Assumption(compskip.BALANCED, balanced, f"c = {c:g}, server's {scheme.server_error_step:g}"),
        Assumption(compskip.NO_MOMENTUM, scheme.momentum == 0, f"momentum {scheme.momentum:g}"),
    )
    more |= {"n_workers": n_workers, "error_step": c}
    start = float(trajectory.grad_sq[0, 0])
    constants = {"grad_bound_sq": reg.grad_bound_sq or 0.0, "grad_var": reg.grad_var or 0.0}
    least = bound is not compskip.theorem_1
    if least:
        first = float(scheme.step_size(1, np.zeros(1, np.int64)))
        more |= {"dim": problem.dim, "error_decay": scheme.error_decay, "first_step": first}
    else:
        message = n_workers * problem.part_grads(problem.initial()[None])[0]  # first messages, (W, D)
        small = np.abs(message).sum(axis=1) <= c * problem.dim / 2  # (W,): E‖c sign_β(p) − p‖² ≥ ‖p‖²
        text = f"c sign_β is farther from the first message than 0 is, for {small.sum()} of {n_workers} workers"
        assumptions += (Assumption(compskip.CONTRACTION, False if small.any() else None, text),)
        most = 1 - scheme.error_decay**2  # the printed proof's largest δ
        grad_sq = (reg.grad_bound_sq or 0.0) + (reg.grad_var or 0.0)
        more["held_sq"] = float(compskip.lemma_2(most, most, n_workers, n_workers, grad_sq).value)
    needed = claim_of(bound).assumes
    return Comparison(
        trajectory.grad_sq[:, at - 1] if least else average_so_far(trajectory.grad_sq, at - 1),
        bound(reg, at, **more),
        tuple(each for each in assumptions if each.name in needed),
        start,
        start if least else max(start, reg.grad_bound_sq or 0.0),
        None,
        constants,
        least,
    )


def _repaired(bound: Callable[..., Bound], kind: str, n_iters: int, **more: Any) -> Experiment:
    """Step 1/(2L√T), L = 1."""
    scheme = partial(repaired, 1 / (2 * np.sqrt(n_iters)), **more.pop("config", {}))
    compare = partial(compare_repaired, bound=bound)
    return Experiment(bound, kind, scheme, compare, 60, n_iters, watch=watch, checkpoints=from_one_on(n_iters), **more)


def _algorithm_1(bound: Callable[..., Bound], kind: str, n_iters: int, first_step: float, **more: Any) -> Experiment:
    scheme = partial(algorithm_1, n_iters, first_step, **more.pop("config", {}))
    compare = partial(compare_algorithm_1, bound=bound)
    return Experiment(bound, kind, scheme, compare, 60, n_iters, watch=watch, checkpoints=from_one_on(n_iters), **more)


EASY = {"spread": 0.5, "sample_noise": 0.25, "skip_prob": 0.02}

EXPERIMENTS = (
    _repaired(compskip.theorem_1_repaired, "informative", 600, config=EASY, within=40),
    _repaired(compskip.theorem_1_repaired, "vacuous", 100, config={"dim": 20}),
    _repaired(compskip.theorem_1_recursion, "informative", 600, config=EASY, within=15),
    _repaired(compskip.theorem_1_recursion, "vacuous", 100, config={"dim": 20}),
    _algorithm_1(compskip.theorem_1_corrected, "vacuous", 100, 5e-4),
    _algorithm_1(
        compskip.theorem_1, "printed", 100, 0.1, config={"error_step": 3.0}, expected=Status.OUTSIDE_ASSUMPTIONS
    ),
)
