"""Algorithm 1 as implemented, its special cases, and Assumptions 1-4."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp

from proofs_check.compskip.experiments import ROUNDS, WORKERS
from proofs_check.compskip.notation import CENTRES, CONSTANT_STEP, HALF, SLOPES, STEP, second_moment, sign, two_workers
from proofs_check.tools.symbolic import enumerated, is_identity, settle
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.core.types import FloatArray
from workbench.schemes import compskip, drop_sign_sgd, sign_sgd
from workbench.schemes.compskip import CompSkip

Pattern = Sequence[int]  # two workers' masks, two workers' messages sent, the server's mask, the server's reply sent


@claim("compskip", "Algorithm 1")
def algorithm_1(*, own: int | None = None, decay: Fraction = Fraction(1, 2), answered: int = 1) -> Verdict:
    """Show that our scheme is Algorithm 1, over all masks and skips of two rounds of two workers, exactly.

    Line 11 must be read with the server's Δ̃_t: with a worker's own Δ_{t,i} two workers of opposite signs part.

    Parameters
    ----------
    own : read line 11 with this worker's own signs
    decay : γ, against the scheme's 1/2
    answered : the flag under which the server's reply is sent
    """
    scheme = compskip.build(
        two_workers(),
        step_size=CONSTANT_STEP,
        worker_error_step=0.5,
        message_weight=1.0,
        server_error_step=0.25,
        keep_prob=0.5,
        server_keep_prob=0.5,
        momentum=0.5,
        error_decay=0.5,
        worker_skip_prob=0.5,
        server_skip_prob=0.5,
    )
    patterns = list(product(range(2), repeat=6))
    first, second = (list(each) for each in zip(*product(patterns, patterns), strict=True))
    seen = _simulated(scheme, [first, second])
    expected = [_by_hand([a, b], decay, own, answered) for a, b in zip(first, second, strict=True)]
    grads = [slope * (0 - centre) for slope, centre in zip(SLOPES, CENTRES, strict=True)]  # at x_0 = 0
    *_, all_sent = patterns
    apart = [_by_hand([all_sent], decay, worker, answered)[0] for worker in range(2)]
    steps = {
        "all masks and skips of two rounds": seen == expected,
        "the ledger's example": grads == [-3, 1] and apart == [Fraction(1, 4), -Fraction(1, 4)],
    }
    return enumerated(
        claim_of(algorithm_1),
        steps,
        "lines 5 to 18 as printed, with line 11's Δ_t read as the Δ̃_t that line 16 sends: Δ_t is defined nowhere",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Algorithm 1 line 15")
def algorithm_1_line_15(*, skip_tenths: int = 3) -> Verdict:
    """Show that line 15 divides by |S_t| = 0 in 26.7 of the experiment's 122310 rounds on average, 3424 at skips 0.6.

    Parameters
    ----------
    skip_tenths : ten times the workers' skip probability
    """
    often, oftener = (ROUNDS * Fraction(tenths, 10) ** WORKERS for tenths in (skip_tenths, 2 * skip_tenths))
    return settle(
        claim_of(algorithm_1_line_15),
        {"26.7": round(often, 1) == Fraction(267, 10), "3424": round(oftener) == 3424},
        "nothing says what the server does when all workers skip; we take the empty sum as 0",
        status=Status.UNDERDETERMINED,
        evidence={"rounds_without_a_message": float(often)},
    )


@claim("compskip", "Special case signSGD")
def special_case_signsgd(*, keep_prob: Fraction = Fraction(1)) -> Verdict:
    """Show that μ = γ = 0 without skips is signSGD with majority vote only if β = β̃ = 1 too.

    With β < 1 a vote is cast with probability β alone: one worker, slope 1, moves with probability ββ̃, not surely.

    Parameters
    ----------
    keep_prob : β = β̃ that gives the majority vote
    """
    weight, votes = sp.Symbol("weight", positive=True), sp.Symbol("votes", real=True)  # c'/|S|, and their sum
    scheme = sign_sgd.build(two_workers(), step_size=CONSTANT_STEP)
    # around both centres, where a vote is 0, and outside, where both agree
    starts = [centre + side * Fraction(k, 2) for centre in CENTRES for side in (-1, 1) for k in range(5)]
    moved = [_one_step(scheme, x) - x for x in starts]
    voted = [-STEP * sign(sum(sign(s * (x - o)) for s, o in zip(SLOPES, CENTRES, strict=True))) for x in starts]

    def moves(prob: Fraction) -> Fraction:
        """Chance that the worker keeps its sign and the server the vote."""
        return prob * prob

    steps = {
        "c' > 0 does not matter": sp.sign(weight * votes) == sp.sign(votes),
        "our sign_sgd votes": moved == voted and set(voted) == {-STEP, 0, STEP},
        "a lone worker always moves": moves(keep_prob) == 1,
        "at β = β̃ = 1/2 it moves once in four": moves(HALF) == Fraction(1, 4),
    }
    return settle(
        claim_of(special_case_signsgd),
        steps,
        "β = β̃ = 1 is missing among the settings, whose defaults are 0.3 and 0.5",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Special case dropSignSGD")
def special_case_dropsignsgd(*, decay: float = 1.0) -> Verdict:
    """Show that γ = 1 without skips keeps all errors: worker by worker, c times the signs sent and what is owed add up.

    Whether that is [27]'s algorithm, its c' and its β̃ included, the paper alone does not say.

    Parameters
    ----------
    decay : γ
    """
    built = drop_sign_sgd.build(two_workers(), step_size=CONSTANT_STEP)
    e, g, signs, c = sp.symbols("e g signs c", real=True)
    gamma = sp.Rational(decay)
    owed = g + gamma * e - c * signs
    steps = {
        "nothing is lost": is_identity(owed + c * signs, e + g),
        "as implemented": built.error_decay == decay and not built.server_skip_prob and not any(built.worker_skip_prob),
    }
    return settle(
        claim_of(special_case_dropsignsgd),
        steps,
        "the settings named keep all errors; the rest of [27] is not in this paper",
        status=Status.UNDERDETERMINED,
    )


@claim("compskip", "Assumption 1", eq=1)
def assumption_1(*, lower: bool = True) -> Verdict:
    """Show what the proof uses of inf f: that it is above −∞, not "< ∞", which every f meets.

    f(x) = −x (not a loss: ℓ ≥ 0) has inf f = −∞ < ∞, L-Lipschitz gradients for every L, and ‖∇f‖ = 1 everywhere. For
    ℓ ≥ 0, as above the assumption, inf f ≥ 0 and nothing is missing.

    Parameters
    ----------
    lower : whether the infimum printed is meant from below
    """
    x, L = sp.symbols("x L", positive=True)
    slide = -x
    steps = {
        "−x: inf f < ∞": bool(sp.limit(slide, x, sp.oo) < sp.oo),
        "−x: not bounded below": (sp.limit(slide, x, sp.oo) == -sp.oo) is lower,
        "−x: gradients constant": sp.diff(slide, x, 2) == 0 and sp.diff(slide, x) ** 2 == 1,
        # (1) for L x²/2 is met with equality
        "(1) is attained": is_identity(sp.diff(L * x**2 / 2, x), L * x),
    }
    return settle(
        claim_of(assumption_1),
        steps,
        "read −∞ < f*; the nonnegative loss gives it",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Eq. 2", eq=2)
def eq_2(*, halves: int = 1) -> Verdict:
    r"""Prove that (2) follows from (1): f(x) − f(y) − ⟨∇f(y), x − y⟩ ≤ ∫₀¹ L s‖x − y‖² ds; attained by L x²/2.

    Parameters
    ----------
    halves : the multiple of L/2
    """
    s = sp.Symbol("s", nonnegative=True)
    L, r, x, y = sp.symbols("L r x y", positive=True)
    attained = L * x**2 / 2 - L * y**2 / 2 - L * y * (x - y)
    steps = {
        "integral": is_identity(sp.integrate(L * s * r**2, (s, 0, 1)), halves * L / 2 * r**2),
        "attained": is_identity(attained, halves * L / 2 * (x - y) ** 2),
    }
    return settle(claim_of(eq_2), steps, "(2) is no assumption of its own: (1) implies it, and not the other way round")


@claim("compskip", "Assumption 2")
def assumption_2(*, bound: int = 1) -> Verdict:
    """Show what Assumptions 2 and 3 give: E‖g‖² ≤ ω² + σ² = G², and no bound on ‖g‖² itself.

    g = ±2^k with probability 7/16·8^(−k) each, k = 0, 1, ...: E g = 0, E g² = 7/4, and g² ≥ N has a chance for all N.

    Parameters
    ----------
    bound : the multiple of σ²
    """
    grad, variance = sp.symbols("grad sigma2", real=True)
    k = sp.Symbol("k", integer=True, nonnegative=True)
    chance = sp.Rational(7, 8) / 8**k
    steps = {
        "E‖g‖²": is_identity(second_moment(grad, variance), grad**2 + bound * variance),
        "probabilities add up": sp.summation(chance, (k, 0, sp.oo)) == 1,
        "variance 7/4": sp.summation(sp.powsimp(chance * 4**k), (k, 0, sp.oo)) == sp.Rational(7, 4),
    }
    return settle(claim_of(assumption_2), steps, "(16) takes G² for a bound on ‖g‖², which holds in the mean alone")


@claim("compskip", "Assumption 3")
def assumption_3(*, farthest: int = 1) -> Verdict:
    r"""Prove that Assumption 3 is met for each T, with ω = ‖∇f(x_0)‖ + L√D Σ_{t<T} η_t, and attained.

    Δ̃_t has D entries of at most 1, so ‖x_{t+1} − x_t‖ ≤ η_t√D, and (1) adds Lη_t√D to ‖∇f‖. At Theorem 1's steps it is
    of order √T. Attained by f = Lx²/2 in one coordinate whose signs always point outwards.

    Parameters
    ----------
    farthest : largest |entry| of Δ̃
    """
    L, dim, step, first = sp.symbols("L D eta grad_0", positive=True)
    so_far = sp.Symbol("so_far", nonnegative=True)  # Σ_{s<t} η_s
    x = sp.Symbol("x", positive=True)
    moved = step * sp.sqrt(dim * farthest**2)
    reached = first + L * sp.sqrt(dim) * so_far
    steps = {
        "t = 0": is_identity(reached.subs(so_far, 0), first),
        "t to t + 1": is_identity(reached + L * moved, reached.subs(so_far, so_far + step)),
        "attained": is_identity(sp.diff(L * x**2 / 2, x).subs(x, first / L + so_far), reached.subs(dim, 1)),
    }
    return settle(
        claim_of(assumption_3),
        steps,
        "an ω for each T comes for free; one for all T does not, and Theorem 1 and U need that",
    )


@claim("compskip", "Assumption 4")
def assumption_4(*, workers: int = 2) -> Verdict:
    """Show that (5) needs independence given the past: independent noises alone leave E_t of it wrong.

    s = ±1 is a coin of the past, z = ±1 a new one: z_1 = z and z_2 = s z are independent with variance 1, and given
    s = 1 they are equal, E_t(z_1 + z_2)² = 4 > Mσ² = 2.

    Parameters
    ----------
    workers : M
    """
    coins = (-1, 1)
    table = [(z, s * z) for s, z in product(coins, coins)]
    independent = all(table.count(pair) * 4 == len(table) for pair in product(coins, coins))
    given = Fraction(sum((z + z) ** 2 for z in coins), len(coins))
    overall = Fraction(sum((a + b) ** 2 for a, b in table), len(table))
    steps = {
        "independent": independent,
        "given s = 1 above Mσ²": given == 2 * workers,
        "overall Mσ²": overall == workers,
    }
    return enumerated(
        claim_of(assumption_4),
        steps,
        "independent given the past, as E_t is meant; then (5) holds, and in the full mean it holds as printed",
        status=Status.HOLDS_WITH_ERRATUM,
    )


def _scripted(patterns: Sequence[Pattern]) -> Any:
    """Return a noise that draws what `patterns` say, one run each."""
    flags = np.array(patterns, float)  # (R, 6)
    send, keep = float(HALF) * flags, float(HALF) * (1 - flags)  # sent from the skip probability on; kept below β

    def stream(name: str) -> Any:
        columns = {
            "skips/workers": send[:, 2:4],
            "skips/server": send[:, 5:],
            "quantizer/compskip/workers": keep[:, :2],
            "quantizer/compskip/server": keep[:, 4:5],
        }[name]
        return SimpleNamespace(random=lambda shape: columns.reshape(shape))

    times = np.zeros((len(flags), len(SLOPES)))  # (R, W)
    return SimpleNamespace(
        stream=stream, responses=SimpleNamespace(next_round=lambda: times), rows=np.arange(len(flags))
    )


def _simulated(scheme: CompSkip, rounds: Sequence[Sequence[Pattern]]) -> list[list[Fraction]]:
    """Return x, m, e, ẽ of every run after the rounds."""
    first, *_ = rounds
    state = scheme.init(len(first))
    for t, patterns in enumerate(rounds, start=1):
        state, _ = scheme.step(state, t, _scripted(patterns))
    flat: list[FloatArray] = [state.x, state.momentum[..., 0], state.worker_error[..., 0], state.server_error]
    return [[Fraction(float(value)) for value in row] for row in np.concatenate(flat, axis=1)]


def _one_step(scheme: CompSkip, start: Fraction) -> Fraction:
    """Return x after one round without skips and masks."""
    state = scheme.init(1)._replace(x=np.array([[float(start)]]))
    return Fraction(float(scheme.step(state, 1, _scripted([[1] * 6]))[0].x[0, 0]))


def _by_hand(patterns: Sequence[Pattern], decay: Fraction, own: int | None, answered: int) -> list[Fraction]:
    """Lines 5 to 18 in rationals, with c = 1/2, c' = 1, c̃ = 1/4, μ = 1/2."""
    half = Fraction(1, 2)
    x, server_error = Fraction(0), Fraction(0)
    m, e = [Fraction(0)] * 2, [Fraction(0)] * 2
    for pattern in patterns:
        *_, server_mask, answers = pattern
        sends, signs = pattern[2:4], []
        for i, (slope, centre, mask, send) in enumerate(zip(SLOPES, CENTRES, pattern[:2], sends, strict=True)):
            g = slope * (x - centre)  # 5
            m[i] = half * m[i] + g  # 6
            p = half * m[i] + g + decay * e[i]  # 7
            signs.append(sign(p) * mask * send)  # 8, 9
            e[i] = p - half * signs[i]  # 12
        pooled = decay * server_error + Fraction(sum(signs), max(sum(sends), 1))  # 15
        reply = sign(pooled) * server_mask if answers == answered else 0  # 16, 17
        server_error = pooled - Fraction(1, 4) * reply  # 18
        x = x - STEP * (reply if own is None else signs[own])  # 11
    return [x, *m, *e, server_error]
