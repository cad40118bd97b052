"""A code: every part on two workers in a row, weighed so that the estimate is unbiased."""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Give part j to the workers j and j + 1, modulo W; nothing is random."""
    parts = np.arange(spec.n_parts)
    n_workers = profile.n_workers
    holders = np.concatenate([parts % n_workers, (parts + 1) % n_workers])
    weights = np.full(2 * spec.n_parts, 0.5)
    encode = sparse.csr_array((weights, (holders, np.tile(parts, 2))), shape=(n_workers, spec.n_parts))
    return equally_quantized("neighbours", encode, FixedDecoder(1 / (1 - profile.straggle_prob)), spec)
