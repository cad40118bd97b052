"""CompSkipDSGD and its relatives: against plain loops, exact enumeration, and the virtual iterates' identities."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import ceil, comb
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams, stream
from workbench.core.types import FloatArray, UniformSource
from workbench.engine import configure
from workbench.engine.loop import simulate
from workbench.problems import least_squares, quadratic
from workbench.schemes import compskip, compskip_repaired, drop_sign_sgd, sign_sgd
from workbench.schemes.compskip import CompSkip
from workbench.schemes.compskip_repaired import RepairedCompSkip, compressed, contraction
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, GeometricStep, GridStep, InverseTimeStep
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.shifted_exponential import LAW

W, D, N_RUNS, N_ROUNDS, SEED = 3, 4, 3, 9, 5
SAMPLES = 8  # of a part
PROBLEM = least_squares.build(W, seed=1, dim=D, n_samples=W * SAMPLES)
DELAY = LocationScale(LAW, np.full(W, 0.5), np.array([0.2, 0.4, 0.8]))
SETTING = Setting(PROBLEM, DELAY, seconds_per_bit=0.01)
STEP = ConstantStep(0.03)
C = 0.2  # of the size of a gradient, so that errors neither vanish nor take over

Scheme = CompSkip | RepairedCompSkip


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


def rounds(scheme: Scheme, n_rounds: int = 30, n_runs: int = 6) -> Iterator[tuple[int, Any, Any]]:
    """Yield the round, the state before it and the state after it."""
    noise, state = Noise(scheme.setting.delay, SEED, range(n_runs)), scheme.init(n_runs)
    for t in range(1, n_rounds + 1):
        before, (state, _) = state, scheme.step(state, t, noise)
        yield t, before, state


def worker_grads(scheme: Scheme, x: FloatArray) -> FloatArray:
    """g_i = W ∇f_i at iterates (R, D), shape (R, W, D)."""
    return scheme.setting.n_workers * scheme.setting.problem.part_grads(x)


# Plain loops: one run, one worker, one coordinate at a time.


class PlainRound:
    """The noise of one run, drawn as the scheme draws it, and what a round costs."""

    def __init__(self, scheme: Scheme, run: int, worker_bits: int, server_bits: int) -> None:
        self.scheme, self.run = scheme, run
        self.bits = worker_bits, server_bits
        self.responses = RunStreams(SEED, "stragglers", [run])
        self.streams = {
            name: stream(SEED, name, run)
            for name in ("batches", "skips/workers", "skips/server", *self.signs("workers"), *self.signs("server"))
        }
        self.order = [list(range(SAMPLES)) for _ in range(W)]

    def signs(self, whose: str) -> tuple[str]:
        return (f"quantizer/{self.scheme.name}/{whose}",)

    def gradients(self, x: FloatArray) -> list[FloatArray]:
        size = self.scheme.batch_size
        uniform = self.streams["batches"].random((size or 1, W))
        out = []
        for i in range(W):
            chosen = list(range(SAMPLES))
            if size is not None:
                order = self.order[i]
                for b in range(size):
                    other = b + int(uniform[b, i] * (SAMPLES - b))
                    order[b], order[other] = order[other], order[b]
                chosen = order[:size]
            each = [PROBLEM.design[i, s] * (PROBLEM.design[i, s] @ x - PROBLEM.target[i, s]) for s in chosen]
            out.append(W * SAMPLES / len(chosen) * sum(each))
        return out

    def attend(self) -> tuple[list[bool], bool, list[float]]:
        """Who sends, whether the server answers, and seconds, bits up and bits down."""
        times = DELAY.sample((1,), rng=self.responses)[0]
        coins, server_coin = self.streams["skips/workers"].random(W), self.streams["skips/server"].random()
        link, deadline_s = self.scheme.setting.seconds_per_bit, self.scheme.deadline_s
        sends, seconds = [], 0.0
        for i in range(W):
            arrives = times[i] + link * self.bits[0]
            skips = coins[i] < self.scheme.worker_skip_prob[i]
            late = deadline_s is not None and arrives > deadline_s
            sends.append(not skips and not late)
            if not skips:
                seconds = max(seconds, deadline_s if late else arrives)
        answers = server_coin >= self.scheme.server_skip_prob
        if answers:
            seconds += link * self.bits[1]
        return sends, answers, [seconds, sum(sends) * self.bits[0], answers * W * self.bits[1]]

    def kept(self, whose: str, shape: tuple[int, ...], keep_prob: float) -> FloatArray:
        if keep_prob == 1:
            return np.ones(shape)
        return (self.streams[self.signs(whose)[0]].random(shape) < keep_prob).astype(float)


class Seen(NamedTuple):
    """What a round of one run left; None where the scheme need not know it."""

    x: FloatArray  # (D,)
    cost: list[float]
    worker_error: FloatArray | None = None  # (W, D)
    server_error: FloatArray | None = None  # (D,)


Plain = Callable[[Any, int], Iterator[Seen]]


def plain_compskip(scheme: CompSkip, run: int) -> Iterator[Seen]:
    """Algorithm 1 of compskip as it is printed."""
    c, beta, server_beta = scheme.worker_error_step, scheme.keep_prob, scheme.server_keep_prob
    now = PlainRound(scheme, run, 32 + ceil(beta * D), 32 + ceil(server_beta * D))
    x, m, e, server_e = PROBLEM.initial(), np.zeros((W, D)), np.zeros((W, D)), np.zeros(D)
    for t in range(1, N_ROUNDS + 1):
        g = now.gradients(x)
        sends, answers, cost = now.attend()
        mask, server_mask = now.kept("workers", (W, D), beta), now.kept("server", (D,), server_beta)
        n_sent = sum(sends)
        weight = C * n_sent / W if scheme.message_weight == "balanced" else scheme.message_weight
        pooled = scheme.error_decay * server_e
        for i in range(W):
            m[i] = scheme.momentum * m[i] + g[i]
            p = scheme.momentum * m[i] + g[i] + scheme.error_decay * e[i]
            delta = np.sign(p) * mask[i] if sends[i] else np.zeros(D)
            e[i] = p - c * delta
            if sends[i]:
                pooled = pooled + weight / n_sent * delta
        pooled[np.abs(pooled) < 1e-12] = 0  # in exact arithmetic it would be
        reply = np.sign(pooled) * server_mask if answers else np.zeros(D)
        server_e = pooled - scheme.server_error_step * reply
        x = x - scheme.step_size(t, np.array([run])) * reply
        yield Seen(x, cost, e.copy(), server_e)


def plain_repaired(scheme: RepairedCompSkip, run: int) -> Iterator[Seen]:
    """Scaled signs, fed back in units of x: p = η g + e, so that no step size occurs twice."""

    def squeeze(p: FloatArray, mask: FloatArray) -> FloatArray:
        out, kept = np.zeros(D), [d for d in range(D) if mask[d]]
        for d in kept:
            out[d] = (1 if p[d] >= 0 else -1) * sum(abs(p[k]) for k in kept) / len(kept)
        return out

    probs = scheme.keep_prob, scheme.server_keep_prob
    now = PlainRound(scheme, run, *(D + 32 if prob == 1 else 64 + ceil(prob * D) for prob in probs))
    x, e, server_e = PROBLEM.initial(), np.zeros((W, D)), np.zeros(D)
    for t in range(1, N_ROUNDS + 1):
        g = now.gradients(x)
        eta = scheme.step_size(t, np.array([run]))
        sends, answers, cost = now.attend()
        mask, server_mask = now.kept("workers", (W, D), probs[0]), now.kept("server", (D,), probs[1])
        pooled = server_e
        for i in range(W):
            p = eta * g[i] + e[i]
            delta = squeeze(p, mask[i]) if sends[i] else np.zeros(D)
            e[i] = p - delta
            pooled = pooled + delta / W
        reply = squeeze(pooled, server_mask) if answers else np.zeros(D)
        server_e = pooled - reply
        x = x - reply
        yield Seen(x, cost, e / eta, server_e / eta)


def plain_majority_vote(scheme: CompSkip, run: int) -> Iterator[Seen]:
    """signSGD with majority vote: count the votes."""
    now = PlainRound(scheme, run, 32 + D, 32 + D)
    x = PROBLEM.initial()
    for t in range(1, N_ROUNDS + 1):
        g = now.gradients(x)
        sends, _, cost = now.attend()
        x = x.copy()
        for d in range(D):
            ups = sum(sends[i] and g[i][d] > 0 for i in range(W))
            downs = sum(sends[i] and g[i][d] < 0 for i in range(W))
            x[d] -= scheme.step_size(t, np.array([run])) * (int(ups > downs) - int(ups < downs))
        yield Seen(x, cost)


def plain_drop(scheme: CompSkip, run: int) -> Iterator[Seen]:
    """Two-sided error feedback in whole votes: what the server keeps is a whole number of c/M."""
    now = PlainRound(scheme, run, 32 + ceil(scheme.keep_prob * D), 32 + ceil(scheme.server_keep_prob * D))
    x, m, owed, votes = PROBLEM.initial(), np.zeros((W, D)), np.zeros((W, D)), np.zeros(D, int)
    for t in range(1, N_ROUNDS + 1):
        g = now.gradients(x)
        sends, _, cost = now.attend()
        mask = now.kept("workers", (W, D), scheme.keep_prob)
        server_mask = now.kept("server", (D,), scheme.server_keep_prob)
        for i in range(W):
            m[i] = g[i] + scheme.momentum * m[i]
            owed[i] = owed[i] + g[i] + scheme.momentum * m[i]
            vote = (sends[i] * mask[i] * np.sign(owed[i])).astype(int)
            owed[i] = owed[i] - C * vote
            votes = votes + vote
        reply = (server_mask * np.sign(votes)).astype(int)
        votes = votes - W * reply
        x = x - scheme.step_size(t, np.array([run])) * reply
        yield Seen(x, cost, owed.copy(), votes * C / W)


def build(**options: Any) -> CompSkip:
    known = {"step_size": STEP, "worker_error_step": C, "server_error_step": C}
    return compskip.build(**({"setting": SETTING} | known | options))


UNLIKE = [0.1, 0.3, 0.6]
SCHEMES: dict[str, tuple[Scheme, Plain]] = {
    "as in the paper": (build(), plain_compskip),
    "mini-batches": (build(batch_size=3, worker_skip_prob=UNLIKE, message_weight=0.5), plain_compskip),
    "other constants": (build(server_error_step=0.5, momentum=0.3, error_decay=0.6, keep_prob=1.0), plain_compskip),
    "all skip often": (build(worker_skip_prob=0.8, server_skip_prob=0.5, message_weight=0.1), plain_compskip),
    "deadline": (build(worker_skip_prob=0.2, deadline_s=1.5, batch_size=8), plain_compskip),
    "lattice": (build(momentum=0.0, error_decay=1.0, keep_prob=1.0, server_keep_prob=1.0), plain_compskip),
    "varying step": (build(step_size=InverseTimeStep(0.1)), plain_compskip),
    "sign_sgd": (sign_sgd.build(SETTING, step_size=STEP), plain_majority_vote),
    "sign_sgd batches": (sign_sgd.build(SETTING, step_size=STEP, batch_size=2, deadline_s=1.2), plain_majority_vote),
    "drop_sign_sgd": (drop_sign_sgd.build(SETTING, step_size=STEP, error_step=C), plain_drop),
    "drop all kept": (
        drop_sign_sgd.build(
            SETTING, step_size=STEP, error_step=C, keep_prob=1.0, server_keep_prob=1.0, momentum=0.5, batch_size=1
        ),
        plain_drop,
    ),
    "repaired": (compskip_repaired.build(SETTING, step_size=STEP), plain_repaired),
    "repaired and sparse": (
        compskip_repaired.build(
            SETTING,
            step_size=InverseTimeStep(0.1),
            keep_prob=0.6,
            server_keep_prob=0.3,
            worker_skip_prob=UNLIKE,
            server_skip_prob=0.4,
            batch_size=3,
            deadline_s=2.0,
        ),
        plain_repaired,
    ),
}


@pytest.mark.parametrize("case", SCHEMES)
def test_a_plain_loop_gives_the_same_numbers(case):
    scheme, plain = SCHEMES[case]
    noise, state = Noise(DELAY, SEED, range(N_RUNS)), scheme.init(N_RUNS)
    expected = [plain(scheme, run) for run in range(N_RUNS)]
    for t in range(1, N_ROUNDS + 1):
        state, cost = scheme.step(state, t, noise)
        for run, seen in enumerate(next(each) for each in expected):
            np.testing.assert_allclose([each[run] for each in cost], seen.cost, rtol=1e-10)
            for name in ("x", "worker_error", "server_error"):
                if (value := getattr(seen, name)) is not None:
                    np.testing.assert_allclose(getattr(state, name)[run], value, rtol=1e-10, atol=1e-10)


# One step from a fixed state: mean and variance against the sum over all batches, skips and masks.

SMALL = least_squares.build(W, seed=2, dim=2, n_samples=3 * W)
STRAGGLE_PROB = np.array([0.0, 0.2, 0.4])  # of never answering, which is a skip too
SMALL_SETTING = Setting(SMALL, Bernoulli(STRAGGLE_PROB))
FALSE_ALARM = 1e-6  # over all cells of all schemes
ERROR_STEPS = {"worker_error_step": C, "server_error_step": C}
ONE_STEP: dict[str, dict[str, Any]] = {
    "compskip": {**ERROR_STEPS, "worker_skip_prob": [0.2, 0.5, 0.1]},
    "compskip, other weights": {**ERROR_STEPS, "message_weight": 1.5, "momentum": 0.4, "server_error_step": 0.6},
    "compskip, batches": {**ERROR_STEPS, "keep_prob": 1.0, "batch_size": 2},
    "compskip_repaired": {"keep_prob": 0.6, "server_keep_prob": 0.7},
    "compskip_repaired, batches": {"server_keep_prob": 0.7, "batch_size": 1},
    "sign_sgd": {"batch_size": 1},  # with whole parts nothing is random of who never straggles
    "drop_sign_sgd": {"error_step": C},
    "drop_sign_sgd, batches": {"error_step": C, "keep_prob": 1.0, "batch_size": 2},
}
# What its two special cases are, in its own parameters.
AS_COMPSKIP: dict[str, dict[str, Any]] = {
    "sign_sgd": {
        "worker_error_step": 1.0,
        "message_weight": 1.0,
        "server_error_step": 1.0,
        "keep_prob": 1.0,
        "server_keep_prob": 1.0,
        "momentum": 0.0,
        "error_decay": 0.0,
    },
    "drop_sign_sgd": {**ERROR_STEPS, "keep_prob": 0.3, "server_keep_prob": 0.3, "momentum": 0.9, "error_decay": 1.0},
}
NO_SKIPS = {"worker_skip_prob": 0.0, "server_skip_prob": 0.0}


def small_state(scheme: Scheme) -> dict[str, FloatArray]:
    """A state that nothing is zero in, without the runs' axis."""
    rng = np.random.default_rng(3)
    shapes = {"x": (2,), "momentum": (W, 2), "worker_error": (W, 2), "server_error": (2,)}
    names = {each for each in scheme.init(1)._fields if each in shapes}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items() if name in names}


