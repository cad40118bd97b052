"""Error feedback on a gradient code: what a message leaves out, or a straggler's whole message, is sent later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from workbench.codes.code import Decoder, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder, full_weights
from workbench.core.types import FloatArray
from workbench.schemes.coded_round import CodedRound, decoded
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column

Weights = Literal["matched", "own"]


class State(NamedTuple):
    """Where every run is."""

    x: FloatArray  # (R, D)  iterate
    owed: FloatArray  # (R, W, D)  what each worker has not sent yet, in the iterate's unit: η times its error


@dataclass(frozen=True)
class CodedErrorFeedback:
    r"""x − η Σ_i a_i I_i Q_i(f_i + e_i), with e_i ← f_i + e_i − Q_i(f_i + e_i), or f_i + e_i where that was not heard.

    Let o = ηe, Σ_i c_i f_i = ∇F with c = `full_weights`, and y = x − Σ_i c_i o_i. Over those i that write Q_i off,
    :math:`y^+ = y - \eta \nabla F(x) + \eta \sum_i (c_i - a_i I_i) Q_i`. With acknowledgements these are the heard
    ones, and a = c makes y exact: gradient descent, taken at x, whatever the stragglers, quantizer and steps. There
    a = c/(1 − p) would count gradients 1/(1 − p_i) times, as lost ones come later: x − Σ_i a_i o_i is exact then, but
    along Σ_i a_i f_i. Without acknowledgements all write off, and a = c/(1 − p) makes y exact in the mean over
    stragglers; no a does in every round. "matched" takes these a.

    Parameters
    ----------
    acknowledged : whether a worker learns that it was not heard, and keeps the message
    weights : "matched", or the code's "own" decoder as it is
    """

    setting: Setting
    code: GradientCode
    step_size: StepSize
    acknowledged: bool = True
    weights: Weights = "matched"
    deadline_s: float | None = None
    name: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"{self.code.family}_error_feedback")
        _ = self._decoder  # refuse sizes that do not fit together now

    @cached_property
    def _round(self) -> CodedRound:
        return CodedRound(self.setting, self.code, self.deadline_s)

    @cached_property
    def _decoder(self) -> Decoder:
        if self.weights == "own":
            return self.code.decoder
        lost = self._round.straggle_prob  # (W,)
        full = full_weights(self.code, lost)  # (W,)
        return FixedDecoder(full if self.acknowledged else full / (1 - lost))

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all messages and of what is owed."""
        return 3 * self._round.floats_a_run

    def init(self, n_runs: int) -> State:
        """Start all runs at the problem's starting point; nobody owes anything."""
        problem = self.setting.problem
        return State(np.tile(problem.initial(), (n_runs, 1)), np.zeros((n_runs, self.code.n_workers, problem.dim)))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take one round of every run."""
        responded, cost = self._round.listen(noise)  # (R, W)
        step_size = column(self.step_size, iteration, noise.rows)  # (R, 1)
        owed = state.owed / step_size[..., None]  # (R, W, D): e
        owed += self._round.encoder(state.x)
        sent = self._round.quantized(owed, noise)  # (R, W, D)
        weights = self._decoder.weights(responded)[:, None]  # (R, 1, W)
        x = state.x - step_size * decoded(weights, sent)[:, 0]
        owed -= sent * responded[..., None] if self.acknowledged else sent
        owed *= step_size[..., None]
        return State(x, owed), cost

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """owed_sq, Σ_i ‖o_i‖²."""
        return {"owed_sq": np.einsum("rwd,rwd->r", state.owed, state.owed)}


def build(
    setting: Setting,
    *,
    code: GradientCode,
    step_size: StepSize,
    acknowledged: bool = True,
    weights: Weights = "matched",
    deadline_s: float | None = None,
) -> CodedErrorFeedback:
    """Train with a gradient code and error feedback, for quantizers biased or not.

    What is owed stays bounded where the quantizer is a contraction, E‖Q(v) − v‖² < ‖v‖²; an unbiased quantizer of
    variance factor 1 or more is none.

    Parameters
    ----------
    acknowledged, weights : of `CodedErrorFeedback`
    deadline_s : the master stops listening then; without one it hears all who answer at all

    Raises
    ------
    InputError : a code for other numbers of workers or parts
    """
    return CodedErrorFeedback(setting, code, step_size, acknowledged, weights, deadline_s)
