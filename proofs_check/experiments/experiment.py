"""What an experiment is, how it is run, and where to find all.

An experiment simulates a scheme on a problem whose constants are known or measured on the runs themselves, puts a
simultaneous confidence band around the mean, and holds a bound of `workbench.bounds` against it. A bound may hold and
still say nothing: each theorem has an experiment in which it is informative, and one in which it is vacuous.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench.core import catalogue
from workbench.core.claims import Assumption, Bound, Claim, Status, Verdict, claim_of
from workbench.core.types import FloatArray, IntArray, Trajectory
from workbench.engine.loop import simulate, spaced_checkpoints
from workbench.schemes.scheme import Cost, Noise, Scheme, Setting
from workbench.verdicts import Band, confidence_band, judge_band

PACKAGE = "proofs_check.experiments"
NEAR = 1e-6  # of what is known: a bound that comes so near it says nothing more

Watch = Callable[[Any, Any], Mapping[str, FloatArray]]  # scheme and its state -> measurements, each (R,)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the runs say and what the bound says, at the K checkpoints.

    samples : the bounded quantity, one row a run, shape (R, K)
    bound : shape (K,)
    start : the quantity before the first step; a bound above it promises no progress
    known : what the assumptions alone bound the quantity by, at least `start`; a bound above it says nothing
    recursion : a sharper bound from the same assumptions, where there is one, shape (K,)
    constants : what the bound was computed from
    least : the bound is on the least mean so far
    """

    samples: FloatArray
    bound: Bound
    assumptions: tuple[Assumption, ...]
    start: float
    known: float | None = None
    recursion: Bound | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    least: bool = False


Compare = Callable[[Any, Trajectory, IntArray], Comparison]  # scheme, what it did at every iteration, checkpoints


