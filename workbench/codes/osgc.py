"""OSGC: the optimal structure for stragglers alone, quantized with equal bits that the design did not foresee.

[Song and Choi, NeurIPS 2025; the ablation baseline of hetero_gc, section VI]
"""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.optimally_structured import masses
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Weigh workers by (1 − p_i)/p_i, as if messages were exact; nothing is random."""
    p = profile.straggle_prob  # (W,)
    encode = masses(p, np.zeros(p.size), spec.n_parts)
    return equally_quantized("osgc", encode, FixedDecoder(1 / (1 - p)), spec)
