"""Theorems 1 to 3 of onebit_gc against simulation, as printed and as repaired, with their own step sizes.

C is the largest squared part gradient met in the runs, all other constants are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from proofs_check.experiments.experiment import Comparison, Experiment, average_so_far
from proofs_check.experiments.problems import alike
from workbench.bounds import onebit_gc
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placement import Placement
from workbench.codes.placements import hadamard_design
from workbench.core.claims import Assumption, Bound, Status, claim_of
from workbench.core.types import FloatArray, IntArray, Regularity, Trajectory
from workbench.quantizers import random_sign
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, InverseTimeStep, StepSize
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.verdicts import bounded_gradients, simulated_independence

ROUNDING = 1e-9  # workers


@dataclass(frozen=True, eq=False)
class ListedStep:
    """η_t = values[t − 1]."""

    values: FloatArray  # (T,)

    def __call__(self, iteration: int, rows: IntArray) -> float:
        """η at iteration t >= 1."""
        return float(self.values[iteration - 1])


def one_part_a_worker(n_workers: int, n_parts: int) -> Placement:
    """Give worker j part j."""
    return Placement(sparse.csr_array(np.eye(n_workers, n_parts)))


def all_on_all(n_workers: int, n_parts: int) -> Placement:
    """Give everyone everything: two parts share d²/W = W workers."""
    return Placement(sparse.csr_array(np.ones((n_workers, n_parts))))


def half_of_all(n_workers: int, n_parts: int) -> Placement:
    """Take the first parts of a Hadamard design, each on half the workers."""
    return hadamard_design.place(n_workers, n_parts, n_workers // 2)


def one_bit(placement: Placement, straggle_prob: float) -> GradientCode:
    """Weigh part j by 1/d_j on its workers, and send signs [eqs. 4-8]."""
    encode = placement.holds @ sparse.diags_array(1 / placement.replication)
    decode = np.full(placement.holds.shape[0], 1 / (1 - straggle_prob))  # (W,)
    return GradientCode(
        "one_bit", encode.tocsr(), FixedDecoder(decode), random_sign.quantizer(np.minimum(placement.load, 1))
    )


def one_bit_sgd(
    step_size: StepSize,
    *,
    placement: Callable[[int, int], Placement],
    n_workers: int,
    n_parts: int,
    dim: int,
    straggle_prob: float,
    curvature: float = 1.0,
    spread: float = 2.0,
    distance: float = 1.0,
) -> CodedSgd:
    """Build 1-bit GC-DL on F = curvature ‖x‖²/2 + const; the others as in `problems.alike`."""
    problem = alike(n_parts, [curvature] * dim, spread=spread, distance=distance)
    delay = Bernoulli(np.full(n_workers, straggle_prob), answer_s=1.0)
    return CodedSgd(Setting(problem, delay), one_bit(placement(n_workers, n_parts), straggle_prob), step_size)


class Facts(NamedTuple):
    """What all bounds of the paper are made of."""

    reg: Regularity
    replication: IntArray
    mass: FloatArray
    n_workers: int
    n_parts: int
    dim: int
    straggle_prob: float
    looked_at: dict[str, Assumption]

    @property
    def printed(self) -> tuple[Regularity, IntArray, int, int, float]:
        """Arguments of Theorem 1 as printed."""
        return self.reg, self.replication, self.n_workers, self.dim, self.straggle_prob

    @property
    def printed_nonconvex(self) -> tuple[Regularity, int, int, int, int, float]:
        """Arguments of (22) and (25)."""
        return self.reg, self.n_parts, int(self.replication[0]), self.n_workers, self.dim, self.straggle_prob

    @property
    def repaired(self) -> tuple[Regularity, FloatArray, int, float]:
        """Arguments of the repaired forms."""
        return self.reg, self.mass, self.dim, self.straggle_prob

    @property
    def grad_bound_sq(self) -> float:
        """C."""
        return self.reg.grad_bound_sq or 0.0

    def assumptions(self, bound: Callable[..., Bound]) -> tuple[Assumption, ...]:
        """Return the assumptions of a bound, looked at."""
        return tuple(self.looked_at[name] for name in claim_of(bound).assumes)


def facts(scheme: CodedSgd, trajectory: Trajectory, *, claimed_grad_bound_sq: float | None = None) -> Facts:
    """Gather the constants, and look at every assumption of the paper.

    Parameters
    ----------
    claimed_grad_bound_sq : C where it had to be known before the runs, which then have to keep it
    """
    problem, placement = scheme.setting.problem, scheme.code.placement
    reg, bounded = bounded_gradients(problem.regularity, trajectory)
    if claimed_grad_bound_sq is not None:
        met = reg.grad_bound_sq or 0.0
        text = f"C = {claimed_grad_bound_sq:.4g} is claimed, these runs met {met:.4g}"
        bounded = Assumption(onebit_gc.BOUNDED, bool(bounded.holds) and met <= claimed_grad_bound_sq, text)
        reg = replace(reg, grad_bound_sq=claimed_grad_bound_sq)
    worst = placement.balance.worst
    balanced = Assumption(
        onebit_gc.BALANCED, worst <= ROUNDING, f"two parts share up to {worst:.3g} workers more or less than d²/W"
    )
    convex = Assumption(onebit_gc.STRONGLY_CONVEX, True, f"lambda = {reg.strong_convexity:.4g}, exact")
    smooth = Assumption(onebit_gc.SMOOTH, True, f"L = 2S = {reg.smoothness:.4g}, exact")
    looked_at = {each.name: each for each in (bounded, balanced, simulated_independence(), convex, smooth)}
    return Facts(
        reg,
        placement.replication,
        onebit_gc.masses(placement.holds.toarray()),
        scheme.setting.n_workers,
        problem.n_parts,
        problem.dim,
        float(scheme.setting.delay.straggle_prob(np.inf)[0]),
        looked_at,
    )


def step_values(scheme: CodedSgd, n_steps: int) -> FloatArray:
    """The first step sizes, shape (n_steps,)."""
    rows = np.zeros(1, np.int64)
    return np.array([float(scheme.step_size(t, rows)) for t in range(1, n_steps + 1)])


def compare_error(scheme: CodedSgd, trajectory: Trajectory, at: IntArray, *, bound: Callable[..., Bound]) -> Comparison:
    """Hold ‖x_T − x*‖² beside Theorem 1 or the recursion behind it; x_1 is the start, so that T = at + 1."""
    known = facts(scheme, trajectory)
    start = float(trajectory.error_sq[0, 0])
    steps = step_values(scheme, int(at.max()))
    exact = onebit_gc.theorem_1_recursion(*known.repaired, steps, start_error_sq=start)
    exact = replace(exact, value=exact.value[at])
    if bound is onebit_gc.theorem_1_recursion:
        value, sharper = exact, None
    else:
        arguments = known.printed if bound is onebit_gc.theorem_1 else known.repaired
        value, sharper = bound(*arguments, at + 1), exact
    most = known.grad_bound_sq * known.n_parts**2 / (known.reg.strong_convexity or np.inf) ** 2  # ‖∇F‖²/λ²
    constants = {"grad_bound_sq": known.grad_bound_sq, "start_error_sq": start}
    return Comparison(
        trajectory.error_sq[:, at], value, known.assumptions(bound), start, max(most, start), sharper, constants
    )


def compare_gradient(
    scheme: CodedSgd,
    trajectory: Trajectory,
    at: IntArray,
    *,
    bound: Callable[..., Bound],
    claimed_grad_bound_sq: float | None = None,
    first_step: float | None = None,
) -> Comparison:
    """Hold the mean, or the least, squared gradient beside Theorem 2, Theorem 3 or the recursion behind them.

    Parameters
    ----------
    first_step : γ_0 of Theorem 3, which is about the least squared gradient; None: Theorem 2, about the average
    """
    known = facts(scheme, trajectory, claimed_grad_bound_sq=claimed_grad_bound_sq)
    gap = float(trajectory.loss[0, 0]) - (known.reg.optimal_loss or 0.0)
    steps = step_values(scheme, int(at.max()) + 1)  # γ_0, ..., γ_T
    exact = onebit_gc.descent_recursion(*known.repaired, steps, loss_gap=gap)
    exact = replace(exact, value=exact.value[at])
    more = {"loss_gap": gap} | ({} if first_step is None else {"first_step": first_step})
    if bound is onebit_gc.descent_recursion:
        value, sharper = exact, None
    else:
        printed = bound in (onebit_gc.theorem_2, onebit_gc.theorem_3)
        value, sharper = bound(*(known.printed_nonconvex if printed else known.repaired), at, **more), exact
    if first_step is not None:
        samples = trajectory.grad_sq[:, at]
    elif bound is onebit_gc.descent_recursion:
        weight = steps - (known.reg.smoothness or 0.0) / 2 * steps**2  # γ_t − Sγ_t²
        samples = (np.cumsum(weight * trajectory.grad_sq[:, : steps.size], axis=1) / np.cumsum(weight))[:, at]
    else:
        samples = average_so_far(trajectory.grad_sq, at)
    start = float(trajectory.grad_sq[0, 0])
    most = start if first_step is not None else max(start, known.grad_bound_sq * known.n_parts**2)
    constants = {"grad_bound_sq": known.grad_bound_sq} | more
    return Comparison(
        samples, value, known.assumptions(bound), start, most, sharper, constants, least=first_step is not None
    )


BALANCED = {"placement": half_of_all, "n_workers": 16, "n_parts": 2, "dim": 16, "straggle_prob": 0.1}
APART = {"placement": one_part_a_worker, "n_workers": 16, "n_parts": 16, "dim": 8, "straggle_prob": 0.1}
NOISY = APART | {"dim": 50, "curvature": 1.0}
# (22) and (25) have (D − (1 − p)B)/(1 − p) where κB is meant: nearly 0 here, as B = P/W is nearly D.
MISPRINTED = {
    "placement": all_on_all,
    "n_workers": 4,
    "n_parts": 36,
    "dim": 9,
    "straggle_prob": 0.01,
    "curvature": 0.62,
    "spread": 0.0,
}
BY_TIME = InverseTimeStep(1.0)  # 1/(λt)
CURVATURE = 10.0


def _first(bound: Callable[..., Bound], setting: str, n_iters: int, config: dict[str, Any], **more: Any) -> Experiment:
    """Theorem 1: steps 1/(λt) with λ = 1."""
    compare = partial(compare_error, bound=bound)
    return Experiment(bound, setting, partial(one_bit_sgd, BY_TIME, **config), compare, 100, n_iters, **more)


def _second(bound: Callable[..., Bound], setting: str, n_iters: int, config: dict[str, Any], **more: Any) -> Experiment:
    """Theorem 2: the step (21), of which the bound at the last iteration speaks."""
    step = ConstantStep(float(onebit_gc.theorem_2_step(config["curvature"], n_iters)[0]))
    compare = partial(compare_gradient, bound=bound)
    options: dict[str, Any] = {"n_runs": 100, "checkpoints": (n_iters,)} | more
    return Experiment(bound, setting, partial(one_bit_sgd, step, **config), compare, n_iters=n_iters, **options)


def _best(setting: str, n_iters: int, config: dict[str, Any], grad_bound_sq: float, **more: Any) -> Experiment:
    """Theorem 2 with the step of the best rate, which needs C beforehand."""
    placement = config["placement"](config["n_workers"], config["n_parts"])
    reg = Regularity(smoothness=config["curvature"], grad_bound_sq=grad_bound_sq)
    gap = config["curvature"] * config.get("distance", 1.0) ** 2 / 2
    step = onebit_gc.best_step(
        reg,
        onebit_gc.masses(placement.holds.toarray()),
        config["dim"],
        config["straggle_prob"],
        n_iters,
        loss_gap=gap,
    )
    bound = onebit_gc.theorem_2_best
    compare = partial(compare_gradient, bound=bound, claimed_grad_bound_sq=grad_bound_sq)
    scheme = partial(one_bit_sgd, ConstantStep(float(step[0])), **config)
    return Experiment(bound, setting, scheme, compare, 100, n_iters, checkpoints=(n_iters,), **more)


def _third(
    bound: Callable[..., Bound], setting: str, n_iters: int, config: dict[str, Any], share: float, **more: Any
) -> Experiment:
    """Theorem 3: the steps (24), γ_0 a share of 1/(2S)."""
    first = share / config["curvature"]
    step = ListedStep(onebit_gc.theorem_3_steps(config["curvature"], first, n_iters))
    average = bound is onebit_gc.descent_recursion  # the weighted one; the theorem is about the least
    compare = partial(compare_gradient, bound=bound, first_step=None if average else first)
    options: dict[str, Any] = {"n_runs": 100} | more
    return Experiment(bound, setting, partial(one_bit_sgd, step, **config), compare, n_iters=n_iters, **options)


EXPERIMENTS = (
    _first(onebit_gc.theorem_1, "informative", 400, BALANCED, within=100),
    _first(onebit_gc.theorem_1, "vacuous", 4, BALANCED),
    _first(onebit_gc.theorem_1, "unbalanced", 4, APART, expected=Status.OUTSIDE_ASSUMPTIONS),
    _first(onebit_gc.theorem_1_repaired, "informative", 400, APART, within=15),
    _first(onebit_gc.theorem_1_repaired, "vacuous", 3, NOISY),
    _first(onebit_gc.theorem_1_recursion, "informative", 400, APART, within=15),
    _first(onebit_gc.theorem_1_recursion, "vacuous", 2, NOISY),
    _second(onebit_gc.theorem_2, "printed", 1, MISPRINTED, n_runs=1000, expected=Status.REFUTED),
    _second(onebit_gc.theorem_2_repaired, "informative", 600, APART | {"curvature": CURVATURE}, within=10),
    _second(onebit_gc.theorem_2_repaired, "vacuous", 3, NOISY),
    _best("informative", 600, APART | {"curvature": CURVATURE}, 10.0, within=10),
    _best("vacuous", 1, NOISY | {"distance": 4.0}, 0.2),
    _third(onebit_gc.theorem_3, "printed", 1, MISPRINTED, 0.9, n_runs=1000, expected=Status.REFUTED),
    _third(onebit_gc.theorem_3_repaired, "informative", 600, APART | {"curvature": CURVATURE}, 0.2, within=100),
    _third(onebit_gc.theorem_3_repaired, "vacuous", 4, NOISY, 0.5),
    _third(onebit_gc.descent_recursion, "informative", 600, APART | {"curvature": CURVATURE}, 0.2, within=3),
    _third(onebit_gc.descent_recursion, "vacuous", 2, NOISY, 0.9),
)
