"""Schemes on gradient codes, and mini-batch SGD: exact moments of a step, plain loops, and what should be the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats

from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder, full_weights
from workbench.codes.decoders.two_track import TwoTrackDecoder, two_track
from workbench.codes.placements import disjoint
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import FloatArray, UniformSource
from workbench.engine.loop import simulate
from workbench.moments.enumeration import error_by_enumeration, straggler_patterns
from workbench.moments.estimate import error_split
from workbench.problems import least_squares, quadratic
from workbench.quantizers import identity, random_sign, scaled_sign, stochastic_levels, top_k
from workbench.schemes import adam, coded_adam, coded_error_feedback, coded_sgd, sgd
from workbench.schemes.adam_update import AdamRates, GradientMoments, direction, updated
from workbench.schemes.coded_round import CodedRound
from workbench.schemes.scheme import Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, GridStep, InverseSqrtStep
from workbench.schemes.wait_for_all import WaitForAll
from workbench.solvers.optimal_structure import utilities
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.shifted_exponential import LAW
from workbench.stragglers.profile import StragglerProfile

N_WORKERS, N_PARTS, DIM = 6, 4, 3
STRAGGLE_PROB = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55])
PROBLEM = quadratic.build(N_PARTS, seed=1, dim=DIM)
SETTING = Setting(PROBLEM, Bernoulli(STRAGGLE_PROB))
# A delay in which workers are late, slow links, and a deadline that some messages miss.
DELAY = LocationScale(LAW, np.full(N_WORKERS, 0.5), np.array([0.1, 0.2, 0.3, 0.3, 0.4, 0.5]))
LINKED = Setting(PROBLEM, DELAY, seconds_per_bit=1e-3)
DEADLINE_S = 1.2
FAMILIES = list(catalogue.codes().items())
QUANTIZERS = list(catalogue.quantizers().items())
START = np.array([0.5, -1.0, 2.0])


def designed(name: str, quantizer: str | None = None, setting: Setting = SETTING) -> GradientCode:
    """Design a code for the setting's workers, with its own quantizer or another."""
    spec = DesignSpec(setting.problem.n_parts, setting.problem.dim, 5 * N_WORKERS)
    code = catalogue.codes()[name].design(StragglerProfile(STRAGGLE_PROB), spec, rng=np.random.default_rng(0))
    if quantizer is None:
        return code
    return replace(code, quantizer=catalogue.quantizers()[quantizer].quantizer(code.bits))


def trivial(n_workers: int = N_WORKERS, n_parts: int = N_PARTS) -> GradientCode:
    """Every part on one worker, decoded with weight 1, nothing quantized."""
    encode = disjoint.place(n_workers, n_parts).holds
    return GradientCode("trivial", encode, FixedDecoder(np.ones(n_workers)), identity.quantizer(np.full(n_workers, 32)))


@dataclass(frozen=True)
class GivenTimes:
    """Run r's workers take times[r], in every round."""

    times: FloatArray  # (R, W)

    @property
    def n_workers(self) -> int:
        return self.times.shape[1]

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return np.broadcast_to(self.times[:, None], (*shape, self.n_workers))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return STRAGGLE_PROB


def steps_from(scheme: Any, state: Any, n_rounds: int, seed: int, runs: Sequence[int]) -> FloatArray:
    """Take the first step again and again from one state: minus the change of x, shape (rounds R, D)."""
    noise = Noise(scheme.setting.delay, seed, runs)
    before = scheme.iterate(state)
    return np.concatenate([before - scheme.iterate(scheme.step(state, 1, noise)[0]) for _ in range(n_rounds)])


def check_moments(estimate: FloatArray, mean: FloatArray, target: FloatArray, mse: float, n_tests: int) -> None:
    """Compare draws (n, D) with E (D,) and E‖· − target‖²; false alarm 1e-6 over n_tests such comparisons."""
    z = stats.norm.isf(1e-6 / (n_tests * (mean.size + 1)) / 2)
    square = np.sum((estimate - target) ** 2, axis=1)
    # Below 1e-12 of the size is rounding: some estimates are not random at all.
    slack = 1e-12 * (1 + np.abs(mean).max())
    assert np.all(np.abs(estimate.mean(axis=0) - mean) <= z * estimate.std(axis=0) / np.sqrt(len(estimate)) + slack)
    assert abs(square.mean() - mse) <= z * square.std() / np.sqrt(len(square)) + 1e-12 * (1 + mse)


def at_start(scheme: Any, n_runs: int) -> Any:
    return scheme.init(n_runs)._replace(x=np.tile(START, (n_runs, 1)))


# ---- coded SGD ------------------------------------------------------------------------------------------


