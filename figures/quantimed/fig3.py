"""Training loss over run-time of QuanTimed-DSGD, Q-DSGD and DSGD [quantimed, Fig. 3]."""

from collections.abc import Mapping
from typing import Any

from figures.claims import Finding, every
from figures.quantimed import panels, setting, speedups
from figures.quantimed.setting import MAIN, TUNED, Method
from figures.quantities import Arrays, Quantity
from figures.work import Work

METHODS: tuple[Method, ...] = ("quantimed", "q_dsgd", "dsgd")
COMPARISONS: tuple[tuple[Method, Method], ...] = (("q_dsgd", "quantimed"), ("dsgd", "q_dsgd"))
CURVES: tuple[tuple[Method, str], ...] = tuple((method, MAIN) for method in METHODS)

SCALES: dict[str, dict[str, Any]] = {
    "quick": {**setting.QUICK, "variants": {"clothing": (MAIN, "T = 1000"), "digits": (MAIN, "T = 1000")}},
    "paper": {
        **setting.PAPER,
        "variants": {
            "clothing": (MAIN, "T = 1000", "s = 4", "b = 100", TUNED),
            "digits": (MAIN, "T = 1000", "s = 4", TUNED),
        },
    },
}
DIFFERS = setting.DIFFERS


def fig3_data(*, seed: int, work: Work, **size: Any) -> dict[str, Quantity]:
    """Train both tasks' networks with the three synchronous methods, in every variant of what the paper leaves open.

    Returns what `panels.figure_data` does, whose the parameters are.
    """
    return panels.figure_data(work, METHODS, COMPARISONS, CURVES, seed=seed, **size)


def fig3_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the sentences about Fig. 3 against the speed-ups at the lowest loss that both methods reach."""
    improves = {
        task: speedups.hold(data, task, "q_dsgd over dsgd", 1.0, which="final", what="speed-up of Q-DSGD over DSGD")
        for task in ("clothing", "digits")
    }
    return {
        "fig3_q_dsgd_improves_upon_dsgd": every(improves),
        "fig3_twice_as_fast_as_q_dsgd": speedups.hold(
            data, "clothing", "quantimed over q_dsgd", 2.0, which="final", what="speed-up over Q-DSGD"
        ),
    }
