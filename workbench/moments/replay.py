"""Designs tried on rounds of the log that they have not seen.

The log itself is the judge: errors in the estimated probabilities and stragglers that come together, which the
moments leave out, are in the outcome.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.core.types import BoolArray, FloatArray
from workbench.moments.design_comparison import OPTIMAL, design_baselines
from workbench.moments.estimate import check_unbiased
from workbench.stragglers.profile import StragglerProfile

N_FOLDS = 5


@dataclass(frozen=True)
class Replayed:
    """A code on left-out rounds, for part gradients that all agree; errors are standard errors over rounds.

    ratio : estimate over truth, the mean; 1 if unbiased
    error : mean squared error relative to the truth's square
    """

    ratio: float
    ratio_error: float
    error: float
    error_error: float


def replay(code: GradientCode, responded: BoolArray, dim: int) -> tuple[FloatArray, FloatArray]:
    """Return estimate over truth, and squared error relative to the truth's, of each round, (rounds,) each.

    Parameters
    ----------
    responded : who beat the deadline, shape (rounds, W)

    Raises
    ------
    InputError : as `moments`
    """
    check_unbiased(code)
    weights = code.decoder.weights(responded)  # (rounds, W)
    norm = code.encode.sum(axis=1) / code.n_parts  # (W,): ‖f_i‖ relative to the gradient sum
    ratio = weights @ norm
    noise = weights**2 @ (code.quantizer.mean_variance_factor(dim) * norm**2)
    return ratio, (ratio - 1) ** 2 + noise


def replay_left_out(
    late: BoolArray, estimate: Callable[[np.ndarray], FloatArray], spec: DesignSpec, *, seed: int
) -> dict[str, Replayed]:
    """Design every family on four fifths of the rounds and replay it on the fifth, in contiguous blocks.

    Parameters
    ----------
    late : who missed the deadline in the log, shape (rounds, W)
    estimate : indices of rounds -> straggle probabilities (W,) from these rounds alone
    """
    outcome: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
    rounds = np.arange(len(late))
    for block in np.array_split(rounds, min(N_FOLDS, len(late))):
        profile = StragglerProfile(estimate(np.setdiff1d(rounds, block)))
        bits = optimally_structured.allocate(profile.straggle_prob, spec).bits
        codes = {OPTIMAL: optimally_structured.design_for_bits(profile, spec, bits)}
        codes |= design_baselines(profile, spec, seed=seed)
        for family, code in codes.items():
            outcome.setdefault(family, []).append(replay(code, ~late[block], spec.dim))
    return {family: _summary(parts) for family, parts in outcome.items()}


def _summary(parts: list[tuple[FloatArray, FloatArray]]) -> Replayed:
    ratio, error = (np.concatenate(values) for values in zip(*parts, strict=True))  # (rounds,) each
    root = np.sqrt(ratio.size)
    return Replayed(
        float(ratio.mean()),
        float(ratio.std(ddof=1) / root),
        float(error.mean()),
        float(error.std(ddof=1) / root),
    )
