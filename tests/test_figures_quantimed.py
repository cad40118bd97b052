"""Figures of quantimed: pure data, findings that can fail, and methods against plain loops over workers."""

import heapq
from dataclasses import replace
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import stdtrit

from figures.claims import Estimate, Outcome
from figures.quantimed import draw, fig2, fig3, fig4, setting, speedups
from figures.quantimed.setting import MAIN, TUNED, Case, Method
from figures.quantities import Arrays, arrays
from figures.style import scheme_style
from figures.work import Work
from workbench.core.types import FloatArray, IntArray, Trajectory
from workbench.datasets import fashion_mnist, mnist
from workbench.engine.store import Store
from workbench.engine.sweep import build_setting, plan
from workbench.topologies import mixing

FALSE_ALARM = 1e-6  # of each statistical test; the seeds are fixed
SIZE: dict[str, Any] = {
    "n_workers": 4,
    "n_hidden": {"clothing": 2, "digits": 3},
    "n_samples": {"clothing": 96, "digits": 100},
    "rounds": 8,
    "asynchronous_rounds": {"asynchronous_dsgd": 6, "asynchronous_dsgd_blocking": 5},
    "n_points": 4,
    "n_runs": 3,
    "n_variant_runs": 2,
    "n_tuned_runs": 2,
    "steps": (0.1, 0.3),
}
CASE = Case("clothing", "quantimed", 4, 2, 24, 4, 3, 2, seed=3)


def images() -> tuple[np.ndarray, IntArray]:
    """Noise with a bright bar for each class, as bytes."""
    labels = np.arange(1000) % 10
    pixels = np.random.default_rng(4).integers(0, 60, (1000, 784))
    pixels[np.arange(1000)[:, None], 78 * labels[:, None] + np.arange(60)] += 150
    return pixels.astype(np.uint8), labels


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """One process, with made-up images in place of those that must be fetched."""
    for module in (fashion_mnist, mnist):
        monkeypatch.setattr(module, "load", images)
    return Work(Store(tmp_path / "runs"))


# What is simulated.


def test_a_case_has_the_papers_parameters() -> None:
    """Section 5: (0.08/T^{1/6}, 14/T^{1/2}) and 0.015; (0.3/T^{1/6}, 15/T^{1/2}) and 0.2; T_d = b/50; T_c = 3."""
    for task, alpha, averaging, plain in (("clothing", 0.08, 14, 0.015), ("digits", 0.3, 15, 0.2)):
        for rounds in (250, 1000):
            case = replace(CASE, task=task, plan=rounds, batch_size=30)
            table = case.scheme()
            assert table["step_size"] == pytest.approx(alpha / rounds ** (1 / 6))
            assert table["mixing_step"] == pytest.approx(averaging / rounds**0.5)
            assert table["deadline_s"] == pytest.approx(30 / 50)
            assert replace(case, method="dsgd").scheme()["step_size"] == plain
            assert replace(case, step=0.07).scheme()["step_size"] * averaging / rounds**0.5 == pytest.approx(0.07)
    large = replace(CASE, n_workers=50, n_hidden=30)
    assert large.dim == 30 * 1025 + 2 * 31
    assert 16 * large.dim * large.document()["seconds_per_bit"] == pytest.approx(3)
    sends = [replace(CASE, method=each).scheme()["send"] for each in fig4.SENDS]
    assert sends == ["overlapped", "blocking"]


def test_a_case_knows_its_dimension_and_its_checkpoints(work: Work) -> None:
    for case in (CASE, replace(CASE, task="digits", n_hidden=3, n_points=5)):
        built = build_setting(plan(case.document())[0])
        assert built.problem.dim == case.dim
        (found,) = setting.simulated(work, [case]).values()
        np.testing.assert_array_equal(found.iterations, case.checkpoints)
        assert len(case.checkpoints) == case.n_points
        assert (case.checkpoints[0], case.checkpoints[-1]) == (0, case.rounds)


