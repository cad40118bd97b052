"""Switch times: the printed formulas, the differential equation behind them, and every other policy on a grid."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.solvers.switch_times import (
    WaitPolicy,
    advantage,
    decay_rate,
    envelope,
    error_floors,
    fixed,
    theorem_1,
)

DECAY = decay_rate(0.001, 1.0)


def exponential_waits(n_workers: int, rate: float, shift: float = 0.0) -> FloatArray:
    """μ_k of independent (shifted) exponential response times [eq. 7]."""
    return shift + np.cumsum(1 / np.arange(n_workers, 0, -1)) / rate


def floors(n_workers: int, floor: float = 1e-3, *, replacement: bool = True) -> FloatArray:
    """A/k."""
    constants = {"step_size": 0.001, "smoothness": 2.0, "strong_convexity": 1.0, "worker_var": floor / 0.001}
    return error_floors(**constants, n_workers=n_workers, replacement=replacement)


def step_error(error: FloatArray, k: int, seconds: float, floor: FloatArray, mean_wait: FloatArray) -> FloatArray:
    """Solve (19) for one wait count."""
    return floor[k] + (error - floor[k]) * np.exp(-DECAY * seconds / mean_wait[k])


@st.composite
def instances(draw: st.DrawFn, most_workers: int = 8) -> tuple[FloatArray, FloatArray, float]:
    """Floors, mean waits and gap: waits may be equal, floors with and without replacement, gaps small and large."""
    n_workers = draw(st.integers(2, most_workers))
    longer = draw(st.lists(st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0]), min_size=n_workers - 1, max_size=n_workers - 1))
    waits = np.cumsum([draw(st.sampled_from([0.01, 1.0])), *longer])
    floor = floors(n_workers, 1.0, replacement=draw(st.booleans()))
    return floor, waits, draw(st.floats(0.05, 200.0))


# ---- the constants --------------------------------------------------------------------------------------


def test_floors_and_decay_are_those_of_proposition_1() -> None:
    eta, smoothness, convexity, sigma_sq, samples = 0.003, 7.0, 0.4, 11.0, 10
    constants = {"step_size": eta, "smoothness": smoothness, "strong_convexity": convexity}
    floor = error_floors(**constants, worker_var=sigma_sq / samples, n_workers=4)
    for k in (1, 2, 3, 4):
        assert floor[k - 1] == pytest.approx(eta * smoothness * sigma_sq / (2 * convexity * k * samples), rel=1e-14)
    distinct = error_floors(**constants, worker_var=sigma_sq / samples, n_workers=4, replacement=False)
    np.testing.assert_allclose(distinct, floor * [1, 2 / 3, 1 / 3, 0], rtol=1e-14)
    assert np.exp(-decay_rate(eta, convexity)) == pytest.approx(1 - eta * convexity, rel=1e-14)
    assert error_floors(**constants, worker_var=1.0, n_workers=1, replacement=False)[0] > 0


# ---- Theorem 1 and Example 1 -----------------------------------------------------------------------------


def printed_times(
    mean_wait: FloatArray, *, eta: float, smoothness: float, c: float, sigma_sq: float, s: float, gap: float
) -> FloatArray:
    """Theorem 1 letter by letter, with the error at the last switch by (24)."""
    alpha, times, error = -np.log(1 - eta * c), [0.0], gap
    for k in range(1, len(mean_wait)):
        now, later = mean_wait[k - 1], mean_wait[k]
        logs = (
            np.log(later - now)
            - np.log(eta * smoothness * sigma_sq * now)
            + np.log(2 * c * k * (k + 1) * s * error - eta * smoothness * (k + 1) * sigma_sq)
        )
        times.append(times[-1] + now / alpha * logs)
        floor = eta * smoothness * sigma_sq / (2 * c * k * s)
        error = floor + np.exp(-alpha * (times[-1] - times[-2]) / now) * (error - floor)
    return np.array(times[1:])


EXAMPLE = {"eta": 0.001, "smoothness": 2.0, "c": 1.0, "sigma_sq": 10.0, "s": 10.0, "gap": 100.0}


def of_example(policy: object, rate: float, s: float = 10.0) -> WaitPolicy:
    floor = error_floors(step_size=0.001, smoothness=2, strong_convexity=1, worker_var=10 / s, n_workers=5)
    return policy(floor, exponential_waits(5, rate), decay=DECAY, gap=100.0)


@pytest.mark.parametrize("rate", [0.2, 5.0])
def test_theorem_1_is_what_is_printed(rate: float) -> None:
    for samples in (10.0, 100.0):
        policy = of_example(theorem_1, rate, samples)
        np.testing.assert_allclose(
            policy.switch_s, printed_times(exponential_waits(5, rate), **EXAMPLE | {"s": samples}), rtol=1e-10
        )
        np.testing.assert_array_equal(policy.n_wait, [1, 2, 3, 4, 5])


def fixed_crossings(rate: float, s: float) -> list[float]:
    """When waiting for k + 1 throughout overtakes waiting for k throughout."""
    curves = [of_example(lambda *a, k=k, **b: fixed(k, *a, **b), rate, s) for k in range(1, 6)]
    behind = [lambda t, now=now, later=later: float(now.error(t) - later.error(t)) for now, later in pairwise(curves)]
    return [brentq(each, 1500 / rate, 100_000 / rate) for each in behind]


def test_example_1_has_no_reading_that_gives_all_its_numbers() -> None:
    """1098 and 6623 (rounded up) are of rate λ = 5, so of mean 1/5, where λ = 1/5 is printed; 589 needs s = 100.

    Both numbers depend on the rate, which scales all times, and on the ratio of gap and floor. That ratio follows
    from 6623/1098 alone, and then the switch at 589 would have to be at 497.
    """
    as_printed = fixed_crossings(0.2, 10.0)
    np.testing.assert_allclose(as_printed, 25 * np.array(fixed_crossings(5.0, 10.0)), rtol=1e-9)
    assert min(as_printed) > 27_000
    crossings = fixed_crossings(5.0, 10.0)
    assert [int(np.ceil(crossings[0])), int(np.ceil(crossings[-1]))] == [1098, 6623]
    assert of_example(theorem_1, 5.0).switch_s[0] == pytest.approx(496.92, abs=0.005)
    assert int(np.ceil(of_example(theorem_1, 5.0, s=100.0).switch_s[0])) == 589
    other = fixed_crossings(5.0, 100.0)
    assert [int(np.ceil(other[0])), int(np.ceil(other[-1]))] == [1306, 7674]
    for samples in (5.0, 20.0):  # half and twice the floor already give another ratio
        near = fixed_crossings(5.0, samples)
        assert abs(near[-1] / near[0] - 6623 / 1098) > 5 * (0.5 / 6623 + 0.5 / 1098) * 6623 / 1098


def test_where_the_logarithm_has_nothing_positive_the_next_takes_over_at_once() -> None:
    floor, waits = floors(5, 1.0), np.array([1.0, 1.0, 2.0, 2.0, 9.0])
    policy = theorem_1(floor, waits, decay=DECAY, gap=50.0)
    np.testing.assert_array_equal(policy.n_wait, [2, 4, 5])  # μ_2 = μ_1 and μ_4 = μ_3
    below = theorem_1(floor, exponential_waits(5, 1.0), decay=DECAY, gap=0.9)  # below the floor of k = 1
    assert below.n_wait[0] > 1
    assert below.start_s[0] == 0
    assert below.start_error[0] == 0.9
    lowest = theorem_1(floor, exponential_waits(5, 1.0), decay=DECAY, gap=0.1)  # below every floor
    np.testing.assert_array_equal(lowest.n_wait, [5])
    assert lowest.error(1e9) == pytest.approx(0.2)


def test_a_switch_that_theorem_1_puts_before_the_last_one_is_made_with_it() -> None:
    """Tiers: from the printed t_1 on, k = 2 would take over later than k = 3 takes over from it."""
    floor, waits = floors(3, 1.0), np.array([1.0, 3.0, 3.01])
    policy = theorem_1(floor, waits, decay=DECAY, gap=50.0)
    np.testing.assert_array_equal(policy.n_wait, [1, 3])
    printed = printed_times(waits, eta=0.001, smoothness=2.0, c=1.0, sigma_sq=1000.0, s=1.0, gap=50.0)
    assert printed[1] < printed[0]
    assert policy.switch_s == pytest.approx(printed[:1], rel=1e-10)
    assert envelope(floor, waits, decay=DECAY, gap=50.0).switch_s[0] < printed[0]


@pytest.mark.parametrize("policy", [theorem_1, envelope])
def test_nobody_waits_for_who_never_answers_nor_where_there_is_no_noise(policy) -> None:
    waits = np.array([1.0, 2.0, 3.0, np.inf, np.inf])
    np.testing.assert_array_equal(policy(floors(5), waits, decay=DECAY, gap=9.0).n_wait, [1, 2, 3])
    np.testing.assert_array_equal(policy(floors(5), waits, decay=DECAY, gap=1e-4).n_wait, [3])
    silent = policy(floors(5, 0.0), waits, decay=DECAY, gap=9.0)
    np.testing.assert_array_equal(silent.n_wait, [1])
    assert silent.switch_s.size == 0


# ---- a policy's curve ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [theorem_1, envelope])
def test_the_curve_solves_the_differential_equation(policy) -> None:
    floor, waits = floors(6, 1.0), np.array([1.0, 1.2, 4.0, 4.1, 4.2, 9.0])
    found = policy(floor, waits, decay=DECAY, gap=80.0)
    end = 1.5 * found.switch_s[-1]
    edges, error = [*found.start_s, end], 80.0
    for k, begin, finish in zip(found.n_wait, edges[:-1], edges[1:], strict=True):

        def slope(_: float, e: FloatArray, k: int = k) -> FloatArray:
            return -DECAY * (e - floor[k - 1]) / waits[k - 1]

        assert found.error(begin) == pytest.approx(error, rel=1e-8)
        times = np.linspace(begin, finish, 20)
        solved = solve_ivp(slope, (begin, finish), [error], t_eval=times, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(found.error(times), solved.y[0], rtol=1e-8)
        error = solved.y[0][-1]


@given(instances())
@example(
    (np.array([1.0, 0.4, 0.2, 0.1, 0.04, 0.0]), np.array([1.0, 1.0, 1.01, 2.01, 3.01, 3.01]), 7.0)
)  # three in a point
@settings(max_examples=60, deadline=None)
def test_seconds_undo_error(instance: tuple[FloatArray, FloatArray, float]) -> None:
    floor, waits, gap = instance
    for policy in (theorem_1(floor, waits, decay=DECAY, gap=gap), envelope(floor, waits, decay=DECAY, gap=gap)):
        assert policy.error(0.0) == pytest.approx(gap, rel=1e-14)
        np.testing.assert_array_equal(policy.seconds(np.array([gap, 2 * gap])), 0.0)
        assert policy.seconds(0.99 * policy.floor[-1] if policy.floor[-1] else -1.0) == (
            np.inf if gap > policy.floor[-1] else policy.seconds(0.99 * policy.floor[-1])
        )
        if gap > policy.floor[-1]:
            assert np.all(np.diff(policy.start_s) > 0)
            assert np.all(np.diff(policy.start_error) < 0)
            last = policy.start_s[-1] + 5 * policy.mean_wait[-1] / DECAY
            times = np.unique(np.concatenate([policy.start_s, np.linspace(0, last, 50)]))
            np.testing.assert_allclose(policy.seconds(policy.error(times)), times, rtol=1e-8, atol=1e-8 * last)


# ---- the envelope is best --------------------------------------------------------------------------------


@given(instances())
@settings(max_examples=150, deadline=None)
def test_at_every_error_the_count_lowers_it_fastest(instance: tuple[FloatArray, FloatArray, float]) -> None:
    """Against all lines on a grid of errors, ties aside."""
    floor, waits, gap = instance
    policy = envelope(floor, waits, decay=DECAY, gap=gap)
    errors = np.linspace(min(gap, floor[-1]), gap, 200)[1:] if gap > floor[-1] else np.array([gap])
    rates = (errors[:, None] - floor) / waits  # (errors, W)
    phase = np.searchsorted(-policy.start_error[1:], -errors, side="right")
    used = rates[np.arange(len(errors)), policy.n_wait[phase] - 1]
    np.testing.assert_allclose(used, rates.max(axis=1), rtol=1e-12, atol=1e-12 * gap / waits[0])


@pytest.mark.parametrize("waits", [[1.0, 2.5, 2.7], [1.0, 1.05, 2.7], [1.0, 1.0, 1.2]])
def test_no_policy_on_a_grid_of_times_is_better_and_one_is_as_good(waits: list[float]) -> None:
    """All 3^8 ways to choose k in eight intervals, by exact integration; the last switch falls between two of them."""
    floor, mean_wait, gap, width = floors(3, 1.0), np.array(waits), 6.0, 0.0
    best = envelope(floor, mean_wait, decay=DECAY, gap=gap)
    assert best.n_wait.size == 2
    width = best.switch_s[-1] / 4
    errors = np.array([gap])
    for step in range(1, 9):
        errors = np.concatenate([step_error(errors, k, width, floor, mean_wait) for k in range(3)])
        assert errors.size == 3**step
        assert errors.min() == pytest.approx(best.error(step * width), rel=1e-12)


@given(instances(4), st.lists(st.tuples(st.integers(0, 3), st.floats(1.0, 3e4)), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_policy_of_any_switch_times_is_better(
    instance: tuple[FloatArray, FloatArray, float], choices: list[tuple[int, float]]
) -> None:
    floor, waits, gap = instance
    best = envelope(floor, waits, decay=DECAY, gap=gap)
    error, time = np.array(gap), 0.0
    for k, seconds in choices:
        error, time = step_error(error, k % len(floor), seconds, floor, waits), time + seconds
        assert error >= best.error(time) * (1 - 1e-10) - 1e-14


def test_dynamic_programming_finds_the_same_bound() -> None:
    """The least error on a grid of 20,000 times, each step by the best k for it, converges to the envelope's."""
    floor, waits, gap = floors(5, 1.0), np.array([1.0, 1.0, 3.0, 4.2, 9.3]), 40.0
    best = envelope(floor, waits, decay=DECAY, gap=gap)
    assert best.n_wait.size == 4
    end, worst = 1.7 * best.switch_s[-1], []
    for n_steps in (200, 20_000):
        error, ratios = gap, []
        for step in range(1, n_steps + 1):
            error = min(step_error(error, k, end / n_steps, floor, waits) for k in range(5))
            ratios.append(error / best.error(step * end / n_steps))
        assert min(ratios) >= 1 - 1e-11
        worst.append(max(ratios) - 1)
    assert worst[1] < worst[0] / 50  # a switch is late by up to a step


