"""Means and variances of order statistics against closed forms, enumeration, scipy and samples."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import DelayModel, FloatArray, UniformSource
from workbench.engine.setup import build_delay
from workbench.stragglers.delays.pooled_empirical import PooledEmpirical
from workbench.stragglers.delays.replay import Replay
from workbench.stragglers.fit import families
from workbench.stragglers.log import embedded_log
from workbench.stragglers.order_statistics import RELATIVE_ERROR, fewer_than, mean_kth, var_kth

FALSE_ALARM = 1e-6
UNLIKE: dict[str, dict[str, Any]] = {
    "bimodal": {
        "shift_s": [0.1, 0.5, 0.2, 1.0],
        "rate_per_s": [1, 2, 3, 4.0],
        "slow_prob": 0.2,
        "slowdown": [2, 3, 4, 5],
    },
    "bounded_speed": {"slowest": [10, 20, 30, 40], "fastest": [90, 80, 70, 40]},
    "exponential": {"rate_per_s": [0.5, 1.0, 2.0, 7.0]},
    "loglogistic": {"median_s": [0.5, 1.0, 2.0, 1.5], "shape": [4.5, 5.0, 6.0, 7.0]},
    "lognormal": {"median_s": [0.5, 1.0, 2.0, 1.5], "log_sd": [0.1, 0.3, 0.5, 0.6]},
    "shifted_exponential": {"shift_s": [0.1, 0.2, 0.2, 3.0], "rate_per_s": [1, 2, 3, 4.0]},
    "tiered": {"share": [1, 3], "shift_s": [1, 2], "rate_per_s": [2, 0.5]},
    "weibull": {"scale_s": [0.5, 1.0, 2.0, 1.5], "shape": [0.8, 1.0, 3.0, 9.0]},
}


def unlike(name: str) -> DelayModel:
    return build_delay({"kind": name} | UNLIKE[name], 4)


@dataclass(frozen=True)
class Uniform:
    """Workers alike, response times uniform on [low, high], and corners that it does not tell."""

    low: float
    high: float
    n_workers: int

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return np.asarray(self.low + (self.high - self.low) * rng.random((*shape, self.n_workers)))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        late = (self.high - deadline_s) / (self.high - self.low)
        return np.full(self.n_workers, min(max(late, 0.0), 1.0))


@dataclass(frozen=True)
class Steps:
    """Worker i answers at time_s[m, i] with probability 1/M each, and does not tell when it jumps."""

    time_s: FloatArray  # (M, W)

    @property
    def n_workers(self) -> int:
        return int(self.time_s.shape[1])

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        chosen = (rng.random((*shape, self.n_workers)) * len(self.time_s)).astype(int)
        return self.time_s[chosen, np.arange(self.n_workers)]

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return (self.time_s > deadline_s).mean(axis=0)


@dataclass(frozen=True)
class Changed:
    """Another law's responses `factor` times longer, its workers in another order, without a word on its corners."""

    law: DelayModel
    factor: float
    order: tuple[int, ...]

    @property
    def n_workers(self) -> int:
        return len(self.order)

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return self.factor * self.law.sample(shape, rng=rng)[..., list(self.order)]

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return self.law.straggle_prob(deadline_s / self.factor)[list(self.order)]


def near(found: FloatArray, expected: Any, *, n_errors: int = 1) -> None:
    np.testing.assert_allclose(found, expected, rtol=n_errors * RELATIVE_ERROR)


# ---- the number of answers -------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(late=st.lists(st.sampled_from([0.0, 1.0, 0.5, 1e-9, 0.3, 0.999]), min_size=1, max_size=7))
def test_the_number_of_answers_is_that_of_all_patterns(late: list[float]) -> None:
    expected = np.zeros(len(late))
    for pattern in product([0, 1], repeat=len(late)):
        prob = np.prod([1 - p if answered else p for p, answered in zip(late, pattern, strict=True)])
        expected[sum(pattern) :] += prob
    found = fewer_than(np.array([late, late[::-1]]))
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-13, atol=1e-300)


def fewer_by_fractions(n_workers: int, late: float) -> list[float]:
    """P(fewer than k of n answer), k = 1..n, exactly: scipy wants 1 - late, where a small one loses digits."""
    below, unit = late.as_integer_ratio()
    total, found = 0, []
    for answered in range(n_workers):
        total += comb(n_workers, answered) * (unit - below) ** answered * below ** (n_workers - answered)
        found.append(float(Fraction(total, unit**n_workers)))
    return found