def test_a_variant_changes_what_it_names() -> None:
    experiment = setting.experiment_of("clothing", seed=1, **SIZE)
    tuned = {("clothing", method): 0.3 for method in fig4.METHODS}
    for method in fig4.METHODS:
        main = experiment.case(method, MAIN, tuned)
        assert main.n_runs == 3
        for variant in ("T = 1000", "s = 4"):
            changed = experiment.case(method, variant, tuned)
            assert (changed == main) == (method != "quantimed")
        assert experiment.case(method, "b = 100", tuned) == replace(main, batch_size=100, n_runs=2)
        assert experiment.case(method, TUNED, tuned) == replace(main, step=0.3, n_runs=2)
        assert experiment.pilot(method, 0.1).seed != main.seed
    assert experiment.case("dsgd", "60 rounds", tuned).rounds == 60


def test_tuning_takes_the_step_with_the_least_loss(work: Work) -> None:
    """Every method tries the same steps, and useless ones lose."""
    experiment = replace(setting.experiment_of("clothing", seed=1, **SIZE), steps=(1e-3, 0.5, 1e-6))
    methods: tuple[Method, ...] = ("quantimed", "asynchronous_dsgd")
    best = setting.tuned_steps(work, [experiment], methods)
    assert best == {("clothing", method): 0.5 for method in methods}
    assert len(work.store.names()) == 3 * len(methods)


# What the figures hold.


def test_fig2_data_are_pure_and_consistent(work: Work, tmp_path: Path) -> None:
    some = {"variants": {"clothing": (MAIN, TUNED), "digits": (MAIN, "T = 1000")}}
    data = arrays(fig2.fig2_data(seed=2, work=work, **some, **SIZE))
    again = arrays(fig2.fig2_data(seed=2, work=Work(Store(tmp_path / "other")), **some, **SIZE))
    assert data.keys() == again.keys()
    for name, values in data.items():
        np.testing.assert_array_equal(values, again[name])
    for task in ("clothing", "digits"):
        consistent(data, task, some["variants"][task])
    quantimed = data["digits_curve"].tolist().index("quantimed | T = 1000")
    np.testing.assert_allclose(data["digits_seconds"][quantimed], CASE_ROUNDS * (20 / 50 + 3 * 8 / 16))
    assert set(data["clothing_tuned_step"]) <= set(SIZE["steps"])
    assert np.isnan(data["digits_tuned_step"]).all()
    assert set(fig2.fig2_claims(data)) == CLAIMS["fig2"]


def test_fig3_data_are_consistent(work: Work) -> None:
    some = {"variants": {"clothing": (MAIN, "s = 4"), "digits": (MAIN,)}}
    data = arrays(fig3.fig3_data(seed=2, work=work, **some, **SIZE))
    for task in ("clothing", "digits"):
        consistent(data, task, some["variants"][task])
    assert set(fig3.fig3_claims(data)) == CLAIMS["fig3"]
    figure = draw.fig3_draw(data)
    assert any("CIFAR-10 is replaced" in text.get_text() for text in figure.texts)
    assert [ax.get_title() for ax in figure.axes[:2]] == list(draw.TITLES.values())


CASE_ROUNDS = replace(CASE, rounds=SIZE["rounds"], n_points=SIZE["n_points"]).checkpoints
CLAIMS = {
    "fig2": {"fig2_speedup_of_up_to_three"},
    "fig3": {"fig3_q_dsgd_improves_upon_dsgd", "fig3_twice_as_fast_as_q_dsgd"},
    "fig4": {
        "fig4_asynchronous_outperforms_dsgd",
        "fig4_improves_upon_asynchronous_by_30_percent",
        "fig4_reduces_the_training_time",
        "fig4_deadline_has_an_optimum",
    },
}


def consistent(data: Arrays, task: str, variants: tuple[str, ...]) -> None:
    """All curves start alike and at once; the final and the largest speed-up are among those at the targets."""
    loss, seconds = data[f"{task}_loss"], data[f"{task}_seconds"]
    np.testing.assert_allclose(loss[:, 0], loss[0, 0], rtol=1e-6)
    assert np.all(seconds[:, 0] == 0)
    assert np.all(np.diff(seconds) > 0)
    assert np.all(data[f"{task}_loss_low"] <= loss)
    assert data[f"{task}_variant"].tolist() == list(variants)
    speedup = data[f"{task}_speedup"]  # (comparisons, variants, targets)
    some = np.isfinite(speedup).any(axis=2)
    assert some.any()
    np.testing.assert_array_equal(np.isfinite(data[f"{task}_final"]), some)
    np.testing.assert_allclose(data[f"{task}_largest"][some], np.nanmax(speedup[some], axis=1))
    for each, final in zip(speedup[some], data[f"{task}_final"][some], strict=True):
        assert each[np.isfinite(each)][-1] == final


