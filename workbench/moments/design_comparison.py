"""The optimal design beside what the same bit budget buys with every other code family."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.core import catalogue
from workbench.core.streams import stream
from workbench.moments.estimate import ErrorSplit, Moments, moments
from workbench.quantizers.stochastic_levels import MIN_BITS
from workbench.solvers.bit_allocation import Allocation
from workbench.solvers.fewest_edges import Decomposition
from workbench.stragglers.profile import StragglerProfile

OPTIMAL = "optimally_structured"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A code and its moments under the profile it was designed for."""

    code: GradientCode
    moments: Moments


@dataclass(frozen=True, eq=False)
class DesignComparison:
    """The optimal code, its certificate, and the baselines by family."""

    profile: StragglerProfile
    spec: DesignSpec
    seed: int
    allocation: Allocation
    dual_bound: float  # the Lagrangian dual's bound on the utility, found independently of the allocation
    optimal: Evaluated
    decomposition: Decomposition | None  # of the optimal code, where fewest edges were sought
    baselines: dict[str, Evaluated]

    @property
    def codes(self) -> list[GradientCode]:
        """All codes, the optimal one first."""
        return [self.optimal.code, *(evaluated.code for evaluated in self.baselines.values())]

    @property
    def busiest_share(self) -> float:
        """Largest number of parts on one worker of the optimal code, over the mean of those that hold any."""
        load = self.optimal.code.placement.load
        return float(load.max() / load[load > 0].mean())

    @property
    def residual_bound(self) -> float:
        """Worst-case mean squared error of the optimal code for ‖g_j‖ ≤ 1: P²/U [hetero_gc, Lemma 2]."""
        return self.spec.n_parts**2 / self.allocation.utility


def matched_replication(code: GradientCode) -> int:
    """Return the whole replication nearest to what `code` spends, at least 2: a fair load for the baselines."""
    return min(code.n_workers, max(2, round(code.load)))


def compare(profile: StragglerProfile, spec: DesignSpec, *, seed: int, match_load: bool = True) -> DesignComparison:
    """Design every family for the profile and evaluate it.

    Parameters
    ----------
    spec : its replication is replaced by the optimal code's load if `match_load`
    seed : determines the random placements and the sampled moments, one stream for each family
    """
    allocation = optimally_structured.allocate(profile.straggle_prob, spec)
    optimal, decomposition = optimally_structured.build(profile, spec, allocation.bits)
    if match_load:
        spec = replace(spec, replication=matched_replication(optimal))
    baselines = design_baselines(profile, spec, seed=seed)
    return DesignComparison(
        profile,
        spec,
        seed,
        allocation,
        optimally_structured.dual_bound(profile.straggle_prob, spec),
        _evaluate(optimal, profile, spec, seed),
        decomposition,
        {family: _evaluate(code, profile, spec, seed) for family, code in baselines.items()},
    )


def design_baselines(profile: StragglerProfile, spec: DesignSpec, *, seed: int) -> dict[str, GradientCode]:
    """Design every other family of the catalogue with the same budget, by family."""
    return {
        family: _design_affordable(module.design, profile, spec, rng=stream(seed, f"design/{family}"))
        for family, module in catalogue.codes().items()
        if family != OPTIMAL
    }


def dense_moments(optimal: Moments, n_parts: int) -> Moments:
    """Return the moments of the dense closed form, in which each worker weighs all parts alike.

    Its row masses, and hence its aligned error, are the sparse code's; every message is then a multiple of
    Σ g_j, whose squared norm is P instead of P² for orthonormal gradients.
    """
    split = optimal.aligned
    straggling, quantizing = split.straggler_var / n_parts, split.quantizer_var / n_parts
    rescaled = split.rescaled / n_parts  # E‖ĝ‖² and ‖Σg_j‖² both shrink by P
    orthonormal = ErrorSplit(0.0, straggling, quantizing, rescaled)
    return replace(optimal, orthonormal=orthonormal)


def _evaluate(code: GradientCode, profile: StragglerProfile, spec: DesignSpec, seed: int) -> Evaluated:
    rng = stream(seed, f"moments/{code.family}")
    return Evaluated(code, moments(code, profile.straggle_prob, spec.dim, rng=rng))


def _design_affordable(
    design: Callable[..., GradientCode], profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator
) -> GradientCode:
    """Design for the workers the budget can pay for: all of them, or the most reliable at 2 bits each.

    Only `allow_idle` admits a budget that does not reach all workers.
    """
    n_paid = min(profile.n_workers, spec.bit_budget // MIN_BITS)
    if n_paid == profile.n_workers:
        return design(profile, spec, rng=rng)
    paid = np.sort(np.argsort(profile.straggle_prob, kind="stable")[:n_paid])  # (n_paid,)
    return design(StragglerProfile(profile.straggle_prob[paid]), spec, rng=rng).among(paid, profile.n_workers)