@pytest.mark.exact_moments("coded_sgd")
@pytest.mark.parametrize(("name", "module"), FAMILIES)
def test_a_step_of_every_code_has_the_exact_mean_and_error(name, module):
    """20,000 rounds against enumeration and `error_split`; false alarm 1e-6 over the cells and families."""
    code = designed(name)
    grads = PROBLEM.part_grads(START[None])[0]  # (P, D)
    mean, mse = error_by_enumeration(code, STRAGGLE_PROB, grads)
    assert error_split(code, STRAGGLE_PROB, grads, rng=np.random.default_rng(0)).split.mse == pytest.approx(mse)
    scheme = coded_sgd.build(SETTING, code=code, step_size=ConstantStep(1.0))
    assert scheme.name == name
    drawn = steps_from(scheme, at_start(scheme, 500), 40, 3, range(500))
    check_moments(drawn, mean, grads.sum(axis=0), mse, len(FAMILIES))


COMBINATIONS = [
    (code, decoder, quantizer)
    for code, decoder, (quantizer, _) in product(
        ["tandon_fractional", "stochastic", "cyclic_mds"], ["fixed", "least_squares", "first_responder"], QUANTIZERS
    )
    if decoder != "first_responder" or code == "tandon_fractional"
]


@pytest.mark.parametrize(("code", "decoder", "quantizer"), COMBINATIONS)
def test_any_code_decoder_and_quantizer(code, decoder, quantizer):
    """Asked for by names: 10,000 rounds against enumeration; false alarm 1e-6 over all."""
    combined = designed(code, quantizer)
    combined = replace(combined, decoder=catalogue.decoders()[decoder].decoder(combined, STRAGGLE_PROB))
    grads = PROBLEM.part_grads(START[None])[0]
    mean, mse = error_by_enumeration(combined, STRAGGLE_PROB, grads)
    scheme = coded_sgd.build(SETTING, code=combined, step_size=ConstantStep(1.0))
    drawn = steps_from(scheme, at_start(scheme, 200), 50, 4, range(200))
    check_moments(drawn, mean, grads.sum(axis=0), mse, len(COMBINATIONS))


# ---- the plain loop -------------------------------------------------------------------------------------


class PlainMaster:
    """One run, one worker after the other: gradients, messages, who is heard, and what that costs."""

    def __init__(self, setting: Setting, code: GradientCode, seed: int, run: int, deadline_s: float | None) -> None:
        self.setting, self.code, self.deadline_s = setting, code, deadline_s
        self.straggling = RunStreams(seed, "stragglers", [run])
        self.quantizing = RunStreams(seed, f"quantizer/{code.family}", [run])
        self.encode = code.encode.toarray()
        self.bits = code.quantizer.message_bits(setting.problem.dim)
        self.spent = np.zeros(3)

    def messages(self, x: FloatArray) -> FloatArray:
        grads = self.setting.problem.part_grads(x[None])[0]
        return np.array([sum(row[j] * grads[j] for j in range(len(grads))) for row in self.encode])

    def quantized(self, messages: FloatArray) -> FloatArray:
        return self.code.quantizer(messages[None], rng=self.quantizing)[0]

    def heard(self) -> list[bool]:
        times = self.setting.delay.sample((1,), rng=self.straggling)[0]
        vector = 32 * self.setting.problem.dim
        answers, last = [], 0.0
        for w in range(len(times)):
            holds = any(self.encode[w] != 0)
            arrives = times[w] + self.setting.seconds_per_bit * (vector + (self.bits[w] if holds else 0))
            answers.append(arrives <= self.deadline_s if self.deadline_s is not None else np.isfinite(arrives))
            if holds:
                self.spent[2] += vector
                if answers[w]:
                    self.spent[1] += self.bits[w]
                last = max(last, min(arrives, self.deadline_s) if self.deadline_s is not None else arrives)
        self.spent[0] += last
        return answers