@pytest.mark.parametrize("n_workers", [1, 3, 60, 300])
def test_workers_alike_are_binomial_and_hardly_unlike_ones_hardly_differ(n_workers: int) -> None:
    prob = np.array([0.0, 2.0**-23, 0.25, 0.875, 1 - 2.0**-40, 1.0])  # 1 - p is exact
    alike = np.repeat(prob[:, None], n_workers, axis=1)
    found = fewer_than(alike)
    for row, p in zip(found, prob, strict=True):
        np.testing.assert_allclose(row, fewer_by_fractions(n_workers, float(p)), rtol=1e-11, atol=1e-300)
    alike[1:-1, 0] *= 1 - 1e-15
    np.testing.assert_allclose(fewer_than(alike), found, rtol=1e-11, atol=1e-300)


# ---- closed forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_workers", [1, 2, 5, 50, 200])
def test_exponential_means_are_harmonic_sums(n_workers: int) -> None:
    """fastest_k, eq. 7, and the variance, the sum of 1/i^2 over the same i, over the rate squared."""
    model = build_delay({"kind": "exponential", "rate_per_s": 0.2}, n_workers)
    for k, mean, var in zip(range(1, n_workers + 1), mean_kth(model), var_kth(model), strict=True):
        waits = 1 / np.arange(n_workers - k + 1, n_workers + 1)
        near(mean, waits.sum() / 0.2)
        near(var, (waits**2).sum() / 0.04)


def test_exponentials_of_other_rates_by_inclusion_and_exclusion() -> None:
    rates = UNLIKE["exponential"]["rate_per_s"]
    first, second = np.zeros(4), np.zeros(4)
    for k, size in product(range(1, 5), range(1, 5)):
        if size > 4 - k:
            sign = (-1) ** (size - (4 - k + 1)) * comb(size - 1, 4 - k)
            totals = np.array([sum(some) for some in combinations(rates, size)])
            first[k - 1] += sign * (1 / totals).sum()
            second[k - 1] += sign * (2 / totals**2).sum()
    near(mean_kth(unlike("exponential")), first)
    near(var_kth(unlike("exponential")), second - first**2)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (3.0, 4.0), (1e5, 1e5 + 1), (1e-9, 1e9)])
@pytest.mark.parametrize("n_workers", [1, 7])
def test_uniform_order_statistics_are_beta(low: float, high: float, n_workers: int) -> None:
    k = np.arange(1, n_workers + 1)
    model = Uniform(low, high, n_workers)
    near(mean_kth(model), low + (high - low) * k / (n_workers + 1))
    var = (high - low) ** 2 * k * (n_workers - k + 1) / ((n_workers + 1) ** 2 * (n_workers + 2))
    # 1 part in 1e16 of the deadline is all that tells one time from the next.
    np.testing.assert_allclose(var_kth(model), var, rtol=RELATIVE_ERROR + 1e-15 * high / (high - low))


@pytest.mark.parametrize("shape", [0.3, 0.9, 1.0, 1.00001, 1.02, 1.5, 2.0, 2.01, 30.0])
def test_log_logistic_order_statistics_are_gamma_quotients_and_infinite_at_the_right_k(shape: float) -> None:
    """E X_(k)^m = median^m G(k + m/a) G(W - k + 1 - m/a)/(G(k) G(W - k + 1)) where m < a (W - k + 1)."""
    n_workers, median = 6, 3.0
    k = np.arange(1, n_workers + 1)
    model = build_delay({"kind": "loglogistic", "median_s": median, "shape": shape}, n_workers)

    def moment(order: int) -> FloatArray:
        left = n_workers - k + 1 - order / shape  # (W,)
        known = np.where(left > 0, left, 1.0)
        logs = gammaln(k + order / shape) + gammaln(known) - gammaln(k) - gammaln(n_workers - k + 1)
        return np.where(left > 0, median**order * np.exp(logs), np.inf)

    near(mean_kth(model), moment(1))
    found = var_kth(model)
    finite = np.isfinite(moment(2))
    near(found[finite], moment(2)[finite] - moment(1)[finite] ** 2)
    assert np.all(np.isinf(found[~finite]))


@dataclass(frozen=True)
class Pareto:
    """Workers alike, P(t > deadline) = (least/deadline)^shape beyond the least time, a corner that it does not tell."""

    least_s: float
    shape: float
    n_workers: int

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        return self.least_s * (1 - rng.random((*shape, self.n_workers))) ** (-1 / self.shape)

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        return np.full(self.n_workers, (self.least_s / max(deadline_s, self.least_s)) ** self.shape)