def subsets(present: FloatArray) -> list[tuple[float, FloatArray]]:
    """All subsets of independent events that can happen, with their probabilities."""
    patterns = [np.array(pattern) for pattern in product([0, 1], repeat=present.size)]
    every = [(float(np.prod(np.where(each, present.ravel(), 1 - present.ravel()))), each) for each in patterns]
    return [(prob, each) for prob, each in every if prob > 0]


def batch_grads(x: FloatArray, batch_size: int | None) -> list[FloatArray]:
    """W ∇f_i of every choice of one batch a worker, all as likely, shape (W, 2) each."""
    size = batch_size or 3
    grads = SMALL.design * (SMALL.design @ x - SMALL.target)[:, :, None]  # (W, samples, 2)
    parts = [
        [W * 3 / size * each[list(chosen)].sum(axis=0) for chosen in combinations(range(3), size)] for each in grads
    ]
    return [np.stack(each) for each in product(*parts)]


def compskip_outcome(scheme: CompSkip, state, grads, sends, mask, answers, server_mask) -> FloatArray:
    m = scheme.momentum * state["momentum"] + grads
    p = scheme.momentum * m + grads + scheme.error_decay * state["worker_error"]
    sent = np.sign(p) * mask.reshape(W, 2) * sends[:, None]
    n_sent = max(sends.sum(), 1)
    weight = scheme.worker_error_step * n_sent / W if scheme.message_weight == "balanced" else scheme.message_weight
    pooled = scheme.error_decay * state["server_error"] + weight * sent.sum(axis=0) / n_sent
    reply = answers * server_mask * np.sign(pooled)
    errors = p - scheme.worker_error_step * sent
    return np.concatenate([state["x"] - 0.03 * reply, pooled - scheme.server_error_step * reply, errors.ravel()])


