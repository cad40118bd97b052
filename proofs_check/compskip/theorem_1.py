"""Theorem 1 and the descent part of its proof, display by display.

`at_virtual` and `grad` are one coordinate of ∇f(x̃_t) and of ∇f(x_t); noise is the mean of the workers'.
"""

from fractions import Fraction
from itertools import product

import sympy as sp

from proofs_check.compskip import lemma_1
from proofs_check.compskip.notation import no_first_step, second_moment
from proofs_check.tools.symbolic import exceeds_by, is_identity, is_sum_of_squares, mean, settle
from workbench.core.claims import Status, Verdict, claim, claim_of

SMOOTH = "smoothness"
LEMMA_1 = "Lemma 1"
LEMMA_2 = "Lemma 2, surely and with its U"
HALF = sp.Rational(1, 2)

at_virtual, grad, noise = sp.symbols("at_virtual grad noise", real=True)
eta, before, c, M, L = sp.symbols("eta eta_before c M L", positive=True)
variance, sigma2, drop, U, G2 = sp.symbols("variance sigma2 drop U G2", nonnegative=True)
square, spare = sp.symbols("grad_sq spare", nonnegative=True)
NO_BIAS = {noise: (sp.Integer(0), variance)}
NOISE = L * eta**2 * sigma2 / (2 * c**2 * M)
DELAY = eta * before**2 * G2 * L**2 * U / c**3


@claim("compskip", "Theorem 1")
def theorem_1(*, always: int = 1, up: Fraction = Fraction(1, 4)) -> Verdict:
    r"""Refute Theorem 1: it allows a server that always skips, and signs whose votes are biased.

    (a) serverSkip_t = true for all t, which the paper allows: Δ̃ = 0, x_t = x_0 and ‖∇f(x_t)‖ = ‖∇f(x_0)‖ ≠ 0 for all t,
    T and η. Assumptions 1-4 hold (f(x) = x²/2, x_0 = 1, no noise, L = ω = 1), and
    |H_t| = (1 − γ^t)/(1 − γ) is bounded for γ < 1.
    (b) No skips, no masks: one worker, γ = 0 (signSGD, "covered"), f with slope 1/2 from x_0 − 1 on, ≥ 0 and smooth,
    and noise −1 with probability 3/4, 3 with 1/4. Then sign(g) = sign(noise) wherever x is, x rises with probability
    3/4, so P(x_t ≥ x_0) ≥ 1/2
    for all steps η_t ≥ 0, and E‖∇f(x_t)‖² ≥ 1/8.

    Parameters
    ----------
    always : the server's flag in (a)
    up : probability of the noise 3 in (b)
    """
    gamma, server, position = sp.Symbol("gamma", positive=True), sp.Integer(0), sp.Integer(1)
    for _ in range(4):  # c = 1, so the worker, with a gradient of 1, sends 1 and holds nothing back
        pooled = gamma * server + 1
        reply = (1 - always) * sp.sign(pooled)
        server, position = pooled - reply, position - eta * reply
    law = {Fraction(3): up, Fraction(-1): 1 - up}
    moments = [sum(z**k * prob for z, prob in law.items()) for k in range(3)]
    slope, half = Fraction(1, 2), Fraction(1, 2)  # |f'| ≤ slope everywhere, and the chance that x_t ≥ x_0
    # x moves against the sign; coupled with fair coins it is never below their sum, which is symmetric
    rising = sum(prob for z, prob in law.items() if z < 0)
    fair = [
        Fraction(sum(sum(k * s for k, s in enumerate(coins)) >= 0 for coins in product((-1, 1), repeat=n)), 2**n)
        for n in range(1, 5)
    ]
    steps = {
        "(a) x stays": is_identity(position, sp.Integer(1)),
        "(a) H_t is bounded for γ < 1": is_identity(server * (1 - gamma), 1 - gamma**4),
        "(b) unbiased": moments[:2] == [1, 0],
        "(b) σ² = 3": moments[2] == 3,
        "(b) signs do not see f": slope < min(abs(z) for z in law),
        "(b) rises more often": half < rising == Fraction(3, 4),
        "(b) a symmetric sum is ≥ 0 half the time": min(fair) == half,
        "(b) 1/8": half * slope**2 == Fraction(1, 8),
    }
    return settle(
        claim_of(theorem_1),
        steps,
        "no step sizes help if nothing is ever answered, or if γ = 0 and the noise is skewed; whether it is true for "
        "coins "
        "and γ = 1 − 1/(T+1) the proof does not show (step 14)",
        status=Status.REFUTED,
        evidence={"least_grad_sq_a": 1.0, "least_grad_sq_b": 0.125},
    )


