"""Lemma 1: the virtual iterate x̃_t = x_t − (η_{t−1}/c)(ẽ_t + Σ_i e_{t,i}/M), display by display.

All is linear, so one coordinate is enough, and sums over the workers that send and over those that skip are symbols.
A letter with a prime is meant at t + 1: `sent_error_next` is Σ_{i ∈ S} e_{t+1,i}.
"""

import sympy as sp

from proofs_check.compskip.experiments import ROUNDS
from proofs_check.compskip.notation import CONSTANT_STEP, no_first_step, two_workers
from proofs_check.tools.symbolic import is_identity, settle
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.schemes import compskip

BALANCED = "c'/|S| = c/M"
EQUAL = "c̃ = c"
STEPS = "γη_t = η_{t−1}"
NO_MOMENTUM = "μ = 0"

eta, before, c, M, gamma = sp.symbols("eta eta_before c M gamma", positive=True)
x, reply, server_error = sp.symbols("x reply server_error", real=True)  # x_t, Δ̃_t, ẽ_t
sent = sp.Symbol("sent", real=True)  # Σ_{i ∈ S} Δ_i
grad_sent, grad_skipped, error_sent, error_skipped = sp.symbols("g_S g_N e_S e_N", real=True)
wanted_sent, wanted_skipped, next_sent, next_skipped = sp.symbols("p_S p_N e'_S e'_N", real=True)
held = server_error + (error_sent + error_skipped) / M
grads = grad_sent + grad_skipped
VIRTUAL = x - before / c * held  # x̃_t

LINE_7 = {wanted_sent: grad_sent + gamma * error_sent, wanted_skipped: grad_skipped + gamma * error_skipped}
LINE_12 = {next_sent: wanted_sent - c * sent, next_skipped: wanted_skipped}  # Δ_i = 0 for i not in S


@claim("compskip", "Lemma 1 step 1", assumes=(BALANCED, EQUAL))
def lemma_1_step_1(*, sign: int = -1) -> Verdict:
    """Prove the first two lines: x_{t+1} and ẽ_{t+1} put in, the server's Δ̃_t drops out, skipped or not.

    Parameters
    ----------
    sign : of c̃Δ̃_t in ẽ_{t+1}
    """
    pooled = gamma * server_error + c / M * sent  # p̃_t, line 15
    next_held = pooled + sign * c * reply + (next_sent + next_skipped) / M
    printed = x - eta / c * (c / M * sent + gamma * server_error) - eta / (c * M) * (next_sent + next_skipped)
    steps = {"Δ̃ drops out": is_identity(x - eta * reply - eta / c * next_held, printed)}
    return settle(
        claim_of(lemma_1_step_1), steps, "line 11 with Δ̃_t, line 18 with c̃ = c, line 15 with c'/|S| = c/M: all three"
    )


@claim("compskip", "Lemma 1 step 2")
def lemma_1_step_2(*, share: int = 1) -> Verdict:
    """Prove the third line: the sum of the errors is split into senders and skippers.

    Parameters
    ----------
    share : the multiple of c in front of the signs
    """
    second = x - eta / c * (c / M * sent + gamma * server_error) - eta / (c * M) * (next_sent + next_skipped)
    steps = {"regrouped": is_identity(second, _third(share))}
    return settle(claim_of(lemma_1_step_2), steps, "a regrouping")


@claim("compskip", "Lemma 1 step 3")
def lemma_1_step_3(*, kept: int = 1) -> Verdict:
    """Prove the fourth line: c sign(p_i) + e_{t+1,i} = p_i for senders, e_{t+1,i} = p_i for skippers (line 12).

    Parameters
    ----------
    kept : the multiple of p_i that a skipper keeps
    """
    printed = x - eta / (c * M) * wanted_sent - gamma * eta / c * server_error - eta / (c * M) * kept * wanted_skipped
    steps = {"line 12": is_identity(_third().subs(LINE_12), printed)}
    return settle(claim_of(lemma_1_step_3), steps, "nothing that is not sent is lost")