def repaired_outcome(scheme: RepairedCompSkip, state, grads, sends, mask, answers, server_mask) -> FloatArray:
    def squeeze(p: FloatArray, kept: FloatArray) -> FloatArray:
        return np.sign(p) * kept * np.abs(p[kept > 0]).mean() if kept.any() else np.zeros(2)

    p = grads + state["worker_error"]
    sent = np.stack([sends[i] * squeeze(p[i], mask.reshape(W, 2)[i]) for i in range(W)])
    pooled = state["server_error"] + sent.mean(axis=0)
    reply = answers * squeeze(pooled, server_mask)
    return np.concatenate([state["x"] - 0.03 * reply, pooled - reply, (p - sent).ravel()])


@pytest.mark.exact_moments(*ONE_STEP)
@pytest.mark.parametrize("case", ONE_STEP)
def test_one_step_has_the_exact_mean_and_variance(case):
    """Of x, ẽ and e_i with W = 3 workers in D = 2; 12,000 rounds, false alarm 1e-6 over all cells, by Bonferroni."""
    key = case.split(",")[0]
    scheme = stated = catalogue.schemes()[key].build(SMALL_SETTING, step_size=STEP, **ONE_STEP[case])
    if key in AS_COMPSKIP:
        options = {name: value for name, value in ONE_STEP[case].items() if name != "error_step"}
        stated = build(setting=SMALL_SETTING, **(AS_COMPSKIP[key] | NO_SKIPS | options))
    outcome = compskip_outcome if isinstance(stated, CompSkip) else repaired_outcome
    fixed, n_runs, n_rounds = small_state(scheme), 400, 30
    sending = (1 - stated.worker_skip_prob) * (1 - STRAGGLE_PROB)
    every_grads = batch_grads(fixed["x"], stated.batch_size)
    weight, outcomes = [], []
    for (a, sends), (b, mask), (c, answers), (d, server_mask), grads in product(
        subsets(sending),
        subsets(np.full(2 * W, stated.keep_prob)),
        subsets(np.array([1 - stated.server_skip_prob])),
        subsets(np.full(2, stated.server_keep_prob)),
        every_grads,
    ):
        weight.append(a * b * c * d / len(every_grads))
        outcomes.append(outcome(stated, fixed, grads, sends, mask, answers[0], server_mask))
    prob, values = np.array(weight), np.stack(outcomes)  # (patterns,), (patterns, cells)
    assert prob.sum() == pytest.approx(1, abs=1e-12)
    mean = prob @ values
    variance, fourth = prob @ (values - mean) ** 2, prob @ (values - mean) ** 4
    assert np.all(variance > 1e-12)

    start = scheme.init(n_runs)._replace(
        last_step=np.full(n_runs, STEP.value),
        **{name: np.tile(value, (n_runs, *[1] * value.ndim)) for name, value in fixed.items()},
    )
    noise = Noise(SMALL_SETTING.delay, 11, range(n_runs))
    drawn = [scheme.step(start, 3, noise)[0] for _ in range(n_rounds)]
    seen = np.concatenate(
        [np.hstack([each.x, each.server_error, each.worker_error.reshape(n_runs, -1)]) for each in drawn]
    )  # (rounds R, cells)
    n = len(seen)
    limit = norm.isf(FALSE_ALARM / (2 * 2 * mean.size * len(ONE_STEP)))  # two-sided, means and variances
    np.testing.assert_array_less(np.abs(seen.mean(axis=0) - mean), limit * np.sqrt(variance / n))
    spread = np.sqrt((fourth - variance**2 * (n - 3) / (n - 1)) / n)
    np.testing.assert_array_less(np.abs(seen.var(axis=0, ddof=1) - variance), limit * spread)


