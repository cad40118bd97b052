"""Lemma 1 of [27], as (11), (22) and the server's chain use it: does c·sign_β contract?

One coordinate of magnitude a > 0 is enough wherever both sides are sums over coordinates.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import sympy as sp

from proofs_check.tools.symbolic import is_identity, is_nonnegative, mean, settle
from workbench.bounds import compskip as bounds
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of
from workbench.quantizers.sparse_sign import SparseSign
from workbench.schemes.compskip_repaired import contraction

HALF = Fraction(1, 2)
a, c, n, u = sp.symbols("a c n u", positive=True)
beta, coin = sp.symbols("beta coin", nonnegative=True)


@claim("compskip", "Definition of sign")
def definition_of_sign(*, keep_prob: float = 0.5, zero: float = 0.0) -> Verdict:
    """Show that SparseSign draws sign_β: sign(p_l) below β, 0 above, with the mean and variance of that law.

    Parameters
    ----------
    keep_prob : β of the drawn messages, against 1/2
    zero : what a coordinate becomes that is not kept
    """
    v, signs = np.array([[[2.0, -0.5, 0.0, -3.0]]]), [1, -1, 0, -1]  # (R, W, D)
    quantizer = SparseSign(np.ones(1, np.int64), keep_prob)

    class Scripted:
        def __init__(self, draws: tuple[float, ...]) -> None:
            self.draws = draws

        def random(self, size: tuple[int, ...], /) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            return np.array(self.draws).reshape(size)

    drawn = all(
        quantizer(v, rng=Scripted(draws))[0, 0].tolist()
        == [s if draw < HALF else zero for s, draw in zip(signs, draws, strict=True)]
        for draws in product((0.0, 0.375, 0.5, 0.875), repeat=4)
    )
    steps = {
        "sign below β, 0 above": drawn,
        "mean β sign(p)": quantizer.mean(v)[0, 0].tolist() == [float(HALF * s) for s in signs],
        "variance β(1 − β) a nonzero coordinate": float(quantizer.variance(v)[0, 0]) == float(3 * HALF * HALF),
    }
    return settle(
        claim_of(definition_of_sign),
        steps,
        "sign_β as implemented is the printed one, with sign(0) = 0",
        status=Status.HOLDS,
        grade=Grade.ENUMERATED,
    )


@claim("compskip", "Eq. 11", eq=11)
def eq_11(*, short: Fraction = Fraction(1, 4), half: int = 2) -> Verdict:
    r"""Refute ‖c·sign_β(p) − p‖² ≤ (1 − δ)‖p‖²: surely, in the mean, for short p and for long p, at every δ > 0.

    E‖c sign_β(p) − p‖² = ‖p‖² − 2cβ‖p‖₁ + c²β nnz(p) exceeds ‖p‖² wherever all |p_l| < c/2, and comes as near to
    ‖p‖² as one likes for long p: 1 − β(2n − 1)/n² of it at |p_l| = nc. If every coordinate is masked, none is taken.

    Parameters
    ----------
    short : magnitude of the coordinates in multiples of c
    half : the multiple of c·β·‖p‖₁
    """
    error = mean((coin * c - a) ** 2, {coin: (beta, beta)})  # coin² = coin
    grows = sp.expand((error - a**2).subs(a, c / 4) / (c**2 * beta))
    long_share = sp.cancel(((a**2 - error) / a**2).subs(a, (1 + n) * c))  # of what is shed
    message = [short, -short]
    steps = {
        "exact mean": is_identity(error, a**2 - half * c * beta * a + c**2 * beta),
        "sum over all masks": _mean_error(message, HALF) == sum(p**2 for p in message) - half * HALF * 2 * short + 1,
        "short messages grow": _mean_error(message, HALF) > sum(p**2 for p in message) and grows == sp.Rational(1, 2),
        "long messages shed less than 2β/n": is_nonnegative(2 * beta / (1 + n) - long_share),
        "all masked: nothing is shed": _error(message, (0, 0)) == sum(p**2 for p in message),
        "as implemented": _implemented(message, HALF) == _mean_error(message, HALF),
    }
    return settle(
        claim_of(eq_11),
        steps,
        "a sign that always takes off c is no contraction: not for short messages, not uniformly for long ones, and "
        "never surely when coordinates are masked",
        status=Status.REFUTED,
        evidence={"error": float(_mean_error(message, HALF)), "message_sq": float(sum(p**2 for p in message))},
    )


@claim("compskip", "Contraction of signs repaired", eq=11, assumes=("magnitudes in a known range",))
def contraction_of_signs_repaired(*, threshold: Fraction = HALF) -> Verdict:
    r"""Prove when c·sign_β contracts in the mean: all nonzero |p_l| in [least, most] with least > c/2.

    Of a coordinate r² the share 1 − β(1 − (1 − c/r)²) is left; (1 − cs)² is convex in s = 1/r, hence largest at an end.

    Parameters
    ----------
    threshold : in multiples of c
    """
    s, t = sp.symbols("s t", positive=True)
    w = sp.Symbol("w", nonnegative=True)
    gap = w * (1 - c * s) ** 2 + (1 - w) * (1 - c * t) ** 2 - (1 - c * (w * s + (1 - w) * t)) ** 2
    shed = 1 - (1 - c / a) ** 2
    left = mean((coin * c - a) ** 2, {coin: (beta, beta)})
    values = [
        (float(low), float(high), float(1 - HALF * min(1 - (1 - 1 / low) ** 2, 1 - (1 - 1 / high) ** 2)))
        for low, high in ((Fraction(3, 4), Fraction(2)), (Fraction(1), Fraction(8)), (HALF, Fraction(1)))
    ]
    steps = {
        "one coordinate": is_identity(left, (1 - beta * shed) * a**2),
        "convex in 1/r": is_identity(gap, w * (1 - w) * c**2 * (s - t) ** 2),
        "contracts above c/2": is_nonnegative(shed.subs(a, threshold * c + u)),
        "not at c/2": is_identity(shed.subs(a, threshold * c), sp.Integer(0)),
        "the bound's value": all(
            abs(float(bounds.contraction_of_signs_repaired(low, high, 0.5, 1.0).value) - value) < 1e-12
            for low, high, value in values
        ),
    }
    return settle(
        claim_of(contraction_of_signs_repaired),
        steps,
        "in the mean, on a range of magnitudes above c/2 only; the range of the messages is not known beforehand",
    )


@claim("compskip", "Eq. 11 repaired", eq=11)
def eq_11_repaired(*, dims: int = 1) -> Verdict:
    r"""Prove E‖C(p) − p‖² ≤ (1 − δ)‖p‖², C(p) = (‖p_K‖₁/|K|) sign(p_K), δ = (1 − q)(1 − (1 − β)^D)/D, for all p.

    K is the random set kept, q the chance to skip. Signs with their scale leave ‖p‖² − ‖p_K‖₁²/|K|, surely at most
    ‖p‖²; ‖p_K‖₁² ≥ ‖p_K‖²; and E[1{l ∈ K}/|K|] = P(K ≠ ∅)/D. Attained by one nonzero coordinate.

    Parameters
    ----------
    dims : the multiple of D in δ
    """
    rest, kept, one_norm, k = sp.symbols("rest kept A k", nonnegative=True)  # Σ squares outside and in K, ‖p_K‖₁, |K|
    dim, skip, beside, nothing = sp.symbols("D q x e", nonnegative=True)
    scale = one_norm / k
    left = rest + k * scale**2 - 2 * scale * one_norm + kept  # Σ_K (scale − |p_l|)² + rest
    size, among = sp.symbols("size D", integer=True, positive=True)
    share = sp.binomial(among - 1, size - 1) / size - sp.binomial(among, size) / among
    q, prob, small = Fraction(3, 10), HALF, 3
    unit = [Fraction(1)] + [Fraction(0)] * (small - 1)
    delta = (1 - q) * (1 - (1 - prob) ** small) / (dims * small)
    steps = {
        "what a scale leaves": is_identity(left, rest + kept - one_norm**2 / k),
        # one more coordinate |p_l| = x: (A + x)² − (kept + x²) = (A² − kept) + 2Ax
        "‖·‖₁² ≥ ‖·‖²": is_identity(
            (one_norm + beside) ** 2 - (kept + beside**2), one_norm**2 - kept + 2 * one_norm * beside
        ),
        "C(D−1, k−1)/k = C(D, k)/D": sp.combsimp(sp.gammasimp(share.rewrite(sp.gamma))) == 0,
        # Σ_{k ≥ 1} C(D, k) β^k (1 − β)^(D−k) = 1 − (1 − β)^D, e = (1 − β)^D
        "a skip leaves all": is_identity(
            skip + (1 - skip) * (1 - (1 - nothing) / dim), 1 - (1 - skip) * (1 - nothing) / dim
        ),
        "attained": _mean_scaled_error(unit, prob, q) == 1 - delta,
        "as implemented": abs(contraction(float(prob), small, float(q)) - float(delta)) < 1e-15,
    }
    return settle(claim_of(eq_11_repaired), steps, "signs sent with their mean magnitude contract, skips included")


def _error(message: Sequence[Fraction], mask: Sequence[int]) -> Fraction:
    """‖sign(p) on the mask − p‖² at c = 1."""
    return sum(((m * (1 if p > 0 else -1) - p) ** 2 for p, m in zip(message, mask, strict=True)), Fraction(0))


def _mean_error(message: Sequence[Fraction], keep_prob: Fraction) -> Fraction:
    """E‖sign_β(p) − p‖² over all masks."""
    return sum(
        (_chance(mask, keep_prob) * _error(message, mask) for mask in product((0, 1), repeat=len(message))), Fraction(0)
    )


def _mean_scaled_error(message: Sequence[Fraction], keep_prob: Fraction, skip_prob: Fraction) -> Fraction:
    """E‖C(p) − p‖² of nonnegative p over all masks, and the coin."""
    total = Fraction(0)
    for mask in product((0, 1), repeat=len(message)):
        scale = sum((m * p for m, p in zip(mask, message, strict=True)), Fraction(0)) / max(sum(mask), 1)
        error = sum(((m * scale - p) ** 2 for m, p in zip(mask, message, strict=True)), Fraction(0))
        total += _chance(mask, keep_prob) * error
    return skip_prob * sum(p**2 for p in message) + (1 - skip_prob) * total


def _chance(mask: Sequence[int], keep_prob: Fraction) -> Fraction:
    chance = Fraction(1)
    for m in mask:
        chance *= keep_prob if m else 1 - keep_prob
    return chance


def _implemented(message: Sequence[Fraction], keep_prob: Fraction) -> Fraction:
    """The same by SparseSign's mean and variance, exact for binary fractions."""
    v = np.array([[[float(p) for p in message]]])  # (R, W, D)
    quantizer = SparseSign(np.ones(1, np.int64), float(keep_prob))
    bias = quantizer.mean(v) - v
    return Fraction(float(np.sum(bias**2) + quantizer.variance(v)[0, 0]))
