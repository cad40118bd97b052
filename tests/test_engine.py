"""The loop and the comparison: against a plain loop over workers, and against what runs must not share."""

import tracemalloc
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse, stats

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import disjoint
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import Encoder, FloatArray, Problem, Trajectory, UniformSource
from workbench.engine import compare as comparing
from workbench.engine import loop
from workbench.engine.compare import (
    REFINEMENT,
    Comparison,
    Cost,
    Method,
    coded_schemes,
    compare,
    cost_to_reach,
    mean_band,
    separation,
    typical,
)
from workbench.engine.loop import simulate, spaced_checkpoints
from workbench.engine.setup import build_scheme
from workbench.problems import least_squares, softmax_regression
from workbench.quantizers import identity
from workbench.quantizers.stochastic_levels import StochasticLevels
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep, GeometricStep, GridStep, InverseSqrtStep, InverseTimeStep
from workbench.schemes.wait_for_all import WaitForAll
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.shifted_exponential import LAW
from workbench.stragglers.profile import StragglerProfile

N_WORKERS, N_PARTS, DIM = 4, 6, 5
PROBLEM = least_squares.build(N_PARTS, seed=1, dim=DIM)
STEP = ConstantStep(0.3 / 5.0)
STRAGGLE_PROB = np.array([0.1, 0.2, 0.3, 0.4])
DELAY = LocationScale(LAW, np.full(4, 0.5), np.array([0.2, 0.3, 0.4, 0.5]))
DEADLINE_S = 1.1


def designed(bits: int = 20) -> GradientCode:
    profile = StragglerProfile(STRAGGLE_PROB)
    spec = DesignSpec(N_PARTS, DIM, bits)
    return optimally_structured.design(profile, spec, rng=np.random.default_rng(0))


def trivial() -> GradientCode:
    """Every part on one worker, nothing lost, nothing quantized."""
    encode = disjoint.place(N_WORKERS, N_PARTS).holds
    return GradientCode("trivial", encode, FixedDecoder(np.ones(4)), identity.quantizer(np.full(4, 32)))


def run(code: GradientCode | None, **options: object) -> Trajectory:
    settings = {"deadline_s": DEADLINE_S, "step_size": STEP, "n_iters": 30, "n_runs": 5, "seed": 7} | options
    setting = Setting(
        settings.pop("problem", PROBLEM), settings.pop("delay", DELAY), settings.pop("seconds_per_bit", 0.0)
    )
    step_size, deadline_s = settings.pop("step_size"), settings.pop("deadline_s")
    scheme = WaitForAll(setting, step_size) if code is None else CodedSgd(setting, code, step_size, deadline_s)
    return simulate(scheme, **settings)


def curves(trajectory: Trajectory) -> FloatArray:
    names = ("loss", "error_sq", "grad_sq", "part_grad_sq", "seconds", "bits_up", "bits_down")
    return np.stack([getattr(trajectory, name) for name in names])  # (7, R, T+1)


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


def test_nobody_straggling_and_nothing_quantized_is_gradient_descent():
    coded = run(trivial(), delay=Bernoulli(np.zeros(4)), deadline_s=None)
    reference = run(None, delay=Bernoulli(np.zeros(4)), deadline_s=None)
    x, loss = np.zeros(DIM), []
    design, target = PROBLEM.design.reshape(-1, DIM), PROBLEM.target.ravel()
    for iteration in range(31):
        if iteration in coded.iterations:
            loss.append(np.square(design @ x - target).sum() / 2)
        x = x - STEP.value * design.T @ (design @ x - target)
    for trajectory in (coded, reference):
        np.testing.assert_allclose(trajectory.loss, np.tile(loss, (5, 1)), rtol=1e-12)


