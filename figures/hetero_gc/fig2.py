"""Convergence of the gradient codes with SGD and with Adam [hetero_gc, Fig. 2]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Estimate, Finding, Outcome, all_of, estimate, every
from figures.hetero_gc import training
from figures.hetero_gc.training import (
    BASELINES,
    METHODS,
    OURS,
    World,
    adapted,
    beats_all,
    beats_at_any_step,
    curves,
    excess,
    gap,
    network,
    row,
    trained,
)
from figures.quantities import Arrays, Quantity
from figures.work import Work

STRUGGLING = ("osgc", "stochastic", "erasure_head", "bernoulli")  # at the small budget, says the paper
NEAR = 0.05  # relative excess over SGD's final loss that still counts as comparable

SCALES = {scale: {**sizes, "n_workers": (8, 16), "bits": (3, 6)} for scale, sizes in training.SIZES.items()}
DIFFERS = training.DIFFERS


def fig2_data(
    *,
    seed: int,
    work: Work,
    n_workers: tuple[int, int],
    bits: tuple[int, int],
    n_rounds: int,
    n_runs: int,
    n_pilots: int,
    n_samples: int,
    steps: tuple[float, ...],
    n_hidden: int = training.N_HIDDEN,
) -> dict[str, Quantity]:
    """Train with every code: SGD at two bit budgets and Adam at the smaller one, for two numbers of workers.

    Returns what `training.curves` does, its panels a to f; `workers` and `budget` (panel,), B in bits a coordinate.
    """
    problem = network(n_hidden, n_samples)
    panels, sizes = {}, []
    for names, workers in zip(("abc", "def"), n_workers, strict=True):
        worlds = [World(workers, each, n_rounds, n_runs, 21, problem) for each in (*bits, bits[0])]
        sizes += [(workers, workers * world.bits) for world in worlds]
        for name, world in zip(names[:2], worlds, strict=False):
            panels[name] = trained(work, world, world.all_sgd(), seed=seed, n_pilots=n_pilots, steps=steps)
        panels[names[2]] = adapted(work, worlds[2], seed=seed)
    return {
        **curves(panels, METHODS),
        "workers": Quantity(("panel",), np.array(sizes)[:, 0]),
        "budget": Quantity(("panel",), np.array(sizes)[:, 1], "bit"),
    }


def fig2_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 2 against final losses and the rounds to reach them."""
    sgd, tight = "abde", "ad"
    baselines = [(panel, method) for panel in sgd for method in BASELINES]
    ahead = {f"{p}, {m}": estimate(row(data, p, m, "rounds_ahead"), n_looks=len(baselines)) for p, m in baselines}
    ours = {panel: excess(data, panel, OURS) for panel in sgd}
    others = {f"{panel}, {method}": excess(data, panel, method) for panel in tight for method in STRUGGLING}
    return {
        "fig2_final_loss": beats_at_any_step(data, sgd),
        "fig2_convergence_speed": all_of(ahead, lambda each: each.above(0), "rounds that ours is ahead"),
        "fig2_persists_across_sizes": every(
            {
                f"{n} workers": beats_at_any_step(data, panels)
                for n, panels in zip(_sizes(data), ("ab", "de"), strict=True)
            }
        ),
        "fig2_full_precision_costs_more": _full_precision(data),
        "fig2_others_struggle": all_of(
            others, lambda each: each.above(NEAR), f"excess over SGD's final loss, to be above {NEAR:.0%}"
        ),
        "fig2_osgc_degrades": all_of(
            _gain_with_bits(data, "osgc"), lambda each: each.above(0), "OSGC's loss at the small budget − at the larger"
        ),
        "fig2_comparable_to_centralized": all_of(
            ours, lambda each: each.below(NEAR), f"excess over SGD's final loss, to be below {NEAR:.0%}"
        ),
        "fig2_nearer_with_more_bits": all_of(
            _gain_with_bits(data, OURS), lambda each: each.above(0), "our loss at the small budget − at the larger"
        ),
        "fig2_adam": beats_all(data, "cf"),
    }


def _sizes(data: Arrays) -> list[int]:
    return [int(n) for n in np.unique(data["workers"])]


def _gain_with_bits(data: Arrays, method: str) -> dict[str, Estimate]:
    """How much less loss a method ends with at the larger budget, for both numbers of workers."""
    pairs = zip(_sizes(data), (("a", "b"), ("d", "e")), strict=True)
    return {f"{n} workers": gap(row(data, high, method), row(data, low, method), n_looks=2) for n, (low, high) in pairs}


def _full_precision(data: Arrays) -> Finding:
    """Compare 32 bits a coordinate of every worker with the budgets."""
    times = data["workers"] * training.FLOAT_BITS / data["budget"]  # (panels,)
    found = {"least": float(times.min()), "most": float(times.max())}
    outcome = Outcome.REPRODUCED if found["least"] > 1 else Outcome.NOT_REPRODUCED
    return Finding(outcome, f"full precision costs {found['least']:.3g} to {found['most']:.3g} times the budget", found)
