"""The losses of Sections II and V, and which assumptions they meet."""

import numpy as np
import sympy as sp

from proofs_check.tools.symbolic import is_identity, is_nonnegative_form, settle
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Regularity
from workbench.problems.rosenbrock import Rosenbrock

x1, x2, t, L = sp.symbols("x1 x2 t L", real=True)
ROSENBROCK = 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2  # one term of (30)


@claim("onebit_gc", "Eq. 1", eq=1)
def eq_1(*, sign: int = 1) -> Verdict:
    """Show that (1) may have no solution: the logistic loss (31) of separable samples falls for ever.

    One sample x = y = 1: L(β) = ln(1 + e^(−β)) > 0 has the derivative −1/(1 + e^β) < 0 everywhere.

    Parameters
    ----------
    sign : of the label
    """
    beta = sp.symbols("beta", real=True)
    grown = sp.symbols("grown", nonnegative=True)  # e^β
    slope = sp.diff(sp.log(1 + sp.exp(-sign * beta)), beta)
    steps = {
        "the slope": is_identity(sp.simplify(slope + 1 / (1 + sp.exp(beta))), sp.Integer(0)),
        "is negative, e^β > 0": (1 / (1 + grown)).is_positive is True,
    }
    return settle(
        claim_of(eq_1),
        steps,
        "strongly convex losses have a minimiser, and (30) has; for separable data (31) has none, and L* is an "
        "infimum, which is all that Theorems 2 and 3 need",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("onebit_gc", "Eq. 27", eq=27)
def eq_27(*, noise: int = 1) -> Verdict:
    """Show that the β* of (27), which draws the labels, is not the β* of (1), the minimiser.

    One sample x = 1, β* = 1, noise 1: y = 2, and (β − 2)²/2 is least at 2.

    Parameters
    ----------
    noise : of the label
    """
    beta, true, X, e = sp.symbols("beta true X e", real=True)
    loss = (X * beta - (X * true + e)) ** 2 / 2
    minimiser = sp.solve(sp.diff(loss, beta), beta)[0]
    steps = {
        "a parabola": is_identity(sp.diff(loss, beta, 2), X**2),
        "the minimiser is off by e/x": is_identity(minimiser, true + e / X),
        "2, not 1": minimiser.subs({true: 1, X: 1, e: noise}) == 2,
    }
    return settle(
        claim_of(eq_27),
        steps,
        "two meanings of β*: Theorem 1 bounds the distance to the minimiser; the distance to the drawn one does not "
        "tend to 0",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("onebit_gc", "Eq. 28", eq=28)
def eq_28(*, printed: bool = True) -> Verdict:
    """Refute (28) as a loss: it has β* where β is meant, so it does not depend on β.

    One sample x = 1, y = 3, β* = 1: the loss is 2 at every β, and no λ > 0 satisfies (9): 2 ≥ 2 + 0 + λ/2 (1 − 0)².

    Parameters
    ----------
    printed : whether β* stands there
    """
    beta, lam = sp.symbols("beta lambda", positive=True)
    loss = (1 * (sp.Integer(1) if printed else beta) - 3) ** 2 / sp.Integer(2)
    remainder = (
        loss - loss - sp.diff(loss, beta) * 1 - lam / 2
    )  # (9) at β + 1 and β, less its left side, were it constant
    steps = {
        "the loss is 2 everywhere": loss == 2,
        "(9) fails by λ/2": is_identity(remainder, -lam / 2),
    }
    return settle(claim_of(eq_28), steps, "a misprint", status=Status.REFUTED)


@claim("onebit_gc", "Eq. 28 repaired")
def eq_28_repaired(*, half: int = 2) -> Verdict:
    """Prove that F = Σ ½(<x_i, β> − y_i)² has the gradient Σ x_i (<x_i, β> − y_i), and √(2F) is the residual's norm.

    Parameters
    ----------
    half : divisor of the squares
    """
    a, b, y, u, v = sp.symbols("a b y u v", real=True)
    residual = a * u + b * v - y
    loss = residual**2 / half
    steps = {
        "gradient": is_identity(sp.diff(loss, u), a * residual) and is_identity(sp.diff(loss, v), b * residual),
        "2F": is_identity(2 * loss, residual**2),
    }
    return settle(
        claim_of(eq_28_repaired), steps, "strongly convex iff the x_i span the space, as 1000 normal ones in R^100 do"
    )


@claim("onebit_gc", "Eq. 30", eq=30)
def eq_30(*, rise: int = 100) -> Verdict:
    """Show that (30) lies outside Theorems 2 and 3: neither (12) nor (20) holds for any constant.

    Along (t, 0) the slope of one term is 400t³ + 2t − 2, and (20) between 0 and t asks 100t² + 1 ≤ S. It is not convex:
    at (0, 1) the second derivative is −398. With all β alike the terms add up, so F inherits both.

    Parameters
    ----------
    rise : the factor of the first square
    """
    term = rise * (x2 - x1**2) ** 2 + (1 - x1) ** 2
    along = term.subs({x1: t, x2: 0})
    u = sp.symbols("u", nonnegative=True)
    S = sp.symbols("S", nonnegative=True)
    remainder = along - along.subs(t, 0) - sp.diff(along, t).subs(t, 0) * t
    ours = Rosenbrock(np.array([0, 1, 2]), np.zeros(3), Regularity())
    at = np.array([[1.0, 2.0, 3.0]])
    steps = {
        "slope": is_identity(sp.diff(along, t), 400 * t**3 + 2 * t - 2),
        "above every C: t = 1 + C": is_nonnegative_form(
            sp.diff(along, t).subs(t, 1 + u) - u, 400 + 1201 * u + 1200 * u**2 + 400 * u**3
        ),
        "(20) asks 100t² + 1 ≤ S": is_identity(remainder, (100 * t**2 + 1) * t**2),
        "false at t = 1 + S": is_nonnegative_form((remainder / t**2).subs(t, 1 + S) - S, 101 + 199 * S + 100 * S**2),
        "not convex": sp.diff(term, x1, 2).subs({x1: 0, x2: 1}) == -398,
        "0 at 1 alone": sp.solve([sp.diff(term, x1), sp.diff(term, x2)], [x1, x2], dict=True) == [{x1: 1, x2: 1}],
        "as our problem has it: 100 + 100 + 1": ours.loss(at).tolist() == [201.0],
    }
    return settle(
        claim_of(eq_30),
        steps,
        "the theorems say nothing about Figs. 6 and 7; no data enters, the samples are the terms",
        status=Status.OUTSIDE_ASSUMPTIONS,
    )


@claim("onebit_gc", "Number 1001 variables", eq=30)
def number_1001_variables(*, terms: int = 1000) -> Verdict:
    """Count the variables of (30): m terms reach β_{m+1}.

    Parameters
    ----------
    terms : m
    """
    starts = np.arange(terms + 1)
    ours = Rosenbrock(starts, np.zeros(terms + 1), Regularity())
    last = ours.part_grads(np.full((1, terms + 1), 2.0))[0, -1]  # (D,), of term m
    steps = {"the last term's variables are 1000 and 1001": (np.flatnonzero(last) + 1).tolist() == [1000, 1001]}
    return settle(claim_of(number_1001_variables), steps, "one variable more than terms")


@claim("onebit_gc", "Eq. 31", eq=31)
def eq_31(*, flattest: int = 4) -> Verdict:
    """Show what (31) meets: (12) with C = max ‖x_i‖² and (20) with S = ‖X‖²/8; it is never strongly convex.

    Its slope in the margin is −s, its curvature s(1 − s) ≤ 1/4 with s = 1/(1 + e^z) in (0, 1). (9) twice asks
    λ|β − β'|² ≤ (f'(β) − f'(β'))(β − β') ≤ |β − β'|‖x‖, which fails at the distance (‖x‖ + λ)/λ.

    Parameters
    ----------
    flattest : 1 over the largest curvature
    """
    z = sp.symbols("z", real=True)
    s, lam, size = sp.symbols("s lambda size", positive=True)
    loss = sp.log(1 + sp.exp(-z))
    sigmoid = 1 / (1 + sp.exp(z))
    w = sp.symbols("w", positive=True)
    steps = {
        "slope −s": is_identity(sp.diff(loss, z).rewrite(sp.exp).subs(sp.exp(-z), 1 / w), -1 / (1 + w)),
        "0 < s < 1": is_nonnegative_form(1 - 1 / (1 + w), w / (1 + w)),
        "curvature s(1 − s)": sp.simplify(sp.diff(loss, z, 2) - sigmoid * (1 - sigmoid)) == 0,
        "at most 1/4": is_identity(sp.Rational(1, flattest) - s * (1 - s), (sp.Rational(1, 2) - s) ** 2),
        "λ (‖x‖ + λ)/λ − ‖x‖ = λ > 0": is_identity(lam * (size + lam) / lam - size, lam),
    }
    return settle(
        claim_of(eq_31),
        steps,
        "Theorems 2 and 3 cover (31), with their own step sizes, where the placement is balanced; Theorem 1 with its "
        "step 1/(λt) does not",
        status=Status.OUTSIDE_ASSUMPTIONS,
    )
