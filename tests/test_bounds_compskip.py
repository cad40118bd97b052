"""Bounds of compskip against all paths of the algorithms in rationals, against literal recursions, and simulated."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.bounds import compskip as bounds
from workbench.core.claims import claim_of
from workbench.core.errors import InputError
from workbench.core.types import Regularity
from workbench.problems import quadratic
from workbench.schemes import compskip, compskip_repaired
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, GeometricStep
from workbench.stragglers.delays.bernoulli import Bernoulli

REG = Regularity(smoothness=2.0, grad_bound_sq=3.0, grad_var=1.5)
HALF = Fraction(1, 2)
DELTAS = st.floats(0.05, 1.0)


class Moments(NamedTuple):
    """Exact means over all paths of a method on f = x²/2, and the constants that its gradients have."""

    grad_sq: list[Fraction]  # E f'(x_t)², t < T
    held_sq: list[Fraction]  # E H_t², t ≤ T
    reg: Regularity
    loss_gap: float


Path = tuple[Fraction, Fraction, Fraction, Fraction, Fraction]  # x, e, ẽ, previous step, probability
Round = Callable[[Path, int], Iterator[Path]]


def all_paths(take: Round, n_rounds: int, noise: Fraction, start: Fraction) -> Moments:
    """Follow every path of one worker and one coordinate from x_0 = start."""
    paths: list[Path] = [(start, Fraction(0), Fraction(0), Fraction(0), Fraction(1))]
    grad_sq, held_sq, largest = [], [Fraction(0)], Fraction(0)
    for t in range(n_rounds):
        grad_sq.append(sum((prob * x**2 for x, *_, prob in paths), Fraction(0)))
        largest = max(largest, *(x**2 for x, *_ in paths))
        paths = [after for before in paths for after in take(before, t)]
        held_sq.append(sum((prob * (e + server) ** 2 for _, e, server, _, prob in paths), Fraction(0)))
    reg = Regularity(smoothness=1.0, grad_bound_sq=float(largest), grad_var=float(noise**2))
    assert sum(prob for *_, prob in paths) == 1
    return Moments(grad_sq, held_sq, reg, float(start**2 / 2))


def coins(sends: Fraction, answers: Fraction) -> Iterator[tuple[int, int, int, Fraction]]:
    """Yield the noise's sign, whether the worker's and the server's messages arrive unmasked, and the probability."""
    for sign, up, down in product((-1, 1), (0, 1), (0, 1)):
        chance = HALF * (sends if up else 1 - sends) * (answers if down else 1 - answers)
        if chance:
            yield sign, up, down, chance


def algorithm_1(
    c: Fraction, decay: Fraction, step: Fraction, noise: Fraction, sends: Fraction, answers: Fraction
) -> Round:
    """Algorithm 1 with μ = 0, c = c' = c̃ and η_t = step γ^(−t)."""

    def take(path: Path, t: int) -> Iterator[Path]:
        x, e, server, _, prob = path
        now = step / decay**t
        for sign, up, down, chance in coins(sends, answers):
            wanted = x + sign * noise + decay * e
            sent = up * ((wanted > 0) - (wanted < 0))
            pooled = decay * server + c * sent
            reply = down * ((pooled > 0) - (pooled < 0))
            yield x - now * reply, wanted - c * sent, pooled - c * reply, now, prob * chance

    return take


def mended(step: Fraction, noise: Fraction, sends: Fraction, answers: Fraction) -> Round:
    """Signs with their scale: in one coordinate the message itself, or nothing."""

    def take(path: Path, t: int) -> Iterator[Path]:
        x, e, server, _, prob = path
        for sign, up, down, chance in coins(sends, answers):
            wanted = x + sign * noise + e
            pooled = server + up * wanted
            yield x - step * down * pooled, (1 - up) * wanted, (1 - down) * pooled, step, prob * chance

    return take


