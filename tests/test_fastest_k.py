"""Fastest-k schemes: exact moments of a round, plain loops over runs and workers, Algorithm 1's counters, schedules."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, permutations
from math import comb
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import FloatArray, Regularity, UniformSource
from workbench.engine.loop import simulate
from workbench.problems import least_squares, quadratic
from workbench.schemes import fastest_k, fastest_k_adaptive, fastest_k_scheduled
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, GridStep, InverseTimeStep
from workbench.schemes.wait_count import fastest
from workbench.schemes.wait_schedule import SIMULATED_ROUNDS, ScheduledFastestK, WaitSchedule, mean_round_s
from workbench.solvers import switch_times
from workbench.stragglers.delays import exponential
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.order_statistics import mean_kth

FALSE_ALARM = 1e-6  # of a whole test, shared by its cells
N_WORKERS, DIM = 4, 3
PROBLEM = quadratic.build(N_WORKERS, seed=3, dim=DIM)
RATES = [4.0, 2.0, 1.0, 0.5]
ALIKE, UNLIKE = (exponential.build(N_WORKERS, rate_per_s=rates) for rates in (1.5, RATES))
STEP = ConstantStep(0.05)
LINK = 1e-3  # seconds a bit
VECTOR_BITS = 32 * DIM


@dataclass(frozen=True)
class FixedTimes:
    """Workers that always take the same time."""

    times: FloatArray  # (W,)

    @property
    def n_workers(self) -> int:
        return len(self.times)

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return np.broadcast_to(self.times, (*shape, len(self.times)))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return (self.times > deadline_s).astype(float)


# ---- who is among the fastest ----------------------------------------------------------------------------


@given(
    hnp.arrays(
        float, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.sampled_from([0.5, 1, 2, 3, np.inf])
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_the_fastest_are_those_a_plain_loop_finds(times: FloatArray, random) -> None:
    """Ties, workers that never answer and rounds that nobody answers included."""
    n_wait = np.array([random.randint(1, times.shape[1]) for _ in times])
    heard, n_heard, last_s = fastest(times, n_wait)
    for run, (own, k) in enumerate(zip(times, n_wait, strict=True)):
        ranking = sorted((time, worker) for worker, time in enumerate(own) if time < np.inf)[:k]
        assert set(np.flatnonzero(heard[run])) == {worker for _, worker in ranking}
        assert n_heard[run] == len(ranking)
        assert last_s[run] == max([time for time, _ in ranking], default=0.0)


# ---- exact moments of one round --------------------------------------------------------------------------

POLICIES = {"theorem_1": switch_times.theorem_1, "envelope": switch_times.envelope}


N_RUNS, N_ROUNDS = 500, 40
HERE = np.array([0.7, -0.4, 1.1])  # away from the optimum


def drawn_steps(scheme: Any, state: Any, iteration: int) -> tuple[Any, FloatArray]:
    """Take one step from one state again and again: the states after it and the seconds it took, (rounds R, ...)."""
    noise = Noise(scheme.setting.delay, 11, range(N_RUNS))
    after, cost = zip(*(scheme.step(state, iteration, noise) for _ in range(N_ROUNDS)), strict=True)
    joined = type(state)(*map(np.concatenate, zip(*after, strict=True)))
    return joined, np.concatenate([each.seconds for each in cost])


def first_step(delay: object, n_wait: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a round's gradient estimates, part gradients and seconds."""
    scheme = fastest_k.build(Setting(PROBLEM, delay), step_size=STEP, n_wait=n_wait)
    after, seconds = drawn_steps(scheme, fastest_k.State(np.tile(HERE, (N_RUNS, 1))), 1)
    return (HERE - after.x) / STEP.value, PROBLEM.part_grads(HERE[None])[0], seconds


def check_moments(sample: FloatArray, mean: FloatArray, second: FloatArray, n_cells: int) -> None:
    """Compare the mean of samples (R, ...) with what it must be, its standard error from exact second moments."""
    limit = stats.norm.isf(FALSE_ALARM / 2 / n_cells)
    error = np.sqrt(np.maximum(second - mean**2, 0) / len(sample))
    assert np.all(np.abs(sample.mean(axis=0) - mean) <= limit * error + 1e-11)  # rounding


