"""Schemes without a master: exact moments of a step, plain loops, an event queue, and fixed points."""

import heapq
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import floor
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from workbench.core.errors import InputError
from workbench.core.streams import RunStreams, stream
from workbench.core.types import DelayModel, FloatArray, Quantizer, UniformSource
from workbench.engine.loop import simulate
from workbench.engine.setup import build_scheme
from workbench.problems import least_squares, logistic_regression, quadratic
from workbench.problems.least_squares import LeastSquares
from workbench.quantizers import lattice, stochastic_levels
from workbench.schemes import asynchronous_dsgd, dsgd, q_dsgd, quantimed
from workbench.schemes.asynchronous_dsgd import AsynchronousDsgd
from workbench.schemes.decentralized_round import Deadline, consensus_sq
from workbench.schemes.decentralized_sgd import DecentralizedSgd, State
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, GridStep, InverseTimeStep
from workbench.stragglers.delays import bernoulli, bounded_speed, exponential
from workbench.topologies import mixing
from workbench.topologies.mixing import Mixing

W, D, N_RUNS, N_ROUNDS, SEED = 5, 3, 3, 8, 5
SAMPLES = 6  # of a part
PROBLEM = least_squares.build(W, seed=1, dim=D, n_samples=W * SAMPLES)
UNEVEN = logistic_regression.build(W, seed=2, dim=D, n_samples=5 * W + 3)  # parts of 5 and 6 samples
SPEEDS = bounded_speed.build(W, slowest=[0.5, 0.5, 1.0, 2.0, 4.0], fastest=[3.0, 6.0, 9.0, 9.0, 12.0])
GRAPH = mixing.build(W, graph="erdos_renyi", edge_prob=0.5, seed=3)  # degrees 1 to 4
STEP = ConstantStep(0.02)
LATTICE = lattice.quantizer(np.array([4, 5, 6, 5, 4]), half_range=4.0)
LEVELS = stochastic_levels.quantizer(np.array([2, 3, 4, 5, 6]))


def setting(problem: Any = PROBLEM, delay: DelayModel = SPEEDS, seconds_per_bit: float = 1e-3) -> Setting:
    return Setting(problem, delay, seconds_per_bit)


# One step's moments from a fixed state.


def batch_law(delay: DelayModel, deadline_s: float, part_sizes: Sequence[int]) -> list[FloatArray]:
    """P(|S_i| = b), b = 0, ..., m_i: |S_i| >= b iff a sample takes at most T_d/b."""
    at_least = np.array([1 - delay.straggle_prob(deadline_s / b) for b in range(1, max(part_sizes) + 1)])  # (B, W)
    tails = [np.concatenate([[1.0], at_least[:size, worker], [0.0]]) for worker, size in enumerate(part_sizes)]
    return [-np.diff(tail) for tail in tails]


def fixed_law(size: int) -> list[FloatArray]:
    return [np.eye(SAMPLES + 1)[size]] * W


def lattice_variance(x: FloatArray, quantizer: lattice.Lattice | None) -> FloatArray:
    """E‖Q(x_i) − x_i‖² of (7) inside its range, coordinate by coordinate, shape (W,)."""
    out = np.zeros(W)
    if quantizer is None:
        return out
    for worker in range(W):
        for value in x[worker]:
            scale = 2 * 4.0 / 2 ** quantizer.bits[worker]
            up = value / scale - floor(value / scale)
            out[worker] += scale**2 * up * (1 - up)
    return out


class Moments(NamedTuple):
    """Of one step: means (W, D), total variances (W,), and the total variance of the mean over the workers."""

    mean: FloatArray
    variance: FloatArray
    variance_of_mean: float


def exact(
    x: FloatArray, eps: float, alpha: float, law: Sequence[FloatArray], quantizer: lattice.Lattice | None
) -> Moments:
    """Moments of eq. 8 at models (W, D), as written, with samples drawn without replacement."""
    noise = lattice_variance(x, quantizer)  # (W,)
    mean, variance, spread = np.empty((W, D)), np.empty(W), np.empty(W)
    for i in range(W):
        neighbours = [j for j in range(W) if j != i and GRAPH.weights[i, j] != 0]
        residuals = PROBLEM.design[i] @ x[i] - PROBLEM.target[i]  # (samples,)
        samples = W * SAMPLES * PROBLEM.design[i] * residuals[:, None]  # their mean is P ∇f_i
        full = samples.mean(axis=0)
        some, sizes = 1 - law[i][0], np.arange(1, SAMPLES + 1)
        inverse = float(np.sum(law[i][1:] / sizes))  # E[1/|S|; |S| > 0]
        within = np.square(samples - full).sum() / (SAMPLES - 1)
        spread[i] = within * (inverse - some / SAMPLES) + some * (1 - some) * full @ full
        mean[i] = (1 - eps + eps * GRAPH.weights[i, i]) * x[i] - alpha * eps * some * full
        mean[i] += eps * sum(GRAPH.weights[i, j] * x[j] for j in neighbours)
        variance[i] = eps**2 * sum(GRAPH.weights[i, j] ** 2 * noise[j] for j in neighbours)
        variance[i] += (alpha * eps) ** 2 * spread[i]
    others = 1 - np.diag(GRAPH.weights)  # how much all neighbours together take from each
    of_mean = eps**2 * np.sum(others**2 * noise) / W**2 + (alpha * eps) ** 2 * spread.sum() / W**2
    return Moments(mean, variance, float(of_mean))


