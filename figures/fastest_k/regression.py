"""The linear regression of Section V-A, simulated once for Figs. 3 and 4 [fastest_k]."""

from typing import Any

import numpy as np

from figures.fastest_k.progress import ADAPTIVE, Progress, progress, windows
from figures.quantities import Array, Arrays, Quantity
from figures.work import Work
from workbench.core.types import FloatArray
from workbench.engine.setup import build_problem

N_WORKERS, RATE_PER_S = 50, 1.0
WAITS = (10, 20, 30, 40)
SCHEMES = (*(f"fastest_{k}" for k in WAITS), ADAPTIVE)
LAST = 0.1  # share of the iterations at the end over which the error level is averaged

# A quarter of the samples and their dimension, with four times the step: the same dynamics in a quarter of the rounds.
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        "dim": 25,
        "n_samples": 500,
        "step_size": 0.002,
        "burn_in": 50,
        "n_runs": 4,
        "n_iters": 1000,
        "n_points": 25,
    },
    "paper": {
        "dim": 100,
        "n_samples": 2000,
        "step_size": 0.0005,
        "burn_in": 200,
        "n_runs": 20,
        "n_iters": 4500,
        "n_points": 45,
    },
}
WIDTH = 10  # iterations of a window
DIFFERS = (
    "Section V-A prints the sum of the losses, (2) and (3) the mean over the samples. It is the mean here: with the "
    "sum, the step 0.0005 enlarges the error in every round (section_v_a_step_size).",
    "The start is not told: the origin here. One data set is drawn, and 20 runs meet stragglers of their own.",
    "The error is F − F* of the mean loss, averaged over 10 rounds, as that of single rounds fluctuates by itself; "
    "every scheme runs equally many rounds, well beyond the one from which its error stays level.",
    "The figure's axes are not in the text at hand.",
)


def problem(seed: int, *, dim: int, n_samples: int) -> dict[str, Any]:
    """Return the [problem] table of the sweep."""
    return {"kind": "least_squares", "generator": "fastest_k", "dim": dim, "n_samples": n_samples, "seed": seed}


def document(
    seed: int,
    *,
    dim: int,
    n_samples: int,
    step_size: float,
    burn_in: int,
    n_runs: int,
    n_iters: int,
    n_points: int,
) -> dict[str, Any]:
    """Return the sweep: fixed k of 10 to 40 of 50, and Algorithm 1 from 10 in steps of 10 up to 40."""
    fixed = [{"kind": "fastest_k", "name": f"fastest_{k}", "n_wait": k, "step_size": step_size} for k in WAITS]
    adaptive = {
        "kind": ADAPTIVE,
        "name": ADAPTIVE,
        "first_n_wait": 10,
        "wait_step": 10,
        "most_n_wait": 40,
        "threshold": 10,
        "burn_in": burn_in,
        "step_size": step_size,
    }
    return {
        "n_workers": N_WORKERS,
        "runs": n_runs,
        "iterations": n_iters,
        "checkpoints": [each for window in windows(n_iters, n_points, WIDTH) for each in window],
        "seed": seed,
        "problem": problem(seed, dim=dim, n_samples=n_samples),
        "delay": {"kind": "exponential", "rate_per_s": RATE_PER_S},
        "scheme": [*fixed, adaptive],
    }


def simulated(seed: int, work: Work, **sizes: Any) -> dict[str, Progress]:
    """Run the sweep, or read it if it was run; scheme -> how far its runs are."""
    found = work.run(document(seed, **sizes))
    own = build_problem(n_parts=N_WORKERS, key="least_squares", **_without_kind(seed, sizes))
    least = float(own.regularity.optimal_loss or 0)
    averaged = windows(sizes["n_iters"], sizes["n_points"], WIDTH)
    return {name: progress(found[name], found[name].loss - least, averaged) for name in SCHEMES}


def _without_kind(seed: int, sizes: dict[str, Any]) -> dict[str, Any]:
    table = problem(seed, dim=sizes["dim"], n_samples=sizes["n_samples"])
    return {name: value for name, value in table.items() if name != "kind"}


def runs_of(found: dict[str, Progress]) -> dict[str, Quantity]:
    """Return every run's error, seconds and costs, and the level at which its error stays, for the claims."""
    axes = ("scheme", "run", "point")

    def stacked(name: str) -> FloatArray:
        return np.stack([getattr(each, name) for each in found.values()])  # (schemes, R, points)

    error = stacked("error")
    last = max(1, round(LAST * error.shape[2]))
    return {
        "scheme": Quantity(("scheme",), np.array(list(found))),
        "error_of_run": Quantity(axes, error),
        "seconds_of_run": Quantity(axes, stacked("seconds"), "s"),
        "downloads_of_run": Quantity(axes, stacked("downloads"), "vectors"),
        "transfers_of_run": Quantity(axes, stacked("transfers"), "vectors"),
        "level": Quantity(axes[:2], error[:, :, -last:].mean(axis=2)),
    }


def lowest(data: Arrays) -> float:
    """Mean level of the adaptive runs' error: the lowest they come to."""
    return float(data["level"][list(data["scheme"]).index(ADAPTIVE)].mean())


def targets(data: Arrays) -> list[float]:
    """Errors to compare at: decades from the first rounds on, down to twice the lowest."""
    highest, last = 1e4, 2 * lowest(data)
    decades: Array = 10.0 ** np.arange(np.floor(np.log10(last)) + 1, np.log10(highest) + 1)
    return [*decades[decades > last].tolist()[::-1], last]
