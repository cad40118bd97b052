"""Lemma 1: the update is unbiased."""

from itertools import product

import sympy as sp

from proofs_check.onebit_gc.notation import HADAMARD, HALF, ON_ONE_WORKER, moments_by_patterns
from proofs_check.tools.symbolic import is_identity, mean, settle
from workbench.core.claims import Status, Verdict, claim, claim_of

q, d, norm = sp.symbols("q d norm", positive=True)
f, g, answered, sign = sp.symbols("f g I h", real=True)


@claim("onebit_gc", "Eq. 10", eq=10)
def eq_10(*, power: int = 1) -> Verdict:
    """Prove E I_j h_j ‖f_j‖ = (1 − p) f_j from (6): ‖f‖ (1/2 + f/(2‖f‖)) − ‖f‖ (1/2 − f/(2‖f‖)) = f.

    Parameters
    ----------
    power : of 1 − p
    """
    half = sp.Rational(1, 2)
    up, down = half + f / (2 * norm), half - f / (2 * norm)
    expected_sign = up - down
    moments = {answered: (q,), sign: (expected_sign,)}
    steps = {
        "the chances add up to 1": is_identity(up + down, sp.Integer(1)),
        "one worker": is_identity(mean(answered * sign * norm, moments), q**power * f),
    }
    return settle(
        claim_of(eq_10),
        steps,
        "the mean is over stragglers and random signs, not over stragglers alone as the text says; different workers "
        "may depend on each other",
    )


@claim("onebit_gc", "Eq. 11", eq=11)
def eq_11(*, power: int = 1) -> Verdict:
    """Prove Σ_w (1 − p) f_w = ∇F: each of the d_j holders of part j brings g_j/d_j.

    Parameters
    ----------
    power : of 1/(1 − p) in (5)
    """
    steps = {
        "one holder": is_identity(q * g / (d * q**power), g / d),
        "all holders": is_identity(d * (g / d), g),
        "(1 − p) cancels": power == 1,
        "by enumeration": all(
            moments_by_patterns(holds, grads, p)[0] == sum(grads)
            for (holds, grads), p in product(((ON_ONE_WORKER, (1, -3)), (HADAMARD, (2, 5, -1))), (HALF, HALF / 5))
        ),
    }
    return settle(claim_of(eq_11), steps, "needs that every part is on some worker, nothing else of the placement")


@claim("onebit_gc", "Lemma 1")
def lemma_1() -> Verdict:
    """Join (10) and (11)."""
    steps = {"(10)": eq_10().status is Status.PROVED, "(11)": eq_11().status is Status.PROVED}
    return settle(
        claim_of(lemma_1),
        steps,
        "true for every placement without unheld parts; neither pair-wise balance nor independence between workers is "
        "used",
    )