@pytest.mark.parametrize("family", ["least_squares", "softmax_regression"])
def test_a_plain_loop_over_workers_gives_the_same_numbers(family):
    problem = PROBLEM
    if family == "softmax_regression":
        rng = np.random.default_rng(0)
        images, labels = rng.random((30, 784)), rng.integers(0, 10, 30)
        problem = softmax_regression.build(N_PARTS, seed=1, images=images, labels=labels, precision="double")
    code = designed()
    encode = code.encode.toarray()
    eta = InverseTimeStep(1 / 4.0)
    trajectory = run(code, problem=problem, n_runs=2, n_iters=6, step_size=eta, checkpoints=range(7))
    bits = code.quantizer.message_bits(problem.dim)
    for r in range(2):
        straggling, quantizing = (RunStreams(7, name, [r]) for name in ("stragglers", "quantizer/optimally_structured"))
        x, seconds, sent = problem.initial(), 0.0, 0
        for t in range(7):
            grads = problem.part_grads(x[None])[0]  # (P, D)
            total = grads.sum(axis=0)
            expected = [problem.loss(x[None])[0], np.nan, total @ total, max(g @ g for g in grads), seconds, sent]
            expected.append(t * 4 * 32 * problem.dim)
            if problem.regularity.optimum is not None:
                expected[1] = np.sum((x - problem.regularity.optimum) ** 2)
            np.testing.assert_allclose(curves(trajectory)[:, r, t], expected, rtol=1e-10)
            times = DELAY.sample((1,), rng=straggling)[0]
            messages = np.array([sum(encode[w, j] * grads[j] for j in range(N_PARTS)) for w in range(4)])
            heard = code.quantizer(messages[None], rng=quantizing)[0]
            update = np.zeros(problem.dim)
            for w in range(4):
                if times[w] <= DEADLINE_S:
                    update += heard[w] / (1 - STRAGGLE_PROB[w])
                    sent += bits[w]
            x = x - update / (4.0 * (t + 1))
            seconds += min(max(times), DEADLINE_S)


def test_runs_do_not_see_each_other_and_the_seed_fixes_every_byte():
    code = designed()
    few, many = curves(run(code, n_runs=5)), curves(run(code, n_runs=21))
    np.testing.assert_allclose(few, many[:, :5], rtol=1e-9)
    np.testing.assert_array_equal(few, curves(run(code, n_runs=5)))
    assert not np.array_equal(few[0], curves(run(code, seed=8))[0])
    assert len(np.unique(few[0, :, -1])) == 5


def test_codes_meet_the_same_stragglers():
    """Bits tell who responded: two families that differ in nothing but name and weights hear the same workers."""
    code = trivial()
    other = replace(code, family="other", decoder=FixedDecoder(np.full(4, 0.5)))
    np.testing.assert_array_equal(run(code).bits_up, run(other).bits_up)
    np.testing.assert_array_equal(run(code).seconds, run(other).seconds)
    assert len(np.unique(run(code).bits_up[:, -1])) > 1


def test_repeats_share_the_noise_of_their_runs():
    code = designed()
    grid = curves(run(code, n_runs=3, n_repeats=2, step_size=GridStep((0.02, 0.05), 3)))
    for rows, step in ((grid[:, :3], 0.02), (grid[:, 3:], 0.05)):
        np.testing.assert_allclose(rows, curves(run(code, n_runs=3, step_size=ConstantStep(step))), rtol=1e-9)
    chunked = curves(run(code, n_runs=3, n_repeats=2, step_size=GridStep((0.02, 0.05), 3), chunk_runs=4))
    np.testing.assert_allclose(chunked, grid, rtol=1e-9)


@pytest.mark.parametrize(
    ("times", "deadline_s", "seconds", "heard"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1.0, 0.4, 4),  # nobody straggles: the slowest worker ends the round
        ([0.1, 0.2, 0.3, 1.0], 1.0, 1.0, 4),  # on the deadline is in time
        ([0.1, 0.2, 0.3, 5.0], 1.0, 1.0, 3),
        ([0.1, np.inf, np.inf, 5.0], 1.0, 1.0, 1),
        ([0.5, np.inf, 0.9, 0.5], None, 0.9, 3),  # without a deadline, the last of those who answer at all
    ],
)
def test_a_round_lasts_until_the_last_needed_worker_or_the_deadline(times, deadline_s, seconds, heard):
    trajectory = run(trivial(), delay=FixedTimes(np.array(times)), deadline_s=deadline_s, n_iters=3, checkpoints=[3])
    np.testing.assert_allclose(trajectory.seconds, 3 * seconds)
    np.testing.assert_array_equal(trajectory.bits_up, np.full((5, 1), 3 * heard * 32 * DIM))