@given(instances(), st.floats(0.01, 100.0), st.floats(0.01, 100.0))
@settings(max_examples=60, deadline=None)
def test_units_of_time_and_error_do_not_matter(
    instance: tuple[FloatArray, FloatArray, float], time_unit: float, error_unit: float
) -> None:
    floor, waits, gap = instance
    for policy in (theorem_1, envelope):
        one = policy(floor, waits, decay=DECAY, gap=gap)
        other = policy(error_unit * floor, time_unit * waits, decay=DECAY, gap=error_unit * gap)
        if len(one.n_wait) == len(other.n_wait):  # three lines through one point may be rounded either way
            np.testing.assert_allclose(other.start_s, time_unit * one.start_s, rtol=1e-6, atol=1e-6 * time_unit)
        times = np.linspace(0, 2 * one.start_s[-1] + waits[-1] / DECAY, 40)
        np.testing.assert_allclose(other.error(time_unit * times), error_unit * one.error(times), rtol=1e-8)


# ---- Theorem 1 against the best --------------------------------------------------------------------------


@given(instances())
@settings(max_examples=150, deadline=None)
def test_theorem_1_is_never_better_and_as_good_where_the_crossings_fall(
    instance: tuple[FloatArray, FloatArray, float],
) -> None:
    floor, waits, gap = instance
    printed, best = theorem_1(floor, waits, decay=DECAY, gap=gap), envelope(floor, waits, decay=DECAY, gap=gap)
    times = np.linspace(0, 2 * max(printed.start_s[-1], best.start_s[-1]) + waits[-1], 300)
    ratio = printed.error(times) / best.error(times)
    assert ratio.min() >= 1 - 1e-9
    with np.errstate(divide="ignore"):
        crossing = floor[:-1] + waits[:-1] * (floor[:-1] - floor[1:]) / np.diff(waits)
    if np.all(np.diff(crossing[crossing < gap]) < 0) and np.all(crossing[: np.sum(crossing >= gap)] >= gap):
        np.testing.assert_allclose(ratio, 1, rtol=1e-8)
        np.testing.assert_array_equal(printed.n_wait, best.n_wait)


