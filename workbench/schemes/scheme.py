"""What a scheme is, and what all schemes meet alike: problem, delays, links and noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import DelayModel, FloatArray, IntArray, Problem
from workbench.stragglers.responses import Responses

State = TypeVar("State", bound=tuple)  # type: ignore[type-arg]  # a NamedTuple of arrays, the runs first in each


@dataclass(frozen=True)
class Setting:
    """The world in which schemes are compared.

    Parameters
    ----------
    seconds_per_bit : every worker has a link of its own, which carries b bits in b seconds_per_bit seconds
    """

    problem: Problem
    delay: DelayModel
    seconds_per_bit: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.seconds_per_bit < np.inf:
            raise InputError(f"seconds_per_bit is {self.seconds_per_bit}: give a finite number of seconds, at least 0")

    @property
    def n_workers(self) -> int:
        """W."""
        return self.delay.n_workers

    def one_part_a_worker(self) -> None:
        """Refuse a problem whose parts are not one for each worker.

        Raises
        ------
        InputError : other numbers of parts and workers
        """
        if self.problem.n_parts != self.n_workers:
            raise InputError(
                f"{self.problem.n_parts} parts and {self.n_workers} workers: this scheme gives each worker one part, "
                "so make their numbers equal"
            )


class Cost(NamedTuple):
    """What one round cost, each of shape (R,)."""

    seconds: FloatArray
    bits_up: FloatArray  # sent by workers and heard
    bits_down: FloatArray  # sent by the master, summed over the workers it sends to


class Noise:
    """All that is random in some runs: one stream for each source and run."""

    def __init__(self, delay: DelayModel, seed: int, runs: Sequence[int], rows: IntArray | None = None) -> None:
        """Open the streams.

        Parameters
        ----------
        runs : the noise history of each row; rows of the same run meet the same noise
        rows : their indices among all rows of the simulation, shape (R,); by default 0, 1, ...
        """
        self.responses = Responses(delay, RunStreams(seed, "stragglers", runs))
        self.rows = np.arange(len(runs)) if rows is None else rows
        self._seed, self._runs = seed, runs
        self._streams: dict[str, RunStreams] = {}

    def stream(self, name: str) -> RunStreams:
        """Return the streams of a noise source, for instance "quantizer/osgc"; they go on where they were left."""
        if name not in self._streams:
            self._streams[name] = RunStreams(self._seed, name, self._runs)
        return self._streams[name]


class Scheme(Protocol[State]):
    """One algorithm and its configuration; its methods are pure but for the noise they draw."""

    @property
    def name(self) -> str:
        """What the results call it."""
        ...

    @property
    def setting(self) -> Setting:
        """The world it runs in."""
        ...

    @property
    def floats_a_run(self) -> int:
        """About how many numbers one run holds in memory during a step."""
        ...

    def init(self, n_runs: int) -> State:
        """Return the state at the start: a NamedTuple of arrays, the runs first in each."""
        ...

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take round `iteration` = 1, 2, ... of every run, and say what it cost."""
        ...

    def iterate(self, state: State) -> FloatArray:
        """The iterate that is measured, shape (R, D)."""
        ...

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """What the scheme measures besides, each of shape (R,)."""
        ...
