"""Figures of onebit_gc: runs against a plain loop over workers, numbers that are pure, findings both ways."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from figures import catalogue, render, style
from figures.claims import Finding, Outcome
from figures.computed import compute
from figures.onebit_gc import draw, fig2, fig3, fig4, fig5, fig6, fig7, fig8, judge, setting
from figures.onebit_gc.setting import Case, Tuned, at_overheads, images_case, regression, rosenbrock_case
from figures.quantities import Arrays, arrays
from figures.work import Work
from proofs_check.ledger import sentences
from workbench.core.types import FloatArray
from workbench.engine.store import Store
from workbench.schemes.step_sizes import ConstantStep, InverseTimeStep

FALSE_ALARM = 1e-6
FIGURES = {f"fig{number}": module for number, module in enumerate((fig2, fig3, fig4, fig5, fig6, fig7, fig8), 2)}
TINY = {
    "fig2": {"n_runs": 3, "n_pilots": 1, "sgc_rounds": 1, "looks": (1,), "n_constant": 2, "n_falling": 1},
    "fig3": {"n_runs": 3, "n_rounds": 4},
    "fig4": {"n_runs": 3, "n_rounds": 45, "replications": (15, 30)},
    "fig5": {"n_runs": 3, "n_rounds": 4, "straggle_probs": (0.1, 0.5)},
    "fig6": {
        "n_runs": 2, "n_pilots": 1, "straggle_probs": (0.1, 0.2), "looks": (1,), "n_steps": 2, "ignoring_rounds": 12,
    },
    "fig7": {
        "n_runs": 2, "n_rounds": 4, "n_points": 3,
        "step_sizes": (1e-5, 1.2e-5), "workers": (80, 100), "replications": (10, 12),
    },
    "fig8": {"n_runs": 3, "n_pilots": 1, "looks": (1,), "n_steps": 1},
}  # fmt: skip
Findings = dict[str, Outcome]


def work(folder: Path) -> Work:
    return Work(Store(folder))


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Faint noise with a bright patch of its own for each class, in place of the data sets."""
    labels = np.arange(240) % 4
    images = np.random.default_rng(11).integers(0, 60, (240, 784)).astype(np.uint8)
    images[np.arange(240)[:, None], 50 * labels[:, None] + np.arange(60)] = 200
    monkeypatch.setattr(setting, "_images", lambda dataset: (images, labels))
    yield
    setting.build_problem.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def computed(folder: Path) -> Callable[[str], Arrays]:
    """Numbers of a figure at tiny parameters, computed once."""
    return cache(lambda name: arrays(data_of(name, folder)))


def data_of(name: str, folder: Path, seed: int = 3):
    return getattr(FIGURES[name], f"{name}_data")(seed=seed, work=work(folder), **TINY[name])


def claims_of(name: str, data: Arrays) -> dict[str, Finding]:
    return dict(getattr(FIGURES[name], f"{name}_claims")(data))


# ---- runs against a plain loop --------------------------------------------------------------------------


def plain_run(
    gradients: Callable[[FloatArray], FloatArray], holds: FloatArray, case: Case, rng: np.random.Generator, dim: int
) -> FloatArray:
    """One run of [onebit_gc, eqs. 4-8] worker by worker, from a standard normal start; the last iterate (D,).

    Parameters
    ----------
    gradients : of every sample's loss at an iterate (D,), shape (N, D)
    holds : 1 where a worker holds a sample, shape (W, N)
    """
    x, p, copies = rng.standard_normal(dim), case.straggle_prob, holds.sum(axis=0)
    held = [np.flatnonzero(row) for row in holds]
    for t in range(1, case.checkpoints[-1] + 1):
        slopes, update = gradients(x), np.zeros(dim)
        for own in held:
            if rng.random() < p:
                continue
            message = (1 / (copies[own] * (1 - p))) @ slopes[own]
            if case.method != "stochastic":
                size = np.linalg.norm(message)
                if size > 0:
                    up = rng.random(dim) < 0.5 + 0.5 * message / size
                    message = np.where(up, size, -size)
            update += message
        (step,) = case.steps
        x = x - (step.scale / t if isinstance(step, InverseTimeStep) else step.value) * update
    return x