@claim("compskip", "Lemma 1 step 4", assumes=(NO_MOMENTUM,))
def lemma_1_step_4(*, decay: int = 1) -> Verdict:
    """Prove the fifth line: p_i = g_i + γe_i, which is line 7 at μ = 0 alone.

    Parameters
    ----------
    decay : power of γ
    """
    fourth = x - eta / (c * M) * wanted_sent - gamma * eta / c * server_error - eta / (c * M) * wanted_skipped
    printed = x - gamma * eta / c * server_error - eta / (c * M) * (grads + gamma**decay * (error_sent + error_skipped))
    steps = {"line 7": is_identity(fourth.subs(LINE_7), printed)}
    return settle(claim_of(lemma_1_step_4), steps, "line 7 without momentum; the lemma does not say so, Lemma 2 does")


@claim("compskip", "Lemma 1 step 5", assumes=(STEPS,))
def lemma_1_step_5(*, power: int = 1) -> Verdict:
    """Prove the last three lines: γη_t = η_{t−1} turns what is left into x̃_t.

    Parameters
    ----------
    power : of γ in γη_t
    """
    fifth = x - gamma * eta / c * server_error - eta / (c * M) * (grads + gamma * (error_sent + error_skipped))
    sixth = x - gamma**power * eta / c * held - eta / (c * M) * grads
    steps = {
        "regrouped": is_identity(fifth, sixth),
        "γη_t = η_{t−1}": is_identity(
            sixth.subs(eta, before / gamma), (VIRTUAL - eta / (c * M) * grads).subs(eta, before / gamma)
        ),
    }
    return settle(claim_of(lemma_1_step_5), steps, "a regrouping, and the step sizes' rule")


