"""Exponential delays: the mean waits (7), and the three times that Example 1 quotes."""

from fractions import Fraction
from typing import Any

import sympy as sp

from proofs_check.tools.balls import ball, positive_throughout
from proofs_check.tools.smt import follows
from proofs_check.tools.symbolic import is_identity, is_nonnegative, settle
from workbench.bounds import fastest_k as bounds
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of

N_WORKERS = 5
RATIO = Fraction(10**5)  # gap/A of the printed constants: A = ηLσ²/(2cs) = 1/1000, gap 100
ETA_C = Fraction(1, 1000)
RATE = Fraction(5)  # 1/λ = 1/5: the printed 1/5 is the mean, its reciprocal the rate
Ball = Any


@claim("fastest_k", "Eq. 7", eq=7, assumes=("delays iid over workers and rounds", "exponential delays"))
def eq_7(*, first: int = 0) -> Verdict:
    r"""Prove E X_(k) = (1/λ) Σ_{i=n−k+1}^n 1/i for all n, k, by integrating P(X_(k) > t).

    P(X_(k) > t) = Σ_{j<k} C(n, j) (1 − u)^j u^{n−j}, u = e^{−λt}, dt = −du/(λu). ∫_0^1 (1 − u)^j u^{n−j−1} du is
    Euler's B(j + 1, n − j), and C(n, j) B(j + 1, n − j) = 1/(n − j).

    Parameters
    ----------
    first : of the summation over j
    """
    j, left = sp.symbols("j left", positive=True)  # n - j
    n = j + left
    term = sp.gamma(n + 1) / (sp.gamma(j + 1) * sp.gamma(left + 1)) * sp.gamma(j + 1) * sp.gamma(left) / sp.gamma(n + 1)
    waits = [sum(Fraction(1, N_WORKERS - i) for i in range(first, k)) for k in range(1, N_WORKERS + 1)]
    values = bounds.eq_7(N_WORKERS, [1, 2, 3, 4, 5], rate=1.0).value
    steps = {
        "each term is 1/(n - j)": is_identity(sp.gammasimp(term), 1 / left),
        "the example's": all(abs(float(each) - value) < 1e-12 for each, value in zip(waits, values, strict=True)),
        "mu_5 = 137/60": waits[-1] == Fraction(137, 60),
    }
    return settle(claim_of(eq_7), steps, "the k-th spacing of n exponential delays has mean 1/((n − k + 1)λ)")


@claim("fastest_k", "Example 1", assumes=("exponential delays", "e(t) as in (17)"))
def example_1(*, adaptive: int = 589, fixed: int = 1098, last: int = 6623) -> Verdict:
    r"""Refute that any parameters give all three times, each within one time unit.

    Time in units of 1/(λα), error in units of A: only r = gap/A is left of the parameters. Let h = ln(5(r − 1)/2)/5 be
    t_1, g the end of k = 1 among the fixed k, G the start of k = 5. For r ≤ 7/5, h ≤ 0. For 7/5 < r ≤ 63/25,
    g < (9/20) ln(2r − 1) and G is more than 6624/1097 times as much. For r ≥ 63/25, 1099/588 h < g. So 588 ≤ t_1 ≤ 590,
    1097 ≤ g ≤ 1099 and 6622 ≤ G ≤ 6624 exclude each other.

    Parameters
    ----------
    adaptive, fixed, last : the times quoted
    """
    import z3

    r, split = sp.Symbol("r", positive=True), Fraction(63, 25)
    beyond = sp.Rational(7, 5) + sp.Symbol("beyond", nonnegative=True)
    (gap, one, two), half = z3.Reals("gap one two"), z3.Q(1, 2)  # one, two: e^(-g/mu_1), e^(-g/mu_2)
    longest = Fraction(last + 1, fixed - 1)
    shortest = Fraction(adaptive - 1, fixed + 1)
    steps = {
        "t_1 of (26)": is_identity((_wait(2) - _wait(1)) / _wait(1) * (2 * r - 2), _grown(r)),
        "for r > 7/5 the smaller k is the faster one at first": all(
            is_nonnegative(
                ((r - sp.Rational(1, k)) / _wait(k) - (r - sp.Rational(1, more)) / _wait(more)).subs(r, beyond)
            )
            for k, more in ((1, 2), (1, 3), (1, 4), (1, 5), (4, 5))
        ),
        "g < (9/20) ln(2r - 1), where k = 1 and 2 cross": follows(
            (2 * gap - 1) * two == 1 + 2 * (gap - 1) * one, (gap - half) * two == half + (gap - 1) * one
        )
        and follows(1 + 2 * (gap - 1) * one > 1, gap > 1, one > 0),
        "two fixed curves cross once": _one_crossing(),
        "they fall from the gap to their floors": all(map(_falls_to_its_floor, range(1, N_WORKERS + 1))),
        "G is 0 at r = 1, where the curves begin": bool(abs(_late(ball(Fraction(1)), longest)) < 1e-9),
        "r <= 63/25: G/g is too large": positive_throughout(
            lambda x: _late(x, longest), Fraction(7, 5), split, cells=400
        ),
        "r >= 63/25: t_1/g is too small": all(_early(k, split, shortest) for k in range(2, N_WORKERS + 1)),
    }
    return settle(
        claim_of(example_1),
        steps,
        "1098 and 6623 are right for the rate λ = 5, the reciprocal of the printed 1/5, and 589 for that rate and ten "
        "times the printed gap/A (σ² = 1, s = 100 or gap 1000); with the printed constants and λ = 5 it is 497",
        status=Status.REFUTED,
        grade=Grade.RIGOROUS_NUMERICS,
    )


