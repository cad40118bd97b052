"""Contract of the delay laws, and their fits against independent oracles."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams
from workbench.core.types import DelayModel, FloatArray
from workbench.engine.setup import build_delay
from workbench.stragglers.delays import loglogistic, lognormal, pooled_empirical, shifted_exponential, weibull
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.pooled_empirical import LEVELS, PooledEmpirical
from workbench.stragglers.fit import families, fit_family, held_out, straggle_probs
from workbench.stragglers.log import embedded_log
from workbench.stragglers.order_statistics import RELATIVE_ERROR, mean_kth, var_kth

# scipy's law with the parameters that `worker_parameters` gives
ORACLES = {
    "shifted_exponential": lambda p: stats.expon(p["shift_s"], 1 / p["rate_per_s"]),
    "weibull": lambda p: stats.weibull_min(p["shape"], scale=p["scale_s"]),
    "lognormal": lambda p: stats.lognorm(p["log_sd"], scale=np.exp(p["log_mean"])),
    "loglogistic": lambda p: stats.fisk(p["shape"], scale=p["median_s"]),
}
# A table for each law that is built of plain parameters; what is not named here is built with its defaults.
TABLES: dict[str, dict[str, Any]] = {
    "bernoulli": {"straggle_prob": [0.0, 0.2, 0.9], "answer_s": 1.05},
    "bimodal": {"shift_s": [0.0, 0.5, 1.0], "rate_per_s": 4.0, "slow_prob": [0.0, 0.2, 0.7], "slowdown": [3.0, 1.5, 2]},
    "bounded_speed": {"slowest": [0.4, 0.5, 0.9], "fastest": [2, 0.95, 0.9]},
    "exponential": {"rate_per_s": [0.5, 1.0, 4.0]},
    "loglogistic": {"median_s": [0.5, 1.0, 1.2], "shape": [5.0, 6.0, 20.0]},
    "lognormal": {"median_s": 1, "log_sd": [0.1, 0.3, 0.6]},
    "shifted_exponential": {"shift_s": [0.0, 0.4, 1.0], "rate_per_s": [1.0, 2.0, 3.0]},
    "tiered": {"share": [0.6, 0.4], "shift_s": [0.0, 1], "rate_per_s": [1.0, 5.0]},
    "weibull": {"scale_s": [0.5, 1.0, 1.5], "shape": [0.7, 1.0, 8.0]},
}
MIXING = ("bimodal", "replay")  # one uniform decides on two things, so that a larger one need not be later


def built(name: str) -> DelayModel:
    return build_delay({"kind": name} | TABLES.get(name, {}), 3)


LAWS = {module.LAW.family: module.LAW for module in (shifted_exponential, weibull, lognormal, loglogistic)}


def responses(seed: int, rounds: int = 30, n_workers: int = 8, missing: float = 0.0) -> FloatArray:
    """A heterogeneous log with a contaminated tail, ties and one outlier of 1000x."""
    rng = np.random.default_rng(seed)
    times = np.round(1 + rng.lognormal(-2, 0.5 + np.arange(n_workers) / 20, (rounds, n_workers)), 3)
    times[rng.random(times.shape) < 0.1] += 1.0
    times[0, 0] = 1000.0
    times[rng.random(times.shape) < missing] = np.inf
    return times


def models(missing: float) -> dict[str, DelayModel]:
    fitted: dict[str, DelayModel] = {
        name: family.fit(responses(3, missing=missing)) for name, family in families().items()
    }
    return fitted | {f"built {name}": built(name) for name in catalogue.delay_laws()}


EVERY = [*catalogue.delays(), *(f"built {name}" for name in catalogue.delay_laws())]


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("name", EVERY)
def test_samples_follow_the_straggle_probability(name: str, missing: float) -> None:
    """Frequencies of straggling in 40,000 samples are within Z standard errors: false alarm 1e-6 for each law."""
    model, runs = models(missing)[name], 40_000
    drawn = model.sample((runs,), rng=np.random.default_rng(7))  # (runs, W)
    deadlines = [0.04, 0.06, 0.5, 1.05, 1.13, 1.3, 2.1, 50.0]
    if isinstance(model, PooledEmpirical):
        # What is later than everything seen has a probability at every deadline, but no time: it is drawn right
        # after the latest response, so that samples tell of deadlines before that only.
        latest = model.response_s[np.isfinite(model.response_s)].max()
        deadlines = [*(at for at in deadlines if at < latest), *np.quantile(model.response_s.min(axis=1), [0.2, 0.8])]
    z = stats.norm.isf(1e-6 / (2 * len(deadlines) * model.n_workers))
    assert drawn.shape == (runs, model.n_workers)
    for deadline_s in deadlines:
        p = model.straggle_prob(deadline_s)
        assert np.all((p >= 0) & (p <= 1))
        error = np.sqrt(p * (1 - p) / runs) + 2 / runs
        assert np.all(np.abs((drawn > deadline_s).mean(axis=0) - p) <= z * error)


@pytest.mark.parametrize("name", EVERY)
def test_one_uniform_draw_decides(name: str) -> None:
    """One draw, whatever the law, so that schemes meet the same stragglers; larger u is later, mixtures apart."""
    model = models(0.1)[name]
    shape = (5, 3)
    drawn = model.sample(shape, rng=RunStreams(11, "stragglers", 5))
    assert drawn.shape == (*shape, model.n_workers)

    class Recorded:
        calls = 0

        def random(self, size: tuple[int, ...], /) -> FloatArray:
            self.calls += 1
            return RunStreams(11, "stragglers", 5).random(size)

    recorded = Recorded()
    np.testing.assert_array_equal(model.sample(shape, rng=recorded), drawn)
    assert recorded.calls == 1
    if name.removeprefix("built ") in MIXING:
        return
    uniform = RunStreams(11, "stragglers", 5).random(drawn.shape).reshape(-1, model.n_workers)
    order = np.argsort(uniform, axis=0)
    ranked = np.take_along_axis(drawn.reshape(uniform.shape), order, axis=0)
    assert np.all(ranked[1:] >= ranked[:-1])


@pytest.mark.parametrize("name", EVERY)
def test_each_run_has_its_own_stream(name: str) -> None:
    """A run draws the same whatever runs are beside it, and no two draw the same."""
    model = models(0.1)[name]
    together = model.sample((4, 30), rng=RunStreams(2, "stragglers", [5, 0, 9, 3]))  # (R, 30, W)
    for row, run in enumerate([5, 0, 9, 3]):
        np.testing.assert_array_equal(model.sample((1, 30), rng=RunStreams(2, "stragglers", [run]))[0], together[row])
    assert all(np.any(together[row] != together[other]) for row in range(4) for other in range(row))


@pytest.mark.parametrize("name", LAWS)
def test_law_is_scipys(name: str) -> None:
    model = LocationScale(LAWS[name], np.array([-0.3, 0.4]), np.array([0.2, 0.7]))
    for deadline_s in (0.01, 0.7, 1.0, 3.0, 20.0):
        expected = [ORACLES[name](parameters).sf(deadline_s) for parameters in model.worker_parameters()]
        np.testing.assert_allclose(model.straggle_prob(deadline_s), expected, rtol=1e-9, atol=1e-300)
    level = np.linspace(0.01, 0.99, 9)
    expected_density = [ORACLES[name](LocationScale(LAWS[name], np.zeros(1), np.ones(1)).worker_parameters()[0])]
    z = LAWS[name].quantile(level)
    jacobian = np.exp(z) if LAWS[name].on_log_axis else 1.0
    np.testing.assert_allclose(
        LAWS[name].density(z), expected_density[0].pdf(np.exp(z) if LAWS[name].on_log_axis else z) * jacobian
    )


@pytest.mark.parametrize("name", LAWS)
def test_fit_finds_the_law_it_was_drawn_from(name: str) -> None:
    """From 4000 rounds, p at the true 0.8-quantile is within Z of 0.2, false alarm 1e-6, variance tripled
    for an estimator that is not the likelihood's."""
    rng = np.random.default_rng(5)
    n_workers, rounds = 6, 4000
    truth = LocationScale(LAWS[name], rng.normal(0.5, 0.3, n_workers), rng.uniform(0.1, 0.5, n_workers))
    model = families()[name].fit(truth.sample((rounds,), rng=rng))
    at = truth.law.quantile(np.array(0.8)) * truth.scale + truth.location
    late = model.survival(np.exp(at) if truth.law.on_log_axis else at)
    z = stats.norm.isf(1e-6 / (2 * n_workers))
    assert np.all(np.abs(late - 0.2) < z * np.sqrt(3 * 0.2 * 0.8 / rounds))


