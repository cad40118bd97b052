"""Adam's update [Kingma and Ba, 2015], for a second moment that may be of another estimate than the first."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray


class GradientMoments(NamedTuple):
    """Decaying means of the estimate and of the square of the other estimate, or of the same one."""

    first: FloatArray  # (R, D)
    second: FloatArray  # (R, D)


@dataclass(frozen=True)
class AdamRates:
    """How fast the means forget, and what keeps a coordinate without gradient from a division by 0.

    Parameters
    ----------
    beta1, beta2 : decay of the first and the second moment, in [0, 1)
    epsilon : added to the root of the second moment, in the gradient's unit; at least 0
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: a decay is at least 0 and below 1")
        if not 0 <= self.epsilon < np.inf:
            raise InputError(f"epsilon is {self.epsilon}: it must be at least 0 and finite")


def updated(
    moments: GradientMoments, estimate: FloatArray, scale_estimate: FloatArray, rates: AdamRates
) -> GradientMoments:
    """m ← β₁m + (1 − β₁)ĝ and v ← β₂v + (1 − β₂)ḡ², ĝ and ḡ two estimates of the gradient, (R, D) each."""
    return GradientMoments(
        rates.beta1 * moments.first + (1 - rates.beta1) * estimate,
        rates.beta2 * moments.second + (1 - rates.beta2) * scale_estimate**2,
    )


def direction(moments: GradientMoments, iteration: int, rates: AdamRates) -> FloatArray:
    """Return m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at t = `iteration` >= 1, shape (R, D).

    It is 0 where m is, also where v and ε are 0.
    """
    mean = moments.first / (1 - rates.beta1**iteration)
    size = np.sqrt(moments.second / (1 - rates.beta2**iteration)) + rates.epsilon
    return np.divide(mean, size, out=np.zeros_like(mean), where=mean != 0)
