"""Ignore stragglers: every part on one worker, whatever came is added up [IS-SGD in hetero_gc, section VI]."""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import disjoint
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Add the messages that came, unscaled: biased by every worker's straggling; nothing is random."""
    encode = disjoint.place(profile.n_workers, spec.n_parts).holds
    return equally_quantized("ignore_stragglers", encode, FixedDecoder(np.ones(profile.n_workers)), spec)