ONE_STEP: dict[str, tuple[Any, float, Sequence[FloatArray], lattice.Lattice | None]] = {
    "quantimed": (
        quantimed.build(setting(), step_size=STEP, mixing=GRAPH, mixing_step=0.7, deadline_s=0.9, quantizer=LATTICE),
        0.7,
        batch_law(SPEEDS, 0.9, [SAMPLES] * W),
        LATTICE,
    ),
    "quantimed, three samples timed": (
        quantimed.build(setting(), step_size=STEP, mixing=GRAPH, mixing_step=1.0, deadline_s=0.4, timed_samples=3),
        1.0,
        batch_law(SPEEDS, 1.2, [SAMPLES] * W),
        None,
    ),
    "q_dsgd": (
        q_dsgd.build(setting(), step_size=STEP, mixing=GRAPH, mixing_step=0.4, quantizer=LATTICE, batch_size=2),
        0.4,
        fixed_law(2),
        LATTICE,
    ),
    "dsgd": (dsgd.build(setting(), step_size=STEP, mixing=GRAPH, batch_size=3), 1.0, fixed_law(3), None),
}


def test_the_law_of_batches_is_rich_enough() -> None:
    law = batch_law(SPEEDS, 0.9, [SAMPLES] * W)
    np.testing.assert_allclose([each.sum() for each in law], 1)
    assert law[0][0] > 0.1  # no gradient at all
    assert law[4][SAMPLES] > 0.4  # all of them, and time left
    assert sum(each[1:-1].sum() > 0.5 for each in law) >= 3


@pytest.mark.exact_moments(*ONE_STEP)
@pytest.mark.parametrize("key", ONE_STEP)
def test_one_step_has_the_exact_mean_and_variance(key: str) -> None:
    """20,000 rounds from one state; false alarm 1e-6 over all cells of a scheme."""
    scheme, eps, law, quantizer = ONE_STEP[key]
    n_runs, n_rounds = 500, 40
    x = 2 * np.random.default_rng(8).standard_normal((W, D)).clip(-1.8, 1.8)
    expected = exact(x, eps, STEP.value, law, quantizer)
    state = State(np.tile(x, (n_runs, 1, 1)), np.zeros(n_runs), scheme.local.first_order(n_runs))
    noise = Noise(SPEEDS, 31, range(n_runs))
    after = [scheme.step(state, 1, noise)[0] for _ in range(n_rounds)]
    off = np.concatenate([each.x for each in after]) - expected.mean  # (rounds R, W, D)
    total = np.square(off).sum(axis=2)  # (rounds R, W)
    of_mean = np.square(off.mean(axis=1)).sum(axis=1)  # (rounds R,)
    sizes = np.array([each @ np.arange(SAMPLES + 1) for each in law]).mean()
    cells = [
        *off.reshape(len(off), -1).T,
        *(total - expected.variance).T,
        of_mean - expected.variance_of_mean,
        np.concatenate([each.batch_size for each in after]) - sizes,
    ]
    limit = norm.isf(1e-6 / 2 / len(cells))
    for cell in cells:
        error = cell.std(ddof=1) / np.sqrt(len(cell))
        assert abs(cell.mean()) <= limit * error + 1e-12


# Plain loops over runs and workers that draw the same numbers.


def sample_grad(problem: Any, part: int, sample: int, x: FloatArray) -> FloatArray:
    """∇f_{part, sample}(x), shape (D,)."""
    batch, weights = np.zeros((1, problem.n_parts, 1), np.int64), np.zeros((1, problem.n_parts, 1))
    batch[0, part], weights[0, part] = sample, 1.0
    return np.asarray(problem.sample_grads(np.tile(x, (1, problem.n_parts, 1)), batch, weights)[0, part])


class PlainBatches:
    """A run's mini-batches, drawn as the scheme draws them."""

    def __init__(self, problem: Any, run: int) -> None:
        self.problem, self.sizes = problem, problem.part_sizes.tolist()
        self.rng = stream(SEED, "batches", run)
        self.order = [list(range(size)) for size in self.sizes]

    def draw(self, wanted: list[int]) -> list[list[int]]:
        uniform = self.rng.random((max(wanted), W))
        for i in range(W):
            for b in range(wanted[i]):
                other = b + int(uniform[b, i] * (self.sizes[i] - b))
                self.order[i][b], self.order[i][other] = self.order[i][other], self.order[i][b]
            for b in range(wanted[i], max(wanted)):  # the scheme shuffles on, past what this worker wants
                other = min(b + int(uniform[b, i] * max(self.sizes[i] - b, 1)), max(self.sizes) - 1)
                if b < self.sizes[i]:
                    self.order[i][b], self.order[i][other] = self.order[i][other], self.order[i][b]
        return [self.order[i][: wanted[i]] for i in range(W)]

    def gradient(self, i: int, x: FloatArray, batch: list[int]) -> FloatArray:
        total = np.zeros(len(x))
        for sample in batch:
            total += sample_grad(self.problem, i, sample, x)
        return np.asarray(len(self.sizes) * self.sizes[i] / max(len(batch), 1) * total)