@pytest.mark.parametrize("n_wait", [1, 2, 3, 4])
def test_alike_workers_are_drawn_without_replacement(n_wait: int) -> None:
    """Mean ∇F, variance (P²/k)(1 − k/n)/(n − 1) Σ‖g_j − ḡ‖²; and E X_(k)."""
    estimates, grads, seconds = first_step(ALIKE, n_wait)
    total, n = grads.sum(axis=0), N_WORKERS
    spread = np.square(grads - grads.mean(axis=0)).sum()
    variance = n**2 / n_wait * (1 - n_wait / n) / (n - 1) * spread
    every = np.array([n / n_wait * grads[list(chosen)].sum(axis=0) for chosen in combinations(range(n), n_wait)])
    deviation = np.square(every - total).sum(axis=1)
    assert len(every) == comb(n, n_wait)
    np.testing.assert_allclose(every.mean(axis=0), total, rtol=1e-12)
    assert deviation.mean() == pytest.approx(variance, rel=1e-12, abs=1e-12)
    check_moments(estimates, total, np.square(every).mean(axis=0), 2 * DIM)
    found = np.square(estimates - total).sum(axis=1)
    check_moments(found[:, None], np.array([variance]), np.array([np.square(deviation).mean()]), 2)
    passed = 1 / (1.5 * np.arange(n, n - n_wait, -1))  # of one answer after the other
    wait = np.array([passed.sum(), np.square(passed).sum() + passed.sum() ** 2])
    check_moments(seconds[:, None], wait[:1], wait[1:], 1)


class Answers(NamedTuple):
    """Who is heard first among unlike workers, and when the k-th answers."""

    prob: FloatArray  # (sets,)
    estimate: FloatArray  # (sets, D)  P/k times the sum of the set's gradients
    wait: float
    wait_sq: float


def first_answers(grads: FloatArray, n_wait: int) -> Answers:
    """P(set) is a sum over orders of Π rate/(rates not yet in)."""
    prob = dict.fromkeys(map(frozenset, combinations(range(N_WORKERS), n_wait)), 0.0)
    wait, wait_sq = 0.0, 0.0
    for order in permutations(range(N_WORKERS), n_wait):
        left, chance, passed = list(RATES), 1.0, []
        for worker in order:
            chance *= RATES[worker] / sum(left)
            passed.append(1 / sum(left))
            left.remove(RATES[worker])
        prob[frozenset(order)] += chance
        wait += chance * sum(passed)
        wait_sq += chance * (np.square(passed).sum() + sum(passed) ** 2)
    every = np.array([N_WORKERS / n_wait * grads[list(chosen)].sum(axis=0) for chosen in prob])
    return Answers(np.array(list(prob.values())), every, wait, wait_sq)


@pytest.mark.exact_moments("fastest_k")
@pytest.mark.parametrize("n_wait", [1, 2, 3])
def test_unlike_workers_come_first_by_their_rates(n_wait: int) -> None:
    """The estimate is biased, just as much as it must be."""
    estimates, grads, seconds = first_step(UNLIKE, n_wait)
    weight, every, wait, wait_sq = first_answers(grads, n_wait)
    assert weight.sum() == pytest.approx(1, rel=1e-12)
    mean, second = weight @ every, weight @ np.square(every)
    assert np.linalg.norm(mean - grads.sum(axis=0)) > 0.1 * np.linalg.norm(grads.sum(axis=0))
    check_moments(estimates, mean, second, DIM + len(weight) + 2)
    deviation = np.square(every - mean).sum(axis=1)
    found = np.square(estimates - mean).sum(axis=1)
    check_moments(found[:, None], weight[None] @ deviation, weight[None] @ deviation**2, DIM + len(weight) + 2)
    chosen = np.abs(estimates[:, None] - every).max(axis=2) < 1e-9  # (R, sets)
    check_moments(chosen.astype(float), weight, weight, DIM + len(weight) + 2)
    check_moments(seconds[:, None], np.array([wait]), np.array([wait_sq]), DIM + len(weight) + 2)


def check_cells(cells: FloatArray, weight: FloatArray, values: FloatArray, n_cells: int) -> None:
    """Compare means and variances of cells (n, C) with those of outcomes (sets, C) of probabilities (sets,)."""
    mean = weight @ values
    check_moments(cells, mean, weight @ np.square(values), n_cells)
    check_moments((cells - mean) ** 2, weight @ (values - mean) ** 2, weight @ (values - mean) ** 4, n_cells)


