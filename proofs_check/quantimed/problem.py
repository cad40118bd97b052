"""Section 2 and Assumptions 3 to 5: what is minimised, and what is assumed of the losses."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from proofs_check.quantimed.notation import ONE
from proofs_check.tools.symbolic import combines, is_identity, mean, settle
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of
from workbench.core.types import Regularity
from workbench.problems.quadratic import Quadratic
from workbench.schemes.decentralized_round import FixedBatch, LocalGradients


@claim("quantimed", "Eq. 1", eq=1)
def eq_1(*, slope: int = 1) -> Verdict:
    """Show that (1) may have no minimiser even where ℓ is convex and smooth: ℓ = √(1 + x²) − x.

    On x = sinh-like points x = (r − 1/r)/2, r > 0, √(1 + x²) = (r + 1/r)/2: ℓ = 1/r falls to 0 and never gets there.

    Parameters
    ----------
    slope : of the linear term
    """
    r = sp.symbols("r", positive=True)
    x, root = (r - 1 / r) / 2, (r + 1 / r) / 2
    z = sp.symbols("x", real=True)
    curvature = sp.diff(sp.sqrt(1 + z**2) - z, z, 2)
    steps = {
        "r gives x and its root": is_identity(root**2, 1 + x**2),
        "ℓ = 1/r": is_identity(root - slope * x, 1 / r),
        "r reaches every x": sp.limit(x, r, 0, "+") == -sp.oo and sp.limit(x, r, sp.oo) == sp.oo,
        "convex": is_identity(curvature * sp.sqrt(1 + z**2) ** 3, ONE),
        # ℓ'' = (1 + x²)^(−3/2) = 8/(r + 1/r)³ ≤ 1, for r + 1/r ≥ 2
        "1-smooth": is_identity(r + 1 / r - 2, (r - 1) ** 2 / r),
    }
    return settle(claim_of(eq_1), steps, "min is inf until strong convexity comes in", status=Status.HOLDS_WITH_ERRATUM)


@claim("quantimed", "Eq. 2", eq=2)
def eq_2(*, power: int = 1) -> Verdict:
    r"""Prove that L_N is unbiased for L at every fixed x, with the variance of ℓ over N.

    Sums by one more term: of N independent samples, each with mean L and variance v.

    Parameters
    ----------
    power : of 1/N in the variance
    """
    n = sp.symbols("N", positive=True)
    so_far, last, loss, v = sp.symbols("so_far last L v", real=True)
    moments = {so_far: ((n * loss), n * v + n**2 * loss**2), last: (loss, v + loss**2)}
    total = mean(so_far + last, moments)
    spread = mean((so_far + last) ** 2, moments) - total**2
    steps = {
        "mean of N + 1 terms": is_identity(total / (n + 1), loss),
        "variance of their mean": is_identity(spread / (n + 1) ** 2, v / (n + 1) ** power),
    }
    return settle(claim_of(eq_2), steps, "so that √N is the scale of the gap at a fixed x")


@claim("quantimed", "Eq. 4", eq=4)
def eq_4(*, parts: int = 2) -> Verdict:
    """Prove that f is L_N, the parts being equally large, and that our schemes step along these f_i.

    Ours is F = Σ of part losses; worker i's gradient is that of f_i = W times its part loss, so that their mean is F's.

    Parameters
    ----------
    parts : the multiple of a part's gradient
    """
    a, b, c, d = sp.symbols("a b c d", real=True)
    problem: Any = Quadratic(np.array([[[2.0]], [[6.0]]]), np.array([[1.0], [3.0]]), Regularity())
    x = np.full((1, 2, 1), 4.0)  # (R, W, D)
    local = LocalGradients(problem, FixedBatch(None), 1).at(x, None)[0]  # (W, D)
    steps = {
        "equal parts": is_identity(((a + b) / 2 + (c + d) / 2) / 2, (a + b + c + d) / 4),
        "unequal parts: not so": is_identity((a + (b + c) / 2) / 2 - (a + b + c) / 3, (2 * a - b - c) / 12),
        "gradients of f_i": local.tolist() == [[parts * 6.0], [parts * 6.0]],
        "their mean is that of F": float(local.mean()) == float(problem.part_grads(x.mean(axis=1)).sum()),
    }
    return settle(claim_of(eq_4), steps, "f = L_N needs the same m everywhere, as the paper has it")


@claim("quantimed", "Eq. 5", eq=5)
def eq_5(*, sign: int = -1) -> Verdict:
    """Prove that agreement along the edges of a connected graph is agreement of all, where (5) is (4).

    Parameters
    ----------
    sign : of x_j in the constraint of an edge
    """
    x, y, z = sp.symbols("x y z", real=True)
    along = [x + sign * y, y + sign * z]  # a path: what holds for two edges holds for any
    common = sp.solve(along, [x, y], dict=True)
    steps = {"all alike": common == [{x: z, y: z}]}
    return settle(claim_of(eq_5), steps, "the graph must be connected, as the paper has it")


@claim("quantimed", "Assumption 3")
def assumption_3(*, mean_of: int = 2) -> Verdict:
    """Prove that the means f_i and f of K-smooth losses are K-smooth, so that one K does for all.

    ‖(a + b)/2‖ ≤ K for ‖a‖, ‖b‖ ≤ K: squares of two gradient differences, K² = aa + slack; and so on by weights.

    Parameters
    ----------
    mean_of : how many differences are averaged
    """
    half = sp.Rational(1, 2)
    aa, bb, ab, k2 = sp.symbols("aa bb ab K2", real=True)
    square = (aa + 2 * ab + bb) / sp.Integer(mean_of) ** 2
    steps = {"their mean": combines(k2 - square, {k2 - aa: half, k2 - bb: half, aa - 2 * ab + bb: sp.Rational(1, 4)})}
    return settle(claim_of(assumption_3), steps, "the hat on ℓ has no meaning here")


@claim("quantimed", "Assumption 4")
def assumption_4(*, other: int = 2) -> Verdict:
    """Show that Assumption 4 holds for ℓ = ½‖x − θ‖² and excludes least squares ℓ = ½(ax − b)².

    a = 1 or 2, each with probability ½, b = 0: ∇ℓ = a²x has the variance 9x²/4, more than any γ² at x = 1 + γ.

    Parameters
    ----------
    other : the second a
    """
    x, theta, centre, v = sp.symbols("x theta c v", real=True)
    gamma = sp.symbols("gamma", nonnegative=True)
    values = [x, other**2 * x]
    average = sum(values) / 2
    variance = sp.expand(sum((value - average) ** 2 for value in values) / 2)
    location = mean((x - theta - (x - centre)) ** 2, {theta: (centre, v + centre**2)})
    steps = {
        "location family: the same variance everywhere": is_identity(location, v),
        "least squares: it grows": is_identity(variance, sp.Rational(9, 4) * x**2),
        "beyond every γ²": combines(
            variance.subs(x, 1 + gamma) - gamma**2, {gamma**2: ONE * 5 / 4, gamma: ONE * 9 / 2, ONE: ONE * 9 / 4}
        ),
    }
    return settle(
        claim_of(assumption_4),
        steps,
        "what the proofs use is a bounded variance along the iterates",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Local gradients")
def local_gradients(*, size: int = 2) -> Verdict:
    r"""Show that ∇f_i is unbiased for ∇L with variance γ²/m over the data at a fixed x, and not given the data.

    ℓ = ½(x − θ)², θ = ±1 with equal chances: γ² = 1. D_1 = {1, 1} and D_2 = {−1, −1}, m = 2: ‖∇f_i − ∇f‖² = 1 > γ²/m
    at every x, in every round.

    Parameters
    ----------
    size : m of the example
    """
    values = [Fraction(1), Fraction(-1)]
    gamma_sq = sum(theta**2 for theta in values) / 2
    samples = [[theta] * size for theta in values]
    apart = [(sum(part) / len(part)) ** 2 for part in samples]  # the mean of all data is 0
    steps = {
        "over the data": eq_2().status is Status.PROVED,  # m samples in place of N
        "E θ = 0, γ² = 1": sum(values) == 0 and gamma_sq == 1,
        "given the data": apart == [1, 1] and gamma_sq / size == Fraction(1, 2) < min(apart),
    }
    return settle(
        claim_of(local_gradients),
        steps,
        "(10) and (11) use γ²/m for how much the local gradients disagree in a run, which has its data: there it is no "
        "bound; nor is it one over the data at models that have seen them",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Local gradients repaired")
def local_gradients_repaired(*, less: int = 1) -> Verdict:
    r"""Prove E (1/W) Σ ‖∇f_i − ∇f‖² = (1 − 1/W) v/m over the data at a fixed x, v ≤ γ² the variance of ∇ℓ there.

    Σ(g_i − ḡ)² = Σ g_i² − Wḡ², E g_i² = L² + v/m, E ḡ² = L² + v/(Wm).

    Parameters
    ----------
    less : what is taken off W
    """
    w, m, v, slope = sp.symbols("W m v slope", positive=True)
    squares, of_mean = w * (slope**2 + v / m), slope**2 + v / (w * m)
    steps = {
        "over the data": is_identity((squares - w * of_mean) / w, (w - less) / w * v / m),
    }
    return settle(
        claim_of(local_gradients_repaired),
        steps,
        "γ²/m stands for the disagreement ζ² on average over data the iterates have not seen; the theorems need ζ²",
    )


@claim("quantimed", "Assumption 5")
def assumption_5(*, sign: int = 1) -> Verdict:
    """Prove that Assumptions 3 and 5 give μ ≤ K, and ‖g‖ ≥ μ‖e‖ for the difference of gradients g at e.

    Parameters
    ----------
    sign : of the term with <g, e>
    """
    ee, ge, gg, mu = sp.symbols("ee ge gg mu", real=True)
    rate = sp.symbols("mu_", nonnegative=True)
    steps = {
        # ‖g − μe‖² ≥ 0 and <g, e> ≥ μ‖e‖²
        "‖g‖² ≥ μ²‖e‖²": combines(
            (gg - mu**2 * ee).subs(mu, rate),
            {(gg - 2 * mu * ge + mu**2 * ee).subs(mu, rate): ONE, (ge - mu * ee).subs(mu, rate): 2 * sign * rate},
        )
    }
    return settle(claim_of(assumption_5), steps, "with ‖g‖ ≤ K‖e‖: μ ≤ K")


@claim("quantimed", "Section 2 accuracy")
def section_2_accuracy(*, root: int = 2) -> Verdict:
    r"""Show what the rates of Theorem 2 are in the units of Section 2, which asks for ‖∇f‖ ≤ ρ and not its square.

    ‖∇f‖² of the order of T^(−1/3) is ‖∇f‖ of T^(−1/6): ρ takes ρ^(−6) rounds, and 1/√(mn) takes (mn)³.

    Parameters
    ----------
    root : the power of the norm that Theorem 2 bounds
    """
    power = Fraction(1, 3) / root
    steps = {"norm": power == Fraction(1, 6), "rounds to 1/√N": Fraction(1, 2) / power == 3}
    return settle(
        claim_of(section_2_accuracy),
        steps,
        "T^(−1/3) and ν^(−3) are about squared gradients",
        status=Status.HOLDS_WITH_ERRATUM,
        grade=Grade.PROVED,
        evidence={"rounds_of_section_5": float((200 * 50) ** 3)},
    )


@claim("quantimed", "Section 2 population risk")
def section_2_population_risk(*, twice: int = 2) -> Verdict:
    r"""Show that sup_x |L(x) − L_N(x)| over all x is infinite for ℓ = ½(x − θ)², and what its role is otherwise.

    θ = ±1 with equal chances, N odd: L − L_N = x θ̄ with θ̄ ≠ 0. Where the sup is u, over x_i and x*: L(x_i) − L(x*) ≤
    L_N(x_i) − min L_N + 2u; and for every norm ‖∇L(x)‖ ≤ ‖∇L_N(x)‖ + u' in the same way.

    Parameters
    ----------
    twice : how often u enters
    """
    x, theta = sp.symbols("x theta", positive=True)  # θ̄ > 0; for θ̄ < 0 turn the axis round
    here, there, ours, best, at, u = sp.symbols("L_x L_opt LN_x LN_min LN_opt u", real=True)
    gap = (x**2 + 1) / 2 - ((x**2 + 1) / 2 - x * theta)  # θ² = 1, the data's mean is θ̄
    sums = {sum(signs) for signs in product((1, -1), repeat=3)}
    steps = {
        "L − L_N": is_identity(gap, x * theta),
        "no bound": sp.limit(sp.expand(gap), x, sp.oo) == sp.oo,
        "θ̄ ≠ 0, N = 3": sums == {-3, -1, 1, 3},
        "what follows": combines(
            (ours - best + twice * u) - (here - there), {u - (here - ours): ONE, u - (at - there): ONE, at - best: ONE}
        ),
    }
    return settle(
        claim_of(section_2_population_risk),
        steps,
        "cited, and true on bounded sets; gradients of this ℓ differ by θ̄ everywhere",
        status=Status.HOLDS_WITH_ERRATUM,
    )
