"""The optimal code of hetero_gc: Theorem 1's structure, sparse by eq. 22, with exactly optimal bits (b-SP1)."""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.types import FloatArray, IntArray
from workbench.quantizers.stochastic_levels import StochasticLevels, variance_constant
from workbench.solvers import optimal_structure
from workbench.solvers.bit_allocation import Allocation, VarianceOfBits, lagrangian_bound, solve_exact
from workbench.stragglers.profile import StragglerProfile


def allocate(straggle_prob: FloatArray, spec: DesignSpec) -> Allocation:
    """Return the bits (W,) that maximise the utility U = Σ (1 − p_i)/(p_i + ω(b_i)), with its certificate."""

    return solve_exact(straggle_prob, _variance_of_bits(spec), spec.bit_budget, allow_idle=spec.allow_idle)


def dual_bound(straggle_prob: FloatArray, spec: DesignSpec) -> float:
    """Return the Lagrangian dual's upper bound on the utility of any allocation."""
    return lagrangian_bound(straggle_prob, _variance_of_bits(spec), spec.bit_budget, allow_idle=spec.allow_idle)


def _variance_of_bits(spec: DesignSpec) -> VarianceOfBits:
    return lambda bits: variance_constant(bits, spec.dim, spec.variance_constant)


def masses(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> sparse.csr_array:
    """Return the masses (1 − p_i) a_ij of the sparse optimal structure, (W, P), columns summing to 1 (eq. 22)."""
    weights = optimal_structure.solve_sparse(straggle_prob, variance_factor, n_parts)
    return sparse.csr_array(sparse.diags_array(1 - straggle_prob) @ weights)


def design_for_bits(profile: StragglerProfile, spec: DesignSpec, bits: IntArray) -> GradientCode:
    """Build the optimal structure for given bits (W,), 0 for an idle worker."""
    quantizer = StochasticLevels(bits, spec.variance_constant)
    variance_factor = np.where(bits > 0, quantizer.variance_factor(spec.dim), np.inf)
    p = profile.straggle_prob
    # a_ij = v_i w_ij: the worker weighs by mass, the master undoes the straggling.
    encode = masses(p, variance_factor, spec.n_parts)
    return GradientCode("optimally_structured", encode, FixedDecoder(1 / (1 - p)), quantizer)


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Allocate the bits, then build the structure for them (Proposition 1: jointly optimal); nothing is random."""
    return design_for_bits(profile, spec, allocate(profile.straggle_prob, spec).bits)
