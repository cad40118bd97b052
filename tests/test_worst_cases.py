"""Exact worst cases against closed forms, PEPit, explicit losses, the recursions and the bounds."""

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import PEPit
import pytest
from PEPit.functions import SmoothFunction

from workbench import worst_cases
from workbench.bounds import compskip, fastest_k, hetero_gc, onebit_gc, quantimed
from workbench.cli.bounds import command as bounds
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity
from workbench.solvers import first_order_runs, performance_estimation
from workbench.solvers.first_order_runs import Descent, Feedback, by_pepit, of_descent, of_feedback
from workbench.solvers.performance_estimation import CertificateError, WorstCase, check, solve

REG = Regularity(strong_convexity=0.5, smoothness=4.0, grad_bound_sq=3.0, grad_var=2.0)
MASS = np.array([0.5, 0.5, 1.0, 2.0])  # (W,), P = 4
HOLDS = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]])  # a balanced placement, (W, P)
MIXING = np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
TIGHT = 1e-5  # relative distance of the two ends at five rounds; shorter runs are far closer
NOISY = Descent((0.125, 0.2), "loss gap", 1.0, 4.0, loss_gap=1.0, noise=2.0)


def solved(run: Descent | Feedback) -> WorstCase:
    problem = of_descent(run) if isinstance(run, Descent) else of_feedback(run)
    found = solve(problem)
    check(problem, found.certificate)
    assert found.lower <= found.upper <= found.lower * (1 + TIGHT)
    return found


# ---- known exactly -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rounds", [1, 2, 3, 5])
def test_gradient_descent_on_a_smooth_convex_loss(n_rounds: int) -> None:
    found = solved(Descent((1.0,) * n_rounds, "loss gap", 0.0, 1.0, distance_sq=1.0))
    assert found.lower <= 1 / (4 * n_rounds + 2) * (1 + 1e-12)
    assert found.upper >= 1 / (4 * n_rounds + 2)
    assert found.upper == pytest.approx(1 / (4 * n_rounds + 2), rel=1e-6)


@pytest.mark.parametrize("step", [0.3, 0.45])
@pytest.mark.parametrize("measure", ["squared distance", "loss gap"])
def test_gradient_descent_on_a_strongly_convex_loss(step: float, measure: Any) -> None:
    start = {"distance_sq": 1.0} if measure == "squared distance" else {"loss_gap": 1.0}
    found = solved(Descent((step,) * 4, measure, 0.5, 4.0, **start))
    assert found.upper == pytest.approx(max(abs(1 - 0.5 * step), abs(1 - 4 * step)) ** 8, rel=1e-6)


@pytest.mark.parametrize("n_rounds", [1, 3])
def test_gradient_descent_on_a_smooth_loss_that_is_not_convex(n_rounds: int) -> None:
    """The least squared gradient under 1/L is 4LΔ/(3T + 2) at most [Abbaszadehpeivasti, de Klerk and Zamani, 2021]."""
    found = solved(Descent((0.25,) * n_rounds, "least squared gradient", -4.0, 4.0, loss_gap=1.0))
    assert found.upper == pytest.approx(4 * 4 / (3 * n_rounds + 2), rel=1e-6)


def test_the_second_moment_recursion_is_attained() -> None:
    """From T = 3 on the recursion behind 4G/(μ²T) is no bound but the worst case itself."""
    for start in (None, 30.0):
        last = [1, 2, 3, 5]
        worst = worst_cases.worst_case_hetero_gc_theorem_2(REG, 4, 2.0, last, start_error_sq=start)
        curve = hetero_gc.theorem_2_recursion(REG, 4, 2.0, last, start_error_sq=start or 0.0).value
        first = 0 if start else 1
        np.testing.assert_allclose(worst.upper[first:], curve[first:], rtol=1e-8)
        np.testing.assert_allclose(worst.lower[first:], curve[first:], rtol=1e-8)