def test_fig4_data_are_consistent(work: Work) -> None:
    deadlines = (0.05, 0.4)
    data = arrays(
        fig4.fig4_data(seed=2, work=work, variants={"clothing": (MAIN, "s = 4")}, deadlines_s=deadlines, **SIZE)
    )
    consistent(data, "clothing", (MAIN, "s = 4"))
    for clock, deadline in zip(data["deadline_clock"], deadlines, strict=True):
        np.testing.assert_allclose(clock, CASE_ROUNDS * (deadline + 1 * 8 / 16))
    assert data["deadline_time"].shape == (2, SIZE["n_variant_runs"])
    assert set(fig4.fig4_claims(data)) == CLAIMS["fig4"]
    figure = draw.fig4_draw(data)
    assert all(ax.get_xlabel() for ax in figure.axes)
    lines = figure.axes[0].lines
    assert [line.get_color() for line in lines] == [scheme_style(each)["color"] for each in fig4.METHODS]


def test_the_methods_look_different() -> None:
    looks = [scheme_style(name) for name in (*fig4.METHODS, "q_dsgd")]
    assert len({look["color"] for look in looks}) == len(looks)
    assert len({(look["linestyle"], look["marker"]) for look in looks}) == len(looks)


# Speed-ups and findings on numbers that are known.


def trajectory(loss: Any, seconds: Any) -> Trajectory:
    loss, seconds = np.asarray(loss, float), np.asarray(seconds, float)
    nothing = np.zeros_like(loss)
    return Trajectory(np.arange(loss.shape[1]), loss, nothing, nothing, nothing, seconds, nothing, nothing)


def test_times_are_read_between_checkpoints() -> None:
    """Exactly at checkpoints and on straight lines, closely on an exponential; a rise in between is passed over."""
    falls = trajectory([[8, 6, 4, 2], [6, 7, 4, 5]], [[0, 1, 2, 3], [0, 2, 4, 7]])
    found = speedups.times_to(falls, np.array([9, 6, 5, 4, 3]))
    np.testing.assert_allclose(found, [[np.nan, 1, 1.5, 2, 2.5], [np.nan, np.nan, 2, 4, np.nan]])
    np.testing.assert_array_equal(speedups.reached([found]), [False, False, True, True, False])
    clock = np.array([[0, 0.3, 0.7, 1.2, 1.8, 2.5]])
    times = np.linspace(0.35, 2.4, 30)
    read = speedups.times_to(trajectory(np.exp(-clock), clock), np.exp(-times))[0]
    chords = np.interp(np.exp(-times), np.exp(-clock[0, ::-1]), clock[0, ::-1])
    assert np.abs(read - times).max() < np.abs(chords - times).max() / 2
    diverged = speedups.times_to(trajectory([[8, 4, np.inf], [8, np.inf, np.inf]], [[0, 2, 4]] * 2), np.array([4.0, 3]))
    np.testing.assert_array_equal(diverged, [[2, np.nan], [np.nan, np.nan]])


def test_speedups_are_ratios_of_times_run_by_run() -> None:
    slow = np.array([[1.0, 3, 8], [2, 6, np.nan], [100, 100, 100]])
    fast = np.array([[0.5, 1, 2], [1, 2, 3]])
    found = speedups.speedups(slow, fast)
    assert set(found) == {0, 1}
    assert found[0] == Estimate(pytest.approx(2), pytest.approx(2), pytest.approx(2))
    assert found[1].mean == pytest.approx(3)
    assert speedups.speedups(np.full((2, 1), np.nan), np.ones((2, 1))) == {}