# The virtual iterate of Lemma 1.

GAMMA = 0.9
GROWING = GeometricStep(0.002, 1 / GAMMA)
EXACT = {"step_size": GROWING, "momentum": 0.0, "error_decay": GAMMA, "worker_skip_prob": 0.5, "server_skip_prob": 0.3}


def printed_residual(scheme: CompSkip, t: int, before: Any, after: Any) -> FloatArray:
    """What x̃_{t+1} = x̃_t − η_t/(cM) Σ g, with the printed x̃ and c = c_t, is missed by, shape (R, D)."""

    def virtual(state: Any) -> FloatArray:
        pooled = state.server_error + state.worker_error.mean(axis=1)
        return state.x - state.last_step[:, None] / C * pooled

    mean_grad = worker_grads(scheme, before.x).mean(axis=1)
    return virtual(after) - virtual(before) + scheme.step_size(t, np.arange(1)) / C * mean_grad


def test_the_virtual_iterate_of_lemma_1_takes_exact_steps():
    """With c = c̃, c'/|S| = c/M, γη_t = η_{t-1} and no momentum, whoever skips, all workers at once included."""
    scheme = build(**EXACT)
    nobody = 0
    for t, before, after in rounds(scheme):
        step = GROWING(t, np.arange(1))
        unsent = GAMMA * before.worker_error + worker_grads(scheme, before.x) - after.worker_error  # c Δ_i
        nobody += np.count_nonzero(np.abs(unsent).max(axis=(1, 2)) < C / 2)
        np.testing.assert_allclose(printed_residual(scheme, t, before, after), 0, atol=1e-10)
        grad = worker_grads(scheme, before.x).mean(axis=1)
        moved = scheme.virtual_iterate(after) - scheme.virtual_iterate(before)
        np.testing.assert_allclose(moved, -step / C * grad, atol=1e-10)
    assert scheme.virtual_gain == pytest.approx(1 / C)
    assert nobody > 0  # rounds in which no worker sent anything: the empty sum is zero


