"""First and second moments of the decoding weights a_i(S), S the random set of workers that answered."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from workbench.codes.code import GradientCode
from workbench.codes.decoders.first_responder import FirstResponderDecoder
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.moments.enumeration import straggler_patterns

ENUMERATED_WORKERS = 12  # groups up to this size are enumerated, larger ones sampled
SAMPLED_PATTERNS = 2048
BATCHES = 16  # of the sampled patterns, for the standard error
NEGLIGIBLE = 1e-13  # probability of a number of stragglers that is left out
TRIED_PATTERNS = 128  # on which a decoder must weigh each group by its own responses alone


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
    if all(_is_alike(code, group, said) for group in large) and _decodes_by_group(code, groups):
        return _grouped(code, straggle_prob, groups)
    if code.n_workers <= ENUMERATED_WORKERS:
        return _grouped(code, straggle_prob, [np.arange(code.n_workers)])
    return None


def drawn_weights(
    code: GradientCode, straggle_prob: FloatArray, *, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the weights in drawn patterns, (batches, K, W), and each pattern's share of its batch, (K,).

    Patterns are drawn by strata of equal numbers of stragglers, rare ones as well: a code that decodes exactly up to s
    stragglers errs in these alone.
    """
    law = _straggler_counts(straggle_prob)  # (W + 1, W + 1)
    likely = np.flatnonzero(law[0] > NEGLIGIBLE)
    per_batch = SAMPLED_PATTERNS // BATCHES
    strata = np.array_split(likely, min(likely.size, per_batch // 2))
    prob = np.array([law[0, counts].sum() for counts in strata])  # (strata,)
    prob /= prob.sum()
    evenly = per_batch // 2 // len(strata)
    by_prob = np.diff(np.rint(np.cumsum(prob) * (per_batch - evenly * len(strata))), prepend=0.0)
    size = evenly + by_prob.astype(np.int64)  # (strata,)
    share = np.repeat(prob / size, size)  # (K,)
    batches = []
    for _ in range(BATCHES):
        counts = [rng.choice(k, n, p=law[0, k] / law[0, k].sum()) for k, n in zip(strata, size, strict=True)]
        late = _stragglers(straggle_prob, law, np.concatenate(counts), rng)
        batches.append(code.decoder.weights(~late))
    return np.stack(batches), share


def _straggler_counts(straggle_prob: FloatArray) -> FloatArray:
    """Return P(j stragglers among the workers from i on), shape (W + 1, W + 1)."""
    n_workers = straggle_prob.size
    law = np.zeros((n_workers + 1, n_workers + 1))
    law[n_workers, 0] = 1.0
    for i in reversed(range(n_workers)):
        law[i] = (1 - straggle_prob[i]) * law[i + 1]
        law[i, 1:] += straggle_prob[i] * law[i + 1, :-1]
    return law


def _stragglers(straggle_prob: FloatArray, law: FloatArray, count: IntArray, rng: np.random.Generator) -> BoolArray:
    """Draw who straggles, (K, W), given how many do, (K,); law as `_straggler_counts`."""
    late = np.zeros((count.size, straggle_prob.size), bool)
    left = count.copy()
    uniform = rng.random(late.shape)
    for i, p in enumerate(straggle_prob):
        late[:, i] = (left > 0) & (uniform[:, i] * law[i, left] < p * law[i + 1, left - 1])
        left -= late[:, i]
    return late


def empirical_moments(weights: FloatArray, share: FloatArray) -> WeightMoments:
    """Return the moments of the weights (K, W) of K drawn patterns with shares (K,)."""
    mean = share @ weights  # (W,)
    factor = np.linalg.qr(np.sqrt(share)[:, None] * (weights - mean), mode="r")  # (min(K, W), W)
    return WeightMoments(mean, sparse.csr_array(factor), share @ weights**2)


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


def _decodes_by_group(code: GradientCode, groups: list[IntArray]) -> bool:
    """Tell whether weights ignore who answers in other groups; of a decoder not known here, by exchanging responses."""
    decoder = code.decoder
    if len(groups) == 1 or (isinstance(decoder, LeastSquaresDecoder) and abs(decoder.encode - code.encode).nnz == 0):
        return True
    n_workers = sum(group.size for group in groups)
    rng = np.random.default_rng(0)
    first, second = rng.random((2, TRIED_PATTERNS, n_workers)) < 0.5
    exchanged = np.empty((TRIED_PATTERNS, n_workers), bool)
    for group in groups:
        exchanged[:, group] = rng.random((TRIED_PATTERNS, 1)) < 0.5
    expected = np.where(exchanged, decoder.weights(second), decoder.weights(first))
    return np.allclose(decoder.weights(np.where(exchanged, second, first)), expected, rtol=1e-6, atol=1e-6)


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
