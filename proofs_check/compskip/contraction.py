"""Lemma 1 of [27], as (11), (22) and the server's chain use it: does c·sign_β contract?

One coordinate of magnitude a > 0 is enough wherever both sides are sums over coordinates.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np
import sympy as sp

from proofs_check.compskip.notation import HALF
from proofs_check.tools.symbolic import enumerated, exceeds_by, is_identity, is_nonnegative, mean, settle
from workbench.bounds import compskip as bounds
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.quantizers.sparse_sign import SparseSign
from workbench.schemes.compskip_repaired import contraction

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
    v, signs = np.array([[[2.0, -0.5, 0.0, -3.0]]]), [1, -1, 0, -1]  # (R, W, D), and the signs by hand
    quantizer = SparseSign(np.ones(1, np.int64), keep_prob)
    uniform = np.linspace(0, 1, 4, endpoint=False)  # β among them

    class Scripted:
        def __init__(self, draws: tuple[float, ...]) -> None:
            self.draws = draws

        def random(self, size: tuple[int, ...], /) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            return np.array(self.draws).reshape(size)

    drawn = all(
        quantizer(v, rng=Scripted(draws))[0, 0].tolist()
        == [s if draw < HALF else zero for s, draw in zip(signs, draws, strict=True)]
        for draws in product(uniform, repeat=len(signs))
    )
    steps = {
        "sign below β, 0 above": drawn,
        "mean β sign(p)": quantizer.mean(v)[0, 0].tolist() == [float(HALF * s) for s in signs],
        "variance β(1 − β) a nonzero coordinate": float(quantizer.variance(v)[0, 0]) == float(3 * HALF * HALF),
    }
    return enumerated(claim_of(definition_of_sign), steps, "sign_β as implemented is the printed one, with sign(0) = 0")


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
    long_share = ((a**2 - error) / a**2).subs(a, (1 + n) * c)  # of what is shed
    message = [short, -short]
    message_sq = sum(p**2 for p in message)
    steps = {
        "the ledger's numbers": (_mean_error(message, HALF), message_sq) == (Fraction(5, 8), Fraction(1, 8)),
        "exact mean": is_identity(error, a**2 - half * c * beta * a + c**2 * beta),
        "sum over all masks": _mean_error(message, HALF) == message_sq - half * HALF * 2 * short + 1,
        "short messages grow": _mean_error(message, HALF) > message_sq and grows == sp.Rational(1, 2),
        "long messages shed less than 2β/n": exceeds_by(2 * beta / (1 + n), long_share, beta / (1 + n) ** 2),
        "all masked: nothing is shed": _error(message, (0, 0)) == message_sq,
        "as implemented": _implemented(message, HALF) == _mean_error(message, HALF),
    }
    return settle(
        claim_of(eq_11),
        steps,
        "a sign that always takes off c is no contraction: not for short messages, not uniformly for long ones, and "
        "never surely when coordinates are masked",
        status=Status.REFUTED,
        evidence={"error": float(_mean_error(message, HALF)), "message_sq": float(message_sq)},
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
    # what is left of a magnitude r at c = 2, of r/2 at c = 1
    left_of = {r: _mean_error([Fraction(r, 2)], HALF) / Fraction(r, 2) ** 2 for r in range(1, 6)}
    steps = {
        "one coordinate": is_identity(left, (1 - beta * shed) * a**2),
        "convex in 1/r": is_identity(gap, w * (1 - w) * c**2 * (s - t) ** 2),
        "contracts above c/2": is_nonnegative(shed.subs(a, threshold * c + u)),
        "not at c/2": is_identity(shed.subs(a, threshold * c), sp.Integer(0)),
        "the bound's value": all(
            abs(float(bounds.contraction_of_signs_repaired(low, high, 0.5, 2.0).value) - max(at_low, at_high)) < 1e-12
            for (low, at_low), (high, at_high) in combinations_with_replacement(left_of.items(), 2)
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
    deltas = {d: (1 - skip) * (1 - (1 - beta) ** d) / (dims * d) for d in range(1, 5)}
    at = {skip: HALF, beta: HALF / 2}
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
        "attained": all(is_identity(_error_of_one(d, beta, skip), 1 - delta) for d, delta in deltas.items()),
        "as implemented": all(
            abs(contraction(float(at[beta]), d, float(at[skip])) - float(delta.subs(at))) < 1e-15
            for d, delta in deltas.items()
        ),
    }
    return settle(claim_of(eq_11_repaired), steps, "signs sent with their mean magnitude contract, skips included")


def _error(message: Sequence[Fraction], mask: Sequence[int]) -> Fraction:
    """‖sign(p) on the mask − p‖² at c = 1."""
    return sum(((m - abs(p)) ** 2 for p, m in zip(message, mask, strict=True)), Fraction(0))


def _mean_error(message: Sequence[Fraction], keep_prob: Fraction) -> Fraction:
    """E‖sign_β(p) − p‖² over all masks."""
    return sum(
        (_chance(mask, keep_prob) * _error(message, mask) for mask in product((0, 1), repeat=len(message))), Fraction(0)
    )


def _error_of_one(dim: int, keep_prob: sp.Expr, skip_prob: sp.Expr) -> sp.Expr:
    """E‖C(p) − p‖² over all masks and the coin, p = (1, 0, ..., 0) with zeros that have a sign, as short p_l do."""
    sent = sp.Integer(0)
    for mask in product(range(2), repeat=dim):
        kept = sum(mask)
        scale = sp.Rational(mask[0], max(kept, 1))  # ‖p_K‖₁/|K|
        error = sum((m * scale - int(i == 0)) ** 2 for i, m in enumerate(mask))
        sent += keep_prob**kept * (1 - keep_prob) ** (dim - kept) * error
    return skip_prob + (1 - skip_prob) * sent


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
