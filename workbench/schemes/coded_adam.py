"""Adam on the decoded estimate of a gradient code, with one or two tracks [hetero_gc, section V-E]."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from workbench.codes.code import GradientCode
from workbench.codes.decoders.two_track import TwoTrackDecoder, two_track
from workbench.core.types import BoolArray, FloatArray
from workbench.schemes.adam_update import AdamRates, GradientMoments, direction, updated
from workbench.schemes.coded_round import CodedRound
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column
from workbench.solvers.second_moment import BiasReading


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    first: FloatArray  # (R, D)  decaying mean of the estimate
    second: FloatArray  # (R, D)  decaying mean of the square of the estimate, or of the second decoding


@dataclass(frozen=True)
class CodedAdam:
    """x − η m̂/(√v̂ + ε), the moments m of the decoded estimate and v of its square, coordinate by coordinate.

    With a `TwoTrackDecoder` v is of the square of the second decoding of the same messages. A round in which nobody is
    heard counts as one with gradient 0.
    """

    setting: Setting
    code: GradientCode
    step_size: StepSize
    rates: AdamRates
    deadline_s: float | None = None
    name: str = field(default="")

    def __post_init__(self) -> None:
        tracks = "two_track_adam" if isinstance(self.code.decoder, TwoTrackDecoder) else "adam"
        object.__setattr__(self, "name", self.name or f"{self.code.family}_{tracks}")
        _ = self._round  # refuse sizes that do not fit together now

    @cached_property
    def _round(self) -> CodedRound:
        return CodedRound(self.setting, self.code, self.deadline_s)

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all messages, of the iterate and the moments."""
        return self._round.floats_a_run + 3 * self.setting.problem.dim

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point, both moments at 0."""
        x = np.tile(self.setting.problem.initial(), (n_runs, 1))  # (R, D)
        return State(x, np.zeros(x.shape), np.zeros(x.shape))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        responded, cost = self._round.listen(noise)  # (R, W)
        estimates = self._round.estimates(state.x, self._tracks(responded), noise)  # (R, 1 or 2, D)
        moments = updated(GradientMoments(state.first, state.second), estimates[:, 0], estimates[:, -1], self.rates)
        x = state.x - column(self.step_size, iteration, noise.rows) * direction(moments, iteration, self.rates)
        return State(x, *moments), cost

    def _tracks(self, responded: BoolArray) -> FloatArray:
        """Return the decoding weights for responses (R, W), a row a track, shape (R, 1 or 2, W)."""
        decoder = self.code.decoder
        if isinstance(decoder, TwoTrackDecoder):
            return np.stack([decoder.weights(responded), decoder.second_weights(responded)], axis=1)
        return decoder.weights(responded)[:, None]

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


def build(
    setting: Setting,
    *,
    code: GradientCode,
    step_size: StepSize,
    emphasis: float | None = None,
    reading: BiasReading = "columns",
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    deadline_s: float | None = None,
) -> CodedAdam:
    """Train with a gradient code and Adam.

    Parameters
    ----------
    emphasis : λ of eq. 36, the price of bias in the second moment's decoding; None: one decoding for both moments
    reading : how eq. 36 reads the bias
    beta1, beta2, epsilon : of `AdamRates`
    deadline_s : the master stops listening then; without one it hears all who answer at all

    Raises
    ------
    InputError : a code for other numbers of workers or parts, one that two tracks cannot decode, or a rate out of range
    """
    one = CodedAdam(setting, code, step_size, AdamRates(beta1, beta2, epsilon), deadline_s)
    if emphasis is None:
        return one
    lost = CodedRound(setting, code, deadline_s).straggle_prob  # (W,)
    both = two_track(code, lost, setting.problem.dim, emphasis, reading=reading)
    return replace(one, code=replace(code, decoder=both), name="")
