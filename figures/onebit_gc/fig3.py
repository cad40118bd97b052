"""1-bit gradient coding with equal and unequal replication of the parts [onebit_gc, Fig. 3]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, every
from figures.onebit_gc import setting
from figures.onebit_gc.judge import lower
from figures.onebit_gc.setting import regression, regression_curves
from figures.quantities import Arrays, Quantity
from figures.work import Work

COPIES = {"setting_1": (15,), "setting_2": (10, 20), "setting_3": (5, 25)}  # first half of the parts, second half
SCALES = {"quick": {"n_runs": 4, "n_rounds": 60}, "paper": {"n_runs": 40, "n_rounds": 200}}
DIFFERS = setting.REGRESSION_DIFFERS


def fig3_data(*, seed: int, work: Work, n_runs: int, n_rounds: int) -> dict[str, Quantity]:
    """Run the three settings, of mean replication 15 each, on the same data, starts and stragglers."""
    cases = {name: regression("one_bit", copies, n_rounds=n_rounds, n_runs=n_runs) for name, copies in COPIES.items()}
    found = setting.simulated(work, seed, cases)
    names = Quantity(("setting",), np.array(list(cases)))
    return {"setting": names, **regression_curves("setting", cases, found)}


def fig3_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentence about its Fig. 3 against the runs: equal replication lies lowest."""
    names = data["setting"].tolist()
    parts = {
        name: lower(dict(zip(names, data[f"{name}_level"], strict=True)), what="mean of log10 over the rounds")
        for name in ("residual", "error")
    }
    return {"fig3_homogeneous_is_fastest": every(parts)}
