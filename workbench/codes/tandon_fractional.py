"""Exact fractional repetition code: one answer of each group is enough [Tandon et al., 2017, section IV]."""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.placements import fractional_repetition
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Give groups of at least `replication` workers equal holdings and take the first answer of each group.

    Exact for any replication − 1 stragglers, biased beyond: a group whose every worker straggles is lost. It
    differs from ErasureHead in not averaging the answers of a group, which costs quantizer variance. Nothing is
    random.
    """
    encode = fractional_repetition.place(profile.n_workers, spec.n_parts, spec.replication).holds
    first_part = encode.indices[encode.indptr[:-1]]  # (W,): everybody holds something; groups share their first part
    return equally_quantized("tandon_fractional", encode, FirstResponderDecoder(first_part.astype(np.int64)), spec)
