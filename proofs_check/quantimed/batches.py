"""Section 3: gradients by a deadline, how many there are, and how noisy."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import sympy as sp

from proofs_check.quantimed.notation import ONE
from proofs_check.tools.balls import ball, rounded
from proofs_check.tools.symbolic import combines, is_identity, mean, settle
from workbench.bounds import quantimed as bounds
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of
from workbench.schemes.decentralized_round import Deadline

SLOWEST, FASTEST, SAMPLES = 10, 90, 200  # V ~ Uniform(10, 90), m = 200 in Section 5


@claim("quantimed", "Eq. 6", eq=6)
def eq_6(*, size: int = 2) -> Verdict:
    """Prove that (6) is unbiased for ∇f_i given |S| ≥ 1: each sample is in b/m of the sets, which count alike.

    Parameters
    ----------
    size : of the batches of the example, of three samples
    """
    m, b = sp.symbols("m b", positive=True, integer=True)
    share = sp.gammasimp(sp.binomial(m - 1, b - 1).rewrite(sp.gamma) / sp.binomial(m, b).rewrite(sp.gamma))
    grads = sp.symbols("g1:4", real=True)
    batches = list(combinations(grads, size))
    steps = {
        "share of the sets with a given sample": is_identity(share, b / m),
        "so of the mean": is_identity(share / b, 1 / m),
        "two of three": is_identity(
            sp.Add(*(sp.Add(*each) for each in batches)) / (2 * len(batches)), sp.Add(*grads) / 3
        ),
    }
    return settle(claim_of(eq_6), steps, "given the size, and if the size does not depend on the samples")


@claim("quantimed", "Eq. 6 variance")
def eq_6_variance(*, left: int = 1) -> Verdict:
    r"""Prove E‖∇̃f_i − ∇f_i‖² = (1/b − 1/m) v over data and batch at a fixed x, so at most γ²/b; about ∇L it is v/b.

    b weights 1/b − 1/m and m − b weights −1/m on independent samples.

    Parameters
    ----------
    left : the multiple of 1/m
    """
    m, b, v = sp.symbols("m b v", positive=True)
    within = b * (1 / b - 1 / m) ** 2 * v + (m - b) * v / m**2
    steps = {
        "about ∇f_i": is_identity(within, v * (1 / b - left / m)),
        "with the part's own error: about ∇L": is_identity(within + v / m, v / b),
        "at most γ²/b": combines(v / b - within, {v: 1 / m}),
    }
    return settle(
        claim_of(eq_6_variance),
        steps,
        "a whole part has no noise about ∇f_i: in the noise term of (9) and (10), which is about ∇f_i, 1/m is not "
        "needed; given the data v is the part's own variance",
    )


@claim("quantimed", "Empty batch")
def empty_batch(*, chance: Fraction = Fraction(1, 2)) -> Verdict:
    r"""Show that ∇̃f_i = 0 where nothing is ready makes it biased: its mean is ρ∇f_i, ρ = P(|S| > 0).

    The same ρ for all turns α into ρα. Unlike ones move the limit: f_1 = ½(x − 1)², f_2 = ½(x + 1)², ρ = 1 and ½, and
    the mean step vanishes at x = 1/3 in place of x* = 0. Its variance has ρ(1 − ρ)‖∇f_i‖², which nothing bounds.

    Parameters
    ----------
    chance : ρ of the second worker
    """
    some, noise, rho, g, v = sp.symbols("some noise rho g v", real=True)
    drawn, moments = some * (g + noise), {some: (rho, rho), noise: (sp.Integer(0), v)}
    x = sp.symbols("x", real=True)
    second = sp.Rational(chance.numerator, chance.denominator)
    prob, inverse, _ = bounds.batches_of_uniform_speed(SLOWEST, FASTEST, 1 / 50, SAMPLES)
    steps = {
        "mean": is_identity(mean(drawn, moments), rho * g),
        "variance": is_identity(mean(drawn**2, moments) - mean(drawn, moments) ** 2, rho * v + rho * (1 - rho) * g**2),
        "limit of unlike workers": sp.solve((x - 1) + second * (x + 1), x) == [sp.Rational(1, 3)],
        "optimum": sp.solve((x - 1) + (x + 1), x) == [0],
        # T_d = b/E V at b = 1: V T_d uniform on (1/5, 9/5), one sample or none
        "half of all batches are empty at b = 1": prob == inverse == 0.5,
    }
    return settle(
        claim_of(empty_batch),
        steps,
        "Theorem 1 survives with ρα in place of α and a larger noise (Theorem 1 empty batches), where all V are alike; "
        "there are none if the slowest speed times T_d is 1",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Batch size")
def batch_size(*, speed: Fraction = Fraction(3, 2)) -> Verdict:
    r"""Show that |S| = V T_d is no integer in general, and what rounding down and m leave of E|S| = b at T_d = b/E V.

    V T_d ~ U(b/5, 9b/5): E⌊V T_d⌋ = ½ at b = 1, and 19/2 at b = 10, where E V T_d = 10.

    Parameters
    ----------
    speed : V of the example with T_d = 1
    """
    rule = Deadline(1.0)
    plan = rule.plan(np.array([[float(1 / speed)]]), np.array([SAMPLES]))
    kept = [bounds.batches_of_uniform_speed(SLOWEST, FASTEST, b / 50, SAMPLES)[2] for b in (1, 10)]
    # U(2, 18) cut at 3, ..., 17: every size 2 to 17 has 1/16
    whole = Fraction(sum(range(2, 18)), 16)
    steps = {
        "V = 3/2, T_d = 1": speed.denominator != 1 and plan.sizes.tolist() == [[1]],
        "b = 1": kept[0] == 0.5,
        "b = 10": whole == Fraction(19, 2) and abs(kept[1] - float(whole)) < 1e-12,
    }
    return settle(
        claim_of(batch_size),
        steps,
        "⌊V T_d⌋, at most m: the expected batch is about ½ short of the target",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"b_1": kept[0], "b_10": kept[1]},
    )


@claim("quantimed", "Deadline")
def deadline(*, low: int = SLOWEST) -> Verdict:
    r"""Show that T_d = b E[1/V] (Section 3) and T_d = b/E V (Section 5) differ: by 5 ln 9/8 = 1.3733 for U(10, 90).

    E V E[1/V] ≥ 1, from V + c²/V ≥ 2c at c = E V. So E|S| = b takes Section 5's, b_eff = b in (9) Section 3's.

    Parameters
    ----------
    low : slowest speed
    """
    v, c = sp.symbols("v c", positive=True)
    ratio = ball(Fraction(low + FASTEST, 2)) * (ball(Fraction(FASTEST, low))).log() / (FASTEST - low)
    x = sp.symbols("x", positive=True)
    inverse = sp.integrate(1 / x, (x, SLOWEST, FASTEST)) / (FASTEST - SLOWEST)
    steps = {
        "1/V ≥ 2/c − V/c²": is_identity(1 / v - (2 / c - v / c**2), (v - c) ** 2 / (v * c**2)),
        "E[1/V] = ln 9/80": sp.simplify(inverse - sp.log(9) / 80) == 0,
        "the ratio": rounded(ratio, 4) == Fraction("1.3733"),
    }
    return settle(
        claim_of(deadline),
        steps,
        "Section 5's deadline is 27% shorter than Section 3's, and the effective batch of Remark 1 is 0.728 b",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"ratio": float(ratio)},
    )


@claim("quantimed", "Slowest worker")
def slowest_worker(*, growth: int = 1) -> Verdict:
    r"""Show that E[1/V_min] is bounded in n by 1/v for V ≥ v > 0, and that it grows without end where v = 0.

    U(10, 90): less than 8/ln 9 = 3.641 times E[1/V], however many workers. For P(V ≤ v) = v² on [0, 1]:
    a_n = E[1/V_min] = 2n Π_{k<n} 2k/(2k + 1), a_1 = 2, a_{n+1}/a_n = (2n + 2)/(2n + 1), and a_n² ≥ 2(n + 1).

    Parameters
    ----------
    growth : added to n in the lower bound
    """
    v, n, t = sp.symbols("v n t", positive=True)
    first = [2 * k * sp.integrate((1 - v**2) ** (k - 1), (v, 0, 1)) for k in (1, 2, 3)]
    ratio = (2 * n + 2) / (2 * n + 1)
    bound = ball(Fraction(8)) / ball(Fraction(9)).log()
    steps = {
        "at most 1/v": combines(1 / v - 1 / (v + t), {t: 1 / (v * (v + t))}),
        "3.641": rounded(bound, 3) == Fraction("3.641"),
        "a_1": first[0] == 2,
        # integration by parts: (2n + 1) I_{n+1} = 2n I_n with I_n = ∫(1 − v²)^(n−1); left, the derivative of
        # v (1 − v²)^n by that of its logarithm, over (1 − v²)^(n−1)
        "by parts": is_identity(
            sp.diff(sp.log(v) + n * sp.log(1 - v**2), v) * v * (1 - v**2), (2 * n + 1) * (1 - v**2) - 2 * n
        ),
        "a_2, a_3": first[1] / first[0] == ratio.subs(n, 1) and first[2] / first[1] == ratio.subs(n, 2),
        "a_1² = 4": first[0] ** 2 == 2 * (1 + growth),
        "step": combines(
            ratio**2 * (n + growth) - (n + 1 + growth), {n: 3 / (2 * n + 1) ** 2, ONE: 2 / (2 * n + 1) ** 2}
        ),
    }
    return settle(
        claim_of(slowest_worker),
        steps,
        "with the paper's V in [v, v̄], v > 0, the gap is at most 1/v − 1/v̄: it cannot grow for ever with n",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"uniform_10_90": float(bound)},
    )


@claim("quantimed", "Remark 1")
def remark_1(*, samples: int = 2) -> Verdict:
    r"""Refute that γ²/b_eff is the variance of the gradient: E max exceeds max E, and V T_d is rounded down.

    V = 1 or 4 with equal chances, T_d = 1, m = 2: |S| = 1 or 2, E[1/|S|] = 3/4. Printed: max{5/8, 1/2} = 5/8.

    Parameters
    ----------
    samples : m
    """
    speeds = [Fraction(1), Fraction(4)]
    sizes = Deadline(1.0).plan(np.array([[float(1 / v)] for v in speeds]), np.array([samples])).sizes.ravel()  # (2,)
    exact = sum(Fraction(1, int(size)) for size in sizes) / 2
    inverse = sum(1 / v for v in speeds) / 2
    printed = max(inverse, Fraction(1, samples))
    p, q, s = sp.symbols("p q s", nonnegative=True)
    steps = {
        "E[1/|S|]": exact == Fraction(3, 4),
        "printed": printed == Fraction(5, 8) == Fraction(float(bounds.remark_1(float(inverse), 1.0, samples).value)),
        "so too small": printed < exact,
        # E max{X, c} ≥ max{E X, c}: max{X, c} is X + something or c + something
        "always in this direction": combines((p + q) - p, {q: ONE}) and combines((s + q) - s, {q: ONE}),
    }
    return settle(
        claim_of(remark_1),
        steps,
        "the printed expression is a lower bound of E[1/|S|]",
        status=Status.REFUTED,
        evidence={"exact": float(exact), "printed": float(printed)},
    )


@claim("quantimed", "Remark 1 repaired")
def remark_1_repaired(*, round_up: int = 2) -> Verdict:
    r"""Prove max{E[1/V]/T_d, 1/m} ≤ E[1/|S|] ≤ 2E[1/V]/T_d + 1/m where V T_d ≥ 1, at most 3 times as much.

    ⌊x⌋ ≥ x/2 for x ≥ 1, and 1/min{k, m} ≤ 1/k + 1/m. So (9) and (10) keep their order. Unrounded it is 2 times.

    Parameters
    ----------
    round_up : of 1/x
    """
    j, w, a, b, d = sp.symbols("j w a b d", nonnegative=True)
    whole, part = 1 + j, 1 / (1 + w)  # x = k + u, k ≥ 1, u ≤ 1
    prob, inverse, _ = bounds.batches_of_uniform_speed(1, 5, 1.0, 2)  # |S| = 1 or 2, with chances ¼ and ¾
    steps = {
        "⌊x⌋ ≥ x/2": combines(round_up * whole - (whole + part), {j: ONE, w: part}),
        "1/min{k, m}": combines((a + b) - a, {b: ONE}) and combines((a + b) - b, {a: ONE}),
        # E[1/V]/T_d and 1/m are a and a + d, the one or the other way
        "three times": combines(3 * (a + d) - (2 * (a + d) + a), {d: ONE})
        and combines(3 * (a + d) - (2 * a + a + d), {d: sp.Integer(2)}),
        "exactly, for U(1, 5)": (prob, inverse) == (1.0, 0.625),
        "at the ends": is_identity(round_up / sp.Integer(2), sp.Integer(1)),
    }
    return settle(
        claim_of(remark_1_repaired),
        steps,
        "where V T_d < 1 may happen there are empty batches, which no E[1/V] sees",
        grade=Grade.PROVED,
    )
