"""Testing accuracy for several skip probabilities of the server and of the workers [compskip, Fig. 3]."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from figures.claims import Finding, Outcome, all_of, estimate, falls, over_readings
from figures.compskip import setting
from figures.compskip.setting import (
    AT_LEAST_76,
    DROP_SIGN_SGD,
    REPAIRED,
    SAME,
    UNSKIPPED,
    VARIANTS,
    WITHOUT_SKIPS,
    Trained,
    Training,
    compskip,
    trained,
)
from figures.curves import banded
from figures.quantities import Array, Arrays, Quantity
from figures.work import Work
from workbench.core.types import FloatArray

OTHERS = {"without skips": WITHOUT_SKIPS, "dropSignSGD": DROP_SIGN_SGD, "repaired": REPAIRED}
WORST_DECLINE = UNSKIPPED - 75.85  # points, at worker skips of 0.6
STILL_76 = 0.4  # the server's skips up to which the accuracy is said to be at least 76 %
SLACK = 1e-9  # of two probabilities that are the same

SCALES: Mapping[str, Mapping[str, Any]] = {
    "quick": {"server_skips": (0.1, 0.3, 0.5), "worker_skips": (0.15, 0.3, 0.6), "training": setting.QUICK},
    "paper": {
        "server_skips": (0.1, 0.2, 0.3, 0.4, 0.5),
        "worker_skips": (0.15, 0.3, 0.45, 0.6),
        "training": setting.PAPER,
    },
}
DIFFERS = (
    *setting.DIFFERS,
    "What the baseline of 76.76 % is stands nowhere: CompSkipDSGD without skips here. dropSignSGD, at β = β̃ = 0.3, and "
    "the repaired CompSkipDSGD, without momentum and at worker skips of 0.3 and server skips of 0.1, are drawn beside "
    "it; the step sizes of the latter have a unit of their own.",
)


def fig3_data(
    *,
    seed: int,
    work: Work,
    server_skips: tuple[float, ...],
    worker_skips: tuple[float, ...],
    training: Mapping[str, Any],
) -> dict[str, Quantity]:
    """Train with each skip probability, at one step size for all and at the best one of each.

    Returns the curves at one step for all, `by_server` over (server_skip, epoch) and `by_worker` over (worker_skip,
    epoch), with their bands; the ends at both, `server_end` over (variant, server_skip), `worker_end` and `other_end`
    likewise, with bands and each run's; and `<axis>_loss_runs`, each run's training loss at the end.

    Parameters
    ----------
    training : of `Training`
    """
    setup = Training(**training)
    methods = {
        "server": [compskip(server_skip=prob) for prob in server_skips],
        "worker": [compskip(worker_skip=prob) for prob in worker_skips],
        "other": list(OTHERS.values()),
    }
    flat = iter(trained([each for row in methods.values() for each in row], setup, seed=seed, work=work))
    results = {name: [next(flat) for _ in row] for name, row in methods.items()}
    data: dict[str, Quantity] = {
        **setting.described(setup, results["server"][0]),
        "server_skip": Quantity(("server_skip",), np.array(server_skips)),
        "worker_skip": Quantity(("worker_skip",), np.array(worker_skips)),
        "other": Quantity(("other",), np.array(list(OTHERS))),
    }
    for name, axis in (("server", "server_skip"), ("worker", "worker_skip"), ("other", "other")):
        curves = np.stack([each.accuracy(SAME) for each in results[name]])  # (methods, R, T+1)
        data |= banded(f"by_{name}", curves, (axis, "epoch"), unit="percent")
        data |= setting.ends_of(f"{name}_end", results[name], axis)
        data[f"{name}_loss_runs"] = Quantity(("variant", axis, "run"), _final_losses(results[name]))
        data[f"{name}_best_step"] = Quantity((axis,), np.array([each.step for each in results[name]]))
    return data


def _final_losses(results: Sequence[Trained]) -> FloatArray:
    """Training loss at the end of each run, shape (variants, methods, R)."""
    return np.stack([[each.variants[variant].loss[:, -1] for each in results] for variant in VARIANTS])


def fig3_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the sentences about Fig. 3 against the runs, at both ways to choose the step sizes."""
    server, worker = data["server_skip"], data["worker_skip"]
    baseline = data["other"].tolist().index("without skips")
    without = data["other_end_runs"][:, baseline]  # (variants, R)

    def falling(name: str, skips: Array) -> Finding:
        return _both(lambda v: _decreases(data[f"{name}_end_runs"][v], skips))

    def within(name: str, skips: Array, chosen: Array, points: float) -> Finding:
        """Judge "at these skips the accuracy is at most so many points below that without any"."""
        rows = np.flatnonzero(chosen).tolist()
        return _both(
            lambda v: _declines(
                {f"{skips[row]:g}": without[v] - data[f"{name}_end_runs"][v, row] for row in rows}, points
            )
        )

    most = int(worker.argmax())
    loss = data["worker_loss_runs"][:, most] - data["other_loss_runs"][:, baseline]  # (variants, R)
    return {
        "fig3_accuracy_falls_with_server_skips": falling("server", server),
        "fig3_at_least_76_up_to_0.4": within("server", server, server <= STILL_76 + SLACK, AT_LEAST_76),
        "fig3_accuracy_falls_with_worker_skips": falling("worker", worker),
        "fig3_worst_case_of_worker_skips": within("worker", worker, worker == worker[most], WORST_DECLINE),
        "fig3_at_least_76_in_other_cases": within("worker", worker, worker != worker[most], AT_LEAST_76),
        "fig3_poorer_generalisation": _both(lambda v: _not_above(loss[v])),
    }


def _both(judge: Any) -> Finding:
    return over_readings({variant: judge(v) for v, variant in enumerate(VARIANTS)})


def _decreases(ends: FloatArray, skips: Array) -> Finding:
    """Judge "the accuracy decreases as the probability increases" for ends (skips, R).

    By the slope of each run's least-squares line; and no step from a probability to the next may lead up, as far as
    simultaneous intervals tell. Single steps of the paper's are of 0.05 points: no number of runs here resolves them.
    """
    centred = skips - skips.mean()  # (skips,)
    slope = estimate(centred @ ends / np.square(centred).sum())
    neighbours = falls(ends, [f"{prob:g}" for prob in skips], what="from one to the next")
    outcome = slope.below(0.0)
    if neighbours.outcome == Outcome.NOT_REPRODUCED:
        outcome = Outcome.NOT_REPRODUCED
    told = f"points a unit of probability: {slope}, {neighbours.explanation}"
    return Finding(outcome, told, slope.evidence("slope") | dict(neighbours.evidence))


def _declines(declines: Mapping[str, FloatArray], points: float) -> Finding:
    """Judge "every decline is at most so many points": simultaneous intervals, runs (R,) of each."""
    found = {name: estimate(each, n_looks=len(declines)) for name, each in declines.items()}
    what = f"points below the accuracy without skips, {points:.2f} at most"
    return all_of(found, lambda each: each.below(points), what, prefix="decline_")


def _not_above(differences: FloatArray) -> Finding:
    """Judge "only the testing accuracy declines": refuted where the training loss (R,) ends higher with the skips."""
    found = estimate(differences)
    told = f"training loss at the end, most worker skips − none: {found}"
    return Finding(found.below(0), told, found.evidence("loss_difference"))