def missed(name: str, scheme: CompSkip, t: int, before: Any, after: Any) -> FloatArray:
    """By how much the printed identity is missed when one condition is dropped, by algebra, shape (R, D)."""
    step = scheme.step_size(t, np.arange(1))
    grads = worker_grads(scheme, before.x)
    momentum = scheme.momentum * before.momentum + grads
    wanted = scheme.momentum * momentum + grads + scheme.error_decay * before.worker_error
    sent = (wanted - after.worker_error) / C  # Δ_i
    reply = (before.x - after.x) / step  # Δ̃
    held = before.server_error + before.worker_error.mean(axis=1)
    n_sent = np.maximum(np.abs(sent).max(axis=2).round().sum(axis=1, keepdims=True), 1)  # |S| where β = 1
    return {
        "c̃ = c": -step * (1 - scheme.server_error_step / C) * reply,
        "c'/|S| = c/M": -step / C * (C / n_sent - C / W) * sent.sum(axis=1),
        "γη_t = η_{t-1}": -(scheme.error_decay * step - before.last_step[:, None]) / C * held,
        "μ = 0": -step / C * scheme.momentum * momentum.mean(axis=1),
    }[name]


@pytest.mark.parametrize(
    ("name", "dropped", "least"),
    [
        ("c̃ = c", {"server_error_step": 2 * C}, 1.0),
        ("c'/|S| = c/M", {"message_weight": C, "keep_prob": 1.0}, 0.3),
        ("γη_t = η_{t-1}", {"step_size": ConstantStep(0.002)}, 1.0),
        ("γη_t = η_{t-1}", {"error_decay": 1.0}, 1.0),
        ("μ = 0", {"momentum": 0.5}, 1.0),
    ],
)
def test_each_condition_of_lemma_1_is_needed(name, dropped, least):
    """Drop one condition at a time: the identity is missed by a known amount, at least `least` steps η_t once."""
    scheme = build(**(EXACT | dropped))
    worst = 0.0
    for t, before, after in rounds(scheme):
        residual = printed_residual(scheme, t, before, after)
        np.testing.assert_allclose(residual, missed(name, scheme, t, before, after), atol=1e-10)
        worst = max(worst, np.abs(residual).max() / scheme.step_size(t, np.arange(1)))
    assert worst > least


@pytest.mark.parametrize(
    "options",
    [
        {"server_error_step": 3 * C},  # c̃ = c is not needed: η/c̃ takes the place of η/c
        {"message_weight": 0.7, "worker_skip_prob": 0.0},  # a constant c' will do if no worker skips
        {"momentum": 0.5},  # γ > μ: what momentum still holds back is counted
        {"momentum": 0.85, "server_error_step": 0.3},
        {"momentum": 0.9, "error_decay": 1.0, "step_size": ConstantStep(0.002)},
        {"momentum": 0.3, "message_weight": 0.1, "worker_skip_prob": 0.0, "server_error_step": 0.5},
        {"batch_size": SAMPLES},  # a batch of the whole part is the part
    ],
)
def test_the_virtual_iterate_is_exact_beyond_lemma_1(options):
    scheme = build(**(EXACT | options))
    for t, before, after in rounds(scheme):
        moved = scheme.virtual_iterate(after) - scheme.virtual_iterate(before)
        step = scheme.step_size(t, np.arange(1)) * scheme.virtual_gain
        np.testing.assert_allclose(moved, -step * worker_grads(scheme, before.x).mean(axis=1), atol=1e-10)


