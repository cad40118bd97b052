"""Optimal decoding on a random regular graph [Glasgow and Wootters; OD in hetero_gc, section VI]."""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placements import random_regular
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Draw the graph; decode each round with the weights that come nearest to the full sum. Biased."""
    encode = random_regular.place(profile.n_workers, spec.n_parts, spec.replication, rng=rng).holds
    return equally_quantized("optimal_decoding", encode, LeastSquaresDecoder(encode), spec)
