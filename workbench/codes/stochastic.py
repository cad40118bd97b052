"""Stochastic gradient code: nearly pair-wise balanced holdings, unbiased decoding [Bitar et al.; SGC in hetero_gc, VI].

With unequal workers the factor 1/(1 − p) of the original becomes 1/(1 − p_i), which keeps it unbiased.
"""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import nearly_balanced
from workbench.stragglers.profile import StragglerProfile


def encoding(n_workers: int, spec: DesignSpec, *, rng: np.random.Generator) -> sparse.csr_array:
    """Return the weights 1/d_j of part j on each of its d_j workers, (W, P) [onebit_gc, eq. 5 less 1/(1 − p)]."""
    copies = min(spec.replication, n_workers)
    placement = nearly_balanced.place(n_workers, spec.n_parts, copies, rng=rng)
    return placement.holds @ sparse.diags_array(1 / placement.replication)


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Spread every part evenly over `replication` workers; the draw breaks ties."""
    encode = encoding(profile.n_workers, spec, rng=rng)
    return equally_quantized("stochastic", encode, FixedDecoder(1 / (1 - profile.straggle_prob)), spec)
