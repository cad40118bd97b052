"""Lemma 2, the server's error: the displays from (22) to (26) and between them, each as the implication printed."""

from fractions import Fraction

import sympy as sp

from proofs_check.tools.symbolic import exceeds_by, is_identity, is_sum_of_squares, settle
from workbench.core.claims import Status, Verdict, claim, claim_of

WORKERS = "c'·sign_β contracts by δ"

odds, shed = sp.symbols("odds shed", nonnegative=True)
delta, server_delta = sp.symbols("delta delta_tilde", positive=True)
lam, G2, M, heard = sp.symbols("lambda G2 M M_t", positive=True)
e2, s2, p2 = sp.symbols("e2 s2 p2", nonnegative=True)  # ‖ẽ_t‖², ‖c'Σ sign/M_t‖², Σ_{i ∈ S} ‖p_i‖²
server_kept = sp.Symbol("server_kept", nonnegative=True)  # 1 − δ̃


@claim("compskip", "Lemma 2 step 1")
def lemma_2_step_1(*, answers: int = 0) -> Verdict:
    r"""Refute ‖ẽ_{t+1}‖² ≤ (1 − δ̃)‖p̃_t‖²: the server may skip, and then ẽ_{t+1} = p̃_t.

    One worker, one coordinate, no masks, c = c' = 1, first round, g = 1: p̃ = 1; the server skips: ẽ = 1. Beside this
    it needs the contraction of c·sign_β̃, which (11) has not. The last inequality gives γ² away; the skip would need it.

    Parameters
    ----------
    answers : the server's reply, 0 as it skips
    """
    pooled = sp.Symbol("p", nonnegative=True)
    left = (pooled - answers) ** 2
    steps = {
        "skipped: nothing is shed": is_identity(left, pooled**2),
        "more than (1 − δ̃)‖p̃‖² for every δ̃": exceeds_by(left, (1 - server_delta) * pooled**2, server_delta * pooled**2),
    }
    return settle(
        claim_of(lemma_2_step_1),
        steps,
        "the workers' chain has a case for skips, the server's has none",
        status=Status.REFUTED,
        evidence={"left": float(left.subs(pooled, 1))},
    )


@claim("compskip", "Lemma 2 step 1 repaired", assumes=("the server's compressor contracts by δ̃ when it answers",))
def lemma_2_step_1_repaired(*, power: int = 2) -> Verdict:
    r"""Prove ‖ẽ_{t+1}‖² ≤ (1 − δ̃)(1 + λ)‖ẽ_t‖² + (1 + 1/λ)‖(1/M_t)Σc'Δ‖² for δ̃ ≤ 1 − γ², skips included.

    It lacks (1 − δ̃) in the second term, and so must (24) and U. With skips by coin, q̃, both terms may keep
    1 − (1 − q̃)δ̃ in the mean.

    Parameters
    ----------
    power : of γ in 1 − γ²
    """
    x, y = sp.symbols("x y", real=True)
    decay = 1 / (1 + odds)
    forgotten = odds * (2 + odds) / (1 + odds) ** 2  # 1 − γ²
    room = 1 - decay**power - shed  # every δ̃ up to 1 − γ²
    skip, at_signal = sp.Symbol("q", nonnegative=True), 1 + 1 / lam
    steps = {
        "Young": is_sum_of_squares((1 + lam) * x**2 + at_signal * y**2 - (x + y) ** 2, {lam * x - y: 1 / lam}),
        "skipped: γ² ≤ 1 − δ̃": exceeds_by(1 - room, decay**2, shed),
        "answered: (1 − δ̃)γ² ≤ 1 − δ̃": exceeds_by(server_kept, server_kept * decay**2, server_kept * forgotten),
        "answered: (1 − δ̃)(1 + 1/λ) ≤ 1 + 1/λ": exceeds_by(
            at_signal, (1 - server_delta) * at_signal, server_delta + server_delta / lam
        ),
        "coin": is_identity(skip + (1 - skip) * (1 - delta), 1 - (1 - skip) * delta),
    }
    return settle(claim_of(lemma_2_step_1_repaired), steps, "printed β of (24) is too small by the factor 1 − δ̃")


