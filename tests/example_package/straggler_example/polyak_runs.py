"""The bound against simulation: once where it says something, once where it does not."""

from functools import partial

from proofs_check.experiments.experiment import Comparison, Experiment
from proofs_check.experiments.problems import alike
from straggler_example.heavy_ball import HeavyBall
from straggler_example.pareto import Pareto
from straggler_example.polyak import POLYAK, SMOOTH, theorem_4
from workbench.core.claims import Assumption
from workbench.core.types import IntArray, Trajectory
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep


def descent(smoothness: float) -> HeavyBall:
    """Descend on F(x) = (x_1² + L x_2²)/2 + const by steps of 1/L, without momentum."""
    problem = alike(4, [1.0, smoothness], spread=1.0, distance=1.0)
    return HeavyBall(Setting(problem, Pareto(4, 1.0, 3.0)), ConstantStep(1 / smoothness), momentum=0.0)


def compare(scheme: HeavyBall, trajectory: Trajectory, at: IntArray) -> Comparison:
    """Hold F − F* beside the theorem, at the checkpoints."""
    reg = scheme.setting.problem.regularity
    assert reg.strong_convexity is not None
    assert reg.smoothness is not None
    assert reg.optimal_loss is not None
    gap = trajectory.loss - reg.optimal_loss  # (R, T+1)
    start = float(gap[0, 0])
    assumptions = (
        Assumption(SMOOTH, True, f"L = {reg.smoothness:.4g}, from the problem"),
        Assumption(POLYAK, True, f"mu = {reg.strong_convexity:.4g}, from strong convexity"),
    )
    bound = theorem_4(reg.strong_convexity, reg.smoothness, at, loss_gap=start)
    return Comparison(gap[:, at], bound, assumptions, start)


EXPERIMENTS = (
    Experiment(theorem_4, "informative", partial(descent, 4.0), compare, n_runs=10, n_iters=8, within=60),
    Experiment(theorem_4, "vacuous", partial(descent, 1e7), compare, n_runs=10, n_iters=4),
)
