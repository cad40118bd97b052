"""One round of a gradient code, whatever the master then does with it: who is heard, and what that costs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import BoolArray, Encoder, FloatArray, SummingQuantizer
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.scheme import Cost, Noise, Setting

NEARLY_NEVER = 1 - 1e-9  # a worker that is never heard is treated as one that nearly never is


@dataclass(frozen=True)
class CodedRound:
    """A code in a setting, with the deadline after which the master no longer listens.

    Parameters
    ----------
    deadline_s : seconds; None: the master hears all who answer at all
    """

    setting: Setting
    code: GradientCode
    deadline_s: float | None

    def __post_init__(self) -> None:
        expected = (self.setting.n_workers, self.setting.problem.n_parts)
        if self.code.encode.shape != expected:
            raise InputError(
                f"the code is for (workers, parts) = {self.code.encode.shape}, delays and problem have {expected}"
            )
        if self.deadline_s is not None and not 0 < self.deadline_s < np.inf:
            raise InputError(f"deadline_s is {self.deadline_s}: give a positive finite number of seconds")

    @property
    def floats_a_run(self) -> int:
        """Coordinates of all messages."""
        return self.code.n_workers * self.setting.problem.dim

    @cached_property
    def encoder(self) -> Encoder:
        """Iterates (R, D) -> messages (R, W, D), not yet quantized."""
        return self.setting.problem.encoder(self.code.encode_dense)

    @cached_property
    def holders(self) -> BoolArray:
        """Workers that hold at least one part, shape (W,)."""
        return np.asarray(np.any(self.code.encode_dense != 0, axis=1))

    @cached_property
    def message_bits(self) -> FloatArray:
        """Bits of each worker's message, 0 for a worker that holds no part, shape (W,)."""
        return np.where(self.holders, self.code.quantizer.message_bits(self.setting.problem.dim), 0.0)

    @cached_property
    def straggle_prob(self) -> FloatArray:
        """P(worker i is not heard), shape (W,)."""
        return straggle_prob(self.setting, self.deadline_s, self.message_bits)

    def listen(self, noise: Noise) -> tuple[BoolArray, Cost]:
        """Wait until the last holder's message has come, or until the deadline: who is heard (R, W), and the cost.

        A worker gets the iterate, answers after its response time, and its message travels to the master.
        """
        times = noise.responses.next_round()  # (R, W)
        iterate_bits = FLOAT_BITS * self.setting.problem.dim
        if self.setting.seconds_per_bit:
            times = times + self.setting.seconds_per_bit * (iterate_bits + self.message_bits)
        if self.deadline_s is None:
            responded = np.isfinite(times)  # (R, W)
            seconds = np.max(times, axis=1, initial=0.0, where=responded & self.holders)  # (R,)
        else:
            responded = times <= self.deadline_s
            seconds = np.minimum(times[:, self.holders].max(axis=1, initial=0.0), self.deadline_s)
        bits_down = np.full(len(times), float(iterate_bits * np.count_nonzero(self.holders)))  # (R,)
        return responded, Cost(seconds, responded @ self.message_bits, bits_down)

    def estimates(self, x: FloatArray, weights: FloatArray, noise: Noise) -> FloatArray:
        """Σ_i weights[r, k, i] Q_i(f_i(x_r)) at iterates (R, D) with decoding weights (R, K, W), shape (R, K, D)."""
        if self._summing is None:
            return decoded(weights, self.quantized(self.encoder(x), noise))
        return self._summing.weighted_sums(self.encoder(x), weights, rng=self._quantizing(noise))

    @cached_property
    def _summing(self) -> SummingQuantizer | None:
        return self.code.quantizer if isinstance(self.code.quantizer, SummingQuantizer) else None

    def quantized(self, messages: FloatArray, noise: Noise) -> FloatArray:
        """Quantize messages (R, W, D), same shape.

        Every worker's quantizer draws in every round, heard or not: the noise of a worker does not depend on who
        else straggles.
        """
        return self.code.quantizer(messages, rng=self._quantizing(noise))

    def _quantizing(self, noise: Noise) -> RunStreams:
        return noise.stream(f"quantizer/{self.code.family}")


def straggle_prob(setting: Setting, deadline_s: float | None, message_bits: FloatArray) -> FloatArray:
    """Return P(worker i is not heard), shape (W,): that it misses the deadline, its link included, or never answers.

    Parameters
    ----------
    message_bits : of each worker's message, shape (W,)
    """
    travel_s = setting.seconds_per_bit * (FLOAT_BITS * setting.problem.dim + message_bits)  # (W,)
    prob = np.empty(travel_s.size)
    for each in np.unique(travel_s):
        alike = travel_s == each
        prob[alike] = setting.delay.straggle_prob((np.inf if deadline_s is None else deadline_s) - each)[alike]
    return np.minimum(prob, NEARLY_NEVER)


def decoded(weights: FloatArray, messages: FloatArray) -> FloatArray:
    """Σ_i weights[r, k, i] messages[r, i] with decoding weights (R, K, W), messages (R, W, D), shape (R, K, D)."""
    return np.asarray(weights @ messages)
