"""Fastest-k SGD whose k grows at times made beforehand from the bound of [fastest_k, Lemma 1]."""

from typing import Literal

from workbench.core.errors import InputError
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import StepSize
from workbench.schemes.wait_schedule import ScheduledFastestK, WaitSchedule, bound_constants
from workbench.solvers.switch_times import envelope, theorem_1

POLICIES = {"theorem_1": theorem_1, "envelope": envelope}


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    policy: Literal["theorem_1", "envelope"],
    strong_convexity: float | None = None,
    smoothness: float | None = None,
    grad_var: float | None = None,
    gap: float | None = None,
    replacement: bool = True,
) -> ScheduledFastestK:
    """Make the schedule of a policy, and follow it on each run's own clock.

    Parameters
    ----------
    policy : "theorem_1" goes from k to k + 1 when the bound says so, and through all k (eq. 26); "envelope" waits at
        every moment for the k that lowers the bound fastest, which may skip some
    step_size : constant
    strong_convexity, smoothness, gap : c, L (½ form), F − F* at the start; None: what the problem claims
    grad_var : variance of the gradient of a part drawn at random, σ²/(s P²); None: measured at the optimum
    replacement : error floors of k parts drawn with replacement, as in the paper; False: of k different ones

    Raises
    ------
    InputError : unknown policy, other step size, constants out of range or unknown, unequal counts of parts and workers
    """
    if policy not in POLICIES:
        raise InputError(f"policy '{policy}': choose {' or '.join(POLICIES)}")
    constants = bound_constants(
        setting,
        step_size,
        strong_convexity=strong_convexity,
        smoothness=smoothness,
        grad_var=grad_var,
        gap=gap,
        replacement=replacement,
    )
    waits = POLICIES[policy](**constants)
    return ScheduledFastestK(f"fastest_k_{policy}", setting, step_size, WaitSchedule(waits.n_wait, waits.switch_s))
