"""Lemma 2, the workers' errors (9)-(21), and the lemma itself: what holds given a contraction, and what holds at all.

Every step is shown as the implication it is printed as; (11) alone carries the contraction.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from proofs_check.compskip.notation import HALF, second_moment, sign
from proofs_check.tools.symbolic import exceeds_by, is_identity, is_sum_of_squares, settle
from workbench.bounds import compskip as bounds
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Regularity

CONTRACTION = "c·sign_β contracts by δ"
NO_MOMENTUM = "μ = 0"

delta, above, odds = sp.symbols("delta above odds", nonnegative=True)
lam = sp.Symbol("lambda", positive=True)
G2, gamma = sp.symbols("G2 gamma", nonnegative=True)  # G², γ
e, g, h = sp.symbols("e g h", real=True)  # one coordinate each


@claim("compskip", "Eq. 9", eq=9)
def eq_9(*, two: int = 2) -> Verdict:
    r"""Prove ‖ẽ + Σe_i/M‖² ≤ 2‖ẽ‖² + (2/M) Σ‖e_i‖², for all M.

    Parameters
    ----------
    two : the multiple of both squares
    """
    M = sp.Symbol("M", positive=True)
    total, squares, new = sp.symbols("total squares new", real=True)
    # M Σe² − (Σe)² grows with one more worker by Σ_i (e_i − new)² = Σe² − 2 new Σe + M new²
    growth = ((M + 1) * (squares + new**2) - (total + new) ** 2) - (M * squares - total**2)
    steps = {
        "‖a + b‖² ≤ 2‖a‖² + 2‖b‖²": is_sum_of_squares(two * e**2 + two * h**2 - (e + h) ** 2, {e - h: sp.Integer(1)}),
        "mean: one more worker": is_identity(growth, squares - 2 * new * total + M * new**2),
        "mean: one worker": is_identity(1 * new**2 - new**2, sp.Integer(0)),
    }
    return settle(claim_of(eq_9), steps, "Young with λ = 1, and the square of a mean is at most the mean of squares")


@claim("compskip", "Eq. 10", eq=10)
def eq_10(*, skipped: int = 0) -> Verdict:
    """Prove (10): line 12 for senders, and for skippers, whose Δ is 0, e_{t+1,i} = p_i.

    Parameters
    ----------
    skipped : the Δ of a skipper
    """
    p, c, sent = sp.symbols("p c Delta", real=True)
    kept = p - c * sent  # e_{t+1,i}, line 12
    steps = {
        "senders": is_identity(kept**2, (c * sent - p) ** 2),
        "skippers": is_identity(kept.subs(sent, skipped) ** 2, p**2),
    }
    return settle(claim_of(eq_10), steps, "line 12")


@claim("compskip", "Eq. 12", eq=12, assumes=(CONTRACTION,))
def eq_12(*, sign: int = 1) -> Verdict:
    """Prove (11) ⇒ (12): a smaller δ leaves more.

    Parameters
    ----------
    sign : +1: δ is at most each δ_β
    """
    p2 = sp.Symbol("p2", nonnegative=True)
    steps = {"δ ≤ δ_β": exceeds_by((1 - delta) * p2, (1 - (delta + sign * above)) * p2, above * p2)}
    return settle(claim_of(eq_12), steps, "given (11)")


@claim("compskip", "Eq. 13", eq=13, assumes=(NO_MOMENTUM,))
def eq_13(*, decay: int = 1) -> Verdict:
    """Prove (13), an equality: line 7 at μ = 0.

    Parameters
    ----------
    decay : power of γ
    """
    mu, m = sp.symbols("mu m", real=True)
    line_7, printed = mu * m + g + gamma * e, g + gamma**decay * e
    steps = {
        "line 7": is_identity(line_7.subs(mu, 0) ** 2, printed**2),
        "with momentum μm more": is_identity(line_7 - printed, mu * m),
    }
    return settle(claim_of(eq_13), steps, "p_i = g_i + γe_i")


@claim("compskip", "Eq. 14", eq=14)
def eq_14(*, one: int = 1) -> Verdict:
    r"""Prove (14): (1 + λ)γ²‖e‖² + (1 + 1/λ)‖g‖² − ‖g + γe‖² = ‖λγe − g‖²/λ, for λ > 0; at λ = 0 it divides by 0.

    Parameters
    ----------
    one : in 1 + 1/λ
    """
    factor = one + 1 / lam
    right = (1 + lam) * gamma**2 * e**2 + factor * g**2
    steps = {
        "Young": is_sum_of_squares(right - (g + gamma * e) ** 2, {lam * gamma * e - g: 1 / lam}),
        "λ = 0": sp.limit(factor, lam, 0) == sp.oo,
    }
    return settle(
        claim_of(eq_14), steps, 'for λ > 0, as said after it, not "for all λ ≥ 0"', status=Status.HOLDS_WITH_ERRATUM
    )


@claim("compskip", "Eq. 15", eq=15)
def eq_15(*, power: int = 2) -> Verdict:
    """Prove (15): γ² ≤ 1 dropped for senders, γ² = 1 − δ_γ written for skippers.

    Parameters
    ----------
    power : of γ in δ_γ = 1 − γ²
    """
    e2 = sp.Symbol("e2", nonnegative=True)
    decay = 1 / (1 + odds)  # every γ in (0, 1]
    delta_gamma = 1 - decay**power
    given_away = (1 + lam) * e2 * odds * (2 + odds) / (1 + odds) ** 2
    steps = {
        "senders": exceeds_by((1 + lam) * e2, (1 + lam) * decay**2 * e2, given_away),
        "skippers": is_identity((1 + lam) * decay**2 * e2, (1 - delta_gamma) * (1 + lam) * e2),
        "γ = 1 leaves δ_γ = 0": is_identity(delta_gamma.subs(odds, 0), sp.Integer(0)),
    }
    return settle(claim_of(eq_15), steps, "δ_γ > 0 only for γ < 1; the senders' γ² is given away")


@claim("compskip", "Eq. 16", eq=16)
def eq_16(*, spread: int = 3) -> Verdict:
    r"""Refute (16): it puts G² for (1/M) Σ‖g_i‖², which Assumptions 2 and 3 bound in the mean alone.

    One worker at a stationary point (ω = 0), g = ±3 with probability 1/18 each, else 0: σ² = 1 = G², and ‖g‖² = 9.

    Parameters
    ----------
    spread : the size of g
    """
    law = {Fraction(spread): Fraction(1, 18), Fraction(-spread): Fraction(1, 18), Fraction(0): Fraction(8, 9)}
    total, first, second = (sum(value**k * prob for value, prob in law.items()) for k in range(3))  # moments
    steps = {
        "unbiased": (total, first) == (1, 0),
        "σ² = 1": second == 1,
        "‖g‖² > G²": max(law) ** 2 == 9 > second,
    }
    return settle(
        claim_of(eq_16),
        steps,
        "‖g‖² ≤ G² is nowhere assumed; with E in front of both sides the step is right",
        status=Status.REFUTED,
        evidence={"grad_sq": float(max(law) ** 2), "printed": float(second)},
    )


@claim("compskip", "Eq. 16 repaired", eq=16)
def eq_16_repaired(*, noise: int = 1) -> Verdict:
    """Prove (16) in the mean: E‖g‖² = ‖∇f‖² + E‖g − ∇f‖² ≤ G², and δ ≤ δ_γ for the skippers.

    Parameters
    ----------
    noise : the multiple of σ² in G²
    """
    grad = sp.Symbol("grad", real=True)
    variance, spare, e2 = sp.symbols("variance spare e2", nonnegative=True)
    largest = (grad**2 + spare) + noise * (variance + above)  # ω² = ‖∇f‖² + spare, σ² = variance + above
    at_grads, at_errors = 1 + 1 / lam, (1 + lam) * e2
    steps = {
        "E‖g‖² ≤ G²": exceeds_by(largest, second_moment(grad, variance), spare + above),
        "(1 − δ)(1 + 1/λ) ≤ 1 + 1/λ": exceeds_by(at_grads, (1 - delta) * at_grads, delta + delta / lam),
        "δ ≤ δ_γ": exceeds_by(
            at_errors * (1 - delta), at_errors * (1 - (delta + above)), above * e2 + lam * above * e2
        ),
    }
    return settle(claim_of(eq_16_repaired), steps, "in the mean, for δ at most 1 − γ² and at most every δ_β")


@claim("compskip", "Eq. 18", eq=18)
def eq_18(*, one: int = 1) -> Verdict:
    """Prove (17) and (18): the right side of (16) is αa_t + β with α = (1 − δ)(1 + λ), β = (1 + 1/λ)G².

    Parameters
    ----------
    one : in α's 1 + λ
    """
    a = sp.Symbol("a", nonnegative=True)
    printed = (1 - delta) * (one + lam) * a + (1 + 1 / lam) * G2
    expanded = a - delta * a + lam * a - delta * lam * a + G2 + G2 / lam
    steps = {"linear in a_t": is_identity(printed, expanded)}
    return settle(claim_of(eq_18), steps, "the names of two constants")


@claim("compskip", "Eq. 19", eq=19)
def eq_19(*, first: int = 0) -> Verdict:
    """Prove (19) by induction: a_0 = 0 and a_{t+1} ≤ αa_t + β give a_{t+1} ≤ β Σ_{j≤t} α^j.

    Parameters
    ----------
    first : a_0
    """
    alpha, level, partial, spare = sp.symbols("alpha beta S spare", nonnegative=True)  # S = Σ_{j<t} α^j
    a = level * partial - spare  # a_t at most β S
    steps = {
        "t = 0": is_identity(alpha * first + level, level),
        "t to t + 1": is_identity(level * (1 + alpha * partial) - (alpha * a + level), alpha * spare),
    }
    return settle(claim_of(eq_19), steps, "Lemma 1 of [32], which needs a_0 = 0, as line 2 has it")


@claim("compskip", "Eq. 20", eq=20)
def eq_20(*, half: int = 2) -> Verdict:
    """Prove (20): λ = δ/(2(1 − δ)) gives β = (2 − δ)G²/δ and α = 1 − δ/2.

    Parameters
    ----------
    half : the divisor in λ
    """
    chosen = delta / (half * (1 - delta))
    steps = {
        "β": is_identity((1 + 1 / chosen) * G2, (2 - delta) * G2 / delta),
        "α": is_identity((1 - delta) * (1 + chosen), 1 - delta / 2),
    }
    return settle(claim_of(eq_20), steps, "for 0 < δ < 1")


@claim("compskip", "Eq. 21", eq=21, assumes=(CONTRACTION,))
def eq_21(*, two: int = 2) -> Verdict:
    """Prove (19), (20) ⇒ (21): β/(1 − α) = 2(2 − δ)G²/δ².

    Parameters
    ----------
    two : in front
    """
    alpha, level, n = 1 - delta / 2, (2 - delta) * G2 / delta, sp.Symbol("n", nonnegative=True)  # n = α^(t+1)
    steps = {
        "limit": is_identity(level / (1 - alpha), two * (2 - delta) * G2 / delta**2),
        "the partial sum is less": exceeds_by(1 / (1 - alpha), (1 - n) / (1 - alpha), 2 * n / delta),
    }
    return settle(claim_of(eq_21), steps, "given the contraction, which (11) has not, and E in front of the left side")


@claim("compskip", "Lemma 2")
def lemma_2(*, big: Fraction = Fraction(32), half: Fraction = Fraction(1, 2)) -> Verdict:
    r"""Refute Lemma 2: surely no U exists, the printed one is exceeded for every δ, none serves all T at Theorem 1's γ.

    One worker, no masks, no skips, one coordinate; then ẽ_1 + e_1 = g − c sign(g).
    (a) g = ±2^k with probability 7/16·8^(−k) each, σ² = 7/4, ω = 0, c = 1: (2^k − 1)² passes every bound.
    (b) g = 1 always (f = |x| but for a rounding near 0), G = 1, c = 32, γ = 1/2, δ = δ̃ = 1/2: the printed U is 888 and
    the square 31² = 961; c → ∞ does so for every δ.
    (c) g = 1 always, c = 1/2, γ = 1 − 1/(T+1): the square is ((1 − γ^T)(T + 1)/2)² ≥ (T + 1)²/16.

    Parameters
    ----------
    big : c of (b)
    half : δ = δ̃ of (b)
    """
    one, n, T, c = Fraction(1), sp.Symbol("n", integer=True), sp.Symbol("T", positive=True), sp.Symbol("c")
    printed = float(bounds.lemma_2(float(half), float(half), 1, 1, 1.0).value)
    by_hand = 4 * (2 - half) / half**2 * (1 + 4 * (2 - half) * (1 - half) * (2 - half) / (half**2 * (1 - half)))
    long, short = 2**n - 1, (c - 1) ** 2  # |g| − c of (a) and the square of (b)
    held = {last: _held(one, HALF, 1 - Fraction(1, last + 1), last) for last in range(1, 17)}
    # (1 + 1/T)^T ≥ 1 + T/T = 2 by the binomial theorem's first two terms, hence γ^T ≤ 1/2, at T = 1 with equality
    least = {last: Fraction(last + 1, 4) for last in held}
    steps = {
        "(a) as the algorithm has it": all(_held(Fraction(2**k), one, HALF, 1) == long.subs(n, k) for k in range(9)),
        "(a) unbounded": sp.limit(long, n, sp.oo) == sp.oo,
        "(b) printed U": printed == by_hand == 888,
        "(b) exceeded": _held(one, big, HALF, 1) ** 2 == short.subs(c, big) == 961 > by_hand,
        "(b) every δ": sp.limit(short, c, sp.oo) == sp.oo,
        "(c) closed form": all(
            value == HALF * (last + 1) * (1 - (1 - Fraction(1, last + 1)) ** last) for last, value in held.items()
        ),
        "(c) two terms": is_identity(1 + T * (1 / T), sp.Integer(2)),
        "(c) at least (T + 1)/4": [last for last, value in held.items() if value <= least[last]] == [1]
        and held[1] == least[1],
    }
    return settle(
        claim_of(lemma_2),
        steps,
        "not surely, not with the printed U, and with no U that is the same for all T when γ → 1",
        status=Status.REFUTED,
        evidence={"held_sq": float((1 - big) ** 2), "printed": printed},
    )


@claim("compskip", "Lemma 2 repaired", assumes=("Lemma 1", "noise independent given the past"))
def lemma_2_repaired(*, power: int = 1) -> Verdict:
    r"""Prove E‖H_T‖² ≤ ((√(ω² + σ²/M) + c√D)(1 − γ^T)/(1 − γ))² for H = ẽ + Σe_i/M, with no contraction at all.

    Lemma 1's conditions give H_{t+1} = γH_t + ḡ_t − cΔ̃_t, whoever skips and whatever is masked; Δ̃_t has at most D
    entries ±1. In the mean-square norm, (1 + λ)a² + (1 + 1/λ)b² at λ = b/a is (a + b)². Attained up to the
    constants: see Lemma 2 (c).

    Parameters
    ----------
    power : of γ in front of H
    """
    M, c = sp.symbols("M c", positive=True)
    reply, sent, server, errors, grads, grad = sp.symbols("reply sent server errors grads grad", real=True)
    next_held = gamma * server + c / M * sent - c * reply + (grads + gamma * errors - c * sent) / M
    a, b = sp.symbols("a b", positive=True)
    r, done = sp.symbols("r done", nonnegative=True)  # done = γ^t
    variance = sp.Symbol("sigma2", nonnegative=True)
    before, after = r * (1 - done) / (1 - gamma), r * (1 - gamma * done) / (1 - gamma)
    reg = Regularity(grad_bound_sq=4.0, grad_var=10.0)
    value = bounds.lemma_2_repaired(reg, [0, 1, 3], n_workers=2, dim=4, error_step=0.5, error_decay=0.5).value
    steps = {
        "H recurs": is_identity(next_held, gamma**power * (server + errors / M) + grads / M - c * reply),
        "Young at λ = b/a": is_identity((1 + b / a) * a**2 + (1 + a / b) * b**2, (a + b) ** 2),
        "E‖ḡ‖²": is_identity(second_moment(grad, variance / M), grad**2 + variance / M),
        "t = 0": is_identity(before.subs(done, 1), sp.Integer(0)),
        "t to t + 1": is_identity(gamma * before + r, after),
        # √(4 + 10/2) + √4/2 = 4
        "the bound's values": value.tolist() == [0.0, 16.0, (4 * 1.75) ** 2],
    }
    return settle(
        claim_of(lemma_2_repaired), steps, "a bound for γ < 1 that needs no δ and no server chain, of order 1/(1 − γ)²"
    )


@claim("compskip", "Lemma 2 step 8")
def lemma_2_step_8(*, scale: int = 1) -> Verdict:
    r"""Show what γ → 1 does to the printed U: δ ≤ 1 − γ² = (2T + 1)/(T + 1)² at γ = 1 − 1/(T+1), so U ≥ (T + 1)².

    U_t ≥ 4(2 − δ)/δ² ≥ 4/δ² ≥ 4(T + 1)⁴/(2T + 1)², and 2(T + 1) ≥ 2T + 1. At γ = 1, δ = 0 and U = ∞. At
    γ = 9/10, δ ≤ 19/100 and U ≥ 200.

    Parameters
    ----------
    scale : the multiple of (T + 1)²
    """
    T = sp.Symbol("T", nonnegative=True)
    largest = 1 - gamma**2  # δ may be
    first, low = 4 * (2 - delta) / delta**2, 4 / delta**2  # U_t's first term, and less than that
    given_away = (T + 1) ** 2 * (4 * T + 3) / (2 * T + 1) ** 2
    steps = {
        "δ_γ": is_identity(largest.subs(gamma, 1 - 1 / (T + 1)), (2 * T + 1) / (T + 1) ** 2),
        "4(2 − δ)/δ² ≥ 4/δ²": exceeds_by(
            first.subs(delta, 1 / (1 + odds)), low.subs(delta, 1 / (1 + odds)), 4 * odds * (1 + odds)
        ),
        "4/δ² ≥ (T + 1)²": exceeds_by(
            low.subs(delta, largest.subs(gamma, 1 - 1 / (T + 1))), scale * (T + 1) ** 2, given_away
        ),
        "γ = 9/10": int(first.subs(delta, largest).subs(gamma, Fraction(9, 10))) == 200,
        "γ = 1": is_identity(largest.subs(gamma, 1), sp.Integer(0)),
    }
    return settle(
        claim_of(lemma_2_step_8),
        steps,
        "U = max U_t is finite for γ < 1 only, and hides a factor of at least (T + 1)² at the γ of Theorem 1",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Lemma 2 recursion", assumes=("compressors contract in the mean, skips included",))
def lemma_2_recursion(*, cross: int = 2) -> Verdict:
    r"""Prove the errors' recursion of the repaired scheme (γ = 1): a' = (1 − δ)P, P = (√a + ω)² + σ², and the server's.

    E‖g + e‖² = ‖∇f + e‖² + E‖g − ∇f‖², as e is known before g. C(p) ⟂ p − C(p) for a scaled sign, so ‖C(p)‖² ≤ ‖p‖²,
    and E‖ẽ'‖² ≤ (1 − δ̃)(√b + √ΣP_i/M)². Limits: √a ≤ Gr/(1 − r), P ≤ G²/(1 − r)², √b ≤ r̃/(1 − r̃)·√(ΣP_i/M), r² = 1 − δ.

    Parameters
    ----------
    cross : the multiple of √a ω
    """
    root, omega, sigma, spare = sp.symbols("root omega sigma spare", nonnegative=True)
    largest = omega + spare  # G ≥ ω with G² = ω² + σ²
    wanted = root**2 + cross * root * omega + omega**2 + largest**2 - omega**2  # P, σ² = G² − ω² put in
    r, G, A, k = sp.symbols("r G A k", nonnegative=True)
    held, scale = G * r / (1 - r), A / k
    reg = Regularity(grad_bound_sq=9.0, grad_var=16.0)
    value = bounds.lemma_2_recursion(reg, [0, 1, 2], contraction=[0.75], server_contraction=0.75).value
    # r = 1/2, G = 5: √a = √b = 5/2, then P = 5.5² + 4², √a = √P/2 and √b = (5/2 + √P)/2
    by_hand = [0.0, 5.0, 1.25 + np.sqrt(46.25)]
    steps = {
        "noise is new": is_identity(second_moment(h, sigma**2), h**2 + sigma**2),
        # a_t ≤ (Gr/(1 − r))² is kept, by the coarser (√a + G)²
        "(√a + ω)² + σ² ≤ (√a + G)²": exceeds_by((root + largest) ** 2, wanted, 2 * root * spare),
        "fixed point": is_identity(r * (held + G), held),
        "P at the fixed point": is_identity(held + G, G / (1 - r)),
        "monotone": exceeds_by(r * (root + spare + G), r * (root + G), r * spare),
        # Σ_K (|p_l| − scale) scale = 0: C(p) and what is left are orthogonal
        "C(p) ⟂ p − C(p)": is_identity(A * scale - k * scale**2, sp.Integer(0)),
        "the bound's values": bool(np.allclose(np.sqrt(value), by_hand, rtol=1e-12)),
    }
    return settle(
        claim_of(lemma_2_recursion), steps, "bounded for every T: errors held back stay of the gradients' size"
    )


def _held(grad: Fraction, c: Fraction, decay: Fraction, n_rounds: int) -> Fraction:
    """ẽ_T + e_T by Algorithm 1 with one worker, one coordinate, no masks, skips and momentum, the gradient constant."""
    e, server = Fraction(0), Fraction(0)
    for _ in range(n_rounds):
        p = grad + decay * e
        pooled = decay * server + c * sign(p)
        e, server = p - c * sign(p), pooled - c * sign(pooled)
    return e + server
