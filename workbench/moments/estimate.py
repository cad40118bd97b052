r"""Bias and variance of the master's estimate :math:`\hat g = \sum_i a_i(S) Q_i(f_i)`, S the workers that answered.

Given S the estimate weighs part j by :math:`\alpha_j(S) = \sum_i a_i(S) w_{ij}`. Everything follows from the
mean of α, a factor F of its covariance (cov = FᵀF), and :math:`E[a_i(S)^2]`: for part gradients g,

.. math:: E\|\hat g - \sum_j g_j\|^2 = \|(E\alpha - 1)^T g\|^2 + \|F g\|_F^2 + \sum_i E[a_i^2]\, \mathrm{Var}\,Q_i(f_i)

[hetero_gc, Lemma 1 before its bound, extended to decoders that look at S].
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import SupportsFloat

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.types import FloatArray, IntArray, MomentKind
from workbench.moments.enumeration import straggler_patterns

ENUMERATED_WORKERS = 12  # components up to this size are enumerated, larger ones sampled
SAMPLED_PATTERNS = 2048
BATCHES = 16  # of the sampled patterns, for the standard error
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


@dataclass(frozen=True, eq=False)
class _WeightMoments:
    """First and second moments of the decoded weights."""

    mean: FloatArray  # (P,) E α
    factor: sparse.csr_array  # (K, P) with cov α = FᵀF
    weight_sq: FloatArray  # (W,) E a_i²


def moments(code: GradientCode, straggle_prob: FloatArray, dim: int, *, rng: np.random.Generator) -> Moments:
    """Compute the moments of `code` when worker i straggles with probability straggle_prob[i], independently.

    Exact for fixed decoders, and for pattern-dependent ones as far as independent groups of workers are
    small or hold the same; otherwise sampled over straggler patterns, with a standard error.

    Parameters
    ----------
    straggle_prob : shape (W,)
    dim : coordinates of a gradient, which sets the quantizers' variance
    rng : draws the patterns where they must be sampled
    """
    if isinstance(code.decoder, FixedDecoder):
        return _summary(code, _fixed(code, code.decoder, straggle_prob), dim, MomentKind.EXACT)
    groups = _independent_groups(code)
    if all(group.size <= ENUMERATED_WORKERS or _holds_the_same(code, group) for group in groups):
        return _summary(code, _grouped(code, straggle_prob, groups), dim, MomentKind.EXACT)
    return _sampled(code, straggle_prob, dim, rng)


def error_split(code: GradientCode, straggle_prob: FloatArray, part_grads: FloatArray) -> ErrorSplit:
    """Split the exact error of a code with a fixed decoder for given part gradients (P, D)."""
    if not isinstance(code.decoder, FixedDecoder):
        raise TypeError("the error for given gradients is exact for fixed decoders; see enumeration for others")
    weights = _fixed(code, code.decoder, straggle_prob)
    quantized = code.quantizer.variance(code.encode_dense @ part_grads)  # (W,)
    mean, total = weights.mean @ part_grads, part_grads.sum(axis=0)  # (D,) each
    return _split(
        bias_sq=np.sum((mean - total) ** 2),
        mean_sq=mean @ mean,
        overlap=mean @ total,
        total_sq=total @ total,
        straggler_var=np.sum((weights.factor @ part_grads) ** 2),
        quantizer_var=weights.weight_sq @ quantized,
    )


def _split(**parts: SupportsFloat) -> ErrorSplit:
    """Split the error by ‖Eĝ − Σg_j‖², ‖Eĝ‖², ⟨Eĝ, Σg_j⟩, ‖Σg_j‖² and the variances of ĝ."""
    value = {name: float(part) for name, part in parts.items()}
    power = value["mean_sq"] + value["straggler_var"] + value["quantizer_var"]  # E‖ĝ‖²
    rescaled = value["total_sq"] - (value["overlap"] ** 2 / power if power > 0 else 0.0)
    return ErrorSplit(value["bias_sq"], value["straggler_var"], value["quantizer_var"], max(rescaled, 0.0))


def _fixed(code: GradientCode, decoder: FixedDecoder, straggle_prob: FloatArray) -> _WeightMoments:
    """α_j = Σ I_i v_i w_ij with independent I_i: mean (12), covariance Aᵀ diag(p(1 − p)) A."""
    answer = 1 - straggle_prob
    a = sparse.diags_array(decoder.decode) @ code.encode  # a_ij = v_i w_ij
    factor = sparse.diags_array(np.sqrt(straggle_prob * answer)) @ a
    return _WeightMoments(a.T @ answer, factor.tocsr(), answer * decoder.decode**2)


def _independent_groups(code: GradientCode) -> list[IntArray]:
    """Workers that share parts directly or through others: such groups decode independently."""
    overlap = code.encode @ code.encode.T
    n_groups, label = csgraph.connected_components(overlap, directed=False)
    return [np.flatnonzero(label == group) for group in range(n_groups)]


def _holds_the_same(code: GradientCode, group: IntArray) -> bool:
    rows = code.encode[group]
    first = sparse.vstack([rows[[0]]] * group.size)
    return bool(abs(rows - first).nnz == 0)


def _grouped(code: GradientCode, straggle_prob: FloatArray, groups: list[IntArray]) -> _WeightMoments:
    """Combine independent groups: means add up, covariance factors stack."""
    mean = np.zeros(code.n_parts)
    weight_sq = np.zeros(code.n_workers)
    factors = []
    small = [group for group in groups if group.size <= ENUMERATED_WORKERS]
    large = [group for group in groups if group.size > ENUMERATED_WORKERS]
    for group, prob, weight in _enumerated(code, straggle_prob, small):
        alpha = weight @ code.encode[group]  # (patterns, P)
        weight_sq[group] = prob @ weight**2
        mean += (group_mean := prob @ alpha)
        factors.append(sparse.csr_array(np.sqrt(prob)[:, None] * (alpha - group_mean)))
    for group in large:
        alpha, answered, weight_sq[group] = _alike(code, straggle_prob, group)
        mean += answered * alpha
        factors.append(sparse.csr_array(np.sqrt(answered * (1 - answered)) * alpha[None, :]))
    return _WeightMoments(mean, sparse.vstack(factors).tocsr(), weight_sq)


def _enumerated(
    code: GradientCode, straggle_prob: FloatArray, groups: list[IntArray]
) -> Iterator[tuple[IntArray, FloatArray, FloatArray]]:
    """Yield each group, its patterns' probabilities (K,) and its workers' weights (K, group) in each pattern."""
    if not groups:
        return
    patterns = [straggler_patterns(straggle_prob[group]) for group in groups]
    responded = np.zeros((max(len(prob) for _, prob in patterns), code.n_workers), dtype=bool)
    for group, (pattern, _) in zip(groups, patterns, strict=True):
        responded[: len(pattern), group] = pattern  # groups do not meet: all are decoded in one batch
    weights = code.decoder.weights(responded)
    for group, (_, prob) in zip(groups, patterns, strict=True):
        yield group, prob, weights[: prob.size, group]


def _alike(code: GradientCode, straggle_prob: FloatArray, group: IntArray) -> tuple[FloatArray, float, FloatArray]:
    """Return α (P,) when anyone of a group of like workers answers, that probability, and E a_i² (group,).

    The n who answer share the weight equally, so E a_i² needs the law of n, a Poisson binomial.
    """
    everyone = np.zeros((1, code.n_workers), dtype=bool)
    everyone[0, group] = True
    weight = code.decoder.weights(everyone)[0, group]  # (group,)
    p = straggle_prob[group]
    weight_sq = np.empty(group.size)
    for i in range(group.size):
        others = reduce(np.convolve, [(q, 1 - q) for q in np.delete(p, i)], np.ones(1))
        share = group.size / np.arange(1, group.size + 1)  # the others who answer: 0, 1, ...
        weight_sq[i] = (1 - p[i]) * weight[i] ** 2 * (others @ share**2)
    return weight @ code.encode[group], float(1 - np.prod(p)), weight_sq


def _sampled(code: GradientCode, straggle_prob: FloatArray, dim: int, rng: np.random.Generator) -> Moments:
    """Estimate the moments from drawn patterns, and their standard error from batches of them."""
    responded = rng.random((SAMPLED_PATTERNS, code.n_workers)) >= straggle_prob
    weights = np.concatenate([code.decoder.weights(batch) for batch in np.split(responded, BATCHES)])
    whole = _summary(code, _empirical(code, weights), dim, MomentKind.SAMPLED)
    batches = [_summary(code, _empirical(code, part), dim, MomentKind.SAMPLED) for part in np.split(weights, BATCHES)]
    return replace(
        whole,
        standard_error=_batch_error([m.aligned.mse for m in batches]),
        standard_error_orthonormal=_batch_error([m.orthonormal.mse for m in batches]),
        standard_error_worst_case=_batch_error([m.worst_case for m in batches]),
    )


def _batch_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _empirical(code: GradientCode, weights: FloatArray) -> _WeightMoments:
    """Moments of the weights (K, W) that K drawn patterns gave."""
    alpha = weights @ code.encode  # (K, P)
    mean = alpha.mean(axis=0)
    factor = sparse.csr_array((alpha - mean) / np.sqrt(len(weights) - 1))
    return _WeightMoments(mean, factor, np.mean(weights**2, axis=0))


def _summary(code: GradientCode, weights: _WeightMoments, dim: int, kind: MomentKind) -> Moments:
    """Evaluate the error for aligned and orthonormal unit gradients, and bound it for all."""
    bias = weights.mean - 1  # (P,)
    noise = weights.weight_sq * code.quantizer.mean_variance_factor(dim)  # (W,)
    row_sum = code.encode.sum(axis=1)  # (W,): ‖f_i‖ for aligned gradients
    row_sq = (code.encode**2).sum(axis=1)  # (W,): ‖f_i‖² for orthonormal ones
    mean, n_parts = weights.mean, code.n_parts
    aligned = _split(
        bias_sq=bias.sum() ** 2,
        mean_sq=mean.sum() ** 2,
        overlap=mean.sum() * n_parts,
        total_sq=n_parts**2,
        straggler_var=np.sum(weights.factor.sum(axis=1) ** 2),
        quantizer_var=noise @ row_sum**2,
    )
    orthonormal = _split(
        bias_sq=bias @ bias,
        mean_sq=mean @ mean,
        overlap=mean.sum(),
        total_sq=n_parts,
        straggler_var=np.sum(weights.factor.data**2),
        quantizer_var=noise @ row_sq,
    )
    return Moments(bias, aligned, orthonormal, _worst_case(code, weights, bias, dim), kind)


def _worst_case(code: GradientCode, weights: _WeightMoments, bias: FloatArray, dim: int) -> float:
    """Bound the error over all ‖g_j‖ ≤ 1: Σ_jk |M_jk|, M the second moment of what each pair of parts adds.

    It is attained by aligned gradients where all entries of M are nonnegative, as for unbiased codes with
    nonnegative weights. For very many parts the entries are bounded factor by factor.
    """
    worst_noise = np.sqrt(weights.weight_sq * code.quantizer.variance_factor(dim))  # (W,)
    factor = sparse.vstack([weights.factor, sparse.diags_array(worst_noise) @ code.encode])
    if code.n_parts > ENTRYWISE_PARTS:
        return float(np.abs(bias).sum() ** 2 + np.sum(abs(factor).sum(axis=1) ** 2))
    return float(np.abs((factor.T @ factor).toarray() + np.outer(bias, bias)).sum())