@dataclass(frozen=True)
class Experiment:
    """A bound, and all that determines the runs it is held against.

    Parameters
    ----------
    bound : a function of `workbench.bounds`, marked with its claim
    setting : "informative", "vacuous", or a word for what else is shown
    scheme : builds the problem, the delays and the scheme
    compare : scheme, trajectory and checkpoints -> comparison
    watch : measurements of the scheme's state besides the usual ones
    checkpoints : iterations at which the bound is judged; about 24 if None
    within : the bound is called informative if it is at most so many times the simulated mean at the last checkpoint
    expected : status of the verdict
    false_alarm : probability of a wrong HOLDS or REFUTED, over all checkpoints
    """

    bound: Callable[..., Bound]
    setting: str
    scheme: Callable[[], Scheme[Any]]
    compare: Compare
    n_runs: int
    n_iters: int
    seed: int = 0
    watch: Watch | None = None
    checkpoints: tuple[int, ...] | None = None
    within: float = np.inf
    expected: Status = Status.HOLDS
    false_alarm: float = 1e-3

    @property
    def claim(self) -> Claim:
        """What is claimed."""
        return claim_of(self.bound)

    @property
    def key(self) -> str:
        """For instance onebit_gc/theorem_1/informative: paper, function in bounds, setting."""
        return f"{self.claim.paper}/{self.bound.__name__}/{self.setting}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an experiment; curves over the K checkpoints."""

    experiment: Experiment
    verdict: Verdict
    iterations: IntArray  # (K,)
    band: Band
    comparison: Comparison
    seconds: float

    @property
    def bound(self) -> FloatArray:
        """The bound, shape (K,)."""
        return self.comparison.bound.value

    @property
    def looseness(self) -> float:
        """Bound over simulated mean at the last checkpoint."""
        mean = float(self.band.mean[-1])
        return float(self.bound[-1]) / mean if mean > 0 else np.inf

    @property
    def recursion_looseness(self) -> float | None:
        """The same of the sharper bound."""
        sharper, mean = self.comparison.recursion, float(self.band.mean[-1])
        return float(sharper.value[-1]) / mean if sharper is not None and mean > 0 else None

    @property
    def is_informative(self) -> bool:
        """Whether the bound holds, promises progress in the end, and not too little of it."""
        promises = bool(self.bound[-1] < self.comparison.start * (1 - NEAR))
        return self.verdict.status is Status.HOLDS and promises and self.looseness <= self.experiment.within

    @property
    def is_vacuous(self) -> bool:
        """Whether the bound is, in the end, at least what is known without the theorem."""
        known = self.comparison.start if self.comparison.known is None else self.comparison.known
        return bool(self.bound[-1] >= known * (1 - NEAR))

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one expected, and the bound as informative as its setting says."""
        kind = {"informative": self.is_informative, "vacuous": self.is_vacuous}
        return self.verdict.status is self.experiment.expected and kind.get(self.experiment.setting, True)


def run(experiment: Experiment) -> Outcome:
    """Simulate, and judge; the outcome depends on the experiment alone, but for its seconds."""
    began = time.perf_counter()
    scheme = experiment.scheme()
    trajectory = simulate(
        scheme if experiment.watch is None else Watched(scheme, experiment.watch),
        n_iters=experiment.n_iters,
        n_runs=experiment.n_runs,
        seed=experiment.seed,
        checkpoints=range(experiment.n_iters + 1),
    )
    chosen = experiment.checkpoints
    at = spaced_checkpoints(experiment.n_iters) if chosen is None else np.asarray(chosen, np.int64)  # (K,)
    found = experiment.compare(scheme, trajectory, at)
    band = confidence_band(found.samples, false_alarm=experiment.false_alarm)
    if found.least:
        band = band.running_min()
    verdict = judge_band(experiment.claim, band, found.bound.value, found.assumptions)
    outcome = Outcome(experiment, verdict, at, band, found, time.perf_counter() - began)
    evidence = dict(verdict.evidence) | dict(found.constants)
    if outcome.recursion_looseness is not None:
        evidence["recursion_looseness_final"] = outcome.recursion_looseness
    return replace(outcome, verdict=replace(verdict, evidence=evidence))


def experiments() -> dict[str, Experiment]:
    """Return all experiments by their keys: what modules of this package, and of others, list as EXPERIMENTS.

    Raises
    ------
    TypeError : two experiments of one key
    """
    found: dict[str, Experiment] = {}
    for module in catalogue.entries(PACKAGE, "EXPERIMENTS").values():
        for each in module.EXPERIMENTS:
            if each.key in found:
                raise TypeError(f"two experiments of {each.key}: give one of them another setting")
            found[each.key] = each
    return found


@dataclass(frozen=True)
class Watched:
    """A scheme with further measurements."""

    scheme: Scheme[Any]
    watch: Watch

    @property
    def name(self) -> str:
        """As the scheme's."""
        return self.scheme.name

    @property
    def setting(self) -> Setting:
        """As the scheme's."""
        return self.scheme.setting

    @property
    def floats_a_run(self) -> int:
        """As the scheme's."""
        return self.scheme.floats_a_run

    def init(self, n_runs: int) -> Any:
        """As the scheme's."""
        return self.scheme.init(n_runs)

    def step(self, state: Any, iteration: int, noise: Noise) -> tuple[Any, Cost]:
        """As the scheme's."""
        return self.scheme.step(state, iteration, noise)

    def iterate(self, state: Any) -> FloatArray:
        """As the scheme's."""
        return self.scheme.iterate(state)

    def measures(self, state: Any) -> Mapping[str, FloatArray]:
        """The scheme's and those watched."""
        return dict(self.scheme.measures(state)) | dict(self.watch(self.scheme, state))


def average_so_far(values: FloatArray, at: IntArray) -> FloatArray:
    """Average values (R, T+1) over iterations 0, ..., T for T in `at` (K,), shape (R, K)."""
    return np.asarray(np.cumsum(values, axis=1)[:, at] / (at + 1))


def from_one_on(n_iters: int) -> tuple[int, ...]:
    """Return checkpoints without 0, for bounds on what happened before iteration T."""
    return tuple(spaced_checkpoints(n_iters)[1:].tolist())
