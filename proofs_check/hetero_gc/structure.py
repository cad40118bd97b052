"""The optimal structure for given bits: (P2), (c-SP2), Theorem 1 with its KKT conditions [Appendix B], and Lemma 2."""

from fractions import Fraction

import sympy as sp

from proofs_check.hetero_gc.error import ERROR, GIVEN, lemma_1_repaired
from proofs_check.hetero_gc.notation import (
    BOUNDED,
    HALF,
    INDEPENDENT,
    OPPOSED,
    OPTIMAL,
    SIGNED,
    UNBIASED,
    bound_by_rows,
    moments_by_patterns,
    utility,
)
from proofs_check.tools.smt import follows
from proofs_check.tools.symbolic import (
    is_bounded_product,
    is_identity,
    is_nonnegative_form,
    is_sum_of_squares,
    mean,
    settle,
)
from workbench.bounds import hetero_gc as bounds
from workbench.core.claims import Status, Verdict, claim, claim_of

STRUCTURED = (BOUNDED, UNBIASED, OPTIMAL, INDEPENDENT)
NOISY = ("p + ω > 0 for every worker",)


@claim("hetero_gc", "Eq. 13", eq=13)
def eq_13(*, absolute: bool = True) -> Verdict:
    """Prove that (P2) has the same optimum with |Σ_j a_ij| and Σ_j |a_ij|; only the latter bounds (P1)'s objective.

    Σ_j |a_ij| ≥ |Σ_j a_ij| row by row, and nonnegative weights, which attain the optimum, have equality.

    Parameters
    ----------
    absolute : the repaired objective; else the printed one, which Lemma 1's example undercuts
    """
    import z3

    a, b = z3.Reals("a b")
    rows = z3.Abs(a) + z3.Abs(b)
    _, error = moments_by_patterns(SIGNED, OPPOSED)
    bound = bound_by_rows(SIGNED, absolute=absolute)
    steps = {
        "(|a| + |b|)^2 >= (a + b)^2": follows(rows * rows >= (a + b) * (a + b)),
        "equal for nonnegative weights": follows(rows == a + b, a >= 0, b >= 0),
        "the objective bounds the error, which attains it": error == bound,
    }
    return settle(
        claim_of(eq_13),
        steps,
        "the same optimum and the same minimisers of one sign; (P2) as printed also has minimisers that Lemma 1 does "
        "not cover",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Eq. 16", eq=16)
def eq_16(*, product: int = 2) -> Verdict:
    """Show that (c-SP1) is not convex: neither the feasible set nor the objective, one worker, one part, p = 1/2.

    (v, w) = (1, 2) and (2, 1) have (1 − p) v w = 1, their midpoint has 9/8. The objective v²w²/4 is 0 at (0, 4) and
    (4, 0), and 4 between them.

    Parameters
    ----------
    product : v w that is unbiased
    """
    ends = [(sp.Integer(1), sp.Integer(2)), (sp.Integer(2), sp.Integer(1))]
    middle = [sum(each) / 2 for each in zip(*ends, strict=True)]

    chord = [(Fraction(0), Fraction(4)), (Fraction(4), Fraction(0))]
    centre = [sum(each) / 2 for each in zip(*chord, strict=True)]

    def objective(v: Fraction, w: Fraction) -> Fraction:
        return HALF * HALF * (v * w) ** 2  # (1 - p) p

    steps = {
        "both ends are unbiased": all(v * w == product for v, w in ends),
        "the midpoint is not": sp.prod(middle) != product and sp.prod(middle) / 2 == sp.Rational(9, 8),
        "the objective is above its chord": objective(*centre) == 4 > max(objective(*end) for end in chord) == 0,
    }
    return settle(claim_of(eq_16), steps, "not convex in (v, w), as said")


@claim("hetero_gc", "Eq. 18", eq=18)
def eq_18(*, back: int = 1) -> Verdict:
    """Prove that (c-SP2) is convex in a, and the same problem: every a is v_i w_ij for every v_i ≠ 0.

    The objective is a sum of positive multiples of squares of linear forms; its value at a midpoint is below the mean
    by a quarter of the square of the difference. It is not strictly convex: equal row sums have equal values.

    Parameters
    ----------
    back : the power of v_i in w_ij = a_ij/v_i
    """
    p, omega, spare = sp.symbols("p omega 1-p", nonnegative=True)
    r, r_too = sp.symbols("r1 r2", real=True)  # row sums of one worker in two designs
    a, v = sp.symbols("a v", real=True, nonzero=True)
    factor = spare * (p + omega)
    chord = factor * (r**2 + r_too**2) / 2 - factor * ((r + r_too) / 2) ** 2
    steps = {
        "convex": is_sum_of_squares(chord, {r - r_too: factor / 4}),
        "every a comes back": is_identity(v * (a / v**back), a),
        # Q(c f) = c Q(f): the noise scales with the message, so the error depends on a alone
        "variance of v Q(a/v g)": is_identity(v**2 * omega * (a / v**back) ** 2, omega * a**2),
    }
    return settle(claim_of(eq_18), steps, "convex, linear constraints; the minimiser is not unique for k ≥ 2")


@claim("hetero_gc", "Theorem 1", eq=20, assumes=NOISY)
def theorem_1(*, power: int = 1) -> Verdict:
    r"""Prove the optimal structure by Lagrange's identity, for every number of workers.

    The row masses y_i = (1 − p_i) Σ_j a_ij sum to k (sum (14) over the parts), and the objective is Σ y_i²/u_i.
    For every n, Σ y_i²/u_i · Σ u_i − (Σ y_i)² = Σ_{i<l} u_i u_l (y_i/u_i − y_l/u_l)².

    Parameters
    ----------
    power : the claimed optimal mass is proportional to this power of the utility
    """
    p, omega, k, total = sp.symbols("p omega k U", positive=True)
    u = utility(p, omega)
    y = k * u**power / total  # a worker's claimed mass
    row_sum = y / (1 - p)  # sum_j a_ij
    (y1, y2), (u1, u2) = sp.symbols("y1:3", real=True), sp.symbols("u1:3", positive=True)
    steps = {
        "the objective is the sum of y^2/u": is_identity((1 - p) * (p + omega) * row_sum**2, y**2 / u),
        # the ordered pairs (1, 2) and (2, 1) of the double sum; the pairs (i, i) vanish
        "Lagrange's identity, every pair": is_sum_of_squares(
            y1**2 / u1 * u2 + y2**2 / u2 * u1 - 2 * y1 * y2, {y1 / u1 - y2 / u2: u1 * u2}
        ),
        "Lagrange's identity, equal pairs": is_identity(y1**2 / u1 * u1 - y1 * y1, sp.Integer(0)),
        "all differences vanish there: y/u is the same for all": is_identity(y / u, k / total),
        "stationarity: (p + omega) sum_j a_ij is the same for all (45)": is_identity((p + omega) * row_sum, k / total),
        "attained without negative weights: a_ij = y_i/(k (1 - p_i)) gives columns sum y_i/k": is_identity(
            (1 - p) * (row_sum / k), y / k
        ),
    }
    return settle(
        claim_of(theorem_1),
        steps,
        "the masses are proportional to the utilities, and only they are optimal; the weights that carry them "
        "must be nonnegative for Lemma 1 to bound the error",
    )


@claim("hetero_gc", "Eq. 43", eq=43)
def eq_43(*, price: int = 2) -> Verdict:
    """Prove weak and strong duality: the dual function at λ_j = λ is kλ − Uλ²/4, and its maximum is k²/U.

    A worker's part of the Lagrangian, (1 − p)(p + ω) r² − λ (1 − p) r, has the minimum −λ² u/4 over its row sum r.

    Parameters
    ----------
    price : λ U/k at the maximum
    """
    u, lam, k, total = sp.symbols("u lambda k U", positive=True)
    y = sp.Symbol("y", real=True)  # (1 - p) r
    dual = k * lam - total * lam**2 / 4
    steps = {
        "each worker's minimum": is_sum_of_squares(y**2 / u - lam * y + lam**2 * u / 4, {y - lam * u / 2: 1 / u}),
        "the dual's maximum": is_sum_of_squares(k**2 / total - dual, {lam - price * k / total: total / 4}),
    }
    return settle(claim_of(eq_43), steps, "no duality gap; unequal multipliers have the dual value minus infinity")


@claim("hetero_gc", "Eq. 44", eq=44, assumes=NOISY)
def eq_44(*, prefactor: int = 2) -> Verdict:
    """Prove that stationarity of (43) is 2 (1 − p_i)(p_i + ω_i) Σ_j a_ij = λ_j (1 − p_i), and that it suffices.

    Sufficient, as the problem is convex and its constraints are linear: for any other design with the same row masses'
    sum the objective exceeds by Σ (y_i − y_i*)²/u_i.

    Parameters
    ----------
    prefactor : of the derivative
    """
    p, omega, u = sp.symbols("p omega u", positive=True)
    a, b, lam, other = sp.symbols("a b lambda1 lambda2", real=True)
    lagrangian = (1 - p) * (p + omega) * (a + b) ** 2 + lam * (1 - (1 - p) * a) + other * (1 - (1 - p) * b)
    y, best, half_price = sp.symbols("y y_star half", real=True)
    excess = (y**2 / u - best**2 / u).subs(best, half_price * u) - 2 * half_price * (y - half_price * u)
    steps = {
        "derivative": is_identity(sp.diff(lagrangian, a), prefactor * (1 - p) * (p + omega) * (a + b) - lam * (1 - p)),
        "all multipliers are equal": is_identity(
            sp.diff(lagrangian, a) - sp.diff(lagrangian, b), (1 - p) * (other - lam)
        ),
        # sum (y - y*) = 0 removes the second term
        "sufficient": is_sum_of_squares(excess, {y - half_price * u: 1 / u}),
    }
    return settle(claim_of(eq_44), steps, "necessary and sufficient; the row sum does not depend on the part")


@claim("hetero_gc", "Eq. 45", eq=45, assumes=NOISY)
def eq_45(*, half: int = 2) -> Verdict:
    """Prove that stationarity is Σ_j a_ij = λ/(2 (p_i + ω_i)), the same λ for all workers.

    Parameters
    ----------
    half : the 2
    """
    p, omega, lam, r = sp.symbols("p omega lambda r", positive=True)
    (solved,) = sp.solve(sp.Eq(2 * (1 - p) * (p + omega) * r, lam * (1 - p)), r)
    steps = {"solved for the row sum": is_identity(solved, lam / (half * (p + omega)))}
    return settle(claim_of(eq_45), steps, "1 − p > 0 cancels")


@claim("hetero_gc", "Eq. 46", eq=46, assumes=NOISY)
def eq_46(*, twice: int = 2) -> Verdict:
    """Prove λ = 2k/U from Σ_i (1 − p_i) Σ_j a_ij = k, the sum of (19) over the parts.

    Parameters
    ----------
    twice : the claimed λ U/k
    """
    p, omega, lam, k, total = sp.symbols("p omega lambda k U", positive=True)
    mass = (1 - p) * lam / (2 * (p + omega))
    (solved,) = sp.solve(sp.Eq(lam * total / 2, k), lam)
    steps = {
        "a worker's mass is λ u/2": is_identity(mass, lam * utility(p, omega) / 2),
        "their sum λ U/2 is k": is_identity(solved, twice * k / total),
    }
    return settle(claim_of(eq_46), steps, "by primal feasibility")


@claim("hetero_gc", "Eq. 47", eq=47, assumes=NOISY)
def eq_47(*, power: int = 1) -> Verdict:
    """Prove Σ_j a_ij = k/((p_i + ω_i) U) from (45) and (46).

    Parameters
    ----------
    power : of U
    """
    p, omega, lam, k, total = sp.symbols("p omega lambda k U", positive=True)
    row = (lam / (2 * (p + omega))).subs(lam, 2 * k / total)
    steps = {"substituted": is_identity(row, k / ((p + omega) * total**power))}
    return settle(claim_of(eq_47), steps, "as printed")


@claim("hetero_gc", "Eq. 48", eq=48, assumes=NOISY)
def eq_48(*, columns: int = 1) -> Verdict:
    """Prove that both conditions can be met at once for every k, and that they fix the optimum k²/U.

    a_ij = 1/((p_i + ω_i) U) for all j has the row sums, and the column sums Σ_i u_i/U = 1.

    Parameters
    ----------
    columns : the column sums
    """
    p, omega, k, total = sp.symbols("p omega k U", positive=True)
    dense = 1 / ((p + omega) * total)
    steps = {
        "row sums": is_identity(k * dense, k / ((p + omega) * total)),
        # summed over the workers, u/U has the sum 1
        "column sums": is_identity((1 - p) * dense, columns * utility(p, omega) / total),
        "optimum: shares k^2 u/U^2": is_identity(
            (1 - p) * (p + omega) * (k * dense) ** 2, k**2 * utility(p, omega) / total**2
        ),
        "Theorem 1": theorem_1().status is Status.PROVED,
    }
    return settle(claim_of(eq_48), steps, "feasible, and all such designs have the same objective")


@claim("hetero_gc", "Lemma 2", eq=21, assumes=GIVEN)
def lemma_2(*, gradients: tuple[int, int] = OPPOSED) -> Verdict:
    """Refute the bound for any weights of the optimal structure: the signed example has its row sums, and 8 > 2.

    p = 1/2, ω = 0, k = 2: u = 1, U = 2, row sums k/((p + ω) U) = 2, C k²/U = 2.

    Parameters
    ----------
    gradients : of the two parts, at most 1 in size
    """
    k = len(gradients)
    total = 2 * (1 - HALF) / HALF  # U
    room = float(bounds.lemma_2(k, float(total), 1.0).value)
    _, error = moments_by_patterns(SIGNED, gradients)
    steps = {
        "unbiased": all(HALF * (a + b) == 1 for a, b in zip(*SIGNED, strict=True)),
        "of the optimal structure": all(sum(row) == k / (HALF * total) for row in SIGNED),
        "error above the bound": error == ERROR > room == k**2 / total,
    }
    return settle(
        claim_of(lemma_2),
        steps,
        "row sums alone do not determine the error of signed weights; true where they are nonnegative",
        status=Status.REFUTED,
        evidence={"error": float(error), "printed_bound": room},
    )


@claim("hetero_gc", "Lemma 2 repaired", eq=21, assumes=STRUCTURED)
def lemma_2_repaired(*, constant: int = 1) -> Verdict:
    """Prove the error C k²/U and the second moment C k²(1 + 1/U) of any optimal structure with a_ij ≥ 0.

    Parameters
    ----------
    constant : the claimed multiple of k²/U
    """
    p, omega, k, total, c = sp.symbols("p omega k U C", positive=True)
    row_sum = k / ((p + omega) * total)  # Theorem 1
    g, h, z = sp.symbols("g h z", real=True)
    error = sp.symbols("V", nonnegative=True)
    steps = {
        "Lemma 1": lemma_1_repaired().status is Status.PROVED,
        # summed over workers, sum u_i = U turns the right side into constant k^2/U
        "each worker's share is k^2 u/U^2": is_identity(
            (1 - p) * (p + omega) * row_sum**2, constant * k**2 * utility(p, omega) / total**2
        ),
        "second moment = squared mean + error, for an unbiased estimate": is_identity(
            mean((g + z) ** 2, {z: (sp.Integer(0), error)}), g**2 + error
        ),
        # ||g||^2 = sum over the k^2 ordered pairs of <g_j, g_l>, each at most C
        "||g||^2 <= k^2 C": is_bounded_product(c, g, h),
        "they add up": is_identity(c * k**2 + constant * c * k**2 / total, c * k**2 * (1 + 1 / total)),
    }
    return settle(claim_of(lemma_2_repaired), steps, "equal gradients attain both, whose worst quantization does too")


@claim("hetero_gc", "Eq. 49", eq=49, assumes=STRUCTURED)
def eq_49(*, power: int = 1) -> Verdict:
    """Prove Σ (1 − p)(p + ω)(k/((p + ω)U))² = (k²/U²) Σ u = k²/U.

    Parameters
    ----------
    power : of U in the result
    """
    p, omega, k, total = sp.symbols("p omega k U", positive=True)
    share = (1 - p) * (p + omega) * (k / ((p + omega) * total)) ** 2
    steps = {
        "share": is_identity(share, (k / total) ** 2 * utility(p, omega)),
        "sum": is_identity((k / total) ** 2 * total, k**2 / total**power),
    }
    return settle(
        claim_of(eq_49),
        steps,
        "the sums are right; the first inequality is Lemma 1, which needs weights of one sign",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Eq. 50", eq=50, assumes=STRUCTURED)
def eq_50(*, squared: int = 2) -> Verdict:
    """Prove C k² + C k²/U, and show that signed weights break it: E ĝ² = 8 + 0 against 4 (1 + 1/2) = 6.

    Parameters
    ----------
    squared : the exponent of k in ‖g‖² ≤ C k^squared
    """
    c, k, total = sp.symbols("C k U", positive=True)
    mean_estimate, error = moments_by_patterns(SIGNED, OPPOSED)
    steps = {
        "Lemma 2": lemma_2_repaired().status is Status.PROVED,
        "sum": is_identity(c * k**squared + c * k**2 / total, c * k**2 * (1 + 1 / total)),
        "signed weights": mean_estimate == 0 and error == ERROR > 2**squared * (1 + HALF) == 6,
    }
    return settle(claim_of(eq_50), steps, "true for nonnegative weights only", status=Status.HOLDS_WITH_ERRATUM)


@claim("hetero_gc", "Eq. 33", eq=33)
def eq_33(*, scale: int = 1) -> Verdict:
    """Prove that γ = p̄/ω̄ makes the mean of γω equal to p̄, and that the design for γω never has a smaller true error.

    Masses y' of other utilities have Σ y'²/u ≥ k²/U by Lagrange's identity.

    Parameters
    ----------
    scale : the multiple of p̄/ω̄
    """
    mean_prob, mean_omega = sp.symbols("p_bar omega_bar", positive=True)
    y1, y2 = sp.symbols("y1:3", real=True)
    u1, u2, spare = sp.symbols("u1 u2 spare", positive=True)
    steps = {
        "balanced": is_identity(scale * mean_prob / mean_omega * mean_omega, mean_prob),
        "true objective, every pair": is_sum_of_squares(
            y1**2 / u1 * u2 + y2**2 / u2 * u1 - 2 * y1 * y2, {y1 / u1 - y2 / u2: u1 * u2}
        ),
        # utilities in the proportion 1:1 where the true ones have 1:(1 + spare)
        "strictly larger for other proportions": is_nonnegative_form(
            sp.factor((1 + 1 / (1 + spare)) * (2 + spare) - 4), spare**2 / (1 + spare)
        ),
    }
    return settle(
        claim_of(eq_33), steps, "a change of the objective: whatever it gains, it is not the bound on the error"
    )
