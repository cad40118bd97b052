"""What one figure of quantimed shows: the curves of its methods, and their speed-ups in every variant."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from figures.curves import banded
from figures.quantimed.setting import TARGETS, TUNED, Method, Results, TaskName, experiment_of, simulated, tuned_steps
from figures.quantimed.speedups import comparison_data
from figures.quantities import Quantity
from figures.work import Work
from workbench.core.types import FloatArray


def figure_data(
    work: Work,
    methods: Sequence[Method],
    comparisons: Sequence[tuple[Method, Method]],
    curves: Sequence[tuple[Method, str]],
    *,
    seed: int,
    variants: Mapping[TaskName, Sequence[str]],
    **size: Any,
) -> dict[str, Quantity]:
    """Train each task's network with every method in every variant of what the paper leaves open.

    Returns `<task>_loss` and `<task>_seconds` over (curve, checkpoint), and what `comparison_data` does.

    Parameters
    ----------
    comparisons : (slow, fast)
    curves : methods and variants whose losses are returned
    variants : of each task that is trained
    size : of `experiment_of`
    """
    experiments = {task: experiment_of(task, seed=seed, **size) for task in variants}
    tuned = tuned_steps(work, [experiments[task] for task in variants if TUNED in variants[task]], methods)
    cases = {
        (task, method, variant): experiments[task].case(method, variant, tuned)
        for task in variants
        for variant in variants[task]
        for method in methods
    }
    done = simulated(work, cases.values())
    data: dict[str, Quantity] = {"method": Quantity(("method",), np.array(methods))}
    for task, own in variants.items():
        results = {(method, variant): done[case] for (of, method, variant), case in cases.items() if of == task}
        data |= curve_data(task, {each: results[each] for each in curves if each in results})
        data |= comparison_data(task, results, comparisons, own, TARGETS[task])
        steps = [tuned.get((task, method), np.nan) for method in methods]
        data[f"{task}_tuned_step"] = Quantity(("method",), np.array(steps))
    return data


def curve_data(task: TaskName, results: Results) -> dict[str, Quantity]:
    """Return the mean loss with its band, and the mean run-time, over (curve, checkpoint)."""
    axes = (f"{task}_curve", "checkpoint")
    return {
        axes[0]: Quantity(axes[:1], np.array([f"{method} | {variant}" for method, variant in results])),
        f"{task}_seconds": Quantity(axes, np.array([each.seconds.mean(axis=0) for each in results.values()]), "s"),
        **banded_by_curve(f"{task}_loss", [each.loss for each in results.values()], axes),
    }


def banded_by_curve(name: str, samples: Sequence[FloatArray], axes: tuple[str, ...]) -> dict[str, Quantity]:
    """Return what `banded` returns of curves with unequal numbers of runs, (R, points) each."""
    curves = [banded(name, each[None], axes) for each in samples]
    return {key: Quantity(axes, np.concatenate([np.asarray(each[key].values) for each in curves])) for key in curves[0]}
