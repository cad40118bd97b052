"""Strongly convex losses: Assumption 2, Theorem 2 and the lemma that it rests on [Appendix G]."""

from fractions import Fraction

import numpy as np
import sympy as sp

from proofs_check.hetero_gc.notation import (
    BOUNDED,
    INDEPENDENT,
    OPTIMAL,
    SIGNED,
    STRONGLY_CONVEX,
    UNBIASED,
    moments_by_patterns,
)
from proofs_check.hetero_gc.structure import lemma_2_repaired
from proofs_check.tools.symbolic import is_identity, is_nonnegative, is_nonnegative_form, mean, settle
from workbench.bounds import hetero_gc as bounds
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Regularity
from workbench.problems import logistic_regression

UNIT = Regularity(strong_convexity=1.0, grad_bound_sq=1.0)
GIVEN = (BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT, STRONGLY_CONVEX)


@claim("hetero_gc", "Assumption 2", eq=26)
def assumption_2(*, half: int = 2) -> Verdict:
    """Show that the definition is met: μ‖x‖²/2 meets it with equality, and adding a convex function keeps it.

    Parameters
    ----------
    half : the reciprocal of the factor of μ‖x − y‖²
    """
    x, y = sp.symbols("x y", real=True)
    mu, slack = sp.symbols("mu slack", nonnegative=True)
    quadratic = mu * x**2 / 2 - (mu * y**2 / 2 + mu * y * (x - y))
    below = mu / half * (x - y) ** 2
    steps = {
        "a quadratic meets it with equality": is_identity(quadratic, below),
        "a convex function added keeps it": is_nonnegative_form((slack + mu) - mu, slack),
    }
    return settle(claim_of(assumption_2), steps, "a definition; μ is the largest such constant of μ‖x‖²/2")