@pytest.mark.parametrize("some_prob", [1.0, 0.7])
def test_the_recursion_of_quantimed_is_attained(some_prob: float) -> None:
    given: dict[str, Any] = {
        "step_size": 0.2,
        "mixing_step": 0.5,
        "quantizer_var": 0.3,
        "inverse_batch": 0.1,
        "start_error_sq": 5.0,
        "grad_sq": 7.0,
        "some_prob": some_prob,
    }
    worst = worst_cases.worst_case_quantimed_theorem_1_recursion(REG, MIXING, [1, 4], **given)
    curve = quantimed.theorem_1_recursion(REG, MIXING, [1, 4], **given).value
    np.testing.assert_allclose(worst.upper, curve, rtol=1e-6)
    np.testing.assert_allclose(worst.lower, curve, rtol=1e-6)


# ---- against PEPit, which goes through the tree of runs -----------------------------------------------------

RUNS = {
    "convex": Descent((1.0, 0.7, 1.2), "loss gap", 0.0, 1.0, distance_sq=1.0),
    "not convex": Descent((0.8, 0.3, 1.1), "least squared gradient", -1.0, 1.0, loss_gap=1.0),
    "dominated": Descent((0.8, 0.3), "loss gap", -1.0, 1.0, loss_gap=1.0, dominated=0.2),
    "noise": NOISY,
    "noise that grows": replace(NOISY, noise_by_grad=0.3, noise_by_distance=0.2),
    "noise, not convex": Descent(
        (0.5, 0.4), "mean squared gradient", -1.0, 1.0, weights=(1.0, 2.0, 0.5), loss_gap=1.0, noise=0.3
    ),
    "noise, strongly convex": Descent((1.0, 0.5), "squared distance", 1.0, np.inf, noise=0.5, grad_bound_sq=1.0),
    "noise, from an exact distance": Descent(
        (1.0, 0.5), "squared distance", 1.0, np.inf, distance_sq=0.4, distance_is_exact=True, noise=0.5, grad_bound_sq=1
    ),
}


@pytest.mark.parametrize(("name", "atoms"), [*((name, 2) for name in RUNS), ("noise", 3)])
def test_pepit_agrees_on_the_whole_tree_of_noise(name: str, atoms: int) -> None:
    run = RUNS[name]
    found = solve(of_descent(run, atoms=atoms))
    assert by_pepit(run, atoms=atoms) == pytest.approx(found.upper, rel=1e-6)
    assert found.lower <= solved(run).upper * (1 + 1e-6)  # noise of few values is some noise


def test_pepit_agrees_on_error_feedback_without_noise() -> None:
    run = Feedback(3, 0.4, 1.0, 1.0, 5.0, 0.0, (0.3,), 0.2)
    pep: Any = PEPit.PEP()
    loss = pep.declare_function(SmoothFunction, L=1.0)
    x = pep.set_initial_point()
    error, server_error, squares = None, None, []
    for t in range(3):
        grad, value = loss.oracle(x)
        if t == 0:
            pep.set_initial_condition(value <= 1.0)
        pep.add_constraint(value >= grad**2 / 2)
        pep.add_constraint(grad**2 <= 5.0)
        squares.append(grad**2)
        wanted = grad if error is None else grad + error
        error = PEPit.Point()
        pep.add_constraint(error**2 <= 0.3 * wanted**2)
        at_server = wanted - error if server_error is None else server_error + wanted - error
        server_error = PEPit.Point()
        pep.add_constraint(server_error**2 <= 0.2 * at_server**2)
        x = x - 0.4 * (at_server - server_error)
    pep.set_performance_metric(sum(squares) / 3)
    value = pep.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0)
    assert value == pytest.approx(solved(run).upper, rel=1e-6)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_error_feedback_without_loss_is_descent(n_workers: int) -> None:
    feedback = Feedback(3, 0.4, 1.0, 1.0, 5.0, 0.6, (0.0,) * n_workers, 0.0)
    noise = 0.6 / n_workers
    descent = Descent((0.4, 0.4), "mean squared gradient", -1, 1, loss_gap=1.0, noise=noise, grad_bound_sq=5.0)
    assert solved(feedback).upper == pytest.approx(solved(descent).upper, rel=1e-6)


