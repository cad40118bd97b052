"""Small certificates: each function settles one step for all values of the symbols, never at points."""

from collections.abc import Mapping

import sympy as sp

from workbench.core.claims import Claim, Grade, Status, Verdict


def is_identity(left: sp.Expr, right: sp.Expr) -> bool:
    """Show left = right as rational functions of their symbols (radicals and logarithms count as symbols)."""
    return bool(sp.cancel(sp.together(sp.expand(left - right))) == 0)


def is_sum_of_squares(expression: sp.Expr, terms: Mapping[sp.Expr, sp.Expr]) -> bool:
    """Show expression = Σ weight · square², every weight being nonnegative by `is_nonnegative`.

    Parameters
    ----------
    terms : base -> weight; the certificate is Σ weight · base²
    """
    certificate = sp.Add(*(weight * base**2 for base, weight in terms.items()))
    return all(map(is_nonnegative, terms.values())) and is_identity(expression, certificate)


def is_nonnegative(expression: sp.Expr) -> bool:
    """Show expression ≥ 0 for nonnegative symbols: no negative coefficient above or below the fraction line.

    Sufficient, not necessary. Shift a symbol that starts elsewhere first: t = 2 + u for t ≥ 2.
    """
    if any(symbol.is_nonnegative is not True for symbol in expression.free_symbols):
        raise ValueError(f"{expression}: declare every symbol nonnegative, or the coefficients say nothing")
    halves = sp.fraction(sp.cancel(sp.together(expression)))
    return all(
        coefficient >= 0
        for half in halves
        for coefficient in sp.Poly(half, *(half.free_symbols or [sp.Symbol("unused")])).coeffs()
    )


def is_nonnegative_form(expression: sp.Expr, form: sp.Expr) -> bool:
    """Show expression = form ≥ 0; naming the form leaves no room for a slip that stays nonnegative."""
    return is_identity(expression, form) and is_nonnegative(form)


def exceeds_by(larger: sp.Expr, smaller: sp.Expr, gap: sp.Expr) -> bool:
    """Show larger − smaller = gap ≥ 0: the inequality, and how much it gives away."""
    return is_nonnegative_form(larger - smaller, gap)


def combines(conclusion: sp.Expr, premises: Mapping[sp.Expr, sp.Expr]) -> bool:
    """Show conclusion = Σ weight · premise with weights ≥ 0: where the premises are nonnegative, so is it.

    Parameters
    ----------
    premises : premise -> its weight
    """
    total = sp.Add(*(weight * premise for premise, weight in premises.items()))
    return all(map(is_nonnegative, map(sp.sympify, premises.values()))) and is_identity(conclusion, total)


def rises_from_zero(function: sp.Expr, symbol: sp.Symbol) -> bool:
    """Show function ≥ 0 on symbol ≥ 0: it is 0 at 0 and its derivative is nonnegative."""
    return bool(sp.simplify(function.subs(symbol, 0)) == 0) and is_nonnegative(sp.diff(function, symbol))


def rises_by(function: sp.Expr, symbol: sp.Symbol, slope: sp.Expr) -> bool:
    """Show function ≥ 0 on symbol ≥ 0: it is 0 at 0, and its derivative is slope ≥ 0."""
    return rises_from_zero(function, symbol) and is_identity(sp.diff(function, symbol), slope)


def is_bounded_product(bound: sp.Symbol, g: sp.Symbol, h: sp.Symbol) -> bool:
    """Show |<g, h>| ≤ C for ‖g‖², ‖h‖² ≤ C: 2(C − σ gh) = (C − g²) + (C − h²) + (g − σh)² + h²(1 − σ²), σ = ±1."""
    sign = sp.Symbol("sign", real=True)
    squares = (bound - g**2) + (bound - h**2) + (g - sign * h) ** 2
    return is_identity(2 * (bound - sign * g * h) - squares, h**2 * (1 - sign**2))


def mean(expression: sp.Expr, moments: Mapping[sp.Symbol, tuple[sp.Expr, ...]]) -> sp.Expr:
    """Take the expectation of a polynomial in independent random symbols, exactly.

    Parameters
    ----------
    moments : random symbol -> (E s, E s², ...), as many as the polynomial's degree in it
    """
    poly = sp.Poly(sp.expand(expression), *moments)
    total = sp.Integer(0)
    for powers, coefficient in poly.terms():
        factors = [m[power - 1] for m, power in zip(moments.values(), powers, strict=True) if power]
        total += coefficient * sp.Mul(*factors)
    return sp.expand(total)


def settle(
    claim: Claim,
    steps: Mapping[str, bool],
    explanation: str,
    *,
    status: Status = Status.PROVED,
    grade: Grade = Grade.PROVED,
    evidence: Mapping[str, float] | None = None,
) -> Verdict:
    """Give `status` if every step went through; else the claim stays open, and the failed steps are named."""
    failed = [name for name, went_through in steps.items() if not went_through]
    if failed:
        return Verdict(claim, Status.UNDERDETERMINED, Grade.TESTED, f"the proof fails at: {'; '.join(failed)}")
    return Verdict(claim, status, grade, explanation, dict(evidence or {}) | {"steps": float(len(steps))})


def enumerated(
    claim: Claim,
    steps: Mapping[str, bool],
    explanation: str,
    *,
    status: Status = Status.HOLDS,
    evidence: Mapping[str, float] | None = None,
) -> Verdict:
    """Settle a claim by all cases of a finite set, as definitions are that are held against the code."""
    return settle(claim, steps, explanation, status=status, grade=Grade.ENUMERATED, evidence=evidence)