def plain_sgd(scheme: DecentralizedSgd, run: int) -> Iterator[tuple[FloatArray, float, float, float]]:
    """Equation (8) of quantimed as it is printed: models (W, D), batch, seconds and bits of every round."""
    problem, links, eps = scheme.setting.problem, scheme.links, scheme.mixing_step
    batches, rule = PlainBatches(problem, run), scheme.local.rule
    responses = RunStreams(SEED, "stragglers", [run])
    quantizer_rng = RunStreams(SEED, f"quantizer/{scheme.name}", [run])
    weights, x = links.mixing.weights, [problem.initial() for _ in range(W)]
    for t in range(1, N_ROUNDS + 1):
        sample_s = scheme.setting.delay.sample((1,), rng=responses)[0] / scheme.local.timed_samples
        if isinstance(rule, Deadline):
            sizes = [min(floor(rule.deadline_s / sample_s[i]), batches.sizes[i]) for i in range(W)]
            computed = [rule.deadline_s] * W
        else:
            sizes = [rule.batch_size or batches.sizes[i] for i in range(W)]
            computed = [sizes[i] * sample_s[i] for i in range(W)]
        chosen = [list(range(size)) for size in sizes] if rule.is_whole else batches.draw(sizes)
        z = x if links.quantizer is None else links.quantizer(np.array(x)[None], rng=quantizer_rng)[0]
        each = links.float_bits * D if links.quantizer is None else None
        seconds, bits, new = 0.0, 0, []
        for i in range(W):
            model = (1 - eps + eps * weights[i, i]) * x[i]
            message_bits = each or int(links.quantizer.message_bits(D)[i])
            for j in range(W):
                if j != i and weights[i, j] != 0:
                    model = model + eps * weights[i, j] * z[j]
                    bits += message_bits
            alpha = np.broadcast_to(scheme.step_size(t, np.arange(N_RUNS)), N_RUNS)[run]
            new.append(model - alpha * eps * batches.gradient(i, x[i], chosen[i]))
            seconds = max(seconds, computed[i] + message_bits * scheme.setting.seconds_per_bit)
        x = new
        yield np.array(x), float(np.mean(sizes)), seconds, bits


def synchronous() -> dict[str, DecentralizedSgd]:
    both: dict[str, Any] = {"step_size": InverseTimeStep(0.3, 9.0), "mixing": GRAPH}
    uneven = setting(UNEVEN)
    return {
        "quantimed": quantimed.build(setting(), mixing_step=0.6, deadline_s=0.8, quantizer=LATTICE, **both),
        "quantimed, uneven parts": quantimed.build(
            uneven, mixing_step=0.9, deadline_s=0.2, quantizer=LEVELS, timed_samples=4, **both
        ),
        "quantimed, nobody in time": quantimed.build(setting(), mixing_step=0.9, deadline_s=0.01, **both),
        "q_dsgd": q_dsgd.build(setting(), mixing_step=0.5, quantizer=LATTICE, batch_size=4, timed_samples=2, **both),
        "q_dsgd, whole parts": q_dsgd.build(uneven, mixing_step=0.5, quantizer=LEVELS, **both),
        "dsgd": dsgd.build(uneven, step_size=GridStep((0.1, 0.2, 0.3), 1), mixing=GRAPH, batch_size=5, float_bits=16),
        "dsgd, whole parts": dsgd.build(uneven, **both),
    }