@claim("hetero_gc", "Logistic regression and softmax")
def logistic_regression_and_softmax(*, classes: int = 3) -> Verdict:
    """Prove that the losses are smooth, and that neither is strongly convex without a ridge.

    f = ln(1 + e^(−x)) has f'' = s(1 − s) = 1/4 − (s − 1/2)², s = 1/(1 + e^(−x)), which tends to 0. Softmax does not
    change when one number is added to all scores. Ours claims the ridge's constant, and none without one.

    Parameters
    ----------
    classes : of the softmax
    """
    x = sp.Symbol("x", real=True)
    s = sp.Symbol("s", nonnegative=True)
    curvature = sp.diff(sp.log(1 + sp.exp(-x)), x, 2)
    odds, factor = sp.symbols(f"e1:{classes + 1}", positive=True), sp.Symbol("factor", positive=True)  # e^score
    raised = [factor * each for each in odds]
    ridges = np.linspace(0, 1, 3).tolist()
    ours = [logistic_regression.build(classes, seed=0, dim=classes, l2=l2).regularity for l2 in ridges]
    steps = {
        "f'' = s (1 - s)": is_identity(curvature, (s * (1 - s)).subs(s, 1 / (1 + sp.exp(-x)))),
        "smooth: at most 1/4": is_identity(sp.Rational(1, 4) - s * (1 - s), (s - sp.Rational(1, 2)) ** 2),
        "not strongly convex": sp.limit(curvature, x, sp.oo) == 0,
        "softmax is constant along a line": classes == len(odds) == 3
        # the loss is minus the logarithm of a class's share
        and all(is_identity(up / sum(raised), each / sum(odds)) for up, each in zip(raised, odds, strict=True)),
        "ours": [each.strong_convexity for each in ours] == [each or None for each in ridges],
    }
    return settle(
        claim_of(logistic_regression_and_softmax),
        steps,
        "smooth, but strongly convex with a ridge only",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Footnote 2", assumes=("convexity", *GIVEN[:-1]))
def footnote_2(*, half: int = 2) -> Verdict:
    """Prove mean F(x_t) − F* ≤ D√(G/n) for convex F without a gradient, D = ‖x_1 − x*‖, η = D/√(Gn), n steps.

    With a subgradient s, E ĝ = s and E‖ĝ‖² ≤ G: 2η(F − F*) ≤ 2η<s, e> = a − E a' + η² E‖ĝ‖², summed over the steps.

    Parameters
    ----------
    half : the 2 of 2η<s, e>
    """
    eta, distance, bound, n = sp.symbols("eta D G n", positive=True)
    e, s, noise = sp.symbols("e s noise", real=True)  # one coordinate: they add up
    var = sp.Symbol("var", nonnegative=True)
    after = mean((e - eta * (s + noise)) ** 2, {noise: (sp.Integer(0), var)})
    telescoped = (distance**2 + n * eta**2 * bound) / (2 * eta * n)
    steps = {
        "one step": is_identity(e**2 - after + eta**2 * (s**2 + var), half * eta * s * e),
        "Lemma 2": lemma_2_repaired().status is Status.PROVED,
        "at the best step": is_identity(
            telescoped.subs(eta, distance / sp.sqrt(bound * n)), distance * sp.sqrt(bound) / sp.sqrt(n)
        ),
    }
    return settle(claim_of(footnote_2), steps, "for the mean iterate too, by convexity; nothing where F is not convex")


@claim("hetero_gc", "Lemma 4", eq=67, assumes=(STRONGLY_CONVEX, UNBIASED))
def lemma_4(*, constant: int = 4) -> Verdict:
    r"""Prove E‖x_T − x*‖² ≤ 4G/(μ²T), η_t = 1/(μt), for all T, and that 1 does for all T but 2.

    a_{t+1} ≤ (1 − 2/t) a_t + G/(μ²t²) needs only E‖ĝ_t‖² ≤ G. In units of G/μ²: a_1 ≤ 1; a_2 ≤ 1 − a_1 ≤ 1;
    a_3 ≤ 1/4; from t = 2 on the factor is nonnegative and a_t ≤ κ/t passes to t + 1 for every κ ≥ 1.

    Parameters
    ----------
    constant : κ, the printed 4
    """
    mu, eta, bound, slack, slack_too = sp.symbols("mu eta G slack1 slack2", nonnegative=True)
    error, var, u = sp.symbols("a var u", nonnegative=True)
    e, g, noise = sp.symbols("e g noise", real=True)  # e = x - x*, one coordinate: they add up
    # strong convexity at x, then at x*: <g, e> = gap + mu/2 a + slack1, gap = mu/2 a + slack2
    inner = (mu / 2 * error + slack_too) + mu / 2 * error + slack
    # one step with <g, e> = mu a + slack1 and E g^2 + var = G - slack2
    after = error - 2 * eta * (mu * error + slack) + eta**2 * (bound - slack_too)

    t = 2 + u

    def room(kappa: int) -> sp.Expr:
        return kappa / (t + 1) - (1 - 2 / t) * kappa / t - 1 / t**2

    # T a_T is largest for a start at distance 0 or 1, in units of G/mu^2, as every a_T is linear in a_1
    needed = [max(each) for each in zip(*(_scaled(start) for start in range(2)), strict=True)]
    steps = {
        "<grad F, e> >= mu a": is_nonnegative_form(sp.expand(inner - mu * error), slack + slack_too),
        "one step, in the mean": is_identity(
            mean((e - eta * (g + noise)) ** 2, {noise: (sp.Integer(0), var)}),
            e**2 - 2 * eta * g * e + eta**2 * (g**2 + var),
        ),
        "a' <= (1 - 2 mu eta) a + eta^2 G": is_nonnegative_form(
            sp.expand((1 - 2 * mu * eta) * error + eta**2 * bound - after), 2 * eta * slack + eta**2 * slack_too
        ),
        # both brackets are nonnegative: g^2 - mu^2 e^2 = (g - mu e)^2 + 2 mu (<g, e> - mu e^2)
        "start: G >= ||grad F||^2 >= mu^2 a_1": is_identity(
            g**2 - mu**2 * e**2, (g - mu * e) ** 2 + 2 * mu * (g * e - mu * e**2)
        ),
        "T a_T <= 1, 2, 3/4 for T = 1, 2, 3": needed == [1, 2, Fraction(3, 4)],
        "kappa is enough at T = 1, 2, 3": max(constant, *needed) == constant,
        "1 - 2/t is 0 at t = 2, and then positive": is_nonnegative_form(1 - 2 / t, u / t),
        "kappa: from t to t + 1 for all t >= 2": is_nonnegative_form(
            room(constant), ((constant - 1) * t + 2 * constant - 1) / (t**2 * (t + 1))
        ),
        "sharper: 3/4 <= 1 at T = 3, then 1 passes on": is_nonnegative_form(room(1), 1 / (t**2 * (t + 1))),
    }
    return settle(claim_of(lemma_4), steps, "true with 4; 1 does in its place for every T but T = 2, where 2 does")


@claim("hetero_gc", "Theorem 2", eq=28, assumes=GIVEN)
def theorem_2(*, constant: int = 4) -> Verdict:
    """Prove Theorem 2 from Lemmas 2 and 4, and show that it fails with weights of both signs.

    F = f_1 + f_2, f_1 = x²/4 + x, f_2 = x²/4 − x has μ = 1 and x* = 0. At x_1 = x* the gradients are 1 and −1. The
    weights [[1 + s, 1 − s], [1 − s, 1 + s]] have Theorem 1's row sums for every s, at p = 1/2 without quantization;
    one step η_1 = 1 has E x_2² = 2s², for s = 3 it is 18 against 4 · 4 (1 + 1/2)/2 = 12.

    Parameters
    ----------
    constant : κ, the printed 4
    """
    signed = ((4, -2), (-2, 4))  # s = 3
    _, after = moments_by_patterns(signed, (1, -1))
    printed = float(bounds.theorem_2(UNIT, 2, 2.0, [2]).value[0])  # U = 2
    steps = {
        "Lemma 4": lemma_4(constant=constant).status is Status.PROVED,
        "second moment (Lemma 2)": lemma_2_repaired().status is Status.PROVED,
        "the signed weights have the row sums of Theorem 1": [sum(row) for row in signed]
        == [sum(row) for row in SIGNED],
        "with signed weights the error may be larger": after == 18 and printed == 12.0,
    }
    return settle(
        claim_of(theorem_2),
        steps,
        "true for nonnegative weights with 4, and with 1 for every T but T = 2 (there 2): the printed constant is 4 "
        "times too large. Assumption 1 cannot hold on all of R^d beside strong convexity, since ||grad F|| >= mu "
        "||x - x*||; the proof needs it only in the mean over the iterates",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"signed_error": float(after), "printed_bound": printed},
    )


