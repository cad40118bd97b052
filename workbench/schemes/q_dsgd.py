"""Quantized decentralized SGD: QuanTimed-DSGD with batches of a fixed size [quantimed, section 5]."""

from workbench.core.types import Quantizer
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.decentralized_round import FixedBatch, Links, LocalGradients
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
    quantizer: Quantizer | None = None,
    batch_size: int | None = None,
    timed_samples: int = 1,
    float_bits: int = FLOAT_BITS,
) -> DecentralizedSgd:
    """Step by α ε once the slowest worker has its batch and everyone has the neighbours' quantized models.

    Parameters
    ----------
    step_size, mixing_step : α and ε
    quantizer : of models; the paper's (7) is the lattice. None: nothing is rounded
    batch_size : samples of a gradient; None: the worker's whole part
    timed_samples : samples behind one response time
    float_bits : of a coordinate where there is no quantizer; the paper has 16

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    links = Links(setting, mixing, quantizer, float_bits)
    local = LocalGradients(setting.problem, FixedBatch(batch_size), timed_samples)
    return DecentralizedSgd("q_dsgd", setting, step_size, mixing_step, links, local)
