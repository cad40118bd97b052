"""Bound on the error over wall-clock time, for fixed k and for Theorem 1's policy [fastest_k, Fig. 1]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, Outcome
from figures.fastest_k.example import RATES, SHOWN_RATE, WAITS, Example
from figures.quantities import Arrays, Quantity

QUOTED_S = 1098  # until then k = 1 is the best fixed k
SAME = 1e-9  # relative difference of two bounds that rounding makes

SCALES = {"quick": {"n_times": 201}, "paper": {"n_times": 1001}}
DIFFERS = (
    "The printed rate λ = 1/5 stretches time 25-fold; the paper's axis and its 1098 and 6623 need λ = 5, mean 1/5, "
    "which is drawn.",
    "Theorem 1's policy is drawn too; here it is also the optimal policy.",
)


def fig1_data(*, n_times: int, end_s: float = 8000.0) -> dict[str, Quantity]:
    r"""Evaluate (6) with ε = 0 for k = 1, ..., 5, and the bound under Theorem 1's switching times.

    .. math:: e_k(t) = f_k + (1 - \eta c)^{t/\mu_k} (\Delta_0 - f_k), \quad f_k = \eta L \sigma^2/(2cks)

    Parameters
    ----------
    n_times : T; end_s : of the axis, for the rate that is drawn
    """
    shown = Example(SHOWN_RATE)
    time_s = np.linspace(0, end_s, n_times)  # (T,)
    adaptive, optimal = shown.policies()
    fixed = shown.fixed(time_s)  # (W, T)
    at_quoted = np.stack([Example(rate).fixed(np.array([0.5 * QUOTED_S, QUOTED_S - 1, QUOTED_S])) for rate in RATES])
    return {
        "n_wait": Quantity(("n_wait",), WAITS),
        "time_s": Quantity(("time_s",), time_s, "s"),
        "rate": Quantity(("rate",), np.array(RATES), "1/s"),
        "fixed": Quantity(("n_wait", "time_s"), fixed),
        "adaptive": Quantity(("time_s",), adaptive.error(time_s)),
        "optimal": Quantity(("time_s",), optimal.error(time_s)),
        "switch_s": Quantity(("switch",), adaptive.switch_s, "s"),
        "switch_error": Quantity(("switch",), adaptive.start_error[1:]),
        "floor": Quantity(("n_wait",), shown.fixed(np.array([np.inf]))[:, 0]),
        "mean_wait": Quantity(("n_wait",), shown.mean_wait, "s"),
        "at_quoted": Quantity(("rate", "n_wait", "quoted"), at_quoted),
    }


def fig1_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 1 against the bounds."""
    fixed, adaptive, floor = data["fixed"], data["adaptive"], data["floor"]
    fall = (fixed[:, 0] - floor) / data["mean_wait"]  # −de/dt at 0, up to α, (W,)
    best = fixed.min(axis=0)  # (T,)
    sooner = data["time_s"] >= data["switch_s"][0]
    never_higher = bool(np.all(adaptive <= best * (1 + SAME)))
    lower = bool(np.all(adaptive[sooner][1:] < best[sooner][1:]))
    gain = float(np.max(best / adaptive))
    one_best = {
        float(rate): bool(np.all(each[0, :2] < each[1:, :2].min(axis=0)) and each[0, 2] > each[1:, 2].min())
        for rate, each in zip(data["rate"], data["at_quoted"], strict=True)
    }
    return {
        "fig1_one_is_lowest_before_1098": Finding(
            Outcome.OPEN if len(set(one_best.values())) > 1 else _outcome(all(one_best.values())),
            "; ".join(
                f"rate {rate:g}/s: k = 1 is lowest {f'until {QUOTED_S}' if true else f'at {QUOTED_S} still'}"
                for rate, true in one_best.items()
            ),
            {f"true_for_rate_{rate:g}": float(true) for rate, true in one_best.items()},
        ),
        "fig1_one_falls_fastest_at_first": Finding(
            _outcome(bool(np.all(np.diff(fall) < 0))),
            f"at t = 0 the bound falls {fall[0] / fall[1]:.3g} times as fast with k = 1 as with k = 2",
            {f"fall_{k}": float(each) for k, each in zip(data["n_wait"], fall, strict=True)},
        ),
        "fig1_below_the_floor_of_one": Finding(
            _outcome(bool(adaptive[-1] < floor[0] < data["switch_error"][0])),
            f"k = 2 takes over at {data['switch_error'][0]:.3g}, and the bound ends at {adaptive[-1]:.3g}; "
            f"the floor of k = 1 is {floor[0]:.3g}",
            {"floor_of_one": float(floor[0]), "last": float(adaptive[-1])},
        ),
        "fig1_adaptive_is_lowest": Finding(
            _outcome(never_higher and lower),
            f"the adaptive bound is up to {gain:.3g} times lower than the best fixed k at the same time",
            {"largest_gain": gain},
        ),
    }


def _outcome(true: bool) -> Outcome:
    return Outcome.REPRODUCED if true else Outcome.NOT_REPRODUCED