def test_idle_workers_are_neither_waited_for_nor_heard():
    encode = trivial().encode.toarray()
    encode[3] = 0
    code = replace(trivial(), encode=sparse.csr_array(encode))
    slow = FixedTimes(np.array([0.1, 0.2, 0.3, 0.9]))
    trajectory = run(code, delay=slow, n_iters=2, checkpoints=[2])
    np.testing.assert_allclose(trajectory.seconds, 0.6)
    assert np.all(trajectory.bits_up == 2 * 3 * 32 * DIM)
    reference = run(None, delay=slow, n_iters=2, checkpoints=[2])
    np.testing.assert_allclose(reference.seconds, 1.8)
    assert np.all(reference.bits_up == 2 * 4 * 32 * DIM)


def test_links_take_time_for_the_iterate_and_for_every_message():
    """Worker w answers at times[w] + (bits of the iterate + bits of its message) seconds_per_bit."""
    times, per_bit = np.array([0.1, 0.2, 0.3, 0.4]), 1e-3
    both_ways = 2 * 32 * DIM * per_bit
    trajectory = run(trivial(), delay=FixedTimes(times), seconds_per_bit=per_bit, n_iters=2, checkpoints=[2])
    np.testing.assert_allclose(trajectory.seconds, 2 * (0.4 + both_ways))
    short = run(
        trivial(),
        delay=FixedTimes(times),
        seconds_per_bit=per_bit,
        deadline_s=0.25 + both_ways,
        n_iters=2,
        checkpoints=[2],
    )
    np.testing.assert_allclose(short.seconds, 2 * (0.25 + both_ways))
    assert np.all(short.bits_up == 2 * 2 * 32 * DIM)
    assert np.all(short.bits_down == 2 * 4 * 32 * DIM)
    waiting = run(None, delay=FixedTimes(times), seconds_per_bit=per_bit, n_iters=2, checkpoints=[2])
    np.testing.assert_allclose(waiting.seconds, trajectory.seconds)


@dataclass(frozen=True)
class OnAnotherMachine:
    """A problem whose messages are rounded otherwise, by how many runs are multiplied at once."""

    problem: Problem

    def __getattr__(self, name: str) -> object:
        return getattr(self.problem, name)

    def encoder(self, encode: FloatArray) -> Encoder:
        messages = self.problem.encoder(encode)

        def rounded(x: FloatArray) -> FloatArray:
            found = messages(x)  # (R, W, D)
            last_place = np.abs(found).max(axis=2, keepdims=True) * 2.0**-52  # (R, W, 1)
            return found + last_place * np.random.default_rng(len(x)).uniform(-1, 1, found.shape[1:])

        return rounded


@pytest.mark.parametrize("key", ["sign_sgd", "drop_sign_sgd", "compskip", "compskip_repaired"])
def test_a_gradient_that_is_0_gets_no_sign_from_the_number_of_runs_beside_it(key):
    """Pixels alike within a part, every class as often: at the start their gradients cancel, up to rounding."""
    rng, labels = np.random.default_rng(0), np.tile(np.arange(10), 6)
    images = np.hstack([np.repeat(rng.random((3, 4)), 20, axis=0), rng.random((60, 3))])  # (60, 7)
    problem = softmax_regression.build(3, seed=1, images=images, labels=labels, precision="double")
    alike = replace(problem, features=np.column_stack([images, np.ones(60)]), labels=labels)
    setting = Setting(OnAnotherMachine(alike), Bernoulli(np.full(3, 0.1), 1.0), 0.0)
    scheme = build_scheme({"kind": key, "step_size": 0.01}, setting, seed=3)
    whole = simulate(scheme, n_iters=20, n_runs=7, seed=2)
    for chunk in (1, 2, 5):
        cut = simulate(scheme, n_iters=20, n_runs=7, seed=2, chunk_runs=chunk)
        np.testing.assert_allclose(cut.loss, whole.loss, rtol=1e-9)


