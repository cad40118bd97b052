"""Utility of the bit allocations over the bit budget [hetero_gc, Fig. 1]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, Outcome
from figures.quantities import Arrays, Quantity
from workbench.core.streams import stream
from workbench.core.types import FloatArray
from workbench.solvers import bit_allocation as allocation

METHODS = {
    "exact": allocation.solve_structured,
    "algorithm_1": allocation.solve_algorithm_1,
    "greedy": allocation.solve_greedy,
    "relaxation": allocation.solve_relaxation,
    "equal": allocation.solve_equal,
}
SAME = 1e-12  # relative difference of two utilities that count as equal
NEAR = 1e-3  # loss that "near-optimal" still allows

SCALES = {
    "quick": {"n_profiles": 4, "bits_per_worker": (3, 4, 6, 8, 12, 20)},
    "paper": {"n_profiles": 20, "bits_per_worker": (3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20)},
}
DIFFERS = (
    "The text at hand lost the numbers of workers, the waiting time and the range of the rates: 20 and 50 workers, "
    "1 s and [0.5, 3]/s here, so that p lies between 0.05 and 0.61.",
    "The variance constant is the paper's d/(4s²) with d = 5·10⁶, the size of its network.",
)


def fig1_data(
    *,
    seed: int,
    n_profiles: int,
    n_workers: tuple[int, ...] = (20, 50),
    bits_per_worker: tuple[int, ...],
    dim: float = 5e6,
    wait_s: float = 1.0,
    rates_per_s: tuple[float, float] = (0.5, 3.0),
) -> dict[str, Quantity]:
    """Compare allocations over the bit budget, with the spread that the paper does not show.

    p_i = exp(−μ_i (τ − α)) [eq. 37], μ_i uniform; ω(b) = d/(4 s²), s = 2^(b−1) − 1. The same profiles meet every
    budget.

    Returns `objective` Σ u_i / W and `loss_percent` to the optimum over (n_workers, method, bits_per_worker), means
    with 10 % and 90 % quantiles over the profiles; `optimal_share` and `worst_loss` of (n_workers, method).
    """

    def variance_of_bits(bits: FloatArray) -> FloatArray:
        return np.asarray(dim / (4 * (2 ** (bits - 1) - 1) ** 2))

    utility = np.empty((len(n_workers), len(METHODS), len(bits_per_worker), n_profiles))
    for at_size, workers in enumerate(n_workers):
        for profile in range(n_profiles):
            rate = stream(seed, f"figures/hetero_gc/fig1/{workers}", profile).uniform(*rates_per_s, workers)  # (W,)
            prob = np.exp(-rate * wait_s)  # eq. 37
            for at_bits, bits in enumerate(bits_per_worker):
                for at_method, solve in enumerate(METHODS.values()):
                    found = solve(prob, variance_of_bits, bits * workers).utility
                    utility[at_size, at_method, at_bits, profile] = found
    loss = 1 - utility / utility[:, :1]
    loss = np.where(loss > SAME, loss, 0.0)  # (sizes, methods, budgets, profiles)
    axes, over = ("n_workers", "method", "bits_per_worker"), (2, 3)
    per_worker = utility / np.reshape(n_workers, (-1, 1, 1, 1))
    return {
        "n_workers": Quantity(("n_workers",), np.array(n_workers)),
        "method": Quantity(("method",), np.array(list(METHODS))),
        "bits_per_worker": Quantity(("bits_per_worker",), np.array(bits_per_worker), "bit"),
        **_spread("objective", per_worker, axes, "1"),
        **_spread("loss_percent", 100 * loss, axes, "percent"),
        "optimal_share": Quantity(axes[:2], np.mean(loss == 0, axis=over)),
        "worst_loss": Quantity(axes[:2], loss.max(axis=over)),
        "n_profiles": Quantity((), np.array(n_profiles)),
    }


def _spread(name: str, samples: FloatArray, axes: tuple[str, ...], unit: str) -> dict[str, Quantity]:
    """Mean, 10 % and 90 % quantiles over the last axis."""
    low, high = np.quantile(samples, [0.1, 0.9], axis=-1)
    shown = {name: samples.mean(axis=-1), f"{name}_low": low, f"{name}_high": high}
    return {key: Quantity(axes, values, unit) for key, values in shown.items()}


def fig1_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 1 against every profile and budget."""
    names = [f"{n}" for n in data["n_workers"]]
    share = dict(zip(data["method"].tolist(), data["optimal_share"].T, strict=True))  # method -> (sizes,)
    loss = dict(zip(data["method"].tolist(), data["worst_loss"].T, strict=True))

    def told(method: str) -> dict[str, float]:
        shares = {f"{method}_optimal_share_{n}": float(v) for n, v in zip(names, share[method], strict=True)}
        return shares | {f"{method}_worst_loss_{n}": float(v) for n, v in zip(names, loss[method], strict=True)}

    def finding(true: bool, explanation: str, evidence: dict[str, float]) -> Finding:
        return Finding(Outcome.REPRODUCED if true else Outcome.NOT_REPRODUCED, explanation, evidence)

    worst_ours = float(loss["algorithm_1"].max())
    missed = 1 - float(share["algorithm_1"].min())
    stuck = {method: float(loss[method].max()) for method in ("greedy", "relaxation")}
    gaps = [float(np.min(loss[method])) for method in stuck]
    return {
        "fig1_near_optimal": finding(
            worst_ours <= NEAR, f"the largest loss of Algorithm 1 is {worst_ours:.2g}", told("algorithm_1")
        ),
        "fig1_matches_the_dynamic_program": finding(
            missed == 0, f"Algorithm 1 misses the optimum in up to {missed:.2%} of the cases", told("algorithm_1")
        ),
        "fig1_heuristics_are_trapped": finding(
            all(share[method].max() < 1 for method in stuck),
            ", ".join(f"{method} loses up to {worst:.1%}" for method, worst in stuck.items()),
            told("greedy") | told("relaxation"),
        ),
        "fig1_gap_persists_with_workers": finding(
            min(gaps) > worst_ours,
            f"with {' and '.join(names)} workers the worst losses of both heuristics stay above Algorithm 1's",
            told("greedy") | told("relaxation"),
        ),
    }