@claim("compskip", "Lemma 1", assumes=(BALANCED, EQUAL, STEPS, NO_MOMENTUM))
def lemma_1(*, shared: int = 1) -> Verdict:
    r"""Prove x̃_{t+1} = x̃_t − (η_t/(cM)) Σ g_i, and by how much each dropped condition misses it, for all parameters.

    With c̃, w = c'/|S| and μ free, the printed identity is missed by η(c̃/c − 1)Δ̃ − (η/c)(w − c/M) ΣΔ_i
    − ((γη_t − η_{t−1})/c)(ẽ + Σe_i/M) − (ημ/(cM)) Σm_{t,i}: so each condition is needed, and together they suffice.

    Parameters
    ----------
    shared : the multiple of c/M that c'/|S| is
    """
    server_step, weight, mu = sp.symbols("c_tilde w mu", positive=True)
    momentum = sp.Symbol("m", real=True)  # Σ m_{t,i}
    pooled = gamma * server_error + weight * sent
    wanted = mu * momentum + grads + gamma * (error_sent + error_skipped)
    next_held = pooled - server_step * reply + (wanted - c * sent) / M
    missed = (x - eta * reply - eta / c * next_held) - (VIRTUAL - eta / (c * M) * grads)
    parts = {
        EQUAL: eta * (server_step / c - 1) * reply,
        BALANCED: -eta / c * (weight - shared * c / M) * sent,
        STEPS: -(gamma * eta - before) / c * held,
        NO_MOMENTUM: -eta * mu / (c * M) * momentum,
    }
    met: dict[sp.Basic, sp.Expr] = {server_step: c, weight: c / M, before: gamma * eta, mu: sp.Integer(0)}
    steps = {
        "missed by": is_identity(missed, sum(parts.values())),
        "0 if all are met": is_identity(missed.subs(met), sp.Integer(0)),
    }
    for symbol, (name, part) in zip(met, parts.items(), strict=True):
        others = {each: value for each, value in met.items() if each != symbol}
        steps[f"{name} is needed"] = is_identity(missed.subs(others), part) and not part.is_zero
    # η_{−1} = 0, as the proof of Theorem 1 sets it, and η_0 = η_{−1}/γ make every step 0
    steps["η_{−1} = 0 breaks the rule at t = 0"] = no_first_step()
    return settle(
        claim_of(lemma_1),
        steps,
        "it also needs μ = 0, which only the text below says; the rule η_t = η_{t−1}/γ must start at t = 1 (η_{−1} = 0 "
        "is of no account, all errors being 0), and c'/|S| is taken as c/M where all skip",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("compskip", "Lemma 1 repaired", assumes=(STEPS, "γ > μ"))
def lemma_1_repaired(*, lag: int = 2) -> Verdict:
    r"""Prove the identity with momentum, any c̃ and any share: x̃ also holds what momentum still holds back.

    x̃_t = x_t − (η_{t−1}/c̃)(ẽ_t + (w/M) Σ(e_i + a m_{t−1,i})), a = μ²/(γ − μ), c'/|S| = w c/M:
    x̃_{t+1} = x̃_t − η_t κ Σg_i/M with κ = (w/c̃)(1 + μγ/(γ − μ)).

    Parameters
    ----------
    lag : power of μ in a
    """
    server_step, share, mu, over = sp.symbols("c_tilde w mu over", positive=True)  # γ = μ + over
    momentum, errors, gradient = sp.symbols("m e g", real=True)  # Σ m_{t−1,i}, Σ e_i, Σ g_i
    decay = mu + over
    later = mu**lag / over
    now = mu * momentum + gradient  # line 6
    wanted = mu * now + gradient + decay * errors
    pooled = decay * server_error + share * c / M * sent
    next_held = pooled - server_step * reply + share / M * (wanted - c * sent + later * now)
    virtual = x - decay * eta / server_step * (server_error + share / M * (errors + later * momentum))
    gain = share / server_step * (1 + mu * decay / over)
    scheme = compskip.build(
        two_workers(), step_size=CONSTANT_STEP, server_error_step=0.5, momentum=0.25, error_decay=0.75
    )
    steps = {
        "exact steps": is_identity(
            x - eta * reply - eta / server_step * next_held, virtual - eta * gain * gradient / M
        ),
        "as implemented": scheme.virtual_gain == gain.subs({share: 1, server_step: 0.5, mu: 0.25, over: 0.5}),
    }
    return settle(
        claim_of(lemma_1_repaired), steps, "momentum and c̃ ≠ c only change the size of the virtual step, if γ > μ"
    )


@claim("compskip", "Remark momentum")
def remark_momentum(*, gamma_tenths: int = 9) -> Verdict:
    r"""Show that the experiments (μ = γ = 0.9) lie outside the analysis, and outside every repair of Lemma 1.

    A gradient's weight within n rounds is η(1 + μ Σ_{k<n} (μ/γ)^k): at μ = γ it grows by μη a round, without end.
    And η_t = η_{t−1}/γ over 122310 rounds would raise the step by 10^5596.

    Parameters
    ----------
    gamma_tenths : 10γ
    """
    mu, decay = sp.Rational(9, 10), sp.Rational(gamma_tenths, 10)
    k, rounds = sp.Symbol("k", integer=True), sp.Symbol("n", integer=True, positive=True)
    later = mu * (mu / gamma) ** k  # of η, k rounds later
    growth = sp.summation(later.subs(gamma, decay), (k, 0, rounds - 1))
    raised = 10**ROUNDS // gamma_tenths**ROUNDS  # γ^(−122310)
    steps = {
        "a gradient's weight is linear in the rounds": growth == mu * rounds,
        "it goes by μ/γ a round": sp.simplify(later.subs(k, k + 1) / later) == mu / gamma,
        "γ^(−122310) > 10^5596": raised // 10**5596 == 3,
    }
    return settle(
        claim_of(remark_momentum),
        steps,
        "the analysis has μ = 0 and a step that grows by 1/γ a round; the experiments have μ = γ = 0.9 and none of it",
        status=Status.OUTSIDE_ASSUMPTIONS,
    )


def _third(share: int = 1) -> sp.Expr:
    """Return the third line of the proof."""
    senders = share * c * sent + next_sent
    return x - eta / (c * M) * senders - gamma * eta / c * server_error - eta / (c * M) * next_skipped