def random_holds(n_workers: int, n_samples: int, copies: int, rng: np.random.Generator) -> FloatArray:
    holds = np.zeros((n_workers, n_samples))
    for sample in range(n_samples):
        holds[rng.choice(n_workers, copies, replace=False), sample] = 1
    return holds


def p_value_of_means(ours: FloatArray, plain: FloatArray) -> float:
    return float(stats.ttest_ind(ours, plain, equal_var=False).pvalue)


REGRESSIONS = {
    "1-bit": regression("one_bit", (20,), n_rounds=3, n_runs=60),
    "1-bit, unequal": regression("one_bit", (5, 25), n_rounds=3, n_runs=60, straggle_prob=0.4),
    "SGC": regression("stochastic", (20,), n_rounds=3, n_runs=60, straggle_prob=0.4),
    "ignoring": regression("one_bit_ignoring", (1,), n_rounds=3, n_runs=60),
}


@pytest.mark.parametrize("case", REGRESSIONS.values(), ids=REGRESSIONS)
def test_runs_of_the_regression_equal_a_plain_loop_in_the_mean(case: Case) -> None:
    """Residual and error after each of three rounds, on the same data and placement."""
    seed = 5
    ours = setting.run(case, seed)
    problem = setting.build_problem(case.problem, world_seed(seed))
    rows, target = problem.design[:, 0], problem.target[:, 0]  # (N, D), (N,)
    holds = (setting.build_code(case, problem, world_seed(seed)).encode_dense > 0).astype(float)
    np.testing.assert_array_equal(holds.sum(axis=0), np.repeat(case.copies, 1000 // len(case.copies)))
    rng = np.random.default_rng(20251128)
    ends = [plain_run(lambda x: (rows @ x - target)[:, None] * rows, holds, case, rng, 100) for _ in range(24)]
    residual = np.array([np.linalg.norm(rows @ x - target) for x in ends])
    assert p_value_of_means(np.log(setting.residual(ours.loss[:, -1])), np.log(residual)) > FALSE_ALARM
    optimum = np.linalg.lstsq(rows, target)[0]
    error = np.array([np.linalg.norm(x - optimum) for x in ends])
    assert p_value_of_means(np.log(np.sqrt(ours.error_sq[:, -1])), np.log(error)) > FALSE_ALARM
    spread = stats.levene(np.log(setting.residual(ours.loss[:, -1])), np.log(residual))
    assert spread.pvalue > FALSE_ALARM


def world_seed(seed: int, world: int = 0) -> int:
    return int(setting.stream(seed, "figures/onebit_gc/worlds", world).integers(2**62))


@pytest.mark.parametrize("method", ["one_bit", "stochastic"])
def test_runs_on_the_rosenbrock_function_equal_a_plain_loop_in_the_mean(method: setting.Method) -> None:
    """Every run, ours and plain, has a placement of its own."""
    case = replace(rosenbrock_case(method, (0, 4), n_runs=16), straggle_prob=0.3)
    ours = setting.run(case, 5).loss[:, -1]
    rng = np.random.default_rng(20251129)

    def gradients(x: FloatArray) -> FloatArray:
        slopes, i = np.zeros((1000, 1001)), np.arange(1000)
        rise = x[1:] - x[:-1] ** 2
        slopes[i, i] = -400 * x[:-1] * rise - 2 * (1 - x[:-1])
        slopes[i, i + 1] = 200 * rise
        return slopes

    ends = [plain_run(gradients, random_holds(100, 1000, 10, rng), case, rng, 1001) for _ in range(8)]
    plain = np.array([np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) for x in ends])
    assert p_value_of_means(ours, plain) > FALSE_ALARM


@pytest.mark.parametrize(("method", "pixel_scale"), [("one_bit", 1.0), ("stochastic", 3.0), ("one_bit_ignoring", 3.0)])
def test_runs_on_images_equal_a_plain_loop_in_the_mean(method: setting.Method, pixel_scale: float) -> None:
    case = replace(images_case("mnist", pixel_scale, method, 0, n_runs=60), checkpoints=(0, 3))
    ours = setting.run(case, 5).loss[:, -1]
    problem = setting.build_problem(case.problem, world_seed(5), pixel_scale)
    features, signs = problem.features, problem.signs[0]
    assert features.max() == pytest.approx(pixel_scale * 200 / 255)
    holds = (setting.build_code(case, problem, world_seed(5)).encode_dense > 0).astype(float)
    rng = np.random.default_rng(20251130)

    def gradients(x: FloatArray) -> FloatArray:
        margins = signs * (features @ x)
        return (-signs * np.exp(-np.logaddexp(0, margins)))[:, None] * features

    ends = [plain_run(gradients, holds, case, rng, 784) for _ in range(24)]
    plain = np.array([np.logaddexp(0, -signs * (features @ x)).sum() for x in ends])
    assert p_value_of_means(np.log(ours), np.log(plain)) > FALSE_ALARM


def test_a_loss_that_diverges_is_infinite_from_there_on() -> None:
    case = replace(rosenbrock_case("one_bit", (0, 2, 4, 6, 8, 30), n_runs=2), steps=(ConstantStep(1e-2),))
    loss = setting.run(case, 3).loss
    assert np.all(np.isfinite(loss[:, 0]))
    assert np.all(np.isposinf(loss[:, -1]))
    assert np.all(np.isposinf(loss) | (loss < 1e100))


def test_every_run_starts_on_its_own() -> None:
    starts = setting.starts_of(4, 40, 50)
    assert stats.kstest(starts.ravel(), "norm").pvalue > FALSE_ALARM
    assert len(np.unique(starts)) == starts.size
    np.testing.assert_array_equal(setting.starts_of(4, 3, 50), starts[:3])
    loss = setting.run(rosenbrock_case("one_bit", (0, 1), n_runs=2), 4).loss
    first, second = (setting.starts_of(world_seed(4, world), 1, 1001)[0] for world in range(2))
    expected = [np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) for x in (first, second)]
    np.testing.assert_allclose(loss[:, 0], expected, rtol=1e-12)


