"""1-bit gradient code: the stochastic gradient code, each message a random sign and a norm [onebit_gc, eqs. 4-8]."""

import numpy as np

from workbench.codes import stochastic
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.quantizers import random_sign
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Design it; it spends one bit a coordinate on every worker that holds something, whatever the budget."""
    encode = stochastic.encoding(profile.n_workers, spec, rng=rng)
    quantizer = random_sign.quantizer(np.diff(encode.indptr))
    return GradientCode("one_bit", encode, FixedDecoder(1 / (1 - profile.straggle_prob)), quantizer)
