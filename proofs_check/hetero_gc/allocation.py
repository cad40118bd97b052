"""The allocation of bits: (b-SP1), Proposition 1 [Appendix D], Lemma 3 [Appendix E], and the shape of the utility."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from random import Random

import sympy as sp

from proofs_check.hetero_gc.notation import utility
from proofs_check.hetero_gc.structure import theorem_1
from proofs_check.tools.smt import follows
from proofs_check.tools.symbolic import is_identity, is_nonnegative, is_nonnegative_form, settle
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.quantizers.stochastic_levels import MAX_BITS, MIN_BITS

Utility = Callable[[int, int], Fraction]  # of a worker and its bits
Budget = tuple[tuple[Fraction, ...], int, int]  # straggle probabilities, dimension, budget

TRAPPED: Budget = (tuple(Fraction(p, 20) for p in (1, 2, 3, 4)), 5_000_000, 48)
MOST = MAX_BITS - MIN_BITS  # x


@claim("hetero_gc", "Eq. 23", eq=23)
def eq_23(*, least: int = 2) -> Verdict:
    """Prove that x_i = b_i − 2, Σ x_i = B − 2n is the same problem, and that spending the whole budget loses nothing.

    ω = d/(4s²) falls as s grows, and u = (1 − p)/(p + ω) rises as ω falls.

    Parameters
    ----------
    least : bits that everyone gets
    """
    p, d, s, more, spare, omega, budget, n = sp.symbols("p d s more spare omega B n", positive=True)
    bits, extra = sp.symbols("b x", nonnegative=True)

    def u(noise: sp.Expr) -> sp.Expr:
        return spare / (p + noise)  # spare = 1 - p

    steps = {
        # a worker's part of both sums: b = B/n where x = b - 2
        "the budgets agree": is_identity((bits - 2).subs(bits, budget / n) * n, budget - least * n),
        "b >= 2 iff x >= 0": is_identity((2 + extra) - least, extra),
        "omega falls": is_nonnegative_form(
            d / (4 * s**2) - d / (4 * (s + more) ** 2), d * more * (2 * s + more) / (4 * s**2 * (s + more) ** 2)
        ),
        "u rises": is_nonnegative_form(u(omega) - u(omega + more), spare * more / ((p + omega) * (p + omega + more))),
    }
    return settle(claim_of(eq_23), steps, "with = or with ≤, as long as no worker's bits are capped")


@claim("hetero_gc", "Proposition 1")
def proposition_1(*, decreasing: int = 1) -> Verdict:
    """Prove that maximising U(b) solves (P2): partial minimisation, and k²/U decreases in U.

    Parameters
    ----------
    decreasing : the power of 1/U in the inner optimum
    """
    k, c, less, more, excess = sp.symbols("k C U d e", positive=True)

    def inner(total: sp.Expr) -> sp.Expr:
        return c * k**2 / total**decreasing

    inner_optimum = theorem_1().status is Status.PROVED
    steps = {
        "inner optimum C k^2/U (Theorem 1)": inner_optimum and is_identity(inner(less), c * k**2 / less),
        "a larger U gives a smaller optimum": is_nonnegative(inner(less) - inner(less + more)),
        # any (a, b) has objective inner(U(b)) + e, e >= 0, and U(b) = max U - d
        "no joint choice beats the largest U": is_nonnegative(inner(less) + excess - inner(less + more)),
    }
    return settle(
        claim_of(proposition_1),
        steps,
        "the constraints of the bits and of the weights are separate and the bit allocations are finitely many, "
        "so the maximum of U exists and is the joint optimum of (P2), a bound; not of (P1), whose quantizers err less",
    )


@claim("hetero_gc", "Eq. 51", eq=51)
def eq_51(*, shift: int = 2) -> Verdict:
    """Prove that (51) is (13) with b = x + 2, s = 2^(x+1) − 1.

    Parameters
    ----------
    shift : b − x
    """
    x = sp.symbols("x", positive=True)
    b = x + shift
    steps = {
        "levels": is_identity(sp.expand(2 ** (b - 1) - 1), sp.expand(2 ** (x + 1) - 1)),
        "x = 0 has one level": (2 ** (x + 1) - 1).subs(x, 0) == 1,
    }
    return settle(claim_of(eq_51), steps, "the same objective")


@claim("hetero_gc", "Eq. 52", eq=52)
def eq_52(*, least: bool = True) -> Verdict:
    """Prove min over pairs = min of minima: m ≤ m(x) ≤ f(a, x) for all, and both are attained.

    Parameters
    ----------
    least : else the inner minimum is taken for a maximum
    """
    import z3

    joint, inner, outer, at_best = z3.Reals("joint inner outer at_best")
    below = inner <= joint if least else z3.Not(inner < joint)
    steps = {
        "nested is a lower bound": follows(outer <= joint, outer <= inner, below),
        # the nested minimum is the value of a pair
        "and attained": follows(at_best >= outer, at_best == inner, outer <= inner),
    }
    return settle(claim_of(eq_52), steps, "the feasible set is a product; minima exist, as the bits are finitely many")


@claim("hetero_gc", "Eq. 53", eq=53)
def eq_53(*, power: int = 1) -> Verdict:
    """Prove that the inner optimum is k²/U(x) (times C), by Theorem 1: Σ y²/u = k²/U at y = k u/U.

    Parameters
    ----------
    power : of U
    """
    k, u, total = sp.symbols("k u U", positive=True)
    share = (k * u / total) ** 2 / u
    steps = {
        "Theorem 1": theorem_1().status is Status.PROVED,
        # summed over the workers, u becomes U
        "shares": is_identity(share / u * total, k**2 / total**power),
    }
    return settle(claim_of(eq_53), steps, "as printed")


@claim("hetero_gc", "Eq. 54", eq=54)
def eq_54(*, sign: int = 1) -> Verdict:
    """Prove that k²/U is least where U is largest: 1/U falls strictly.

    Parameters
    ----------
    sign : of the difference
    """
    total, more, k = sp.symbols("U more k", positive=True)
    gap = sign * (k**2 / total - k**2 / (total + more))
    steps = {"strictly decreasing": is_identity(gap, k**2 * more / (total * (total + more)))}
    return settle(claim_of(eq_54), steps, "the same maximisers")


@claim("hetero_gc", "Lemma 3", eq=25)
def lemma_3(*, first: int = 0) -> Verdict:
    """Prove the recurrence (25) by induction, and compare it, as printed, with all allocations of small instances.

    Step: an allocation of r among i workers gives x to the last and at most V_{i−1}(r − x) to the others, so V_i(r) is
    an upper bound; the maximising x and an optimal allocation of the rest attain it. The utilities are arbitrary
    rationals, not only the paper's. With x ≤ 30 in (25), budgets above 30n have no value at all.

    Parameters
    ----------
    first : the least x that the recurrence tries
    """
    import z3

    others, before, last, value, optimum = z3.Reals("others before last value optimum")
    instances = 0
    agree = True
    for n_workers, residual in product(range(1, 5), range(8)):
        for u in (_arbitrary_utility, paper_utility):
            by_recurrence = bellman(u, n_workers, residual, first=first)
            by_hand = max(
                sum(u(i, 2 + x) for i, x in enumerate(split))
                for split in product(range(residual + 1), repeat=n_workers)
                if sum(split) == residual
            )
            agree &= by_recurrence == by_hand
            instances += 1
    steps = {
        "base: one worker gets all": all(
            bellman(_arbitrary_utility, 1, r, first=first) == _arbitrary_utility(0, 2 + r) for r in range(8)
        ),
        "step: an upper bound": follows(others + last <= value, others <= before, value >= before + last),
        "step: attained": follows(optimum >= value, value == before + last, others == before, optimum >= others + last),
        "recurrence = enumeration": agree,
        "capped at 30 each, 30 is the largest budget of one": [
            bellman(paper_utility, 1, r, cap=MOST) is None for r in range(34)
        ]
        == [r > 30 for r in range(34)],
    }
    return settle(
        claim_of(lemma_3),
        steps,
        f"also exact on {instances} instances, in rationals; capped at 32 bits, the equality sum b = B must become <=",
        evidence={"instances": float(instances)},
    )


@claim("hetero_gc", "Eq. 55", eq=55)
def eq_55(*, exact: bool = True) -> Verdict:
    """Show why V_0(r) must be −∞ for r > 0 in (55): with 0 there, (25) gives the best use of at most r.

    For utilities that rise in the bits both are the same; with u(2) = 1 and u(3) = 0 they are not: 0 against 1.

    Parameters
    ----------
    exact : the boundary condition as printed
    """

    def falling(worker: int, bits: int) -> Fraction:
        return Fraction(int(bits == 2))

    found, at_most = bellman(falling, 1, 1, exact=exact), bellman(falling, 1, 1, exact=False)
    steps = {
        "the whole budget is spent": found == 0,
        "with 0 it is not": at_most == 1,
        "rising utilities do not care": all(
            bellman(paper_utility, n, r) == bellman(paper_utility, n, r, exact=False)
            for n in range(1, 4)
            for r in range(6)
        ),
    }
    return settle(claim_of(eq_55), steps, "as printed, for the equality in (24)")


@claim("hetero_gc", "Eq. 56", eq=56)
def eq_56(*, weight: int = 1) -> Verdict:
    """Prove that the others' share is an optimum of its own: improving it would improve the whole.

    Parameters
    ----------
    weight : of the others' utility in the whole
    """
    others, more, last = sp.symbols("others more last", positive=True)
    improved = weight * (others + more) + last
    steps = {"separable": is_identity(improved - (others + last), more)}
    return settle(claim_of(eq_56), steps, "the utility is a sum, the budget is one linear constraint")


@claim("hetero_gc", "Eq. 57", eq=57)
def eq_57(*, beyond: int = 1) -> Verdict:
    """Prove that x from 0 to r leaves no allocation out: every allocation of r has exactly one last share x in 0..r.

    Parameters
    ----------
    beyond : the least x that is not tried is r + beyond
    """
    covered = all(
        sorted((*front, x) for x in range(r + beyond) for front in _compositions(i - 1, r - x)) == _compositions(i, r)
        for i in range(1, 4)
        for r in range(6)
    )
    r, x = sp.symbols("r x", integer=True, positive=True)
    counted = sp.summation(r - x + 1, (x, 0, r + beyond - 1))  # two others share r - x in r - x + 1 ways
    steps = {
        "all allocations": covered,
        "counted, two and one": is_identity(sp.expand(counted), sp.expand((r + 1) * (r + 2) / 2)),
        "no x in vain": all(max(x for x in range(9) if _compositions(1, r - x)) == r + beyond - 1 for r in range(6)),
        "Lemma 3": lemma_3().status is Status.PROVED,
    }
    return settle(claim_of(eq_57), steps, "as printed")


@claim("hetero_gc", "Complexity of the dynamic program")
def complexity_of_the_dynamic_program(*, per_state: int = 1) -> Verdict:
    """Prove n(R + 1)(R + 2)/2 sums for R = B − 2n; with x ≤ 30, as 32 bits are full precision, n(31(R + 1) − 465).

    At n = 50 and B = 400, R = 300: 2 272 550 against 443 300.

    Parameters
    ----------
    per_state : sums for each (i, r, x)
    """
    n, total, r = sp.symbols("n R r", integer=True, positive=True)
    count = per_state * n * sp.summation(r + 1, (r, 0, total))
    # r below 30 has r + 1 sums, every other one 31
    capped = per_state * n * (31 * (total + 1) - sp.summation(30 - r, (r, 0, 29)))
    here: dict[sp.Expr, sp.Expr] = {n: sp.Integer(50), total: sp.Integer(400 - 2 * 50)}
    printed_sums = 50 * sum(r + 1 for r in range(301))
    capped_sums = 50 * sum(min(r, MOST) + 1 for r in range(301))
    steps = {
        "sum": is_identity(sp.expand(count), sp.expand(n * (total + 1) * (total + 2) / 2)),
        "at n = 50, B = 400": printed_sums == 2_272_550 == count.subs(here),
        "capped": capped_sums == 443_300 == capped.subs(here),
    }
    return settle(
        claim_of(complexity_of_the_dynamic_program),
        steps,
        "quadratic in the budget as printed; linear once no worker gets more than 32 bits, so nowhere prohibitive",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Monotone in p")
def monotone_in_p(*, offset: int = 1) -> Verdict:
    """Prove ∂u/∂p = −(1 + ω)/(p + ω)² < 0.

    Parameters
    ----------
    offset : the 1 in 1 + ω
    """
    p, omega = sp.symbols("p omega", positive=True)
    slope = sp.diff(utility(p, omega), p)
    steps = {
        "derivative": is_identity(slope, -(offset + omega) / (p + omega) ** 2),
        "negative": is_nonnegative(sp.factor(-slope)),
    }
    return settle(claim_of(monotone_in_p), steps, "as printed")


@claim("hetero_gc", "Top m")
def top_m(*, swapped: int = 1) -> Verdict:
    """Prove that some optimum gives more reliable workers no fewer bits; ∂u/∂p < 0 does not imply it.

    For p ≤ p' and ω ≤ ω', u(p, ω) + u(p', ω') ≥ u(p, ω') + u(p', ω), as ∂²u/∂p∂ω = (2 + ω − p)/(p + ω)³ > 0.
    Of utilities that fall in p: 10 and 11 for few and many bits at p, 0 and 5 at p', favour p' by 15 to 11.

    Parameters
    ----------
    swapped : 1 exchanges the bits, 0 does not
    """
    low, e, c, h = sp.symbols("low e c h", nonnegative=True)  # low: p + ω, many bits; few have ω + h
    w, p = sp.symbols("w p", positive=True)
    at_few, at_many = (10, 0), (11, 5)  # u at p and at p'
    # p' = p + e, 1 - p' = c: 1 - p = e + c
    high = low + h
    gain = (e + c) / low + c / (high + e) - swapped * ((e + c) / high + c / (low + e))
    steps = {
        "exchange": is_nonnegative_form(
            gain, h * e / (low * high) + c * h * e * (low + high + e) / (low * high * (low + e) * (high + e))
        ),
        "mixed derivative": is_identity(sp.diff(utility(p, w), p, w), (2 + w - p) / (p + w) ** 3),
        "the slope alone does not decide: falling in p": all(u > u_other for u, u_other in (at_few, at_many)),
        "but better reversed": at_few[0] + at_many[1] == 15 > 11 == at_many[0] + at_few[1],
    }
    return settle(
        claim_of(top_m),
        steps,
        "the conclusion holds by the mixed derivative, not by the reason given",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Sigmoidal utility", assumes=("p > 0", "ω = d/(4s²)"))
def sigmoidal_utility(*, last: int = 1) -> Verdict:
    """Prove that u is first convex, then concave in real b, with one inflection at most in b ≥ 2.

    With s = 2^(b−1) − 1, c = d/4 and θ = d/db: u = (1 − p)s²/(p s² + c) and θ²u has the sign of
    −2p s³ − 3p s² + 2c s + c, whose coefficients change sign once. At s = 1 it is 3c − 5p: for d ≤ 20p/3 there is no
    convex part; for p = 0 no concave one.

    Parameters
    ----------
    last : the constant term's multiple of c
    """
    p, c, s = sp.symbols("p c s", positive=True)
    y = sp.Symbol("y", positive=True)  # 2^(b - 1) = s + 1; d/db = ln 2 y d/dy

    def rate(function: sp.Expr) -> sp.Expr:
        return y * sp.diff(function, y)

    curve = (y - 1) ** 2 / (p * (y - 1) ** 2 + c)
    bracket = -2 * p * s**3 - 3 * p * s**2 + 2 * c * s + last * c
    curvature = rate(rate(curve)).subs(y, s + 1)
    signs = [int(sp.sign(each)) for each in sp.Poly(bracket, s).all_coeffs()]
    steps = {
        "curvature": is_identity(curvature, 2 * c * (s + 1) * bracket / (p * s**2 + c) ** 3),
        "one change of sign": signs == [-1, -1, 1, 1],
        "at two bits": is_identity(bracket.subs(s, 1), 3 * c - 5 * p),
        "no straggling: convex throughout": is_nonnegative(sp.factor(curvature.subs(p, 0))),
    }
    return settle(claim_of(sigmoidal_utility), steps, "by Descartes' rule; the paper's constant, real bits")


def paper_utility(worker: int, bits: int) -> Fraction:
    """(1 − p)/(p + d/(4 s²)) of one of the four workers of an example."""
    prob, dim, _ = TRAPPED
    return exact_utility(prob[worker], dim, bits)


def exact_utility(straggle_prob: Fraction, dim: int, bits: int) -> Fraction:
    """u with the paper's constant, in rationals."""
    return (1 - straggle_prob) / (straggle_prob + Fraction(dim, 4 * (2 ** (bits - 1) - 1) ** 2))


def bellman(
    u: Utility,
    n_workers: int,
    residual: int,
    *,
    first: int = 0,
    cap: int | None = None,
    exact: bool = True,
) -> Fraction | None:
    """V_i(r) = max over x of V_{i-1}(r - x) + u_i(2 + x), V_0(0) = 0, V_0(r) = -infinity (None) else.

    Parameters
    ----------
    first, cap : the least and the largest x
    exact : else V_0(r) = 0 for all r
    """
    beyond = None if exact else Fraction(0)
    value: list[Fraction | None] = [Fraction(0), *[beyond] * residual]
    for worker in range(n_workers):
        gain = [u(worker, 2 + x) for x in range(residual + 1)]
        best: list[Fraction | None] = []
        for r in range(residual + 1):
            last = r if cap is None else min(r, cap)
            options = [before + gain[x] for x in range(first, last + 1) if (before := value[r - x]) is not None]
            best.append(max(options, default=None))
        value = best
    return value[residual]


def _arbitrary_utility(worker: int, bits: int) -> Fraction:
    return Fraction(Random(100 * worker + bits).random())


def _compositions(n_workers: int, total: int) -> list[tuple[int, ...]]:
    return [split for split in product(range(6), repeat=n_workers) if sum(split) == total]  # totals below 6