@claim("hetero_gc", "Theorem 2 repaired", eq=28, assumes=GIVEN)
def theorem_2_repaired(*, at_two: int = 2) -> Verdict:
    """Prove E‖x_T − x*‖² ≤ c_T C k²(1 + 1/U)/(μ²T), c_T = 1 but c_2 = 2, which is least at T = 1 and T = 2.

    Least at T = 2: a_2 = 1 − a_1 for a start at x*, a step of a pure noise of second moment G.

    Parameters
    ----------
    at_two : c_2
    """
    n_iters = np.arange(1, 40)
    printed = bounds.theorem_2_repaired(UNIT, 1, 1.0, n_iters).value * n_iters / 2  # G/mu^2 = 2
    worst = [bounds.theorem_2_recursion(UNIT, 1, 1.0, n_iters, start_error_sq=start).value for start in (0.0, 2.0)]
    late = np.array(worst) * n_iters / 2
    steps = {
        "constant 1 but for T = 2": lemma_4(constant=at_two).status is Status.PROVED,
        "second moment": lemma_2_repaired().status is Status.PROVED,
        "in numbers": printed.tolist() == [1, at_two] + [1] * 37,
        "both extreme starts stay below": bool(np.all(late < printed + 1e-12)),
        "attained at T = 1 and T = 2": late[1, 0] == printed[0] and late[0, 1] == printed[1],
    }
    return settle(claim_of(theorem_2_repaired), steps, "a quarter of the printed bound, but for T = 2")