ADAPTIVE_STEPS = {  # growth, k, k once it has grown, and the counters before the step
    "by one": ("add", 2, 3, 2, 6),
    "to all": ("add", 3, 4, 2, 6),
    "doubled": ("double", 2, 4, 2, 6),
    "turned back too seldom": ("add", 2, 2, 1, 6),
    "burning in": ("add", 2, 2, 2, 5),
}


@pytest.mark.exact_moments("fastest_k_adaptive")
@pytest.mark.parametrize("case", ADAPTIVE_STEPS)
def test_an_adaptive_step_has_the_exact_moments(case: str) -> None:
    """x, k and both counters, jointly over who answers first; false alarm 1e-6 over all cells and cases."""
    growth, n_wait, larger, n_negative, n_rounds = ADAPTIVE_STEPS[case]
    scheme = fastest_k_adaptive.build(
        Setting(PROBLEM, UNLIKE), step_size=STEP, growth=growth, first_n_wait=n_wait, threshold=2, burn_in=5
    )
    weight, every, wait, wait_sq = first_answers(PROBLEM.part_grads(HERE[None])[0], n_wait)
    mean, likely = weight @ every, every[weight.argmax()]
    before = likely - likely @ mean / (mean @ mean) * mean  # at a right angle to the mean: products of either sign
    turned_back = every @ before < 0  # (sets,)
    assert 0.1 < weight @ turned_back < 0.9
    alike = np.ones(N_RUNS, np.int64)
    start = fastest_k_adaptive.State(
        np.outer(alike, HERE), np.outer(alike, before), n_wait * alike, n_negative * alike, n_rounds * alike
    )
    after, seconds = drawn_steps(scheme, start, 9)
    cells = np.column_stack([after.x, after.estimate, after.n_wait, after.n_negative, after.n_rounds])
    turned = [larger, 0, 1] if larger > n_wait else [n_wait, n_negative + 1, n_rounds + 1]
    counters = np.where(turned_back[:, None], turned, [n_wait, n_negative - 1, n_rounds + 1])
    n_cells = len(ADAPTIVE_STEPS) * (2 * cells.shape[1] + 1)
    check_cells(cells, weight, np.hstack([HERE - STEP.value * every, every, counters]), n_cells)
    check_moments(seconds[:, None], np.array([wait]), np.array([wait_sq]), n_cells)


@pytest.mark.exact_moments("fastest_k_scheduled")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_scheduled_step_has_the_exact_moments(policy: str) -> None:
    """In the middle of every period of the schedule: x, seconds and, for k = 1, the chance that k grows."""
    given = {"strong_convexity": 0.5, "smoothness": 8.0, "grad_var": 2.0, "gap": 9000.0}
    scheme = fastest_k_scheduled.build(Setting(PROBLEM, UNLIKE), step_size=STEP, policy=policy, **given)
    switch_s, grads = scheme.schedule.switch_s, PROBLEM.part_grads(HERE[None])[0]
    np.testing.assert_array_equal(scheme.schedule.n_wait, [1, 2, 3, 4])
    clocks = np.array([switch_s[0] - 0.1, *(switch_s[:-1] + switch_s[1:]) / 2, switch_s[-1] + 1])
    n_cells = 2 * 4 * (2 * DIM + 2)
    for n_wait, clock_s in enumerate(clocks, 1):
        start = scheme.init(N_RUNS)._replace(x=np.tile(HERE, (N_RUNS, 1)), seconds=np.full(N_RUNS, clock_s))
        after, seconds = drawn_steps(scheme, start, 1)
        weight, every, wait, wait_sq = first_answers(grads, n_wait)
        check_cells(after.x, weight, HERE - STEP.value * every, n_cells)
        check_moments(seconds[:, None], np.array([wait]), np.array([wait_sq]), n_cells)
        np.testing.assert_allclose(after.seconds, clock_s + seconds, rtol=1e-12)
        if n_wait == 1:  # the fastest answers after an exponential time
            stays = np.array([1 - np.exp(-sum(RATES) * 0.1)])
            still_one = scheme.measures(after)["n_wait"] == 1
            check_moments(still_one[:, None].astype(float), stays, stays, n_cells)


