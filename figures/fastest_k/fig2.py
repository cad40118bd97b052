"""The best number of workers to wait for over time, fixed and adaptive [fastest_k, Fig. 2]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, Outcome
from figures.fastest_k.example import N_WORKERS, RATES, SHOWN_RATE, Example
from figures.quantities import Array, Arrays, Quantity

ONE_UNTIL_S, ALL_FROM_S, FIRST_SWITCH_S = 1098, 6623, 589  # as the paper has them

SCALES = {"quick": {"n_times": 401}, "paper": {"n_times": 2001}}
DIFFERS = (
    "The printed rate λ = 1/5 stretches time 25-fold; the paper's axis and its 1098 and 6623 need λ = 5, mean 1/5, "
    "which is drawn. Its 589 needs ten times the printed gap or a tenth of the variance besides.",
)


def fig2_data(*, n_times: int, end_s: float = 8000.0) -> dict[str, Quantity]:
    r"""Find k*_fixed(t), the k of the least bound (6) at t, and k*_adaptive(t), which (26) waits for at t.

    Parameters
    ----------
    n_times : T; end_s : of the axis, for the rate that is drawn
    """
    shown = Example(SHOWN_RATE)
    time_s = np.linspace(0, end_s, n_times)  # (T,)
    fixed_switch = np.stack([Example(rate).fixed_switch_s() for rate in RATES])  # (rates, W-1)
    adaptive_switch = np.stack([Example(rate).policies()[0].switch_s for rate in RATES])  # (rates, W-1)
    adaptive, optimal = shown.policies()
    return {
        "time_s": Quantity(("time_s",), time_s, "s"),
        "rate": Quantity(("rate",), np.array(RATES), "1/s"),
        "best_fixed": Quantity(("time_s",), shown.best_fixed(time_s)),
        "best_adaptive": Quantity(
            ("time_s",), adaptive.n_wait[np.searchsorted(adaptive.switch_s, time_s, side="right")]
        ),
        "optimal": Quantity(("time_s",), optimal.n_wait[np.searchsorted(optimal.switch_s, time_s, side="right")]),
        "fixed_switch_s": Quantity(("rate", "switch"), fixed_switch, "s"),
        "adaptive_switch_s": Quantity(("rate", "switch"), adaptive_switch, "s"),
    }


def fig2_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 2 against the times."""
    fixed, adaptive = data["fixed_switch_s"], np.ceil(data["adaptive_switch_s"])  # (rates, W-1)
    waits = data["best_adaptive"]
    steps = np.diff(waits)
    same = bool(np.array_equal(waits, data["optimal"]))
    return {
        "fig2_fixed_one_until_1098": _time(data["rate"], fixed[:, 0], ONE_UNTIL_S),
        "fig2_fixed_all_from_6623": _time(data["rate"], fixed[:, -1], ALL_FROM_S),
        "fig2_adaptive_one_until_589": _time(data["rate"], adaptive[:, 0], FIRST_SWITCH_S),
        "fig2_adaptive_reaches_all": Finding(
            Outcome.REPRODUCED if waits[-1] == N_WORKERS else Outcome.NOT_REPRODUCED,
            f"k = {waits[-1]} from {data['adaptive_switch_s'][-1, -1]:.0f} s on",
            {"last_switch_s": float(data["adaptive_switch_s"][-1, -1])},
        ),
        "fig2_gradually_increased": Finding(
            Outcome.REPRODUCED if np.all((steps == 0) | (steps == 1)) and waits[0] == 1 else Outcome.NOT_REPRODUCED,
            f"k rises by one at a time; the optimal policy is {'the same' if same else 'another one'}",
            {"same_as_optimal": float(same)},
        ),
    }


def _time(rates: Array, found: Array, quoted: int) -> Finding:
    """Compare times, as the first whole second for each rate, with a quoted one."""
    right = [int(each) == quoted for each in found]
    outcome = Outcome.NOT_REPRODUCED if not any(right) else Outcome.REPRODUCED if all(right) else Outcome.OPEN
    told = "; ".join(f"{each:.0f} s for the rate {rate:g}/s" for rate, each in zip(rates, found, strict=True))
    return Finding(outcome, told, {f"rate_{rate:g}": float(each) for rate, each in zip(rates, found, strict=True)})