# ---- against losses -----------------------------------------------------------------------------------------


def test_no_quadratic_does_worse() -> None:
    """½ax² from the largest start, noise of the largest variance: E x² ← (1 − ηa)²E x² + η²v exactly."""
    worst = solved(NOISY).upper
    for curvature in np.linspace(1, 4, 31):
        second = 2 / curvature
        for step in NOISY.steps:
            second = (1 - step * curvature) ** 2 * second + step**2 * NOISY.noise
        assert curvature / 2 * second <= worst * (1 + 1e-12)


def test_the_gram_matrix_is_a_run() -> None:
    """Vectors with the returned inner products are iterates and gradients of one loss, two branches of the noise."""
    problem = of_descent(NOISY, atoms=2)
    found = solve(problem)
    values, vectors = np.linalg.eigh(found.gram)
    v = vectors * np.sqrt(np.maximum(values, 0))  # (n, dim): one row a vector
    part = {sign: np.where(problem.block == 1, sign, 1.0)[:, None] * v for sign in (1, -1)}  # of round 1's outcome
    x0, g0, e0 = v[0], v[1], v[np.flatnonzero(problem.block == 1)[-1]]
    starts = {sign: x0 - NOISY.steps[0] * (g0 + sign * e0) for sign in part}
    g1 = {sign: own[2] + own[3] for sign, own in part.items()}
    assert e0 @ e0 <= NOISY.noise
    np.testing.assert_allclose(e0 @ g0, 0, atol=1e-9)
    points = [(x0, g0, found.function_values[0])] + [(starts[s], g1[s], found.function_values[1]) for s in part]
    points.append((0 * x0, 0 * x0, 0.0))
    for x_i, g_i, f_i in points:
        for x_j, g_j, f_j in points:
            h = g_i - g_j - (x_i - x_j)  # strongly convex by 1, smooth by 4
            least = f_j + g_j @ (x_i - x_j) + (x_i - x_j) @ (x_i - x_j) / 2 + h @ h / (2 * (4 - 1))
            assert f_i >= least - 1e-9


# ---- certificates -------------------------------------------------------------------------------------------


def test_a_certificate_that_is_tampered_with_is_rejected() -> None:
    problem = of_descent(NOISY)
    good = solve(problem).certificate
    check(problem, good)
    largest = int(np.argmax(good.multipliers))
    bump = np.zeros(good.multipliers.shape)
    bump[largest] = 0.01
    false = {
        "prove": replace(good, upper=good.upper * (1 - 1e-6)),
        "cancel": replace(good, multipliers=good.multipliers + bump),
        "negative": replace(good, multipliers=good.multipliers - 2 * bump * good.multipliers[largest] / 0.01),
        "multipliers for": replace(good, multipliers=good.multipliers[1:]),
        "lacks": replace(good, trace_multipliers=np.zeros_like(good.trace_multipliers)),
    }
    for why, each in false.items():
        with pytest.raises(CertificateError, match=why):
            check(problem, each)
    used = np.flatnonzero(~problem.values.any(axis=1) & (good.multipliers > 1e-3))  # no function value enters
    assert used.size
    for k in used:
        less = good.multipliers.copy()
        less[k] *= 0.9
        with pytest.raises(CertificateError):
            check(problem, replace(good, multipliers=less))
    swapped = good.multipliers.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    with pytest.raises(CertificateError):
        check(problem, replace(good, multipliers=swapped))


def test_a_certificate_of_another_problem_is_rejected() -> None:
    good = solve(of_descent(NOISY)).certificate
    with pytest.raises(CertificateError):
        check(of_descent(replace(NOISY, steps=(0.125, 0.21))), good)
    with pytest.raises(CertificateError):
        check(of_descent(replace(NOISY, noise=2.001)), good)