def planted(comparisons: list[str], **numbers: Any) -> dict[str, np.ndarray]:
    """Speed-ups (comparisons, variants) of both tasks, with an uncertainty of 5 %; None: unknown."""
    data: dict[str, np.ndarray] = {"comparison": np.array(comparisons)}
    for name, values in numbers.items():
        found = np.array(values, float)
        task = name.partition("_")[0]
        data |= {name: found, f"{name}_low": 0.95 * found, f"{name}_high": 1.05 * found}
        data[f"{task}_variant"] = np.array([f"variant {each}" for each in range(found.shape[1])])
    return data


@pytest.mark.parametrize(
    ("largest", "outcome"),
    [
        ([4.0, 5.0], Outcome.REPRODUCED),
        ([2.0, 2.5], Outcome.NOT_REPRODUCED),
        ([2.0, 5.0], Outcome.OPEN),
        ([3.0, 5.0], Outcome.INCONCLUSIVE),
        ([None, 5.0], Outcome.INCONCLUSIVE),
    ],
)
def test_the_finding_on_fig2(largest: list[float], outcome: Outcome) -> None:
    data = planted(["quantimed over dsgd"], clothing_largest=[largest])
    assert fig2.fig2_claims(data)["fig2_speedup_of_up_to_three"].outcome is outcome


def test_the_findings_on_fig3() -> None:
    names = ["quantimed over q_dsgd", "q_dsgd over dsgd"]

    def found(clothing: Any, digits: Any) -> dict[str, Outcome]:
        claims = fig3.fig3_claims(planted(names, clothing_final=clothing, digits_final=digits))
        return {key: each.outcome for key, each in claims.items()}

    twice, improves = "fig3_twice_as_fast_as_q_dsgd", "fig3_q_dsgd_improves_upon_dsgd"
    assert found([[2.5, 3.0], [1.5, 2.0]], [[1, 1], [1.2, 1.3]]) == {
        twice: Outcome.REPRODUCED,
        improves: Outcome.REPRODUCED,
    }
    assert found([[1.5, 3.0], [1.5, 2.0]], [[1, 1], [0.5, 0.6]]) == {
        twice: Outcome.OPEN,
        improves: Outcome.NOT_REPRODUCED,  # one of the two data sets never agrees
    }
    assert found([[1.5, 1.6], [0.5, 2.0]], [[1, 1], [1.2, 1.3]]) == {
        twice: Outcome.NOT_REPRODUCED,
        improves: Outcome.OPEN,
    }


COMPARISONS = [f"{fast} over {slow}" for slow, fast in fig4.COMPARISONS]


def of_fig4(speed: dict[str, float], times: tuple[float, ...] = (3, 1, 5), spread: float = 0.01) -> dict[str, Outcome]:
    """Outcomes for these speed-ups, and mean times at three deadlines, of six runs."""
    values = [[speed[each], speed[each]] for each in COMPARISONS]
    data = planted(COMPARISONS, clothing_final=values, clothing_largest=values)
    noise = spread * np.random.default_rng(5).standard_normal((3, 6))
    data["deadline_time"] = np.array(times)[:, None] * np.exp(noise)
    data |= {"deadline_s": np.array([0.1, 0.2, 0.4]), "deadline_target": np.array(0.5)}
    return {key: each.outcome for key, each in fig4.fig4_claims(data).items()}


def test_the_findings_on_fig4() -> None:
    fast = dict.fromkeys(COMPARISONS, 2.0)
    assert set(of_fig4(fast).values()) == {Outcome.REPRODUCED}
    assert of_fig4(dict.fromkeys(COMPARISONS, 0.5)) == {
        "fig4_asynchronous_outperforms_dsgd": Outcome.NOT_REPRODUCED,
        "fig4_improves_upon_asynchronous_by_30_percent": Outcome.NOT_REPRODUCED,
        "fig4_reduces_the_training_time": Outcome.NOT_REPRODUCED,
        "fig4_deadline_has_an_optimum": Outcome.REPRODUCED,
    }
    blocking = of_fig4(fast | {"quantimed over asynchronous_dsgd": 0.5, "asynchronous_dsgd_blocking over dsgd": 0.5})
    assert blocking["fig4_asynchronous_outperforms_dsgd"] is Outcome.OPEN
    assert blocking["fig4_improves_upon_asynchronous_by_30_percent"] is Outcome.OPEN
    assert blocking["fig4_reduces_the_training_time"] is Outcome.OPEN
    short = of_fig4(fast | {"quantimed over asynchronous_dsgd": 1.3, "quantimed over asynchronous_dsgd_blocking": 1.3})
    assert short["fig4_improves_upon_asynchronous_by_30_percent"] is Outcome.NOT_REPRODUCED
    assert short["fig4_reduces_the_training_time"] is Outcome.REPRODUCED


