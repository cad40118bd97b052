"""Two decoders for adaptive optimizers: (36), Proposition 2 [Section V-E, Appendix F], and Adam's step."""

from fractions import Fraction

import numpy as np
import sympy as sp

from proofs_check.hetero_gc.notation import is_nonnegative_form, utility
from proofs_check.tools.symbolic import is_identity, is_nonnegative, mean, settle
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of
from workbench.schemes.adam_update import AdamRates, GradientMoments, direction, updated
from workbench.solvers import second_moment

TENTH, TEN = sp.Rational(1, 10), sp.Integer(10)


@claim("hetero_gc", "Eq. 36", eq=36)
def eq_36(*, emphasis: int = 1) -> Verdict:
    """Prove that v̄ = (MᵀM + D/λ)⁻¹Mᵀ1 minimises λ‖Mv − 1‖² + vᵀDv, M = Wᵀdiag(1 − p), and compare ours with it.

    For any v, J(v) − J(v̄) = λ‖M(v − v̄)‖² + (v − v̄)ᵀD(v − v̄) ≥ 0. The exact example: two workers, two parts,
    W = (1, 2; 3, 1), p = 1/2, ω = 0, λ = 2: D = diag(9/4, 4).

    Parameters
    ----------
    emphasis : the multiple of λ in v̄
    """
    lam = sp.Symbol("lambda", positive=True)
    cells = sp.symbols("m11 m12 m21 m22", real=True)
    d1, d2 = sp.symbols("d1 d2", positive=True)
    matrix, cost, ones = sp.Matrix(2, 2, cells), sp.diag(d1, d2), sp.Matrix([1, 1])
    v, shift = sp.Matrix(sp.symbols("v1:3", real=True)), sp.Matrix(sp.symbols("t1:3", real=True))

    def objective(w: sp.Matrix) -> sp.Expr:
        miss = matrix * w - ones
        return lam * (miss.T * miss)[0] + (w.T * cost * w)[0]

    normal = (matrix.T * matrix + cost / (emphasis * lam)) * v - matrix.T * ones
    excess = lam * (shift.T * matrix.T * matrix * shift)[0] + (shift.T * cost * shift)[0]
    gradient = [sp.diff(objective(v), v[i]) for i in range(2)]
    encode = sp.Matrix([[1, 2], [3, 1]])
    half = sp.Rational(1, 2)
    values: dict[sp.Expr, sp.Expr] = dict(zip(cells, half * encode.T, strict=True))
    exact = (matrix.T * matrix + cost / (emphasis * lam)).LUsolve(matrix.T * ones)
    by_hand = exact.subs(values | {d1: sp.Rational(9, 4), d2: 4, lam: 2})
    ours = second_moment.solve(np.array([[1.0, 2.0], [3.0, 1.0]]), np.full(2, 0.5), np.zeros(2), 2.0).weights
    steps = {
        "the gradient is twice λ times the normal equation": all(
            is_identity(left, 2 * lam * right) for left, right in zip(gradient, normal, strict=True)
        ),
        "any change costs a square": is_identity(
            objective(v + shift) - objective(v) - (shift.T * sp.Matrix(gradient))[0], excess
        ),
        "ours": bool(np.allclose(ours, [float(each) for each in by_hand], rtol=1e-12, atol=0)),
    }
    return settle(claim_of(eq_36), steps, "the only minimiser, as D is positive; the bias summed over the parts")


