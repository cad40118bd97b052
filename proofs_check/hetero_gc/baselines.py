"""The schemes that Section VI compares with, as implemented: their weights, what they recover in the mean, their bits.

The part gradients are the unit vectors, so that the mean of an estimate shows the weight of every part. Six workers
in two groups of unequal ones, six parts, all straggler patterns, no quantization unless a check says so.
"""

from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType
from typing import cast

import numpy as np
import sympy as sp

from proofs_check.hetero_gc import method
from proofs_check.hetero_gc.allocation import MOST
from proofs_check.hetero_gc.notation import utility
from proofs_check.tools.symbolic import enumerated, is_identity, is_sum_of_squares, mean, settle
from workbench.bounds import hetero_gc as bounds
from workbench.codes import bernoulli, erasure_head, ignore_stragglers, optimal_decoding, osgc, stochastic
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import FloatArray, Problem, Regularity
from workbench.moments.enumeration import error_by_enumeration, straggler_patterns
from workbench.problems.least_squares import LeastSquares
from workbench.quantizers.identity import FLOAT_BITS, Identity
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.sgd import Sgd
from workbench.schemes.step_sizes import InverseTimeStep
from workbench.solvers.optimal_structure import utilities
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.profile import StragglerProfile

PROB = method.PROB * 2
UNIT_GRADS = np.eye(len(PROB))  # (P, D)
COPIES, BUDGET = DesignSpec.replication, 25
FAMILIES: tuple[ModuleType, ...] = (ignore_stragglers, bernoulli, stochastic, erasure_head, optimal_decoding, osgc)


@claim("hetero_gc", "SGD")
def sgd(*, sign: int = -1) -> Verdict:
    """Show that our SGD steps by the true gradient: two parts (θ − 1)²/2 and (θ − 2)²/2 at θ = 3, η = 1/4.

    Parameters
    ----------
    sign : of the step
    """
    problem = cast(Problem, LeastSquares(np.ones((2, 1, 1)), np.array([[1.0], [2.0]]), np.array([3.0]), Regularity()))
    setting = Setting(problem, Bernoulli(np.zeros(2)))
    scheme = Sgd(setting, InverseTimeStep(0.25), batch_size=1, quantizer=Identity(np.full(2, FLOAT_BITS)))
    state, _ = scheme.step(scheme.init(1), 1, Noise(setting.delay, seed=0, runs=range(1)))
    steps = {"θ − η g": state.x.tolist() == [[3 + sign * 0.25 * (2 + 1)]]}
    return enumerated(claim_of(sgd), steps, "a definition")


@claim("hetero_gc", "IS-SGD")
def is_sgd(*, copies: int = 1) -> Verdict:
    """Show that the baseline that ignores stragglers has disjoint parts; part j comes with 1 − p of its one holder.

    Parameters
    ----------
    copies : d
    """
    code = _design(ignore_stragglers)
    (holder,) = np.array([np.flatnonzero(column) for column in code.encode_dense.T]).T  # (P,)
    steps = {
        "one holder": set(code.placement.replication.tolist()) == {copies},
        "biased: 1 - p of the holder": _is(_mean(code), [1 - PROB[i] for i in holder]),
    }
    return enumerated(claim_of(is_sgd), steps, "a definition")


@claim("hetero_gc", "BGC")
def bgc(*, copies: int = COPIES) -> Verdict:
    """Show that BGC has 0/1 weights and one decoding weight v, and prove that v is right on average over its draw only.

    With chance d/n each and v = 1/(d mean(1 − p)), E over the draw is Σ_i (1 − p_i) v d/n = 1; given the draw, part j
    has the weight v Σ_{i holds j} (1 − p_i).

    Parameters
    ----------
    copies : d
    """
    code = _design(bernoulli)
    d, answers, n = sp.symbols("d answers n", positive=True)  # answers: the sum of 1 - p_i
    share = v = 1 / (copies * sum(1 - p for p in PROB) / len(PROB))
    met = [v * sum(1 - p for p, held in zip(PROB, column, strict=True) if held) for column in code.encode_dense.T]
    steps = {
        "0 or 1": set(code.encode_dense.ravel()) == {0.0, 1.0},
        "one v": _is(_fixed(code), [share] * len(PROB)),
        "given the draw": _is(_mean(code), met),
        "biased, up and down": min(met) < 1 < max(met),
        "unbiased on average over the draw": is_identity(answers * (d / n) / (d * answers / n), sp.Integer(1)),
    }
    return enumerated(claim_of(bgc), steps, "biased given the draw, which is made once")


