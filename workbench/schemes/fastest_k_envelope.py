"""Fastest-k SGD with the wait counts and switch times that are best for the bound of [fastest_k, Lemma 1]."""

from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import StepSize
from workbench.schemes.wait_schedule import ScheduledFastestK, WaitSchedule, bound_constants
from workbench.solvers.switch_times import envelope


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    strong_convexity: float | None = None,
    smoothness: float | None = None,
    grad_var: float | None = None,
    gap: float | None = None,
    replacement: bool = True,
) -> ScheduledFastestK:
    """Wait at every moment for the k that lowers the bound fastest, which may skip some.

    Parameters
    ----------
    step_size : constant
    strong_convexity, smoothness, gap : c, L (½ form), F − F* at the start; None: what the problem claims
    grad_var : variance of the gradient of a part drawn at random, σ²/(s P²); None: measured at the optimum
    replacement : error floors of k parts drawn with replacement, as in the paper; False: of k different ones

    Raises
    ------
    InputError : another step size, constants out of range or unknown, other numbers of parts and workers
    """
    constants = bound_constants(
        setting,
        step_size,
        strong_convexity=strong_convexity,
        smoothness=smoothness,
        grad_var=grad_var,
        gap=gap,
        replacement=replacement,
    )
    policy = envelope(**constants)
    return ScheduledFastestK("fastest_k_envelope", setting, step_size, WaitSchedule(policy.n_wait, policy.switch_s))
