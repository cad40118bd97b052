r"""Bias and variance of the master's estimate :math:`\hat g = \sum_i a_i(S) Q_i(f_i)`, S the workers that answered.

With :math:`q_i = E\,Q_i(f_i)`, which is :math:`f_i` for an unbiased quantizer, everything follows from the first two
moments of the decoding weights (`weight_moments`): with a factor F of their covariance, cov a = FᵀF, and g = Σ g_j,

.. math:: E\|\hat g - g\|^2 = \|E[a]^T q - g\|^2 + \|F q\|_F^2 + \sum_i E[a_i^2]\, \mathrm{Var}\,Q_i(f_i)

[hetero_gc, Lemma 1 before its bound, extended to decoders that look at S and to biased quantizers].
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import SupportsFloat

import numpy as np
from scipy import sparse

from workbench.codes.code import GradientCode
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, MomentKind
from workbench.moments.weight_moments import WeightMoments, drawn_weights, empirical_moments, weight_moments

ENTRYWISE_PARTS = 4096  # up to here the worst-case bound uses the whole P x P moment matrix


@dataclass(frozen=True)
class ErrorSplit:
    """The mean squared error E‖ĝ − Σg_j‖² and where it comes from.

    rescaled : least E‖cĝ − Σg_j‖² over constants c, which a tuned step size supplies: what is left to compare
    """

    bias_sq: float
    straggler_var: float
    quantizer_var: float
    rescaled: float

    @property
    def mse(self) -> float:
        """The sum of the three."""
        return self.bias_sq + self.straggler_var + self.quantizer_var


@dataclass(frozen=True, eq=False)
class Moments:
    """Bias and error of a code for unit part gradients, ‖g_j‖ = 1.

    The part gradients are all equal (aligned) or orthonormal, in a uniformly random orientation, over
    which the quantizers' variance is exact. `worst_case` bounds the error over all ‖g_j‖ ≤ 1, with the
    quantizers' variance constant; sampled moments give an estimate of that bound.
    """

    bias: FloatArray  # (P,): E[weight of part j] − 1
    aligned: ErrorSplit
    orthonormal: ErrorSplit
    worst_case: float
    kind: MomentKind
    standard_error: float = 0.0  # of the aligned error
    standard_error_orthonormal: float = 0.0
    standard_error_worst_case: float = 0.0

    @property
    def max_bias(self) -> float:
        """max_j |E[weight of part j] − 1|: 0 iff unbiased for every gradient."""
        return float(np.max(np.abs(self.bias)))


@dataclass(frozen=True)
class ErrorEstimate:
    """The error for given part gradients, and how it was obtained."""

    split: ErrorSplit
    kind: MomentKind
    standard_error: float = 0.0  # of split.mse


def moments(code: GradientCode, straggle_prob: FloatArray, dim: int, *, rng: np.random.Generator) -> Moments:
    """Compute the moments of `code` when worker i straggles with probability straggle_prob[i], independently.

    Exact for fixed decoders, and for pattern-dependent ones as far as independent groups of workers are
    small or hold the same; otherwise sampled over straggler patterns, with a standard error.

    Parameters
    ----------
    straggle_prob : shape (W,)
    dim : coordinates of a gradient, which sets the quantizers' variance
    rng : draws the patterns where they must be sampled

    Raises
    ------
    InputError : the quantizer is biased, or a worker that holds parts sends nothing
    """
    check_unbiased(code)
    exact = weight_moments(code, straggle_prob, code.encode)
    if exact is not None:
        return _summary(code, exact, dim, MomentKind.EXACT)
    whole, *batches = (_summary(code, drawn, dim, MomentKind.SAMPLED) for drawn in _drawn(code, straggle_prob, rng))
    return replace(
        whole,
        standard_error=_batch_error([m.aligned.mse for m in batches]),
        standard_error_orthonormal=_batch_error([m.orthonormal.mse for m in batches]),
        standard_error_worst_case=_batch_error([m.worst_case for m in batches]),
    )


def error_split(
    code: GradientCode, straggle_prob: FloatArray, part_grads: FloatArray, *, rng: np.random.Generator
) -> ErrorEstimate:
    """Split the error of any code for given part gradients (P, D), whether its quantizer is biased or not.

    Exact as far as `moments` is; where a biased quantizer spends unequal bits on a large group of workers that
    hold the same, it is sampled over straggler patterns, with a standard error.
    """
    messages = code.encode @ part_grads  # (W, D)
    said, noise = code.quantizer.mean(messages), code.quantizer.variance(messages)  # (W, D), (W,)
    total = part_grads.sum(axis=0)  # (D,)
    exact = weight_moments(code, straggle_prob, said)
    if exact is not None:
        return ErrorEstimate(_given(exact, said, noise, total), MomentKind.EXACT)
    whole, *batches = (_given(drawn, said, noise, total) for drawn in _drawn(code, straggle_prob, rng))
    return ErrorEstimate(whole, MomentKind.SAMPLED, _batch_error([split.mse for split in batches]))


def _drawn(code: GradientCode, straggle_prob: FloatArray, rng: np.random.Generator) -> Iterator[WeightMoments]:
    """Yield the moments of all drawn patterns together, then of each batch of them."""
    weights, share = drawn_weights(code, straggle_prob, rng=rng)  # (batches, K, W), (K,)
    yield empirical_moments(np.concatenate(weights), np.tile(share, len(weights)) / len(weights))
    for batch in weights:
        yield empirical_moments(batch, share)


def check_unbiased(code: GradientCode) -> None:
    """Refuse what the moments for random orientations leave out.

    Raises
    ------
    InputError : the quantizer is biased, or a worker that holds parts sends nothing
    """
    if not code.quantizer.is_unbiased:
        raise InputError(
            f"the quantizer {type(code.quantizer).__name__} is biased: moments over random orientations need an "
            "unbiased one; error_split takes any, for given part gradients"
        )
    mute = np.flatnonzero((code.bits == 0) & (np.diff(code.encode.indptr) > 0))
    if mute.size:
        raise InputError(f"worker {mute[0]} holds parts but has 0 bits: give it bits, or no part")


def _given(weights: WeightMoments, said: FloatArray, noise: FloatArray, total: FloatArray) -> ErrorSplit:
    """Evaluate the error where the messages have means `said` (W, D) and variances `noise` (W,)."""
    mean = weights.mean @ said  # (D,)
    return _split(
        bias_sq=np.sum((mean - total) ** 2),
        mean_sq=mean @ mean,
        overlap=mean @ total,
        total_sq=total @ total,
        straggler_var=np.sum((weights.factor @ said) ** 2),
        quantizer_var=weights.mean_sq @ noise,
    )


def _split(**parts: SupportsFloat) -> ErrorSplit:
    """Split the error by ‖Eĝ − Σg_j‖², ‖Eĝ‖², ⟨Eĝ, Σg_j⟩, ‖Σg_j‖² and the variances of ĝ."""
    value = {name: float(part) for name, part in parts.items()}
    power = value["mean_sq"] + value["straggler_var"] + value["quantizer_var"]  # E‖ĝ‖²
    rescaled = value["total_sq"] - (value["overlap"] ** 2 / power if power > 0 else 0.0)
    return ErrorSplit(value["bias_sq"], value["straggler_var"], value["quantizer_var"], max(rescaled, 0.0))


def _batch_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _summary(code: GradientCode, weights: WeightMoments, dim: int, kind: MomentKind) -> Moments:
    """Evaluate the error for aligned and orthonormal unit gradients, and bound it for all."""
    mean, factor = code.encode.T @ weights.mean, weights.factor @ code.encode  # (P,), (K, P): of each part's weight
    bias = mean - 1  # (P,)
    noise = weights.mean_sq * code.quantizer.mean_variance_factor(dim)  # (W,)
    row_sum = code.encode.sum(axis=1)  # (W,): ‖f_i‖ for aligned gradients
    row_sq = (code.encode**2).sum(axis=1)  # (W,): ‖f_i‖² for orthonormal ones
    n_parts = code.n_parts
    aligned = _split(
        bias_sq=bias.sum() ** 2,
        mean_sq=mean.sum() ** 2,
        overlap=mean.sum() * n_parts,
        total_sq=n_parts**2,
        straggler_var=np.sum(factor.sum(axis=1) ** 2),
        quantizer_var=noise @ row_sum**2,
    )
    orthonormal = _split(
        bias_sq=bias @ bias,
        mean_sq=mean @ mean,
        overlap=mean.sum(),
        total_sq=n_parts,
        straggler_var=np.sum(factor.data**2),
        quantizer_var=noise @ row_sq,
    )
    return Moments(bias, aligned, orthonormal, _worst_case(code, weights.mean_sq, factor, bias, dim), kind)


def _worst_case(
    code: GradientCode, weight_sq: FloatArray, factor: sparse.csr_array, bias: FloatArray, dim: int
) -> float:
    """Bound the error over all ‖g_j‖ ≤ 1: Σ_jk |M_jk|, M the second moment of what each pair of parts adds.

    It is attained by aligned gradients where all entries of M are nonnegative, as for unbiased codes with
    nonnegative weights. For very many parts the entries are bounded factor by factor.
    """
    worst_noise = np.sqrt(weight_sq * code.quantizer.variance_factor(dim))  # (W,)
    factor = sparse.vstack([factor, sparse.diags_array(worst_noise) @ code.encode])
    if code.n_parts > ENTRYWISE_PARTS:
        return float(np.abs(bias).sum() ** 2 + np.sum(abs(factor).sum(axis=1) ** 2))
    return float(np.abs((factor.T @ factor).toarray() + np.outer(bias, bias)).sum())