@pytest.mark.parametrize(
    ("c", "decay", "noise", "sends", "answers", "start"),
    [
        (HALF, HALF, HALF, HALF, HALF, Fraction(1)),
        (HALF, Fraction(9, 10), HALF, Fraction(7, 10), Fraction(9, 10), Fraction(-2)),
        (Fraction(2), Fraction(3, 4), Fraction(0), Fraction(1, 4), Fraction(1), Fraction(3)),
        (Fraction(1, 10), Fraction(1), Fraction(1), Fraction(1), Fraction(0), Fraction(1, 3)),  # no answer
    ],
)
def test_the_corrected_theorem_bounds_all_paths_of_algorithm_1(
    c: Fraction, decay: Fraction, noise: Fraction, sends: Fraction, answers: Fraction, start: Fraction
) -> None:
    n_rounds, step = 4, c / 16
    exact = all_paths(algorithm_1(c, decay, step, noise, sends, answers), n_rounds, noise, start)
    held = bounds.lemma_2_repaired(
        exact.reg, range(n_rounds + 1), n_workers=1, dim=1, error_step=float(c), error_decay=float(decay)
    ).value
    assert np.all(np.array(exact.held_sq, float) <= held * (1 + 1e-12))
    least = bounds.theorem_1_corrected(
        exact.reg,
        range(1, n_rounds + 1),
        n_workers=1,
        dim=1,
        error_step=float(c),
        error_decay=float(decay),
        first_step=float(step),
        loss_gap=exact.loss_gap,
    ).value
    assert np.all(np.minimum.accumulate(np.array(exact.grad_sq, float)) <= least)


@pytest.mark.parametrize(
    ("noise", "sends", "answers"),
    [(HALF, HALF, HALF), (Fraction(1), Fraction(1, 4), Fraction(9, 10)), (Fraction(0), Fraction(1), Fraction(1))],
)
def test_the_repaired_theorem_bounds_all_paths_of_the_mended_scheme(
    noise: Fraction, sends: Fraction, answers: Fraction
) -> None:
    n_rounds, step = 4, HALF
    exact = all_paths(mended(step, noise, sends, answers), n_rounds, noise, Fraction(1))
    deltas: dict[str, Any] = {"contraction": [float(sends)], "server_contraction": float(answers)}
    held = bounds.lemma_2_recursion(exact.reg, range(n_rounds + 1), **deltas).value
    assert np.all(np.array(exact.held_sq, float) <= held * (1 + 1e-12))
    averages = np.cumsum(np.array(exact.grad_sq, float)) / np.arange(1, n_rounds + 1)
    options = deltas | {"step_size": float(step), "loss_gap": exact.loss_gap}
    summed = bounds.theorem_1_recursion(exact.reg, range(1, n_rounds + 1), **options).value
    rounded = bounds.theorem_1_repaired(exact.reg, range(1, n_rounds + 1), **options).value
    assert np.all(averages <= summed)
    assert np.all(summed <= rounded * (1 + 1e-12))


def test_lemma_2_repaired_is_attained_where_every_sign_points_the_wrong_way() -> None:
    """H' = γH + g − cΔ̃ with g = 2 and Δ̃ = −1, literally."""
    held, wanted = Fraction(0), []
    for _ in range(8):
        wanted.append(float(held**2))
        held = Fraction(3, 4) * held + 2 + HALF
    value = bounds.lemma_2_repaired(
        Regularity(grad_bound_sq=4.0, grad_var=0.0), range(8), n_workers=3, dim=1, error_step=0.5, error_decay=0.75
    ).value
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    lossless = bounds.lemma_2_repaired(REG, [0, 5], n_workers=2, dim=4, error_step=0.1, error_decay=1.0).value
    assert lossless[1] == pytest.approx(25 * (np.sqrt(3.75) + 0.2) ** 2)