@claim("compskip", "Theorem 1 step 1")
def theorem_1_step_1(*, first: int = 0) -> Verdict:
    """Show that x̃_0 = x_0 whatever η_{−1} is, all errors being 0, and that η_{−1} = 0 contradicts η_0 = η_{−1}/γ ≠ 0.

    Parameters
    ----------
    first : the errors at t = 0
    """
    errors = dict.fromkeys((lemma_1.server_error, lemma_1.error_sent, lemma_1.error_skipped), first)
    steps = {
        "x̃_0 = x_0": is_identity(lemma_1.VIRTUAL.subs(errors), lemma_1.x),
        "η_{−1} = 0 makes every step 0": no_first_step(),
    }
    return settle(
        claim_of(theorem_1_step_1),
        steps,
        "Lemma 1's rule for the steps starts at t = 1; η_{−1} is of no account",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Eq. 3", eq=3, assumes=(LEMMA_1, SMOOTH))
def eq_3(*, half: sp.Rational = HALF) -> Verdict:
    """Prove (3): (2) at x̃_{t+1} − x̃_t = −(η/c) ḡ.

    Parameters
    ----------
    half : in L/2
    """
    step = -eta / c * (grad + noise)
    printed = -eta / c * at_virtual * (grad + noise) + L * eta**2 / (2 * c**2) * (grad + noise) ** 2
    steps = {"put in": is_identity(at_virtual * step + half * L * step**2, printed)}
    return settle(claim_of(eq_3), steps, "the descent lemma along the virtual iterate")


@claim("compskip", "Eq. 4", eq=4, assumes=("unbiased gradients",))
def eq_4(*, bias: int = 0) -> Verdict:
    """Prove (4): x̃_t is known before the gradients, so E_t passes to them.

    Parameters
    ----------
    bias : of the gradients
    """
    any_bias = sp.Symbol("bias", real=True)
    chain = -eta / c * mean(at_virtual * (grad + noise), {noise: (any_bias, variance)})
    printed = -eta / c * at_virtual * grad
    steps = {
        "E_t": is_identity(chain.subs(any_bias, bias), printed),
        "a bias would be passed on": is_identity(chain - printed, -eta / c * at_virtual * any_bias),
    }
    return settle(claim_of(eq_4), steps, "Assumption 2")


@claim("compskip", "Theorem 1 step 2", assumes=("unbiased gradients",))
def theorem_1_step_2(*, cross: int = 2) -> Verdict:
    """Prove E_t‖ḡ‖² = ‖∇f‖² + E_t‖ḡ − ∇f‖², the cross term being 0.

    Parameters
    ----------
    cross : the multiple of the cross term
    """
    steps = {
        "square": is_identity((grad + noise) ** 2, grad**2 + cross * noise * grad + noise**2),
        "E_t": is_identity(second_moment(grad, variance), grad**2 + variance),
    }
    return settle(claim_of(theorem_1_step_2), steps, "bias and variance")


@claim("compskip", "Theorem 1 step 3", assumes=("unbiased gradients",))
def theorem_1_step_3(*, half: sp.Rational = HALF) -> Verdict:
    """Prove the display after it: put into (4).

    Parameters
    ----------
    half : of both squares
    """
    chain = mean(-eta / c * at_virtual * (grad + noise) + L * eta**2 / (2 * c**2) * (grad + noise) ** 2, NO_BIAS)
    printed = -eta / c * at_virtual * grad + half * L * eta**2 / c**2 * (grad**2 + variance)
    return settle(claim_of(theorem_1_step_3), {"put in": is_identity(chain, printed)}, "algebra")


@claim("compskip", "Theorem 1 step 4", assumes=("independent given the past",))
def theorem_1_step_4(*, correlation: int = 0) -> Verdict:
    r"""Prove E‖Σ_i(g_i − ∇f)‖² = Σ_i E‖g_i − ∇f‖² ≤ Mσ², worker by worker.

    Parameters
    ----------
    correlation : E of the product of two workers' noises
    """
    total, one = sp.symbols("total one", real=True)
    so_far, spare, less = sp.symbols("so_far spare less", nonnegative=True)
    crossed = sp.expand((total + one) ** 2).subs({total * one: correlation, total**2: so_far, one**2: variance})
    steps = {
        "one more worker": is_identity(crossed, so_far + variance),
        "M to M + 1": is_identity((M + 1) * sigma2 - ((M * sigma2 - spare) + (sigma2 - less)), spare + less),
    }
    return settle(claim_of(theorem_1_step_4), steps, "Assumption 4, read given the past")


@claim("compskip", "Eq. 5", eq=5, assumes=("independent given the past",))
def eq_5(*, power: int = 2) -> Verdict:
    """Prove (5): the mean has 1/M² of the sum's square.

    Parameters
    ----------
    power : of 1/M
    """
    return settle(claim_of(eq_5), {"Mσ²/M²": is_identity(M * sigma2 / M**power, sigma2 / M)}, "from the line before")


@claim("compskip", "Eq. 6", eq=6)
def eq_6(*, half: int = 2) -> Verdict:
    """Prove (6): (5) put into step 3.

    Parameters
    ----------
    half : the divisor of the noise term
    """
    factor = L * eta**2 / (2 * c**2)  # of the variance, in step 3
    printed = L * eta**2 * sigma2 / (half * c**2 * M)
    largest = M * (variance + spare)  # σ²
    steps = {
        "var ≤ σ²/M": exceeds_by(printed.subs(sigma2, largest), factor * variance, factor * spare),
        "no more than that": is_identity(printed, NOISE),
    }
    return settle(claim_of(eq_6), steps, "the descent inequality")


@claim("compskip", "Eq. 7", eq=7, assumes=(SMOOTH,))
def eq_7(*, half: sp.Rational = HALF) -> Verdict:
    r"""Prove (7), and the term it drops: −⟨a, b⟩ = −‖b‖²/2 + ‖b − a‖²/2 − ‖a‖²/2.

    Parameters
    ----------
    half : the multiple of both squares
    """
    a, b = at_virtual, grad
    far = sp.Symbol("far", nonnegative=True)  # ‖x − x̃‖²
    steps = {
        "second line": is_identity(-a * b, (b - a) * b - b**2),
        "Young": is_sum_of_squares(half * b**2 + half * (b - a) ** 2 - (b - a) * b, {a: HALF}),
        "sum": is_identity(half * b**2 + half * (b - a) ** 2 - b**2, -half * b**2 + half * (b - a) ** 2),
        "(1)": exceeds_by(half * L**2 * far, half * (L**2 * far - spare), half * spare),
    }
    return settle(claim_of(eq_7), steps, "with ‖∇f(x̃)‖²/2 given away")


@claim("compskip", "Eq. 8", eq=8, assumes=(LEMMA_2,))
def eq_8(*, power: int = 2) -> Verdict:
    """Prove (8) given Lemma 2: x_t − x̃_t = (η_{t−1}/c)(ẽ_t + Σe_i/M).

    Parameters
    ----------
    power : of η_{t−1}/c
    """
    held = sp.Symbol("held", nonnegative=True)
    x = sp.Symbol("x", real=True)
    virtual, scale = x - before / c * held, (before / c) ** power
    steps = {
        "definition": is_identity((x - virtual) ** 2, scale * held**2),
        "Lemma 2": exceeds_by(scale * (held**2 + spare), scale * held**2, before**2 * spare / c**2),
    }
    return settle(
        claim_of(eq_8), steps, "an implication; Lemma 2 as printed is refuted, in the mean it needs its repair"
    )


@claim("compskip", "Theorem 1 step 5", assumes=(LEMMA_2,))
def theorem_1_step_5(*, scale: int = 1) -> Verdict:
    """Prove the display after (8), twice as large as needed: (7) and (8) give (η_{t−1}²/(2c²)) G²L²U.

    Parameters
    ----------
    scale : the multiple of (η_{t−1}²/c²) G²L²U
    """
    chain, printed = HALF * L**2 * before**2 / c**2 * G2 * U, scale * before**2 / c**2 * G2 * L**2 * U
    steps = {"looser": exceeds_by(printed, chain, chain), "by 2": is_identity(printed, 2 * chain)}
    return settle(claim_of(theorem_1_step_5), steps, "a ½ is lost on the way, on the safe side")


@claim("compskip", "Theorem 1 step 6", assumes=(LEMMA_2,))
def theorem_1_step_6(*, half: int = 2) -> Verdict:
    """Prove the descent inequality with −(η/(2c) − Lη²/(2c²))‖∇f‖², which (6) and step 5 give.

    Parameters
    ----------
    half : the divisor of η/c
    """
    chain = eta / c * (-square / 2 + before**2 / c**2 * G2 * L**2 * U) + L * eta**2 / (2 * c**2) * square + NOISE
    printed = -(eta / (half * c) - L * eta**2 / (2 * c**2)) * square + NOISE + DELAY
    return settle(claim_of(theorem_1_step_6), {"put in": is_identity(chain, printed)}, "algebra")


@claim("compskip", "Theorem 1 step 7")
def theorem_1_step_7(*, low: Fraction = Fraction(0)) -> Verdict:
    r"""Show that E is missing on the left of the next display: a full mean stands right, ‖∇f(x_t)‖² random left.

    E_t gives A ≤ E_t[f(x̃_t) − f(x̃_{t+1})] + ..., path by path; with (A, drop) = (2, 2) and (0, 0), half the time each,
    A = 2 > 1 = E[drop], while E[A] = 1.

    Parameters
    ----------
    low : A and drop on the second path
    """
    paths = ((Fraction(2), Fraction(2)), (low, low))
    mean_left, mean_drop = (sum(each) / 2 for each in zip(*paths, strict=True))
    steps = {
        "path by path": all(left <= fall for left, fall in paths),
        "not against the mean": max(left for left, _ in paths) == 2 > mean_drop == 1,
        "in the mean": mean_left == mean_drop,
    }
    return settle(
        claim_of(theorem_1_step_7),
        steps,
        "E‖∇f(x_t)‖² is meant, here and in the next two displays",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Theorem 1 step 8", assumes=("η_t ≤ c/(2L)",))
def theorem_1_step_8(*, two: int = 2) -> Verdict:
    """Prove η/(2c) − Lη²/(2c²) ≥ η/(4c) for η ≤ c/(2L), and η* ≤ η_t; E is missing as in step 7.

    Parameters
    ----------
    two : in c/(2L)
    """
    u = sp.Symbol("u", nonnegative=True)
    allowed, least = c / (two * L * (1 + u)), before  # every η_t, and η*
    factor, quarter = eta / (2 * c) - L * eta**2 / (2 * c**2), eta / (4 * c)
    steps = {
        "leaves a quarter": exceeds_by(
            factor.subs(eta, allowed), quarter.subs(eta, allowed), u / (8 * L * (1 + u) ** 2)
        ),
        "η* ≤ η_t": exceeds_by(quarter.subs(eta, least + spare), quarter.subs(eta, least), spare / (4 * c)),
    }
    return settle(claim_of(theorem_1_step_8), steps, "up to E on the left", status=Status.HOLDS_WITH_ERRATUM)


@claim("compskip", "Theorem 1 step 9")
def theorem_1_step_9(*, four: int = 4) -> Verdict:
    """Prove the next display: all times 4c/η*; E is missing as in step 7.

    Parameters
    ----------
    four : in 4c/η*
    """
    least = sp.Symbol("eta_least", positive=True)
    chain = four * c / least * (drop + NOISE + DELAY)
    printed = (
        4 * c / least * drop
        + 2 * L * eta**2 * sigma2 / (least * c * M)
        + 4 * eta * before**2 * G2 * L**2 * U / (least * c**2)
    )
    return settle(
        claim_of(theorem_1_step_9),
        {"times": is_identity(chain, printed)},
        "up to E on the left",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Theorem 1 step 10")
def theorem_1_step_10(*, lower: int = 1) -> Verdict:
    """Prove the telescoping: Σ(f(x̃_t) − f(x̃_{t+1})) = f(x̃_0) − f(x̃_T) ≤ f(x̃_0) − f*.

    Parameters
    ----------
    lower : the sign of f(x̃_T) − f*
    """
    start, now, later, least = sp.symbols("start now later least", real=True)
    above = sp.Symbol("above", nonnegative=True)
    last = least + lower * above
    steps = {
        "t to t + 1": is_identity((start - now) + (now - later), start - later),
        "f ≥ f*": exceeds_by(start - least, start - last, above),
    }
    return settle(claim_of(theorem_1_step_10), steps, "the mean of f(x̃_T) is at least f*")


@claim("compskip", "Theorem 1 step 11")
def theorem_1_step_11(*, first: int = 1) -> Verdict:
    """Prove the summed display, with E at last on the left: the sums of both sides of step 9.

    Parameters
    ----------
    first : the multiple of the telescoped term
    """
    lefts, drops, rests = sp.symbols("lefts drops rests", nonnegative=True)
    left, fall, rest, less = sp.symbols("left fall rest less", nonnegative=True)
    at = {lefts: drops + rests - spare, left: fall + rest - less}
    printed = first * (drops + fall) + rests + rest
    steps = {"one more round, and no more": exceeds_by(printed, (lefts + left).subs(at), spare + less)}
    return settle(claim_of(theorem_1_step_11), steps, "a sum of inequalities")
