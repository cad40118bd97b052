"""Communication to an error in linear regression, fixed and adaptive k [fastest_k, Fig. 4]."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.claims import Finding
from figures.curves import banded
from figures.fastest_k import regression
from figures.fastest_k.progress import less_for_every_error, races, reached
from figures.quantities import Arrays, Quantity
from figures.work import Work

SCALES, DIFFERS = regression.SCALES, regression.DIFFERS


def fig4_data(
    *,
    seed: int,
    work: Work,
    n_targets: int = 61,
    errors: tuple[float, float] = (1e5, 1e-4),
    **sizes: Any,
) -> dict[str, Quantity]:
    """Count the vectors sent until an error is first reached, gradients alone (a) and with the iterates (b).

    Returns `downloads` and `transfers` over (scheme, target), means and 95 % bands, infinite where a run does not reach
    the target; and every run's error and costs for the claims.

    Parameters
    ----------
    sizes : of `regression.document`; errors : highest and lowest target
    """
    found = regression.simulated(seed, work, **sizes)
    target = np.geomspace(*errors, n_targets)  # (targets,)
    costs = {
        name: np.stack(
            [
                np.stack([reached(each.error, getattr(each, name), float(error)) for error in target], axis=1)
                for each in found.values()
            ]
        )
        for name in ("downloads", "transfers")
    }  # (schemes, R, targets) each
    return {
        **regression.runs_of(found),
        "target": Quantity(("target",), target),
        **banded("downloads", costs["downloads"], ("scheme", "target"), unit="vectors"),
        **banded("transfers", costs["transfers"], ("scheme", "target"), unit="vectors"),
    }


def fig4_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentence about its Fig. 4 against the runs, for either count."""
    targets = regression.targets(data)
    found = {
        count: races(data["error_of_run"], data[f"{count}_of_run"], data["scheme"], targets)
        for count in ("downloads", "transfers")
    }
    return {
        "fig4_least_download": less_for_every_error(found["downloads"], "gradients sent"),
        "fig4_least_in_total": less_for_every_error(found["transfers"], "gradients and iterates sent"),
    }
