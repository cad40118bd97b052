"""First and second moments of the decoding weights a_i(S), S the random set of workers that answered."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from workbench.codes.code import Decoder, GradientCode
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core.types import FloatArray, IntArray
from workbench.moments.enumeration import straggler_patterns

ENUMERATED_WORKERS = 12  # groups up to this size are enumerated, larger ones sampled
SAMPLED_PATTERNS = 2048
BATCHES = 16  # of the sampled patterns, for the standard error
TRIED_PATTERNS = 16  # on which a decoder must weigh each group by its own responses alone


@dataclass(frozen=True, eq=False)
class WeightMoments:
    """First and second moments of the decoding weights.

    Of workers whose messages have the same mean only the sum of the weights matters to the estimate's mean, so that
    `mean` and `factor` may share it out among them as they like; `mean_sq` is each worker's own.
    """

    mean: FloatArray  # (W,) E a
    factor: sparse.csr_array  # (K, W) with cov a = FᵀF, K <= W
    mean_sq: FloatArray  # (W,) E a_i²


def weight_moments(
    code: GradientCode, straggle_prob: FloatArray, said: FloatArray | sparse.csr_array
) -> WeightMoments | None:
    """Return the exact moments, or None where they take more patterns than can be enumerated.

    Workers that share parts, directly or through others, form groups, which most decoders treat independently.

    Parameters
    ----------
    straggle_prob : shape (W,)
    said : the mean of each worker's message, or its row of the encoding matrix in its place, shape (W, ·)
    """
    if isinstance(code.decoder, FixedDecoder):
        return _fixed(code.decoder, straggle_prob)
    groups = _connected(code)
    large = [group for group in groups if group.size > ENUMERATED_WORKERS]
    if all(_is_alike(code, group, said) for group in large) and _decodes_by_group(code.decoder, groups):
        return _grouped(code, straggle_prob, groups)
    if code.n_workers <= ENUMERATED_WORKERS:
        return _grouped(code, straggle_prob, [np.arange(code.n_workers)])
    return None


def drawn_weights(code: GradientCode, straggle_prob: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """Return the weights in drawn patterns, in batches of K patterns, shape (batches, K, W)."""
    responded = rng.random((SAMPLED_PATTERNS, code.n_workers)) >= straggle_prob
    return np.stack([code.decoder.weights(batch) for batch in np.split(responded, BATCHES)])


def empirical_moments(weights: FloatArray) -> WeightMoments:
    """Return the moments of the weights (K, W) that K drawn patterns gave."""
    mean = weights.mean(axis=0)  # (W,)
    factor = np.linalg.qr((weights - mean) / np.sqrt(len(weights) - 1), mode="r")  # (min(K, W), W)
    return WeightMoments(mean, sparse.csr_array(factor), np.mean(weights**2, axis=0))


def _fixed(decoder: FixedDecoder, straggle_prob: FloatArray) -> WeightMoments:
    """a_i = I_i v_i with independent I_i."""
    answer = 1 - straggle_prob
    factor = sparse.diags_array(np.sqrt(straggle_prob * answer) * decoder.decode)
    return WeightMoments(answer * decoder.decode, factor.tocsr(), answer * decoder.decode**2)


def _connected(code: GradientCode) -> list[IntArray]:
    """Groups of workers that share parts directly or through others."""
    overlap = code.encode @ code.encode.T
    n_groups, label = csgraph.connected_components(overlap, directed=False)
    return [np.flatnonzero(label == group) for group in range(n_groups)]


def _decodes_by_group(decoder: Decoder, groups: list[IntArray]) -> bool:
    """Tell whether weights ignore who answers in other groups: exchange the responses of every second group."""
    if len(groups) == 1:
        return True
    n_workers = sum(group.size for group in groups)
    first, second = np.random.default_rng(0).random((2, TRIED_PATTERNS, n_workers)) < 0.5
    exchanged = np.concatenate(groups[1::2])
    mixed, expected = first.copy(), decoder.weights(first)
    mixed[:, exchanged], expected[:, exchanged] = second[:, exchanged], decoder.weights(second)[:, exchanged]
    return np.allclose(decoder.weights(mixed), expected, rtol=1e-6, atol=1e-6)


def _is_alike(code: GradientCode, group: IntArray, said: FloatArray | sparse.csr_array) -> bool:
    """Tell whether all of the group hold and say the same, and how the decoder weighs them is known (`_alike`)."""
    known = isinstance(code.decoder, LeastSquaresDecoder) or (
        isinstance(code.decoder, FirstResponderDecoder) and np.ptp(code.decoder.group[group]) == 0
    )
    return known and _are_equal(code.encode, group) and _are_equal(said, group)


def _are_equal(rows: FloatArray | sparse.csr_array, group: IntArray) -> bool:
    of_group = sparse.csr_array(rows[group])
    return bool(abs(of_group - sparse.vstack([of_group[[0]]] * group.size)).nnz == 0)


def _grouped(code: GradientCode, straggle_prob: FloatArray, groups: list[IntArray]) -> WeightMoments:
    """Combine independent groups: a block of the covariance factor for each."""
    mean, mean_sq = np.zeros(code.n_workers), np.zeros(code.n_workers)
    blocks = []
    small = [group for group in groups if group.size <= ENUMERATED_WORKERS]
    large = [group for group in groups if group.size > ENUMERATED_WORKERS]
    for group, (prob, weight) in zip(small, _enumerated(code, straggle_prob, small), strict=True):
        mean[group], mean_sq[group] = prob @ weight, prob @ weight**2
        blocks.append(np.linalg.qr(np.sqrt(prob)[:, None] * (weight - mean[group]), mode="r"))
    for group in large:
        weight, answered, mean_sq[group] = _alike(code, straggle_prob, group)
        mean[group] = answered * weight
        blocks.append(np.sqrt(answered * (1 - answered)) * weight[None, :])
    columns = np.argsort(np.concatenate(small + large))  # from the blocks' order to the workers'
    return WeightMoments(mean, sparse.csr_array(sparse.block_diag(blocks, format="csr"))[:, columns], mean_sq)


def _enumerated(
    code: GradientCode, straggle_prob: FloatArray, groups: list[IntArray]
) -> list[tuple[FloatArray, FloatArray]]:
    """Return for each group its patterns' probabilities (K,) and its workers' weights (K, group) in each pattern."""
    patterns = [straggler_patterns(straggle_prob[group]) for group in groups]
    responded = np.zeros((max((len(prob) for _, prob in patterns), default=0), code.n_workers), dtype=bool)
    for group, (pattern, _) in zip(groups, patterns, strict=True):
        responded[: len(pattern), group] = pattern  # groups do not meet: all are decoded in one batch
    weights = code.decoder.weights(responded)
    return [(prob, weights[: prob.size, group]) for group, (_, prob) in zip(groups, patterns, strict=True)]


def _alike(code: GradientCode, straggle_prob: FloatArray, group: IntArray) -> tuple[FloatArray, float, FloatArray]:
    """Return the weights (group,) when all like workers answer, P(anyone answers), and E a_i² (group,).

    A first responder takes all of the sum of the weights. By least squares the n who answer share it equally, so that
    E a_i² needs the law of n, a Poisson binomial.
    """
    everyone = np.zeros((1, code.n_workers), dtype=bool)
    everyone[0, group] = True
    weight = code.decoder.weights(everyone)[0, group]  # (group,)
    p = straggle_prob[group]
    answered = float(1 - np.prod(p))
    if isinstance(code.decoder, FirstResponderDecoder):
        return weight, answered, (1 - p) * np.cumprod(np.append(1.0, p[:-1]))
    mean_sq = np.empty(group.size)
    for i in range(group.size):
        others = reduce(np.convolve, [(q, 1 - q) for q in np.delete(p, i)], np.ones(1))
        share = group.size / np.arange(1, group.size + 1)  # the others who answer: 0, 1, ...
        mean_sq[i] = (1 - p[i]) * weight[i] ** 2 * (others @ share**2)
    return weight, answered, mean_sq
