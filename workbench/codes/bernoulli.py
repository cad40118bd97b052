"""Bernoulli gradient code: random holdings, one fixed decoding weight [Charles et al.; BGC in hetero_gc, VI]."""

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import bernoulli
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Draw the holdings; decode with 1/(replication · mean response probability), right on average only.

    Biased part by part: a part is met more or less often than the mean, by chance and by who holds it.
    """
    encode = bernoulli.place(profile.n_workers, spec.n_parts, spec.replication, rng=rng).holds
    mean_copies = min(spec.replication, profile.n_workers)
    decode = np.full(profile.n_workers, 1 / (mean_copies * np.mean(1 - profile.straggle_prob)))
    return equally_quantized("bernoulli", encode, FixedDecoder(decode), spec)