@claim("fastest_k", "Example 1 repaired", assumes=("exponential delays", "e(t) as in (17)"))
def example_1_repaired(*, mean_wait: int = 25) -> Verdict:
    r"""Compute the three times for the printed λ = 1/5, each as the first whole time unit: 12423, 27450, 165558.

    With λ = 5 they are 497, 1098, 6623: a twenty-fifth.

    Parameters
    ----------
    mean_wait : how many times as long the delays are
    """
    slow = RATE / mean_wait
    steps = {
        "t_1 = 12423": _switches_at(12423, RATIO, slow),
        "k = 1 until 27450": _one_is_best_until(27450, slow),
        "k = 5 from 165558 on": _five_is_best_from(165558, slow),
        "t_1 = 497 for the rate 5": _switches_at(497, RATIO, RATE),
    }
    return settle(
        claim_of(example_1_repaired),
        steps,
        "12423 (adaptive, first switch), 27450 (fixed, end of k = 1), 165558 (fixed, start of k = 5)",
        grade=Grade.RIGOROUS_NUMERICS,
    )


@claim("fastest_k", "Number 589", assumes=("exponential delays",))
def number_589(*, time: int = 589, ratio: int = 10) -> Verdict:
    r"""Find the reading of 589: rate 5 and gap/A = 10⁶, ten times the printed constants' 10⁵.

    t_1 = ln(5(10⁶ − 1)/2)/(25α) = 588.98. A tenth of σ², ten times s, or ten times the gap gives it; nothing in the
    text does. With the printed constants it is 12423 (λ = 1/5) or 497 (λ = 5).

    Parameters
    ----------
    time : the first whole time unit of k = 2
    ratio : multiple of the printed gap/A
    """
    steps = {
        "589 for ten times gap/A and rate 5": _switches_at(time, ratio * RATIO, RATE),
        "not for the printed gap/A: 497 or 12423": all(
            time != other and _switches_at(other, RATIO, rate) for other, rate in ((497, RATE), (12423, 1 / RATE))
        ),
    }
    return settle(
        claim_of(number_589),
        steps,
        "not the printed parameters: 589 needs λ = 5 and a tenth of A",
        status=Status.REFUTED,
        grade=Grade.RIGOROUS_NUMERICS,
    )


@claim("fastest_k", "Number 1098", assumes=("exponential delays",))
def number_1098(*, time: int = 1098) -> Verdict:
    r"""Find the reading of 1098: rate 5, the first whole time unit at which a fixed k > 1 is better (1097.997).

    With the printed rate 1/5 it is 27450.

    Parameters
    ----------
    time : the quoted time
    """
    slow = 27450
    steps = {
        "k = 1 is best up to 1097, not at 1098": _one_is_best_until(time, RATE),
        "not for the rate 1/5: 27450": time != slow and _one_is_best_until(slow, 1 / RATE),
        "curves cross once": _one_crossing(),
    }
    return settle(
        claim_of(number_1098),
        steps,
        "right with the printed constants if λ is 5 and its mean 1/5: the paper writes λ = 1/μ = 1/5",
        status=Status.HOLDS_WITH_ERRATUM,
        grade=Grade.RIGOROUS_NUMERICS,
    )


@claim("fastest_k", "Number 6623", assumes=("exponential delays",))
def number_6623(*, time: int = 6623) -> Verdict:
    r"""Find the reading of 6623: rate 5, the first whole time unit at which k = 5 is the best fixed k (6622.30).

    With the printed rate 1/5 it is 165558.

    Parameters
    ----------
    time : the quoted time
    """
    slow = 165558
    steps = {
        "k = 5 is best from 6623, not at 6622": _five_is_best_from(time, RATE),
        "not for the rate 1/5: 165558": time != slow and _five_is_best_from(slow, 1 / RATE),
        "curves cross once": _one_crossing(),
    }
    return settle(
        claim_of(number_6623),
        steps,
        "right with the printed constants if λ is 5 and its mean 1/5",
        status=Status.HOLDS_WITH_ERRATUM,
        grade=Grade.RIGOROUS_NUMERICS,
    )