@claim("compskip", "Eq. 22", eq=22)
def eq_22(*, sent: int = 2) -> Verdict:
    r"""Refute (22): Lemma 1 of [27], for the constant c, is used for c'_t = c|S_t|/M, which is another one.

    Two workers, c = 1, no masks, p = 1 twice: c' = 1 if both send, and the errors vanish; c' = 1/2 if one does, and
    ‖c' sign(p) − p‖² = 1/4: no δ > 3/4 serves both, though one for c alone is δ = 1. Then as in (11).

    Parameters
    ----------
    sent : workers that send, of two, for which δ = 1 is right
    """
    weights = {n: Fraction(n, 2) for n in (1, 2)}  # c'
    total, squares, new, a, p = sp.symbols("total squares new a p", real=True)
    growth = ((heard + 1) * (squares + new**2) - (total + new) ** 2) - (heard * squares - total**2)
    errors = {n: (weight - 1) ** 2 for n, weight in weights.items()}
    steps = {
        "c contracts by 1": errors[sent] == 0,
        "c' does not": errors[1] == Fraction(1, 4),
        # M_t Σ‖s_i‖² − ‖Σs_i‖² grows with one more sender by Σ‖s_i − new‖²
        "the line before: mean": is_identity(growth, squares - 2 * new * total + heard * new**2),
        "the line before: twice": is_sum_of_squares(2 * (a - p) ** 2 + 2 * p**2 - a**2, {a - 2 * p: sp.Integer(1)}),
    }
    return settle(
        claim_of(eq_22),
        steps,
        "the lines before it hold; (22) needs δ for every c|S|/M, and (11) is false for each",
        status=Status.REFUTED,
    )


@claim("compskip", "Eq. 22 repaired", eq=22)
def eq_22_repaired(*, most: int = 1) -> Verdict:
    r"""Prove ‖(1/M_t) Σ c'Δ_i‖² ≤ (|S|/M)² c²D ≤ c²D, surely and with no contraction: D signs, c' = c|S|/M.

    Parameters
    ----------
    most : largest |sign|
    """
    c, dim, idle = sp.symbols("c D idle", nonnegative=True)
    workers = heard + idle
    one = (c * heard / workers) ** 2 * dim * most**2  # each ‖c'Δ_i‖², and so of their mean
    given_away = c**2 * dim * idle * (2 * heard + idle) / workers**2
    steps = {"|S| ≤ M": exceeds_by(c**2 * dim, one, given_away)}
    return settle(claim_of(eq_22_repaired), steps, "a sign has a size; Lemma 2 repaired uses no more than that")


@claim("compskip", "Eq. 23", eq=23, assumes=(WORKERS,))
def eq_23(*, two: int = 2) -> Verdict:
    """Prove (22) ⇒ (23): 2(1 − δ_β) + 2 = 2(2 − δ_β) ≤ 2(2 − δ).

    Parameters
    ----------
    two : in front
    """
    steps = {
        "the equality": is_identity(2 * (1 - delta) * p2 + 2 * p2, 2 * (2 - delta) * p2),
        "δ ≤ δ_β": exceeds_by(two * (2 - delta) * p2, 2 * (2 - (delta + shed)) * p2, 2 * shed * p2),
    }
    return settle(claim_of(eq_23), steps, "given (22)")


