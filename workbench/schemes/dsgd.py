"""Decentralized SGD that waits for everyone, unquantized [Yuan et al., 2016]."""

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
    batch_size: int | None = None,
    timed_samples: int = 1,
    float_bits: int = FLOAT_BITS,
) -> DecentralizedSgd:
    r"""Step by :math:`x_i \leftarrow \sum_j w_{ij} x_j - \alpha \tilde\nabla f_i(x_i)`, which is (8) with ε = 1.

    quantimed, section 5, prints the sum over N_i, its neighbours without i; Σ_j w_ij = 1 only with i among them.

    Parameters
    ----------
    batch_size : samples of a gradient; None: the worker's whole part
    timed_samples : samples behind one response time
    float_bits : of a coordinate; quantimed has 16

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    links = Links(setting, mixing, float_bits=float_bits)
    local = LocalGradients(setting.problem, FixedBatch(batch_size), timed_samples)
    return DecentralizedSgd("dsgd", setting, step_size, 1.0, links, local)