@pytest.mark.parametrize("name", catalogue.delays())
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_fit_does_not_depend_on_the_unit_or_the_order(name: str, factor: float, seed: int) -> None:
    times = responses(seed, missing=0.1)
    order = np.random.default_rng(seed).permutation(times.shape[1])
    model, scaled = families()[name].fit(times), families()[name].fit(times * factor)
    permuted = families()[name].fit(times[:, order])
    # Between two responses, so that rounding cannot move a response across the deadline.
    for deadline_s in (1.10005, 1.30005, 2.20005):
        p = model.straggle_prob(deadline_s)
        np.testing.assert_allclose(scaled.straggle_prob(deadline_s * factor), p, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(permuted.straggle_prob(deadline_s), p[order], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", catalogue.delays())
@pytest.mark.parametrize(
    "times",
    [
        np.array([[1.0, 2.0], [1.5, np.inf]]),
        np.ones((5, 3)),
        np.column_stack([np.full(6, np.inf), np.arange(1.0, 7), np.arange(2.0, 8)]),
        np.array([[1.0, 1.1, np.inf]]),
        np.geomspace(1e-6, 1e6, 40).reshape(20, 2),
    ],
    ids=["tiny", "all equal", "never answers", "one round", "twelve decades"],
)
def test_degenerate_logs_are_survived(name: str, times: FloatArray) -> None:
    model = fit_family(times, name)
    previous = np.ones(times.shape[1])
    for deadline_s in (1e-9, 1.0, 1.05, 3.0, 1e7):
        p = model.straggle_prob(deadline_s)
        assert np.all((p >= 0) & (p <= previous + 1e-12))
        previous = p
    assert np.all(model.sample((50,), rng=np.random.default_rng(0)) > 0)


def test_robust_to_an_outlier() -> None:
    """One response 1000 times too late leaves the other workers alone and its own bulk nearly so."""
    times = responses(1)
    times[0, 0] = 1.1
    spoilt = times.copy()
    spoilt[0, 0] = 1100.0
    for name in ("loglogistic", "pooled_empirical"):
        before, after = (fit_family(each, name).straggle_prob(1.3) for each in (times, spoilt))
        assert np.max(np.abs(after - before)) < 0.1


@given(seed=st.integers(0, 200), kappa=st.floats(0.3, 300), missing=st.sampled_from([0.0, 0.3]))
def test_pooled_empirical_against_direct_counts(seed: int, kappa: float, missing: float) -> None:
    times = responses(seed, rounds=7, n_workers=4, missing=missing)
    model = PooledEmpirical(times, kappa)
    for deadline_s in (*times[np.isfinite(times)], 0.5, 1.23, 5000.0):
        pooled = (np.sum(times > deadline_s) + 0.5) / (times.size + 0.5)
        expected = (kappa * pooled + np.sum(times > deadline_s, axis=0)) / (kappa + 7)
        np.testing.assert_allclose(model.straggle_prob(deadline_s), expected, rtol=1e-12)
        assert np.all(model.straggle_prob(deadline_s) > 0)


@given(seed=st.integers(0, 200), kappa=st.floats(0.3, 300))
def test_pooled_empirical_inverts_its_law(seed: int, kappa: float) -> None:
    """F(t) >= u and F(t-) < u at every sampled t: the definition of the inverse distribution function.

    Draws of what nobody has seen come later than every response, and are told apart by that.
    """
    times = responses(seed, rounds=6, n_workers=5, missing=0.1)
    model = PooledEmpirical(times, kappa)
    drawn = model.sample((40,), rng=np.random.default_rng(seed))
    uniform = np.random.default_rng(seed).random((40, 5))
    seen = drawn <= times[np.isfinite(times)].max()
    assert np.all((1 - model.survival(drawn) >= uniform - 1e-9)[seen])
    assert np.all((1 - model.survival(np.nextafter(drawn, 0)) < uniform + 1e-9)[seen])
    last = 1 - model.survival(np.full((1, 5), times[np.isfinite(times)].max()))
    assert np.all((uniform > last - 1e-9)[~seen & np.ones_like(last, dtype=bool)])


def test_the_unseen_response_comes_right_after_the_latest() -> None:
    """A wait for it ends, and it misses every deadline up to the latest response; a missing one never comes."""
    times = responses(2, rounds=6, n_workers=5)
    latest = times.max()
    drawn = PooledEmpirical(times, 50.0).sample((20_000,), rng=np.random.default_rng(0))
    assert set(np.unique(drawn)) == {*np.unique(times), np.nextafter(latest, np.inf)}
    times[1, 1] = np.inf
    assert np.isinf(PooledEmpirical(times, 50.0).sample((20_000,), rng=np.random.default_rng(0))).any()


@pytest.mark.parametrize("seed", range(3))
def test_concentration_maximises_scipys_beta_binomial(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = np.geomspace(0.5, 1e6, 1000)
    monkeypatch.setattr(pooled_empirical, "CONCENTRATIONS", grid)
    times = responses(seed, rounds=25, n_workers=12)
    deadlines = np.unique(np.quantile(times, LEVELS, method="inverted_cdf"))
    count = (times[:, None, :] > deadlines[:, None]).sum(axis=0)  # (levels, W)
    pooled = (count.sum(axis=1, keepdims=True) + 0.5) / (times.size + 1)
    likelihood = [stats.betabinom.logpmf(count, 25, kappa * pooled, kappa * (1 - pooled)).sum() for kappa in grid]
    assert pooled_empirical.fit(times).concentration == grid[np.argmax(likelihood)]
    named = np.array([1.2, 1.5])
    assert pooled_empirical.fit(times, deadlines).concentration == grid[np.argmax(likelihood)]
    count = (times[:, None, :] > named[:, None]).sum(axis=0)  # (2, W)
    pooled = (count.sum(axis=1, keepdims=True) + 0.5) / (times.size + 1)
    likelihood = [stats.betabinom.logpmf(count, 25, kappa * pooled, kappa * (1 - pooled)).sum() for kappa in grid]
    assert pooled_empirical.fit(times, named).concentration == grid[np.argmax(likelihood)]


def test_workers_alike_early_and_unlike_late_are_pooled_early_only() -> None:
    """Everyone misses 1 s in half of the rounds; those of half of the workers miss 2 s then too, the others never."""
    rng = np.random.default_rng(12)
    miss = rng.permuted(np.tile([[False], [True]], (20, 30)), axis=0)  # (rounds, W)
    times = np.where(miss, np.where(np.arange(30) < 15, 3.0, 1.5), 0.5) + 0.01 * rng.random((40, 30))
    early, late = (pooled_empirical.fit(times, np.array([at])) for at in (1.0, 2.0))
    assert early.concentration == pooled_empirical.CONCENTRATIONS[-1]
    assert late.concentration < 5  # of 40 rounds
    assert np.ptp(late.straggle_prob(2.0)) > 0.45 > 0.05 > np.ptp(early.straggle_prob(1.4))
    mean = [pooled_empirical.posterior(times, at, 60, rng=rng).mean(axis=0) for at in (1.0, 2.0)]
    assert np.ptp(mean[0]) < 0.1
    assert np.min(mean[1][:15]) - np.max(mean[1][15:]) > 0.42  # 0.35 if trust were chosen over all deadlines
    # The functions that take deadlines hand them on: to the fit, to the curve, and to the rounds left out.
    for at, model in ((1.0, early), (2.0, late)):
        named = np.array([at])
        expected = model.straggle_prob(at)
        np.testing.assert_array_equal(fit_family(times, "pooled_empirical", named).straggle_prob(at), expected)
        np.testing.assert_array_equal(straggle_probs(times, "pooled_empirical")(at), expected)
        left_out = pooled_empirical.fit(times[8:], named).straggle_prob(at)
        np.testing.assert_array_equal(held_out(times, "pooled_empirical", named)[0, 0], left_out)
    np.testing.assert_array_equal(
        straggle_probs(times, "weibull")(2.0), fit_family(times, "weibull").straggle_prob(2.0)
    )


def test_concentration_tells_differing_from_equal_workers() -> None:
    rng = np.random.default_rng(4)
    equal = 1 + rng.exponential(size=(30, 60))
    differing = 1 + rng.exponential(size=(30, 60)) * np.geomspace(0.1, 3, 60)
    assert pooled_empirical.fit(equal).concentration > 30 * pooled_empirical.fit(differing).concentration


def test_shrinkage_beats_fitting_each_worker_alone() -> None:
    """Mean squared error of p, paired over 40 logs: t-test, false alarm 1e-6."""
    gain = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = LocationScale(lognormal.LAW, rng.normal(0, 0.05, 20), np.full(20, 0.3))
        times = truth.sample((10,), rng=rng)
        p = truth.straggle_prob(1.4)
        alone = np.concatenate([lognormal.fit(times[:, [w]]).straggle_prob(1.4) for w in range(20)])
        gain.append(np.mean((alone - p) ** 2) - np.mean((lognormal.fit(times).straggle_prob(1.4) - p) ** 2))
    assert stats.ttest_1samp(gain, 0, alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("name", list(catalogue.delays()))
def test_rounds_without_any_response_are_survived(name: str) -> None:
    """Half of the rounds came to nothing: some resamples hold no response at all."""
    response_s = np.array([[1.0, 1.2, 0.9], [np.inf] * 3])
    draws = catalogue.delays()[name].posterior(response_s, 1.1, 50, rng=np.random.default_rng(0))
    assert draws.shape == (50, 3)
    assert np.all((draws >= 0) & (draws <= 1))


# ---- laws of given parameters ----------------------------------------------------------------------------


def given_of(name: str, worker: int) -> dict[str, Any]:
    """One worker's own parameters."""
    return {key: value[worker] if isinstance(value, list) else value for key, value in TABLES[name].items()}


def shifted(shift_s: float, rate_per_s: float) -> Any:
    return stats.expon(shift_s, 1 / rate_per_s)


SCIPYS: dict[str, Callable[..., Any]] = {
    "exponential": lambda rate_per_s: shifted(0, rate_per_s),
    "shifted_exponential": shifted,
    "weibull": lambda scale_s, shape: stats.weibull_min(shape, scale=scale_s),
    "lognormal": lambda median_s, log_sd: stats.lognorm(log_sd, scale=median_s),
    # Burr XII with d = 1 is log-logistic; fisk's tail has lost six digits at 1e-11.
    "loglogistic": lambda median_s, shape: stats.burr12(shape, 1, scale=median_s),
}


@pytest.mark.parametrize("name", SCIPYS)
def test_built_laws_are_scipys(name: str) -> None:
    """Probabilities, moments, and 20,000 samples by Kolmogorov and Smirnov: false alarm 1e-6 over the workers."""
    model = built(name)
    samples = model.sample((20_000,), rng=np.random.default_rng(3))  # (N, W)
    for worker in range(3):
        law = SCIPYS[name](**given_of(name, worker))
        for deadline_s in (0.0, 0.3, 1.1, 4.0, np.inf):
            np.testing.assert_allclose(model.straggle_prob(deadline_s)[worker], law.sf(deadline_s), rtol=1e-12)
        assert stats.kstest(samples[:, worker], law.cdf).pvalue > 1e-6 / 3
        alone = build_delay({"kind": name} | given_of(name, worker), 1)
        np.testing.assert_allclose(mean_kth(alone), law.mean(), rtol=RELATIVE_ERROR)
        np.testing.assert_allclose(var_kth(alone), law.var(), rtol=RELATIVE_ERROR)


@pytest.mark.parametrize("worker", range(3))
def test_bimodal_is_a_mixture_of_two_scipy_laws(worker: int) -> None:
    given_ = given_of("bimodal", worker)
    prob, slowdown = given_["slow_prob"], given_["slowdown"]
    usual = shifted(given_["shift_s"], given_["rate_per_s"])
    slow = shifted(slowdown * given_["shift_s"], given_["rate_per_s"] / slowdown)
    model = build_delay({"kind": "bimodal"} | given_, 1)
    for deadline_s in (0.0, 0.3, 0.6, 1.1, 2.5, 9.0, np.inf):
        expected = (1 - prob) * usual.sf(deadline_s) + prob * slow.sf(deadline_s)
        np.testing.assert_allclose(model.straggle_prob(deadline_s), expected, rtol=1e-12)
    np.testing.assert_allclose(mean_kth(model), (1 - prob + prob * slowdown) * usual.mean(), rtol=RELATIVE_ERROR)
    second = (1 - prob + prob * slowdown**2) * usual.moment(2)
    np.testing.assert_allclose(var_kth(model), second - mean_kth(model) ** 2, rtol=2 * RELATIVE_ERROR)

    def cdf(time_s: Any) -> Any:
        return (1 - prob) * usual.cdf(time_s) + prob * slow.cdf(time_s)

    samples = model.sample((20_000,), rng=np.random.default_rng(3))[:, 0]
    assert stats.kstest(samples, cdf).pvalue > 1e-6 / 3


@pytest.mark.parametrize("slow_prob", [0.0, 1e-300, 0.1, 0.5, 1.0])
def test_bimodal_takes_the_ends_of_the_uniforms(slow_prob: float) -> None:
    """Nothing comes before the shift, and nothing is infinite, at the least and the largest uniform and at the seam."""
    model = build_delay({"kind": "bimodal"} | given_of("bimodal", 2) | {"slow_prob": slow_prob}, 1)
    seam = 1 - slow_prob

    class Ends:
        def random(self, size: tuple[int, ...], /) -> FloatArray:
            ends = [0.0, 1.0, np.nextafter(seam, 0), seam, np.nextafter(seam, 1)]
            return np.asarray(np.clip(ends, 0.0, 1 - 2**-53)[:, None], np.float64)

    drawn = model.sample((5,), rng=Ends())[:, 0]
    assert np.all((drawn >= 1.0) & (drawn < 1.0 * 2 + 2 * 40 / 4))


def test_speeds_are_uniform_and_times_their_inverses() -> None:
    """Deadline and mean time of quantimed: E 1/V = log(fastest/slowest)/(fastest - slowest), E 1/V^2 = 1/(product)."""
    model = build_delay({"kind": "bounded_speed", "slowest": 10, "fastest": 90}, 1)
    speeds = 1 / model.sample((20_000,), rng=np.random.default_rng(4))[:, 0]
    assert stats.kstest(speeds, stats.uniform(10, 80).cdf).pvalue > 1e-6
    for deadline_s in (1e-3, 1 / 90, 0.02, 0.05, 0.1, 1.0):
        np.testing.assert_allclose(model.straggle_prob(deadline_s), stats.uniform(10, 80).cdf(1 / deadline_s))
    mean = np.log(9) / 80
    np.testing.assert_allclose(mean_kth(model), mean, rtol=RELATIVE_ERROR)
    np.testing.assert_allclose(var_kth(model), 1 / 900 - mean**2, rtol=RELATIVE_ERROR)
    assert model.straggle_prob(0.0) == model.straggle_prob(-1.0) == 1
    assert model.straggle_prob(np.inf) == 0
    assert np.isinf(mean_kth(build_delay({"kind": "bounded_speed", "slowest": 0, "fastest": 1.0}, 1))).all()


@pytest.mark.parametrize("speed", [1.0, 3.0, 49.0, 103.0, 1e-3])
def test_equal_speeds_are_on_time_at_their_own_time_and_late_just_before(speed: float) -> None:
    """Though 1/(1/49) > 49 in floating point: a sample is the time itself, and no response is later than itself."""
    model = build_delay({"kind": "bounded_speed", "slowest": speed, "fastest": speed}, 1)
    time_s = model.sample((3,), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(time_s, 1 / speed)
    assert model.straggle_prob(1 / speed) == 0
    assert model.straggle_prob(np.nextafter(1 / speed, 0)) == 1


@pytest.mark.parametrize(
    ("n_workers", "share", "sizes"),
    [
        (10, [1.0], [10]),
        (3, [1, 0.01, 1], [1, 1, 1]),
        (10, [0.2, 0.3, 0.5], [2, 3, 5]),
        (7, [1, 2], [2, 5]),
        (3, [5, 5, 5], [1, 1, 1]),
    ],
)
def test_tiers_are_contiguous_and_have_their_shares(n_workers: int, share: list[float], sizes: list[int]) -> None:
    shift_s = [1.0 + tier for tier in range(len(share))]
    model = build_delay({"kind": "tiered", "share": share, "shift_s": shift_s, "rate_per_s": shift_s}, n_workers)
    expected = [np.exp(-shift * max(2.5 - shift, 0)) for shift in np.repeat(shift_s, sizes)]
    np.testing.assert_allclose(model.straggle_prob(2.5), expected)


def test_one_number_stands_for_all_workers() -> None:
    one = build_delay({"kind": "weibull", "scale_s": 2, "shape": 1.5}, 4)
    each = build_delay({"kind": "weibull", "scale_s": [2.0] * 4, "shape": [1.5] * 4}, 4)
    np.testing.assert_array_equal(one.straggle_prob(1.7), each.straggle_prob(1.7))
    assert one.n_workers == each.n_workers == 4


def test_built_pooled_empirical_is_the_fitted_one() -> None:
    fitted = pooled_empirical.fit(embedded_log().response_s[:, :3])
    np.testing.assert_array_equal(built("pooled_empirical").straggle_prob(0.05), fitted.straggle_prob(0.05))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too few": ({"kind": "exponential", "rate_per_s": [1.0, 2.0]}, "rate_per_s has 2 numbers for 3 workers"),
    "too many": ({"kind": "bernoulli", "straggle_prob": [0.1] * 4}, "straggle_prob has 4 numbers for 3 workers"),
    "no rate": (
        {"kind": "exponential", "rate_per_s": [1.0, 0.0, 1.0]},
        "rate_per_s is 0 for worker 1: give a positive",
    ),
    "no number": ({"kind": "exponential", "rate_per_s": np.nan}, "rate_per_s is nan: give a finite number"),
    "infinite": ({"kind": "weibull", "scale_s": np.inf, "shape": 1}, "scale_s is inf"),
    "shape": ({"kind": "weibull", "scale_s": 1, "shape": -1}, "shape is -1"),
    "log_sd": ({"kind": "lognormal", "median_s": 1, "log_sd": 0}, "log_sd is 0"),
    "median": ({"kind": "lognormal", "median_s": -2, "log_sd": 1}, "median_s is -2"),
    "loglogistic": ({"kind": "loglogistic", "median_s": 1, "shape": 0}, "shape is 0"),
    "loglogistic median": ({"kind": "loglogistic", "median_s": 0, "shape": 2}, "median_s is 0"),
    "early": ({"kind": "shifted_exponential", "shift_s": -0.1, "rate_per_s": 1}, "shift_s is -0.1"),
    "shifted rate": ({"kind": "shifted_exponential", "shift_s": 0.1, "rate_per_s": -1}, "rate_per_s is -1"),
    "probability": ({"kind": "bernoulli", "straggle_prob": 1.5}, "straggle_prob is 1.5 .* from 0 to 1"),
    "answer": ({"kind": "bernoulli", "straggle_prob": 0.5, "answer_s": -1}, "answer_s is -1"),
    "slow_prob": (
        {"kind": "bimodal", "shift_s": 0, "rate_per_s": 1, "slow_prob": -0.1, "slowdown": 2},
        "slow_prob is -0.1",
    ),
    "slowdown": (
        {"kind": "bimodal", "shift_s": 0, "rate_per_s": 1, "slow_prob": 0.1, "slowdown": 0.5},
        "slowdown is 0.5",
    ),
    "speeds": ({"kind": "bounded_speed", "slowest": [1, 3, 1], "fastest": 2}, "slowest = 3 is above .* worker 1: swap"),
    "slowest": ({"kind": "bounded_speed", "slowest": -1, "fastest": 2}, "slowest is -1"),
    "fastest": ({"kind": "bounded_speed", "slowest": 0, "fastest": 0}, "fastest is 0"),
    "tiers": ({"kind": "tiered", "share": [1, 1], "shift_s": [0], "rate_per_s": [1, 1]}, "2 of share, 1 of shift_s"),
    "no tier": ({"kind": "tiered", "share": [], "shift_s": [], "rate_per_s": []}, "tiers have 0 of share"),
    "empty tier": (
        {"kind": "tiered", "share": [1, 0.01, 2], "shift_s": [0, 0, 0], "rate_per_s": [1, 1, 1]},
        "tier 1 of 3 gets none of 3 workers",
    ),
    "no share": ({"kind": "tiered", "share": [1, 0], "shift_s": [0, 0], "rate_per_s": [1, 1]}, "share is 0 for tier 1"),
    "tier rate": ({"kind": "tiered", "share": [1], "shift_s": [0], "rate_per_s": [0]}, "rate_per_s is 0 for tier 0"),
    "no log": ({"kind": "pooled_empirical", "where": {"load": "1"}}, "give the log"),
    "wrong kind": ({"kind": "exponential", "rate_per_s": "fast"}, "rate_per_s is 'fast'"),
}


@pytest.mark.parametrize(("table", "match"), REFUSED.values(), ids=REFUSED)
def test_parameters_are_refused_in_one_line(table: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        build_delay(table, 3)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", sorted({*TABLES, "replay", "pooled_empirical"}))
def test_no_workers_are_refused(name: str) -> None:
    table = {
        key: value[0] if isinstance(value, list) and name != "tiered" else value
        for key, value in TABLES.get(name, {}).items()
    }
    with pytest.raises(InputError, match=r"0 (workers|asked for)"):
        build_delay({"kind": name} | table, 0)