@claim("hetero_gc", "Proposition 2", eq=63)
def proposition_2(*, unbiased_cost: int = 1, shrink: int = 1) -> Verdict:
    r"""Prove V(v̄) ≤ V(v) for the minimiser v̄ of λb² + V and unbiased v; refute b² + V ≤ V(v) for λ < 1.

    At the optimal structure, a_ij = v_i w_ij ≥ 0 unbiased with (1 − p_i) r_i v_i = k u_i/U, r_i = Σ_j w_ij, the
    gradient of λb² + V at v̄ = cv vanishes for c = λU/(λU + k) with b² summed over the parts (columns), and for
    c = λU/(1 + λU) with the bias summed first (aligned): there two tracks only rescale the second moment.

    Parameters
    ----------
    unbiased_cost : the multiple of V(v) that an unbiased v costs
    shrink : the multiple of λU in the denominators of c
    """
    emphasis, bias_sq, variance, excess, beyond = sp.symbols("lambda b2 V e l", nonnegative=True)
    p, omega, k, total, row = sp.symbols("p omega k U r", positive=True)
    lam = sp.Symbol("lambda", positive=True)
    # b^2(v) = 0 for an unbiased v, and v costs the minimum and an excess >= 0
    unbiased = (emphasis * bias_sq + variance + excess) / unbiased_cost
    weight = k / ((p + omega) * total * row)  # v_i, from Theorem 1's row mass
    half_gradient_of_variance = (1 - p) * (p + omega) * row**2 * weight
    c = lam * total / (shrink * lam * total + k)
    c_aligned = lam * total / (1 + shrink * lam * total)
    # W^T diag(1-p) c v = c 1: every column misses by c - 1, all together by k (c - 1); (W diag(1-p))^T 1 = (1-p) r
    columns = lam * (1 - p) * row * (c - 1) + c * half_gradient_of_variance
    aligned = lam * (1 - p) * row * k * (c_aligned - 1) + c_aligned * half_gradient_of_variance
    error = k * (1 - c) ** 2 + c**2 * k**2 / total  # b^2 + V of v-bar, columns
    steps = {
        "V(v-bar) <= V(v)": is_nonnegative(unbiased - variance),
        "lambda b^2(v-bar) <= V(v)": is_nonnegative(unbiased - emphasis * bias_sq),
        "b^2 + V <= V(v) for lambda >= 1": is_nonnegative((unbiased - bias_sq - variance).subs(emphasis, 1 + beyond)),
        "at the optimal structure v-bar = c v, columns": is_identity(columns, sp.Integer(0)),
        "at the optimal structure v-bar = c v, aligned": is_identity(aligned, sp.Integer(0)),
        "lambda = 1/10, U = 10, k = 1: b^2 + V exceeds V(v) = 1/10": bool(
            error.subs({lam: TENTH, total: TEN, k: 1}) > TENTH
        ),
    }
    return settle(
        claim_of(proposition_2),
        steps,
        "V(v-bar) <= V(v) always, but for lambda < 1 the error b^2 + V may be larger than an unbiased decoder's; at "
        "the optimal structure v-bar is proportional to v, so the second track equals a change of the learning rate",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Eq. 58", eq=58)
def eq_58(*, weight: int = 1) -> Verdict:
    """Prove that bias² and variance (59), (60) are the parts of E(ĝ − g)², and that (58) is it at λ = 1 only.

    Parameters
    ----------
    weight : λ at which the objective is the error
    """
    answered, v, f, g, p = sp.symbols("I v f g p", real=True)
    lam = sp.Symbol("lambda", positive=True)
    prob = 1 - p
    error = mean((answered * v * f - g) ** 2, {answered: (prob, prob)})
    bias, variance = prob * v * f - g, p * prob * (v * f) ** 2
    steps = {
        "bias^2 + variance": is_identity(error, bias**2 + variance),
        "lambda = 1": is_identity((lam * bias**2 + variance - error).subs(lam, weight), sp.Integer(0)),
    }
    return settle(claim_of(eq_58), steps, "for other λ the objective is no error; V is Lemma 1's bound of the variance")


@claim("hetero_gc", "Eq. 61", eq=61)
def eq_61(*, second: int = 2) -> Verdict:
    """Show that the set of unbiased decoders may be empty for a given encoding; for Theorem 1's it is not.

    One worker, w = (1, 2), p = 1/2: v/2 = 1 and v = 1 contradict each other.

    Parameters
    ----------
    second : the second weight
    """
    v = sp.Symbol("v", real=True)
    half = sp.Rational(1, 2)
    p, omega, total, w = sp.symbols("p omega U w", positive=True)
    mass = utility(p, omega) / total  # of a dense column: they add up to 1
    steps = {
        "empty": sp.solve([half * v - 1, half * second * v - 1], v) == [],
        "not for weights that came from a design": is_identity((1 - p) * (mass / ((1 - p) * w)) * w, mass),
    }
    return settle(
        claim_of(eq_61),
        steps,
        "nonempty exactly for encodings that some decoder makes unbiased, which Theorem 1's are",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Eq. 62", eq=62)
def eq_62(*, emphasis: int = 1) -> Verdict:
    """Prove λb²(v̄) + V(v̄) ≤ V(v): the minimum over all v is at most that over the unbiased ones, whose b is 0.

    Parameters
    ----------
    emphasis : the multiple of λ on the left
    """
    lam, bias_sq, variance, excess = sp.symbols("lambda b2 V e", nonnegative=True)
    unbiased = lam * bias_sq + variance + excess  # the minimum, and what v costs beyond it
    steps = {
        "dominance": is_nonnegative_form(unbiased - (emphasis * lam * bias_sq + variance), excess),
        "Eq. 36": eq_36().status is Status.PROVED,
    }
    return settle(claim_of(eq_62), steps, "for every unbiased decoder v of the same encoding")


@claim("hetero_gc", "Eq. 63", eq=63)
def eq_63(*, power: int = 1) -> Verdict:
    """Prove V(v̄) ≤ V(v) and b²(v̄) ≤ V(v)/λ from (62).

    Parameters
    ----------
    power : of λ
    """
    lam, bias_sq, variance, excess = sp.symbols("lambda b2 V e", nonnegative=True)
    unbiased = lam * bias_sq + variance + excess
    steps = {
        "variance": is_nonnegative_form(unbiased - variance, lam * bias_sq + excess),
        "bias": is_nonnegative_form(unbiased / lam**power - bias_sq, (variance + excess) / lam),
    }
    return settle(claim_of(eq_63), steps, "neither bounds b² + V by V(v) where λ < 1: see Proposition 2")


@claim("hetero_gc", "Eq. 64", eq=64)
def eq_64(*, exponent: int = 2) -> Verdict:
    """Show that our Adam steps by m/√v with the square of the second estimate: 4 and 2 give a direction of 2.

    One step from 0 with β_1 = β_2 = 1/2: m = 2, v = 2, both double by the correction; 4/√4.

    Parameters
    ----------
    exponent : of the second estimate in v
    """
    rates = AdamRates(0.5, 0.5, 0.0)
    start = GradientMoments(np.zeros((1, 1)), np.zeros((1, 1)))
    after = updated(start, np.full((1, 1), 4.0), np.full((1, 1), 2.0), rates)
    steps = {
        "moments": after.first.tolist() == [[2.0]] and after.second.tolist() == [[0.5 * 2.0**exponent]],
        "direction": direction(after, 1, rates).tolist() == [[2.0]],
    }
    return settle(
        claim_of(eq_64),
        steps,
        "a definition; ours has the usual bias correction and ε outside the root",
        status=Status.HOLDS,
        grade=Grade.ENUMERATED,
    )


@claim("hetero_gc", "Eq. 65", eq=65)
def eq_65(*, third: int = 3) -> Verdict:
    """Prove the expansion of x^(−1/2): derivatives −x^(−3/2)/2 and 3x^(−5/2)/4, and that x^(−1/2) is convex.

    Parameters
    ----------
    third : the 3 of the second derivative
    """
    x, a, b, m = sp.symbols("x a b m", positive=True)
    f = 1 / sp.sqrt(x)
    series = sp.series(1 / sp.sqrt(m + sp.Symbol("h")), sp.Symbol("h"), 0, 3).removeO()
    second = sp.Rational(third, 8) * m ** sp.Rational(-5, 2)
    tangent = 1 / a - (1 / b - (a**2 - b**2) / (2 * b**3))  # x = a^2, m = b^2
    steps = {
        "first derivative": sp.simplify(sp.diff(f, x) + x ** sp.Rational(-3, 2) / 2) == 0,
        "second derivative": sp.simplify(sp.diff(f, x, 2) - sp.Rational(third, 4) * x ** sp.Rational(-5, 2)) == 0,
        "quadratic term": sp.simplify(series.coeff(sp.Symbol("h"), 2) - second) == 0,
        "above its tangents": is_identity(tangent, (a - b) ** 2 * (a + 2 * b) / (2 * a * b**3)),
    }
    return settle(claim_of(eq_65), steps, "up to the third order; ε, if any, shifts x")


@claim("hetero_gc", "Eq. 66", eq=66)
def eq_66(*, rare: tuple[int, int] = (100, 50)) -> Verdict:
    """Prove the Jensen inflation E v^(−1/2) ≥ (E v)^(−1/2), and refute that less variance always means less of it.

    Mean 1 twice: v = 10⁻⁴ with chance 1/50, else (1 − 1/500000)/(49/50), has a variance below 1/40 and
    E v^(−1/2) ≥ 100/50 = 2. v = 1/4 or 7/4 has the variance 9/16 and E v^(−1/2) = 1 + 1/√7 < 3/2. And since
    E v = g² + Var, more variance of the estimate makes steps shorter at fixed g, as V-E says and the appendix does not.

    Parameters
    ----------
    rare : 1/√v of the rare value and one over its chance
    """
    size, odds = rare
    low, chance = Fraction(1, size**2), Fraction(1, odds)
    high = (1 - chance * low) / (1 - chance)
    variance = chance * (1 - low) ** 2 + (1 - chance) * (1 - high) ** 2
    a, b, g, more = sp.symbols("a b g more", positive=True)
    tangent = 1 / a - 1 / b + (a**2 - b**2) / (2 * b**3)
    steps = {
        "mean 1": chance * low + (1 - chance) * high == 1,
        "Jensen": is_identity(tangent, (a - b) ** 2 * (a + 2 * b) / (2 * a * b**3)),
        "less variance": variance < Fraction(1, 40) < Fraction(9, 16) == Fraction(1, 2) * 2 * Fraction(3, 4) ** 2,
        # 1 + 1/sqrt 7 < 3/2, as 7 > 4
        "more inflation": chance * size >= 2 > Fraction(3, 2) and Fraction(1, 7) < Fraction(1, 2) ** 2,
        "shorter steps": is_nonnegative((g + more) ** 2 - g**2),
    }
    return settle(
        claim_of(eq_66),
        steps,
        "an approximation for small spread; neither 'inflation' nor 'shrinkage' is monotone in the variance alone",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"small_variance": float(variance), "its_mean_step": float(chance * size)},
    )
