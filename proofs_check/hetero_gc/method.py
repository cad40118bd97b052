"""The method: iteration (1), estimate (2), problem (P1), and the conditions for an unbiased code (11), (12)."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import cast

import numpy as np
import sympy as sp
from scipy import sparse

from proofs_check.hetero_gc.notation import HALF, UNBIASED, plain_code
from proofs_check.hetero_gc.quantizer import Given
from proofs_check.tools.symbolic import enumerated, is_identity, mean, settle
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import Problem, Regularity
from workbench.moments.enumeration import error_by_enumeration
from workbench.problems.least_squares import LeastSquares
from workbench.quantizers.stochastic_levels import StochasticLevels
from workbench.schemes.coded_round import decoded
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import InverseTimeStep
from workbench.stragglers.delays.bernoulli import Bernoulli

EIGHTHS = 8  # draws of a uniform number, one out of each eighth of [0, 1)
PROB = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 4))


@claim("hetero_gc", "Eq. 1", eq=1)
def eq_1(*, sign: int = -1) -> Verdict:
    """Show that our scheme steps by (1): one worker that always answers, F = (θ − 1)²/2 at θ = 3, η = 1/4 gives 5/2.

    Parameters
    ----------
    sign : of the step
    """
    one = np.ones((1, 1, 1))
    problem = cast(Problem, LeastSquares(one, np.ones((1, 1)), np.array([3.0]), Regularity()))
    code = plain_code(np.ones((1, 1)), FixedDecoder(np.ones(1)))
    scheme = CodedSgd(Setting(problem, Bernoulli(np.zeros(1))), code, InverseTimeStep(0.25))
    state, _ = scheme.step(scheme.init(1), 1, Noise(scheme.setting.delay, seed=0, runs=range(1)))
    steps = {"θ − η g": state.x.tolist() == [[3 + sign * 0.25 * 2]]}
    return enumerated(claim_of(eq_1), steps, "a definition")


@claim("hetero_gc", "Eq. 2", eq=2)
def eq_2(*, shift: int = 0) -> Verdict:
    """Show that our estimate is (2) for every pattern of three unequal workers, by exact comparison.

    It is linear in the messages: the unit vectors show every weight.

    Parameters
    ----------
    shift : the worker whose weight is used, counted from the right one
    """
    patterns = np.array(list(product((False, True), repeat=3)))  # (8, W)
    decoding = np.arange(1.0, 4.0)  # (W,)
    messages = np.repeat(np.eye(3)[None], 8, axis=0)  # (8, W, D)
    ours = decoded(FixedDecoder(decoding).weights(patterns)[:, None], messages)[:, 0]  # (8, D)
    weights = np.roll(decoding, shift)
    by_hand = [[v * i for v, i in zip(weights, came, strict=True)] for came in patterns]
    steps = {"all patterns": np.array_equal(ours, np.array(by_hand))}
    return enumerated(claim_of(eq_2), steps, "a definition")


@claim("hetero_gc", "Computation load")
def computation_load(*, over: int = 2) -> Verdict:
    """Show that our load is Σ_j d_j/k: (1, 1, 0; 0, 1, 1) has copies 1, 2, 1 and a load of 4/3.

    Parameters
    ----------
    over : copies of the second part
    """
    encode = np.array([[True, True, False], [False, True, True]], float)  # (W, P)
    code = plain_code(encode, FixedDecoder(np.ones(len(encode))))
    steps = {
        "copies": code.placement.replication.tolist() == [1, over, 1],
        "mean": code.load == float(Fraction(1 + over + 1, 3)),
    }
    return enumerated(claim_of(computation_load), steps, "a definition")


@claim("hetero_gc", "Eq. 6", eq=6)
def eq_6(*, answered: int = 1) -> Verdict:
    """Compare our E‖ĝ − g‖² with (6) over all stragglers and roundings, in rationals.

    Two workers, p = 1/2 and 1/3, two bits, messages (3, 4) and (8, −6), which round to 0 or ±5 and 0 or ±10; decoding
    weights 2 and 3/2, so that the estimate is unbiased (7).

    Parameters
    ----------
    answered : the pattern's value for a worker that answers
    """
    messages, norms, weights = ((3, 4), (8, -6)), (5, 10), (Fraction(2), Fraction(3, 2))
    full = tuple(sum(m[k] for m in messages) for k in (0, 1))
    error, centre = Fraction(0), [Fraction(0), Fraction(0)]
    for came in product((0, 1), repeat=2):
        chance = Fraction(1)
        for i, p in zip(came, PROB[:2], strict=True):
            chance *= 1 - p if i else p
        for ups in product((0, 1), repeat=4):
            prob, estimate = chance, [Fraction(0), Fraction(0)]
            for at, up in enumerate(ups):
                worker, k = divmod(at, 2)
                share = Fraction(abs(messages[worker][k]), norms[worker])
                prob *= share if up else 1 - share
                size = norms[worker] * up * int(np.sign(messages[worker][k]))
                estimate[k] += answered * came[worker] * weights[worker] * size
            error += prob * sum((e - g) ** 2 for e, g in zip(estimate, full, strict=True))
            centre = [c + prob * e for c, e in zip(centre, estimate, strict=True)]
    code = GradientCode(
        "two", sparse.csr_array(np.eye(2)), FixedDecoder(np.array([2.0, 1.5])), StochasticLevels(np.array([2, 2]))
    )
    ours_mean, ours = error_by_enumeration(code, np.array([1 / 2, 1 / 3]), np.array(messages, float))
    steps = {
        "unbiased (7)": tuple(centre) == full,
        "mean": bool(np.allclose(ours_mean, full, rtol=0, atol=1e-12)),
        "error": abs(ours - float(error)) < 1e-10,
    }
    return enumerated(claim_of(eq_6), steps, "our error is (P1)'s objective", evidence={"error": float(error)})


@claim("hetero_gc", "Eq. 8", eq=8)
def eq_8(*, least: int = 2) -> Verdict:
    """Show that Σ b_i = B with b_i ≥ 2 can be met iff B ≥ 2n, and that forcing two bits on everyone may cost much.

    Two workers of p = 1/2, d = 64, ω = d/(4s²), B = 5: 3 and 2 bits have U = 9/41 + 1/33 = 0.250; 5 and none have
    U = 225/257 = 0.875. A worker that sends nothing has no quantizer that could fail.

    Parameters
    ----------
    least : bits of a worker
    """
    feasible = all(
        any(sum(split) == budget for split in product(range(2, 9), repeat=n)) == (budget >= least * n)
        for n in (1, 2, 3)
        for budget in range(1, 9)
    )

    def useful(bits: int) -> Fraction:
        return HALF / (HALF + Fraction(64, 4 * (2 ** (bits - 1) - 1) ** 2))

    forced, idle = useful(3) + useful(2), useful(5)
    steps = {
        "iff B >= 2 n": feasible,
        "forced": forced == Fraction(9, 41) + Fraction(1, 33),
        "one idle": idle == Fraction(225, 257) > 3 * forced,
    }
    return settle(
        claim_of(eq_8),
        steps,
        "two bits are needed by a worker that sends; that every worker must send is a restriction of its own",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"forced": float(forced), "one_idle": float(idle)},
    )


@claim("hetero_gc", "Eq. 11", eq=11)
def eq_11(*, power: int = 1) -> Verdict:
    """Prove E ĝ = Σ_i (1 − p_i) v_i f_i: worker by worker, as the quantizers are unbiased.

    Parameters
    ----------
    power : of 1 − p_i
    """
    answered, noise = sp.symbols("I n")
    v, f, p = sp.symbols("v f p", real=True)
    found = mean(answered * v * sum([f, noise]), {answered: (1 - p,), noise: (sp.Integer(0),)})
    steps = {"each worker": is_identity(found, (1 - p) ** power * v * f)}
    return settle(claim_of(eq_11), steps, "independence of stragglers from gradients and roundings")


@claim("hetero_gc", "Eq. 12", eq=12, assumes=(UNBIASED,))
def eq_12(*, column: int = 1) -> Verdict:
    """Prove that E ĝ = g for all gradients iff Σ_i (1 − p_i) v_i w_ij = 1 for every part j.

    E ĝ is linear in the gradients; its coefficient of g_j is read off at the gradients (0, .., 1, .., 0).

    Parameters
    ----------
    column : the column sums
    """
    p, v, w = (sp.symbols(f"{name}1:3", real=True) for name in ("p", "v", "w"))
    g, *other = sp.symbols("g other1:3", real=True)
    means = sum((1 - p[i]) * v[i] * (w[i] * g + other[i]) for i in range(2))  # other parts' gradients beside g_j
    coefficient = sp.diff(means, g)
    example = sum((1 - prob) * 3 * a for prob, a in zip(PROB, _weights(), strict=True))
    steps = {
        "coefficient of g_j": is_identity(coefficient, sum((1 - p[i]) * v[i] * w[i] for i in range(2))),
        "the others' are theirs": all(is_identity(sp.diff(means, other[i]), (1 - p[i]) * v[i]) for i in range(2)),
        "an example": example == column,
    }
    return settle(claim_of(eq_12), steps, "necessary and sufficient")


@claim("hetero_gc", "Straggler model")
def straggler_model(*, eighths: tuple[int, ...] = (4, 6)) -> Verdict:
    """Show that our straggler model has P(I_i = 1) = 1 − p_i worker by worker: p = 1/2 and 1/4, eighths of [0, 1).

    Parameters
    ----------
    eighths : of the draws in which each worker answers
    """
    model = Bernoulli(np.array([0.5, 0.25]))
    times = np.concatenate([model.sample((1,), rng=Given(np.array([[u, u]]))) for u in _eighths()])  # (8, 2)
    steps = {
        "answered": tuple(np.isfinite(times).sum(axis=0).tolist()) == eighths,
        "1 - p": (EIGHTHS * (1 - model.straggle_prob(np.inf))).tolist() == [*eighths],
    }
    return enumerated(claim_of(straggler_model), steps, "a definition")


def _weights() -> tuple[Fraction, ...]:
    """Weights w_i of one part with Σ (1 − p_i) 3 w_i = 1 at PROB."""
    return Fraction(1, 6), Fraction(1, 4), Fraction(1, 9)


def _eighths() -> Iterator[float]:
    return ((2 * i + 1) / (2 * EIGHTHS) for i in range(EIGHTHS))