@pytest.mark.parametrize(
    ("times", "spread", "outcome"),
    [
        ((3, 1, 5), 0.01, Outcome.REPRODUCED),
        ((1, 2, 5), 0.01, Outcome.NOT_REPRODUCED),
        ((5, 2, 1), 0.01, Outcome.NOT_REPRODUCED),
        ((1.5, 1, 5), 0.5, Outcome.INCONCLUSIVE),
        ((np.nan, 1, 5), 0.01, Outcome.INCONCLUSIVE),
    ],
)
def test_the_finding_on_the_deadline(times: tuple[float, ...], spread: float, outcome: Outcome) -> None:
    found = of_fig4(dict.fromkeys(COMPARISONS, 2.0), times, spread)
    assert found["fig4_deadline_has_an_optimum"] is outcome


# Every method against a plain loop over the workers, one run at a time.


class Plain(NamedTuple):
    """The world of a case, as plain arrays, and what the paper says of the method."""

    rows: FloatArray  # (N, features)
    labels: IntArray  # (N,)
    weights: FloatArray  # (W, W)
    start: FloatArray  # (D,)
    case: Case

    @property
    def size(self) -> int:
        return len(self.rows) // len(self.weights)

    def forward(self, x: FloatArray, rows: FloatArray) -> tuple[FloatArray, ...]:
        inner = x[: self.case.n_hidden * rows.shape[1]].reshape(self.case.n_hidden, -1)
        outer = x[inner.size :].reshape(-1, self.case.n_hidden + 1)
        hidden = np.column_stack([np.tanh(rows @ inner.T), np.ones(len(rows))])
        scores = hidden @ outer.T
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return outer, hidden, shifted / shifted.sum(axis=1, keepdims=True)

    def loss(self, x: FloatArray) -> float:
        prob = self.forward(x, self.rows)[2]
        return float(-np.mean(np.log(prob[np.arange(len(prob)), self.labels])))

    def gradient(self, i: int, x: FloatArray, batch_size: int, rng: np.random.Generator) -> FloatArray:
        """Mean gradient of batch_size of worker i's samples; 0 for none (eq. 6)."""
        if batch_size == 0:
            return np.zeros_like(x)
        chosen = i * self.size + rng.choice(self.size, batch_size, replace=False)
        rows, labels = self.rows[chosen], self.labels[chosen]
        outer, hidden, prob = self.forward(x, rows)
        wrong = prob - np.eye(len(outer))[labels]
        back = (wrong @ outer[:, :-1]) * (1 - hidden[:, :-1] ** 2)
        return np.concatenate([(back.T @ rows).ravel(), (wrong.T @ hidden).ravel()]) / batch_size


def plain_of(case: Case) -> Plain:
    problem: Any = build_setting(plan(case.document())[0]).problem
    graph = mixing.build(case.n_workers, edge_prob=0.4)
    return Plain(problem.features.astype(float), problem.labels, graph.weights, problem.initial(), case)


def rounded(x: FloatArray, bits: int, rng: np.random.Generator) -> FloatArray:
    """Equation (7) on [−1, 1): up with the probability of the distance from below."""
    scale = 2 / 2**bits
    low = np.floor(np.clip(x, -1, 1 - scale) / scale)
    return scale * (low + (rng.random(x.shape) < np.clip(x, -1, 1 - scale) / scale - low))