@claim("hetero_gc", "SGC")
def sgc(*, power: int = 1) -> Verdict:
    """Show that SGC, w_ij = 1/d_j and v_i = 1/(1 − p_i), is unbiased with the error Σ_i p_i/(1 − p_i) ‖f_i‖².

    Parameters
    ----------
    power : of 1 − p_i in 1/v_i
    """
    code = _design(stochastic)
    copies = code.placement.replication  # (P,)
    error = sum(
        p / (1 - p) * sum((Fraction(1, int(d)) ** 2 for d, held in zip(copies, row, strict=True) if held), Fraction(0))
        for p, row in zip(PROB, code.encode_dense, strict=True)
    )
    steps = {
        "w": _is(code.encode_dense.sum(axis=0), [Fraction(1)] * len(PROB)) and len(set(code.encode.data)) == 1,
        "v": _is(_fixed(code), [1 / (1 - p) ** power for p in PROB]),
        "unbiased": _is(_mean(code), [Fraction(1)] * len(PROB)),
        "error": _is(np.array([_exact_error(code)]), [error]),
    }
    return enumerated(claim_of(sgc), steps, "unbiased, whatever the load")


@claim("hetero_gc", "EHD")
def ehd(*, group: int = COPIES) -> Verdict:
    """Show that EHD gives groups of workers equal parts and recovers those of every group that answers at all.

    Part j comes with 1 − Π p over its group: biased. Where sizes do not divide, ours has groups of unequal sizes.

    Parameters
    ----------
    group : workers in each
    """
    code = _design(erasure_head)
    held = code.encode_dense.T  # (P, W)
    lost = [np.prod([float(p) for p, holds in zip(PROB, column, strict=True) if holds]) for column in held]
    odd = _design(erasure_head, n_workers=len(PROB) - 1)
    steps = {
        "groups": {tuple(np.flatnonzero(column)) for column in held}
        == {tuple(range(first, first + group)) for first in range(0, len(PROB), group)},
        "lost if all of a group are": bool(np.allclose(_mean(code), 1 - np.array(lost), rtol=1e-12, atol=0)),
        "sizes that do not divide": sorted({int(each) for each in odd.placement.replication}) == [group, group + 1],
    }
    return enumerated(claim_of(ehd), steps, "biased by the groups that are lost")


@claim("hetero_gc", "OD")
def od(*, holders: int = COPIES) -> Verdict:
    """Show that OD's parts are on a random graph, 0/1, and that no weights of any pattern come nearer to the sum.

    The weights a minimise ‖Bᵀa − 1‖² over the workers that answered: the residual is orthogonal to their rows.

    Parameters
    ----------
    holders : of each part
    """
    code = _design(optimal_decoding)
    responded, _ = straggler_patterns(np.array([float(p) for p in PROB]))
    weights = code.decoder.weights(responded)  # (2^W, W)
    residual = weights @ code.encode_dense - 1  # (2^W, P)
    slopes = residual @ code.encode_dense.T  # (2^W, W)
    steps = {
        "0 or 1": set(code.encode_dense.ravel()) == {0.0, 1.0},
        "a regular graph": set(code.placement.replication.tolist()) == {holders}
        and set(code.placement.load.tolist()) == {2},
        "stragglers have no weight": bool(np.all(weights[~responded] == 0)),
        "nothing comes nearer": bool(np.allclose(slopes[responded], 0, atol=1e-12)),
        "biased": bool(np.all(_mean(code) < np.ones(len(PROB)))),
    }
    return enumerated(claim_of(od), steps, "least squares in every round; its mean falls short of the sum")


@claim("hetero_gc", "OSGC")
def osgc_(*, power: int = 1) -> Verdict:
    """Show that OSGC is Theorem 1's structure at ω = 0: masses k s_i/S, s = (1 − p)/p, unbiased, error k²/S.

    Parameters
    ----------
    power : of p in s
    """
    code = _design(osgc)
    single = [(1 - p) / p**power for p in PROB]
    masses = (np.array([1 - float(p) for p in PROB]) * _fixed(code)) @ code.encode_dense  # (P,)
    rows = code.encode_dense.sum(axis=1) * _fixed(code) * [1 - float(p) for p in PROB]  # (W,)
    k = len(UNIT_GRADS)
    aligned = np.ones((k, 1))  # equal gradients attain Lemma 2
    steps = {
        "masses": _is(rows, [k * s / sum(single) for s in single]),
        "unbiased": _is(masses, [Fraction(1)] * k) and _is(_mean(code), [Fraction(1)] * k),
        "error": _is(np.array([_exact_error(code, aligned)]), [k**2 / sum(single)]),
    }
    return enumerated(claim_of(osgc_), steps, "Theorem 1 without quantizers")


