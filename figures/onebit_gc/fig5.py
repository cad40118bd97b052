"""1-bit gradient coding over the straggling probability [onebit_gc, Fig. 5]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, every, falls
from figures.onebit_gc import setting
from figures.onebit_gc.setting import regression, regression_curves
from figures.quantities import Arrays, Quantity
from figures.work import Work

SCALES = {
    "quick": {"n_runs": 4, "n_rounds": 60, "straggle_probs": (0.1, 0.5)},
    "paper": {"n_runs": 20, "n_rounds": 200, "straggle_probs": (0.1, 0.2, 0.3, 0.5)},
}
DIFFERS = (*setting.REGRESSION_DIFFERS, "The text does not tell the values of p.")


def fig5_data(
    *, seed: int, work: Work, n_runs: int, n_rounds: int, straggle_probs: tuple[float, ...]
) -> dict[str, Quantity]:
    """Run replication 15 with workers that straggle more and more often."""
    cases = {
        f"{prob}": regression("one_bit", (15,), n_rounds=n_rounds, n_runs=n_runs, straggle_prob=prob)
        for prob in straggle_probs
    }
    found = setting.simulated(work, seed, cases)
    probs = Quantity(("straggle_prob",), np.array(straggle_probs))
    return {"straggle_prob": probs, **regression_curves("straggle_prob", cases, found)}


def fig5_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentence about its Fig. 5 against the runs: the curves fall with p."""
    names = [f"p={each}" for each in data["straggle_prob"][::-1]]
    parts = {
        name: falls(data[f"{name}_level"][::-1], names, what=f"mean over the rounds of log10 of the {name}")
        for name in ("residual", "error")
    }
    return {"fig5_better_with_fewer_stragglers": every(parts)}
