"""The logistic regression of Section V-B, simulated once for Figs. 5 and 6 [fastest_k]."""

from typing import Any

import numpy as np

from figures.fastest_k.progress import ADAPTIVE, Progress, progress
from figures.quantities import Array, Quantity
from figures.work import Work
from workbench.engine.loop import spaced_checkpoints

N_WORKERS, RATE_PER_S = 20, 1 / 50
WAITS = (2, 4, 8)
SCHEMES = (*(f"fastest_{k}" for k in WAITS), ADAPTIVE)
TARGETS = (0.5, 0.4, 0.3, 0.25, 0.2)  # log-losses to compare at, down to the paper's 2·10⁻¹
STEP_SIZE, RIDGE = 0.05, 0.01

# What the paper leaves open, name -> samples, factor on the gradient. The mean (8) over the ten labels has a tenth
# of the gradient of each label's own log-loss, of which V-B speaks besides: as if the step were ten times as large.
READINGS: dict[str, tuple[int, float]] = {
    "m = 60, gradient of (8)": (60, 1.0),
    "m = 60, gradient of each label": (60, 10.0),
    "m = 80, gradient of (8)": (80, 1.0),
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {"n_runs": 4, "n_iters": 300, "n_slow_iters": 120, "n_points": 16, "readings": tuple(READINGS)[:2]},
    "paper": {"n_runs": 20, "n_iters": 850, "n_slow_iters": 400, "n_points": 40, "readings": tuple(READINGS)},
}
DIFFERS = (
    "The text has m = 80 images, the caption m = 60; and V-B takes the gradient of each label's log-loss, which is ten "
    "times that of (8), their mean. Three readings are drawn.",
    "(8) is printed with log σ twice and σ mirrored; it is the log-loss that was meant (eq_8_repaired), averaged over "
    "the samples as in (2), and shown with its ridge, which holds the biases too.",
    "Pixels lie on [0, 1], the start is the origin: neither is told. The images are drawn from 5,000 of MNIST, once; "
    "20 runs meet stragglers of their own.",
    "The figure's axes are not in the text at hand.",
)


def document(seed: int, reading: str, *, slow: bool, n_runs: int, n_iters: int, n_points: int) -> dict[str, Any]:
    """Return the sweep of one reading: k = 2 and Algorithm 1 from 2, doubling up to 8; or the slow k = 4 and 8."""
    n_samples, factor = READINGS[reading]
    step = {"step_size": factor * STEP_SIZE}
    schemes: list[dict[str, Any]] = [
        {"kind": "fastest_k", "name": f"fastest_{k}", "n_wait": k, **step} for k in WAITS if (k > WAITS[0]) == slow
    ]
    if not slow:
        grows = {"first_n_wait": 2, "most_n_wait": 8, "growth": "double", "threshold": 20, "burn_in": 30}
        schemes.append({"kind": ADAPTIVE, "name": ADAPTIVE, **grows, **step})
    return {
        "n_workers": N_WORKERS,
        "runs": n_runs,
        "iterations": n_iters,
        "checkpoints": spaced_checkpoints(n_iters, n_points).tolist(),
        "seed": seed,
        "problem": {
            "kind": "one_vs_rest_logistic",
            "n_samples": n_samples,
            "l2": RIDGE / factor,  # the problem's loss is the mean over the labels
            "centre": False,
            "seed": seed,
        },
        "delay": {"kind": "exponential", "rate_per_s": RATE_PER_S},
        "scheme": schemes,
    }


def simulated(
    seed: int, work: Work, *, readings: tuple[str, ...], n_runs: int, n_iters: int, n_slow_iters: int, n_points: int
) -> dict[str, dict[str, Progress]]:
    """Run the sweeps, or read them if they were run; reading -> scheme -> how far its runs are.

    Parameters
    ----------
    n_iters, n_slow_iters : rounds of k = 2 and Algorithm 1, and of k = 4 and 8, which last longer
    """
    found: dict[str, dict[str, Progress]] = {}
    for reading in readings:
        done = {}
        for slow, rounds in ((False, n_iters), (True, n_slow_iters)):
            table = document(seed, reading, slow=slow, n_runs=n_runs, n_iters=rounds, n_points=n_points)
            for name, each in work.run(table).items():
                done[name] = progress(each, each.loss, [[at] for at in each.iterations.tolist()])
        found[reading] = {name: done[name] for name in SCHEMES}
    return found


def runs_of(found: dict[str, dict[str, Progress]]) -> dict[str, Quantity]:
    """Return every run's log-loss, seconds and costs for the claims; after its last checkpoint a run stays there."""
    longest = max(each.error.shape[1] for own in found.values() for each in own.values())

    def stacked(name: str) -> Array:
        return np.stack(
            [np.stack([_padded(getattr(own[scheme], name), longest) for scheme in SCHEMES]) for own in found.values()]
        )  # (readings, schemes, R, points)

    axes = ("reading", "scheme", "run", "point")
    return {
        "reading": Quantity(("reading",), np.array(list(found))),
        "scheme": Quantity(("scheme",), np.array(SCHEMES)),
        "error_of_run": Quantity(axes, stacked("error")),
        "seconds_of_run": Quantity(axes, stacked("seconds"), "s"),
        "downloads_of_run": Quantity(axes, stacked("downloads"), "vectors"),
        "transfers_of_run": Quantity(axes, stacked("transfers"), "vectors"),
    }


def _padded(values: Array, length: int) -> Array:
    return np.pad(values, ((0, 0), (0, length - values.shape[1])), mode="edge")