@claim("hetero_gc", "OSGC amplifies quantization")
def osgc_amplifies_quantization(*, workers: int = 2) -> Verdict:
    """Prove that OSGC's masses never have less than k²/U in (13), and up to n times as much, n workers.

    Masses y of the sum k have Σ y²/u ≥ k²/U (Theorem 1). Two workers p = ε² and ε of one ω: as ε → 0 the first takes
    all parts, Σ y²/u → k²ω, where U → 2/ω. Our code of the six workers, in Lemma 1's bound at ω = 1: above k²/U.

    Parameters
    ----------
    workers : the claimed ratio
    """
    eps, omega, k = sp.symbols("epsilon omega k", positive=True)
    y1, y2 = sp.symbols("y1:3", real=True)
    u1, u2 = sp.symbols("u1:3", positive=True)
    probs = (eps * eps, eps)
    single, true = ([utility(p, noise) for p in probs] for noise in (sp.Integer(0), omega))
    masses = [k * s / sum(single) for s in single]
    ratio = sum(y**2 / u for y, u in zip(masses, true, strict=True)) / (k**2 / sum(true))
    code, prob, one = _design(osgc), np.array([float(p) for p in PROB]), np.ones(len(PROB))  # (W,)
    parts = len(UNIT_GRADS)
    weights = _fixed(code)[:, None] * code.encode_dense  # (W, P)
    ours = float(bounds.lemma_1(weights, prob, one, 1.0).value)
    least = float(bounds.lemma_2(parts, float(utilities(prob, one).sum()), 1.0).value)
    exact = [(1 - p) / p for p in PROB]
    by_hand = sum((parts * s / sum(exact)) ** 2 * (p + 1) / (1 - p) for s, p in zip(exact, PROB, strict=True))
    steps = {
        "never less, every pair": is_sum_of_squares(
            y1**2 / u1 * u2 + y2**2 / u2 * u1 - 2 * y1 * y2, {y1 / u1 - y2 / u2: u1 * u2}
        ),
        "n times as much in the limit": sp.limit(sp.cancel(ratio), eps, 0) == workers == len(probs),
        "ours": _is(np.array([ours]), [by_hand]) and ours > least,
    }
    return settle(
        claim_of(osgc_amplifies_quantization),
        steps,
        "equal workers but for straggling that no longer matters: the noise is averaged over one in place of all",
        evidence={"osgc_bound": ours, "least_bound": least},
    )


@claim("hetero_gc", "Equal bits of the baselines")
def equal_bits_of_the_baselines(*, apart: int = 1) -> Verdict:
    """Show that all six baselines spend B on the workers that hold something, differing by at most one bit.

    Parameters
    ----------
    apart : the largest difference
    """
    found = {}
    for family in FAMILIES:
        code = _design(family)
        busy = code.bits[np.diff(code.encode.indptr) > 0]
        found[family.__name__] = (int(code.bits.sum()), int(busy.max() - busy.min()))
    steps = {
        "the whole budget": {total for total, _ in found.values()} == {BUDGET},
        "equal": max(difference for _, difference in found.values()) == apart,
        "4 bits, and one odd one": sorted(_design(stochastic).bits.tolist()) == [4] * 5 + [5],
    }
    return enumerated(claim_of(equal_bits_of_the_baselines), steps, "as said; a worker without parts gets none")


@claim("hetero_gc", "Load of the baselines")
def load_of_the_baselines(*, copies: int = COPIES) -> Verdict:
    """Show which loads the families have at d = 2: exactly 2 by design, 1 without copies, and BGC's as it is drawn.

    Parameters
    ----------
    copies : d
    """
    loads = {family: _design(family).load for family in FAMILIES}
    drawn = {
        bernoulli.design(_profile(len(PROB)), _spec(copies), rng=np.random.default_rng(seed)).load for seed in range(9)
    }
    steps = {
        "designed": {loads[family] for family in (stochastic, erasure_head, optimal_decoding)} == {float(copies)},
        "no copies": loads[ignore_stragglers] == 1.0,
        "OSGC is laid end to end": 1.0 < loads[osgc] < copies,
        "drawn: below and above": min(drawn) < copies < max(drawn),
    }
    return enumerated(
        claim_of(load_of_the_baselines),
        steps,
        "which load the paper's baselines have is lost",
        status=Status.UNDERDETERMINED,
    )