def check_against_loop(scheme: Any, plain: Any, n_rounds: int = 6, n_runs: int = 3, seed: int = 5) -> None:
    """Iterate, seconds and bits of every round, all runs at once against `plain(run)`, which yields them by round."""
    noise, state, total = Noise(scheme.setting.delay, seed, range(n_runs)), scheme.init(n_runs), np.zeros((3, n_runs))
    loops = [plain(seed, run) for run in range(n_runs)]
    for iteration in range(1, n_rounds + 1):
        state, cost = scheme.step(state, iteration, noise)
        total += np.array(cost)
        for run, loop in enumerate(loops):
            x, spent = next(loop)
            np.testing.assert_allclose(scheme.iterate(state)[run], x, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(total[:, run], spent, rtol=1e-10)
    assert len(np.unique(scheme.iterate(state)[:, 0])) == n_runs or scheme.name == "adam"


STEP = InverseSqrtStep(0.05)


@pytest.mark.parametrize("emphasis", [None, 0.5])
@pytest.mark.parametrize("family", ["stochastic", "bernoulli", "one_bit"])
def test_coded_adam_is_adam_on_what_is_heard(family, emphasis):
    """Moments and their correction written out; the second track decodes the same messages once more."""
    code, rates = designed(family), (0.8, 0.95, 1e-3)
    lost = CodedRound(LINKED, code, DEADLINE_S).straggle_prob
    second = code.decoder.decode if emphasis is None else two_track(code, lost, DIM, emphasis).second.decode

    def plain(seed, run):
        master = PlainMaster(LINKED, code, seed, run, DEADLINE_S)
        x, mean, square = PROBLEM.initial(), np.zeros(DIM), np.zeros(DIM)
        for t in range(1, 99):
            sent, heard = master.quantized(master.messages(x)), master.heard()
            for d in range(DIM):
                one = sum(code.decoder.decode[w] * sent[w, d] for w in range(N_WORKERS) if heard[w])
                other = sum(second[w] * sent[w, d] for w in range(N_WORKERS) if heard[w])
                mean[d] = 0.8 * mean[d] + 0.2 * one
                square[d] = 0.95 * square[d] + 0.05 * other**2
                size = np.sqrt(square[d] / (1 - 0.95**t)) + 1e-3
                x[d] -= 0.05 / np.sqrt(t) * mean[d] / (1 - 0.8**t) / size
            yield x, master.spent

    beta1, beta2, epsilon = rates
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "deadline_s": DEADLINE_S}
    scheme = coded_adam.build(LINKED, code=code, step_size=STEP, emphasis=emphasis, **options)
    assert scheme.name == f"{family}_{'adam' if emphasis is None else 'two_track_adam'}"
    check_against_loop(scheme, plain)


def test_adam_of_all_workers():
    def plain(seed, run):
        straggling, spent = RunStreams(seed, "stragglers", [run]), np.zeros(3)
        x, mean, square = PROBLEM.initial(), np.zeros(DIM), np.zeros(DIM)
        for t in range(1, 99):
            gradient = PROBLEM.part_grads(x[None])[0].sum(axis=0)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            x = x - 0.05 / np.sqrt(t) * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
            times = DELAY.sample((1,), rng=straggling)[0]
            spent += [max(times) + 2 * 32 * DIM * 1e-3, 32 * DIM * N_WORKERS, 32 * DIM * N_WORKERS]
            yield x, spent

    check_against_loop(adam.build(LINKED, step_size=STEP), plain)


@pytest.mark.parametrize("quantizer", ["scaled_sign", "top_k", "sparse_sign", "ternary", "stochastic_levels"])
@pytest.mark.parametrize(("acknowledged", "weights"), list(product([True, False], ["matched", "own"])))
def test_error_feedback_keeps_what_was_not_sent(quantizer, acknowledged, weights):
    """Errors in the gradient's unit, carried over by the ratio of the steps."""
    code = designed("stochastic", quantizer)
    lost = CodedRound(LINKED, code, DEADLINE_S).straggle_prob

    def plain(seed, run):
        master = PlainMaster(LINKED, code, seed, run, DEADLINE_S)
        x, error, before = PROBLEM.initial(), np.zeros((N_WORKERS, DIM)), 1.0
        for t in range(1, 99):
            eta = 0.05 / np.sqrt(t)
            wanted = master.messages(x) + before / eta * error
            sent, heard = master.quantized(wanted), master.heard()
            for w in range(N_WORKERS):
                weight = code.decoder.decode[w]
                if weights == "matched":
                    full = full_weights(code, lost)[w]
                    weight = full if acknowledged else full / (1 - lost[w])
                if heard[w]:
                    x = x - eta * weight * sent[w]
                error[w] = wanted[w] - (sent[w] if heard[w] or not acknowledged else 0)
            before = eta
            yield x, master.spent

    options = {"acknowledged": acknowledged, "weights": weights, "deadline_s": DEADLINE_S}
    check_against_loop(coded_error_feedback.build(LINKED, code=code, step_size=STEP, **options), plain)


# ---- Adam's step ----------------------------------------------------------------------------------------