@claim("hetero_gc", "Theorem 2 recursion", assumes=GIVEN)
def theorem_2_recursion(*, first: int = 2) -> Verdict:
    r"""Prove a_T = (T − 1 − H_{T−1})/((T − 1)(T − 2)) for the recursion with equality, T ≥ 3, by induction.

    Parameters
    ----------
    first : the multiple of μη in the recursion
    """
    t, harmonic = sp.symbols("t H", positive=True)  # H = H_{t-1}

    def solved(at: sp.Expr, sum_of_inverses: sp.Expr) -> sp.Expr:
        return (at - 1 - sum_of_inverses) / ((at - 1) * (at - 2))

    steps = {
        "a_3 = 1/4": solved(sp.Integer(3), sp.Rational(3, 2)) == sp.Rational(1, 4),
        "a_3 whatever a_2 is": is_identity((1 - sp.Rational(first, 2)) * t + sp.Rational(1, 4), sp.Rational(1, 4)),
        "from t to t + 1": is_identity(
            (1 - first / t) * solved(t, harmonic) + 1 / t**2, solved(t + 1, harmonic + 1 / t)
        ),
        "T a_T -> 1": sp.limit(solved(t, sp.log(t)) * t, t, sp.oo) == 1,
    }
    return settle(claim_of(theorem_2_recursion), steps, "about a quarter of the printed bound in the end")


@claim("hetero_gc", "Eq. 68", eq=68, assumes=GIVEN)
def eq_68(*, power: int = 1) -> Verdict:
    """Prove that Lemma 2 gives Lemma 4's G = C k²(1 + 1/U), which falls in U towards C k².

    Parameters
    ----------
    power : of 1/U
    """
    c, k, total, more = sp.symbols("C k U more", positive=True)

    def second_moment(u: sp.Expr) -> sp.Expr:
        return c * k**2 * (1 + 1 / u**power)

    steps = {
        "Lemma 2": lemma_2_repaired().status is Status.PROVED,
        "= C k^2 + C k^2/U": is_identity(second_moment(total), c * k**2 + c * k**2 / total),
        "falls in U": is_nonnegative(second_moment(total) - second_moment(total + more)),
        "towards C k^2": sp.limit(second_moment(total), total, sp.oo) == c * k**2,
    }
    return settle(claim_of(eq_68), steps, "for nonnegative weights")


@claim("hetero_gc", "Eq. 69", eq=69, assumes=GIVEN)
def eq_69(*, factor: int = 4) -> Verdict:
    """Prove that Lemma 4 with (68) is Theorem 2, and that ours computes it.

    Parameters
    ----------
    factor : of the bound
    """
    c, k, total, mu, n = sp.symbols("C k U mu T", positive=True)
    joined = (4 * sp.Symbol("G") / (mu**2 * n)).subs(sp.Symbol("G"), c * k**2 * (1 + 1 / total))
    printed = factor * c * k**2 * (1 + 1 / total) / (mu**2 * n)
    reg = Regularity(strong_convexity=0.5, grad_bound_sq=3.0)
    ours = bounds.theorem_2(reg, 4, 2.0, [6]).value[0]
    by_hand = printed.subs({c: 3, k: 4, total: 2, mu: sp.Rational(1, 2), n: 6})
    steps = {"substituted": is_identity(joined, printed), "ours": bool(by_hand == int(ours) == ours)}
    return settle(claim_of(eq_69), steps, "as printed")


@claim("hetero_gc", "Independence of the load")
def independence_of_the_load(*, copies: int = 1) -> Verdict:
    """Prove that no bound depends on how many parts a worker holds: dense and sparse have equal row sums.

    A row r spread over m parts, r/m each, has the sum r for every m.

    Parameters
    ----------
    copies : the power of m in each weight's denominator
    """
    row, parts = sp.symbols("r m", positive=True)
    steps = {"the row sum does not depend on m": is_identity(parts * (row / parts**copies), row)}
    return settle(
        claim_of(independence_of_the_load),
        steps,
        "the bounds see row sums only; the exact error of gradients that are not aligned does depend on the load",
    )


def _scaled(start: int) -> list[Fraction]:
    """T a_T for T = 1, 2, 3 of a' = (1 - 2/t) a + 1/t^2 from a_1 = start, in units of G/mu^2."""
    error, found = Fraction(start), []
    for t in range(1, 4):
        found.append(t * error)
        error = (1 - Fraction(2, t)) * error + Fraction(1, t**2)
    return found
