"""Convergence of the gradient codes with SGD and with Adam [hetero_gc, Fig. 2]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, Outcome, worst
from figures.hetero_gc import training
from figures.hetero_gc.training import (
    METHODS,
    OURS,
    World,
    adapted,
    beats_all,
    curves,
    evidence,
    excess,
    network,
    settled,
    shown,
    told,
    trained,
)
from figures.quantities import Arrays, Quantity
from figures.work import Work

STRUGGLING = ("osgc", "stochastic", "erasure_head", "bernoulli")  # at the small budget, says the paper
NEAR = 0.05  # relative excess over SGD's final loss that still counts as comparable

SCALES = {scale: {**sizes, "n_workers": (10, 20), "bits": (3, 6)} for scale, sizes in training.SIZES.items()}
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
    n_hidden: int = 10,
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
    sgd, adam, small, large = ("a", "b", "d", "e"), ("c", "f"), ("a", "b"), ("d", "e")
    final = {part: beats_all(data, part) for part in (sgd, adam, small, large)}
    common = {part: beats_all(data, part, of="common") for part in (sgd, small, large)}
    scales = [settled(final[part], common[part]) for part in (small, large)]
    ours, osgc = ({panel: excess(data, panel, method) for panel in sgd} for method in (OURS, "osgc"))
    tight = {f"({panel}) {method}": excess(data, panel, method) for panel in ("a", "d") for method in STRUGGLING}
    return {
        "fig2_final_loss": Finding(
            settled(final[sgd], common[sgd]),
            f"steps tuned: {told(final[sgd])}; at SGD's best step: {told(common[sgd])}",
            evidence(final[sgd]),
        ),
        "fig2_convergence_speed": _speed(data, sgd),
        "fig2_persists_across_sizes": Finding(
            worst(scales), ", ".join(f"{n} workers: {each}" for n, each in zip(_sizes(data), scales, strict=True))
        ),
        "fig2_full_precision_costs_more": _full_precision(data),
        "fig2_others_struggle": Finding(
            worst([each.above(NEAR) for each in tight.values()]),
            f"excess over SGD's final loss at the small budget, to be above {NEAR:.0%}: {shown(tight)}",
            {name: each.mean for name, each in tight.items()},
        ),
        "fig2_osgc_degrades": Finding(
            worst([osgc[low].above(osgc[high].high) for low, high in ("ab", "de")]),
            f"excess of OSGC over SGD's final loss at the small and the larger budget: {shown(osgc)}",
            {panel: each.mean for panel, each in osgc.items()},
        ),
        "fig2_comparable_to_centralized": Finding(
            worst([each.below(NEAR) for each in ours.values()]),
            f"excess of ours over SGD's final loss, to be below {NEAR:.0%}: {shown(ours)}",
            {panel: each.mean for panel, each in ours.items()},
        ),
        "fig2_nearer_with_more_bits": Finding(
            worst([ours[high].below(ours[low].low) for low, high in ("ab", "de")]),
            f"excess of ours over SGD's final loss: {shown(ours)}",
        ),
        "fig2_adam": Finding(
            worst([each.outcome for each in final[adam].values()]), told(final[adam]), evidence(final[adam])
        ),
    }


def _sizes(data: Arrays) -> list[int]:
    return [int(n) for n in np.unique(data["workers"])]


def _full_precision(data: Arrays) -> Finding:
    """Compare 32 bits a coordinate of every worker with the budgets."""
    times = data["workers"] * training.FLOAT_BITS / data["budget"]  # (panels,)
    found = {"least": float(times.min()), "most": float(times.max())}
    outcome = Outcome.REPRODUCED if found["least"] > 1 else Outcome.NOT_REPRODUCED
    return Finding(outcome, f"full precision costs {found['least']:.3g} to {found['most']:.3g} times the budget", found)


def _speed(data: Arrays, panels: tuple[str, ...]) -> Finding:
    """Judge whether ours needs fewer rounds than each baseline to the baseline's final mean loss."""
    saved = {name: value for panel in panels for name, value in _rounds_saved(data, panel).items()}
    slower = [name for name, value in saved.items() if value <= 0]
    least = min(saved, key=lambda name: saved[name])
    explanation = f"ours needs fewer rounds in {len(saved) - len(slower)} of {len(saved)} comparisons"
    explanation += f"; not: {', '.join(slower)}" if slower else f", least saved against {least}: {saved[least]:.0f}"
    return Finding(Outcome.NOT_REPRODUCED if slower else Outcome.REPRODUCED, explanation, saved)


def _row(data: Arrays, panel: str, method: str) -> tuple[int, int]:
    return data["panel"].tolist().index(panel), data["method"].tolist().index(method)


def _rounds_saved(data: Arrays, panel: str) -> dict[str, float]:
    """Rounds of a baseline less those after which ours has the baseline's final mean loss; −∞ if it never has."""
    curve, rounds = data["loss"][_row(data, panel, OURS)], data["round"]  # (T+1,) each
    saved = {}
    for method in training.BASELINES:
        target = data["loss"][(*_row(data, panel, method), -1)]
        reached = np.flatnonzero(curve <= target)
        saved[f"{panel}, {method}"] = float(rounds[-1] - rounds[reached[0]]) if reached.size else -np.inf
    return saved