def test_the_paper_uses_momentum_and_decay_at_which_a_gradients_weight_never_ends():
    """With η_t = η_0 γ^(-t), a gradient's weight within n rounds is η(1 + μ Σ_k (μ/γ)^k): linear in n at μ = γ."""
    for decay, total in ((0.95, 1 + 0.9 / (1 - 0.9 / 0.95)), (0.9, None)):
        weight = 1 + 0.9 * np.cumsum((0.9 / decay) ** np.arange(4000))
        if total is None:
            np.testing.assert_allclose(np.diff(weight), 0.9, rtol=1e-9)
        else:
            assert weight[-1] == pytest.approx(total, rel=1e-9)
            assert build(momentum=0.9, error_decay=decay).virtual_gain * C == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("step_size", [STEP, InverseTimeStep(0.3, 2.0), GridStep((0.01, 0.04), 3)])
@pytest.mark.parametrize("keep_prob", [1.0, 0.4])
def test_the_repaired_virtual_iterate_always_takes_exact_steps(step_size, keep_prob):
    scheme = compskip_repaired.build(
        SETTING, step_size=step_size, keep_prob=keep_prob, server_keep_prob=keep_prob, worker_skip_prob=UNLIKE
    )
    for t, before, after in rounds(scheme):
        moved = scheme.virtual_iterate(after) - scheme.virtual_iterate(before)
        step = np.broadcast_to(step_size(t, np.arange(6)), 6)[:, None]
        np.testing.assert_allclose(moved, -step * worker_grads(scheme, before.x).mean(axis=1), atol=1e-10)


# What the schemes are in special cases.


def test_one_number_and_its_scaled_sign_are_the_same():
    """In one dimension, with no skips, the repaired scheme is gradient descent."""
    problem = quadratic.build(W, seed=4, dim=1)
    scheme = compskip_repaired.build(
        Setting(problem, DELAY), step_size=ConstantStep(0.3), worker_skip_prob=0.0, server_skip_prob=0.0
    )
    x = np.zeros(1)
    for _, _, after in rounds(scheme, 12):
        x = x - 0.3 * sum(problem.curvature[j] @ (x - problem.centre[j]) for j in range(W))
        np.testing.assert_allclose(after.x, np.tile(x, (6, 1)), rtol=1e-12)
        np.testing.assert_allclose(after.worker_error, 0, atol=1e-12)


def test_sign_sgd_does_not_depend_on_the_error_steps():
    first = build(momentum=0.0, error_decay=0.0, keep_prob=1.0, server_keep_prob=1.0, worker_skip_prob=0.0)
    first = replace(first, server_skip_prob=0.0)
    second = sign_sgd.build(SETTING, step_size=STEP)
    for (_, _, a), (_, _, b) in zip(rounds(first), rounds(second), strict=True):
        np.testing.assert_array_equal(a.x, b.x)
    assert second.measures(b) == {}


def test_a_tie_moves_nothing_whatever_rounding_leaves_of_it():
    """Votes 1/7 + 2/7 − 3/7: at γ = 1 all that the server keeps is a whole number of c/M."""
    setting = Setting(quadratic.build(7, seed=1, dim=50), Bernoulli(np.zeros(7)))
    scheme = drop_sign_sgd.build(setting, step_size=ConstantStep(1e-3), momentum=0.0, keep_prob=1.0)
    for _, _, after in rounds(scheme, 200, 2):
        votes = after.server_error * 7 / 0.01
        assert np.all((votes == 0) == (votes.round() == 0))
    assert np.count_nonzero(votes == 0) > 0


@pytest.mark.parametrize("keep_prob", [1.0, 0.5, 0.2])
def test_the_contraction_is_exact_and_attained(keep_prob):
    dim, rng = 5, np.random.default_rng(8)
    vectors = np.vstack([rng.standard_normal((20, dim)) ** 3, np.eye(dim)[:1], np.ones((1, dim))])

    @dataclass
    class Masked:
        mask: FloatArray

        def random(self, size: tuple[int, ...]) -> FloatArray:
            return np.broadcast_to(np.where(self.mask, 0.0, 1.0), size)

    left = np.zeros(len(vectors))
    for prob, mask in subsets(np.full(dim, keep_prob)):
        sent = compressed(vectors[None], keep_prob, rng=Masked(mask))[0]
        error = np.square(sent - vectors).sum(axis=1)
        assert np.all(error <= np.square(vectors).sum(axis=1) * (1 + 1e-12))  # whatever is drawn
        left += prob * error / np.square(vectors).sum(axis=1)
    delta = contraction(keep_prob, dim)
    expected = sum(comb(dim, k) * keep_prob**k * (1 - keep_prob) ** (dim - k) for k in range(1, dim + 1)) / dim
    assert delta == pytest.approx(expected, rel=1e-12)
    assert np.all(left <= 1 - delta + 1e-12)
    np.testing.assert_allclose(left[-2:], [1 - delta, 1 - keep_prob], atol=1e-12)
    assert contraction(keep_prob, dim, 0.3) == pytest.approx(0.7 * delta)