@pytest.mark.parametrize(
    ("shape", "n_means", "n_vars"), [(1.2, 5, 4), (0.6, 4, 2), (0.26, 2, 0), (0.19, 0, 0), (2.5, 5, 5)]
)
def test_pareto_moments_are_finite_for_low_k_only(shape: float, n_means: int, n_vars: int) -> None:
    """E X_(k)^m = least^m G(W + 1) G(b)/(G(W - k + 1) G(b + k)) where b = W - k + 1 - m/shape is positive."""
    n_workers, least_s = 5, 0.02
    k = np.arange(1, n_workers + 1)

    def moment(order: int, count: int) -> FloatArray:
        some = k[:count]
        left = n_workers - some + 1 - order / shape  # b
        logs = gammaln(n_workers + 1) + gammaln(left) - gammaln(n_workers - some + 1) - gammaln(left + some)
        return least_s**order * np.exp(logs)

    model = Pareto(least_s, shape, n_workers)
    mean, var = mean_kth(model), var_kth(model)
    assert np.isfinite(mean).tolist() == (k <= n_means).tolist()
    assert np.isfinite(var).tolist() == (k <= n_vars).tolist()
    near(mean[:n_means], moment(1, n_means))
    near(var[:n_vars], moment(2, n_vars) - moment(1, n_vars) ** 2, n_errors=2)


@pytest.mark.parametrize("log_sd", [1e-6, 1e-3, 0.5, 3.0, 8.0])
def test_lognormal_moments_from_narrow_to_sixty_decades(log_sd: float) -> None:
    model = build_delay({"kind": "lognormal", "median_s": 2.0, "log_sd": log_sd}, 1)
    near(mean_kth(model), 2 * np.exp(log_sd**2 / 2))
    near(var_kth(model), 4 * np.expm1(log_sd**2) * np.exp(log_sd**2))


@pytest.mark.parametrize("shape", [0.05, 0.3, 1.0, 50.0])
def test_the_first_of_weibulls_is_weibull(shape: float) -> None:
    model = build_delay({"kind": "weibull", "scale_s": 2.0, "shape": shape}, 9)
    first = stats.weibull_min(shape, scale=2.0 * 9 ** (-1 / shape))
    near(mean_kth(model)[0], first.mean())
    np.testing.assert_allclose(var_kth(model)[0], first.var(), rtol=RELATIVE_ERROR + 1e-14 * shape**2)


def test_answers_at_one_moment_or_never() -> None:
    model = build_delay({"kind": "bernoulli", "straggle_prob": [0.5, 0.0, 1.0, 0.0], "answer_s": 7.0}, 4)
    near(mean_kth(model), [7, 7, np.inf, np.inf])
    np.testing.assert_array_equal(var_kth(model), [0, 0, np.inf, np.inf])
    # However many may never answer: that all of them do not has probability 0.05^400, which rounds to 0.
    many = build_delay({"kind": "bernoulli", "straggle_prob": [0.05] * 400 + [0.0] * 3}, 403)
    assert np.isfinite(mean_kth(many)).tolist() == np.isfinite(var_kth(many)).tolist() == [True] * 3 + [False] * 400
    at_once = build_delay({"kind": "bernoulli", "straggle_prob": [0.0, 0.1], "answer_s": 0.0}, 2)
    np.testing.assert_array_equal(mean_kth(at_once), [0, np.inf])


def test_a_heavy_worker_far_below_the_others_shows_in_the_last_response_only() -> None:
    """A tail of exponent 1.01 from a microsecond on, behind three workers around a second."""
    heavy = {"kind": "loglogistic", "median_s": [1e-6, 1.0, 1.0, 1.0], "shape": [1.01, 30.0, 20.0, 40.0]}
    mean = mean_kth(build_delay(heavy, 4))
    alone = mean_kth(build_delay({"kind": "loglogistic", "median_s": 1e-6, "shape": 1.01}, 1))[0]
    others = [np.pi / a / np.sin(np.pi / a) for a in (30, 20, 40)]
    near(mean.sum(), alone + sum(others))
    near(alone, 1e-6 * np.pi / 1.01 / np.sin(np.pi / 1.01))


# ---- any law ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNLIKE)
def test_order_statistics_sum_to_the_workers_own_moments(name: str) -> None:
    model = unlike(name)
    alone = [Changed(model, 1.0, (worker,)) for worker in range(4)]
    own_mean = np.array([mean_kth(each)[0] for each in alone])
    own_second = own_mean**2 + [var_kth(each)[0] for each in alone]
    mean, var = mean_kth(model), var_kth(model)
    near(mean.sum(), own_mean.sum(), n_errors=2)
    near((var + mean**2).sum(), own_second.sum(), n_errors=4)
    assert np.all(np.diff(mean) > 0)


@pytest.mark.parametrize("name", UNLIKE)
@pytest.mark.parametrize(("factor", "order"), [(1.0, (2, 0, 3, 1)), (1e-9, (0, 1, 2, 3)), (3e7, (3, 2, 1, 0))])
def test_unit_and_order_do_not_matter_nor_whether_corners_are_told(
    name: str, factor: float, order: tuple[int, ...]
) -> None:
    model, changed = unlike(name), Changed(unlike(name), factor, order)
    near(mean_kth(changed), factor * mean_kth(model), n_errors=2)
    near(var_kth(changed), factor**2 * var_kth(model), n_errors=2)


