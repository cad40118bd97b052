"""Error over wall-clock time in linear regression, fixed and adaptive k [fastest_k, Fig. 3]."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.claims import Finding, Outcome, estimate, falls, over_readings, ratio, worst
from figures.curves import banded
from figures.fastest_k import regression
from figures.fastest_k.progress import (
    ADAPTIVE,
    at_times,
    evidence,
    grouped,
    label,
    races,
    reached_by_groups,
    told,
)
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.types import FloatArray

SCALES, DIFFERS = regression.SCALES, regression.DIFFERS

ADAPTIVE_S, SLOWEST_S = 2000, 6000  # as the paper has them
NEAR = 0.25  # what "approximately" allows, relative
LEVELS = (1.5, 2.0, 4.0)  # multiples of the lowest error at which it counts as reached
HIGHER = 1.5  # an error that is not "the same"
EARLY = 1.0  # an error at which every k is still descending


def fig3_data(*, seed: int, work: Work, n_times: int = 141, end_s: float = 7000.0, **sizes: Any) -> dict[str, Quantity]:
    """Simulate fastest-k SGD with k = 10, ..., 40 and Algorithm 1, and read errors on a common clock.

    Returns `error` over (scheme, time_s), mean and 95 % band; `level`, where each run's error stays; `switch_s`, the
    mean time at which Algorithm 1 goes to 20, 30, 40; and every run's error and seconds for the claims.

    Parameters
    ----------
    sizes : of `regression.document`; n_times, end_s : of the clock
    """
    found = regression.simulated(seed, work, **sizes)
    time_s = np.linspace(0, end_s, n_times)  # (times,)
    curves = np.stack([at_times(each.error, each.seconds, time_s) for each in found.values()])  # (schemes, R, times)
    grown = regression.WAITS[1:]
    adaptive = found[ADAPTIVE]
    switches = [np.where(adaptive.n_wait >= k, adaptive.seconds, np.inf).min(axis=1).mean() for k in grown]
    return {
        **regression.runs_of(found),
        "time_s": Quantity(("time_s",), time_s, "s"),
        **banded("error", curves, ("scheme", "time_s")),
        "grown": Quantity(("grown",), np.array(grown)),
        "switch_s": Quantity(("grown",), np.array(switches), "s"),
    }


def fig3_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 3 against the runs."""
    names = [str(each) for each in data["scheme"]]
    level = {name: grouped(data["level"][s]) for s, name in enumerate(names)}  # (G,) each
    slowest = names[len(regression.WAITS) - 1]
    return {
        "fig3_better_trade_off": _better(data),
        "fig3_lowest_error_at_2000": _lowest_at(data, ADAPTIVE, ADAPTIVE_S),
        "fig3_k_40_at_6000": _lowest_at(data, slowest, SLOWEST_S),
        "fig3_only_k_40_reaches_it": _only(data, level, slowest),
        "fig3_confirms_the_trade_off": _trade_off(data, level),
    }


def _better(data: Arrays) -> Finding:
    """Judge by the time to every error, against the fixed k that is the fastest there."""
    compared = races(data["error_of_run"], data["seconds_of_run"], data["scheme"], regression.targets(data))
    by_target = over_readings({f"{each.target:.2g}": Finding(each.outcome, "") for each in compared})
    return Finding(by_target.outcome, f"seconds of adaptive k: {told(compared)}", evidence(compared))


def _times(data: Arrays, name: str, target: float) -> FloatArray:
    s = list(data["scheme"]).index(name)
    return reached_by_groups(data["error_of_run"][s], data["seconds_of_run"][s], target)


def _lowest_at(data: Arrays, name: str, quoted_s: float) -> Finding:
    """Judge when a scheme first comes near the adaptive runs' lowest error, whatever near is."""
    found = {}
    for factor in LEVELS:
        times = _times(data, name, factor * regression.lowest(data))  # (G,)
        if not np.isfinite(times).all():
            missing = np.count_nonzero(~np.isfinite(times))
            found[f"{factor:g} × lowest"] = Finding(Outcome.INCONCLUSIVE, f"{missing} groups of runs do not reach it")
            continue
        when = estimate(times, n_looks=len(LEVELS))
        outcome = when.between((1 - NEAR) * quoted_s, (1 + NEAR) * quoted_s)
        found[f"{factor:g} × lowest"] = Finding(outcome, f"after {when} s", when.evidence("seconds"))
    return over_readings(found)


def _only(data: Arrays, level: Mapping[str, FloatArray], slowest: str) -> Finding:
    """Judge "the same error is only reached for k = 40": the others' errors stay above it."""
    above = {name: ratio(each, level[ADAPTIVE], n_looks=len(level) - 1) for name, each in level.items()}
    del above[ADAPTIVE]
    same = above.pop(slowest)
    arrives = bool(np.isfinite(_times(data, slowest, LEVELS[1] * regression.lowest(data))).all())
    if all(each.low > HIGHER for each in above.values()) and arrives and same.high < HIGHER:
        outcome = Outcome.REPRODUCED
    elif any(each.high < HIGHER for each in above.values()) or same.low > HIGHER:
        outcome = Outcome.NOT_REPRODUCED
    else:
        outcome = Outcome.INCONCLUSIVE
    levels = "; ".join(f"{label(name)}: {each}" for name, each in {**above, slowest: same}.items())
    numbers = {key: value for name, each in above.items() for key, value in each.evidence(name).items()}
    return Finding(
        outcome, f"level of the error in multiples of the adaptive runs': {levels}", numbers | same.evidence(slowest)
    )


def _trade_off(data: Arrays, level: Mapping[str, FloatArray]) -> Finding:
    """Judge "these results confirm our intuition": fixed k descends the faster, and stays the higher, the smaller."""
    fixed = [name for name in level if name != ADAPTIVE]
    times = np.stack([_times(data, name, EARLY) for name in fixed[::-1]])  # (schemes, G)
    if not np.isfinite(times).all():
        return Finding(Outcome.INCONCLUSIVE, f"not every run reaches the error {EARLY:g}")
    early = falls(times, fixed[::-1], what=f"seconds to the error {EARLY:g}")
    late = falls(np.stack([np.log(level[name]) for name in fixed]), fixed, what="logarithm of the level")
    return Finding(
        worst([early.outcome, late.outcome]),
        f"{early.explanation} | {late.explanation}",
        {f"seconds_{name}": value for name, value in early.evidence.items()}
        | {f"level_{name}": value for name, value in late.evidence.items()},
    )