@pytest.mark.parametrize("scale", [1e-3, 50.0])
def test_units_of_the_loss_do_not_matter(scale):
    """F -> sF: CompSkip needs c, c', c̃ -> s times, the repaired scheme η -> η/s."""
    problem = quadratic.build(W, seed=4, dim=3)
    setting, scaled = (
        Setting(each, DELAY) for each in (problem, replace(problem, curvature=scale * problem.curvature))
    )
    pairs: list[tuple[Scheme, Scheme]] = [
        (
            build(setting=setting, message_weight=0.3),
            build(setting=scaled, worker_error_step=scale * C, server_error_step=scale * C, message_weight=scale * 0.3),
        ),
        (
            compskip_repaired.build(setting, step_size=STEP, keep_prob=0.6),
            compskip_repaired.build(scaled, step_size=ConstantStep(STEP.value / scale), keep_prob=0.6),
        ),
    ]
    for first, second in pairs:
        for (_, _, a), (_, _, b) in zip(rounds(first), rounds(second), strict=True):
            np.testing.assert_allclose(a.x, b.x, rtol=1e-9, atol=1e-12)


@dataclass(frozen=True)
class Slope:
    """A loss whose gradient is the same everywhere: ∇f_j = slope/P."""

    slope: FloatArray  # (D,)
    n_parts: int = W
    name: str = "slope"
    part_sizes = np.ones(W, np.int64)

    @property
    def dim(self) -> int:
        return len(self.slope)

    def initial(self) -> FloatArray:
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        return x @ self.slope

    def encoder(self, encode: FloatArray) -> Callable[[FloatArray], FloatArray]:
        return lambda x: np.broadcast_to(
            encode.sum(axis=1)[:, None] * self.slope / W, (len(x), len(encode), self.dim)
        ).copy()


@pytest.mark.parametrize("n_rounds", [100, 1000])
def test_no_bound_of_lemma_2_survives_the_decay_of_theorem_1(n_rounds):
    """With γ = 1 − 1/(T+1) the errors grow like T where gradients exceed c; scaled signs keep them bounded.

    A sign takes off c, whatever is owed: after T rounds a worker owes (|g| − c)(1 − γ^T)/(1 − γ) a coordinate.
    """
    setting = Setting(Slope(np.array([0.6, -1.0, 3.0])), Bernoulli(np.zeros(W)))
    decay = 1 - 1 / (n_rounds + 1)
    plain = {"momentum": 0.0, "keep_prob": 1.0, "server_keep_prob": 1.0}
    *_, (_, _, state) = rounds(build(setting=setting, error_decay=decay, **plain, **NO_SKIPS), n_rounds, 2)
    owed = (np.abs(setting.problem.slope) - C) * (1 - decay**n_rounds) / (1 - decay)
    np.testing.assert_allclose(np.abs(state.worker_error), np.tile(owed, (2, W, 1)), rtol=1e-9)
    assert owed @ owed > 0.3 * n_rounds**2 * np.sum((np.abs(setting.problem.slope) - C) ** 2)

    skipping = compskip_repaired.build(setting, step_size=STEP, worker_skip_prob=0.3, server_skip_prob=0.1)
    delta, grad_sq = contraction(1.0, 3, 0.3), float(setting.problem.slope @ setting.problem.slope)
    held = [skipping.measures(after)["worker_error_sq"] for _, _, after in rounds(skipping, n_rounds, 20)]
    assert np.mean(held) < 4 * (1 - delta) / delta**2 * grad_sq


# Clock, bits, measures, refusals.


@pytest.mark.parametrize(
    ("times", "deadline_s", "coin", "seconds", "n_sent"),
    [
        ([0.1, 0.2, 0.9], None, 0.0, 0.9, 3),
        ([0.1, 0.2, np.inf], None, 0.0, 0.2, 2),  # never answers: it skips
        ([0.1, 0.2, 0.9], 0.5, 0.0, 0.5, 2),  # late: it skips, and the server waits until the deadline
        ([0.1, 0.2, 0.5], 0.5, 0.0, 0.5, 3),
        ([0.1, 0.2, 0.3], 0.5, 0.0, 0.3, 3),
        ([0.1, 0.2, 0.9], None, [0.0, 0.0, 1.0], 0.2, 2),  # says that it skips: nobody waits for it
        ([0.1, 0.2, 0.9], 0.5, [0.0, 0.0, 1.0], 0.2, 2),
        ([0.1, 0.2, 0.9], None, 1.0, 0.0, 0),
        ([np.inf, np.inf, np.inf], 0.5, 0.0, 0.5, 0),
    ],
)
def test_a_round_lasts_until_the_last_message_or_the_deadline(times, deadline_s, coin, seconds, n_sent):
    setting = Setting(PROBLEM, FixedTimes(np.array(times)))
    scheme = build(setting=setting, deadline_s=deadline_s, worker_skip_prob=coin, server_skip_prob=0.0)
    _, cost = scheme.step(scheme.init(2), 1, Noise(setting.delay, 0, range(2)))
    np.testing.assert_allclose(cost.seconds, seconds)
    np.testing.assert_array_equal(cost.bits_up, n_sent * (32 + 2))
    np.testing.assert_array_equal(cost.bits_down, W * (32 + 2))


