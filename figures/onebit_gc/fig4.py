"""1-bit gradient coding over the mean replication [onebit_gc, Fig. 4]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, every, falls
from figures.curves import banded, first_time
from figures.onebit_gc import setting
from figures.onebit_gc.setting import regression, regression_curves, residual
from figures.quantities import Arrays, Quantity
from figures.work import Work

SCALES = {
    "quick": {"n_runs": 4, "n_rounds": 120, "replications": (5, 15, 30)},
    "paper": {"n_runs": 20, "n_rounds": 200, "replications": (5, 10, 15, 20, 30)},
}
DIFFERS = (*setting.REGRESSION_DIFFERS, "The text does not tell the values of D.")
RESIDUAL, ERROR = 1000.0, 4.0


def fig4_data(
    *, seed: int, work: Work, n_runs: int, n_rounds: int, replications: tuple[int, ...]
) -> dict[str, Quantity]:
    """Run equal replications, and read off the overhead until the residual is 1000 and the error 4.

    A run that does not get there has no overhead (NaN).
    """
    cases = {f"{d}": regression("one_bit", (d,), n_rounds=n_rounds, n_runs=n_runs) for d in replications}
    found = setting.simulated(work, seed, cases)
    quantities = {
        "replication": Quantity(("replication",), np.array(replications)),
        **regression_curves("replication", cases, found),
    }
    clock = np.broadcast_to(np.asarray(quantities["overhead"].values, float), (n_runs, n_rounds + 1))
    for name, target in (("residual", RESIDUAL), ("error", ERROR)):
        reached = [
            first_time(residual(each.loss) if name == "residual" else np.sqrt(each.error_sq), clock, target)
            for each in found.values()
        ]
        samples = np.stack(reached)  # (replications, R)
        quantities |= banded(f"overhead_to_{name}", samples.T, ("replication",), unit="bit")
        quantities[f"overhead_to_{name}_of_run"] = Quantity(("replication", "run"), samples, "bit")
    return quantities


def fig4_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 4 against the runs."""
    names = [f"D={each}" for each in data["replication"]]
    faster = {
        name: falls(data[f"{name}_level"], names, what=f"mean over the rounds of log10 of the {name}")
        for name in ("residual", "error")
    }
    cheaper = {}
    for name in ("residual", "error"):
        bits = data[f"overhead_to_{name}_of_run"]
        at_least = np.where(np.isnan(bits), data["overhead"][-1], bits)  # (replications, R)
        unfinished = (
            f", {np.isnan(bits).sum()} runs did not get there and count with all" if np.isnan(bits).any() else ""
        )
        cheaper[f"to_{name}"] = falls(at_least, names, what=f"bits{unfinished}")
    return {"fig4_faster_with_replication": every(faster), "fig4_overhead_for_replication": every(cheaper)}