@pytest.mark.parametrize(("n_workers", "n_sent"), [(1, 1), (7, 5), (7, 1)])
def test_lemma_2_is_the_limit_of_its_two_recursions(n_workers: int, n_sent: int) -> None:
    """(16) and the server's chain iterated with their own λ, not with the closed forms."""
    delta, server, grad_sq = 0.3, 0.4, 2.5
    lam, server_lam = delta / (2 * (1 - delta)), server / (2 * (1 - server))
    at_workers = at_server = 0.0
    for _ in range(2000):
        at_workers = (1 - delta) * (1 + lam) * at_workers + (1 + 1 / lam) * grad_sq
        senders = at_workers / (1 - delta) * n_workers / n_sent  # (1/M_t) Σ_S ‖p_i‖²
        signal = 2 * (2 - delta) * senders
        at_server = (1 - server) * ((1 + server_lam) * at_server + (1 + 1 / server_lam) * signal)
    printed = bounds.lemma_2(delta, server, n_workers, n_sent, grad_sq).value
    assert printed == pytest.approx(2 * at_workers + 2 * at_server, rel=1e-10)


@given(
    magnitudes=st.lists(st.floats(0.2, 5.0), min_size=1, max_size=5),
    keep_prob=st.floats(0.05, 1.0),
    error_step=st.floats(0.1, 2.0),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_signs_contract_as_the_range_of_the_magnitudes_says(
    magnitudes: list[float], keep_prob: float, error_step: float
) -> None:
    message = np.array(magnitudes)  # (D,)
    error = 0.0
    for mask in product((0, 1), repeat=message.size):
        chance = np.prod(np.where(mask, keep_prob, 1 - keep_prob))
        error += float(chance * np.sum((np.array(mask) * error_step - message) ** 2))
    left = bounds.contraction_of_signs_repaired(message.min(), message.max(), keep_prob, error_step).value
    assert error <= left * np.sum(message**2) * (1 + 1e-9)
    first = message[0]  # alone, and then attained
    one = bounds.contraction_of_signs_repaired(first, first, keep_prob, error_step).value
    assert one * first**2 == pytest.approx(keep_prob * (error_step - first) ** 2 + (1 - keep_prob) * first**2)
    assert (left < 1) == (message.min() > error_step / 2)


@given(
    deltas=st.lists(DELTAS, min_size=1, max_size=4), server=DELTAS, scaled=st.floats(0.01, 0.5), noise=st.floats(0, 3)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_repaired_theorem_rounds_the_recursion_upwards(
    deltas: list[float], server: float, scaled: float, noise: float
) -> None:
    reg = Regularity(smoothness=2.0, grad_bound_sq=3.0, grad_var=noise)
    options: dict[str, Any] = {
        "contraction": deltas,
        "server_contraction": server,
        "step_size": scaled / 2,
        "loss_gap": 1.0,
    }
    n_iters = [1, 2, 10, 300]
    summed = bounds.theorem_1_recursion(reg, n_iters, **options).value
    rounded = bounds.theorem_1_repaired(reg, n_iters, **options).value
    assert np.all(summed <= rounded * (1 + 1e-12))


def test_the_recursions_literally() -> None:
    """Two unlike workers, in plain floats, round by round."""
    kept, server_kept = [0.6, 0.8], 0.5  # √(1 − δ)
    omega, var = np.sqrt(3.0), 1.5
    errors, server, held = [0.0, 0.0], 0.0, [0.0]
    for _ in range(6):
        wanted = [(a + omega) ** 2 + var for a in errors]
        errors = [r * p**0.5 for r, p in zip(kept, wanted, strict=True)]
        server = server_kept * (server + (sum(wanted) / 2) ** 0.5)
        held.append((server + sum(errors) / 2) ** 2)
    deltas: dict[str, Any] = {"contraction": [1 - r**2 for r in kept], "server_contraction": 1 - server_kept**2}
    np.testing.assert_allclose(bounds.lemma_2_recursion(REG, range(7), **deltas).value, held, rtol=1e-12)
    step, gap, smoothness = 0.1, 2.0, 2.0
    total = gap
    for t in range(5):  # η(1 − Lη)/2 E‖∇f‖² <= fall + Lη²σ²/(2M) + L²η³E‖H‖²/2
        total += smoothness * step**2 * var / 4 + smoothness**2 * step**3 * held[t] / 2
    found = bounds.theorem_1_recursion(REG, 5, **deltas, step_size=step, loss_gap=gap).value
    assert found[0] == pytest.approx(total / (step * (1 - smoothness * step) / 2 * 5), rel=1e-12)


def test_the_corrected_theorem_literally() -> None:
    """Falls of f(x̃) added up round by round, and the least gradient that they allow."""
    c, decay, smoothness, n_workers, dim = 0.5, 0.8, 2.0, 3, 4
    total, weight, held, step, before, wanted = 1.0, 0.0, 0.0, 0.02, 0.0, []
    for _ in range(6):
        noise_sq, lag_sq = 1.5 / n_workers, (before / c) ** 2 * held**2
        total += smoothness / 2 * (step / c) ** 2 * noise_sq + step / c * smoothness**2 / 2 * lag_sq
        weight += step / c / 2 - smoothness / 2 * (step / c) ** 2
        wanted.append(total / weight)
        held = decay * held + np.sqrt(3.0 + noise_sq) + c * np.sqrt(dim)
        step, before = step / decay, step
    value = bounds.theorem_1_corrected(
        REG,
        [6, 1, 4],
        n_workers=n_workers,
        dim=dim,
        error_step=c,
        error_decay=decay,
        first_step=0.02,
        loss_gap=1.0,
    ).value
    np.testing.assert_allclose(value, [wanted[5], wanted[0], wanted[3]], rtol=1e-12)


def test_nothing_is_held_back_without_compression() -> None:
    options: dict[str, Any] = {"contraction": [1.0, 1.0], "server_contraction": 1.0}
    assert not bounds.lemma_2_recursion(REG, range(9), **options).value.any()
    value = bounds.theorem_1_repaired(REG, 8, **options, step_size=0.25, loss_gap=1.0).value
    assert value[0] == pytest.approx(4 / (0.25 * 8) + 2 * 2 * 0.25 * 1.5 / 2)


def test_the_repaired_theorem_falls_as_the_root_of_the_rounds_and_the_printed_proof_rises() -> None:
    n_iters = np.array([10**8, 10**10, 10**12])
    deltas: dict[str, Any] = {"contraction": [0.2] * 3, "server_contraction": 0.3}
    repaired = [
        float(bounds.theorem_1_repaired(REG, n, **deltas, step_size=0.25 / n**0.5, loss_gap=1.0).value[0])
        for n in n_iters
    ]
    assert repaired[2] * 10**6 == pytest.approx(8 * 2 + 1.5 / 3, rel=0.01)  # (8LΔ + σ²/M)/√T
    assert repaired[1] / repaired[2] == pytest.approx(10, rel=0.05)
    printed = []
    for n in (10**2, 10**4, 10**6):
        largest = 1 - (1 - 1 / (n + 1)) ** 2  # δ may be at most 1 − γ²
        held = float(bounds.lemma_2(largest, largest, 1, 1, 4.5).value)
        value = bounds.theorem_1(REG, n, n_workers=1, error_step=1.0, held_sq=held, loss_gap=1.0).value
        assert value[0] >= 4 * 4.5 * 4 * n  # U >= (T + 1)²
        printed.append(float(value[0]))
    assert printed[0] < printed[1] < printed[2]


def test_theorem_1_has_the_printed_terms() -> None:
    """Each term by itself, by switching the others off."""
    quiet = Regularity(smoothness=2.0, grad_var=0.0)
    options: dict[str, Any] = {"n_workers": 3, "error_step": 0.5}
    first = bounds.theorem_1(quiet, [4, 16], **options, held_sq=0.0, loss_gap=3.0).value
    np.testing.assert_allclose(first, [3.0, 1.5])  # 4 · ½ · 3/√T
    second = bounds.theorem_1(REG, [4, 16], **options, held_sq=0.0, loss_gap=0.0).value
    np.testing.assert_allclose(second, [2.0, 1.0])  # 2 · 2 · 1.5/(½ · 3 √T)
    third = bounds.theorem_1(quiet, [4, 16], **options, held_sq=5.0, loss_gap=0.0).value
    np.testing.assert_allclose(third, [80.0, 20.0])  # 4 · 5 · 4/(¼ T)


def test_simulated_algorithm_1_holds_back_no_more_than_the_bound() -> None:
    """Path by path: without gradient noise the bound is a sure one, whoever skips and whatever is masked."""
    n_runs, n_rounds, dim, c, decay = 40, 25, 3, 0.3, 0.9
    problem: Any = quadratic.build(3, seed=2, dim=dim)
    setting = Setting(problem, Bernoulli(np.zeros(3)))
    scheme = compskip.build(
        setting,
        step_size=GeometricStep(0.01, 1 / decay),
        worker_error_step=c,
        server_error_step=c,
        momentum=0.0,
        error_decay=decay,
        worker_skip_prob=0.4,
        server_skip_prob=0.3,
    )
    noise, state = Noise(setting.delay, 3, range(n_runs)), scheme.init(n_runs)
    largest, held = np.zeros(n_runs), []
    for t in range(1, n_rounds + 1):
        largest = np.maximum(largest, np.sum(problem.part_grads(state.x).sum(axis=1) ** 2, axis=1))
        state, _ = scheme.step(state, t, noise)
        held.append(np.sum((state.server_error + state.worker_error.mean(axis=1)) ** 2, axis=1))
    reg = Regularity(grad_bound_sq=float(largest.max()), grad_var=0.0)
    rounds = range(1, n_rounds + 1)
    value = bounds.lemma_2_repaired(reg, rounds, n_workers=3, dim=dim, error_step=c, error_decay=decay).value
    assert np.all(np.array(held).max(axis=1) <= value)


def test_simulated_mended_scheme_stays_below_its_theorem() -> None:
    """Mean over 400 runs and 5 standard errors of it (false alarm below 1e-6) against both forms of the bound."""
    n_runs, n_rounds, dim, skip, keep = 400, 40, 4, 0.4, 0.5
    problem: Any = quadratic.build(3, seed=4, dim=dim)
    setting = Setting(problem, Bernoulli(np.zeros(3)))
    smoothness = float(problem.regularity.smoothness)
    step = 1 / (4 * smoothness)
    scheme = compskip_repaired.build(
        setting,
        step_size=ConstantStep(step),
        keep_prob=keep,
        server_keep_prob=keep,
        worker_skip_prob=skip,
        server_skip_prob=skip,
    )
    noise, state = Noise(setting.delay, 5, range(n_runs)), scheme.init(n_runs)
    gap = float(problem.loss(state.x)[0] - problem.regularity.optimal_loss)
    largest, grad_sq = 0.0, []
    for t in range(1, n_rounds + 1):
        grads = problem.part_grads(state.x)  # (R, W, D), a worker's is W times that
        largest = max(largest, float((9 * np.sum(grads**2, axis=2)).max()))
        grad_sq.append(np.sum(grads.sum(axis=1) ** 2, axis=1))
        state, _ = scheme.step(state, t, noise)
    average = np.mean(grad_sq, axis=0)  # (R,)
    high = average.mean() + 5 * average.std(ddof=1) / np.sqrt(n_runs)
    delta = compskip_repaired.contraction(keep, dim, skip)
    reg = Regularity(smoothness=smoothness, grad_bound_sq=largest, grad_var=0.0)
    options: dict[str, Any] = {
        "contraction": [delta] * 3,
        "server_contraction": delta,
        "step_size": step,
        "loss_gap": gap,
    }
    summed = bounds.theorem_1_recursion(reg, n_rounds, **options).value[0]
    assert high <= summed <= bounds.theorem_1_repaired(reg, n_rounds, **options).value[0]


def test_units_of_the_loss_do_not_matter() -> None:
    """A loss times s: gradients, L and c times s, the step divided by s, squared gradients times s²."""
    s = 7.0
    scaled = Regularity(smoothness=2 * s, grad_bound_sq=3 * s**2, grad_var=1.5 * s**2)
    deltas: dict[str, Any] = {"contraction": [0.4, 0.5], "server_contraction": 0.6}
    for bound in (bounds.theorem_1_repaired, bounds.theorem_1_recursion):
        one = bound(REG, [3, 30], **deltas, step_size=0.2, loss_gap=1.0).value
        other = bound(scaled, [3, 30], **deltas, step_size=0.2 / s, loss_gap=s).value
        np.testing.assert_allclose(other, s**2 * one, rtol=1e-12)
    # with signs a step has the unit of x, so η stays and c takes the unit of a gradient
    options: dict[str, Any] = {"n_workers": 2, "dim": 4, "error_decay": 0.9, "first_step": 0.01}
    one = bounds.theorem_1_corrected(REG, [3, 9], **options, error_step=0.5, loss_gap=1.0).value
    other = bounds.theorem_1_corrected(scaled, [3, 9], **options, error_step=0.5 * s, loss_gap=s).value
    np.testing.assert_allclose(other, s**2 * one, rtol=1e-12)


def test_bounds_say_what_is_wrong() -> None:
    deltas: dict[str, Any] = {"contraction": [0.5], "server_contraction": 0.5}
    corrected: dict[str, Any] = {"n_workers": 2, "dim": 3, "error_step": 0.5, "loss_gap": 1.0}
    with pytest.raises(InputError, match="0 < least <= most"):
        bounds.contraction_of_signs_repaired(2.0, 1.0, 0.5, 1.0)
    with pytest.raises(InputError, match="contraction is 1"):
        bounds.lemma_2(1.0, 0.5, 2, 1, 1.0)
    with pytest.raises(InputError, match="server_contraction is 0"):
        bounds.lemma_2(0.5, 0.0, 2, 1, 1.0)
    with pytest.raises(InputError, match="n_sent is 0 of 2"):
        bounds.lemma_2(0.5, 0.5, 2, 0, 1.0)
    with pytest.raises(InputError, match=r"error_decay is 1\.5"):
        bounds.lemma_2_repaired(REG, 3, n_workers=1, dim=1, error_step=1.0, error_decay=1.5)
    with pytest.raises(InputError, match="needs grad_bound_sq"):
        bounds.lemma_2_recursion(Regularity(), 3, **deltas)
    with pytest.raises(InputError, match="needs smoothness"):
        bounds.theorem_1(Regularity(grad_var=1.0), 3, n_workers=1, error_step=1.0, held_sq=1.0, loss_gap=1.0)
    with pytest.raises(InputError, match="give at least 1"):
        bounds.theorem_1(REG, 0, n_workers=1, error_step=1.0, held_sq=1.0, loss_gap=1.0)
    with pytest.raises(InputError, match="give at least 0"):
        bounds.lemma_2_recursion(REG, -1, **deltas)
    with pytest.raises(InputError, match="error_decay is 0"):
        bounds.theorem_1_corrected(REG, 3, **corrected, error_decay=0.0, first_step=0.1)
    with pytest.raises(InputError, match=r"the step size grows from 0\.1 to 0\.4"):
        bounds.theorem_1_corrected(REG, 3, **corrected, error_decay=0.5, first_step=0.1)
    with pytest.raises(InputError, match=r"step_size is 0.3: it must lie in \(0, 1/\(2L\)\]"):
        bounds.theorem_1_repaired(REG, 3, **deltas, step_size=0.3, loss_gap=1.0)
    with pytest.raises(InputError, match="above 0 and at most 1"):
        bounds.theorem_1_recursion(REG, 3, contraction=[0.5, 0.0], server_contraction=0.5, step_size=0.1, loss_gap=1.0)


def test_bounds_carry_their_claims() -> None:
    assert claim_of(bounds.lemma_2).key == "compskip/lemma_2"
    assert claim_of(bounds.theorem_1_repaired).key == "compskip/theorem_1_repaired"
    assert claim_of(bounds.contraction_of_signs_repaired).equation == 11
