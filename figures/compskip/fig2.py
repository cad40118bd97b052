"""Testing accuracy over epochs for three values of c [compskip, Fig. 2]."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.claims import Finding, all_of, estimate, falls, over_readings
from figures.compskip import setting
from figures.compskip.setting import VARIANTS, Training, compskip, trained
from figures.curves import banded
from figures.quantities import Arrays, Quantity
from figures.work import Work

SCALES: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        "error_steps": (0.01, 0.04),
        "beyond": (0.2,),
        "training": {**setting.QUICK, "first_steps": (0.02, 0.08)},
    },
    "paper": {"error_steps": (0.01, 0.02, 0.04), "beyond": (0.2, 1.0), "training": setting.PAPER},
}
DIFFERS = (
    *setting.DIFFERS,
    "How small c = 0.01 is depends on the gradients, which in ResNet-50 have another size: here their coordinates are "
    "about 0.013 at the start, and what is kept back of them soon 0.3. Hence larger c than the paper's are shown too.",
)


def fig2_data(
    *,
    seed: int,
    work: Work,
    error_steps: tuple[float, ...],
    beyond: tuple[float, ...],
    training: Mapping[str, Any],
) -> dict[str, Quantity]:
    """Train with each c, at one step size for all and at the best one of each.

    Returns `accuracy` over (variant, c, epoch) with its band; of each run, over (variant, c, run), its value at the end
    and its mean over the epochs; `pilot`, at the end of the pilots, over (c, first_step); and `beyond_end` over
    (variant, beyond_c); all in percent.

    Parameters
    ----------
    error_steps, beyond : c as the paper has them, and larger ones
    training : of `Training`
    """
    setup = Training(**training)
    methods = [compskip(error_step=step) for step in (*error_steps, *beyond)]
    found = trained(methods, setup, seed=seed, work=work)
    results, others = found[: len(error_steps)], found[len(error_steps) :]
    curves = np.stack([[each.accuracy(variant) for each in results] for variant in VARIANTS])
    epochs = setting.epochs(results[0], setup)  # (T+1,)
    mean = np.trapezoid(curves, epochs, axis=-1) / epochs[-1]  # (variants, c, R)
    return {
        **setting.described(setup, results[0]),
        "c": Quantity(("c",), np.array(error_steps)),
        **banded("accuracy", curves, ("variant", "c", "epoch"), unit="percent"),
        **setting.ends_of("end", results, "c"),
        "beyond_c": Quantity(("beyond_c",), np.array(beyond)),
        **setting.ends_of("beyond_end", others, "beyond_c"),
        "mean_runs": Quantity(("variant", "c", "run"), mean, "percent"),
        "first_step": Quantity(("first_step",), np.array(setup.first_steps)),
        **banded("pilot", np.stack([each.pilots.T for each in results]), ("c", "first_step"), unit="percent"),
        "best_step": Quantity(("c",), np.array([each.step for each in results])),
    }


def fig2_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the sentences about Fig. 2 against the runs, at both ways to choose the step sizes."""
    variants, c = data["variant"].tolist(), [f"c = {value:g}" for value in data["c"]]

    def first_is_above(samples: Any, what: str) -> Finding:
        """Judge "the first row is above every other": paired differences, simultaneous intervals."""
        rows = zip(c[1:], samples[1:], strict=True)
        found = {f"{name} − {c[0]}": estimate(row - samples[0], n_looks=len(c) - 1) for name, row in rows}
        return all_of(found, lambda each: each.below(0), what)

    def both(name: str, judge: Any, what: str) -> Finding:
        return over_readings({each: judge(rows, what) for each, rows in zip(variants, data[name], strict=True)})

    at_end, on_average = "points at the end", "points in the mean over the epochs"
    return {
        "fig2_smallest_c_ends_best": both("end_runs", first_is_above, at_end),
        "fig2_smallest_c_has_the_better_graph": both("mean_runs", first_is_above, on_average),
        "fig2_accuracy_falls_with_c": both("end_runs", lambda rows, what: falls(rows, c, what=what), at_end),
    }
