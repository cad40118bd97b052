r"""Section 4.1: Theorem 1, of which the paper prints no proof, step by step, and Remark 2.

h(x) = ½ xᵀ(I − W)x + α Σ f_i(x_i) has the minimiser x*_α; e is the distance from it, g that of the gradients. Squares
and inner products stand as symbols: ee = ‖e‖², ge = ⟨g, e⟩, gg = ‖g‖², each over all workers.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy as sp

from proofs_check.quantimed.averaging import spectral_gap
from proofs_check.quantimed.batches import empty_batch, remark_1_repaired
from proofs_check.quantimed.notation import ONE, PAIR, THIRDS, close, is_largest
from proofs_check.quantimed.update import eq_8
from proofs_check.tools.symbolic import combines, is_identity, is_nonnegative, mean, settle
from workbench.bounds import quantimed as bounds
from workbench.bounds.quantimed import SMOOTH, SOME_GRADIENT, STRONGLY_CONVEX, UNBIASED, Averaging
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Regularity

ALL = (STRONGLY_CONVEX, SMOOTH, UNBIASED)
REG = Regularity(strong_convexity=1.0, smoothness=3.0, grad_var=2.0)
EQUAL = replace(REG, smoothness=1.0)  # K = μ
NONE = {"quantizer_var": 0.0, "inverse_batch": 0.0}  # no noise

alpha, eps, mu, more, sigma2, gamma2, nu, W = sp.symbols("alpha eps mu more sigma2 gamma2 nu W", positive=True)
K = mu + more  # K ≥ μ by Assumption 5
ee, ge, gg = sp.symbols("ee ge gg", real=True)


@claim("quantimed", "Theorem 1 penalty", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_penalty(*, half: int = 2) -> Verdict:
    r"""Prove that h lies between two quadratics: αμ/2 ‖e‖² and (1 − λ_W + αK)/2 ‖e‖² above its tangents.

    Along the way from x to x + e the gradient's part in e grows at rates between μ‖e‖² and K‖e‖²; xᵀ(I − W)x is
    Σ (1 − λ) y² in the eigenvectors' axes, 0 ≤ 1 − λ ≤ 1 − λ_W.

    Parameters
    ----------
    half : the divisor of the quadratics
    """
    t, y, e = sp.symbols("t y e", real=True)
    a, rest, m, fe = sp.symbols("a rest mu_ fe", nonnegative=True)  # 1 − λ and 1 − λ_W = a + rest
    form, rem = sp.symbols("form rem", real=True)  # eᵀ(I − W)e and Σ of the losses' remainders
    top, big, step = sp.symbols("top K alpha", nonnegative=True)
    half_ = sp.Rational(1, half)
    steps = {
        "a loss over its tangent": is_identity(sp.integrate(t * m * fe, (t, 0, 1)), half_ * m * fe),
        "a quadratic over its tangent": is_identity(a * (y + e) ** 2 / 2 - a * y**2 / 2 - a * y * e, half_ * a * e**2),
        "along one axis": is_identity((a + rest) * e**2 - a * e**2, rest * e**2),
        "from below": combines(
            half_ * form + step * rem - half_ * step * m * ee, {form: half_, rem - half_ * m * ee: step}
        ),
        "from above": combines(
            half_ * (top + step * big) * ee - half_ * form - step * rem,
            {top * ee - form: half_, half_ * big * ee - rem: step},
        ),
    }
    return settle(
        claim_of(theorem_1_penalty), steps, "h is αμ-strongly convex and (1 − λ_W + αK)-smooth: one minimiser"
    )


@claim("quantimed", "Theorem 1 co-coercivity", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_co_coercivity(*, half: int = 2) -> Verdict:
    r"""Prove (M + L)⟨g, e⟩ ≥ ML‖e‖² + ‖g‖² for h between quadratics of M and L.

    φ = h − M‖·‖²/2 is convex with l = L − M; G = g − Me. φ − ⟨∇φ(x), ·⟩ is least at x, also against y − G/l, where it
    is at most ‖G‖²/(2l) below its value at y. The same with x and y exchanged. For l = 0 any step s in place of 1/l
    gives s‖G‖² ≤ φ(y) − φ(x) − ⟨∇φ(x), y − x⟩, so G = 0.

    Parameters
    ----------
    half : the divisor of the gain
    """
    low, span, s = sp.symbols("M l s", positive=True)
    high = low + span
    square, at_x, at_y, p, r = sp.symbols("GG phi_x phi_y p r", real=True)  # p, r = ⟨∇φ(x), e⟩, ⟨∇φ(y), e⟩, e = x − y
    gain = square / (half * span)
    steps = {
        "a step of 1/l": is_identity((-s * square + span * s**2 * square / 2).subs(s, 1 / span), -square / (2 * span)),
        # the two premises are what that step gives from y, and from x
        "both ways": combines((p - r) - square / span, {at_y - at_x + p - gain: ONE, at_x - at_y - r - gain: ONE}),
        "back to h": is_identity(
            span * (ge - low * ee) - (gg - 2 * low * ge + low**2 * ee), (low + high) * ge - low * high * ee - gg
        ),
    }
    return settle(claim_of(theorem_1_co_coercivity), steps, "textbook, here from the quadratics alone")


@claim("quantimed", "Theorem 1 contraction", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_contraction(*, top: int = 2) -> Verdict:
    r"""Prove ‖e − εg‖² ≤ (1 − εαμ)²‖e‖² for ε ≤ 2/(M + L), M = αμ, L = 1 − λ_W + αK; both are attained.

    Parameters
    ----------
    top : the numerator of the largest ε
    """
    low, span, step, over = sp.symbols("M l eps over", nonnegative=True)
    total = 2 * low + span  # M + L
    kept = (1 - step * low) ** 2
    reach = sp.Integer(top) / total
    tight = {"step_size": 0.25, "start_error_sq": 1.0, **NONE}  # αμ = ¼, 1 − λ_W = 1, L = 7/4

    def factor(mixing_step: float) -> float:
        return float(bounds.theorem_1_recursion(REG, PAIR, 1, mixing_step=mixing_step, **tight).value[0])

    steps = {
        # with ‖g‖ ≥ M‖e‖ for all ε up to 2/(M + L)
        "the factor": combines(
            kept * ee - (ee - 2 * step * ge + step**2 * gg),
            {total * ge - low * (low + span) * ee - gg: 2 * step / total, (gg - low**2 * ee) * (reach - step): step},
        ),
        "equal losses μx²/2 attain it": is_identity((1 - step * low) ** 2, kept),
        # on the last eigenvector with losses Kx²/2 the factor is 1 − εL, beyond −(1 − εM) past 2/(M + L)
        "no larger ε": is_identity(reach * (low + span) - 1, 1 - reach * low)
        and combines((reach + over) * (low + span) - 1 - (1 - (reach + over) * low), {over: total}),
        "‖g‖ ≥ M‖e‖": combines(gg - low**2 * ee, {gg - 2 * low * ge + low**2 * ee: ONE, ge - low * ee: 2 * low}),
        "in numbers": factor(0.5) == (1 - 0.125) ** 2 and factor(1.0) == 0.75**2,
        "beyond is refused": is_largest(factor, 1.0),
    }
    return settle(claim_of(theorem_1_contraction), steps, "q = (1 − εαμ)², for ε ≤ 2/(1 − λ_W + α(K + μ))")


@claim("quantimed", "Theorem 1 noise", assumes=(UNBIASED,))
def theorem_1_noise(*, power: int = 2) -> Verdict:
    r"""Prove N = σ²‖W_o‖_F² + α²Wγ²ν for the noise of (8) over all workers, W_o = W − diag(W), and ‖W_o‖_F² ≤ W.

    Q(x_j) − x_j have mean 0, are independent of each other, of the gradients, and, given the models, of the past. A
    worker's sum so far and one more neighbour; then all workers.

    Parameters
    ----------
    power : of w_ij
    """
    far, q, xi, w = sp.symbols("far q xi w", real=True)  # the sum so far, one more message's and the gradient's noise
    so_far, var, e = sp.symbols("so_far var e", real=True)
    zero = sp.Integer(0)
    moments = {far: (zero, so_far), q: (zero, sigma2), xi: (zero, var)}
    a, r = sp.symbols("a r", nonnegative=True)
    net = Averaging(THIRDS)
    start = {"step_size": 0.25, "mixing_step": 0.5, "start_error_sq": 0.0}
    thirds = bounds.theorem_1_recursion(REG, THIRDS, 1, quantizer_var=16.0, inverse_batch=0.5, **start)
    exact = Fraction(1, 4) * (16 * Fraction(6, 4**power) + Fraction(1, 16) * 3 * 2 * Fraction(1, 2))
    steps = {
        "one more neighbour, and the gradient": is_identity(
            mean((far - w * q + alpha * xi) ** 2, moments), so_far + w**power * sigma2 + alpha**2 * var
        ),
        "no mixed term with the error": is_identity(mean((e - eps * xi) ** 2, {xi: (zero, var)}), e**2 + eps**2 * var),
        # Σ_j w_ij² ≤ (Σ_j w_ij)² ≤ 1: one more weight
        "a row": combines((a + r) ** 2 - a**2 - r**2, {a: 2 * r}),
        "‖W_o‖_F² of three": net.noise_of_all == 6 / 16,
        "in numbers": thirds.value[0] == float(exact),
    }
    return settle(claim_of(theorem_1_noise), steps, "given that E‖∇̃f_i − ∇f_i‖² ≤ γ²/|S|; own models are not rounded")


@claim("quantimed", "Theorem 1 gradients", assumes=(SMOOTH,))
def theorem_1_gradients(*, two: int = 2) -> Verdict:
    r"""Prove Σ ‖∇f_i(x*_α,i)‖² ≤ D² = 2K Σ (f_i(0) − f_i*), and the same with f_i(x*) in place of f_i(0).

    f_i* ≤ f_i(x − ∇f_i/K) ≤ f_i(x) − ‖∇f_i‖²/(2K); h(x*_α) ≤ h at 0 and at 1x*, where the quadratic form is 0. Two
    workers, f_i = ½(x ∓ 1)², w_ij = ½: x*_α = ±α/(1 + α), squares 2/(1 + α)² of D² = 2.

    Parameters
    ----------
    two : of D²
    """
    big, step = sp.symbols("K alpha", positive=True)
    form, now, first, least = sp.symbols("form F F_0 F_least", real=True)
    x = sp.symbols("x", real=True)
    (at,) = sp.solve(x + step * (x - 1), x)  # antisymmetric: (I − W)x = x
    steps = {
        "a step of 1/K": is_identity((-step * gg + big * step**2 * gg / 2).subs(step, 1 / big), -gg / (2 * big)),
        "gaps at x*_α": combines(
            first - now, {(step * first) - (form / 2 + step * now): 1 / step, form: 1 / (2 * step)}
        ),
        "gradients": combines(
            two * big * (first - least) - gg, {now - least - gg / (2 * big): 2 * big, first - now: 2 * big}
        ),
        "the example": is_identity(2 * (at - 1) ** 2, 2 / (1 + step) ** 2),
        "attained as α falls": sp.limit(2 * (at - 1) ** 2, step, 0) == two,
        "in numbers": bounds.grad_sq_at_start(Regularity(smoothness=1.0), [0.5, 0.5]) == two,
    }
    return settle(claim_of(theorem_1_gradients), steps, "so D² grows with W, and D²/W is what the bounds see")


@claim("quantimed", "Theorem 1 distance", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_distance(*, one: int = 1) -> Verdict:
    r"""Prove ‖x*_α − 1x*‖² ≤ (1 + K²/μ²) α²D²/κ².

    (I − W)x*_α = −α∇F: on each axis but 1 the left side is at least κ times as long, so κ‖x_⊥‖ ≤ αD. Its mean along 1
    is 0, Σ ∇f_i(x_i) = 0: with u = x̄ − x* and v_i = ∇f_i(x̄) − ∇f_i(x_i), Wμ‖u‖² ≤ ⟨Σv_i, u⟩ and ‖v_i‖ ≤ K‖x_i − x̄‖.

    Parameters
    ----------
    one : of 1 + K²/μ²
    """
    m, big, kappa, n = sp.symbols("mu_ K kappa n", positive=True)
    wider, y = sp.symbols("wider y", nonnegative=True)
    apart, uu, vv, vu, grads, d2 = sp.symbols("apart uu vv vu grads D2", real=True)  # ‖x_⊥‖², ‖u‖², Σ‖v_i‖², ⟨Σv_i, u⟩
    step, rate = sp.symbols("alpha", positive=True), one + big**2 / m**2
    example = float(bounds.distance(EQUAL, PAIR, step_size=0.25, grad_sq=2.0).value)
    exact = float((Fraction(1, 4) / (1 + Fraction(1, 4))) ** 2)
    thirds = (one + 9) * Fraction(1, 8**2) * 5 / (3 * Fraction(3, 4) ** 2)  # K/μ = 3, α = 1/8, D² = 5, κ = ¾
    steps = {
        "one axis": combines((kappa + wider) ** 2 * y**2 - kappa**2 * y**2, {wider: (2 * kappa + wider) * y**2}),
        "apart": combines(
            step**2 * d2 - kappa**2 * apart, {step**2 * grads - kappa**2 * apart: ONE, d2 - grads: step**2}
        ),
        # Σ ‖v_i − μu‖² ≥ 0
        "the mean model": combines(
            big**2 * apart - m**2 * n * uu,
            {big**2 * apart - vv: ONE, vv - 2 * m * vu + n * m**2 * uu: ONE, vu - n * m * uu: 2 * m},
        ),
        "together": combines(
            rate * step**2 * d2 / kappa**2 - (apart + n * uu),
            {step**2 * d2 - kappa**2 * apart: rate / kappa**2, big**2 * apart - m**2 * n * uu: 1 / m**2},
        ),
        "gradients at x*_α": theorem_1_gradients().status is Status.PROVED,
        # f_i = ½(x ∓ 1)²: (α/(1 + α))² = 1/25 of each worker, the order α² attained
        "of two workers": example == (one + 1) / 16 and exact == 0.04,
        "of three": close(bounds.distance(REG, THIRDS, step_size=0.125, grad_sq=5.0).value, float(thirds)),
    }
    return settle(
        claim_of(theorem_1_distance),
        steps,
        "the fixed bias of any α: no number of rounds takes it away",
        evidence={"bound": example, "exact": exact},
    )


@claim("quantimed", "Theorem 1 start", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_start(*, half: int = 2) -> Verdict:
    r"""Prove ‖x_0 − x*_α‖² ≤ D²/(Kμ) for x_0 = 0: αμ/2 ‖x_0 − x*_α‖² ≤ h(0) − h(x*_α) ≤ αΣ(f_i(0) − f_i*).

    Parameters
    ----------
    half : the divisor of αμ
    """
    m, big, step = sp.symbols("mu_ K alpha", positive=True)
    gaps, drop, far = sp.symbols("gaps drop far", real=True)
    steps = {
        "from strong convexity": combines(
            2 * big * gaps / (big * m) - far,
            {drop - step * m * far / half: 2 / (step * m), step * gaps - drop: 2 / (step * m)},
        ),
        "the penalty": theorem_1_penalty().status is Status.PROVED,
    }
    return settle(claim_of(theorem_1_start), steps, "whatever α is")


@claim("quantimed", "Theorem 1 recursion", assumes=ALL)
def theorem_1_recursion(*, power: int = 2) -> Verdict:
    r"""Prove E‖x_T − x*_α‖² ≤ q^T a_0 + ε²N (1 − q^T)/(1 − q), q = (1 − εαμ)², by induction.

    Parameters
    ----------
    power : of ε
    """
    q, grown, start, noise, s = sp.symbols("q grown a_0 N s", positive=True)

    def closed(kept: sp.Expr) -> sp.Expr:
        return kept * start + eps**power * noise * (1 - kept) / (1 - q)

    setting = {"step_size": 0.25, "mixing_step": 0.5, "quantizer_var": 16.0, "inverse_batch": 0.5}
    curve = bounds.theorem_1_recursion(REG, PAIR, np.arange(1, 9), start_error_sq=4.0, **setting).value  # (8,)
    error, exact = Fraction(4), []
    for _ in range(8):
        # N = 16 · ½ + 2 · 2 · ½ / 16
        error = Fraction(7, 8) ** 2 * error + Fraction(1, 2**power) * (8 + Fraction(1, 8))
        exact.append(float(error))
    steps = {
        "(8) is SGD on h": eq_8().status is Status.PROVED,
        "contraction": theorem_1_contraction().status is Status.PROVED,
        "co-coercivity": theorem_1_co_coercivity().status is Status.PROVED,
        "noise": theorem_1_noise().status is Status.PROVED,
        "no round": is_identity(closed(ONE), start),
        "one more round": is_identity(closed(q * grown), q * closed(grown) + eps**2 * noise),
        "what stays": is_identity(s**2 / (1 - (1 - s) ** 2), s / (2 - s)),  # s = εαμ
        "in numbers": close(curve, exact),
    }
    return settle(claim_of(theorem_1_recursion), steps, "the floor is εN/(αμ(2 − εαμ))")


@claim("quantimed", "Theorem 1 empty batches", assumes=ALL)
def theorem_1_empty_batches(*, two: int = 2) -> Verdict:
    r"""Prove the recursion with ρ = P(|S| > 0) alike for all: ρα for α, q + 2ε²α²ρ(1 − ρ)K², N + 2α²ρ(1 − ρ)D².

    I(∇f + ξ) has the mean ρ∇f and beside ξ's the variance ρ(1 − ρ)‖∇f‖², ‖∇f_i(x_i)‖² ≤ 2K²‖e_i‖² + 2‖∇f_i(x*_α)‖².

    Parameters
    ----------
    two : of the split of the gradient
    """
    a, b = sp.symbols("a b", real=True)
    rho, big, step, size = sp.symbols("rho K alpha eps", nonnegative=True)
    rest = sp.symbols("rest", nonnegative=True)  # 1 − ρ
    grads, d2, at = sp.symbols("grads D2 at", real=True)
    spread = rho * rest
    weight = size**2 * step**2 * spread
    setting = {"step_size": 0.25, "mixing_step": 0.5, "quantizer_var": 0.0, "inverse_batch": 0.0}
    one = bounds.theorem_1_recursion(REG, PAIR, 1, start_error_sq=4.0, grad_sq=3.0, some_prob=0.5, **setting).value[0]
    extra = Fraction(two, 4) * Fraction(1, 16) * Fraction(1, 4)  # 2ε²α²ρ(1 − ρ)
    exact = (Fraction(15, 16) ** 2 + extra * 9) * 4 + extra * 3
    steps = {
        "mean and variance": empty_batch().status is Status.HOLDS_WITH_ERRATUM,
        "split": is_identity(two * a**2 + two * b**2 - (a + b) ** 2, (a - b) ** 2),
        "what it adds to a round": combines(
            weight * (two * big**2 * ee + two * d2) - weight * grads,
            {two * big**2 * ee + two * at - grads: weight, d2 - at: two * weight},
        ),
        "D² bounds the gradients at every x*_α": theorem_1_gradients().status is Status.PROVED,
        "the rest": theorem_1_recursion().status is Status.PROVED,
        "in numbers": close([one], [float(exact)]),
    }
    return settle(
        claim_of(theorem_1_empty_batches),
        steps,
        "x*_α is then that of ρα; the speeds are alike by Section 3, so that ρ is",
    )


@claim("quantimed", "Theorem 1 repaired", assumes=ALL)
def theorem_1_repaired(*, two: int = 2) -> Verdict:
    r"""Prove (1/W) Σ E‖x_i,T − x*‖² ≤ (2/W)(recursion) + 2(distance), for all α and ε ≤ 2/(1 − λ_W + α(K + μ)).

    Two workers, f_i = ½(x ∓ 1)², w_ij = ½, α = ½, ε = ½, no noise: x_1 = −x_2 = (1 − 4^(−T))/3.

    Parameters
    ----------
    two : of the split
    """
    a, b = sp.symbols("a b", real=True)
    n_iters = np.arange(1, 9)
    limit, x = Fraction(1, 3), Fraction(0)  # x_1 of x*_α, and of the round
    for _ in n_iters:
        x -= Fraction(1, 2) * (x + Fraction(1, 2) * (x - 1))
    bound = bounds.theorem_1_repaired(
        EQUAL, PAIR, n_iters, step_size=0.5, mixing_step=0.5, grad_sq=2.0, start_error_sq=float(2 * limit**2), **NONE
    ).value  # (8,)
    formula = [two / 2 * (9 / 16) ** t * 2 / 9 + two * 2 * 0.25 for t in n_iters]
    steps = {
        "split": is_identity(two * a**2 + two * b**2 - (a + b) ** 2, (a - b) ** 2),
        "recursion": theorem_1_recursion().status is Status.PROVED,
        "distance": theorem_1_distance().status is Status.PROVED,
        "start": theorem_1_start().status is Status.PROVED,
        "empty batches": theorem_1_empty_batches().status is Status.PROVED,
        "in numbers": close(bound, formula),
        # x_1² ≤ 1/9 in every round
        "the example": x == (1 - Fraction(1, 4**8)) * limit and bool(np.all(float(limit**2) < bound)),
    }
    return settle(claim_of(theorem_1_repaired), steps, "explicit, for every T, and without 1 − β")


@claim("quantimed", "Theorem 1 best steps", assumes=ALL)
def theorem_1_best_steps(*, quarter: int = 4) -> Verdict:
    r"""Prove that α = s^(1/4), ε = s^(3/4), s = ln T/(2μT), leave √s of bias and noise and 1/T of the start.

    No steps with the same αε do better: α² + s/α² ≥ 2√s. So √(ln T/T), where T^(−δ) needs δ < ½.

    Parameters
    ----------
    quarter : the root in α
    """
    r, m, a, t = sp.symbols("r mu_ a T", positive=True)  # s = r⁴
    step, size = r ** sp.Rational(4, quarter), r**3
    s = sp.log(t) / (2 * m * t)
    ours = bounds.best_steps(0.5, 1000)
    y = sp.symbols("y", real=True)
    slack = sp.exp(-y) - 1 + y
    steps = {
        "α²": is_identity(step**2, r**2),
        "ε/α": is_identity(size / step, r**2),
        "αε": is_identity(step * size, r**4),
        "least": is_identity(a**2 + r**4 / a**2 - 2 * r**2, (a - r**2 / a) ** 2),
        # 1 − y ≤ e^(−y): 0 with slope 0 at 0, and convex
        "1 − y ≤ e^(−y)": slack.subs(y, 0) == sp.diff(slack, y).subs(y, 0) == 0
        and bool(sp.diff(slack, y, 2).is_positive),
        "e^(−2μTs)": sp.simplify(sp.exp(-2 * m * t * s) - 1 / t) == 0,
        "in numbers": close(
            [ours[0] * ours[1], ours[1] / ours[0]], [np.log(1000) / 1000, np.sqrt(np.log(1000) / 1000)]
        ),
        "the bound": theorem_1_repaired().status is Status.PROVED,
    }
    return settle(
        claim_of(theorem_1_best_steps), steps, "for T large enough that ε ≤ 2/(1 − λ_W + α(K + μ)); no δ to choose"
    )


@claim("quantimed", "Theorem 1 T_min", assumes=(STRONGLY_CONVEX, SMOOTH))
def theorem_1_t_min(*, base: int = 25) -> Verdict:
    r"""Prove what T_min of (9) is at least, for constants C < 1/(4μ²) behind its O(.): max of two that δ sets apart.

    Two workers, w_ij = ½ (β = 0), f_i = ½μ(x − 1)², K = μ, no noise: the error is (1 − μT^(−2δ))^(2T) ≥ 1 − 2μT^(1−2δ)
    ≥ ½ for T ≤ (4μ)^(−1/(1−2δ)), where (9) says 2Cμ²T^(−δ) < ½: from below. At μ = 1/100, δ = 0.49 that is 25^50 >
    10^69. With f_i = ½K(x − 1)², K = 48, δ = ¼, T = 256 the factor is 1 − 48/16 = −2: 2^512.

    Parameters
    ----------
    base : 1/(4μ)
    """
    y, k, m, u = sp.symbols("y k mu_ u", nonnegative=True)
    delta = Fraction(49, 100)
    convexity = Fraction(1, 100)
    reg = replace(REG, strong_convexity=0.01, smoothness=0.01)
    settings = {"exponent": 0.25, "grad_sq": 2e-4, **NONE}
    ours = bounds.theorem_1(reg, 0.0, 256, **settings).value[0]
    exponent = 1 / (1 - 2 * delta)
    steep = replace(REG, strong_convexity=48.0, smoothness=48.0)
    tall = 2 * 48**2 * Fraction(1, 4)  # (9) with C = 1: D² T^(−δ), D² = 2K · 2 · K/2
    large = bounds.theorem_1(steep, 0.0, 256, **(settings | {"grad_sq": bounds.grad_sq_at_start(steep, [24.0, 24.0])}))
    steps = {
        # (1 − y)^(k+1) ≥ (1 − y)(1 − ky)
        "Bernoulli": is_identity((1 - y) * (1 - k * y) - (1 - (k + 1) * y), k * y**2),
        "D² = 2μ · 2 · μ/2": bounds.grad_sq_at_start(reg, [0.005, 0.005]) == 2e-4,
        "(9)": close([ours], [2e-4 / 4]),
        # at T = (4μ)^(−1/(1−2δ)) and before, for 4Cμ² < 1
        "½ is left": combines((1 - 2 * m * u).subs(m, 1 / (4 * (u + k))) - sp.Rational(1, 2), {k: 1 / (2 * (u + k))}),
        "10^69": base == 1 / (4 * convexity) and exponent == 50 and base**exponent // 10**69 == 7,
        "C up to 2500": Fraction(1) / (4 * convexity**2) == 2500,
        "growth": (1 - Fraction(48, 16)) ** 512 == 2**512 and 2**512 // (10**151 * tall) == 1,
        "against (9)": close(large.value, [float(tall)]),
        "1 − Kαε ≥ −1 from T^(2δ) ≥ K/2 on": combines(1 - K / (K * (1 + u) / 2) + 1, {u: 2 / (1 + u)}),
    }
    return settle(
        claim_of(theorem_1_t_min),
        steps,
        "for δ near ½ (9) says nothing before 10^69 rounds; theorem_1_best_steps has no such wait",
        evidence={"log10_t_min": float(50 * np.log10(25))},
    )


@claim("quantimed", "Theorem 1", eq=9, assumes=(*ALL, SOME_GRADIENT))
def theorem_1(*, exponents: tuple[int, int] = (1, 3)) -> Verdict:
    r"""Prove (9) from a T_min on, with κ for 1 − β and 4, 2 and 6 for the constants behind its O(.); E max for max E.

    With T = r^(2/δ): α = 1/r, ε = 1/r³, so bias α² and noise ε/α are T^(−δ), αε is T^(−2δ), and the start is left with
    (D²/Kμ) e^(−2μT^(1−2δ)), which falls faster than any power.

    Parameters
    ----------
    exponents : of 1/r in α and ε
    """
    r = sp.symbols("r", positive=True)
    step, size = r ** -exponents[0], r ** -exponents[1]
    left = sp.symbols("left", nonnegative=True)
    x = sp.symbols("x", positive=True)
    power = sp.symbols("j", integer=True, positive=True)
    batch, most = sp.symbols("batch most", real=True)  # 1/b_eff and ν
    printed = bounds.theorem_1(REG, 0.5, 256, exponent=0.25, grad_sq=2.0, quantizer_var=3.0, inverse_batch=0.5)
    steps = {
        "α²": is_identity(step**2, r**-2),
        "ε/α": is_identity(size / step, r**-2),
        "αε": is_identity(step * size, r**-4),
        "4 for the bias": combines(4 * K**2 - 2 * (mu**2 + K**2), {more: 2 * (K + mu)}),
        # (2/W) εN/(αμ(2 − εαμ)), ‖W_o‖_F² ≤ W and εαμ = 1/(1 + left)
        "2 for the noise": combines(2 - 2 / (2 - 1 / (1 + left)), {left: 2 / (1 + 2 * left)}),
        "6 for the batches": combines(6 * batch - 2 * most, {3 * batch - most: sp.Integer(2)})
        and remark_1_repaired().status is Status.PROVED,
        "κ ≥ 1 − β": spectral_gap().status is Status.HOLDS_WITH_ERRATUM,
        # e^x ≥ Σ_{i≤j} x^i/i! by induction: 1 at 0, and the right side's derivative has one term less; so with
        # x = 2μT^(1−2δ), of which T^δ is a power, e^(−x) x^(j−1) ≤ j!/x falls to 0
        "the start": sp.gammasimp(sp.diff(x**power / sp.gamma(power + 1), x) - x ** (power - 1) / sp.gamma(power)) == 0
        and is_identity(x ** (power - 1) / (x**power / sp.gamma(power + 1)), sp.gamma(power + 1) / x),
        "the bound behind it": theorem_1_repaired().status is Status.PROVED,
        "(9) in numbers": close(printed.value, [(2 * 9 / 0.25 + 3) / 4 + 2 * 0.5 / 16]),
        # V T_d ≤ 1 and T_d = 4, m = 2: where nothing is ever ready x stays at 0, f = ½(x − 1)²
        "a gradient is needed": [bounds.batches_of_uniform_speed(0, 1, deadline, 2) for deadline in (1.0, 4.0)]
        == [(0.0, 0.0, 0.0), (0.75, 0.5, 1.25)],
    }
    return settle(
        claim_of(theorem_1),
        steps,
        "the rate is T^(−δ), δ < ½, from a T_min that is printed nowhere and grows beyond all use as δ nears ½",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Theorem 1 quadratic", assumes=("quadratic losses", "constant noise"))
def theorem_1_quadratic(*, sign: int = -1) -> Verdict:
    r"""Prove the mean squared error itself where f_i = ½k_i‖x − c_i‖², by induction in M's axes, M = I − ε∇²h.

    Mean x*_α − M^t x*_α; covariance s_ij (1 − (m_i m_j)^t)/(1 − m_i m_j) for ε²S with entries s_ij.

    Parameters
    ----------
    sign : of the start's part
    """
    m, p, source, limit, grown = sp.symbols("m p s x_lim grown", real=True)  # p = m_i m_j, grown = p^t or m^t

    def spread(kept: sp.Expr) -> sp.Expr:
        return source * (1 - kept) / (1 - p)

    def centre(kept: sp.Expr) -> sp.Expr:
        return limit + sign * kept * limit

    steps = {
        "start": is_identity(spread(ONE), sp.Integer(0)) and is_identity(centre(ONE), sp.Integer(0)),
        "covariance": is_identity(spread(p * grown), p * spread(grown) + source),
        "mean": is_identity(centre(m * grown), m * centre(grown) + (1 - m) * limit),
        "in numbers": _quadratic_in_numbers(),
    }
    return settle(claim_of(theorem_1_quadratic), steps, "what the bounds are measured against")


@claim("quantimed", "Remark 2", assumes=ALL)
def remark_2(*, power: int = 8) -> Verdict:
    r"""Refute f(x_i,T) − f* ≤ O(1/√T) under Theorem 1's steps: √T times it grows without end.

    Two workers, w_ij = ½, f_i = ½(x ∓ 1)², no noise: x_1 = −x_2 = a(1 − (1 − ε(1 + α))^T), a = α/(1 + α), and f − f* =
    ½x_1². δ = ¼, T = n⁸: α = 1/n, ε = 1/n³, (1 − y)^T ≤ 1/(1 + Ty) ≤ ½, y = (n + 1)/n⁴, n ≥ 2. So
    f − f* ≥ 1/(8(n + 1)²) and √T (f − f*) ≥ n²/32. For every δ < ½ alike f − f* ≥ T^(−δ)/32 from some T on, as a ≥ α/2
    and Ty ≥ T^(1−3δ/2) ≥ 1.

    Parameters
    ----------
    power : T = n^power
    """
    n, y, k = sp.symbols("n y k", nonnegative=True)
    size = 2 + n
    rounds, step, eps_ = size**power, 1 / size, 1 / size**3
    below, above = size**4 - size - 1, size**5 + size**4 - 1  # y ≤ 1 and T y ≥ 1, but for a factor
    over = size**2 * (1 + n) * (3 * size + 1) / (32 * (size + 1) ** 2)  # beyond n²/32
    delta = 1 / (2 * (1 + k))
    x, a = sp.symbols("x alpha", positive=True)
    after = x - eps * ((x - (-x)) / 2 + a * (x - 1))
    fixed = a / (1 + a)
    pull = eps_ * (1 + step)
    least = fixed.subs(a, step) / 2
    exact = Fraction(0)  # n = 2
    for _ in range(256):
        exact -= Fraction(1, 8) * (exact + Fraction(1, 2) * (exact - 1))
    steps = {
        "one round": is_identity(after - fixed, (1 - eps * (1 + a)) * (x - fixed)),
        "f": is_identity(((x - 1) ** 2 + (x + 1) ** 2) / 4 - sp.Rational(1, 2), x**2 / 2),
        # (1 − y)^(k+1)(1 + (k+1)y) ≤ 1 from (1 − y)^k (1 + ky) ≤ 1
        "Bernoulli": combines((1 + k * y) - (1 - y) * (1 + (k + 1) * y), {y**2: k + 1}),
        "y ≤ 1": is_identity(1 - pull, below / size**4) and is_nonnegative(below),
        "T y ≥ 1": is_identity(rounds * pull - 1, above) and is_nonnegative(above),
        "√T (f − f*) ≥ n²/32": combines(size ** sp.Rational(power, 2) * least**2 / 2 - size**2 / 32, {over: ONE}),
        "every δ: a ≥ α/2": combines(fixed.subs(a, 1 / (1 + n)) - 1 / (2 * (1 + n)), {n: 1 / (2 * (1 + n) * (2 + n))}),
        "every δ < ½: 1 − 3δ/2 > 0": combines(1 - 3 * delta / 2, {k: delta * 2, ONE: delta / 2}),
        "and ½ − δ > 0 for k > 0": combines(sp.Rational(1, 2) - delta, {k: delta}),
        "1/32": Fraction(1, 2) * (Fraction(1, 2) * Fraction(1, 2)) ** 2 == Fraction(1, 32),
        "n = 2": [each.subs(n, 0) for each in (rounds, step, eps_)] == [256, sp.Rational(1, 2), sp.Rational(1, 8)]
        and exact == Fraction(1, 3) * (1 - Fraction(13, 16) ** 256)
        and exact > Fraction(1, 6) == least.subs(n, 0),
    }
    return settle(
        claim_of(remark_2),
        steps,
        "no step size of Theorem 1 reaches 1/√T: bias alone leaves T^(−δ); and it is smoothness that gives f − f*",
        status=Status.REFUTED,
    )


@claim("quantimed", "Remark 2 repaired", assumes=ALL)
def remark_2_repaired(*, half: int = 2) -> Verdict:
    r"""Prove (1/W) Σ E f(x_i) − f* ≤ (K/2)(1/W) Σ E‖x_i − x*‖²: T^(−δ) by (9), √(ln T/T) by the best steps.

    Each worker by itself has at most W times that mean.

    Parameters
    ----------
    half : the divisor of K
    """
    big, t = sp.symbols("K t", nonnegative=True)
    own, others = sp.symbols("own others", nonnegative=True)
    steps = {
        # ∇f(x*) = 0, and along the way from x* the gradient's part grows at a rate of at most K‖e‖²
        "smoothness": is_identity(sp.integrate(t * big, (t, 0, 1)), big / half),
        "one of all": combines((own + others) - own, {others: ONE}),
        "(9)": theorem_1().status is Status.HOLDS_WITH_ERRATUM,
        "the best steps": theorem_1_best_steps().status is Status.PROVED,
    }
    return settle(claim_of(remark_2_repaired), steps, "in the mean over the noise, which the remark leaves out")


def _quadratic_in_numbers() -> bool:
    """Iterate mean and covariance of two workers in rational numbers and compare."""
    step, size, var, noise = Fraction(1, 4), Fraction(1, 2), Fraction(3), Fraction(2)
    curvature, centre = [Fraction(1), Fraction(3)], [Fraction(2), Fraction(-1)]
    half = Fraction(1, 2)
    pull = [[half + step * curvature[0], -half], [-half, half + step * curvature[1]]]
    move = [[(i == j) - size * pull[i][j] for j in (0, 1)] for i in (0, 1)]
    at, cov = [Fraction(0)] * 2, [[Fraction(0)] * 2 for _ in (0, 1)]
    optimum = sum(k * c for k, c in zip(curvature, centre, strict=True)) / sum(curvature)
    exact = []
    for _ in range(6):
        at = [sum((move[i][j] * at[j] for j in (0, 1)), size * step * curvature[i] * centre[i]) for i in (0, 1)]
        # the noise of worker i: ½ q of the other, and αξ of its own
        cov = [
            [
                sum(move[i][a] * cov[a][b] * move[j][b] for a in (0, 1) for b in (0, 1))
                + (i == j) * size**2 * (var / 4 + step**2 * noise)
                for j in (0, 1)
            ]
            for i in (0, 1)
        ]
        exact.append(float((sum((x - optimum) ** 2 for x in at) + cov[0][0] + cov[1][1]) / 2))
    ours = bounds.quadratic_error(
        PAIR,
        np.array([1.0, 3.0]),
        np.array([[2.0], [-1.0]]),
        np.arange(1, 7),
        step_size=0.25,
        mixing_step=0.5,
        quantizer_var=3.0,
        gradient_noise=2.0,
    )
    return close(ours.value, exact)
