"""1-bit gradient coding and SGC on the Rosenbrock function [onebit_gc, Fig. 6]."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import stats

from figures.claims import Estimate, Finding, Outcome, over_readings
from figures.curves import banded
from figures.onebit_gc import setting
from figures.onebit_gc.judge import beats, beats_at_each
from figures.onebit_gc.setting import at_overheads, rosenbrock_case, rounds_within, tuned, written
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.schemes.step_sizes import ConstantStep

METHODS: tuple[setting.Method, ...] = ("one_bit", "stochastic")
SCALES = {
    "quick": {
        "n_runs": 4, "n_pilots": 1, "straggle_probs": (0.1, 0.3), "looks": (1,), "n_steps": 3, "ignoring_rounds": 20
    },
    "paper": {
        "n_runs": 20, "n_pilots": 2, "straggle_probs": (0.1, 0.2, 0.3), "looks": (1, 2, 3), "n_steps": 9,
        "ignoring_rounds": 40,
    },
}  # fmt: skip
DIFFERS = (
    *setting.ROSENBROCK_DIFFERS,
    "The text does not tell the values of p.",
    "Panel (b) is not in the paper: p = 0.1, each method with the step size out of the same ones that is best on "
    "pilot runs, at each overhead.",
)


def fig6_data(
    *,
    seed: int,
    work: Work,
    n_runs: int,
    n_pilots: int,
    straggle_probs: tuple[float, ...],
    looks: tuple[int, ...],
    n_steps: int,
    ignoring_rounds: int,
) -> dict[str, Quantity]:
    """Run both methods with each straggling probability for the same overhead.

    Parameters
    ----------
    looks : rounds of SGC at whose overheads methods are compared; the last one ends the curves
    n_steps : step sizes that both methods try when they are tuned, 5e-6 and its doubles
    ignoring_rounds : rounds of 1-bit learning that ignores stragglers, at the first probability
    """
    sgc_bits = rosenbrock_case("stochastic", (0,), n_runs=1).message_bits
    look = np.array(looks) * sgc_bits  # (L,)
    overhead = np.arange(0, look[-1] + 1, sgc_bits // 16)  # (G,)
    cases = {
        f"{method} {prob}": replace(
            rosenbrock_case(method, rounds_within(overhead.tolist(), bits), n_runs=n_runs), straggle_prob=prob
        )
        for method, bits in ((m, rosenbrock_case(m, (0,), n_runs=1).message_bits) for m in METHODS)
        for prob in straggle_probs
    }
    ignoring = replace(
        rosenbrock_case("one_bit_ignoring", (0, ignoring_rounds), n_runs=n_runs),
        copies=(1,),
        straggle_prob=straggle_probs[0],
    )
    found = setting.simulated(work, seed, {**cases, "ignoring": ignoring})
    candidates = tuple(ConstantStep(5e-6 * 2**power) for power in range(n_steps))
    first: dict[str, setting.Case] = {method: cases[f"{method} {straggle_probs[0]}"] for method in METHODS}
    best = tuned(work, seed, first, candidates, look, n_pilots=n_pilots)

    def read(at: IntArray) -> FloatArray:
        """Losses at overheads (G,), shape (methods, probs, R, G)."""
        rows = [at_overheads(found[name].loss, found[name].iterations, cases[name].message_bits, at) for name in cases]
        return np.stack(rows).reshape(len(METHODS), len(straggle_probs), n_runs, len(at))

    axes = ("method", "straggle_prob")
    at_look = read(look)  # (methods, probs, R, L)
    tuned_at = np.stack([best[m].loss for m in METHODS])  # (methods, L, R)
    return {
        "method": Quantity(("method",), np.array(METHODS)),
        "straggle_prob": Quantity(("straggle_prob",), np.array(straggle_probs)),
        "overhead": Quantity(("overhead",), overhead, "bit"),
        "look": Quantity(("look",), look, "bit"),
        **banded("loss", read(overhead), (*axes, "overhead")),
        **banded("tuned_loss", tuned_at.swapaxes(1, 2), ("method", "look")),
        "loss_at": Quantity((*axes, "look", "run"), at_look.swapaxes(2, 3)),
        "tuned_loss_at": Quantity(("method", "look", "run"), tuned_at),
        "tuned_step": Quantity(("method", "look"), np.array([[written(s) for s in best[m].steps] for m in METHODS])),
        "diverged": Quantity((*axes, "run"), ~np.isfinite(at_look[..., -1])),
        "ignoring_diverged": Quantity(("run",), ~np.isfinite(found["ignoring"].loss[:, -1])),
    }


def fig6_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 6 against the runs."""
    probs, look = data["straggle_prob"].tolist(), data["look"].tolist()
    ours, theirs = data["loss_at"]  # (probs, L, R) each
    ours_tuned, theirs_tuned = data["tuned_loss_at"]  # (L, R) each
    equal = {f"p={prob}": beats(ours[at], theirs[at], look) for at, prob in enumerate(probs)}
    more = {
        f"p={probs[high]} against {probs[low]}": beats(ours[high], theirs[low], look)
        for high in range(len(probs))
        for low in range(high)
    }
    return {
        "fig6_better_than_sgc": over_readings(equal),
        "fig6_better_with_more_stragglers": over_readings(more),
        "fig6_robust_to_stragglers": over_readings(
            {f"p={prob}": _stays_finite(data["diverged"][0, at]) for at, prob in enumerate(probs)}
        ),
        "fig6_ignoring_stragglers_fails": _fails(data["ignoring_diverged"]),
        "fig6_better_than_sgc_when_tuned": beats_at_each(ours_tuned, theirs_tuned, look),
    }


def _stays_finite(diverged: BoolArray) -> Finding:
    """Judge "no run diverges"."""
    count = int(np.count_nonzero(diverged))
    outcome = Outcome.NOT_REPRODUCED if count else Outcome.REPRODUCED
    return Finding(outcome, f"{count} of {diverged.size} runs diverged", {"diverged": count / diverged.size})


def _fails(diverged: BoolArray) -> Finding:
    """Judge "it fails to converge": more than half of all runs would diverge, by Clopper and Pearson at 95 %."""
    count, n_runs = int(np.count_nonzero(diverged)), diverged.size
    low = float(stats.beta.ppf(0.025, count, n_runs - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.975, count + 1, n_runs - count)) if count < n_runs else 1.0
    evidence = {"diverged": count / n_runs, "diverged_low": low, "diverged_high": high}
    return Finding(Estimate(count / n_runs, low, high).above(0.5), f"{count} of {n_runs} runs diverged", evidence)
