"""The update rules (1)-(5), and what Sections I and II say about them."""

from fractions import Fraction
from itertools import combinations

import sympy as sp

from proofs_check.fastest_k.renewal import averages
from proofs_check.tools.symbolic import is_identity, mean, settle
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of


@claim("fastest_k", "Eq. 2", eq=2)
def eq_2(*, normaliser: int = 1) -> Verdict:
    r"""Prove that (2) and (3) agree: the mean of the parts' means (3) is the mean over all samples, n s = m.

    The loss of V-A is the sum over the samples instead: its gradient is m times (2)'s.

    Parameters
    ----------
    normaliser : the multiple of 1/s in (3)
    """
    n, s, sample = sp.symbols("n s grad", positive=True)  # one sample's gradient; both sides are linear in it
    parts_mean = normaliser * sample / s / n
    steps = {
        "every sample weighs 1/(n s) = 1/m": is_identity(parts_mean, sample / (n * s)),
        "the sum of V-A weighs it m times as much": is_identity(n * s * parts_mean, sample),
    }
    return settle(
        claim_of(eq_2), steps, "(2) and (3) are means; the loss printed in V-A is a sum, whose step is m times smaller"
    )


@claim("fastest_k", "Eq. 4", eq=4)
def eq_4(*, descends: bool = False) -> Verdict:
    r"""Refute (4) as printed: it subtracts losses where gradients are meant.

    For one sample, F(w) = w²/2 and η = 1/2 from w = −2, the printed step leads to −3 and the loss rises from 2 to 9/2;
    the gradient step leads to −1. In more than one dimension the printed line adds a number to a vector.

    Parameters
    ----------
    descends : take the gradient instead of the loss
    """
    start, step = Fraction(-2), Fraction(1, 2)
    after = start - step * (start if descends else start**2 / 2)
    return settle(
        claim_of(eq_4),
        {"the printed step leads from -2 to -3": after == -3, "the gradient step to -1": start - step * start == -1},
        "a ∇ is missing before F(a, w)",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"printed_step": float(after)},
    )


@claim("fastest_k", "Eq. 5", eq=5, assumes=("delays iid over workers and rounds", "ties broken at random"))
def eq_5(*, shift: int = 1) -> Verdict:
    r"""Prove E ĝ = ∇F and Var ĝ = (n − k)/(n − 1) V/k for a uniformly random set of k of n fixed parts, all n and k.

    V is the mean over the parts of ‖∇f_i − ∇F‖². With I_i whether part i is in, E I_i = k/n,
    E I_i I_l = k(k − 1)/(n(n − 1)), and Σ_{i≠l} a_i a_l = (Σ a_i)² − Σ a_i².

    Parameters
    ----------
    shift : of k in the numerator of E I_i I_l
    """
    n, k, v, mean_grad = sp.symbols("n k V g", positive=True)
    one, two = k / n, k * (k - shift) / (n * (n - 1))
    # parts centred at their mean: sum a_i = 0, sum a_i^2 = n V
    variance = (one * n * v + two * (0 - n * v)) / k**2
    steps = {
        "a part is in k of n": is_identity(_ratio(n, k, 1), one),
        "two parts are in together": is_identity(_ratio(n, k, 2), two),
        "unbiased": is_identity(one * n * mean_grad / k, mean_grad),
        "variance": is_identity(variance, (n - k) / (n - 1) * v / k),
        "none left at k = n": is_identity(variance.subs(k, n), sp.Integer(0)),
    }
    return settle(claim_of(eq_5), steps, "the estimate is unbiased, and at k = n it is the gradient itself: no noise")


@claim("fastest_k", "Section I batch equivalence", assumes=("delays iid over workers and rounds",))
def section_i_batch_equivalence(*, part_size: int = 2) -> Verdict:
    r"""Refute that fastest-k SGD is batch SGD with a uniformly random batch of k s samples.

    The batch is a union of whole parts. Four samples with gradients 1, 1 on one worker and −1, −1 on the other,
    k = 1: the estimate is ±1, its variance 1; a uniform batch of two of the four has variance 1/3.

    Parameters
    ----------
    part_size : s, of the four samples
    """
    samples = [Fraction(1), Fraction(1), Fraction(-1), Fraction(-1)]
    parts = [sum(samples[i : i + part_size], Fraction(0)) / part_size for i in range(0, 4, part_size)]

    def second_moment(values: list[Fraction]) -> Fraction:
        return sum((value**2 for value in values), Fraction(0)) / len(values)

    fastest, batch = second_moment(list(averages(parts, 1))), second_moment(list(averages(samples, 2)))
    return settle(
        claim_of(section_i_batch_equivalence),
        {"fastest-1: variance 1": fastest == 1, "batch of 2: variance 1/3": batch == Fraction(1, 3)},
        "equal in law only where the parts are shuffled anew in every round; with fixed parts the noise is that of "
        "their means, here three times as large",
        status=Status.REFUTED,
        evidence={"fixed_parts": float(fastest), "random_batch": float(batch)},
    )


@claim("fastest_k", "Section I convergence", assumes=("delays iid over workers and rounds",))
def section_i_convergence(*, n_wait: int = 1) -> Verdict:
    r"""Refute that fastest-k SGD with a fixed step converges to the optimum: it does to a neighbourhood.

    Two parts f = (w ∓ 1)²/2, k = 1, step η: w' = (1 − η)w ± η. In the limit E w² solves m = (1 − η)²m + η², hence
    m = η/(2 − η) > 0. With k = 2 the noise is gone and m = 0.

    Parameters
    ----------
    n_wait : k
    """
    eta, m = sp.symbols("eta m", positive=True)
    noise = sum(value**2 for value in averages([Fraction(1), Fraction(-1)], n_wait))
    noise = sp.Rational(noise.numerator, noise.denominator) / len(list(combinations(range(2), n_wait)))
    coin, w = sp.symbols("coin w", real=True)
    step = mean(((1 - eta) * w + eta * coin) ** 2, {coin: (sp.Integer(0), noise)})
    limit = sp.solve(sp.Eq(m, step.subs(w, sp.sqrt(m))), m)
    return settle(
        claim_of(section_i_convergence),
        {"E w^2 tends to eta/(2 - eta)": len(limit) == 1 and is_identity(limit[0], eta / (2 - eta))},
        "with a fixed step there is a floor, as Proposition 1 and Section III say; it vanishes with the step",
        status=Status.REFUTED,
        grade=Grade.PROVED,
    )


def _ratio(n: sp.Symbol, k: sp.Symbol, fixed: int) -> sp.Expr:
    """Return the share of the k-subsets of n that contain `fixed` given elements."""
    return sp.combsimp(sp.binomial(n - fixed, k - fixed) / sp.binomial(n, k))
