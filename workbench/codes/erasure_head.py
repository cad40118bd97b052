"""ErasureHead: fractional repetition, the sum over groups that answered at all [Wang et al.; EHD in hetero_gc, VI]."""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import fractional_repetition
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Give groups of workers equal holdings; average the answers of each group (the least-squares weights).

    Biased: a group whose every worker straggles is lost. Nothing is random.
    """
    encode = fractional_repetition.place(profile.n_workers, spec.n_parts, spec.replication).holds
    return equally_quantized("erasure_head", encode, LeastSquaresDecoder(encode), spec)