def _wait(k: int) -> sp.Rational:
    """μ_k λ of the five workers."""
    return sum((sp.Rational(1, N_WORKERS - j) for j in range(k)), sp.Integer(0))


def _mean(k: int) -> Ball:
    return ball(sum((Fraction(1, N_WORKERS - j) for j in range(k)), Fraction(0)))


def _excess(k: int, ratio: Ball, time: Ball) -> Ball:
    """e(t)/A for a fixed k, t in units of 1/(λα)."""
    floor = ball(Fraction(1, k))
    return floor + (ratio - floor) * (-time / _mean(k)).exp()


def _falls_to_its_floor(k: int) -> bool:
    """Show that the error of a fixed k starts at the gap and ends at 1/k, up to 10⁻⁹."""
    start, end = _excess(k, ball(RATIO), ball(Fraction(0))), _excess(k, ball(RATIO), ball(Fraction(1000)))
    return bool(abs(start - ball(RATIO)) < 1e-9) and bool(abs(end - ball(Fraction(1, k))) < 1e-9)


def _alpha() -> Ball:
    return -ball(1 - ETA_C).log()


def _grown(ratio: Any) -> Any:
    """e^{αt_1/μ_1}."""
    return Fraction(5, 2) * (ratio - 1)


def _switches_at(time: int, ratio: Fraction, rate: Fraction) -> bool:
    """Show time − 1 < t_1 < time."""
    first = ball(_grown(ratio)).log() * _mean(1) / (ball(rate) * _alpha())
    return bool(first > time - 1) and bool(first < time)


def _difference(k: int, later: int, time: int, rate: Fraction) -> Ball:
    """Return e/A of the fixed `later` less that of the fixed k."""
    scaled = ball(Fraction(time) * rate) * _alpha()
    return _excess(later, ball(RATIO), scaled) - _excess(k, ball(RATIO), scaled)


def _one_is_best_until(time: int, rate: Fraction) -> bool:
    """Show that k = 1 has the lowest bound at time − 1, and k = 2 a lower one at time; two curves cross once."""
    before = all(bool(_difference(1, k, time - 1, rate) > 0) for k in range(2, N_WORKERS + 1))
    return before and bool(_difference(1, 2, time, rate) < 0)


def _five_is_best_from(time: int, rate: Fraction) -> bool:
    """Show that k = 5 has the lowest bound at time, and k = 4 a lower one at time − 1."""
    after = all(bool(_difference(k, N_WORKERS, time, rate) < 0) for k in range(1, N_WORKERS))
    return after and bool(_difference(4, N_WORKERS, time - 1, rate) > 0)


def _one_crossing() -> bool:
    """Show that e_k − e_l changes its sign once on t > 0 if it falls at t = 0.

    Its derivative −a x e^{−at} + b y e^{−bt}, a > b, has the sign of b y e^{(a−b)t} − a x: it falls, then rises, from 0
    at t = 0 to f_k − f_l > 0.
    """
    import z3

    a, b, x, y, early, late = z3.Reals("a b x y early late")  # early < late: e^((a - b) t) at two times
    return follows(b * y * late > a * x, b * y * early >= a * x, late > early, early > 0, a > b, b > 0, x > 0)


def _late(ratio: Ball, longest: Fraction) -> Ball:
    """Return a number that is positive only where k = 4 still beats k = 5 at `longest` times (9/20) ln(2r − 1)."""
    time = ball(longest) * _mean(2) * (2 * ratio - 1).log()
    return _excess(5, ratio, time) - _excess(4, ratio, time)


def _early(k: int, ratio: Fraction, shortest: Fraction) -> bool:
    """Show for all r from `ratio` on that k = 1 still beats k at the time t_1/shortest.

    With z = 5(r − 1)/2, e^{−t/μ_k} = z^{−p}, p = 1/(5 μ_k shortest), and b = 1 − 1/k the difference is
    (2z/5 + b) z^{−p} − b − (2/5) z^{1−1/shortest} ≥ (2/5) z^{1−p} − b from z = 1 on, as b > 2/5 and p < 1/shortest − 1;
    that rises with z.
    """
    z, b = Fraction(5, 2) * (ratio - 1), Fraction(k - 1, k)

    def power(each: int) -> Fraction:
        return 1 / (N_WORKERS * shortest * sum((Fraction(1, N_WORKERS - j) for j in range(each)), Fraction(0)))

    p = power(k)
    return (
        z > 1
        and b > Fraction(2, 5)
        and p < power(1) - 1
        and bool(ball(Fraction(2, 5)) * ball(z) ** ball(1 - p) > ball(b))
    )