def test_step_sizes_in_one_simulation_are_those_of_simulations_of_their_own() -> None:
    """On the same noise: rows are ordered by step size, then by run."""
    steps = (ConstantStep(1e-6), InverseTimeStep(1e-5))
    case = replace(regression("one_bit", (10,), n_rounds=3, n_runs=2), steps=steps)
    together = setting.run(case, 8).loss
    apart = np.concatenate([setting.run(replace(case, steps=(step,)), 8).loss for step in steps])
    np.testing.assert_allclose(together, apart, rtol=1e-9)


# ---- overheads, the store, and the choice of step sizes --------------------------------------------------


def test_messages_have_the_papers_bits() -> None:
    assert regression("one_bit", (20,), n_rounds=1, n_runs=1).message_bits == 164
    assert regression("stochastic", (20,), n_rounds=1, n_runs=1).message_bits == 6400
    assert regression("one_bit_ignoring", (1,), n_rounds=1, n_runs=1).message_bits == 164
    assert rosenbrock_case("one_bit", (0,), n_runs=1).message_bits == 1001 + 64
    assert images_case("fashion_mnist", 1.0, "stochastic", 0, n_runs=1).message_bits == 784 * 64
    assert images_case("mnist", 1.0, "one_bit", 5 * 848 - 1, n_runs=1).checkpoints == (0, 1, 2, 3, 4)


