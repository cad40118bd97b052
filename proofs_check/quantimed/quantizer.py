"""The quantizer (7) and Assumption 2: unbiased inside a range, and nowhere else."""

import numpy as np
import sympy as sp

from proofs_check.tools.symbolic import combines, is_identity, is_nonnegative, mean, settle
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.quantizers import lattice

TOP = 3  # of the levels −4, ..., 3 of three bits


@claim("quantimed", "Eq. 7", eq=7)
def eq_7(*, half: int = 2, top: int = 0) -> Verdict:
    r"""Prove that (7) is unbiased with a variance of at most η²/4 in its range, and that the printed range is too long.

    From −2^(s−1) to 2^s − 1 are 2^s + 2^(s−1) levels, half as many again as s bits can name; up to 2^(s−1) − 1 are 2^s.

    Parameters
    ----------
    half : 2^s over the number of negative levels
    top : 1 where the last level is one more
    """
    x, k, eta, up = sp.symbols("x k eta up", real=True)
    negative = sp.symbols("n", positive=True)  # 2^(s−1)
    names = half * negative
    chance = (x - k * eta) / eta
    value, moments = k * eta + up * eta, {up: (chance, chance)}
    u = sp.symbols("u", real=True)
    variance = sp.expand(mean((value - x) ** 2, moments).subs(x, (k + u) * eta))
    ours = lattice.quantizer(np.array([3]), half_range=4.0)
    reached = [float(ours.mean(np.full((1, 1), far)).item()) for far in (-np.inf, np.inf)]  # the ends of its range
    steps = {
        "mean": is_identity(mean(value, moments), x),
        "variance": is_identity(variance, eta**2 * u * (1 - u)),
        "at most η²/4": is_identity(eta**2 / 4 - eta**2 * u * (1 - u), (eta * (u - sp.Rational(1, 2))) ** 2),
        "printed: 3 · 2^(s−1) levels": is_identity((2 * negative - 1) + negative + 1 - names, negative),
        "repaired: 2^s": is_identity((negative - 1 + top) + negative + 1, names),
        "ours, s = 3, η = 1": reached == [-4.0, TOP + top],
    }
    return settle(
        claim_of(eq_7),
        steps,
        "the last level is η(2^(s−1) − 1); the subscript (η, b) is (η, s)",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Assumption 2")
def assumption_2(*, least: int = 7) -> Verdict:
    r"""Refute Assumption 2 for (7), and for any quantizer with finitely many outputs: E Q(x) ≤ A < x for x > A.

    So do the theorems fail with (7): two workers, w_ij = ½, f_i = ½(x − 10)², levels −4, ..., 3. Messages are ≤ 3,
    so x_i ≤ (3 + 20α)/(1 + 2α) for ever by induction, and |x_i − x*| ≥ 7/(1 + 2α), whatever T is.

    Parameters
    ----------
    least : the error that is left, times 1 + 2α
    """
    alpha, eps, below, less = sp.symbols("alpha eps below less", nonnegative=True)
    ours = lattice.quantizer(np.array([3]), half_range=4.0)
    beyond = TOP + np.arange(1, 7)  # 4, ..., 9
    limit = (3 + 20 * alpha) / (1 + 2 * alpha)
    kept = 1 - eps * (sp.Rational(1, 2) + alpha)  # factor of x_i in (8), ≥ 0
    x, z = limit - below, TOP - less
    after = x - eps * ((x - z) / 2 + alpha * (x - 10))
    steps = {
        "E Q(9) = 3": all(float(ours.mean(np.full((1, 1), far)).item()) == TOP for far in beyond),
        "one round stays below": is_identity(limit - after, kept * below + eps * less / 2),
        "from 0": is_nonnegative(limit),
        "the error that is left": is_identity(10 - limit, least / (1 + 2 * alpha)),
        "at least 7/3 for α ≤ 1": combines(
            (10 - limit).subs(alpha, 1 / (1 + less)) - sp.Rational(7, 3), {less: 14 / (9 + 3 * less)}
        ),
    }
    return settle(
        claim_of(assumption_2),
        steps,
        "finitely many levels are bounded, and no bounded Q has the mean x for every x",
        status=Status.REFUTED,
    )


@claim("quantimed", "Assumption 2 repaired")
def assumption_2_repaired(*, quarter: int = 4) -> Verdict:
    """Prove that (7) is unbiased with σ² = Dη²/4 for vectors inside its range, as the proofs need.

    Coordinate by coordinate from Eq. 7; the theorems hold as long as all models stay inside.

    Parameters
    ----------
    quarter : the divisor
    """
    ours = lattice.quantizer(np.array([3]), half_range=4.0)
    inside = np.array([[-4.0, 0.5, 2.5]])
    steps = {
        "one coordinate": eq_7().status is Status.HOLDS_WITH_ERRATUM,
        "unbiased inside": np.array_equal(ours.mean(inside), inside),
        "our bound": float(ours.variance_bound(3)[0]) == 3 / quarter,
        "our variance": float(ours.variance(inside)[0]) == 2 / quarter,  # −4 is a level
    }
    return settle(claim_of(assumption_2_repaired), steps, "saturation is the one thing to watch")
