"""Training loss over run-time of QuanTimed-DSGD and DSGD [quantimed, Fig. 2]."""

from collections.abc import Mapping
from typing import Any

from figures.claims import Finding
from figures.quantimed import panels, setting, speedups
from figures.quantimed.setting import CHANGES, MAIN, TUNED, Method
from figures.quantities import Arrays, Quantity
from figures.work import Work

METHODS: tuple[Method, ...] = ("quantimed", "dsgd")
COMPARISONS: tuple[tuple[Method, Method], ...] = (("dsgd", "quantimed"),)
CURVES: tuple[tuple[Method, str], ...] = (("quantimed", MAIN), ("quantimed", "T = 1000"), ("dsgd", MAIN))

SCALES: dict[str, dict[str, Any]] = {
    "quick": {**setting.QUICK, "variants": {"clothing": (MAIN, "T = 1000"), "digits": (MAIN, "T = 1000")}},
    "paper": {
        **setting.PAPER,
        "variants": {"clothing": tuple(CHANGES), "digits": (MAIN, "T = 1000", "s = 4", TUNED)},
    },
}
DIFFERS = setting.DIFFERS


def fig2_data(*, seed: int, work: Work, **size: Any) -> dict[str, Quantity]:
    """Train both tasks' networks with both methods, in every variant of what the paper leaves open.

    Returns what `panels.figure_data` does, whose the parameters are.
    """
    return panels.figure_data(work, METHODS, COMPARISONS, CURVES, seed=seed, **size)


def fig2_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the sentence about Fig. 2 against the largest speed-up."""
    what = "largest speed-up over DSGD at any loss"
    return {
        "fig2_speedup_of_up_to_three": speedups.hold(
            data, "clothing", "quantimed over dsgd", 3.0, which="largest", what=what
        )
    }