def test_values_are_read_after_whole_rounds() -> None:
    values, iterations = np.array([[9.0, 5, 2], [8, 4, 1]]), np.array([0, 1, 3])
    read = at_overheads(values, iterations, 10, np.array([0, 9, 10, 19, 30, 39]))
    np.testing.assert_array_equal(read, [[9, 9, 5, 5, 2, 2], [8, 8, 4, 4, 1, 1]])
    with pytest.raises(ValueError, match=r"rounds \[2\] were not measured"):
        at_overheads(values, iterations, 10, np.array([25]))
    assert setting.rounds_within([0, 9, 10, 35, 30], 10) == (0, 1, 3)


def test_the_overhead_to_match_is_the_first_that_is_as_low() -> None:
    values, bits = np.array([[9.0, 5, 2], [8, 4, 4]]), np.array([[0.0, 10, 20], [0, 10, 20]])
    goals = np.array([[5.0, 2], [4, 1]])
    np.testing.assert_array_equal(setting.overhead_to_match(values, bits, goals), [[10, 10], [20, np.nan]])


def test_what_is_in_the_store_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    keeping = Work(Store(tmp_path), done=told.append)
    cases = {"a": regression("one_bit", (20,), n_rounds=2, n_runs=2)}
    first = setting.simulated(keeping, 1, cases)["a"]
    assert told == keeping.store.names()
    monkeypatch.setattr(setting, "run", int)  # of a case: TypeError
    again = setting.simulated(keeping, 1, {"b": cases["a"]})["b"]
    np.testing.assert_array_equal(again.loss, first.loss)
    np.testing.assert_array_equal(again.iterations, [0, 1, 2])
    with pytest.raises(TypeError):
        setting.simulated(keeping, 2, cases)


