"""Two decoders for adaptive optimizers: (36), Proposition 2 [Section V-E, Appendix F], and Adam's step."""

from fractions import Fraction
from typing import cast

import numpy as np
import sympy as sp

from proofs_check.hetero_gc.notation import plain_code, utility
from proofs_check.tools.symbolic import enumerated, is_identity, is_nonnegative_form, mean, settle
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.decoders.two_track import TwoTrackDecoder
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Problem, Regularity
from workbench.problems.least_squares import LeastSquares
from workbench.schemes.adam_update import AdamRates, GradientMoments, direction, updated
from workbench.schemes.coded_adam import CodedAdam
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import InverseTimeStep
from workbench.solvers import second_moment
from workbench.stragglers.delays.bernoulli import Bernoulli

HALF, TENTH, TEN = sp.Rational(1, 2), sp.Rational(1, 10), sp.Integer(10)


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
    example: dict[sp.Expr, sp.Expr] = {lam: TENTH, total: TEN, k: sp.Integer(1)}
    error = k * (1 - c) ** 2 + c**2 * k**2 / total  # b^2 + V of v-bar, columns
    steps = {
        "V(v-bar) <= V(v)": is_nonnegative_form(unbiased - variance, emphasis * bias_sq + excess),
        "lambda b^2(v-bar) <= V(v)": is_nonnegative_form(unbiased - emphasis * bias_sq, variance + excess),
        "b^2 + V <= V(v) for lambda >= 1": is_nonnegative_form(
            (unbiased - bias_sq - variance).subs(emphasis, 1 + beyond), beyond * bias_sq + excess
        ),
        "at the optimal structure v-bar = c v, columns": is_identity(columns, sp.Integer(0)),
        "at the optimal structure v-bar = c v, aligned": is_identity(aligned, sp.Integer(0)),
        "lambda = 1/10, U = 10, k = 1: c = 1/2, and b^2 + V = 11/40 exceeds V(v) = 1/10": (
            c.subs(example) == HALF and error.subs(example) == sp.Rational(11, 40) > TENTH
        ),
    }
    return settle(
        claim_of(proposition_2),
        steps,
        "V(v-bar) <= V(v) always, but for lambda < 1 the error b^2 + V may be larger than an unbiased decoder's; at "
        "the optimal structure v-bar is proportional to v, so the second track equals a change of the learning rate",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Inflated second moment", assumes=("unbiased code",))
def inflated_second_moment(*, power: int = 2) -> Verdict:
    """Prove E ĝ² = g² + Var for an unbiased ĝ, and (b + g)² + Var for a bias b: V-E's shrinkage of steps g/√E ĝ².

    Parameters
    ----------
    power : of g + b
    """
    g, bias, noise = sp.symbols("g b noise", real=True)
    size = sp.Symbol("size", positive=True)  # |g|
    var = sp.Symbol("var", nonnegative=True)
    moments: dict[sp.Symbol, tuple[sp.Expr, ...]] = {noise: (sp.Integer(0), var)}
    steps = {
        "E of the square": is_identity(mean((g + bias + noise) ** 2, moments), (g + bias) ** power + var),
        "overestimates where b = 0": is_identity(mean((g + noise) ** 2, moments) - g**2, var),
        "(step)^2 is at most 1": is_nonnegative_form(1 - size**2 / (size**2 + var), var / (size**2 + var)),
    }
    return settle(claim_of(inflated_second_moment), steps, "shorter steps on average; (66) is about their spread")


@claim("hetero_gc", "Variance of the moving average")
def variance_of_the_moving_average(*, power: int = 2) -> Verdict:
    """Prove Var v_t → (1 − β)/(1 + β) Var of the inputs where these are independent; of equal inputs it keeps all.

    v' = βv + (1 − β)x has the variance β² Var v + (1 − β)² Var x, whose fixed point this is, and the distance to it
    shrinks by β² a step.

    Parameters
    ----------
    power : of β in the variance
    """
    beta, var, old, gap = sp.symbols("beta var old gap", positive=True)
    v, x = sp.symbols("v x", real=True)
    zero = sp.Integer(0)
    after = mean((beta * v + (1 - beta) * x) ** 2, {v: (zero, old), x: (zero, var)})
    fixed = (1 - beta) / (1 + beta) * var
    steps = {
        "one step": is_identity(after, beta**power * old + (1 - beta) ** 2 * var),
        "fixed point": is_identity(after.subs(old, fixed), fixed),
        "approached": is_identity(after.subs(old, fixed + gap) - fixed, beta**power * gap),
        "equal inputs": is_identity(mean((beta * x + (1 - beta) * x) ** 2, {x: (zero, var)}), var),
    }
    return settle(claim_of(variance_of_the_moving_average), steps, "proportional to the inputs' variance, as said")


@claim("hetero_gc", "Second track sends nothing")
def second_track_sends_nothing(*, tracks: int = 2) -> Verdict:
    """Show that a second decoder changes the second moment and not the bits: one worker, message 4, v = 1 and 1/2.

    Parameters
    ----------
    tracks : one over the second decoding weight
    """
    one = np.ones((1, 1, 1))
    problem = cast(Problem, LeastSquares(one, np.ones((1, 1)), np.array([5.0]), Regularity()))
    first, second = FixedDecoder(np.ones(1)), FixedDecoder(np.ones(1) / tracks)
    setting, rates = Setting(problem, Bernoulli(np.zeros(1))), AdamRates(0.0, 0.0, 0.0)
    found = []
    for decoder in (first, TwoTrackDecoder(first, second)):
        scheme = CodedAdam(setting, plain_code(np.ones((1, 1)), decoder), InverseTimeStep(1.0), rates)
        state, cost = scheme.step(scheme.init(1), 1, Noise(setting.delay, seed=0, runs=range(1)))
        found.append((state.x.tolist(), state.second.tolist(), cost.bits_up.tolist()))
    steps = {
        "one track: 5 - 4/4": found[0] == ([[4.0]], [[16.0]], [32.0]),
        "two tracks: 5 - 4/2": found[1] == ([[3.0]], [[4.0]], [32.0]),
    }
    return enumerated(claim_of(second_track_sends_nothing), steps, "both decode what came")


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
    probs, noises, weights = (sp.symbols(f"{name}1:3", positive=True) for name in ("p", "omega", "w"))
    utilities = [utility(p, omega) for p, omega in zip(probs, noises, strict=True)]
    masses = [u / sum(utilities) for u in utilities]  # of a dense column
    means = [(1 - p) * (y / ((1 - p) * w)) * w for p, y, w in zip(probs, masses, weights, strict=True)]
    steps = {
        "empty: v = 2 and v = 1": (sp.solve(half * v - 1, v), sp.solve(half * second * v - 1, v)) == ([2], [1]),
        "not for weights that came from a design": is_identity(sum(means), sp.Integer(1)),
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
    return enumerated(claim_of(eq_64), steps, "a definition; ours has the usual bias correction and ε outside the root")


@claim("hetero_gc", "Eq. 65", eq=65)
def eq_65(*, third: int = 3) -> Verdict:
    """Prove the expansion of x^(−1/2): derivatives −x^(−3/2)/2 and 3x^(−5/2)/4, and that x^(−1/2) is convex.

    Parameters
    ----------
    third : the 3 of the second derivative
    """
    x, a, b = sp.symbols("x a b", positive=True)
    f = 1 / sp.sqrt(x)
    tangent = 1 / a - (1 / b - (a**2 - b**2) / (2 * b**3))  # x = a^2, m = b^2
    steps = {
        "first derivative": sp.simplify(sp.diff(f, x) + x ** sp.Rational(-3, 2) / 2) == 0,
        "second derivative": sp.simplify(sp.diff(f, x, 2) - sp.Rational(third, 4) * x ** sp.Rational(-5, 2)) == 0,
        "quadratic term": sp.simplify(sp.diff(f, x, 2) / 2 - sp.Rational(third, 8) * x ** sp.Rational(-5, 2)) == 0,
        "above its tangents": is_identity(tangent, (a - b) ** 2 * (a + 2 * b) / (2 * a * b**3)),
    }
    return settle(claim_of(eq_65), steps, "up to the third order; ε, if any, shifts x")


@claim("hetero_gc", "Eq. 66", eq=66)
def eq_66(*, rare: tuple[int, int] = (100, 50)) -> Verdict:
    """Prove the Jensen inflation E v^(−1/2) ≥ (E v)^(−1/2), and refute that less variance always means less of it.

    Mean 1 twice: v = 10⁻⁴ with chance 1/50, else (1 − 1/500000)/(49/50), has a variance of 0.0204 and
    E v^(−1/2) ≥ 100/50 = 2. v = 1/4 or 7/4 has the variance 9/16 and E v^(−1/2) = 1 + 1/√7 < 3/2. And since
    E v = g² + Var, more variance of the estimate makes steps shorter at fixed g, as V-E says and the appendix does not.

    Parameters
    ----------
    rare : 1/√v of the rare value and one over its chance
    """
    size, odds = rare
    low, chance = Fraction(1, size**2), Fraction(1, odds)
    rare_step = sp.Rational(chance) / sp.sqrt(sp.Rational(low))  # of E v^(-1/2), what the rare value gives alone
    high = (1 - chance * low) / (1 - chance)
    variance = chance * (1 - low) ** 2 + (1 - chance) * (1 - high) ** 2
    spread = (Fraction(1, 4), Fraction(7, 4))  # equally likely
    spread_variance = sum((each - 1) ** 2 for each in spread) / 2
    spread_step = sum(1 / sp.sqrt(sp.Rational(each)) for each in spread) / 2
    a, b, g, more = sp.symbols("a b g more", positive=True)  # g: root of E v
    tangent = 1 / a - 1 / b + (a**2 - b**2) / (2 * b**3)
    steps = {
        "mean 1": chance * low + (1 - chance) * high == 1 == sum(spread) / 2,
        "Jensen": is_identity(tangent, (a - b) ** 2 * (a + 2 * b) / (2 * a * b**3)),
        "variance": variance == chance * low**2 + (1 - chance) * high**2 - 1,
        "less variance": variance < spread_variance == Fraction(9, 16) and round(float(variance), 4) == 0.0204,
        "more inflation": rare_step == 2 > spread_step == 1 + 1 / sp.sqrt(7),
        "shorter steps": is_nonnegative_form(1 / g - 1 / (g + more), more / (g * (g + more))),
    }
    return settle(
        claim_of(eq_66),
        steps,
        "an approximation for small spread; neither 'inflation' nor 'shrinkage' is monotone in the variance alone",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"small_variance": float(variance), "its_mean_step": float(rare_step)},
    )