def test_a_solver_that_lies_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multipliers that are off cost what they are off, and a wrong answer is never returned."""
    honest = performance_estimation._conic
    truth = solve(of_descent(NOISY))

    def wrong(amount: float) -> Any:
        def conic(problem: Any, *, inside: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
            gram, values, multipliers = honest(problem, inside=inside)
            return gram * (1 + amount), values * (1 + amount), multipliers * (1 + amount)

        return conic

    monkeypatch.setattr(performance_estimation, "_conic", wrong(1e-6))
    found = solve(of_descent(NOISY))
    assert found.lower <= truth.upper
    assert found.upper >= truth.lower
    monkeypatch.setattr(performance_estimation, "_conic", wrong(0.05))
    with pytest.raises(InputError, match=r"only known to lie in|proves nothing|strictly within"):
        solve(of_descent(NOISY))


# ---- beside the bounds --------------------------------------------------------------------------------------

LAST: list[int] = [1, 3]
STEPS = np.array([0.1, 0.08, 0.05])
SMALL = replace(REG, smoothness=0.4)  # (21) needs T above (2L)^(4/3) − 1
NEST: dict[str, Any] = {"contraction": [0.8], "server_contraction": 0.9, "step_size": 0.1, "loss_gap": 0.2}
MODELS: dict[str, dict[str, Any]] = {
    "fastest_k": {"n_wait": 2, "part_size": 1.5, "n_iters": LAST, "step_size": 0.1, "gap": 3.0, "var_growth": 0.5},
    "hetero_gc": {"n_parts": 4, "utility": 2.0},
    "onebit_gc": {"mass": MASS, "dim": 3, "straggle_prob": 0.2},
    "balanced": {"replication": HOLDS.sum(axis=0), "n_workers": 3, "dim": 3, "straggle_prob": 0.2},
    "quantimed": {
        "weights": MIXING,
        "n_iters": LAST,
        "step_size": 0.1,
        "mixing_step": 0.4,
        "quantizer_var": 1.0,
        "inverse_batch": 0.2,
        "start_error_sq": 2.0,
    },
}
CASES: dict[str, tuple[Regularity, dict[str, Any]]] = {
    "fastest_k/proposition_1": (REG, MODELS["fastest_k"]),
    "fastest_k/proposition_1_recursion": (REG, MODELS["fastest_k"]),
    "hetero_gc/theorem_2": (REG, MODELS["hetero_gc"] | {"n_iters": LAST}),
    "hetero_gc/theorem_2_recursion": (REG, MODELS["hetero_gc"] | {"n_iters": LAST, "start_error_sq": 20.0}),
    "hetero_gc/theorem_3_constant": (REG, MODELS["hetero_gc"] | {"n_iters": LAST, "loss_gap": 3.0}),
    "hetero_gc/theorem_3_decaying": (
        REG,
        MODELS["hetero_gc"] | {"n_iters": LAST, "loss_gap": 3.0, "first_step": 0.2},
    ),
    "hetero_gc/theorem_3_recursion": (REG, MODELS["hetero_gc"] | {"step_sizes": STEPS, "loss_gap": 3.0}),
    "onebit_gc/theorem_1": (REG, MODELS["balanced"] | {"n_iters": LAST}),
    "onebit_gc/theorem_1_repaired": (REG, MODELS["onebit_gc"] | {"n_iters": LAST}),
    "onebit_gc/theorem_1_recursion": (REG, MODELS["onebit_gc"] | {"step_sizes": STEPS, "start_error_sq": 20.0}),
    "onebit_gc/descent_recursion": (REG, MODELS["onebit_gc"] | {"step_sizes": STEPS, "loss_gap": 3.0}),
    "onebit_gc/theorem_2_repaired": (SMALL, MODELS["onebit_gc"] | {"n_iters": LAST, "loss_gap": 3.0}),
    "onebit_gc/theorem_2_best": (REG, MODELS["onebit_gc"] | {"n_iters": LAST, "loss_gap": 3.0}),
    "onebit_gc/theorem_3_repaired": (
        REG,
        MODELS["onebit_gc"] | {"n_iters": LAST, "loss_gap": 3.0, "first_step": 0.1},
    ),
    "compskip/theorem_1_corrected": (
        REG,
        {"n_iters": LAST, "n_workers": 2, "dim": 5, "error_step": 0.5, "error_decay": 0.9, "first_step": 0.05}
        | {"loss_gap": 3.0},
    ),
    "compskip/theorem_1_repaired": (REG, NEST | {"n_iters": LAST}),
    "compskip/theorem_1_recursion": (REG, NEST | {"n_iters": LAST}),
    "quantimed/theorem_1_recursion": (REG, MODELS["quantimed"]),
}
PAPERS = {each.__name__.rpartition(".")[2]: each for each in (fastest_k, hetero_gc, onebit_gc, compskip, quantimed)}


def test_every_worst_case_is_looked_at() -> None:
    assert set(CASES) == set(worst_cases.BESIDE)


@pytest.mark.parametrize("key", CASES)
def test_no_bound_is_below_the_worst_case(key: str) -> None:
    reg, given = CASES[key]
    paper, _, name = key.partition("/")
    bound = getattr(PAPERS[paper], name)(reg, **given)
    worst = worst_cases.BESIDE[key](reg, **given)
    assert worst.quantity == bound.quantity
    assert worst.lower.shape == worst.upper.shape == np.shape(bound.value)
    assert np.all(worst.lower <= worst.upper)
    assert np.all(worst.upper <= worst.lower * (1 + TIGHT))
    assert np.all(worst.lower > 0)
    assert np.all(worst.upper <= bound.value * (1 + 1e-6))


def test_recursions_lie_between_the_worst_case_and_the_theorems() -> None:
    """Where a start that is as bad as can be gives both: the printed forms lose up to a factor of four."""
    given = MODELS["fastest_k"]
    worst = worst_cases.worst_case_proposition_1(REG, **given)
    recursion = fastest_k.proposition_1_recursion(REG, **given).value
    assert np.all(worst.upper < recursion)
    assert np.all(recursion <= fastest_k.proposition_1(REG, **given).value)
    steps = 1 / (0.5 * np.arange(1, 5))
    far = float(onebit_gc.theorem_1_repaired(REG, MASS, 3, 0.2, 1).value[0])
    own: dict[str, Any] = MODELS["onebit_gc"]
    recursion = onebit_gc.theorem_1_recursion(REG, **own, step_sizes=steps, start_error_sq=far).value[2:]
    worst = worst_cases.worst_case_onebit_gc_theorem_1_repaired(REG, **own, n_iters=[3, 4, 5])
    corrected = onebit_gc.theorem_1_repaired(REG, **own, n_iters=[3, 4, 5]).value
    np.testing.assert_allclose(worst.upper, recursion, rtol=1e-6)
    assert np.all(recursion <= corrected)


def test_losses_that_are_only_dominated_by_their_gradient() -> None:
    """Between the strongly convex worst case and the recursion."""
    given = MODELS["fastest_k"]
    convex = worst_cases.worst_case_proposition_1(REG, **given)
    weaker = worst_cases.worst_case_proposition_1(REG, **given, strongly_convex=False)
    np.testing.assert_array_equal(weaker.lower, convex.lower)
    assert np.all(weaker.upper > convex.upper)
    assert np.all(weaker.upper <= fastest_k.proposition_1_recursion(REG, **given).value)


def test_worst_cases_scale_with_their_units() -> None:
    """Loss in units of a, length in units of b: L scales with a/b², variances with a²/b²."""
    a, b = 1e3, 0.02
    other = Regularity(
        strong_convexity=0.5 * a / b**2,
        smoothness=4 * a / b**2,
        grad_bound_sq=3 * (a / b) ** 2,
        grad_var=2 * (a / b) ** 2,
    )
    given = MODELS["fastest_k"]
    one = worst_cases.worst_case_proposition_1(REG, **given)
    moved = given | {"gap": 3 * a, "step_size": 0.1 * b**2 / a}
    np.testing.assert_allclose(worst_cases.worst_case_proposition_1(other, **moved).upper / a, one.upper, rtol=1e-6)
    steps = {"n_iters": [2, 3], "n_parts": 4, "utility": 2.0}
    far = worst_cases.worst_case_hetero_gc_theorem_2(other, **steps).upper / b**2
    np.testing.assert_allclose(far, worst_cases.worst_case_hetero_gc_theorem_2(REG, **steps).upper, rtol=1e-6)
    nest = NEST | {"step_size": 0.1 * b**2 / a, "loss_gap": 0.2 * a, "n_iters": [2]}
    grad = worst_cases.worst_case_compskip_theorem_1_repaired(other, **nest).upper * (b / a) ** 2
    same = worst_cases.worst_case_compskip_theorem_1_repaired(REG, **NEST, n_iters=[2]).upper
    np.testing.assert_allclose(grad, same, rtol=1e-6)


def test_longer_runs_and_other_mistakes_are_refused() -> None:
    with pytest.raises(InputError, match="up to 8 rounds"):
        worst_cases.worst_case_proposition_1(REG, 1, 1, 9, step_size=0.1, gap=1.0)
    with pytest.raises(InputError, match="whole numbers"):
        worst_cases.worst_case_proposition_1(REG, 1, 1, 1.5, step_size=0.1, gap=1.0)
    with pytest.raises(InputError, match="take fewer"):
        worst_cases.worst_case_compskip_theorem_1_repaired(REG, **NEST | {"contraction": [0.5] * 5}, n_iters=3)
    with pytest.raises(InputError, match="step_size"):  # what the bound refuses
        worst_cases.worst_case_proposition_1(REG, 1, 1, 2, step_size=1.0, gap=1.0)
    with pytest.raises(InputError, match="strictly"):
        worst_cases.worst_case_proposition_1(REG, 1, 1, 2, step_size=0.1, gap=0.0)
    with pytest.raises(InputError, match="at most 3 rounds"):
        worst_cases.worst_case_proposition_1(REG, 1, 1, 4, step_size=0.1, gap=1.0).by_pepit()


def test_without_pepit_only_the_second_opinion_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PEPit", None)
    worst = worst_cases.worst_case_proposition_1(REG, 1, 1, 1, step_size=0.1, gap=1.0)
    with pytest.raises(InputError, match=r"pip install 'straggler-workbench\[pep\]'"):
        worst.by_pepit()
    assert first_order_runs.MOST_ROUNDS >= 5


def test_the_command_prints_the_worst_case_beside_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"strong_convexity": 1, "smoothness": 4, "grad_var": 2, "n_wait": 1, "part_size": 1, "n_iters": [0, 1]}
    given |= {"step_size": 0.125, "gap": 1}
    options = [text for name, value in given.items() for text in ("--param", f"{name}={json.dumps(value)}")]
    command = ["fastest_k/proposition_1", *options, "--worst-case"]
    bounds.main([*command, "--pepit", "--json"], standalone_mode=False)
    answer = json.loads(capsys.readouterr().out)
    assert answer["value"] == [1.0, 0.9375]
    for numbers in answer["worst_case"].values():
        np.testing.assert_allclose(numbers, [1.0, 0.828125], rtol=1e-6)
    bounds.main(command, standalone_mode=False)
    bound, lower, upper = capsys.readouterr().out.splitlines()
    assert bound == "E[F − F*] <= 1, 0.9375"
    assert lower.startswith("worst case >= 0.999999")
    assert upper.startswith("worst case <= 1.000000001, 0.828125")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hetero_gc/lemma_2", "--worst-case"), "no worst case beside 'hetero_gc/lemma_2': choose one of"),
        (("--worst-case",), "needs a KEY"),
        (("hetero_gc/theorem_2", "--pepit"), "add --worst-case"),
        (("hetero_gc/theorem_2", "--worst-case", "--param", "speed=1"), "has no 'speed'"),
    ],
)
def test_mistakes_at_the_command_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bounds.main(arguments, standalone_mode=False)