@pytest.mark.parametrize("n_workers", [2, 3, 5, 20, 50, 300])
@pytest.mark.parametrize("shift", [0.0, 0.1, 10.0])
@pytest.mark.parametrize("replacement", [True, False])
def test_theorem_1_is_best_for_shifted_exponential_delays(n_workers: int, shift: float, replacement: bool) -> None:
    floor, waits = floors(n_workers, replacement=replacement), exponential_waits(n_workers, 1.0, shift)
    printed, best = (policy(floor, waits, decay=DECAY, gap=100.0) for policy in (theorem_1, envelope))
    np.testing.assert_array_equal(best.n_wait, printed.n_wait)
    np.testing.assert_allclose(best.start_s, printed.start_s, rtol=1e-9)
    np.testing.assert_array_equal(printed.n_wait, np.arange(1, n_workers + 1))


def test_theorem_1_is_beaten_where_the_workers_are_of_two_kinds() -> None:
    """13 workers that take 1 s and 37 that take 1.5 s: the bound is 57 % higher, and an error reached 6 % later."""
    waits = np.repeat([1.0, 1.5], [13, 37])
    printed, best = (policy(floors(50), waits, decay=DECAY, gap=100.0) for policy in (theorem_1, envelope))
    np.testing.assert_array_equal(best.n_wait, [13, 50])
    np.testing.assert_array_equal(printed.n_wait, [13, 50])
    assert best.switch_s[0] < printed.switch_s[0]
    behind = advantage(best, printed)
    assert behind.error_ratio == pytest.approx(1.5717, abs=5e-4)
    assert behind.time_ratio == pytest.approx(1.0634, abs=5e-4)


