"""What a paper says of a figure, held against the figure's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from workbench.core.types import FloatArray


class Outcome(StrEnum):
    """What became of a sentence about a figure."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    OPEN = "depends on what the paper leaves open"
    INCONCLUSIVE = "inconclusive"  # the runs cannot tell


@dataclass(frozen=True)
class Finding:
    """What the numbers say of one sentence, and which numbers."""

    outcome: Outcome
    explanation: str
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """A mean over runs with its confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def below(self, threshold: float) -> Outcome:
        """Judge "it is below": reproduced only if the whole interval is."""
        return is_below(self.low, self.high, threshold)

    def above(self, threshold: float) -> Outcome:
        """Judge "it is above": reproduced only if the whole interval is."""
        return is_below(-self.high, -self.low, -threshold)

    def evidence(self, name: str) -> dict[str, float]:
        """The three numbers by name."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}


def estimate(samples: npt.ArrayLike, *, level: float = 0.05, n_looks: int = 1) -> Estimate:
    """Mean over independent runs (R,) with Student's t interval.

    Parameters
    ----------
    level : probability that the interval misses
    n_looks : Bonferroni: intervals that are to hold at once at this level

    Raises
    ------
    ValueError : a run without a finite value, which a mean must not hide
    """
    values = np.asarray(samples, float)  # (R,)
    if not np.isfinite(values).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(values))} of {values.size} runs have no finite value")
    mean = float(values.mean())
    if values.size < 2:
        return Estimate(mean, -np.inf, np.inf)
    half = float(stdtrit(values.size - 1, 1 - level / (2 * n_looks)) * values.std(ddof=1) / np.sqrt(values.size))
    return Estimate(mean, mean - half, mean + half)


def ratio(above: npt.ArrayLike, below: npt.ArrayLike, *, level: float = 0.05, n_looks: int = 1) -> Estimate:
    """Geometric mean of paired ratios of positive numbers (R,), with its interval."""
    logs = estimate(np.log(np.asarray(above, float) / np.asarray(below, float)), level=level, n_looks=n_looks)
    return Estimate(float(np.exp(logs.mean)), float(np.exp(logs.low)), float(np.exp(logs.high)))


def is_below(low: float, high: float, threshold: float) -> Outcome:
    """Say whether something with this interval lies below the threshold."""
    if high < threshold:
        return Outcome.REPRODUCED
    return Outcome.NOT_REPRODUCED if low > threshold else Outcome.INCONCLUSIVE


def falls(samples: FloatArray, names: Any, *, what: str, level: float = 0.05) -> Finding:
    """Judge "the number falls from each row to the next": paired differences of neighbours, simultaneous intervals.

    Parameters
    ----------
    samples : shape (rows, R); the runs of all rows met the same noise
    names : of the rows, shape (rows,)
    what : the number, for the explanation
    """
    pairs = len(samples) - 1
    steps = [estimate(samples[row + 1] - samples[row], level=level, n_looks=pairs) for row in range(pairs)]
    outcomes = [is_below(each.low, each.high, 0.0) for each in steps]
    evidence: dict[str, float] = {}
    for row, each in enumerate(steps):
        evidence |= each.evidence(f"{names[row + 1]}_minus_{names[row]}")
    told = "; ".join(f"{names[row + 1]} − {names[row]}: {each}" for row, each in enumerate(steps))
    return Finding(worst(outcomes), f"{what}: {told}", evidence)


def worst(outcomes: list[Outcome]) -> Outcome:
    """Return what holds of "all of these": one that is not reproduced decides, then one that is open."""
    order = (Outcome.NOT_REPRODUCED, Outcome.OPEN, Outcome.INCONCLUSIVE, Outcome.REPRODUCED)
    return min(outcomes, key=order.index)