@pytest.mark.parametrize("key", synchronous())
def test_a_synchronous_scheme_equals_its_plain_loop(key: str) -> None:
    scheme = synchronous()[key]
    noise, state = Noise(scheme.setting.delay, SEED, range(N_RUNS)), scheme.init(N_RUNS)
    plain = [list(plain_sgd(scheme, run)) for run in range(N_RUNS)]
    for t in range(1, N_ROUNDS + 1):
        state, cost = scheme.step(state, t, noise)
        for run in range(N_RUNS):
            x, batch_size, seconds, bits = plain[run][t - 1]
            np.testing.assert_allclose(state.x[run], x, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(scheme.iterate(state)[run], np.mean(x, axis=0), rtol=1e-10, atol=1e-12)
            apart = sum(np.sum((x[i] - np.mean(x, axis=0)) ** 2) for i in range(W)) / W
            assert scheme.measures(state)["consensus_sq"][run] == pytest.approx(apart, rel=1e-9, abs=1e-20)
            assert scheme.measures(state)["batch_size"][run] == pytest.approx(batch_size)
            assert cost.seconds[run] == pytest.approx(seconds, rel=1e-13)
            assert (cost.bits_up[run], cost.bits_down[run]) == (bits, 0)


# The asynchronous scheme against an event queue with a link for every ordered pair of neighbours.


class Done(NamedTuple):
    """A computation that has ended."""

    time_s: float
    worker: int


def rounds_of(scheme: AsynchronousDsgd, run: int, n_rounds: int) -> list[FloatArray]:
    """Draw the response times that rounds would meet, from the run's own stream."""
    rng = RunStreams(SEED, "stragglers", [run])
    return [scheme.setting.delay.sample((1,), rng=rng)[0] for _ in range(n_rounds)]


def ends(scheme: AsynchronousDsgd, rounds: Sequence[FloatArray], n_events: int) -> list[Done]:
    """Find when and whose the first computations end; the j-th of worker i takes rounds[j][i] a sample."""
    n_workers, problem = scheme.setting.n_workers, scheme.setting.problem
    message_s = scheme.setting.seconds_per_bit * scheme.links.float_bits * problem.dim
    sizes = scheme.local.rule.plan(np.ones((1, n_workers)), problem.part_sizes).sizes[0]
    used: list[int] = [0] * n_workers
    queue: list[Done] = []
    out: list[Done] = []

    def begin(i: int, now: float) -> None:
        heapq.heappush(queue, Done(now + sizes[i] * rounds[used[i]][i] / scheme.local.timed_samples, i))
        used[i] += 1

    for i in range(n_workers):
        begin(i, 0.0)
    while len(out) < n_events:
        out.append(heapq.heappop(queue))
        begin(out[-1].worker, out[-1].time_s + (message_s if scheme.send == "blocking" else 0.0))
    return out


def plain_asynchronous(
    scheme: AsynchronousDsgd, run: int, done: Sequence[Done], batches: PlainBatches, start: FloatArray
) -> Iterator[tuple[FloatArray, float, float]]:
    """Models (W, D), clock and bits after every step: one message at a time on each link, the newest next.

    Everybody knows everybody's model at the start (W, D).
    """
    weights, n_workers = scheme.links.mixing.weights, scheme.setting.n_workers
    whole, size = scheme.local.rule.is_whole, getattr(scheme.local.rule, "batch_size", None)
    message_bits = scheme.links.float_bits * start.shape[1]
    message_s = scheme.setting.seconds_per_bit * message_bits
    pairs = [(i, j) for i in range(n_workers) for j in range(n_workers) if i != j and weights[i, j] != 0]
    x = list(start)
    memory = {(i, j): start[i] for i, j in pairs}  # what j has of i
    newer: dict[tuple[int, int], FloatArray] = {}  # waits for the link
    travelling: dict[tuple[int, int], FloatArray] = {}
    arrivals: list[tuple[float, tuple[int, int]]] = []
    bits = 0

    def send(pair: tuple[int, int], model: FloatArray, now: float) -> None:
        nonlocal bits
        travelling[pair] = model
        heapq.heappush(arrivals, (now + message_s, pair))
        bits += message_bits

    for step in range(1, len(done) // n_workers + 1):
        now_done = done[(step - 1) * n_workers : step * n_workers]
        counts = [sum(each.worker == i for each in now_done) for i in range(n_workers)]
        drawn: list[list[list[int]]] = []
        if not whole:
            assert size is not None
            drawn = [batches.draw([size * (each > turn) for each in counts]) for turn in range(max(counts))]
        turn = [0] * n_workers
        for time_s, i in now_done:
            while arrivals and arrivals[0][0] <= time_s:
                at_s, pair = heapq.heappop(arrivals)
                memory[pair] = travelling.pop(pair)
                if pair in newer:
                    send(pair, newer.pop(pair), at_s)
            batch = list(range(batches.sizes[i])) if whole else drawn[turn[i]][i]
            turn[i] += 1
            alpha = np.broadcast_to(scheme.step_size(step, np.arange(N_RUNS)), N_RUNS)[run]
            model = weights[i, i] * x[i] - alpha * batches.gradient(i, x[i], batch)
            for j in range(n_workers):
                if (j, i) in memory:
                    model = model + weights[i, j] * memory[j, i]
            x[i] = model
            for pair in pairs:
                if pair[0] == i and pair in travelling:
                    newer[pair] = model
                elif pair[0] == i:
                    send(pair, model, time_s)
        yield np.array(x), now_done[-1].time_s, bits


# Beside computations of 0.1 to 4 seconds: nothing, a share of one, several of them.
LINKS = {"instant": 0.0, "short": 1e-3, "long": 0.02, "longest": 0.2}


@pytest.mark.parametrize("send", ["overlapped", "blocking"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_the_asynchronous_scheme_equals_an_event_queue(send: Any, link: str, batch_size: int | None) -> None:
    scheme = asynchronous_dsgd.build(
        setting(UNEVEN if link == "short" else PROBLEM, seconds_per_bit=LINKS[link]),
        step_size=GridStep((0.01, 0.03, 0.02), 1) if batch_size else InverseTimeStep(0.3, 9.0),
        mixing=GRAPH,
        send=send,
        batch_size=batch_size,
        timed_samples=2,
        float_bits=16,
    )
    equals_the_queue(scheme)


@pytest.mark.parametrize("send", ["overlapped", "blocking"])
@pytest.mark.parametrize("seconds_per_bit", [0.0, 1 / 48, 1 / 16])
def test_at_one_time_messages_come_first_and_then_workers_in_order(send: Any, seconds_per_bit: float) -> None:
    """Everyone computes for a second, and a message takes none, as long, or three times as long."""
    steady = bounded_speed.build(W, slowest=1.0, fastest=1.0)
    world = setting(delay=steady, seconds_per_bit=seconds_per_bit)
    options: dict[str, Any] = {"step_size": STEP, "mixing": GRAPH, "batch_size": 1, "float_bits": 16, "send": send}
    equals_the_queue(asynchronous_dsgd.build(world, **options))


def equals_the_queue(scheme: AsynchronousDsgd) -> None:
    noise, state = Noise(scheme.setting.delay, SEED, range(N_RUNS)), scheme.init(N_RUNS)
    start, problem = np.tile(scheme.setting.problem.initial(), (W, 1)), scheme.setting.problem
    plain = []
    for run in range(N_RUNS):
        done = ends(scheme, rounds_of(scheme, run, W * N_ROUNDS + 1), W * N_ROUNDS)
        plain.append(list(plain_asynchronous(scheme, run, done, PlainBatches(problem, run), start)))
    seconds, bits = np.zeros(N_RUNS), np.zeros(N_RUNS)
    for t in range(1, N_ROUNDS + 1):
        state, cost = scheme.step(state, t, noise)
        seconds, bits = seconds + cost.seconds, bits + cost.bits_up
        for run in range(N_RUNS):
            x, clock_s, sent = plain[run][t - 1]
            np.testing.assert_allclose(state.x[run], x, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(scheme.iterate(state)[run], np.mean(x, axis=0), rtol=1e-10, atol=1e-12)
            assert seconds[run] == pytest.approx(clock_s, rel=1e-12)
            assert bits[run] == sent
        np.testing.assert_array_equal(cost.bits_down, 0)
        np.testing.assert_allclose(scheme.measures(state)["consensus_sq"], consensus_sq(state.x))


# Its moments: the event queue for every way in which few workers with two response times and two samples may go.


@dataclass(frozen=True)
class TwoTimes:
    """Worker i responds after fast[i] seconds with probability fast_prob[i], else after slow[i]."""

    fast: FloatArray  # (W,)
    slow: FloatArray  # (W,)
    fast_prob: FloatArray  # (W,)

    @property
    def n_workers(self) -> int:
        return len(self.fast)

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return np.where(rng.random((*shape, self.n_workers)) < self.fast_prob, self.fast, self.slow)

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return np.where(self.fast > deadline_s, 1.0, np.where(self.slow > deadline_s, 1 - self.fast_prob, 0.0))


class GivenBatches(PlainBatches):
    """One sample for each computation, in the order in which they are asked for."""

    def __init__(self, problem: Any, samples: Sequence[int]) -> None:
        super().__init__(problem, 0)
        self.samples = iter(samples)

    def draw(self, wanted: list[int]) -> list[list[int]]:
        return [[next(self.samples)] if size else [] for size in wanted]


@pytest.mark.exact_moments("asynchronous_dsgd")
@pytest.mark.parametrize("send", ["overlapped", "blocking"])
def test_one_asynchronous_step_has_the_exact_mean_and_variance(send: Any) -> None:
    """Three completed computations from unlike models: x, clock and bits; 20,000 rounds, 1e-6 over all cells.

    A message travels longer than the fastest computation takes, and shorter than most.
    """
    few, dim, n_runs, n_rounds = 3, 2, 500, 40
    problem = least_squares.build(few, seed=4, dim=dim, n_samples=2 * few)
    delay = TwoTimes(np.array([0.5, 0.73, 1.13]), np.array([1.31, 2.07, 1.77]), np.array([0.6, 0.5, 0.7]))
    star = mixing.build(few, graph="star")
    world = Setting(problem, delay, seconds_per_bit=0.6 / (32 * dim))
    scheme = asynchronous_dsgd.build(world, step_size=ConstantStep(0.1), mixing=star, send=send, batch_size=1)
    models = np.random.default_rng(6).standard_normal((few, dim))

    chances: dict[tuple[Done, ...], float] = {}  # of what may end and when
    for quick in product([True, False], repeat=few * few):
        is_fast = np.array(quick).reshape(few, few)  # (computations of a worker, W)
        rounds = [*np.where(is_fast, delay.fast, delay.slow), delay.fast]  # nobody's fourth is among three
        events = tuple(ends(scheme, rounds, few))
        chance = np.where(is_fast, delay.fast_prob, 1 - delay.fast_prob).prod()
        chances[events] = chances.get(events, 0.0) + chance
    weight, outcomes = [], []
    for (events, chance), samples in product(chances.items(), product(range(2), repeat=few)):
        x, clock_s, bits = next(plain_asynchronous(scheme, 0, events, GivenBatches(problem, samples), models))
        weight.append(chance / 2**few)
        outcomes.append([*x.ravel(), clock_s, bits])
    prob, values = np.array(weight), np.array(outcomes)  # (ways,), (ways, cells)
    mean = prob @ values
    variance = prob @ (values - mean) ** 2
    assert prob.sum() == pytest.approx(1, abs=1e-12)
    assert np.all(variance > 1e-6)

    known = np.tile(models, (n_runs, 1, 1))
    start = scheme.init(n_runs)._replace(x=known, arrived=known, travelling=known)
    noise, seen = Noise(delay, 7, range(n_runs)), []
    for _ in range(n_rounds):
        after, cost = scheme.step(start, 1, noise)
        seen.append(np.column_stack([after.x.reshape(n_runs, -1), cost.seconds, cost.bits_up]))
    off = np.concatenate(seen) - mean  # (rounds R, cells)
    limit = norm.isf(1e-6 / 2 / (2 * 2 * len(mean)))
    for cell in (*off.T, *(off**2 - variance).T):
        assert abs(cell.mean()) <= limit * cell.std(ddof=1) / np.sqrt(len(cell))


def test_the_event_queue_meets_every_case() -> None:
    """Messages overtake computations and the other way round, and workers end several computations in a step."""
    scheme = asynchronous_dsgd.build(setting(seconds_per_bit=0.02), step_size=STEP, mixing=GRAPH, float_bits=16)
    noise, state, waited = Noise(SPEEDS, SEED, range(N_RUNS)), scheme.init(N_RUNS), 0
    for t in range(1, N_ROUNDS + 1):
        state, _ = scheme.step(state, t, noise)
        waited += int(state.waiting.sum())
        assert np.isfinite(state.arrives_s[state.waiting]).all()
    assert 0 < waited < N_ROUNDS * N_RUNS * W
    counts = np.bincount([each.worker for each in ends(scheme, rounds_of(scheme, 0, W + 1), W)], minlength=W)
    assert counts.max() >= 2
    assert counts.min() == 0


def test_blocking_and_overlapped_are_one_where_messages_take_no_time() -> None:
    both = [
        asynchronous_dsgd.build(setting(seconds_per_bit=0.0), step_size=STEP, mixing=GRAPH, send=send, batch_size=3)
        for send in ("overlapped", "blocking")
    ]
    one, other = (simulate(scheme, n_iters=5, n_runs=3, seed=2) for scheme in both)
    for field in ("loss", "seconds", "bits_up"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_synchronous_and_asynchronous_schemes_meet_the_same_response_times() -> None:
    """Alone on its links, the slowest worker's first computation ends when dsgd's first round does."""
    free = setting(seconds_per_bit=0.0)
    waiting = dsgd.build(free, step_size=STEP, mixing=GRAPH, batch_size=2)
    _, cost = waiting.step(waiting.init(4), 1, Noise(SPEEDS, 9, range(4)))
    running = asynchronous_dsgd.build(free, step_size=STEP, mixing=GRAPH, batch_size=2)
    noise, state = Noise(SPEEDS, 9, range(4)), running.init(4)
    last, previous = np.full(4, np.nan), state.done_s
    for t in range(1, 20):
        state, _ = running.step(state, t, noise)
        unmoved = (state.x == PROBLEM.initial()).all(axis=2)  # (R, W)
        first = np.where(unmoved, state.done_s, 0).max(axis=1)
        last = np.where(unmoved.any(axis=1), first, last)
        previous = state.done_s
    assert previous.shape == (4, W)
    np.testing.assert_allclose(last, cost.seconds, rtol=1e-13)


def test_workers_that_stop_are_left_alone_and_a_stopped_run_stands_still() -> None:
    dying = bernoulli.Bernoulli(np.array([0.0, 0.3, 0.3, 0.3, 1.0]), answer_s=1.0)
    scheme = asynchronous_dsgd.build(setting(delay=dying), step_size=STEP, mixing=GRAPH, batch_size=2)
    trajectory = simulate(scheme, n_iters=6, n_runs=4, seed=1, checkpoints=range(7))
    assert np.isfinite(trajectory.loss).all()
    assert np.isfinite(trajectory.seconds).all()
    state, noise = scheme.init(4), Noise(dying, 1, range(4))
    for t in range(1, 5):
        state, _ = scheme.step(state, t, noise)
    np.testing.assert_array_equal(state.x[:, 4], np.tile(PROBLEM.initial(), (4, 1)))
    doomed = replace(dying, prob=np.full(W, 0.5))
    scheme = asynchronous_dsgd.build(setting(delay=doomed), step_size=STEP, mixing=GRAPH)
    trajectory = simulate(scheme, n_iters=20, n_runs=3, seed=1, checkpoints=range(21))
    assert np.isposinf(trajectory.seconds[:, -1]).all()
    assert not np.isnan(trajectory.seconds).any()
    np.testing.assert_array_equal(trajectory.loss[:, 15], trajectory.loss[:, 20])
    np.testing.assert_array_equal(trajectory.bits_up[:, 15], trajectory.bits_up[:, 20])
    assert np.all(trajectory.loss[:, 20] != trajectory.loss[:, 0])


# What must come out without any noise.


def alike_parts() -> LeastSquares:
    """Every part the same samples."""
    n_samples = PROBLEM.design.shape[1]
    return replace(
        PROBLEM,
        design=np.broadcast_to(PROBLEM.design[:1], (W, n_samples, D)).copy(),
        target=np.broadcast_to(PROBLEM.target[:1], (W, n_samples)).copy(),
    )


@pytest.mark.parametrize("problem", [PROBLEM, alike_parts()], ids=["unlike", "alike"])
def test_complete_averaging_of_whole_parts_is_gradient_descent(problem: LeastSquares) -> None:
    """With W = 11ᵀ/n the models' mean takes a gradient step: always if the parts are alike, else the first time.

    A worker's gradient is taken before the averaging, so unlike parts pull the models apart.
    """
    mean = mixing.build(W, graph="complete", divisor=float(W))
    np.testing.assert_allclose(mean.weights, 1 / W, atol=1e-15)
    scheme = dsgd.build(setting(problem), step_size=STEP, mixing=mean)
    x, noise, state = problem.initial(), Noise(SPEEDS, 0, range(2)), scheme.init(2)
    alike = problem is not PROBLEM
    for t in range(1, 9):
        state, _ = scheme.step(state, t, noise)
        x = x - STEP.value * problem.part_grads(x[None])[0].sum(axis=0)
        equal = np.allclose(scheme.iterate(state), x, rtol=1e-11)
        assert equal == (alike or t == 1)
        apart = scheme.measures(state)["consensus_sq"]
        assert np.all(apart < 1e-25) if alike else np.all(apart > 1e-6)


@pytest.mark.parametrize("eps", [1.0, 0.3])
def test_fixed_points_minimise_the_penalised_loss(eps: float) -> None:
    """Where (I − W) x + α ∇F = 0 [Yuan et al., 2016], solved as one linear system; f_i is P times our part's loss."""
    problem, alpha = PROBLEM, 0.04
    scheme = q_dsgd.build(setting(problem), step_size=ConstantStep(alpha), mixing=GRAPH, mixing_step=eps)
    hessians = W * np.einsum("psd,pse->pde", problem.design, problem.design)  # (W, D, D)
    pulls = W * np.einsum("psd,ps->pd", problem.design, problem.target)  # (W, D)
    matrix = np.kron(np.eye(W) - GRAPH.weights, np.eye(D))
    for i in range(W):
        matrix[i * D : (i + 1) * D, i * D : (i + 1) * D] += alpha * hessians[i]
    fixed = np.linalg.solve(matrix, alpha * pulls.ravel()).reshape(W, D)
    state, noise = scheme.init(1), Noise(SPEEDS, 0, range(1))
    for t in range(1, 700 if eps == 1 else 2400):
        state, _ = scheme.step(state, t, noise)
    np.testing.assert_allclose(state.x[0], fixed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("key", ["dsgd", "q_dsgd", "quantimed"])
def test_mixing_keeps_the_mean_and_draws_the_models_together(key: str) -> None:
    options: dict[str, dict[str, Any]] = {
        "dsgd": {},
        "q_dsgd": {"mixing_step": 0.6},
        "quantimed": {"mixing_step": 0.6, "deadline_s": 1.0},
    }
    table = {"kind": key, "mixing": {"graph": "ring"}, "step_size": 1e-300} | options[key]
    scheme = build_scheme(table, setting(), seed=0)
    x = 3 * np.random.default_rng(0).standard_normal((2, W, D))
    state, noise = scheme.init(2)._replace(x=x), Noise(SPEEDS, 0, range(2))
    eps, weights = options[key].get("mixing_step", 1.0), mixing.build(W, graph="ring")
    rate = max(abs(1 - eps * (1 - value)) for value in weights.eigenvalues[1:])
    before = consensus_sq(state.x)
    for t in range(1, 6):
        state, _ = scheme.step(state, t, noise)
        np.testing.assert_allclose(scheme.iterate(state), x.mean(axis=1), rtol=1e-12, atol=1e-13)
        assert np.all(consensus_sq(state.x) <= rate**2 * before * (1 + 1e-12))
        before = consensus_sq(state.x)


# What holds for all of them.


def everyone() -> dict[str, Any]:
    both: dict[str, Any] = {"step_size": STEP, "mixing": GRAPH}
    return synchronous() | {
        send: asynchronous_dsgd.build(setting(seconds_per_bit=0.02), send=send, batch_size=2, **both)
        for send in ("overlapped", "blocking")
    }


@pytest.mark.parametrize("key", [key for key in everyone() if key != "dsgd"])  # whose steps differ between three runs
def test_nothing_depends_on_the_runs_of_a_chunk(key: str) -> None:
    scheme = everyone()[key]
    whole, alone = (simulate(scheme, n_iters=6, n_runs=5, seed=3, chunk_runs=size) for size in (5, 1))
    for field in ("seconds", "bits_up", "bits_down"):
        np.testing.assert_allclose(getattr(alone, field), getattr(whole, field), rtol=1e-13)
    for name in ("loss", "error_sq", "grad_sq"):
        np.testing.assert_allclose(getattr(alone, name), getattr(whole, name), rtol=1e-9)
    for name in whole.measures:
        np.testing.assert_allclose(alone.measures[name], whole.measures[name], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("key", everyone())
def test_a_step_changes_nothing_in_place_and_travels(key: str) -> None:
    scheme = pickle.loads(pickle.dumps(everyone()[key]))
    state, noise = scheme.init(3), Noise(SPEEDS, 0, range(3))
    for t in (1, 2, 3):
        kept = [field.copy() for field in state]
        after, cost = scheme.step(state, t, noise)
        for old, field, new in zip(kept, state, after, strict=True):
            np.testing.assert_array_equal(old, field)
            assert new.shape == field.shape
        assert all(spent.shape == (3,) for spent in cost)
        state = after


def test_a_deadline_counts_what_is_done_but_for_rounding() -> None:
    """0.3/0.1 is below 3 in binary."""
    plan = Deadline(0.3).plan(np.array([[0.1, 0.1001, 0.4, np.inf, 1e-9]]), np.array([5, 5, 5, 5, 4]))
    np.testing.assert_array_equal(plan.sizes, [[3, 2, 0, 0, 4]])
    np.testing.assert_array_equal(plan.seconds, np.full((1, 5), 0.3))


def test_parts_without_samples_have_one() -> None:
    """A quadratic's part is one sample: in time or not."""
    problem = quadratic.build(W, seed=0, dim=D)
    scheme = quantimed.build(setting(problem), step_size=STEP, mixing=GRAPH, mixing_step=0.5, deadline_s=0.5)
    trajectory = simulate(scheme, n_iters=200, n_runs=2, seed=0)
    assert np.all(trajectory.loss[:, -1] < trajectory.loss[:, 0])
    assert np.all(trajectory.measures["batch_size"] <= 1)


def test_quantized_training_with_a_deadline_nears_the_optimum() -> None:
    scheme = quantimed.build(
        setting(), step_size=ConstantStep(0.02), mixing=GRAPH, mixing_step=0.05, deadline_s=1.0, quantizer=LEVELS
    )
    trajectory = simulate(scheme, n_iters=1500, n_runs=4, seed=0, checkpoints=[0, 1500])
    assert np.all(trajectory.error_sq[:, 1] < 0.05 * trajectory.error_sq[:, 0])


GOOD: dict[str, dict[str, Any]] = {
    "quantimed": {"mixing_step": 0.5, "deadline_s": 1.0},
    "q_dsgd": {"mixing_step": 0.5},
    "dsgd": {},
    "asynchronous_dsgd": {},
}
SWAPPED = Mixing(np.array([[0.0, 1.0], [1.0, 0.0]]))
NEGATIVE = mixing.build(W, graph="star", relative_divisor=0.6)
IDLE: Quantizer = lattice.quantizer(np.array([4, 0, 4, 4, 4]))


@pytest.mark.parametrize(
    ("key", "wrong", "why"),
    [
        ("quantimed", {"deadline_s": 0.0}, "deadline_s is 0.0: give a positive finite"),
        ("quantimed", {"deadline_s": float("inf")}, "deadline_s is inf"),
        ("quantimed", {"mixing_step": 0.0}, "mixing_step is 0: .* above 0 and below"),
        ("q_dsgd", {"mixing_step": 1.5, "mixing": NEGATIVE}, "mixing_step is 1.5: .* below 1.2"),
        ("q_dsgd", {"quantizer": IDLE}, r"the quantizer has \[4, 0, 4, 4, 4\] bits for 5 workers"),
        ("q_dsgd", {"quantizer": lattice.quantizer(np.array([4, 4]))}, "bits for 5 workers"),
        ("dsgd", {"batch_size": 0}, "batch_size is 0: the smallest part has 6 samples"),
        ("asynchronous_dsgd", {"batch_size": 7}, "batch_size is 7: the smallest part has 6 samples"),
        ("dsgd", {"timed_samples": 0}, "timed_samples is 0"),
        ("asynchronous_dsgd", {"float_bits": 0}, "float_bits is 0"),
        ("dsgd", {"mixing": SWAPPED}, "mixing weights for 2 workers, there are 5"),
        ("asynchronous_dsgd", {"mixing": SWAPPED}, "mixing weights for 2 workers, there are 5"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(key: str, wrong: dict[str, Any], why: str) -> None:
    module = {"quantimed": quantimed, "q_dsgd": q_dsgd, "dsgd": dsgd, "asynchronous_dsgd": asynchronous_dsgd}[key]
    with pytest.raises(InputError, match=why) as refusal:
        module.build(setting(), **{"step_size": STEP, "mixing": GRAPH} | GOOD[key] | wrong)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", GOOD)
def test_one_part_a_worker_is_asked_for(key: str) -> None:
    other = least_squares.build(W + 1, seed=1, dim=D)
    table = {"kind": key, "step_size": 0.1, "mixing": {"graph": "ring"}} | GOOD[key]
    with pytest.raises(InputError, match="6 parts and 5 workers"):
        build_scheme(table, setting(other), seed=0)


def test_averaging_that_does_not_contract_is_refused() -> None:
    two = Setting(least_squares.build(2, seed=1, dim=D), exponential.build(2, rate_per_s=1.0))
    for module in (dsgd, asynchronous_dsgd):
        with pytest.raises(InputError, match=r"mixing_step is 1: .* below 1"):
            module.build(two, step_size=STEP, mixing=SWAPPED)
