"""The optimal code of hetero_gc: a structure of Theorem 1's row masses, with exactly optimal bits (b-SP1)."""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.quantizers.stochastic_levels import StochasticLevels, variance_constant
from workbench.solvers import optimal_structure
from workbench.solvers.bit_allocation import Allocation, VarianceOfBits, lagrangian_bound, solve_structured
from workbench.solvers.fewest_edges import Decomposition, solve_fewest_edges
from workbench.stragglers.profile import StragglerProfile

TRUSTED = 1e-9  # relative KKT residual up to which an answer of the convex solver is taken
ROUNDING = 1e-15  # of a column's sum, 1: less is nothing


def allocate(straggle_prob: FloatArray, spec: DesignSpec) -> Allocation:
    """Return the bits (W,) that maximise the utility U = Σ (1 − p_i)/(p_i + ω(b_i)), with its certificate."""
    return solve_structured(straggle_prob, _variance_of_bits(spec), spec.bit_budget, allow_idle=spec.allow_idle)


def dual_bound(straggle_prob: FloatArray, spec: DesignSpec) -> float:
    """Return the Lagrangian dual's upper bound on the utility of any allocation."""
    return lagrangian_bound(straggle_prob, _variance_of_bits(spec), spec.bit_budget, allow_idle=spec.allow_idle)


def _variance_of_bits(spec: DesignSpec) -> VarianceOfBits:
    return lambda bits: variance_constant(bits, spec.dim, spec.variance_constant)


def masses(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> sparse.csr_array:
    """Return the masses (1 − p_i) a_ij of the sparse optimal structure, (W, P), columns summing to 1 (eq. 22)."""
    weights = optimal_structure.solve_sparse(straggle_prob, variance_factor, n_parts)
    return _weighed(straggle_prob, weights)


def _weighed(straggle_prob: FloatArray, weights: FloatArray | sparse.csr_array) -> sparse.csr_array:
    """Return (1 − p_i) a_ij, shape (W, P)."""
    return sparse.csr_array(sparse.diags_array(1 - straggle_prob) @ sparse.csr_array(weights))


def design_for_bits(profile: StragglerProfile, spec: DesignSpec, bits: IntArray) -> GradientCode:
    """Build the optimal structure for given bits (W,), 0 for an idle worker.

    Raises
    ------
    InputError : the convex structure is asked for, and the solver's answer is not optimal to rounding
    """
    return build(profile, spec, bits)[0]


def build(profile: StragglerProfile, spec: DesignSpec, bits: IntArray) -> tuple[GradientCode, Decomposition | None]:
    """Build as `design_for_bits` does; where fewest edges are sought, say too how few are known to be possible."""
    quantizer = StochasticLevels(bits, spec.variance_constant)
    variance_factor = np.where(bits > 0, quantizer.variance_factor(spec.dim), np.inf)  # (W,)
    p, decomposition = profile.straggle_prob, None
    # a_ij = v_i w_ij: the worker weighs by mass, the master undoes the straggling.
    match spec.structure:
        case "sparse":
            encode = masses(p, variance_factor, spec.n_parts)
        case "dense":
            encode = _weighed(p, optimal_structure.solve_dense(p, variance_factor, spec.n_parts))
        case "convex":
            encode = _convex_masses(p, variance_factor, spec.n_parts)
        case "fewest-edges":
            weights, decomposition = solve_fewest_edges(p, variance_factor, spec.n_parts)
            encode = _weighed(p, weights)
    return GradientCode("optimally_structured", encode, FixedDecoder(1 / (1 - p)), quantizer), decomposition


def _convex_masses(straggle_prob: FloatArray, variance_factor: FloatArray, n_parts: int) -> sparse.csr_array:
    """Return the convex solver's masses, (W, P): without what is below rounding, columns of sum 1."""
    answer, status = optimal_structure.solve_convex(straggle_prob, variance_factor, n_parts)
    mass = answer * (1 - straggle_prob)[:, None]
    mass[mass < ROUNDING] = 0.0
    mass /= mass.sum(axis=0)
    weights = mass / (1 - straggle_prob)[:, None]
    residual = optimal_structure.kkt_residuals(weights, straggle_prob, variance_factor).relative
    if not residual <= TRUSTED:
        raise InputError(
            f"the convex structure: {status.solver}'s answer has a relative residual of {residual:.2g}, more than "
            f"{TRUSTED:g}, as the workers are too unequal for it: choose sparse or dense, the same in closed form"
        )
    return sparse.csr_array(mass)


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Allocate the bits, then build the structure for them (Proposition 1: jointly optimal); nothing is random."""
    return design_for_bits(profile, spec, allocate(profile.straggle_prob, spec).bits)