# ---- plain loops -----------------------------------------------------------------------------------------


def rounds_of(run: int, n_rounds: int, seed: int = 5) -> list[FloatArray]:
    """Draw a run's response times, from its own stream."""
    stream = RunStreams(seed, "stragglers", [run])
    return [UNLIKE.sample((1,), rng=stream)[0] for _ in range(n_rounds)]


def plain_round(x: FloatArray, times: FloatArray, k: int) -> tuple[FloatArray, float]:
    """One round of one run: the average of the k fastest, for the sum of the losses; seconds."""
    first = sorted(range(N_WORKERS), key=lambda worker: times[worker])[:k]
    grads = PROBLEM.part_grads(x[None])[0]
    estimate = N_WORKERS * sum(grads[worker] for worker in first) / k
    return estimate, max(times[worker] for worker in first) + 2 * VECTOR_BITS * LINK


def check_plain(scheme, run: int, path: list[tuple[FloatArray, float, float, int]], n_runs: int) -> None:
    """Compare iterate, seconds, bits up and the next k of one run among others, round by round."""
    noise, state = Noise(UNLIKE, 5, range(n_runs)), scheme.init(n_runs)
    for iteration, (x, seconds, bits_up, k) in enumerate(path, 1):
        state, cost = scheme.step(state, iteration, noise)
        np.testing.assert_allclose(scheme.iterate(state)[run], x, rtol=1e-10, atol=1e-12)
        assert cost.seconds[run] == pytest.approx(seconds, rel=1e-12)
        assert cost.bits_up[run] == bits_up
        assert cost.bits_down[run] == N_WORKERS * VECTOR_BITS
        assert scheme.measures(state)["n_wait"][run] == k


@pytest.mark.parametrize("n_wait", [1, 3, 4])
def test_fixed_k_is_a_plain_loop(n_wait: int) -> None:
    eta = InverseTimeStep(0.2, 2.0)
    scheme = fastest_k.build(Setting(PROBLEM, UNLIKE, LINK), step_size=eta, n_wait=n_wait)
    for run in (0, 2):
        x, path = PROBLEM.initial(), []
        for iteration, times in enumerate(rounds_of(run, 12), 1):
            estimate, seconds = plain_round(x, times, n_wait)
            x = x - 0.2 / (iteration + 2.0) * estimate
            path.append((x, seconds, float(VECTOR_BITS * n_wait), n_wait))
        check_plain(scheme, run, path, 3)


ADAPTIVE = {
    "one by one": {"burn_in": 3, "threshold": 0},
    "by two, burnt in": {"burn_in": 7, "threshold": 1, "wait_step": 2},
    "doubled": {"burn_in": 2, "threshold": 0, "growth": "double"},
    "capped": {"burn_in": 0, "threshold": 0, "most_n_wait": 3},
    "from two": {"burn_in": 1, "threshold": 2, "first_n_wait": 2},
}


@pytest.mark.parametrize("options", ADAPTIVE.values(), ids=ADAPTIVE)
def test_the_adaptive_scheme_is_algorithm_1(options: dict[str, object]) -> None:
    """Written out line by line for one run, with the newest two estimates in the test."""
    n_rounds, grown = 60, []
    scheme = fastest_k_adaptive.build(Setting(PROBLEM, UNLIKE, LINK), step_size=ConstantStep(0.25), **options)
    most, step = options.get("most_n_wait", N_WORKERS), options.get("wait_step", 1)
    for run in range(4):
        x, path = PROBLEM.initial(), []
        k, count_negative, count_iter, last = options.get("first_n_wait", 1), 0, 1, None
        for times in rounds_of(run, n_rounds):
            estimate, seconds = plain_round(x, times, k)
            x, bits_up = x - 0.25 * estimate, float(VECTOR_BITS * k)
            if last is not None:
                count_negative += 1 if estimate @ last < 0 else -1
            larger = 2 * k if options.get("growth") == "double" else k + step
            if count_negative > options["threshold"] and count_iter > options["burn_in"] and larger <= most:
                k, count_negative, count_iter = larger, 0, 0
                grown.append((run, len(path)))
            count_iter, last = count_iter + 1, estimate
            path.append((x, seconds, bits_up, k))
        check_plain(scheme, run, path, 4)
    assert len({when for _, when in grown}) > 1  # the runs grow on their own


