"""Exact code from a real cyclic MDS code: consecutive holdings, nothing random [Raviv et al., 2018]."""

from math import gcd

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.least_squares import LeastSquaresDecoder
from workbench.codes.placement import group_of_part
from workbench.core.types import FloatArray, IntArray
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    """Let every row be the generator polynomial, one step further than the row before; its entries add up to 1.

    Exact for any s stragglers, s being `replication` − 1, or one less where W − s is even: s zeros in conjugate
    pairs at evenly spaced W-th roots of unity, none of them 1, exist for odd W − s only. Biased beyond. Rounding
    limits it: at W = 100, s = 9 the rows that come have condition 9 for bursts, 1e3 for half of all patterns, and 1e10
    for nine stragglers at equal distances of 9, which cannot be decoded; one random pattern in 700 is decoded with
    |aB − 1| above 1e-10. Parts are grouped contiguously into W groups; with fewer parts than workers some are empty.
    """
    n_workers = profile.n_workers
    row = generator(n_workers, tolerated(n_workers, spec.replication))
    encode = circulant(row, n_workers)[:, group_of_part(spec.n_parts, n_workers)].tocsr()
    return equally_quantized("cyclic_mds", encode, LeastSquaresDecoder(encode), spec)


def tolerated(n_workers: int, replication: int) -> int:
    """Return the number of stragglers s < replication that the code tolerates: 0, or the most with odd W − s."""
    most = min(replication, n_workers) - 1
    return max(0, most - (n_workers - most + 1) % 2)


def generator(n_workers: int, n_stragglers: int) -> FloatArray:
    r"""Return the coefficients of :math:`g(x) \propto \prod_{k \in Z}(x - e^{2\pi i k/W})`, g(1) = 1, shape (s + 1,).

    Z is s exponents in arithmetic progression about W/2 modulo W, with a step coprime to W. Any such step makes
    the code MDS (the BCH bound), as it maps the roots of unity onto themselves; it decides which stragglers are
    hard. With step 1 a burst of neighbours is, with condition 1e10 at W = 100. The step taken spreads the zeros most
    evenly, so that |g| is most even on the other roots: bursts become the easiest patterns, and the hardest are
    stragglers at equal distances that undo the step.
    """
    zeros = _zeros(n_workers, n_stragglers)  # (s,)
    log_chords = _log_chords(n_workers)
    log_value = np.zeros(n_workers, complex)
    for zero in zeros:  # g(root) is the product of root − zero; the factors zero itself drop out at the end
        log_value += np.roll(log_chords, zero)
    value = np.exp(log_value - log_value[0])  # (W,): g at the W-th roots of unity
    value[zeros] = 0
    return np.fft.fft(value)[: n_stragglers + 1].real / n_workers


def circulant(row: FloatArray, n_workers: int) -> sparse.csc_array:
    """Return B (W, W), row i being `row` (s + 1,) on the workers i, ..., i + s modulo W."""
    worker = np.repeat(np.arange(n_workers), row.size)
    group = (worker + np.tile(np.arange(row.size), n_workers)) % n_workers
    return sparse.csc_array((np.tile(row, n_workers), (worker, group)), shape=(n_workers, n_workers))


def _zeros(n_workers: int, n_stragglers: int) -> IntArray:
    """Return the exponents of the zeros, (s,), of the step that makes |g| most even on the roots that are none."""
    centred = (n_workers - n_stragglers + 1) // 2 + np.arange(n_stragglers)  # (s,)
    transform = np.fft.rfft(_log_chords(n_workers).real)

    def spread(zeros: IntArray) -> float:
        is_zero = np.bincount(zeros, minlength=n_workers)  # (W,)
        log_size = np.fft.irfft(np.fft.rfft(is_zero) * transform, n_workers)  # (W,): a circular convolution
        return round(float(np.ptp(log_size[is_zero == 0])), 9)  # ties go to the smallest step

    steps = [step for step in range(1, n_workers // 2 + 1) if gcd(step, n_workers) == 1] or [1]
    return min((step * centred % n_workers for step in steps), key=spread)


def _log_chords(n_workers: int) -> npt.NDArray[np.complex128]:
    """Return log(ω^k − 1) for ω = exp(2πi/W), (W,), with 0 instead of −∞ at k = 0."""
    chord = np.exp(2j * np.pi * np.arange(n_workers) / n_workers) - 1  # (W,)
    chord[0] = 1
    return np.asarray(np.log(chord))
