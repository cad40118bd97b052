"""The update (8), Algorithm 1 and the methods it is compared with."""

from typing import Any

import numpy as np
import sympy as sp

from proofs_check.quantimed.notation import PAIR, THIRDS
from proofs_check.tools.symbolic import enumerated, is_identity, settle
from workbench.core.claims import Grade, Status, Verdict, claim, claim_of
from workbench.core.types import FloatArray, Regularity
from workbench.problems.one_hidden_layer import Activation, OneHiddenLayer
from workbench.problems.quadratic import Quadratic
from workbench.schemes import asynchronous_dsgd, dsgd, q_dsgd, quantimed
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep
from workbench.stragglers.delays import bounded_speed
from workbench.topologies.mixing import Mixing

PROBLEM: Any = Quadratic(np.array([[[1.0]], [[1.0]]]), np.array([[1.0], [3.0]]), Regularity())
SETTING = Setting(PROBLEM, bounded_speed.build(2, slowest=1.0, fastest=1.0))
STEP = ConstantStep(0.25)


@claim("quantimed", "Eq. 8", eq=8)
def eq_8(*, sign: int = -1) -> Verdict:
    r"""Prove that (8) is x − ε(∇h_α(x) + noise), h_α(x) = ½xᵀ(I − W)x + αΣf_i(x_i): SGD with the step ε.

    Worker i's part of (I − W)x is x_i − Σ_j w_ij x_j; z_j = x_j + q_j and ∇̃f_i = ∇f_i + ξ_i leave
    −Σ_{j≠i} w_ij q_j + αξ_i.

    Parameters
    ----------
    sign : of the gradient's step
    """
    eps, alpha, own, x, others, g, xi, q = sp.symbols("eps alpha w_ii x_i S g xi q", real=True)
    printed = (1 - eps + eps * own) * x + eps * (others + q) + sign * alpha * eps * (g + xi)  # S = Σ_{j≠i} w_ij x_j
    gradient = (x - own * x - others) + alpha * g
    y, f = sp.symbols("y", real=True), sp.Function("f")
    w = sp.symbols("w", real=True)
    penalty = ((1 - own) * x**2 - 2 * w * x * y) / 2  # x_i's own terms of ½xᵀ(I − W)x, one neighbour for each
    steps = {
        "one worker": is_identity(printed, x - eps * (gradient - q + alpha * xi)),
        # each x_i x_j occurs twice in the form, from both its rows
        "gradient of the form": is_identity(sp.diff(penalty, x), (1 - own) * x - w * y),
        "of α f": sp.simplify(sp.diff(alpha * f(x), x) - alpha * sp.Derivative(f(x), x)) == 0,
        "our scheme, one round": _rounds("quantimed", 1) == [[0.5 * 0.25 * 2], [0.5 * 0.25 * 6]],
    }
    return settle(claim_of(eq_8), steps, "W enters through I − W and the noise through W − diag(W)")


@claim("quantimed", "Algorithm 1")
def algorithm_1(*, rounds: int = 3) -> Verdict:
    """Show that our scheme is Algorithm 1: three rounds of two workers from x_0 = 0 against its lines 1 to 6, exactly.

    Without a rounding z = x; the deadline leaves each worker just the time for its whole part.

    Parameters
    ----------
    rounds : of the lines
    """
    x, eps, alpha = [0.0, 0.0], 0.5, 0.25
    for _ in range(rounds):
        z = list(x)
        slopes = [2 * (x[0] - 1), 2 * (x[1] - 3)]
        x = [(1 - eps + eps * 0.5) * x[i] + eps * 0.5 * z[1 - i] - alpha * eps * slopes[i] for i in (0, 1)]
    steps = {"three rounds": _rounds("quantimed", 3) == [[x[0]], [x[1]]]}
    return enumerated(claim_of(algorithm_1), steps, "line 1's z_0 is sent by line 3 already")


@claim("quantimed", "Algorithm 1 start")
def algorithm_1_start(*, out: int = 0, start: float = 0.0) -> Verdict:
    r"""Prove that from x_0 = 0 no weight of Section 5's networks but the output biases ever moves.

    y = V φ(U a) + c with φ(0) = 0 (tanh, relu): ∂y/∂U = V φ' a = 0 where V = 0, ∂y/∂V = φ(U a) = 0 where U = 0. So U =
    V = 0 stays, also under averaging and (7), which keep 0; the network is constant in its input.

    Parameters
    ----------
    out : V
    start : x_0 of our problem
    """
    u, v, a, c, delta = sp.symbols("u v a c delta", real=True)
    y = v * sp.tanh(u * a) + c
    slopes = [sp.diff(y, each) for each in (u, v, c)]
    hidden, outer, bias = (slope.subs({u: 0, v: out}) * delta for slope in slopes)
    activations: list[Activation] = ["tanh", "relu"]
    phi, z = sp.Function("phi"), sp.symbols("z", real=True)
    steps = {
        "the chain rule": is_identity(slopes[0], v * a * (1 - sp.tanh(u * a) ** 2))
        and is_identity(slopes[1], sp.tanh(u * a)),
        "∂/∂U": hidden == 0,
        "∂/∂V": outer == 0,
        "the bias moves": is_identity(bias, delta),
        "ours, tanh and relu": all(_stays(activation, start) for activation in activations),
        "with φ(0) ≠ 0 all units get the same": sp.diff(v * phi(z), v).subs(z, 0) == phi(0),
    }
    return settle(
        claim_of(algorithm_1_start),
        steps,
        "the experiments cannot have started at 0; a common random start does, and the bounds need no other",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "DSGD")