@pytest.mark.parametrize("problem", ["regression", "rosenbrock"])
def test_the_step_that_is_best_on_the_pilots_is_taken(problem: str, tmp_path: Path) -> None:
    """At each overhead; pilots are other worlds, and a step that diverges is never best."""
    if problem == "regression":
        case = regression("one_bit", (20,), n_rounds=1, n_runs=4)
        steps = (ConstantStep(1.0), ConstantStep(1e-6), InverseTimeStep(1e-6))
        look, best = np.array([164, 6 * 164]), {1: "1e-06"}
    else:
        case = rosenbrock_case("one_bit", (0,), n_runs=3)
        steps = (ConstantStep(1.0), ConstantStep(1e-6), ConstantStep(1e-8))
        look, best = np.array([3 * 1065, 6 * 1065]), {0: "1e-06", 1: "1e-06"}
    found = setting.tuned(work(tmp_path), 2, {"ours": case}, steps, look, n_pilots=2)["ours"]
    assert isinstance(found, Tuned)
    names = [setting.written(step) for step in found.steps]
    assert all(names[at] == name for at, name in best.items())
    assert setting.written(InverseTimeStep(1e-6)) == "1e-06/t"
    sizes = {"n_worlds": 2} if problem == "rosenbrock" else {"n_runs": 2}
    rounds = tuple(int(each) for each in look // case.message_bits)
    pilots = [
        setting.run(replace(case, steps=(step,), first_world=10**6, checkpoints=rounds, **sizes), 2).loss
        for step in steps
    ]
    own = {step: setting.run(replace(case, steps=(step,), checkpoints=rounds), 2) for step in set(found.steps)}
    for at, chosen in enumerate(found.steps):
        mean = [np.where(np.isfinite(loss), loss, np.inf)[:, at].mean() for loss in pilots]
        assert steps[int(np.argmin(mean))] == chosen
        np.testing.assert_allclose(found.loss[at], own[chosen].loss[:, at], rtol=1e-9)
        np.testing.assert_allclose(found.error_sq[at], own[chosen].error_sq[:, at], rtol=1e-9)


# ---- figures at tiny parameters --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_numbers_are_pure_and_whole(name: str, computed: Callable[[str], Arrays], folder: Path) -> None:
    """The same runs give the same numbers, a band holds its mean, every finding has a sentence."""
    data = computed(name)
    again = arrays(data_of(name, folder))
    assert data.keys() == again.keys()
    for key, values in data.items():
        np.testing.assert_array_equal(values, again[key])
        if f"{key}_low" in data:
            finite = np.isfinite(values) & np.isfinite(data[f"{key}_low"])
            assert finite.any()
            assert np.all((data[f"{key}_low"] <= values)[finite] & (values <= data[f"{key}_high"])[finite])
    keys = {f"onebit_gc/{key}" for key in claims_of(name, data)}
    assert keys == {key for key, each in sentences().items() if each.figure == f"onebit_gc/{name}"}


PROBLEMS = {
    "regression": regression("one_bit", (20,), n_rounds=2, n_runs=2),
    "rosenbrock": rosenbrock_case("stochastic", (0, 2), n_runs=2),
    "images": images_case("mnist", 1.0, "one_bit", 1696, n_runs=2),
}


@pytest.mark.parametrize("case", PROBLEMS.values(), ids=PROBLEMS)
def test_the_seed_fixes_the_runs(case: Case) -> None:
    """And runs do not depend on how many there are."""
    first, again, other = (setting.run(case, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.loss, again.loss)
    assert not np.any(first.loss == other.loss)
    more = replace(case, n_worlds=3) if case.n_worlds > 1 else replace(case, n_runs=3)
    np.testing.assert_allclose(setting.run(more, 1).loss[:2], first.loss, rtol=1e-9)


def test_other_seeds_give_other_numbers(computed: Callable[[str], Arrays], tmp_path: Path) -> None:
    other = arrays(data_of("fig5", tmp_path, seed=4))
    assert not np.any(other["residual"] == computed("fig5")["residual"])


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_is_drawn_and_labelled(name: str, computed: Callable[[str], Arrays]) -> None:
    figure = getattr(draw, f"{name}_draw")(computed(name))
    assert isinstance(figure, Figure)
    panels = {"fig2": 6, "fig3": 2, "fig4": 4, "fig5": 2, "fig6": 2, "fig7": 3, "fig8": 6}[name]
    assert len(figure.axes) == panels
    assert all(ax.lines for ax in figure.axes)
    assert figure.axes[0].get_ylabel()
    assert figure.axes[-1].get_xlabel()
    letters = [ax.get_title(loc="left") for ax in figure.axes]
    assert sorted(letters) == [f"({each})" for each in "abcdef"[:panels]]
    assert catalogue.available()[f"onebit_gc/{name}"].title


def test_the_three_methods_meet_the_same_start_and_their_own_overheads(computed: Callable[[str], Arrays]) -> None:
    data = computed("fig2")
    assert data["method"].tolist() == list(setting.METHODS)
    np.testing.assert_array_equal(data["overhead"], [0, 1600, 3200, 4800, 6400])
    assert len(data["round"]) == 6400 // 164 + 1
    for name in ("residual", "error"):
        np.testing.assert_array_equal(data[name][1, :4], data[name][1, 0])  # SGC: no round within 6400 bits
        np.testing.assert_array_equal(data[name][:, 0], data[name][0, 0])
        np.testing.assert_array_equal(data[name][0, 1:], data[f"{name}_by_round"][0, [9, 19, 29, 39]])
        np.testing.assert_array_equal(data[name][1, 4], data[f"{name}_by_round"][1, 1])
        np.testing.assert_allclose(data[f"{name}_at"][:, 0].mean(axis=1), data[name][:, 4])
        assert np.all(data[f"overhead_to_match_{name}"] % 164 == 0)


def test_settings_differ_in_their_placement_alone(computed: Callable[[str], Arrays]) -> None:
    data = computed("fig3")
    np.testing.assert_array_equal(data["overhead"], 164 * np.arange(5))
    np.testing.assert_array_equal(data["residual"][:, 0], data["residual"][0, 0])
    assert len(np.unique(data["residual"][:, 1])) == 3
    assert [np.mean(copies) for copies in fig3.COPIES.values()] == [15, 15, 15]


def test_overheads_to_targets_are_read_off_the_runs(computed: Callable[[str], Arrays]) -> None:
    data = computed("fig4")
    for name in ("residual", "error"):
        reached = data[f"overhead_to_{name}_of_run"]
        assert reached.shape == (2, 3)
        assert np.isfinite(reached).any()
        assert np.all((reached % 164 == 0) | np.isnan(reached))


def test_a_run_that_diverges_ends_the_mean_and_is_counted(computed: Callable[[str], Arrays]) -> None:
    data = dict(computed("fig6"))
    assert data["ignoring_diverged"].dtype == bool
    data["diverged"] = np.ones_like(data["diverged"])
    labels = draw.fig6_draw(data).axes[0].get_legend_handles_labels()[1]
    assert all(", 2/2 diverge" in label for label in labels)
    ends = dict(computed("fig7"))
    ends["end_by_n_workers"] = np.full((2, 2), np.inf)
    assert ", 2/2 diverge" in draw.fig7_draw(ends).axes[1].get_legend_handles_labels()[1][0]


def test_a_figure_is_rendered_with_its_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fig5.SCALES, "quick", TINY["fig5"])
    entry = catalogue.available()["onebit_gc/fig5"]
    found = compute(entry, tmp_path, "quick", seed=1)
    assert set(found.notes["findings"]) == {"fig5_better_with_fewer_stragglers"}
    render.render(found, tmp_path)
    assert (tmp_path / "onebit_gc_fig5.pdf").exists()


def test_the_methods_have_looks_of_their_own() -> None:
    looks = [style.scheme_style(method) for method in setting.METHODS]
    assert len({look["color"] for look in looks}) == 3
    assert len({(look["linestyle"], look["marker"]) for look in looks}) == 3


# ---- findings on planted numbers -------------------------------------------------------------------------


def noisy(level: object, n_runs: int = 20, size: float = 0.2) -> FloatArray:
    """Levels, each for n_runs runs, up to factors of geometric mean 1; shape (*levels, R)."""
    levels = np.asarray(level, float)
    logs = size * np.random.default_rng(levels.size).standard_normal((*levels.shape, n_runs))
    return levels[..., None] * np.exp(logs - logs.mean(axis=-1, keepdims=True))


def outcomes(name: str, data: dict[str, object]) -> Findings:
    found = claims_of(name, {key: np.asarray(value) for key, value in data.items()})
    assert all(finding.explanation for finding in found.values())
    return {key.removeprefix(f"{name}_"): finding.outcome for key, finding in found.items()}


YES, NO, OPEN, UNCLEAR = Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.OPEN, Outcome.INCONCLUSIVE


def fig2_planted(ours: float, sgc: float, ignoring: float, best: tuple[float, ...], rounds: float, match: float):
    data: dict[str, object] = {"method": list(setting.METHODS), "look": [6400, 12800]}
    for name in ("residual", "error"):
        data[f"{name}_at"] = noisy([[ours] * 2, [sgc] * 2, [ignoring] * 2])
        data[f"tuned_{name}_at"] = noisy([[each] * 2 for each in best])
        data[f"rounds_to_{name}"] = noisy([rounds, 10, 1000])
        data[f"overhead_to_match_{name}"] = noisy([6400 * match, 12800 * match])
    return data


def test_findings_about_figure_2() -> None:
    good = outcomes("fig2", fig2_planted(1, 2, 3, (1, 2, 3), 40, 0.4))
    assert good == dict.fromkeys(good, YES)
    assert len(good) == 5
    bad = outcomes("fig2", fig2_planted(3, 2, 1, (3, 2, 1), 5, 1.5))
    assert bad == dict.fromkeys(good, NO)
    longer = {f"tuned_{name}_at": noisy([[1, 3], [2, 1], [3, 3]]) for name in ("residual", "error")}
    assert outcomes("fig2", fig2_planted(1, 2, 3, (2, 1, 3), 40, 0.001)) == {
        "better_at_equal_overhead": YES,
        "more_rounds_than_sgc": YES,
        "overhead_moderately_reduced": NO,  # more than 39 times
        "rounds_beat_precision": NO,
        "better_than_ignoring_stragglers": YES,
    }
    assert outcomes("fig2", fig2_planted(1, 2, 3, (1, 2, 3), 40, 0.4) | longer)["rounds_beat_precision"] is OPEN
    never = fig2_planted(1, 2, 1, (1, 1, 1), 40, np.nan)
    assert outcomes("fig2", never) == {
        "better_at_equal_overhead": UNCLEAR,
        "more_rounds_than_sgc": YES,
        "overhead_moderately_reduced": NO,
        "rounds_beat_precision": UNCLEAR,
        "better_than_ignoring_stragglers": UNCLEAR,
    }


def test_findings_about_figures_3_to_5() -> None:
    def settings(*levels: float) -> Findings:
        names = list(fig3.COPIES)
        return outcomes("fig3", {"setting": names, "residual_level": noisy(levels), "error_level": noisy(levels)})

    assert settings(1, 2, 3) == settings(1, 3, 2) == {"homogeneous_is_fastest": YES}
    assert settings(2, 1, 3) == {"homogeneous_is_fastest": NO}
    assert settings(1, 1, 3) == {"homogeneous_is_fastest": UNCLEAR}

    def replications(levels: list[float], bits: list[float]) -> Findings:
        planted: dict[str, object] = {"replication": [5, 10], "overhead": [0, 164, 9000]}
        for name in ("residual", "error"):
            planted |= {f"{name}_level": noisy(levels), f"overhead_to_{name}_of_run": noisy(bits)}
        return outcomes("fig4", planted)

    assert replications([2, 1], [3000, 2000]) == {"faster_with_replication": YES, "overhead_for_replication": YES}
    assert replications([1, 2], [2000, 3000]) == {"faster_with_replication": NO, "overhead_for_replication": NO}
    assert replications([2, 1], [np.nan, 2000])["overhead_for_replication"] is YES
    assert replications([2, 1], [2000, np.nan])["overhead_for_replication"] is NO

    def stragglers(*levels: float) -> Findings:
        return outcomes(
            "fig5", {"straggle_prob": [0.1, 0.3], "residual_level": noisy(levels), "error_level": noisy(levels)}
        )

    assert stragglers(1, 2) == {"better_with_fewer_stragglers": YES}
    assert stragglers(2, 1) == {"better_with_fewer_stragglers": NO}


def fig6_planted(ours: list[float], sgc: float, best: tuple[float, float], ignoring: int):
    diverged = np.zeros((2, 2, 20), bool)
    diverged[0] = ~np.isfinite(noisy(ours))
    return {
        "straggle_prob": [0.1, 0.3],
        "look": [64064],
        "loss_at": noisy([[[each] for each in ours], [[sgc], [sgc]]]),
        "tuned_loss_at": noisy([[best[0]], [best[1]]]),
        "diverged": diverged,
        "ignoring_diverged": np.arange(20) < ignoring,
    }


def test_findings_about_figure_6() -> None:
    good = outcomes("fig6", fig6_planted([1, 2], 3, (1, 2), 20))
    assert good == dict.fromkeys(good, YES)
    assert len(good) == 5
    bad = outcomes("fig6", fig6_planted([np.inf, np.inf], 3, (2, 1), 0))
    assert bad == dict.fromkeys(good, NO)
    mixed = outcomes("fig6", fig6_planted([1, np.inf], 3, (1, 1), 10))
    assert mixed == {
        "better_than_sgc": OPEN,
        "better_with_more_stragglers": NO,
        "robust_to_stragglers": OPEN,
        "ignoring_stragglers_fails": UNCLEAR,
        "better_than_sgc_when_tuned": UNCLEAR,
    }


def test_findings_about_figure_7() -> None:
    def varied(*ends: float) -> Findings:
        data: dict[str, object] = {"start": noisy(1000)}
        for name, values in (
            ("step_size", [8e-6, 1e-5, 1.2e-5]), ("n_workers", [80, 100, 120]), ("replication", [8, 10, 12]),
        ):  # fmt: skip
            data |= {name: values, f"end_by_{name}": noisy([ends[0], 1, ends[1]])}
        return outcomes("fig7", data)

    keys = ("same_for_learning_rate", "same_for_workers", "same_for_replication")
    assert varied(1.1, 0.9) == dict.fromkeys(keys, YES)
    assert varied(10, 0.1) == dict.fromkeys(keys, NO)
    assert varied(np.inf, 1.1) == dict.fromkeys(keys, OPEN)


def fig8_planted(ours: list[float], others: tuple[float, float], best: tuple[float, ...], share: list[float]):
    """The first number of `ours` and `share` is for pixels to 1, the second for pixels to 255."""
    losses = [[[[each] for each in (own, *others)] for own in ours]] * 2
    return {
        "dataset": list(fig8.DATASETS),
        "pixel_scale": list(fig8.PIXEL_SCALES),
        "method": list(setting.METHODS),
        "look": [50176],
        "loss_at": noisy(losses),
        "tuned_loss_at": noisy([[[each] for each in best]] * 2),
        "overhead_to_match": noisy([[[50176 * each] for each in share]] * 2),
    }


def test_findings_about_figure_8() -> None:
    good = outcomes("fig8", fig8_planted([1, 1], (2, 3), (1, 2, 3), [0.5, 0.5]))
    assert good == dict.fromkeys(good, YES)
    assert len(good) == 5
    bad = outcomes("fig8", fig8_planted([4, 4], (2, 3), (3, 2, 1), [1.5, np.nan]))
    assert bad == dict.fromkeys(good, NO)
    assert outcomes("fig8", fig8_planted([1, 4], (2, 1), (1, 2, 1), [0.5, np.nan])) == {
        "better_than_sgc": OPEN,
        "better_than_ignoring_stragglers": UNCLEAR,  # as good with pixels to 1, worse with pixels to 255
        "rounds_offset_inaccuracy": OPEN,
        "better_than_sgc_when_tuned": YES,
        "better_than_ignoring_when_tuned": UNCLEAR,
    }


def test_an_advantage_that_cannot_be_seen_is_none() -> None:
    ones, tight = np.ones((1, 20)), noisy([1.0], size=0.002)
    assert judge.beats(ones, tight, [10]).outcome is NO
    assert judge.beats(0.97 * ones, tight, [10]).outcome is YES
    assert judge.beats(ones, noisy([1.0], size=0.3), [10]).outcome is UNCLEAR


def test_a_loss_of_nothing_counts_and_runs_that_diverge_decide() -> None:
    zero, one, lost = np.zeros((1, 9)), np.ones((1, 9)), np.full((1, 9), np.inf)
    assert judge.beats(zero, one, [10]).outcome is YES
    assert judge.beats(one, lost, [10]).outcome is YES
    assert judge.beats(lost, lost, [10]).outcome is NO
    some = np.where(np.arange(9) < 3, np.inf, 2.0)[None]
    assert judge.beats(one, some, [10]).outcome is YES
    assert judge.beats(some, 3 * one, [10]).outcome is NO
    assert judge.beats(zero, one, [10]).evidence.keys() >= {"ratio_10", "diverged_10"}