def test_memory_is_bounded_by_the_chunk_and_not_by_runs_or_iterations():
    def peak(n_runs: int, n_iters: int, chunk_runs: int) -> int:
        tracemalloc.start()
        run(designed(), n_runs=n_runs, n_iters=n_iters, chunk_runs=chunk_runs, checkpoints=[n_iters])
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(5, 3, 5)  # what is cached the first time
    small = peak(50, 10, 50)
    a_run = (small - peak(25, 10, 25)) / 25
    assert peak(400, 10, 50) < small + 350 * 7 * 8 * 4  # seven results a run and their copies
    assert peak(50, 100, 50) < small + 2 * a_run
    assert peak(400, 10, 400) > small + 300 * a_run


def test_progress_counts_run_iterations():
    done: list[int] = []
    run(designed(), n_runs=5, n_iters=4, chunk_runs=3, progress=done.append)
    assert done == [3] * 4 + [2] * 4


def test_numpy_is_left_as_it_was_found():
    before, within = np.getbufsize(), []

    def note(_: int) -> None:
        within.append(np.getbufsize())
        if len(within) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(designed(), n_iters=9, progress=note)
    assert within == [loop.BUFFER] * 3
    assert np.getbufsize() == before != loop.BUFFER


def test_gradients_need_not_be_measured():
    with_gradients, without = (run(designed(), n_runs=3, n_iters=4, measure_gradients=each) for each in (True, False))
    assert np.isfinite(with_gradients.grad_sq).all()
    assert np.isnan([without.grad_sq, without.part_grad_sq]).all()
    np.testing.assert_array_equal(without.loss, with_gradients.loss)
    assert not without.diverged.any()


def test_divergence_is_confined_and_reported():
    code = designed()
    steps = GridStep((0.05, 1e9), 2)
    mixed = run(code, n_runs=2, n_repeats=2, n_iters=60, step_size=steps)
    alone = run(code, n_runs=2, n_iters=60, step_size=ConstantStep(0.05))
    assert mixed.diverged.tolist() == [False, False, True, True]
    np.testing.assert_allclose(curves(mixed)[:, :2], curves(alone), rtol=1e-9)
    assert np.all(np.isposinf(mixed.loss[2:, -1]))
    assert not np.isnan(curves(mixed)).any()
    for values in mean_band(mixed.loss):
        assert np.all(np.isfinite(values))


def test_what_a_problem_measures_besides_is_in_the_trajectory_and_changes_nothing_else():
    rng = np.random.default_rng(0)
    data = {"images": rng.random((60, 12)), "labels": rng.integers(0, 10, 60), "n_samples": 24, "l2": 0.1}
    plain = softmax_regression.build(N_PARTS, seed=1, **data)
    measuring = softmax_regression.build(N_PARTS, seed=1, n_held_out=36, **data)
    options = {"delay": Bernoulli(np.zeros(4)), "deadline_s": None, "checkpoints": [0, 7, 30], "n_runs": 2}
    without = run(trivial(), problem=plain, **options)
    beside = run(trivial(), problem=measuring, **options)
    np.testing.assert_array_equal(curves(beside), curves(without))
    assert "accuracy" not in without.measures
    x = measuring.initial()
    for iteration in range(31):
        if iteration in beside.iterations:
            at = beside.iterations.tolist().index(iteration)
            expected = measuring.measures(x[None])["accuracy"][0]
            np.testing.assert_array_equal(beside.measures["accuracy"][:, at], expected)
        x = x - STEP.value * measuring.part_grads(x[None])[0].sum(axis=0)
    diverging = run(trivial(), problem=measuring, **(options | {"step_size": ConstantStep(1e200)}))
    assert np.all(np.isposinf(diverging.measures["accuracy"][:, -1]))


def test_full_gradient_at_one_over_smoothness_descends_every_step():
    trajectory = run(None, step_size=ConstantStep(1 / PROBLEM.regularity.smoothness), checkpoints=range(31))
    gap = trajectory.loss - PROBLEM.regularity.optimal_loss
    rate = 1 - PROBLEM.regularity.strong_convexity / PROBLEM.regularity.smoothness
    assert np.all(gap[:, 1:] <= rate * gap[:, :-1] + 1e-13)


