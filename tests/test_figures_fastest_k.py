"""Figures of fastest_k: exact values, findings that judge both ways, simulated means against plain loops."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from figures import quantities
from figures.claims import Outcome
from figures.fastest_k import digits, draw, fig1, fig2, fig3, fig4, fig5, fig6, regression
from figures.fastest_k.progress import ADAPTIVE, Progress, at_times, grouped, races, reached, windows
from figures.work import Work
from workbench.core.types import FloatArray
from workbench.datasets import mnist
from workbench.engine.setup import build_problem
from workbench.engine.store import Store

FALSE_ALARM = 1e-6  # of a whole comparison, shared by its cells
REGRESSION: dict[str, Any] = {
    "dim": 5,
    "n_samples": 100,
    "step_size": 0.008,
    "burn_in": 5,
    "n_runs": 40,
    "n_iters": 120,
    "n_points": 6,
}
READING = "m = 60, gradient of each label"
DIGITS: dict[str, Any] = {
    "n_runs": 24,
    "n_iters": 50,
    "n_slow_iters": 25,
    "n_points": 6,
    "readings": (READING,),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Simulate here, once for all tests of the module."""
    return Work(Store(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module", autouse=True)
def synthetic_images() -> Iterator[None]:
    """Stand in for the digits: ten noisy prototypes, so that nothing is fetched."""
    rng = np.random.default_rng(20261128)
    labels = np.arange(200) % 10  # (200,)
    images = np.clip(rng.random((10, 784))[labels] + 0.3 * rng.standard_normal((200, 784)), 0, 1)
    patch = pytest.MonkeyPatch()
    patch.setattr(mnist, "load", lambda: (0.8 * images, labels))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def regressed(work: Work) -> dict[str, Progress]:
    """Section V-A, small."""
    return regression.simulated(3, work, **REGRESSION)


@pytest.fixture(scope="module")
def classified(work: Work) -> dict[str, dict[str, Progress]]:
    """Section V-B, small."""
    return digits.simulated(3, work, **DIGITS)


# ---- Example 1 -------------------------------------------------------------------------------------------


def test_fig1_is_the_printed_bound() -> None:
    """Equation (6) by hand, and the adaptive curve where it switches."""
    data = quantities.arrays(fig1.fig1_data(n_times=9))
    for w, k in enumerate(data["n_wait"]):
        mean = sum(1 / (5.0 * i) for i in range(5 - k + 1, 6))
        floor = 0.001 * 2 * 10 / (2 * 1 * k * 10)
        expected = floor + (1 - 0.001) ** (data["time_s"] / mean) * (100 - floor)
        np.testing.assert_allclose(data["fixed"][w], expected, rtol=1e-9)
    np.testing.assert_allclose(data["adaptive"], data["optimal"], rtol=1e-12)
    assert np.all(data["adaptive"] <= data["fixed"].min(axis=0) * (1 + 1e-12))


def test_fig2_has_the_times_that_the_ledger_proves() -> None:
    data = quantities.arrays(fig2.fig2_data(n_times=161))
    np.testing.assert_array_equal(data["fixed_switch_s"][:, [0, -1]], [[27450, 165558], [1098, 6623]])
    np.testing.assert_array_equal(np.ceil(data["adaptive_switch_s"][:, 0]), [12423, 497])
    np.testing.assert_allclose(data["adaptive_switch_s"][0], 25 * data["adaptive_switch_s"][1], rtol=1e-9)
    for name, switches in (("best_fixed", data["fixed_switch_s"]), ("best_adaptive", data["adaptive_switch_s"])):
        expected = 1 + np.searchsorted(switches[1], data["time_s"], side="right")
        np.testing.assert_array_equal(data[name], expected)


def test_findings_of_example_1_judge_both_ways() -> None:
    data = quantities.arrays(fig1.fig1_data(n_times=101))
    found = fig1.fig1_claims(data)
    assert found["fig1_one_is_lowest_before_1098"].outcome is Outcome.OPEN
    assert found["fig1_adaptive_is_lowest"].outcome is Outcome.REPRODUCED
    worse = fig1.fig1_claims({**data, "adaptive": data["fixed"][0], "mean_wait": data["mean_wait"][::-1]})
    for key in ("fig1_adaptive_is_lowest", "fig1_below_the_floor_of_one", "fig1_one_falls_fastest_at_first"):
        assert found[key].outcome is Outcome.REPRODUCED
        assert worse[key].outcome is Outcome.NOT_REPRODUCED
    agreed = fig1.fig1_claims({**data, "at_quoted": np.repeat(data["at_quoted"][1:], 2, axis=0)})
    assert agreed["fig1_one_is_lowest_before_1098"].outcome is Outcome.REPRODUCED

    steps = quantities.arrays(fig2.fig2_data(n_times=101))
    assert fig2.fig2_claims(steps)["fig2_fixed_one_until_1098"].outcome is Outcome.OPEN
    assert fig2.fig2_claims(steps)["fig2_adaptive_one_until_589"].outcome is Outcome.NOT_REPRODUCED
    quoted = {**steps, "adaptive_switch_s": steps["adaptive_switch_s"] * 0 + 588.5}
    assert fig2.fig2_claims(quoted)["fig2_adaptive_one_until_589"].outcome is Outcome.REPRODUCED
    stuck = fig2.fig2_claims({**steps, "best_adaptive": np.minimum(2 * steps["best_adaptive"] - 1, 4)})
    for key in ("fig2_adaptive_reaches_all", "fig2_gradually_increased"):
        assert fig2.fig2_claims(steps)[key].outcome is Outcome.REPRODUCED
        assert stuck[key].outcome is Outcome.NOT_REPRODUCED


# ---- how far runs are ------------------------------------------------------------------------------------


def test_windows_end_at_their_points() -> None:
    assert windows(40, 2, 3) == [[0], [1], [2], [4], [8], [16], [18, 19, 20], [38, 39, 40]]


def test_errors_are_reached_where_a_straight_line_in_their_logarithm_is() -> None:
    """e = 10^(2 − t) is 10^0.5 at 1.5; a run that never comes there has no time; a grid beyond the end has no value."""
    clock = np.tile(np.arange(4.0), (2, 1))  # (2, 4)
    error = np.array([10 ** (2 - clock[0]), [100.0, 50, 50, 50]])
    np.testing.assert_allclose(reached(error, clock, 10**0.5), [1.5, np.nan])
    np.testing.assert_allclose(reached(error, clock, 1000.0), [0, 0])
    read = at_times(error, clock, np.array([0, 0.5, 3, 3.5]))
    np.testing.assert_allclose(read, [[100, 10**1.5, 0.1, np.nan], [100, np.sqrt(5000), 50, np.nan]])
    np.testing.assert_array_equal(grouped(np.arange(20.0)), np.arange(0.5, 20, 2))


def test_a_fixed_k_that_never_arrives_is_no_rival() -> None:
    """And one that does is, exact ties included."""
    clock = np.tile(np.arange(5.0), (2, 4, 1))  # (schemes, R, points)
    error = np.stack([np.full((4, 5), 3.0), np.tile(10.0 ** -np.arange(5.0), (4, 1))])
    names = np.array(["fastest_2", ADAPTIVE])
    (alone,) = races(error, clock, names, [0.01])
    assert (alone.best, alone.outcome) == ("no fixed k", Outcome.REPRODUCED)
    (tied,) = races(error[[1, 1]], clock, names, [0.01])
    assert (tied.best, tied.outcome) == ("k = 2", Outcome.NOT_REPRODUCED)
    assert races(error[::-1], clock, names, [0.01]) == []


# ---- findings on planted curves --------------------------------------------------------------------------


def falling(start: float, floor: float, decay_s: float, seconds: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Errors of 20 runs that fall exponentially, with a little noise, shape (20, points)."""
    noise = np.exp(0.002 * rng.standard_normal((20, len(seconds))))
    return (floor + (start - floor) * np.exp(-seconds / decay_s)) * noise


def planted_regression(order: tuple[int, ...] = (0, 1, 2, 3, 4)) -> dict[str, Any]:
    """Curves as the paper describes its Figs. 3 and 4; `order` says which scheme has which."""
    rng, seconds = np.random.default_rng(1), np.linspace(0, 9000, 361)
    decades = np.log(1e5 / 1e-3)
    shapes = [(1e-2, 2400 / decades), (5e-3, 3500 / decades), (2.5e-3, 4500 / decades), (1e-3, 6000 / decades)]
    shapes.append((1e-3, 2000 / decades))
    error = np.stack([falling(1e5, floor, decay, seconds, rng) for floor, decay in shapes])[list(order)]
    clock = np.tile(seconds, (5, 20, 1))
    costs = {"seconds_of_run": clock, "downloads_of_run": clock, "transfers_of_run": clock}
    return {
        "scheme": np.array(regression.SCHEMES),
        "error_of_run": error,
        "level": error[:, :, -30:].mean(axis=2),
        **costs,
    }


def test_findings_on_regression_judge_both_ways() -> None:
    """What the paper says is found where it is so, and not where k = 40 is the fast one and the others are not."""
    good, bad = planted_regression(), planted_regression((3, 2, 3, 4, 3))
    for claims in (fig3.fig3_claims, fig4.fig4_claims):
        assert {each.outcome for each in claims(good).values()} == {Outcome.REPRODUCED}
        for key, each in claims(bad).items():
            assert each.outcome is Outcome.NOT_REPRODUCED, (key, each.explanation)
    crossing = good | {"error_of_run": good["error_of_run"].copy()}
    crossing["error_of_run"][0] = good["error_of_run"][4] ** 2 / 1e5 + 1e-2  # twice as fast, to a higher floor
    assert fig3.fig3_claims(crossing)["fig3_better_trade_off"].outcome is Outcome.OPEN


def planted_digits(order: tuple[int, ...] = (0, 1, 2, 3)) -> dict[str, Any]:
    """Curves as the paper describes its Figs. 5 and 6, one reading; `order` says which scheme has which."""
    rng, seconds = np.random.default_rng(2), np.linspace(0, 20000, 801)
    shapes = [
        (0.25, 500.0, 1.0),
        (0.195, 1200.0, 1.0),
        (0.195, 2400.0, 1.0),
        (0.19, 1700 / np.log(0.51 / 0.0095), 1.05),
    ]
    error = np.stack([falling(0.7, floor, decay, seconds, rng) for floor, decay, _ in shapes])
    clock = np.tile(seconds, (4, 20, 1))
    to_high = [-decay * np.log((0.45 - floor) / (0.7 - floor)) for floor, decay, _ in shapes]  # seconds to 0.45
    sent = clock * np.array([cost / time for time, (_, _, cost) in zip(to_high, shapes, strict=True)])[:, None, None]
    places = list(order)
    return {
        "scheme": np.array(digits.SCHEMES),
        "error_of_run": error[places],
        "seconds_of_run": clock[places],
        "downloads_of_run": clock[places],
        "transfers_of_run": sent[places],
    }


def readings(*planted: dict[str, Any]) -> dict[str, Any]:
    """Put planted curves side by side, each as one reading of the paper."""
    names = [name for name in planted[0] if name != "scheme"]
    together: dict[str, Any] = {name: np.stack([each[name] for each in planted]) for name in names}
    return together | {"scheme": planted[0]["scheme"], "reading": np.array([f"r{i}" for i in range(len(planted))])}


def test_findings_on_digits_judge_both_ways_and_see_what_is_open() -> None:
    good, bad = planted_digits(), planted_digits((3, 1, 0, 2))
    cases = {Outcome.REPRODUCED: (good, good), Outcome.NOT_REPRODUCED: (bad, bad), Outcome.OPEN: (good, bad)}
    for outcome, planted in cases.items():
        data = readings(*planted)
        for key, each in {**fig5.fig5_claims(data), **fig6.fig6_claims(data)}.items():
            assert each.outcome is outcome, (key, each.explanation)


def test_a_log_loss_that_still_falls_has_no_lowest() -> None:
    """Runs that stop at 2000 s would be lowest just there."""
    data = readings(planted_digits())
    early = {name: each[..., :81] if name.endswith("_of_run") else each for name, each in data.items()}
    assert fig5.fig5_claims(early)["fig5_lowest_error_at_1700"].outcome is Outcome.INCONCLUSIVE


# ---- simulated numbers -----------------------------------------------------------------------------------


def test_figures_of_one_setting_share_their_simulations(tmp_path: Path) -> None:
    """Fig. 4 simulates nothing after Fig. 3, Fig. 6 nothing after Fig. 5; the same numbers from an empty store."""
    small = {**REGRESSION, "n_runs": 2, "n_iters": 30, "n_points": 2}
    few = {**DIGITS, "n_runs": 2, "n_iters": 6, "n_slow_iters": 4, "n_points": 4}
    done: list[str] = []
    shared = Work(Store(tmp_path / "a"), done=done.append)
    pairs: list[tuple[Callable[..., Any], Callable[..., Any], dict[str, Any], int]] = [
        (fig3.fig3_data, fig4.fig4_data, small, 5),
        (fig5.fig5_data, fig6.fig6_data, few, 4),
    ]
    kept = []
    for first, second, sizes, n_simulations in pairs:
        done.clear()
        data = quantities.arrays(first(seed=1, work=shared, **sizes))
        kept.append(data)
        assert len(done) == n_simulations
        other = quantities.arrays(second(seed=1, work=shared, **sizes))
        assert len(done) == n_simulations
        np.testing.assert_array_equal(data["error_of_run"], other["error_of_run"])
    again = quantities.arrays(fig3.fig3_data(seed=1, work=Work(Store(tmp_path / "b")), **small))
    for name, values in kept[0].items():
        np.testing.assert_array_equal(values, again[name])


def test_costs_are_those_of_the_rounds(
    regressed: dict[str, Progress], classified: dict[str, dict[str, Progress]]
) -> None:
    """k gradients a round and n iterates; time, costs and k never go back; the adaptive runs do grow."""
    at = np.array([np.mean(each) for each in windows(120, 6, regression.WIDTH)])  # (points,)
    for k in regression.WAITS:
        own = regressed[f"fastest_{k}"]
        np.testing.assert_allclose(own.downloads, np.tile(k * at, (40, 1)))
        np.testing.assert_allclose(own.transfers - own.downloads, np.tile(50 * at, (40, 1)))
    for each in (*regressed.values(), *classified[READING].values()):
        for values in (each.seconds, each.downloads, each.transfers, each.n_wait):
            assert np.all(np.diff(values, axis=1) >= 0)
        assert np.all(each.error > 0)
    for own, first in ((regressed[ADAPTIVE], 10), (classified[READING][ADAPTIVE], 2)):
        assert own.n_wait[:, 0].max() == first
        assert own.n_wait[:, -1].max() >= 2 * first
    alike = classified[READING][ADAPTIVE].n_wait == 2  # until it grows it is k = 2
    both = [classified[READING][name].error[alike] for name in (ADAPTIVE, "fastest_2")]
    np.testing.assert_array_equal(*both)


def compare_means(ours: list[FloatArray], plain: list[FloatArray]) -> None:
    """Welch's t-test of every cell of samples (R, ...), at a false alarm of 1e-6 over all."""
    n_cells = sum(each[0].size for each in ours)
    for a, b in zip(ours, plain, strict=True):
        spread = a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b)
        limit = stats.t.isf(FALSE_ALARM / 2 / n_cells, min(len(a), len(b)) - 1)
        difference = np.abs(a.mean(axis=0) - b.mean(axis=0))
        assert np.all(difference <= limit * np.sqrt(spread) + 1e-9 * np.abs(b.mean(axis=0)))


def follow(
    gradient: Callable[[int, FloatArray], FloatArray],
    start: FloatArray,
    *,
    n_workers: int,
    rate: float,
    step: float,
    n_iters: int,
    wait: Callable[[int], int],
    first: int,
    most: int,
    burn_in: int,
    threshold: float,
    rng: np.random.Generator,
) -> Iterator[tuple[FloatArray, float, int]]:
    """One run, worker by worker: iterate, seconds and gradients sent after every round [eq. 5, Algorithm 1]."""
    w, seconds, sent, k = start, 0.0, 0, first
    count_negative, count_iter, before = 0, 1, None
    yield w, seconds, sent
    for _ in range(n_iters):
        times = rng.exponential(1 / rate, n_workers)
        fastest = np.argsort(times)[:k]
        estimate = sum((gradient(int(worker), w) for worker in fastest), np.zeros_like(w)) / k
        w, seconds, sent = w - step * estimate, seconds + times[fastest[-1]], sent + k
        if before is not None:
            count_negative += 1 if float(np.vdot(estimate, before)) < 0 else -1
        if count_negative > threshold and count_iter > burn_in and wait(k) <= most:
            k, count_negative, count_iter = wait(k), 0, 0
        count_iter, before = count_iter + 1, estimate
        yield w, seconds, sent


@pytest.mark.parametrize("name", ["fastest_10", "fastest_40", ADAPTIVE])
def test_regression_is_a_plain_loop_in_the_mean(regressed: dict[str, Progress], name: str) -> None:
    """Logarithm of the error, seconds and gradients sent after 1, 8 and 111 to 120 rounds."""
    table = regression.problem(3, dim=5, n_samples=100)
    problem: Any = build_problem(table.pop("kind"), 50, **table)
    rows, labels = problem.design * 10.0, problem.target * 10.0  # of the sum: √100 times as large
    optimum = np.linalg.lstsq(rows.reshape(100, 5), labels.ravel(), rcond=None)[0]

    def mean_loss(w: FloatArray) -> float:
        return float(np.square(rows.reshape(100, 5) @ w - labels.ravel()).sum() / 2 / 100)

    def gradient(worker: int, w: FloatArray) -> FloatArray:
        return np.asarray(rows[worker].T @ (rows[worker] @ w - labels[worker]) / 2)  # eq. 3, s = 2

    first = 10 if name == ADAPTIVE else int(name.split("_")[1])
    rng, runs = np.random.default_rng(7), []
    for _ in range(30):
        path = follow(
            gradient,
            np.zeros(5),
            n_workers=50,
            rate=1.0,
            step=REGRESSION["step_size"],
            n_iters=120,
            wait=lambda k: k + 10,
            first=first,
            most=40,
            burn_in=REGRESSION["burn_in"],
            threshold=10 if name == ADAPTIVE else np.inf,
            rng=rng,
        )
        measured = np.array([[mean_loss(w) - mean_loss(optimum), seconds, sent] for w, seconds, sent in path])
        runs.append(np.stack([measured[1], measured[8], measured[111:].mean(axis=0)]))
    plain, own = np.array(runs), regressed[name]  # (30, 3, 3)
    points = [1, 4, -1]  # of the windows [0], [1], [2], [4], [8], ..., [111, ..., 120]
    compare_means(
        [np.log(own.error[:, points]), own.seconds[:, points], own.downloads[:, points]],
        [np.log(plain[:, :, 0]), plain[:, :, 1], plain[:, :, 2]],
    )


@pytest.mark.parametrize("name", ["fastest_2", "fastest_8", ADAPTIVE])
def test_digits_are_a_plain_loop_in_the_mean(classified: dict[str, dict[str, Progress]], name: str) -> None:
    """Log-loss, seconds and gradients sent at the last checkpoint."""
    table = digits.document(3, READING, slow=False, n_runs=1, n_iters=1, n_points=2)["problem"]
    problem: Any = build_problem(table.pop("kind"), 20, **table)
    features, signs = problem.features.astype(float).reshape(20, 3, 785), problem.signs.reshape(10, 20, 3)

    def gradient(worker: int, w: FloatArray) -> FloatArray:
        """Each label's own mean log-loss over the worker's three images, and its ridge, shape (10, 785)."""
        own = features[worker]  # (3, 785)
        slope = -signs[:, worker] / (1 + np.exp(signs[:, worker] * (w @ own.T)))  # (10, 3)
        return np.asarray(slope @ own / 3 + digits.RIDGE * w)

    def loss(w: FloatArray) -> float:
        scores = np.einsum("wsf,lf->lws", features, w)
        return float(np.logaddexp(0, -signs * scores).sum() / 600 + digits.RIDGE / 20 * np.square(w).sum())

    adaptive, own = name == ADAPTIVE, classified[READING][name]
    n_iters = 25 if name == "fastest_8" else 50
    rng, runs = np.random.default_rng(8), []
    for _ in range(20):
        path = follow(
            gradient,
            np.zeros((10, 785)),
            n_workers=20,
            rate=1 / 50,
            step=digits.STEP_SIZE,
            n_iters=n_iters,
            wait=lambda k: 2 * k,
            first=2 if adaptive else int(name.split("_")[1]),
            most=8,
            burn_in=30,
            threshold=20 if adaptive else np.inf,
            rng=rng,
        )
        *_, (w, seconds, sent) = path
        runs.append([loss(w), seconds, sent])
    plain = np.array(runs)  # (20, 3)
    compare_means(
        [own.error[:, -1:], own.seconds[:, -1:], own.downloads[:, -1:]], [plain[:, :1], plain[:, 1:2], plain[:, 2:]]
    )


# ---- drawings --------------------------------------------------------------------------------------------


def test_every_panel_is_drawn_and_named(work: Work) -> None:
    drawn = {
        draw.fig1_draw: (fig1.fig1_data(n_times=21), 1),
        draw.fig2_draw: (fig2.fig2_data(n_times=21), 2),
        draw.fig3_draw: (fig3.fig3_data(seed=3, work=work, end_s=20.0, **REGRESSION), 1),
        draw.fig4_draw: (fig4.fig4_data(seed=3, work=work, **REGRESSION), 2),
        draw.fig5_draw: (fig5.fig5_data(seed=3, work=work, end_s=500.0, **DIGITS), 1),
        draw.fig6_draw: (fig6.fig6_data(seed=3, work=work, **DIGITS), 2),
    }
    for function, (data, n_panels) in drawn.items():
        figure = function(quantities.arrays(data))
        figure.draw_without_rendering()
        assert len(figure.axes) == n_panels
        assert all(ax.lines for ax in figure.axes)
        assert figure.axes[0].get_ylabel()
        assert figure.axes[-1].get_xlabel()
