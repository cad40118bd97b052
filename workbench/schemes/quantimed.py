"""QuanTimed-DSGD: a deadline for gradients, quantized models for the neighbours [quantimed, Algorithm 1]."""

from workbench.core.types import Quantizer
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.decentralized_round import Deadline, Links, LocalGradients
from workbench.schemes.decentralized_sgd import DecentralizedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import StepSize
from workbench.topologies.mixing import Mixing


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    mixing: Mixing,
    mixing_step: float,
    deadline_s: float,
    quantizer: Quantizer | None = None,
    timed_samples: int = 1,
    float_bits: int = FLOAT_BITS,
) -> DecentralizedSgd:
    """Step by α ε against gradients of as many samples as everyone has done by the deadline.

    A worker that has done none keeps the gradient 0: its mean is P(some done) times the full gradient.

    Parameters
    ----------
    step_size, mixing_step : α and ε
    deadline_s : T_d, the time for computing; a round also takes that of a message
    quantizer : of models; the paper's (7) is the lattice. None: nothing is rounded
    timed_samples : samples behind one response time
    float_bits : of a coordinate where there is no quantizer; the paper has 16

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    links = Links(setting, mixing, quantizer, float_bits)
    local = LocalGradients(setting.problem, Deadline(deadline_s), timed_samples)
    return DecentralizedSgd("quantimed", setting, step_size, mixing_step, links, local)