def test_step_sizes_and_checkpoints():
    rows = np.arange(4)
    assert InverseTimeStep(2.0)(4, rows) == pytest.approx(0.5)
    assert InverseTimeStep(2.0, shift=1.0)(4, rows) == pytest.approx(0.4)
    assert InverseSqrtStep(3.0)(9, rows) == pytest.approx(1.0)
    assert GeometricStep(2.0, 3.0)(3, rows) == pytest.approx(18.0)
    assert GridStep((1.0, 2.0), 2)(1, rows).tolist() == [1, 1, 2, 2]
    assert GridStep((1.0, 2.0), 2)(1, rows[1:3]).tolist() == [1, 2]
    for n_iters in (1, 2, 400):
        points = spaced_checkpoints(n_iters)
        assert (points[0], points[-1]) == (0, n_iters)
        assert np.all(np.diff(points) > 0)
    config = run(designed()).config
    assert (config["scheme"], config["problem"], config["seed"]) == ("optimally_structured", "least_squares", 7)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_iters": 0}, "n_iters = 0"),
        ({"checkpoints": [31]}, "between 0 and n_iters = 30"),
        ({"chunk_runs": 0}, "chunk_runs = 0"),
        ({"deadline_s": -1.0}, "deadline_s is -1.0"),
        ({"seconds_per_bit": -1.0}, "seconds_per_bit is -1.0"),
        ({"delay": Bernoulli(np.zeros(3))}, r"\(4, 6\).*\(3, 6\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        run(designed(), **options)


def comparison(**options: object) -> Comparison:
    coarse = replace(designed(), family="coarse", quantizer=StochasticLevels(np.full(4, 2)))
    settings = {"deadline_s": DEADLINE_S, "n_iters": 25, "n_runs": 6, "seed": 7, "pilot_runs": 2} | options
    deadline_s = settings.pop("deadline_s")
    schemes = coded_schemes(Setting(PROBLEM, DELAY), [designed(40), coarse], deadline_s=deadline_s)
    return compare(schemes, **settings)  # type: ignore[arg-type]


def test_the_number_of_processes_does_not_change_a_byte():
    seen: list[tuple[str, int, int]] = []
    one = comparison(progress=lambda *event: seen.append(event))
    two = comparison(n_jobs=2)
    for a, b in zip(one.methods, two.methods, strict=True):
        np.testing.assert_array_equal(curves(a.trajectory), curves(b.trajectory))
        np.testing.assert_array_equal(a.pilot_loss, b.pilot_loss)
        assert a.step_size == b.step_size
    assert [method.name for method in one.methods] == ["optimally_structured", "coarse", "wait_for_all"]
    assert seen[:3] == [("tune", 1, 3), ("tune", 2, 3), ("tune", 3, 3)]
    assert seen[-1] == ("run", 3, 3)


def test_every_method_is_tuned_on_one_grid_that_grows_at_the_edges():
    # All of 1e-3/L ... 1e-2/L is too small a step, so the grid must grow upwards, for everyone.
    found = comparison(step_grid=[1e-3, 1e-2], n_jobs=2)
    smoothness = PROBLEM.regularity.smoothness
    size = len(found.methods[0].step_grid) - len(REFINEMENT)
    assert size > 2
    for method in found.methods:
        grid, mean = method.step_grid * smoothness, method.pilot_loss.mean(axis=1)  # (G,) each
        powers = np.log10(grid)
        common = np.abs(powers - powers.round()) < 1e-9
        np.testing.assert_allclose(grid[common], 10.0 ** np.arange(-3, size - 3), rtol=1e-9)
        # Each tries four steps of its own, a third and two thirds of the way to the neighbours of its best one.
        best = np.flatnonzero(common)[mean[common].argmin()]
        np.testing.assert_allclose(powers[~common], powers[best] + np.array([-2, -1, 1, 2]) / 3, rtol=0, atol=1e-9)
        assert np.all(np.diff(grid) > 0)
        assert method.step_size == method.step_grid[mean.argmin()]
        assert method.at_edge == (best in (0, len(grid) - 1))
        assert method.diverged_rate == 0
    # The pilots are what `simulate` gives with another seed, one step size at a time.
    method = found["coarse"]
    code = replace(designed(), family="coarse", quantizer=StochasticLevels(np.full(4, 2)))
    alone = run(
        code,
        n_iters=25,
        n_runs=2,
        seed=7 + comparing.PILOT_SEED_SHIFT,
        step_size=ConstantStep(method.step_size),
        checkpoints=[25],
    )
    np.testing.assert_allclose(method.pilot_loss[best_index(method)], alone.loss[:, -1], rtol=1e-12)
    assert found["wait_for_all"].step_size >= method.step_size


@pytest.mark.parametrize(("grid", "best"), [((0.075, 0.6, 4.8), 1.2), ((0.0012, 1.2, 1200.0), 1.2)])
def test_a_step_between_two_of_the_grid_is_taken_when_it_is_better(grid, best):
    """In units of 1/L: gradient descent likes 1.2 more than 0.6 and 2.4, and more than 0.12 and 12."""
    schemes = coded_schemes(Setting(PROBLEM, DELAY), [], deadline_s=1.1)
    found = compare(schemes, n_iters=25, n_runs=2, seed=7, step_grid=grid).methods[0]
    assert found.step_size * PROBLEM.regularity.smoothness == pytest.approx(best, rel=1e-12)
    assert len(found.step_grid) == len(grid) + len(REFINEMENT)
    assert not found.at_edge
    ends = [
        run(None, n_iters=25, n_runs=2, step_size=ConstantStep(float(step)), checkpoints=[25]).loss.mean()
        for step in (found.step_size, 0.5 * found.step_size, 2 * found.step_size)
    ]
    assert min(ends) == ends[0] == found.trajectory.loss[:, -1].mean()


def best_index(method: Method) -> int:
    return int(method.pilot_loss.mean(axis=1).argmin())


@pytest.mark.parametrize(
    ("options", "match"),
    [({"step_grid": [1.0]}, "at least 2"), ({"step_grid": [1.0, 0.5]}, "ascending"), ({"pilot_runs": 0}, "1 run")],
)
def test_a_bad_grid_is_refused(options, match):
    with pytest.raises(InputError, match=match):
        comparison(**options)


def test_a_family_twice_is_refused():
    twice = coded_schemes(Setting(PROBLEM, DELAY), [designed(), designed()], deadline_s=1.0)
    with pytest.raises(InputError, match="each name once"):
        compare(twice, n_iters=2, n_runs=2, seed=0)


def with_losses(losses: dict[str, FloatArray]) -> Comparison:
    """A comparison whose methods end at these losses (R,)."""

    def method(name: str, final: FloatArray) -> Method:
        curve = final[:, None]
        trajectory = Trajectory(np.array([9]), curve, curve, curve, curve, curve, curve, curve)
        return Method(name, 0.1, trajectory, np.array([0.1]), np.array([[1.0]]), False)

    return Comparison(tuple(method(name, final) for name, final in losses.items()))


@pytest.mark.parametrize("seed", range(8))
def test_separation_is_the_closure_of_paired_t_tests(seed):
    """Holm's p-value of a method is the largest Bonferroni p-value over all sets of methods with it in."""
    rng = np.random.default_rng(seed)
    base, n_runs = rng.standard_normal(30), 30
    shifts = {"a": 0.0, "b": 0.35, "c": -0.35, "d": 0.3}
    losses = {name: base + shift + rng.standard_normal(n_runs) * 0.7 for name, shift in shifts.items()}
    found = {s.name: s for s in separation(with_losses({"base": base} | losses), "base", level=0.05)}
    raw = {name: stats.ttest_rel(loss, base).pvalue for name, loss in losses.items()}
    for name, result in found.items():
        sets = [s for size in range(1, 5) for s in combinations(raw, size) if name in s]
        expected = max(min(1.0, len(s) * min(raw[n] for n in s)) for s in sets)
        assert result.p_value == pytest.approx(expected, rel=1e-9)
        assert result.is_separated == (expected <= 0.05)
        interval = stats.ttest_rel(losses[name], base).confidence_interval(1 - 0.05 / 4)
        assert (result.low, result.high) == pytest.approx(tuple(interval), rel=1e-9)


def test_separation_counts_only_pairs_that_both_finished():
    base = np.arange(5.0)
    losses = {"base": base, "lost": np.array([1, np.inf, 2, 4, 4.5]), "gone": np.full(5, np.inf), "same": base}
    lost, gone, same = separation(with_losses(losses), "base")
    assert (lost.n_pairs, gone.n_pairs, same.n_pairs) == (4, 0, 5)
    assert not gone.is_separated
    assert (same.p_value, same.difference, same.is_separated) == (1.0, 0.0, False)
    with pytest.raises(InputError, match="choose one of base, lost, gone, same"):
        separation(with_losses(losses), "nobody")


def test_a_diverged_run_of_either_forbids_separation():
    """The pairs that are left were chosen by the outcome, however clear they look."""
    rng = np.random.default_rng(3)
    base = rng.standard_normal(20)
    worse = base + 5 + 0.1 * rng.standard_normal(20)
    spoilt, base_spoilt = worse.copy(), base.copy()
    spoilt[4], base_spoilt[7] = np.inf, np.inf
    for losses in ({"base": base, "m": spoilt}, {"base": base_spoilt, "m": worse}):
        (found,) = separation(with_losses(losses), "base")
        assert (found.n_pairs, found.is_separated) == (19, False)
        assert found.p_value < 1e-9
        assert found.difference == pytest.approx(5, abs=0.2)
    (found,) = separation(with_losses({"base": base, "m": worse}), "base")
    assert (found.n_pairs, found.is_separated) == (20, True)


def test_differences_without_spread_prove_nothing():
    base = np.array([1.0, 2.0, 4.0])
    (found,) = separation(with_losses({"base": base, "m": base + 0.5}), "base")
    assert (found.difference, found.p_value, found.is_separated) == (0.5, 1.0, False)


def test_costs_are_medians_and_keep_waits_without_end_in_view():
    values = np.array([[0.0, 1.0, 9.0], [0.0, 2.0, np.inf], [0.0, 6.0, 3.0]])
    np.testing.assert_array_equal(typical(values), [0, 2, 9])
    np.testing.assert_array_equal(typical(np.vstack([values, [0, 4.0, np.inf]])), [0, 3, np.inf])
    loss = np.array([[4.0, 2.0, 1.0], [8.0, 4.0, 2.0], [6.0, 3.0, 1.5]])
    trajectory = Trajectory(np.array([0, 10, 30]), loss, loss, loss, loss, values, 100 * values, values)
    method = Method("m", 0.1, trajectory, np.array([0.1]), np.array([[1.0]]), False)
    assert cost_to_reach(method, 3.0) == Cost(10, 2.0, 200.0)
    assert cost_to_reach(method, 2.9) == Cost(30, 9.0, 900.0)
    assert cost_to_reach(method, 1.4) is None


def test_mean_band_is_the_t_interval():
    samples = np.random.default_rng(2).lognormal(size=(12, 3))
    mean, low, high = mean_band(samples, 0.9)
    expected = stats.t.interval(0.9, 11, loc=samples.mean(axis=0), scale=stats.sem(samples, axis=0))
    np.testing.assert_allclose([low, high], expected)
    np.testing.assert_allclose(mean, samples.mean(axis=0))
    in_logs = mean_band(samples, 0.9, scale="log")
    np.testing.assert_allclose(in_logs, np.exp(mean_band(np.log(samples), 0.9)))
    spoilt = np.vstack([samples, [1.0, np.inf, np.inf]])
    np.testing.assert_array_equal(mean_band(spoilt, 0.9), mean_band(samples, 0.9))
    assert np.all(np.isnan(mean_band(np.full((2, 3), np.inf))))
    assert np.all(np.isinf(mean_band(samples[:1])[1]))
    with pytest.raises(InputError, match="positive"):
        mean_band(-samples, scale="log")
