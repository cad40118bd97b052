"""dropSignSGD [Phong & Phuong, 2020], as compskip describes it: CompSkipDSGD with all errors kept and no skips."""

import numpy as np

from workbench.schemes.compskip import CompSkip
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import StepSize


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    error_step: float = 0.01,
    keep_prob: float = 0.3,
    server_keep_prob: float = 0.3,
    momentum: float = 0.9,
    batch_size: int | None = None,
    deadline_s: float | None = None,
) -> CompSkip:
    """Drop a random share of the signs, and feed back all that was not sent: γ = 1.

    With a constant step the virtual iterate is exact at every momentum. β = β̃ = 0.3 are those of compskip's III-D.

    Parameters
    ----------
    error_step : c = c' = c̃, what a sent sign takes off the error kept, and its weight at the server
    keep_prob, server_keep_prob : β and β̃
    momentum : μ
    batch_size : samples of a gradient; None: the worker's whole part
    deadline_s : a later message is not counted; None: the server waits for all who answer

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    return CompSkip(
        "drop_sign_sgd",
        setting,
        step_size,
        worker_error_step=error_step,
        message_weight="balanced",
        server_error_step=error_step,
        keep_prob=keep_prob,
        server_keep_prob=server_keep_prob,
        momentum=momentum,
        error_decay=1.0,
        worker_skip_prob=np.zeros(setting.n_workers),
        server_skip_prob=0.0,
        batch_size=batch_size,
        deadline_s=deadline_s,
    )