def synchronous(world: Plain, rng: np.random.Generator) -> tuple[float, float]:
    """Equation (8), or DSGD: loss and seconds at the end."""
    case, weights = world.case, world.weights
    table, n = case.scheme(), case.n_workers
    eps, alpha = table.get("mixing_step", 1.0), table["step_size"]
    x, seconds = [world.start.copy() for _ in range(n)], 0.0
    for _ in range(case.rounds):
        speed = rng.uniform(10, 90, n)
        if case.method == "quantimed":
            sizes = [min(floor(speed[i] * case.batch_size / 50), world.size) for i in range(n)]
            seconds += case.batch_size / 50
        else:
            sizes = [case.batch_size] * n
            seconds += max(case.batch_size / speed[i] for i in range(n))
        seconds += 3 * (case.bits / 16 if case.is_quantized else 1)
        sent = [rounded(each, case.bits, rng) if case.is_quantized else each for each in x]
        new = []
        for i in range(n):
            model = (1 - eps + eps * weights[i, i]) * x[i]
            for j in range(n):
                if j != i:
                    model = model + eps * weights[i, j] * sent[j]
            new.append(model - alpha * eps * world.gradient(i, x[i], sizes[i], rng))
        x = new
    return world.loss(np.mean(x, axis=0)), seconds


def asynchronous(world: Plain, rng: np.random.Generator) -> tuple[float, float]:
    """Update on every completed gradient, one message at a time on the links: loss and seconds at the end."""
    case, weights, n = world.case, world.weights, world.case.n_workers
    alpha, blocking = case.scheme()["step_size"], case.method.endswith("blocking")
    x = [world.start.copy() for _ in range(n)]
    known, waits = list(x), [False] * n  # what neighbours have of each; whether a newer model waits
    travelling: dict[int, FloatArray] = {}
    queue: list[tuple[float, int, int]] = []  # time, 0: a message arrives or 1: a gradient is done, worker

    def compute(i: int, now: float) -> None:
        heapq.heappush(queue, (now + case.batch_size / rng.uniform(10, 90), 1, i))

    def send(i: int, now: float) -> None:
        travelling[i] = x[i]
        heapq.heappush(queue, (now + 3, 0, i))

    for i in range(n):
        compute(i, 0.0)
    left, now = n * case.rounds, 0.0
    while left:
        now, is_done, i = heapq.heappop(queue)
        if not is_done:
            known[i] = travelling.pop(i)
            if waits[i]:
                waits[i] = False
                send(i, now)
            continue
        left -= 1
        mixed = weights[i, i] * x[i] + sum(weights[i, j] * known[j] for j in range(n) if j != i)
        x[i] = mixed - alpha * world.gradient(i, x[i], case.batch_size, rng)
        if i in travelling:
            waits[i] = True
        else:
            send(i, now)
        compute(i, now + 3 if blocking else now)
    return world.loss(np.mean(x, axis=0)), now


@pytest.mark.parametrize("method", ["quantimed", "q_dsgd", "dsgd", "asynchronous_dsgd", "asynchronous_dsgd_blocking"])
def test_a_method_equals_a_plain_loop_on_average(work: Work, method: Method) -> None:
    """Loss and seconds after some rounds, their means and, for the loss, its spread; false alarm 1e-6 over all."""
    n_runs = 60
    case = replace(CASE, method=method, rounds=5, n_runs=n_runs, batch_size=4, bits=4, step=0.5)
    (found,) = setting.simulated(work, [case]).values()
    world, rng = plain_of(case), np.random.default_rng(11)
    loop = asynchronous if method.startswith("asynchronous") else synchronous
    expected = np.array([loop(world, rng) for _ in range(n_runs)])  # (R, 2)
    simulated = np.column_stack([found.loss[:, -1], found.seconds[:, -1]])
    cells = [(simulated[:, column], expected[:, column]) for column in range(2)]
    one, other = cells[0]
    cells.append(((one - one.mean()) ** 2, (other - other.mean()) ** 2))
    limit = float(stdtrit(n_runs - 1, 1 - FALSE_ALARM / 2 / len(cells)))
    for one, other in cells:
        error = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / n_runs)
        assert abs(one.mean() - other.mean()) <= limit * error + 1e-9
    assert expected[:, 0].mean() < found.loss[0, 0] - 0.01  # something is learnt