def coin_flips(code: GradientCode, messages: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Both values that a coordinate may be quantized to, and P(upper), for messages (W, D), each (W, D).

    Random signs are ±‖v‖ with mean v; levels are the multiples of ‖v‖/(2^(b−1) − 1) beside v.
    """
    norm = np.sqrt(np.square(messages).sum(axis=1, keepdims=True))  # (W, 1)
    if code.family == "one_bit":
        return -norm + 0 * messages, norm + 0 * messages, 0.5 + messages / (2 * norm)
    spacing = norm / (2.0 ** (code.bits[:, None] - 1) - 1)
    lower = spacing * np.floor(messages / spacing)
    return lower, lower + spacing, (messages - lower) / spacing


@pytest.mark.exact_moments("coded_adam")
@pytest.mark.parametrize("case", [("one_bit", None), ("one_bit", 0.5), ("stochastic", 0.5), ("cyclic_mds", None)])
def test_a_step_of_coded_adam_has_the_exact_moments(case):
    """Third step, 64 patterns times 64 roundings of each coordinate; x, m and v, 20,000 rounds, 1e-6 over all cases."""
    family, emphasis = case
    rates = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-2}
    scheme = coded_adam.build(SETTING, code=designed(family), step_size=ConstantStep(0.5), emphasis=emphasis, **rates)
    responded, prob = straggler_patterns(STRAGGLE_PROB)
    decoder = scheme.code.decoder
    first = decoder.weights(responded)  # (patterns, W)
    second = first if emphasis is None else decoder.second_weights(responded)
    assert emphasis is None or np.abs(second - first).max() > 0.1
    upper, _ = straggler_patterns(np.full(N_WORKERS, 0.5))  # (roundings, W)
    mean, square = np.array([3.0, -2.0, 1.0]), np.array([40.0, 9.0, 90.0])
    flips = coin_flips(scheme.code, scheme.code.encode_dense @ PROBLEM.part_grads(START[None])[0])
    expected = []
    for d, (low, high, chance) in enumerate(zip(*(each.T for each in flips), strict=True)):
        sent = np.where(upper, high, low).T  # (W, roundings)
        weight = prob[:, None] * np.where(upper, chance, 1 - chance).prod(axis=1)  # (patterns, roundings)
        assert weight.sum() == pytest.approx(1, abs=1e-12)
        m = 0.8 * mean[d] + 0.2 * (first @ sent)
        v = 0.95 * square[d] + 0.05 * (second @ sent) ** 2
        moved = 0.5 * (m / (1 - 0.8**3)) / (np.sqrt(v / (1 - 0.95**3)) + 1e-2)
        centres = [np.sum(weight * each) for each in (moved, m, v)]
        spreads = [np.sum(weight * (each - centre) ** 2) for each, centre in zip((moved, m, v), centres, strict=True)]
        expected.append([centres, spreads])
    exact = np.array(expected)  # (D, 2, quantities)
    start = coded_adam.State(*(np.tile(each, (500, 1)) for each in (START, mean, square)))
    noise = Noise(SETTING.delay, 9, range(500))
    drawn = [np.concatenate(each) for each in zip(*(scheme.step(start, 3, noise)[0] for _ in range(40)), strict=True)]
    for each, (centre, spread) in zip((START - drawn[0], *drawn[1:]), exact.transpose(2, 1, 0), strict=True):
        check_moments(each, centre, centre, spread.sum(), 4 * 3)


# ---- two tracks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", ["columns", "aligned"])
def test_two_tracks_at_the_optimal_structure_are_another_step_and_epsilon(reading):
    """v̄ = cv: m̂/(c√v̂ + ε) = (m̂/(√v̂ + ε/c))/c, in every run and round [ours]."""
    code, emphasis, runs = designed("optimally_structured"), 2.0, 20
    total = utilities(STRAGGLE_PROB, code.quantizer.variance_factor(DIM)).sum()
    c = emphasis * total / (emphasis * total + (N_PARTS if reading == "columns" else 1))
    assert 0.1 < c < 0.99
    both = coded_adam.build(
        SETTING, code=code, step_size=ConstantStep(0.02), emphasis=emphasis, reading=reading, epsilon=1e-2
    )
    one = coded_adam.build(SETTING, code=code, step_size=ConstantStep(0.02 / c), epsilon=1e-2 / c)
    assert isinstance(both.code.decoder, TwoTrackDecoder)
    settings = {"n_iters": 30, "n_runs": runs, "seed": 1, "checkpoints": range(31)}
    np.testing.assert_allclose(simulate(both, **settings).loss, simulate(one, **settings).loss, rtol=1e-10)
    unlike = coded_adam.build(SETTING, code=code, step_size=ConstantStep(0.02), epsilon=1e-2)
    assert not np.allclose(simulate(both, **settings).loss, simulate(unlike, **settings).loss, rtol=1e-3)


def test_a_two_track_decoder_asked_for_by_name_is_the_one_of_emphasis():
    code = designed("bernoulli")
    decoder = catalogue.decoders()["two_track"].decoder(code, STRAGGLE_PROB, dim=DIM, emphasis=0.5)
    named = coded_adam.build(SETTING, code=replace(code, decoder=decoder), step_size=STEP)
    asked = coded_adam.build(SETTING, code=code, step_size=STEP, emphasis=0.5)
    assert named.name == asked.name
    settings = {"n_iters": 10, "n_runs": 4, "seed": 1}
    np.testing.assert_array_equal(simulate(named, **settings).loss, simulate(asked, **settings).loss)


def test_adam_without_stragglers_and_quantizers_is_adam():
    certain = Setting(PROBLEM, Bernoulli(np.zeros(N_WORKERS)))
    settings = {"n_iters": 30, "n_runs": 2, "seed": 1}
    coded = simulate(coded_adam.build(certain, code=trivial(), step_size=STEP), **settings)
    np.testing.assert_allclose(coded.loss, simulate(adam.build(certain, step_size=STEP), **settings).loss, rtol=1e-10)


def test_adams_first_step_has_the_size_of_the_step():
    """Bias corrections cancel: ±η a coordinate whatever the decays; 0 where there is no gradient, ε = 0 or not."""
    gradient = np.array([[3.0, -1e-3, 0.0]])
    none = GradientMoments(np.zeros((1, 3)), np.zeros((1, 3)))
    for rates in (AdamRates(0.9, 0.999, 0.0), AdamRates(0.3, 0.5, 0.0), AdamRates(0.0, 0.0, 0.0)):
        np.testing.assert_allclose(direction(updated(none, gradient, gradient, rates), 1, rates), [[1, -1, 0]])


# ---- error feedback -------------------------------------------------------------------------------------


def virtual_path(scheme: Any, weights: FloatArray, n_rounds: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Steps of y = x − Σ w_i o_i in 5 runs, and η Σ w_i f_i(x), shape (rounds, R, D) each."""
    noise, state = Noise(scheme.setting.delay, seed, range(5)), scheme.init(5)
    encoder = PROBLEM.encoder(scheme.code.encode_dense)
    moves, expected = [], []
    for iteration in range(1, n_rounds + 1):
        eta = scheme.step_size(iteration, noise.rows)
        expected.append(-eta * np.einsum("w,rwd->rd", weights, encoder(state.x)))
        before = state.x - np.einsum("w,rwd->rd", weights, state.owed)
        state, _ = scheme.step(state, iteration, noise)
        moves.append(state.x - np.einsum("w,rwd->rd", weights, state.owed) - before)
    return np.array(moves), np.array(expected)


@pytest.mark.parametrize(("quantizer", "module"), QUANTIZERS)
@pytest.mark.parametrize("family", [name for name, _ in FAMILIES if name != "one_bit"])
def test_the_virtual_iterate_descends_along_the_gradient(family, quantizer, module):
    """Acknowledged, matched: exact for every code, quantizer and straggler pattern, with steps that change."""
    code = designed(family, quantizer)
    scheme = coded_error_feedback.build(SETTING, code=code, step_size=STEP)
    full = full_weights(code, STRAGGLE_PROB)
    moves, expected = virtual_path(scheme, full, 8, 2)
    size = np.abs(moves).max() + 1  # an unbiased quantizer of large variance makes debts grow
    if np.abs(code.encode.T @ full - 1).max() < 1e-9:
        states = simulate(scheme, n_iters=8, n_runs=5, seed=2, checkpoints=range(9))
        assert np.isfinite(states.loss).all()
        gradient = np.einsum("w,wp->p", full, code.encode_dense)
        np.testing.assert_allclose(gradient, 1, atol=1e-9)
    np.testing.assert_allclose(moves, expected, rtol=0, atol=1e-10 * size)


def test_every_code_but_the_lossy_recovers_the_sum_when_all_answer():
    lossy = {
        name
        for name, _ in FAMILIES
        if np.abs(designed(name).encode.T @ full_weights(designed(name), STRAGGLE_PROB) - 1).max() > 1e-9
    }
    assert lossy <= {"bernoulli"}  # a part that nobody holds, or holdings that do not span the sum


def test_dividing_by_the_response_probability_goes_another_way():
    """Acknowledged with the code's own v = 1/(1 − p): exact along Σ v_i f_i, which is not the gradient."""
    code = designed("stochastic", "scaled_sign")
    own = coded_error_feedback.build(SETTING, code=code, step_size=STEP, weights="own")
    moves, expected = virtual_path(own, code.decoder.decode, 10, 3)
    np.testing.assert_allclose(moves, expected, rtol=0, atol=1e-10)
    matched, along_gradient = virtual_path(own, np.ones(N_WORKERS), 10, 3)
    assert np.abs(matched - along_gradient).max() > 1e-3
    assert np.abs(expected[0, 0] + 0.05 * PROBLEM.part_grads(PROBLEM.initial()[None])[0].sum(axis=0)).max() > 1e-3


@pytest.mark.parametrize("weights", ["matched", "own"])
def test_unacknowledged_it_is_exact_in_the_mean_over_stragglers_only(weights):
    """All 64 patterns of a round with debts, a quantizer that draws nothing: a mean to 1e-10, no single pattern."""
    code = designed("stochastic", "top_k")
    responded, prob = straggler_patterns(STRAGGLE_PROB)
    setting = Setting(PROBLEM, GivenTimes(np.where(responded, 0.5, np.inf)))
    scheme = coded_error_feedback.build(setting, code=code, step_size=STEP, acknowledged=False, weights=weights)
    start = scheme.init(len(prob))
    state = start._replace(x=start.x + START, owed=start.owed + np.arange(18).reshape(6, 3) / 50)
    after, _ = scheme.step(state, 1, Noise(setting.delay, 0, range(len(prob))))
    moves = after.x - after.owed.sum(axis=1) - (state.x - state.owed.sum(axis=1))  # y with weights 1
    expected = -0.05 * PROBLEM.part_grads(START[None] + PROBLEM.initial())[0].sum(axis=0)
    np.testing.assert_allclose(prob @ moves, expected, rtol=0, atol=1e-10)
    assert np.abs(moves - expected).max(axis=1).min() > 1e-4
    np.testing.assert_array_equal(after.owed, np.broadcast_to(after.owed[0], after.owed.shape))


@pytest.mark.exact_moments("coded_error_feedback")
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_step_of_error_feedback_has_the_exact_mean_and_error(acknowledged):
    """Nothing owed: the code with matched weights; then unbiased iff unacknowledged. 20,000 rounds, 1e-6 over both."""
    code = designed("stochastic", "ternary")
    full = full_weights(code, STRAGGLE_PROB)
    as_coded = replace(code, decoder=FixedDecoder(full if acknowledged else full / (1 - STRAGGLE_PROB)))
    grads = PROBLEM.part_grads(START[None])[0]
    mean, mse = error_by_enumeration(as_coded, STRAGGLE_PROB, grads)
    assert np.allclose(mean, grads.sum(axis=0)) is not acknowledged
    scheme = coded_error_feedback.build(SETTING, code=code, step_size=ConstantStep(1.0), acknowledged=acknowledged)
    drawn = steps_from(scheme, at_start(scheme, 500), 40, 6, range(500))
    check_moments(drawn, mean, grads.sum(axis=0), mse, 2)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_error_feedback_with_nothing_lost_is_gradient_descent(acknowledged):
    certain = Setting(PROBLEM, Bernoulli(np.zeros(N_WORKERS)))
    scheme = coded_error_feedback.build(certain, code=trivial(), step_size=STEP, acknowledged=acknowledged)
    settings = {"n_iters": 40, "n_runs": 2, "seed": 1, "checkpoints": range(41)}
    found = simulate(scheme, **settings)
    np.testing.assert_allclose(found.loss, simulate(WaitForAll(certain, STEP), **settings).loss, rtol=1e-10)
    assert found.measures["owed_sq"].max() < 1e-25


@pytest.mark.parametrize("weights", ["matched", "own"])
def test_where_it_goes_with_a_biased_quantizer_and_unequal_stragglers(weights):
    """Matched: to the optimum of F; own: to that of Σ_j α_j f_j, α_j = Σ_i w_ij/(1 − p_i). Means over time, 4 runs."""
    code = designed("stochastic", "scaled_sign")
    scheme = coded_error_feedback.build(SETTING, code=code, step_size=ConstantStep(0.02), weights=weights)
    alpha = code.encode.T @ code.decoder.decode  # (P,)
    hessian = np.einsum("p,pde->de", alpha, PROBLEM.curvature)
    other = np.linalg.solve(hessian, -alpha @ PROBLEM.part_grads(np.zeros((1, DIM)))[0])
    optimum = PROBLEM.regularity.optimum
    noise, state, mean = Noise(SETTING.delay, 1, range(4)), scheme.init(4), np.zeros(DIM)
    for iteration in range(1, 1501):
        state, _ = scheme.step(state, iteration, noise)
        mean += state.x.mean(axis=0) / 1000 * (iteration > 500)
    near, far = (optimum, other) if weights == "matched" else (other, optimum)
    assert np.linalg.norm(mean - near) < np.linalg.norm(mean - far)


# ---- mini-batches ---------------------------------------------------------------------------------------

SAMPLES = least_squares.build(3, seed=2, dim=2, n_samples=15)
WITH_SAMPLES = Setting(SAMPLES, LocationScale(LAW, np.full(3, 0.5), np.array([0.1, 0.2, 0.3])), seconds_per_bit=1e-3)
HERE = np.array([0.7, -0.4])


def sample_gradient(part: int, sample: int, x: FloatArray) -> FloatArray:
    row = SAMPLES.design[part, sample]
    return row * (row @ x - SAMPLES.target[part, sample])


@pytest.mark.exact_moments("sgd")
@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("bits", [None, 3])
def test_a_mini_batch_step_has_the_exact_mean_and_error(batch_size, bits):
    """All subsets of each part, against n²/B (1 − B/n) S² too; 20,000 rounds; false alarm 1e-6 over the cases."""
    quantizer = None if bits is None else stochastic_levels.quantizer(np.full(3, bits))
    variance, mean = 0.0, np.zeros(2)
    for part in range(3):
        grads = np.array([sample_gradient(part, i, HERE) for i in range(5)])
        messages = np.array(
            [5 / batch_size * grads[list(chosen)].sum(axis=0) for chosen in combinations(range(5), batch_size)]
        )
        mean += messages.mean(axis=0)
        sampling = np.mean(np.sum((messages - grads.sum(axis=0)) ** 2, axis=1))
        closed_form = 25 / batch_size * (1 - batch_size / 5) * grads.var(axis=0, ddof=1).sum()
        assert sampling == pytest.approx(closed_form, abs=1e-12)
        noise = (
            0.0
            if quantizer is None
            else stochastic_levels.quantizer(np.array([bits])).variance(messages[:, None]).mean()
        )
        variance += sampling + noise
    np.testing.assert_allclose(mean, SAMPLES.part_grads(HERE[None])[0].sum(axis=0), atol=1e-12)
    scheme = sgd.build(WITH_SAMPLES, step_size=ConstantStep(1.0), batch_size=batch_size, quantizer=quantizer)
    state = scheme.init(500)._replace(x=np.tile(HERE, (500, 1)))
    check_moments(steps_from(scheme, state, 40, 7, range(500)), mean, mean, variance, 6)


@pytest.mark.parametrize("quantizer", [None, "ternary", "scaled_sign"])
def test_sgd_equals_a_plain_loop(quantizer):
    """A shuffle of each part's samples, of which the first two are taken; it goes on from the last round's order."""
    chosen = None if quantizer is None else catalogue.quantizers()[quantizer].quantizer(np.full(3, 2))
    bits = 64 if chosen is None else int(chosen.message_bits(2)[0])

    def plain(seed, run):
        names = ("batches", "stragglers", "quantizer/sgd")
        drawing, straggling, quantizing = (RunStreams(seed, name, [run]) for name in names)
        x, order, spent = SAMPLES.initial(), [list(range(5)) for _ in range(3)], np.zeros(3)
        while True:
            uniform = drawing.random((1, 2, 3))[0]
            messages = np.zeros((3, 2))
            for part in range(3):
                for place in range(2):
                    other = place + int(uniform[place, part] * (5 - place))
                    order[part][place], order[part][other] = order[part][other], order[part][place]
                    messages[part] += 5 / 2 * sample_gradient(part, order[part][place], x)
            sent = messages if chosen is None else chosen(messages[None], rng=quantizing)[0]
            x = x - 0.05 * (sent[0] + sent[1] + sent[2])
            times = WITH_SAMPLES.delay.sample((1,), rng=straggling)[0]
            spent += [max(times) + (64 + bits) * 1e-3, 3 * bits, 3 * 64]
            yield x, spent

    scheme = sgd.build(WITH_SAMPLES, step_size=ConstantStep(0.05), batch_size=2, quantizer=chosen)
    check_against_loop(scheme, plain)


def test_whole_parts_are_gradient_descent():
    settings = {"n_iters": 20, "n_runs": 2, "seed": 1, "checkpoints": range(21)}
    found = simulate(sgd.build(WITH_SAMPLES, step_size=STEP, batch_size=5), **settings)
    reference = simulate(WaitForAll(WITH_SAMPLES, STEP), **settings)
    for name in ("loss", "seconds", "bits_up", "bits_down"):
        np.testing.assert_allclose(getattr(found, name), getattr(reference, name), rtol=1e-10)


# ---- who is lost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deadline_s", "link"), [(None, 0.0), (1.0, 0.0), (1.2, 1e-3), (0.8, 3e-3)])
def test_loss_probabilities_are_those_of_a_round(deadline_s, link):
    """20,000 rounds, false alarm 1e-6 over all; unequal messages take unequal times, some longer than the deadline."""
    bits = np.array([2, 3, 4, 8, 16, 32])
    encode = sparse.csr_array(np.ones((N_WORKERS, N_PARTS)) / N_WORKERS)
    code = GradientCode("any", encode, FixedDecoder(np.ones(N_WORKERS)), stochastic_levels.quantizer(bits))
    coded = CodedRound(Setting(PROBLEM, DELAY, link), code, deadline_s)
    noise = Noise(DELAY, 8, range(500))
    responded = np.concatenate([coded.listen(noise)[0] for _ in range(40)])
    lost = coded.straggle_prob
    assert np.all((lost >= 0) & (lost < 1))
    z = stats.norm.isf(1e-6 / 24 / 2)
    assert np.all(np.abs(1 - responded.mean(axis=0) - lost) <= z * np.sqrt(lost * (1 - lost) / 20_000) + 1e-8)


# ---- all ------------------------------------------------------------------------------------------------


def schemes() -> list[Any]:
    grid = GridStep((0.01, 1e30), 3)
    square = Setting(least_squares.build(6, seed=0, dim=2, n_samples=18), Bernoulli(STRAGGLE_PROB, 1.0))
    code = replace(trivial(6, 6), quantizer=random_sign.quantizer(np.ones(6, int)))
    return [
        coded_adam.build(square, code=code, step_size=grid, emphasis=1.0, epsilon=0.0, beta1=0.0),
        coded_error_feedback.build(square, code=code, step_size=grid, acknowledged=False),
        adam.build(replace(square, delay=Bernoulli(np.zeros(6))), step_size=grid),
        sgd.build(replace(square, delay=Bernoulli(np.zeros(6))), step_size=grid, batch_size=2),
    ]


@pytest.mark.parametrize("scheme", schemes(), ids=lambda scheme: scheme.name)
def test_runs_go_each_their_own_way_in_any_chunk_and_may_diverge(scheme):
    """Rows of two steps, the second far too large: chunks change nothing but rounding, and nothing raises."""
    settings = {"n_iters": 12, "n_runs": 3, "n_repeats": 2, "seed": 3}
    whole, cut = simulate(scheme, **settings), simulate(scheme, chunk_runs=4, **settings)
    assert not whole.diverged[:3].any()
    np.testing.assert_allclose(cut.loss[:3], whole.loss[:3], rtol=1e-9)
    assert scheme.floats_a_run > scheme.setting.problem.dim


OTHER = trivial(5, N_PARTS)
SAMPLED = {"step_size": STEP, "batch_size": 2}


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: coded_adam.build(SETTING, code=OTHER, step_size=STEP), r"\(workers, parts\) = \(5, 4\)"),
        (lambda: coded_error_feedback.build(SETTING, code=OTHER, step_size=STEP), r"\(workers, parts\) = \(5, 4\)"),
        (
            lambda: coded_error_feedback.build(SETTING, code=trivial(), step_size=STEP, deadline_s=0.0),
            "deadline_s is 0.0: give a positive",
        ),
        (lambda: coded_adam.build(SETTING, code=trivial(), step_size=STEP, beta1=1.0), "beta1 is 1.0: a decay is"),
        (lambda: adam.build(SETTING, step_size=STEP, beta2=-0.1), "beta2 is -0.1: a decay is at least 0"),
        (lambda: adam.build(SETTING, step_size=STEP, epsilon=np.nan), "epsilon is nan: it must be at least 0"),
        (lambda: coded_adam.build(SETTING, code=trivial(), step_size=STEP, emphasis=0.0), "emphasis is 0: the price"),
        (
            lambda: coded_adam.build(SETTING, code=designed("erasure_head"), step_size=STEP, emphasis=1.0),
            "erasure_head decodes by straggler pattern",
        ),
        (
            lambda: coded_adam.build(SETTING, code=designed("stochastic", "top_k"), step_size=STEP, emphasis=1.0),
            "TopK is biased",
        ),
        (lambda: sgd.build(SETTING, **SAMPLED), "4 parts and 6 workers: this scheme gives each worker one part"),
        (
            lambda: sgd.build(WITH_SAMPLES, step_size=STEP, batch_size=6),
            "batch_size is 6: give at least 1 and at most 5",
        ),
        (lambda: sgd.build(WITH_SAMPLES, step_size=STEP, batch_size=0), "batch_size is 0: give at least 1"),
        (
            lambda: sgd.build(WITH_SAMPLES, quantizer=scaled_sign.quantizer(np.ones(4, int)), **SAMPLED),
            "quantizer is for 4 workers, there are 3",
        ),
        (
            lambda: sgd.build(WITH_SAMPLES, quantizer=top_k.quantizer(np.array([2, 0, 2])), **SAMPLED),
            "worker 1 has 0 bits but holds a part",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(build, complaint):
    with pytest.raises(InputError, match=complaint) as raised:
        build()
    assert "\n" not in str(raised.value)