@claim("hetero_gc", "SGC needs a load")
def sgc_needs_a_load(*, copies: int = 1) -> Verdict:
    """Prove that SGC with one copy converges as well: unbiased, error Σ_j p_j/(1 − p_j)‖g_j‖², so Lemma 4 applies.

    Exactly: E (I/q) g = g and E (I g/q − g)² = (1 − q)/q g², q = 1 − p; ours at d = 1 has Σ p/(1 − p).

    Parameters
    ----------
    copies : d
    """
    answered, g = sp.symbols("I g", real=True)
    q = sp.Symbol("q", positive=True)
    answers: dict[sp.Symbol, tuple[sp.Expr, ...]] = {answered: (q, q)}
    code = _design(stochastic, copies=copies)
    steps = {
        "one copy": code.load == 1.0,
        "unbiased": is_identity(mean(answered * g / q, answers), g),
        "error": is_identity(mean((answered * g / q - g) ** 2, answers), (1 - q) / q * g**2),
        "ours is unbiased": _is(_mean(code), [Fraction(1)] * len(PROB)),
        "our error": _is(np.array([_exact_error(code)]), [sum((p / (1 - p) for p in PROB), Fraction(0))]),
    }
    return settle(
        claim_of(sgc_needs_a_load),
        steps,
        "no load is needed for convergence: copies lower the constant, which Lemma 4 shows for both schemes",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("hetero_gc", "Complexity of Algorithm 1")
def complexity_of_algorithm_1(*, per_worker: int = 1) -> Verdict:
    """Prove that Algorithm 1 has n sets with n(n + 1)/2 workers in all to place, whatever B is, against (25).

    At n = 50, B = 400: 1275 placements, each of at most 31 choices, 39 525, against 443 300 sums; swaps come on top.

    Parameters
    ----------
    per_worker : placements in each set
    """
    n, m = sp.symbols("n m", integer=True, positive=True)
    placed = per_worker * sp.summation(m, (m, 1, n))
    steps = {
        "n(n + 1)/2": is_identity(sp.expand(placed), sp.expand(n * (n + 1) / 2)),
        "at n = 50": placed.subs(n, 50) == 1275 == sum(range(51)),
        "with every choice looked at": placed.subs(n, 50) * (MOST + 1) == 39_525,
    }
    return settle(
        claim_of(complexity_of_algorithm_1),
        steps,
        "a lower count than the dynamic program's; how many swaps follow is not bounded by the paper",
        status=Status.UNDERDETERMINED,
    )


@claim("hetero_gc", "Losses at equal bits")
def losses_at_equal_bits(*, norm_bits: int = 32) -> Verdict:
    """Show that codes of one budget send the same bits a round, B d + 32 for each busy worker, if all messages count.

    If only those that are heard count, it is Σ (1 − p_i)(b_i d + 32), which depends on who has the odd bits.

    Parameters
    ----------
    norm_bits : of each message
    """
    dim = len(UNIT_GRADS.T)
    codes = [_design(family) for family in (stochastic, osgc)]
    first, second = (code.quantizer.message_bits(dim) for code in codes)  # (W,) each
    heard = [sum((1 - p) * (int(b) * dim + norm_bits) for p, b in zip(PROB, code.bits, strict=True)) for code in codes]
    answers = np.array([1 - float(p) for p in PROB])  # (W,)
    steps = {
        "the same": int(first.sum()) == int(second.sum()) == BUDGET * dim + norm_bits * len(PROB),
        "heard": _is(np.array([answers @ first, answers @ second]), heard),
    }
    return enumerated(
        claim_of(losses_at_equal_bits),
        steps,
        "at one budget equal bits are equal rounds",
        status=Status.UNDERDETERMINED,
    )


def _design(family: ModuleType, *, copies: int = COPIES, n_workers: int = len(PROB)) -> GradientCode:
    """Design a family for the first of the six workers; its draw is fixed."""
    code: GradientCode = family.design(_profile(n_workers), _spec(copies), rng=np.random.default_rng(1))
    return code


def _profile(n_workers: int) -> StragglerProfile:
    return StragglerProfile(np.array([float(p) for p in PROB[:n_workers]]))


def _spec(copies: int) -> DesignSpec:
    return DesignSpec(len(UNIT_GRADS), len(UNIT_GRADS.T), BUDGET, copies)


def _fixed(code: GradientCode) -> FloatArray:
    """Return the weights of a fixed decoder, (W,)."""
    if not isinstance(code.decoder, FixedDecoder):
        raise TypeError(f"{code.family} has no fixed decoder")
    return code.decoder.decode


def _mean(code: GradientCode) -> FloatArray:
    """Return the mean weight of each part, (P,), without quantization."""
    return error_by_enumeration(_plain(code), np.array([float(p) for p in PROB]), UNIT_GRADS)[0]


def _exact_error(code: GradientCode, grads: FloatArray = UNIT_GRADS) -> float:
    return error_by_enumeration(_plain(code), np.array([float(p) for p in PROB]), grads)[1]


def _plain(code: GradientCode) -> GradientCode:
    return GradientCode(code.family, code.encode, code.decoder, Identity(code.bits))


def _is(found: FloatArray, exact: Sequence[Fraction | float]) -> bool:
    """Compare with rationals, to rounding."""
    return bool(np.allclose(found, [float(each) for each in exact], rtol=1e-12, atol=1e-14))