def test_advantage_is_the_largest_ratio() -> None:
    floor, waits = floors(6, 1.0), np.repeat([1.0, 4.0], 3)
    printed, best = (policy(floor, waits, decay=DECAY, gap=100.0) for policy in (theorem_1, envelope))
    found = advantage(best, printed)
    kinks = (printed.switch_s, best.switch_s, best.seconds(printed.start_error[1:]))
    times = np.unique(np.concatenate([np.linspace(1, 4 * printed.switch_s[-1], 200_001), *kinks]))
    ratio = printed.error(times) / best.error(times)
    assert found.error_ratio == pytest.approx(ratio.max(), rel=1e-8)
    assert found.at_s == pytest.approx(times[ratio.argmax()], rel=1e-3)
    later = printed.seconds(best.error(times)) / times
    assert found.time_ratio == pytest.approx(later.max(), rel=1e-8)
    assert found.at_error == pytest.approx(best.error(times[later.argmax()]), rel=1e-2)
    same = advantage(best, best)
    assert (same.error_ratio, same.time_ratio) == pytest.approx((1, 1), rel=1e-6)
    throughout = fixed(1, floor, waits, decay=DECAY, gap=100.0)
    assert advantage(best, throughout).time_ratio == np.inf
    assert advantage(best, throughout).error_ratio == pytest.approx(6, rel=1e-4)  # of the floors


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"mean_wait": np.array([2.0, 1.0, 3.0])}, "seconds that rise with k"),
        ({"mean_wait": np.array([0.0, 1.0, 3.0])}, "positive seconds"),
        ({"mean_wait": np.array([np.inf, np.inf, np.inf])}, "positive seconds"),
        ({"mean_wait": np.array([1.0, np.inf, 3.0])}, "positive seconds"),
        ({"mean_wait": np.array([1.0, np.nan, 3.0])}, "positive seconds"),
        ({"mean_wait": np.array([1.0, 2.0])}, "one of each for every k"),
        ({"floor": np.array([1.0, 1.0, 0.5])}, "error floors fall with k"),
        ({"floor": np.array([1.0, 0.5, -0.5])}, "error floors fall with k"),
        ({"floor": np.empty(0), "mean_wait": np.empty(0)}, "one of each for every k"),
        ({"decay": 0.0}, "both must be positive"),
        ({"gap": 0.0}, "both must be positive"),
        ({"gap": np.nan}, "both must be positive"),
    ],
)
@pytest.mark.parametrize("policy", [theorem_1, envelope])
def test_values_out_of_range_are_refused(policy, change: dict[str, object], complaint: str) -> None:
    given = {"floor": floors(3), "mean_wait": np.array([1.0, 2.0, 3.0]), "decay": DECAY, "gap": 1.0} | change
    with pytest.raises(InputError, match=complaint) as caught:
        policy(**given)
    assert "\n" not in str(caught.value)


def test_constants_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        decay_rate(1.0, 1.5)
    good = {"step_size": 0.1, "smoothness": 1.0, "strong_convexity": 1.0, "worker_var": 1.0, "n_workers": 2}
    for bad in ({"smoothness": 0.0}, {"strong_convexity": np.inf}, {"worker_var": -1.0}, {"step_size": 0.0}):
        with pytest.raises(InputError, match="positive"):
            error_floors(**good | bad)
    for n_wait in (0, 4):
        with pytest.raises(InputError, match=r"give one of 1, \.\.\., 3"):
            fixed(n_wait, floors(3), np.array([1.0, 2.0, 3.0]), decay=DECAY, gap=1.0)