def test_jumps_by_enumeration() -> None:
    """Three workers with four times each, some equal: all 64 outcomes."""
    times = np.array([[1.0, 2.0, 0.5], [1.0, 3.0, 0.5], [2.0, 3.0, 2.0], [5.0, 3.1, 4.0]])
    outcomes = np.sort(list(product(*times.T)), axis=1)  # (64, W)
    near(mean_kth(Steps(times)), outcomes.mean(axis=0))
    near(var_kth(Steps(times)), outcomes.var(axis=0))


def check_by_samples(model: DelayModel, drawn: FloatArray) -> None:
    """Means and mean squares around them lie within Z standard errors: false alarm 1e-6 over all k and both."""
    ranked, mean, var = np.sort(drawn, axis=1), mean_kth(model), var_kth(model)
    z = stats.norm.isf(FALSE_ALARM / (4 * len(mean)))
    root = np.sqrt(len(drawn))
    np.testing.assert_array_less(np.abs(ranked.mean(axis=0) - mean), z * np.sqrt(var) / root)
    apart = (ranked - mean) ** 2
    np.testing.assert_array_less(np.abs(apart.mean(axis=0) - var), z * apart.std(axis=0) / root)


@pytest.mark.parametrize("name", UNLIKE)
def test_samples_have_these_moments(name: str) -> None:
    model = unlike(name)
    check_by_samples(model, model.sample((100_000,), rng=np.random.default_rng(8)))


@pytest.mark.parametrize("name", catalogue.delays())
def test_samples_of_fitted_laws_have_these_moments(name: str) -> None:
    model = families()[name].fit(embedded_log().response_s[:, :6])
    check_by_samples(model, model.sample((100_000,), rng=np.random.default_rng(9)))


def test_laws_of_the_catalogue_are_all_looked_at() -> None:
    """Those that other packages add have defaults, and a mean for the first response."""
    for name in catalogue.delay_laws().keys() - UNLIKE.keys() - {"bernoulli"}:
        assert 0 < mean_kth(build_delay({"kind": name}, 3))[0] < np.inf


# ---- recorded responses ----------------------------------------------------------------------------------


def test_a_replayed_log_keeps_the_workers_of_a_round_together() -> None:
    times = np.array([[1.0, 5.0, np.inf], [4.0, 2.0, 3.0], [9.0, 7.0, 8.0]])
    np.testing.assert_allclose(mean_kth(Replay(times)), [(1 + 2 + 7) / 3, (5 + 3 + 8) / 3, np.inf])
    np.testing.assert_allclose(var_kth(Replay(times)), [np.var([1, 2, 7]), np.var([5, 3, 8]), np.inf])


def test_missing_responses_of_the_pooled_law_never_come() -> None:
    times = embedded_log().response_s[:10, :4].copy()
    assert np.all(np.isfinite(mean_kth(PooledEmpirical(times, 5.0))))
    times[3, 2] = np.inf
    assert np.all(np.isinf(mean_kth(PooledEmpirical(times, 5.0))))
    assert np.all(np.isinf(var_kth(PooledEmpirical(times, 5.0))))
    many = np.random.default_rng(0).exponential(size=(5, 400))
    many[3, 2] = np.inf
    assert np.all(np.isinf(mean_kth(PooledEmpirical(many, 5.0))))
    assert np.all(np.isinf(var_kth(PooledEmpirical(many, 5.0))))


# ---- refusals --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odd(Uniform):
    """A law that is none, or one whose tail's exponent keeps falling."""

    kind: str = ""

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        if self.kind == "nan":
            return np.full(self.n_workers, np.nan)
        return np.array([1 / (deadline_s * np.log(deadline_s) ** 2) if deadline_s > 3 else 1.0])


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (build_delay({"kind": "lognormal", "median_s": 1.0, "log_sd": 20.0}, 2), "response 2 of 2 .* beyond"),
        (Odd(0.0, 1.0, 1, "nan"), "the mean of response 1 of 1 is nan"),
        (Odd(0.0, 1.0, 1, "slow"), "the mean of response 1 of 1 is .*, give or take"),
    ],
    ids=["out of reach", "not a number", "unsettled tail"],
)
def test_what_cannot_be_told_is_refused(model: DelayModel, match: str) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        mean_kth(model)
    assert "\n" not in str(refusal.value)


def test_a_second_moment_out_of_reach_leaves_the_mean() -> None:
    model = build_delay({"kind": "lognormal", "median_s": 1.0, "log_sd": 12.0}, 1)
    near(mean_kth(model), np.exp(72))
    with pytest.raises(InputError, match=r"the variance of response 1 of 1 is .*, give or take"):
        var_kth(model)