@claim("compskip", "Lemma 2 step 2", assumes=("a worker sends", WORKERS))
def lemma_2_step_2(*, two: int = 2) -> Verdict:
    """Prove the display after (23): (23) put into the chain, and 1/M_t = (M/M_t)/M; M_t = 0 divides by 0.

    Parameters
    ----------
    two : in front of 2 − δ
    """
    chain = (1 - server_delta) * (1 + lam) * e2 + (1 - server_delta) * (1 + 1 / lam) * s2
    printed = (1 - server_delta) * (1 + lam) * e2 + two * (2 - delta) * (1 - server_delta) * (1 + 1 / lam) * (
        M / heard
    ) * p2 / M
    steps = {
        "put in": is_identity(chain.subs(s2, 2 * (2 - delta) * p2 / heard), printed),
        "M_t = 0": sp.limit(M / heard, heard, 0, "+") == sp.oo,
    }
    return settle(
        claim_of(lemma_2_step_2),
        steps,
        "for M_t ≥ 1; where all skip there is no signal, and the term is 0",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Lemma 2 step 3")
def lemma_2_step_3(*, one: int = 1) -> Verdict:
    """Prove (16) ≤ αβ/(1 − α) + β = β/(1 − α) = 2(2 − δ)G²/δ², given (21) at t.

    Parameters
    ----------
    one : the multiple of β added
    """
    alpha, level = 1 - delta / 2, (2 - delta) * G2 / delta
    steps = {
        "αβ/(1 − α) + β": is_identity(alpha * level / (1 - alpha) + one * level, level / (1 - alpha)),
        "β/(1 − α)": is_identity(level / (1 - alpha), 2 * (2 - delta) * G2 / delta**2),
    }
    return settle(claim_of(lemma_2_step_3), steps, "the fixed point of (17)")


@claim("compskip", "Lemma 2 step 4")
def lemma_2_step_4(*, power: int = 1) -> Verdict:
    r"""Prove (12) ≤ B ⇒ (1/M) Σ_{i∈S} ‖p_i‖² ≤ B/(1 − δ), for δ < 1: the skippers' squares are dropped.

    In the mean too, as both sides are linear; but E[(M/M_t)·(1/M) Σ_S ‖p_i‖²] needs M_t ≥ 1 put in first, since M_t and
    the sum over S depend on each other.

    Parameters
    ----------
    power : of 1 − δ in the bound
    """
    skipped, spare = sp.symbols("skipped spare", nonnegative=True)
    left = sp.Symbol("left", positive=True)  # 1 − δ
    bound = left * p2 + skipped + spare
    squares, senders = (1, 0), (0,)  # ‖p_i‖² of two workers: the one with the larger p sends
    averages = [Fraction(sum(squares[i] for i in among), len(among)) for among in (range(2), senders)]
    steps = {
        "dropped": exceeds_by(bound / left**power, p2, (skipped + spare) / left),
        # senders are not a sample of all
        "M/M_t stays": averages == [Fraction(1, 2), 1],
    }
    return settle(claim_of(lemma_2_step_4), steps, "valid; at δ → 1, where nothing is lost, it tends to infinity")


@claim("compskip", "Lemma 2 step 5")
def lemma_2_step_5(*, four: int = 4) -> Verdict:
    """Prove the display before (24): 2(2 − δ) times 2(2 − δ)G²/(δ²(1 − δ)).

    Parameters
    ----------
    four : in front
    """
    chain = (
        2
        * (2 - delta)
        * (1 - server_delta)
        * (1 + 1 / lam)
        * M
        / heard
        * (2 * (2 - delta) * G2 / (delta**2 * (1 - delta)))
    )
    printed = four * (2 - delta) ** 2 * (1 - server_delta) * (1 + 1 / lam) * G2 * M / ((1 - delta) * delta**2 * heard)
    return settle(claim_of(lemma_2_step_5), {"product": is_identity(chain, printed)}, "given the steps before")


@claim("compskip", "Lemma 2 step 6")
def lemma_2_step_6(*, half: int = 2) -> Verdict:
    """Prove (1 − δ̃)(1 + λ) = 1 − δ̃/2 and 1 + 1/λ = (2 − δ̃)/δ̃ for λ = δ̃/(2(1 − δ̃)); printed as one equality.

    Parameters
    ----------
    half : the divisor in λ
    """
    chosen = server_delta / (half * (1 - server_delta))
    alpha, factor = 1 - server_delta / 2, (2 - server_delta) / server_delta
    steps = {
        "α": is_identity((1 - server_delta) * (1 + chosen), alpha),
        "1 + 1/λ": is_identity(1 + 1 / chosen, factor),
        "not all equal": [each.subs(server_delta, sp.Rational(1, 2)) for each in (alpha, factor)]
        == [sp.Rational(3, 4), 3],
    }
    return settle(
        claim_of(lemma_2_step_6),
        steps,
        "two equalities, between which a comma is missing",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Eq. 24", eq=24, assumes=("the server never skips", WORKERS))
def eq_24(*, four: int = 4) -> Verdict:
    """Prove that (24) follows from the two displays before it; it inherits step 1's error about skips.

    Parameters
    ----------
    four : in front
    """
    factor = (2 - server_delta) / server_delta
    chain = 4 * (2 - delta) ** 2 * (1 - server_delta) * factor * G2 * M / ((1 - delta) * delta**2 * heard)
    return settle(
        claim_of(eq_24), {"put in": is_identity(chain, _level(four))}, "algebra; see steps 1 and 2 for what it assumes"
    )


@claim("compskip", "Eq. 25", eq=25)
def eq_25(*, rising: int = 1) -> Verdict:
    """Show that (25) hides an index: β depends on t through M_t, so it is a_{t+1} ≤ αa_t + β_t.

    Parameters
    ----------
    rising : power of M_t by which β falls
    """
    steps = {"β falls with M_t": is_identity(_level(4).subs(heard, 2 * heard) * 2**rising, _level(4))}
    return settle(claim_of(eq_25), steps, "(19) is about a constant β", status=Status.HOLDS_WITH_ERRATUM)


@claim("compskip", "Eq. 26", eq=26)
def eq_26(*, rounds: int = 4) -> Verdict:
    r"""Refute (25) ⇒ (26): the bound takes β at the last M_t, while earlier rounds had fewer senders.

    M = 2, δ̃ = 1/2, α = 3/4; four rounds with M_t = 1 (β = 2), then one with M_t = 2 (β = 1), (25) met with equality:
    a_5 = 3/4·(2·175/64) + 1 = 653/128 > 4 = β/(1 − α).

    Parameters
    ----------
    rounds : with one sender
    """
    alpha, a = 1 - Fraction(1, 2) / 2, Fraction(0)
    for level in [2] * rounds + [1]:
        a = alpha * a + level
    last, largest = (level / (1 - alpha) for level in (1, 2))
    steps = {
        "a_5": a == Fraction(653, 128),
        "above (26)": a > last == 4,
        "U, with the largest β, is safe": a < largest == 8,
    }
    return settle(
        claim_of(eq_26),
        steps,
        "read M_t as the least of all rounds so far; the lemma's U = max U_t then covers it",
        status=Status.REFUTED,
        evidence={"reached": float(a), "printed": float(last)},
    )


@claim("compskip", "Eq. 26 repaired", eq=26)
def eq_26_repaired(*, doubled: int = 2) -> Verdict:
    r"""Prove ‖ẽ_{t+1}‖² ≤ max_{s≤t} β_s · 2/δ̃ by induction, and that it is the printed value at the least M_s.

    Parameters
    ----------
    doubled : 1/(1 − α) is doubled/δ̃
    """
    top, spare, less = sp.symbols("top spare less", nonnegative=True)  # β_s = top − less
    alpha = (1 + server_kept) / 2  # 1 − δ̃/2
    limit = top * doubled / (1 - server_kept)
    printed = 8 * (1 - server_delta) * (2 - server_delta) * (2 - delta) ** 2 * G2 * M
    printed = printed / (server_delta**2 * (1 - delta) * delta**2 * heard)
    steps = {
        "t to t + 1": exceeds_by(limit, alpha * (limit - spare) + top - less, alpha * spare + less),
        "α": is_identity(alpha.subs(server_kept, 1 - server_delta), 1 - server_delta / 2),
        "value": is_identity(_level(4) * 2 / server_delta, printed),
    }
    return settle(claim_of(eq_26_repaired), steps, "with the largest β so far")


@claim("compskip", "Lemma 2 step 7")
def lemma_2_step_7(*, sixteen: int = 16) -> Verdict:
    """Prove the display after (26): twice (21) and twice (26), factored into G²U_t.

    Parameters
    ----------
    sixteen : in the sum's second term
    """
    first = 4 * (2 - delta) * G2 / delta**2
    doubled = 2 * (8 * (1 - server_delta) * (2 - server_delta) * (2 - delta) ** 2 * G2 * M)
    doubled = doubled / (server_delta**2 * (1 - delta) * delta**2 * heard)
    second = sixteen * (2 - server_delta) * (1 - server_delta) * (2 - delta) ** 2 * G2 * M
    second = second / (server_delta**2 * (1 - delta) * delta**2 * heard)
    inner = 1 + 4 * (2 - server_delta) * (1 - server_delta) * (2 - delta) * M / (server_delta**2 * (1 - delta) * heard)
    steps = {
        "twice (21)": is_identity(2 * (2 * (2 - delta) * G2 / delta**2), first),
        "twice (26)": is_identity(doubled, second),
        "factored": is_identity(first + second, first * inner),
    }
    return settle(claim_of(lemma_2_step_7), steps, "algebra")


def _level(four: int) -> sp.Expr:
    """Return β of (24)."""
    top = four * (1 - server_delta) * (2 - server_delta) * (2 - delta) ** 2 * G2 * M
    return top / (server_delta * (1 - delta) * delta**2 * heard)
