"""Figures of the paper on communication-efficient approximate gradient coding in heterogeneous systems."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import PAGE_IN, house_style, scheme_style
from workbench.core.streams import stream
from workbench.core.types import FloatArray
from workbench.solvers import bit_allocation as allocation

Data = Mapping[str, Any]

METHODS = {
    "exact": allocation.solve_structured,
    "algorithm_1": allocation.solve_algorithm_1,
    "greedy": allocation.solve_greedy,
    "relaxation": allocation.solve_relaxation,
    "equal": allocation.solve_equal,
}
SAME = 1e-12  # relative difference of two utilities that count as equal


def fig1_data(
    *,
    seed: int = 1,
    n_profiles: int = 20,
    sizes: tuple[int, ...] = (20, 50),
    bits_per_worker: tuple[int, ...] = (3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20),
    dim: float = 5e6,
    wait_s: float = 1.0,
    rates_per_s: tuple[float, float] = (0.5, 3.0),
) -> dict[str, Any]:
    """Compare allocations over the bit budget: the paper's Figure 1, with the spread it does not show.

    p_i = exp(−μ_i (τ − α)) [eq. 37], μ_i uniform; ω(b) = d/(4 s²), s = 2^(b−1) − 1, the paper's constant.
    Its text names neither W, τ, α nor the range of μ: W = 20 and 50, τ − α = 1 s and μ in [0.5, 3]/s here,
    p between 0.05 and 0.61; d = 5e6 is the paper's network. The same profiles meet every budget.

    Returns `utility` (sizes, methods, budgets, profiles) with its axes `n_workers`, `method`, `budget`
    (sizes, budgets); `loss`, relative to the optimum; `optimal_share` and `worst_loss` (sizes, methods), by
    name in `summary`.
    """

    def variance_of_bits(bits: FloatArray) -> FloatArray:
        return np.asarray(dim / (4 * (2 ** (bits - 1) - 1) ** 2))

    budget = np.outer(sizes, bits_per_worker)  # (sizes, budgets)
    utility = np.empty((len(sizes), len(METHODS), len(bits_per_worker), n_profiles))
    for at_size, n_workers in enumerate(sizes):
        for profile in range(n_profiles):
            rate = stream(seed, f"figures/hetero_gc/fig1/{n_workers}", profile).uniform(*rates_per_s, n_workers)
            prob = np.exp(-rate * wait_s)  # eq. 37
            for at_budget, bits in enumerate(budget[at_size].tolist()):
                for at_method, solve in enumerate(METHODS.values()):
                    utility[at_size, at_method, at_budget, profile] = solve(prob, variance_of_bits, bits).utility
    loss = 1 - utility / utility[:, :1]
    loss = np.where(loss > SAME, loss, 0.0)
    optimal_share, worst_loss = np.mean(loss == 0, axis=(2, 3)), loss.max(axis=(2, 3))  # (sizes, methods) each
    return {
        "n_workers": np.array(sizes),
        "method": np.array(list(METHODS)),
        "budget": budget,
        "utility": utility,
        "loss": loss,
        "optimal_share": optimal_share,
        "worst_loss": worst_loss,
        "summary": {
            f"{n_workers} workers, {method}": {"optimal_share": float(share), "worst_loss": float(worst)}
            for n_workers, shares, worsts in zip(sizes, optimal_share, worst_loss, strict=True)
            for method, share, worst in zip(METHODS, shares, worsts, strict=True)
        },
        "parameters": {
            "seed": seed,
            "n_profiles": n_profiles,
            "sizes": list(sizes),
            "bits_per_worker": list(bits_per_worker),
            "dim": dim,
            "wait_s": wait_s,
            "rates_per_s": list(rates_per_s),
            "variance_constant": "paper",
        },
    }


def fig1_table(data: Data) -> dict[str, list[Any]]:
    """Return the drawn numbers as columns, one row for each size, method and budget."""
    rows = [
        (
            int(n_workers),
            int(budget),
            str(method),
            *(float(v) for v in _mean_and_band(data["utility"][s, m, b])),
            *(float(v) for v in _mean_and_band(data["loss"][s, m, b])),
            float(data["loss"][s, m, b].max()),
        )
        for s, n_workers in enumerate(data["n_workers"])
        for m, method in enumerate(data["method"])
        for b, budget in enumerate(data["budget"][s])
    ]
    names = ["n_workers", "budget", "method", "utility_mean", "utility_p10", "utility_p90"]
    names += ["loss_mean", "loss_p10", "loss_p90", "loss_max"]
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def fig1_draw(data: Data) -> Figure:
    """Draw the utility above and its loss to the optimum below, one column for each system size."""
    with house_style():
        figure = Figure(figsize=(PAGE_IN, 3.9), layout="constrained")
        axes = figure.subplots(2, len(data["n_workers"]), sharex="col", sharey="row", squeeze=False)
        for s, n_workers in enumerate(data["n_workers"]):
            top, bottom = axes[:, s]
            for m, method in enumerate(data["method"]):
                style = scheme_style(method)
                if method == "exact":
                    style |= {"linewidth": 4, "alpha": 0.4, "marker": None}  # others lie on it
                _curve(top, data["budget"][s], data["utility"][s, m] / n_workers, style)
                if method != "exact":
                    _curve(bottom, data["budget"][s], 100 * data["loss"][s, m], style)
            top.set_title(f"{n_workers} workers")
            bottom.set_yscale("symlog", linthresh=0.01, linscale=0.5)
            bottom.set_ylim(-0.001, 150)
            bottom.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0", "0.01", "0.1", "1", "10", "100"])
            bottom.minorticks_off()
            bottom.set_xlabel("bit budget $B$ (bits a coordinate, all workers)")
        axes[0, 0].set_ylabel("objective $\\Sigma_i u_i / W$")
        axes[1, 0].set_ylabel("loss to the optimum (%)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        title = f"mean and 10–90 % band over {data['utility'].shape[-1]} profiles"
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=title, title_fontsize=7)
    return figure


def _mean_and_band(samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, 10 % and 90 % quantiles over the last axis."""
    low, high = np.quantile(samples, [0.1, 0.9], axis=-1)
    return samples.mean(axis=-1), low, high


def _curve(ax: Any, x: FloatArray, samples: FloatArray, style: dict[str, Any]) -> None:
    mean, low, high = _mean_and_band(samples)
    ax.plot(x, mean, **style)
    ax.fill_between(x, low, high, color=style["color"], alpha=0.12, linewidth=0)
