"""signSGD with majority vote [Bernstein et al., 2019]: CompSkipDSGD without momentum, errors, zeros and skips."""

import numpy as np

from workbench.schemes.compskip import CompSkip
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import StepSize


def build(
    setting: Setting, *, step_size: StepSize, batch_size: int | None = None, deadline_s: float | None = None
) -> CompSkip:
    """Step by η along the sign of the sum of the workers' signs; a tie moves nothing.

    compskip names μ = γ = 0 and no skips; it also takes β = β̃ = 1. The error steps c, c̃ and the weight c' > 0 then
    change nothing. The momentum of the original (Signum) is another one.

    Parameters
    ----------
    batch_size : samples of a gradient; None: the worker's whole part
    deadline_s : a later vote does not count; None: the server waits for all who answer

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    return CompSkip(
        "sign_sgd",
        setting,
        step_size,
        worker_error_step=1.0,
        message_weight=1.0,
        server_error_step=1.0,
        keep_prob=1.0,
        server_keep_prob=1.0,
        momentum=0.0,
        error_decay=0.0,
        worker_skip_prob=np.zeros(setting.n_workers),
        server_skip_prob=0.0,
        batch_size=batch_size,
        deadline_s=deadline_s,
    )
