"""QuanTimed-DSGD beside asynchronous DSGD, and its run-time over the deadline [quantimed, Fig. 4]."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from figures.claims import Finding, Outcome, all_of, every, over_readings, ratio
from figures.quantimed import panels, setting, speedups
from figures.quantimed.setting import MAIN, TUNED, Method, TaskName
from figures.quantities import Arrays, Quantity
from figures.work import Work

SENDS: tuple[Method, ...] = ("asynchronous_dsgd", "asynchronous_dsgd_blocking")
METHODS: tuple[Method, ...] = ("quantimed", *SENDS, "dsgd")
COMPARISONS: tuple[tuple[Method, Method], ...] = (
    *((each, "quantimed") for each in SENDS),
    *(("dsgd", each) for each in SENDS),
    ("dsgd", "quantimed"),
)
CURVES: tuple[tuple[Method, str], ...] = tuple((method, MAIN) for method in METHODS)
COMM_S = 1.0  # T_c on the right
THIRTY_PERCENT = 1 / (1 - 0.3)  # as a speed-up: 30 % less run-time

SCALES: dict[str, dict[str, Any]] = {
    "quick": {**setting.QUICK, "variants": {"clothing": (MAIN, "T = 1000")}, "deadlines_s": (0.02, 0.1, 0.5, 2.5)},
    "paper": {
        **setting.PAPER,
        "variants": {"clothing": (MAIN, "T = 1000", "s = 4", "b = 100", TUNED)},
        "deadlines_s": (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28),
    },
}
DIFFERS = (
    *setting.DIFFERS,
    "The paper does not say whether a worker of asynchronous DSGD computes while its model travels (overlapped) or "
    "only then (blocking): both are shown.",
    "The asynchronous methods are followed for 24 (overlapped) and 14 (blocking) updates of a worker: in these the "
    "start, when nobody has waited yet, still favours them over the others.",
    "The deadlines on the right are chosen; the text names none.",
)


def fig4_data(
    *, seed: int, work: Work, variants: Mapping[TaskName, tuple[str, ...]], deadlines_s: tuple[float, ...], **size: Any
) -> dict[str, Quantity]:
    """Train the network of the left side with four methods, and with QuanTimed-DSGD at every deadline.

    Returns what `panels.figure_data` does, and of the
    deadlines `deadline_loss` and `deadline_clock` over (deadline_s, checkpoint), and `deadline_time` over (deadline_s,
    run): when the lowest of the losses is reached that all reach, `deadline_target`.

    Parameters
    ----------
    size : of `experiment_of`
    """
    data = panels.figure_data(work, METHODS, COMPARISONS, CURVES, seed=seed, variants=variants, **size)
    experiment = setting.experiment_of("clothing", seed=seed, **size)
    main = replace(experiment.main, method="quantimed", n_runs=experiment.n_variant_runs, comm_s=COMM_S)
    cases = [replace(main, deadline_s=each) for each in deadlines_s]
    done = setting.simulated(work, cases)
    goals = np.asarray(setting.TARGETS["clothing"])  # (G,)
    times = np.array([speedups.times_to(done[case], goals) for case in cases])  # (deadlines, R, G)
    common = np.flatnonzero(speedups.reached(times))  # (looks,)
    last = common[-1] if common.size else 0
    axes = ("deadline_s", "checkpoint")
    return data | {
        "deadline_s": Quantity(axes[:1], np.array(deadlines_s), "s"),
        "deadline_clock": Quantity(axes, np.array([done[case].seconds.mean(axis=0) for case in cases]), "s"),
        **panels.banded_by_curve("deadline_loss", [done[case].loss for case in cases], axes),
        "deadline_time": Quantity(("deadline_s", "run"), times[:, :, last], "s"),
        "deadline_target": Quantity((), goals[last]),
    }


def fig4_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the sentences about Fig. 4 against the speed-ups and the run-times."""

    def hold(comparison: str, threshold: float, which: str, what: str) -> Finding:
        return speedups.hold(data, "clothing", comparison, threshold, which=which, what=what)

    sends = {"overlapped": "asynchronous_dsgd", "blocking": "asynchronous_dsgd_blocking"}
    over_dsgd = {how: hold(f"{each} over dsgd", 1.0, "final", "speed-up over DSGD") for how, each in sends.items()}
    up_to = {
        how: hold(f"quantimed over {each}", THIRTY_PERCENT, "largest", "largest speed-up over asynchronous DSGD")
        for how, each in sends.items()
    }
    faster = {
        how: hold(f"quantimed over {each}", 1.0, "final", "speed-up over asynchronous DSGD")
        for how, each in sends.items()
    }
    dsgd = hold("quantimed over dsgd", 1.0, "final", "speed-up")
    return {
        "fig4_asynchronous_outperforms_dsgd": over_readings(over_dsgd),
        "fig4_improves_upon_asynchronous_by_30_percent": over_readings(up_to),
        "fig4_reduces_the_training_time": every({"over DSGD": dsgd, "over asynchronous DSGD": over_readings(faster)}),
        "fig4_deadline_has_an_optimum": _optimum(data),
    }


def _optimum(data: Arrays) -> Finding:
    """Judge "T_d can be optimized": a deadline between the shortest and the longest is faster than both."""
    deadlines, times, target = data["deadline_s"], data["deadline_time"], float(data["deadline_target"])
    if not np.isfinite(times).all():
        return Finding(Outcome.INCONCLUSIVE, "there is no loss that all deadlines reach")
    best = int(times.mean(axis=1).argmin())
    gains = {
        f"{deadlines[end]:g} s": ratio(times[end], times[best], n_looks=2 * (len(deadlines) - 1))
        for end in (0, len(deadlines) - 1)
        if end != best
    }
    what = f"loss {target:g} is reached first with T_d = {deadlines[best]:g} s; times as long it takes with"
    slower = all_of(gains, lambda each: each.above(1.0), what, prefix="time over least, ")
    evidence = {"best_deadline_s": float(deadlines[best]), "target": target, **slower.evidence}
    at_an_end = len(gains) < 2
    return Finding(Outcome.NOT_REPRODUCED if at_an_end else slower.outcome, slower.explanation, evidence)
