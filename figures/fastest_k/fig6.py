"""Communication to a log-loss in logistic regression on MNIST, fixed and adaptive k [fastest_k, Fig. 6]."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.claims import Finding, Outcome, over_readings, ratio, worst
from figures.curves import banded
from figures.fastest_k import digits
from figures.fastest_k.progress import (
    ADAPTIVE,
    label,
    less_for_every_error,
    races,
    reached,
    reached_by_groups,
)
from figures.quantities import Array, Arrays, Quantity
from figures.work import Work

SCALES, DIFFERS = digits.SCALES, digits.DIFFERS

HIGH, LOW = digits.TARGETS[:2], digits.TARGETS[-1:]  # "high error values", "close to 2·10⁻¹"
SLIGHTLY = 1.5  # most that "slightly higher" allows


def fig6_data(
    *, seed: int, work: Work, n_targets: int = 41, errors: tuple[float, float] = (0.6, 0.16), **sizes: Any
) -> dict[str, Quantity]:
    """Count the vectors sent until a log-loss is first reached, gradients alone (a) and with the iterates (b).

    Returns `downloads` and `transfers` over (reading, scheme, target), means and 95 % bands, infinite where a run does
    not reach the target; and every run's log-loss and costs. A vector has all ten models' coordinates.

    Parameters
    ----------
    sizes : of `digits.simulated`; errors : highest and lowest target
    """
    found = digits.simulated(seed, work, **sizes)
    target = np.linspace(*errors, n_targets)  # (targets,)
    shown: dict[str, Quantity] = {}
    for name in ("downloads", "transfers"):
        costs = np.stack(
            [np.stack([_costs(own[each], name, target) for each in digits.SCHEMES]) for own in found.values()]
        )
        shown |= banded(name, costs, ("reading", "scheme", "target"), unit="vectors")
    return {**digits.runs_of(found), "target": Quantity(("target",), target), **shown}


def _costs(own: Any, name: str, target: Array) -> Array:
    """Cost of every run to every target, shape (R, targets)."""
    return np.stack([reached(own.error, getattr(own, name), float(each)) for each in target], axis=1)


def fig6_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 6 against the runs of every reading."""
    download, higher, lowest = {}, {}, {}
    for r, reading in enumerate(data["reading"].tolist()):
        error, schemes = data["error_of_run"][r], data["scheme"]
        seconds, received, sent = (data[f"{name}_of_run"][r] for name in ("seconds", "downloads", "transfers"))
        download[reading] = less_for_every_error(races(error, received, schemes, digits.TARGETS), "gradients sent")
        higher[reading] = _slightly_higher(error, sent, schemes)
        both = [*races(error, sent, schemes, LOW), *races(error, seconds, schemes, LOW)]
        lowest[reading] = less_for_every_error(both, "gradients and iterates sent, then seconds")
    return {
        "fig6_least_download": over_readings(download),
        "fig6_total_slightly_higher_at_first": over_readings(higher),
        "fig6_lowest_near_0.2": over_readings(lowest),
    }


def _slightly_higher(error: Array, sent: Array, schemes: Array) -> Finding:
    """Judge "slightly higher than that of the non-adaptive for high error values", against each of them."""
    own = list(schemes).index(ADAPTIVE)
    outcomes: list[Outcome] = []
    told: list[str] = []
    numbers: dict[str, float] = {}
    looks = len(HIGH) * (len(schemes) - 1)
    for target in HIGH:
        mine = reached_by_groups(error[own], sent[own], target)  # (G,)
        for s, name in enumerate(schemes):
            other = reached_by_groups(error[s], sent[s], target)  # (G,)
            if s == own or not np.isfinite(mine + other).all():
                continue
            times = ratio(mine, other, n_looks=looks)
            outcomes.append(
                Outcome.NOT_REPRODUCED if times.high <= 1 else times.between(1, SLIGHTLY)
            )  # equal is not higher
            told.append(f"{times} × {label(str(name))} at {target:g}")
            numbers |= times.evidence(f"{name}_at_{target:g}")
    if not told:
        return Finding(Outcome.INCONCLUSIVE, "no run reaches these log-losses")
    return Finding(worst(outcomes), "; ".join(told), numbers)