def test_skips_and_stragglers_are_drawn_alike_for_all():
    """Two schemes with the same bits a message hear the same workers; so does one with other settings of the rest."""
    seen = [simulate(build(**options), n_iters=40, n_runs=4, seed=1).bits_up for options in ({}, {"momentum": 0.0})]
    np.testing.assert_array_equal(*seen)
    always = build(worker_skip_prob=0.0, keep_prob=1.0)
    np.testing.assert_array_equal(simulate(always, n_iters=5, n_runs=4, seed=1).bits_up[:, -1], 5 * W * (32 + D))


@pytest.mark.parametrize("case", ["as in the paper", "drop_sign_sgd", "repaired"])
def test_measures(case):
    scheme, _ = SCHEMES[case]
    *_, (_, _, state) = rounds(scheme)
    measures = scheme.measures(state)
    r = 2
    errors = [float(e @ e) for e in state.worker_error[r]]
    held = state.server_error[r] + sum(state.worker_error[r]) / W
    virtual = scheme.virtual_iterate(state)[r]
    residual = PROBLEM.design.reshape(-1, D) @ virtual - PROBLEM.target.ravel()
    expected = {
        "worker_error_sq": sum(errors) / W,
        "server_error_sq": state.server_error[r] @ state.server_error[r],
        "feedback_sq": held @ held,
        "virtual_loss": residual @ residual / 2,
    }
    assert {name: value[r] for name, value in measures.items()} == pytest.approx(expected, rel=1e-12)


def test_divergence_raises_nothing():
    wild = simulate(build(step_size=ConstantStep(1e90)), n_iters=60, n_runs=2, seed=0)
    assert np.all(np.isfinite(wild.loss[:, 0]))
    trajectory = simulate(compskip_repaired.build(SETTING, step_size=ConstantStep(1e9)), n_iters=60, n_runs=2, seed=0)
    assert trajectory.diverged.all()
    assert not np.isnan(trajectory.measures["virtual_loss"]).any()


def test_the_repaired_scheme_converges_where_the_papers_does_not():
    """With skips and constant steps: signs of a fixed size never settle, scaled ones shrink with the gradient."""
    delay = Bernoulli(np.zeros(W))
    problem = quadratic.build(W, seed=1, dim=D, disagreement=0.0)
    setting = Setting(problem, delay)
    gap = problem.regularity.optimal_loss
    found = {
        scheme.name: simulate(scheme, n_iters=1500, n_runs=3, seed=2, checkpoints=[0, 1500]).loss - gap
        for scheme in (
            build(setting=setting, step_size=ConstantStep(0.01)),
            compskip_repaired.build(setting, step_size=ConstantStep(0.02)),
        )
    }
    assert np.all(found["compskip_repaired"][:, 1] < 1e-12 * found["compskip_repaired"][:, 0])
    assert np.all(found["compskip"][:, 1] > 1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"worker_error_step": 0.0}, "worker_error_step is 0"),
        ({"server_error_step": np.inf}, "server_error_step is inf"),
        ({"message_weight": -1.0}, "message_weight is -1"),
        ({"keep_prob": 0.0}, "keep_prob is 0"),
        ({"server_keep_prob": 1.5}, "server_keep_prob is 1.5"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"error_decay": 1.1}, "error_decay is 1.1"),
        ({"worker_skip_prob": [0.1, 0.2]}, "2 for 3 workers"),
        ({"worker_skip_prob": [0.1, 0.2, -0.1]}, "worker_skip_prob is -0.1"),
        ({"server_skip_prob": 1.2}, "server_skip_prob is 1.2"),
        ({"batch_size": 9}, "batch_size is 9: the smallest part has 8"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"deadline_s": 0.0}, "deadline_s is 0"),
        ({"setting": Setting(PROBLEM, Bernoulli(np.zeros(2)))}, "3 parts and 2 workers"),
    ],
)
def test_bad_parameters_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        build(**options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"keep_prob": 0.0}, "keep_prob is 0"),
        ({"server_keep_prob": 2.0}, "server_keep_prob is 2"),
        ({"server_skip_prob": 1.0}, "a skip probability is 1"),
        ({"worker_skip_prob": [0.0, 1.0, 0.5]}, "a skip probability is 1"),
        ({"worker_skip_prob": -0.5}, "worker_skip_prob is -0.5"),
    ],
)
def test_bad_parameters_of_the_repaired_scheme_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        compskip_repaired.build(SETTING, step_size=STEP, **options)


def test_a_table_of_a_configuration_file_builds_it():
    table = {"worker_skip_prob": UNLIKE, "message_weight": "balanced", "batch_size": 2}

    def built(**changed: object) -> CompSkip:
        return configure.call(compskip.build, SETTING, table=table | changed, where="[scheme]", step_size=STEP)

    assert built().worker_skip_prob.tolist() == UNLIKE
    assert built(message_weight=2).message_weight == 2.0
    with pytest.raises(InputError, match="message_weight is 'even'"):
        built(message_weight="even")
