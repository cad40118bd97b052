"""Log-loss over wall-clock time in logistic regression on MNIST, fixed and adaptive k [fastest_k, Fig. 5]."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.claims import Finding, Outcome, estimate, over_readings, ratio, worst
from figures.curves import banded
from figures.fastest_k import digits
from figures.fastest_k.progress import (
    ADAPTIVE,
    at_times,
    grouped,
    label,
    less_for_every_error,
    races,
    reached_by_groups,
)
from figures.quantities import Array, Arrays, Quantity
from figures.work import Work

SCALES, DIFFERS = digits.SCALES, digits.DIFFERS

LOWEST_S = 1700  # as the paper has it
NEAR = 0.25  # what "approximately" allows, relative
REACHED = 1.05  # multiple of the lowest log-loss at which it counts as reached
LONG_ENOUGH = 2.0  # multiple of 1700 for which runs must go on to show that the log-loss falls no more
LONGER = 1.5  # multiple of the time that is "much longer"


def fig5_data(*, seed: int, work: Work, n_times: int = 101, end_s: float = 4000.0, **sizes: Any) -> dict[str, Quantity]:
    """Simulate fastest-k SGD with k = 2, 4, 8 and Algorithm 1 on digits, and read log-losses on a common clock.

    Returns `error` over (reading, scheme, time_s), mean and 95 % band, and every run's log-loss and seconds.

    Parameters
    ----------
    sizes : of `digits.simulated`; n_times, end_s : of the clock
    """
    found = digits.simulated(seed, work, **sizes)
    time_s = np.linspace(0, end_s, n_times)  # (times,)
    curves = np.stack(
        [
            np.stack([at_times(own[name].error, own[name].seconds, time_s) for name in digits.SCHEMES])
            for own in found.values()
        ]
    )  # (readings, schemes, R, times)
    return {
        **digits.runs_of(found),
        "time_s": Quantity(("time_s",), time_s, "s"),
        **banded("error", curves, ("reading", "scheme", "time_s")),
    }


def fig5_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 5 against the runs of every reading."""
    better, lowest, others = {}, {}, {}
    for reading, error, seconds in zip(
        data["reading"].tolist(), data["error_of_run"], data["seconds_of_run"], strict=True
    ):
        compared = races(error, seconds, data["scheme"], digits.TARGETS)
        better[reading] = less_for_every_error(compared, "seconds")
        lowest[reading] = _lowest_at(error, seconds, data["scheme"])
        others[reading] = _others(error, seconds, data["scheme"])
    return {
        "fig5_better_trade_off": over_readings(better),
        "fig5_lowest_error_at_1700": over_readings(lowest),
        "fig5_others_higher_or_much_later": over_readings(others),
    }


def _lowest(error: Array) -> float:
    """Least mean log-loss of adaptive runs (R, points)."""
    return float(error.mean(axis=0).min())


def _lowest_at(error: Array, seconds: Array, schemes: Array) -> Finding:
    """Judge when the adaptive runs come within 5 % of their lowest log-loss."""
    own = list(schemes).index(ADAPTIVE)
    times = reached_by_groups(error[own], seconds[own], REACHED * _lowest(error[own]))  # (G,)
    if not np.isfinite(times).all():
        return Finding(Outcome.INCONCLUSIVE, "a group of runs stays above the lowest mean")
    if seconds[own, :, -1].min() < LONG_ENOUGH * LOWEST_S:
        return Finding(Outcome.INCONCLUSIVE, f"runs end at {seconds[own, :, -1].min():.0f} s, when it may fall still")
    when = estimate(times)
    outcome = when.between((1 - NEAR) * LOWEST_S, (1 + NEAR) * LOWEST_S)
    told = f"within 5 % of the lowest, {_lowest(error[own]):.3g}, after {when} of {seconds[own, :, -1].mean():.0f} s"
    return Finding(outcome, told, when.evidence("seconds"))


def _others(error: Array, seconds: Array, schemes: Array) -> Finding:
    """Judge whether each fixed k stays above the adaptive runs' lowest log-loss, or takes much longer to it."""
    own = list(schemes).index(ADAPTIVE)
    target = REACHED * _lowest(error[own])
    mine = reached_by_groups(error[own], seconds[own], target)  # (G,)
    if not np.isfinite(mine).all():
        return Finding(Outcome.INCONCLUSIVE, "a group of runs stays above the lowest mean")
    outcomes: list[Outcome] = []
    told: list[str] = []
    numbers: dict[str, float] = {}
    for s, name in enumerate(schemes):
        times = reached_by_groups(error[s], seconds[s], target)  # (G,)
        if s == own:
            continue
        ended = grouped(seconds[s])[:, -1]  # (G,): one that is not there by then is later at least
        takes = ratio(np.where(np.isfinite(times), times, ended), mine, n_looks=len(schemes) - 1)
        late = takes.low > LONGER
        soon = takes.high < LONGER and bool(np.isfinite(times).all())
        outcomes.append(Outcome.REPRODUCED if late else Outcome.NOT_REPRODUCED if soon else Outcome.INCONCLUSIVE)
        least = "" if np.isfinite(times).all() else "at least "
        told.append(f"{label(str(name))}: {least}{takes} × the time")
        numbers |= takes.evidence(str(name))
    return Finding(worst(outcomes), "; ".join(told), numbers)