def dsgd_(*, own: bool = False) -> Verdict:
    r"""Show that DSGD's sum over N_i needs i in it, where (8) and Section 2 have neighbours only.

    W = (½, ¼, ¼) for three workers that agree on x = 1 with gradients 0: Σ_{j≠i} w_ij x_j = ½, and x → 0 like 2^(−t).

    Parameters
    ----------
    own : whether N_i contains i
    """
    agreed = np.ones(3)
    heard = THIRDS if own else THIRDS - np.diag(np.diag(THIRDS))
    after = _state(dsgd.build(SETTING, step_size=STEP, mixing=Mixing(PAIR)), 1)
    steps = {
        "neighbours only": (heard @ agreed).tolist() == [0.5] * 3,
        "with i": (THIRDS @ agreed).tolist() == [1.0] * 3,
        "ours, which has i: (8) with ε = 1": after.x.tolist() == [[[0.5], [1.5]]],
    }
    return settle(
        claim_of(dsgd_), steps, "N_i must contain i here", status=Status.HOLDS_WITH_ERRATUM, grade=Grade.PROVED
    )


@claim("quantimed", "Q-DSGD")
def q_dsgd_(*, rounds: int = 3) -> Verdict:
    """Show that our Q-DSGD is QuanTimed-DSGD but for the batches: the same models where all batches are whole.

    Parameters
    ----------
    rounds : of QuanTimed-DSGD
    """
    steps = {"same models": _rounds("q_dsgd", 3) == _rounds("quantimed", rounds)}
    return enumerated(claim_of(q_dsgd_), steps, "a definition")


@claim("quantimed", "Asynchronous DSGD")
def asynchronous_dsgd_(*, travel_s: float = 3.0) -> Verdict:
    r"""Show that what is said of Asynchronous DSGD does not fix its speed: may it compute while its model travels?

    Gradients of 1 s and messages of T_c = 3 s: 13 s hold 13 gradients a worker if it may, and 4 if it may not.

    Parameters
    ----------
    travel_s : T_c
    """
    setting = Setting(PROBLEM, SETTING.delay, travel_s / 16)
    clocks = []
    sends: tuple[Any, ...] = ("overlapped", "blocking")
    for send in sends:
        scheme = asynchronous_dsgd.build(setting, step_size=STEP, mixing=Mixing(PAIR), send=send, float_bits=16)
        clocks.append(float(_state(scheme, 4).clock_s.item()))
    steps = {"four gradients of each worker": clocks == [4.0, 13.0]}
    return enumerated(
        claim_of(asynchronous_dsgd_),
        steps,
        "both readings are implemented; N_i must contain i as in DSGD",
        status=Status.UNDERDETERMINED,
        evidence=dict(zip(("overlapped_s", "blocking_s"), clocks, strict=True)),
    )


def _state(scheme: Any, rounds: int) -> Any:
    """One run of a scheme after some rounds."""
    state, noise = scheme.init(1), Noise(scheme.setting.delay, seed=0, runs=range(1))
    for iteration in range(1, rounds + 1):
        state, _ = scheme.step(state, iteration, noise)
    return state


def _rounds(name: str, rounds: int) -> list[list[float]]:
    """Models after some rounds, α = ¼, ε = ½, of two workers with f_i = (x − c_i)², c = (1, 3)."""
    common: dict[str, Any] = {"step_size": STEP, "mixing": Mixing(PAIR), "mixing_step": 0.5}
    if name == "q_dsgd":
        scheme = q_dsgd.build(SETTING, **common)
    else:
        scheme = quantimed.build(SETTING, **common, deadline_s=float(PROBLEM.part_sizes.max()))
    rows: list[list[float]]
    (rows,) = _state(scheme, rounds).x.tolist()
    return rows


def _stays(activation: Activation, start: float) -> bool:
    """Whether our network's gradients at a start of all `start` are 0 but for the output biases, and not there."""
    hidden, classes, rng = 2, 2, np.random.default_rng(0)
    features: FloatArray = np.column_stack([rng.normal(size=(4, 2)), np.ones(4)])  # (N, features)
    inner = hidden * features.shape[1]  # entries of U
    x = np.full(inner + classes * (hidden + 1), start)
    net = OneHiddenLayer(features, np.zeros(4, int), np.arange(5), classes, hidden, activation, x)
    grads = net.part_grads(net.initial()[None]).reshape(4, -1)  # (P, D), of one sample each
    biases = grads[:, inner:].reshape(4, classes, hidden + 1)[..., -1]  # (P, classes)
    return bool(np.all(biases) and np.count_nonzero(grads) == biases.size)
