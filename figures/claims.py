"""What a paper says of a figure, held against the figure's numbers."""

from collections.abc import Callable, Iterable, Mapping
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
        """Judge "it is below": reproduced if the whole interval is, not reproduced if all of it is above."""
        if self.high < threshold:
            return Outcome.REPRODUCED
        return Outcome.NOT_REPRODUCED if self.low > threshold else Outcome.INCONCLUSIVE

    def above(self, threshold: float) -> Outcome:
        """Judge "it is above": reproduced if the whole interval is, not reproduced if all of it is below."""
        return Estimate(-self.mean, -self.high, -self.low).below(-threshold)

    def between(self, low: float, high: float) -> Outcome:
        """Judge "it lies between": reproduced if the whole interval does, not reproduced if all of it is outside."""
        return worst([self.above(low), self.below(high)])

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


def all_of(
    found: Mapping[str, Estimate], judge: Callable[[Estimate], Outcome], what: str, *, prefix: str = ""
) -> Finding:
    """Judge "this holds of every one": the estimates' intervals are to hold at once.

    Parameters
    ----------
    judge : for instance lambda each: each.below(0)
    what : is estimated, for the explanation
    prefix : of the names in the evidence
    """
    told = "; ".join(f"{name}: {each}" for name, each in found.items())
    evidence = {key: value for name, each in found.items() for key, value in each.evidence(f"{prefix}{name}").items()}
    return Finding(worst([judge(each) for each in found.values()]), f"{what}: {told}", evidence)


def falls(samples: FloatArray, names: Any, *, what: str, level: float = 0.05) -> Finding:
    """Judge "the number falls from each row to the next": paired differences of neighbours, simultaneous intervals.

    Parameters
    ----------
    samples : shape (rows, R); the runs of all rows met the same noise
    names : of the rows, shape (rows,)
    what : the number, for the explanation
    """
    pairs = len(samples) - 1
    steps = {
        f"{names[row + 1]} − {names[row]}": estimate(samples[row + 1] - samples[row], level=level, n_looks=pairs)
        for row in range(pairs)
    }
    return all_of(steps, lambda each: each.below(0.0), what)


def every(findings: Mapping[str, Finding]) -> Finding:
    """Judge a sentence that says all of these."""
    return _joined(worst([each.outcome for each in findings.values()]), findings)


def over_readings(findings: Mapping[str, Finding]) -> Finding:
    """Judge a sentence by every reading of what the paper leaves open: open where the answer turns on the reading."""
    outcomes = {each.outcome for each in findings.values()}
    if Outcome.OPEN in outcomes or {Outcome.REPRODUCED, Outcome.NOT_REPRODUCED} <= outcomes:
        return _joined(Outcome.OPEN, findings)
    return _joined(outcomes.pop() if len(outcomes) == 1 else Outcome.INCONCLUSIVE, findings)


def _joined(outcome: Outcome, findings: Mapping[str, Finding]) -> Finding:
    told = " | ".join(f"{name}: {each.outcome}, {each.explanation}" for name, each in findings.items())
    evidence = {f"{name}: {key}": value for name, each in findings.items() for key, value in each.evidence.items()}
    return Finding(outcome, told, evidence)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what holds of "all of these": one that is not reproduced decides, then one that is open."""
    order = (Outcome.NOT_REPRODUCED, Outcome.OPEN, Outcome.INCONCLUSIVE, Outcome.REPRODUCED)
    return min(outcomes, key=order.index)