def test_a_schedule_is_followed_on_each_runs_own_clock() -> None:
    schedule = WaitSchedule(np.array([1, 3, 2]), np.array([2.5, 6.0]))
    scheme = ScheduledFastestK("scheduled", Setting(PROBLEM, UNLIKE, LINK), STEP, schedule)
    switched = []
    for run in range(4):
        x, path, clock = PROBLEM.initial(), [], 0.0
        for times in rounds_of(run, 15):
            k = 1 if clock < 2.5 else 3 if clock < 6.0 else 2
            estimate, seconds = plain_round(x, times, k)
            x, clock = x - STEP.value * estimate, clock + seconds
            path.append((x, seconds, float(VECTOR_BITS * k), 1 if clock < 2.5 else 3 if clock < 6.0 else 2))
        switched.append([following for *_, following in path].index(2))
        check_plain(scheme, run, path, 4)
    assert len(set(switched)) > 1


# ---- the plain cases -------------------------------------------------------------------------------------


def schemes_of_all(setting: Setting) -> list[object]:
    return [
        fastest_k.build(setting, step_size=STEP, n_wait=N_WORKERS),
        fastest_k_adaptive.build(setting, step_size=STEP, first_n_wait=N_WORKERS, burn_in=0, threshold=0),
        ScheduledFastestK("s", setting, STEP, WaitSchedule(np.array([N_WORKERS]), np.empty(0))),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_waiting_for_all_is_gradient_descent(which: int) -> None:
    scheme = schemes_of_all(Setting(PROBLEM, UNLIKE))[which]
    trajectory = simulate(scheme, n_iters=9, n_runs=2, seed=0, checkpoints=range(10))
    x, losses = PROBLEM.initial(), []
    for _ in range(10):
        losses.append(PROBLEM.loss(x[None])[0])
        x = x - STEP.value * PROBLEM.part_grads(x[None])[0].sum(axis=0)
    np.testing.assert_allclose(trajectory.loss, np.tile(losses, (2, 1)), rtol=1e-11)
    waited = np.cumsum([times.max() for times in rounds_of(1, 9, seed=0)])
    np.testing.assert_allclose(trajectory.seconds[1, 1:], waited, rtol=1e-12)
    np.testing.assert_array_equal(trajectory.measures["n_wait"], N_WORKERS)


def test_a_switch_comes_with_the_first_round_that_begins_at_its_time_or_later() -> None:
    """Rounds of 1 s for one worker, 2 s for two, 4 s for four: known clocks, no rounding."""
    delay = FixedTimes(np.array([1.0, 2.0, 3.0, 4.0]))
    schedule = WaitSchedule(np.array([1, 2, 4]), np.array([3.0, 6.5]))
    scheme = ScheduledFastestK("scheduled", Setting(PROBLEM, delay), STEP, schedule)
    trajectory = simulate(scheme, n_iters=7, n_runs=1, seed=0, checkpoints=range(8))
    np.testing.assert_array_equal(trajectory.seconds[0], [0, 1, 2, 3, 5, 7, 11, 15])
    np.testing.assert_array_equal(trajectory.measures["n_wait"][0], [1, 1, 1, 2, 2, 4, 4, 4])
    np.testing.assert_array_equal(np.diff(trajectory.bits_up[0]) / VECTOR_BITS, [1, 1, 1, 2, 2, 4, 4])


def test_who_never_answers_is_not_waited_for() -> None:
    silent = Setting(PROBLEM, Bernoulli(np.array([0.0, 1.0, 0.0, 1.0]), 2.0), LINK)
    noise, x = Noise(silent.delay, 0, [0]), np.ones((1, DIM))
    after, cost = fastest_k.build(silent, step_size=STEP, n_wait=3).step(fastest_k.State(x), 1, noise)
    expected = 2 * PROBLEM.part_grads(x)[0, [0, 2]].sum(axis=0)  # the average of two, of four parts
    np.testing.assert_allclose((x - after.x)[0], STEP.value * expected, rtol=1e-12)
    assert (cost.seconds[0], cost.bits_up[0]) == (pytest.approx(2.0 + 2 * VECTOR_BITS * LINK), 2 * VECTOR_BITS)
    nobody = Setting(PROBLEM, Bernoulli(np.ones(4), 2.0), LINK)
    for scheme in schemes_of_all(nobody):
        state = scheme.init(2)
        after, cost = scheme.step(state, 1, Noise(nobody.delay, 0, [0, 1]))
        np.testing.assert_array_equal(after.x, state.x)
        np.testing.assert_array_equal([cost.seconds, cost.bits_up], 0.0)
    adaptive = fastest_k_adaptive.build(nobody, step_size=STEP)
    state, noise = adaptive.init(1), Noise(nobody.delay, 0, [0])
    for iteration in (1, 2, 3):
        state, _ = adaptive.step(state, iteration, noise)
    assert (state.n_negative[0], state.n_rounds[0]) == (-2, 4)  # a product of 0 is not negative


def test_rows_of_a_grid_have_their_own_step_sizes() -> None:
    grid = fastest_k_adaptive.build(
        Setting(PROBLEM, UNLIKE), step_size=GridStep((0.01, 0.2), 3), burn_in=2, threshold=0
    )
    whole = simulate(grid, n_iters=30, n_runs=3, seed=2, n_repeats=2)
    for number, value in enumerate((0.01, 0.2)):
        alone = fastest_k_adaptive.build(
            Setting(PROBLEM, UNLIKE), step_size=ConstantStep(value), burn_in=2, threshold=0
        )
        own = simulate(alone, n_iters=30, n_runs=3, seed=2)
        rows = slice(3 * number, 3 * number + 3)
        np.testing.assert_allclose(whole.loss[rows], own.loss, rtol=1e-9)
        np.testing.assert_array_equal(whole.measures["n_wait"][rows], own.measures["n_wait"])


# ---- schedules of the bound ------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [True, False])
def test_the_bounds_schedules_are_made_of_the_measured_constants(replacement: bool) -> None:
    problem = least_squares.build(5, seed=1, dim=3, n_samples=20)
    setting, eta = Setting(problem, exponential.build(5, rate_per_s=2.0), LINK), 0.01
    optimum, workers = problem.regularity.optimum, np.arange(5, 0, -1)
    estimates = 5 * problem.part_grads(optimum[None])[0]  # (W, D), each worker's; their mean is 0
    assert np.abs(estimates.mean(axis=0)).max() < 1e-12
    worker_var = np.square(estimates).sum(axis=1).mean()
    curvature = np.linalg.eigvalsh(problem.design.reshape(-1, 3).T @ problem.design.reshape(-1, 3))
    floor = eta * curvature[-1] * worker_var / (2 * curvature[0] * np.arange(1, 6))
    floor *= 1.0 if replacement else (workers - 1) / 4
    constants = {
        "floor": floor,
        "mean_wait": np.cumsum(1 / (2.0 * workers)) + 2 * 32 * 3 * LINK,
        "decay": -np.log(1 - eta * curvature[0]),
        "gap": problem.loss(np.zeros((1, 3)))[0] - problem.regularity.optimal_loss,
    }
    for name, policy in POLICIES.items():
        options = {"policy": name, "replacement": replacement}
        schedule = fastest_k_scheduled.build(setting, step_size=ConstantStep(eta), **options).schedule
        expected = policy(**constants)
        np.testing.assert_array_equal(schedule.n_wait, expected.n_wait)
        np.testing.assert_allclose(schedule.switch_s, expected.switch_s, rtol=1e-6)
        assert len(schedule.n_wait) > 2


def test_a_round_of_workers_that_may_never_answer_lasts_until_those_who_do() -> None:
    """Bernoulli: any k waits for the one moment, unless nobody answers; its mean from simulated rounds."""
    prob = np.array([0.3, 0.5, 0.6, 0.9])
    waits = mean_round_s(Setting(PROBLEM, Bernoulli(prob, 2.0), LINK))
    chance, seconds = 1 - prob.prod(), 2.0 + 2 * VECTOR_BITS * LINK
    np.testing.assert_array_equal(waits, waits[0])
    error = seconds * np.sqrt(chance * (1 - chance) / SIMULATED_ROUNDS)
    assert abs(waits[0] - seconds * chance) <= stats.norm.isf(FALSE_ALARM / 2) * error
    delay = FixedTimes(np.array([3.0, np.inf, 1.0, 2.0]))
    np.testing.assert_allclose(mean_round_s(Setting(PROBLEM, delay)), [1, 2, 3, 3])
    scheme = fastest_k_scheduled.build(Setting(PROBLEM, delay), step_size=STEP, policy="envelope")
    assert set(scheme.schedule.n_wait) <= {1, 2, 4}  # to wait for 3 or for 4 is the same


def test_given_constants_come_before_measured_ones() -> None:
    given_ = {"strong_convexity": 0.5, "smoothness": 8.0, "grad_var": 2.0, "gap": 90.0}
    setting = Setting(replace(PROBLEM, regularity=Regularity()), UNLIKE)
    for name, policy in POLICIES.items():
        scheme = fastest_k_scheduled.build(setting, step_size=ConstantStep(0.01), policy=name, **given_)
        floor = 0.01 * 8.0 * N_WORKERS**2 * 2.0 / (2 * 0.5 * np.arange(1, 5))
        expected = policy(floor, mean_kth(UNLIKE), decay=-np.log(1 - 0.005), gap=90.0)
        np.testing.assert_array_equal(scheme.schedule.n_wait, expected.n_wait)
        np.testing.assert_allclose(scheme.schedule.switch_s, expected.switch_s, rtol=1e-12)
        assert scheme.name == f"fastest_k_{name}"
        for left_out in given_:
            rest = {key: value for key, value in given_.items() if key != left_out}
            with pytest.raises(InputError, match=f"claims no {left_out}: give it as a number"):
                fastest_k_scheduled.build(setting, step_size=ConstantStep(0.01), policy=name, **rest)


# ---- what is refused -------------------------------------------------------------------------------------


def refused(build, complaint: str, setting: Setting | None = None, **options: object) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        build(Setting(PROBLEM, UNLIKE) if setting is None else setting, **{"step_size": STEP} | options)
    assert "\n" not in str(caught.value)


def test_bad_parameters_are_refused() -> None:
    for n_wait in (0, 5):
        refused(fastest_k.build, "at least 1 and at most all 4", n_wait=n_wait)
        refused(fastest_k_adaptive.build, "first_n_wait is", first_n_wait=n_wait)
        refused(fastest_k_adaptive.build, "most_n_wait is", most_n_wait=n_wait)
    refused(fastest_k_adaptive.build, "above most_n_wait = 2", first_n_wait=3, most_n_wait=2)
    refused(fastest_k_adaptive.build, "choose add or double", growth="treble")
    for bad in ({"wait_step": 0}, {"threshold": -1}, {"burn_in": -1}):
        refused(fastest_k_adaptive.build, "at least 1, the others at least 0", **bad)
    other = Setting(quadratic.build(3, seed=0, dim=2), UNLIKE)
    refused(fastest_k.build, "3 parts and 4 workers", other, n_wait=1)
    refused(fastest_k_adaptive.build, "3 parts and 4 workers", other)
    for name in POLICIES:
        schedule = partial(fastest_k_scheduled.build, policy=name)
        refused(schedule, "3 parts and 4 workers", other)
        refused(schedule, "a constant one", step_size=InverseTimeStep(1.0))
        refused(schedule, "between 0 and 1", step_size=ConstantStep(2.0))
        refused(schedule, "both must be positive", gap=0.0)
        refused(schedule, "at least 0", grad_var=-1.0)
    refused(fastest_k_scheduled.build, "policy 'greedy': choose theorem_1 or envelope", policy="greedy")


def test_the_burn_in_is_a_tenth_of_the_samples_unless_it_is_given() -> None:
    setting = Setting(least_squares.build(4, seed=0, dim=3, n_samples=80), UNLIKE)
    assert fastest_k_adaptive.build(setting, step_size=STEP).burn_in == 8
    assert fastest_k_adaptive.build(setting, step_size=STEP, burn_in=0).burn_in == 0


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(InputError, match="one count more than switches"):
        WaitSchedule(np.array([1, 2]), np.empty(0))
    for times in ([2.0, 1.0], [np.nan, 1.0]):
        with pytest.raises(InputError, match="in their order"):
            WaitSchedule(np.array([1, 2, 3]), np.array(times))
    with pytest.raises(InputError, match="at most all 4"):
        ScheduledFastestK("s", Setting(PROBLEM, UNLIKE), STEP, WaitSchedule(np.array([1, 5]), np.array([1.0])))
