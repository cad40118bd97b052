"""From log to profile: choice of the law, intervals, deadline, independence, the JSON format, the command."""

import json
import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.cli import app
from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.formats.profile import json_schema, profile_to_json, read_profile
from workbench.stragglers import fit
from workbench.stragglers.deadline import deadline_curve, deadline_grid, total_utility
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.log import ResponseLog, embedded_log, read_log
from workbench.stragglers.profile import (
    StragglerProfile,
    at_deadline,
    estimate_profile,
    independence_test,
    straggle_prob_from,
)

Truth = tuple[FloatArray, float, FloatArray]  # responses, a deadline, p at it


def as_log(response_s: FloatArray) -> ResponseLog:
    seen = response_s[np.isfinite(response_s)]
    names = tuple(map(str, range(response_s.shape[1])))
    return ResponseLog(response_s, names, float(seen.max()), n_missing=int(np.isinf(response_s).sum()))


def shifted_exponential(rng: np.random.Generator, rounds: int, n_workers: int) -> Truth:
    rate = rng.uniform(2, 10, n_workers)
    return 1 + rng.exponential(1 / rate, (rounds, n_workers)), 1.3, np.exp(-0.3 * rate)


def lognormal(rng: np.random.Generator, rounds: int, n_workers: int) -> Truth:
    mean, sd = 0.15 * rng.standard_normal(n_workers), 0.2 * np.exp(0.2 * rng.standard_normal(n_workers))
    times = np.exp(mean + sd * rng.standard_normal((rounds, n_workers)))
    return times, 1.3, stats.norm.sf((np.log(1.3) - mean) / sd)


def contaminated(rng: np.random.Generator, rounds: int, n_workers: int) -> Truth:
    p = rng.beta(0.7, 6, n_workers)
    late = rng.random((rounds, n_workers)) < p
    return 1 + 0.1 * rng.random(late.shape) + late * (0.2 + rng.exponential(0.5, late.shape)), 1.15, p


def shocked(rng: np.random.Generator, rounds: int, n_workers: int) -> Truth:
    """One round in ten hits everybody."""
    base = rng.beta(1, 9, n_workers)
    p = np.where(rng.random((rounds, 1)) < 0.1, np.minimum(base + 0.5, 1), base)
    late = rng.random((rounds, n_workers)) < p
    times = 1 + 0.05 * rng.random(late.shape) + late * (0.3 + rng.exponential(1, late.shape))
    return times, 1.2, 0.9 * base + 0.1 * np.minimum(base + 0.5, 1)


def alike(rng: np.random.Generator, rounds: int, n_workers: int) -> Truth:
    return 1 + rng.exponential(0.3, (rounds, n_workers)), 1.6, np.full(n_workers, np.exp(-2.0))


def test_family_is_the_one_the_log_was_drawn_from() -> None:
    rng = np.random.default_rng(1)
    times, _, _ = shifted_exponential(rng, 60, 30)
    scores = fit.score_families(times, times.max())
    assert scores[0].family == "shifted_exponential"
    assert {score.family for score in scores} == {*fit.families(), fit.BASELINE}
    assert scores[-1].behind > 3 * scores[-1].behind_error
    times, _, _ = contaminated(rng, 60, 30)
    assert fit.score_families(times, times.max())[0].family == "pooled_empirical"


def test_held_out_prediction_does_not_see_its_round() -> None:
    times, at, _ = contaminated(np.random.default_rng(2), 20, 6)
    spoilt = times.copy()
    spoilt[:4] = 100.0  # the first of five blocks
    first, second = (fit.held_out(each, "pooled_empirical", np.array([at])) for each in (times, spoilt))
    np.testing.assert_array_equal(first[:4], second[:4])
    assert not np.array_equal(first[4:], second[4:])


@pytest.mark.parametrize("draw", [shifted_exponential, lognormal, contaminated, shocked, alike])
def test_intervals_cover(draw: object) -> None:
    """Nominal 95 % intervals hold at least 90 % of the true p, on the average over workers and logs.

    t-test over 6 logs against 0.9, five cells, false alarm 0.001 in all if coverage is 0.9.
    """
    assert callable(draw)
    covered = []
    for seed in range(6):
        times, at, p = draw(np.random.default_rng(seed), 24, 24)
        profile = estimate_profile(as_log(times), at, seed=seed, n_draws=120, n_simulated=1)
        assert profile.interval is not None
        low, high = profile.interval
        assert np.all(low < high)
        covered.append(np.mean((low <= p) & (p <= high)))
    error = np.std(covered, ddof=1) / np.sqrt(len(covered))
    assert np.mean(covered) > 0.9 - stats.t.isf(0.001 / 5, len(covered) - 1) * error
    assert np.mean(covered) > 0.85


def test_intervals_cover_beside_one_far_more_reliable_worker() -> None:
    """Nineteen workers miss the deadline in 64 % of the rounds, one in 0.013 %, by laws of one shape.

    Over 10 logs the average coverage is held against 0.9 by a t-test, false alarm 0.0005 if it is 0.9, and the
    reliable worker's own by its binomial law, likewise.
    """
    scale = np.append(0.3, np.ones(19))
    p = stats.norm.sf((np.log(0.9) - np.log(scale)) / 0.3)
    covered = []  # (logs, W)
    for seed in range(10):
        times = scale * np.exp(0.3 * np.random.default_rng(seed).standard_normal((30, 20)))
        profile = estimate_profile(as_log(times), 0.9, seed=seed, n_draws=120, n_simulated=1, n_deadlines=5)
        check_interval(profile)
        assert profile.interval is not None
        low, high = profile.interval
        covered.append((low <= p) & (p <= high))
    mean = np.mean(covered, axis=1)  # (logs,)
    error = np.std(mean, ddof=1) / np.sqrt(len(mean))
    assert np.mean(mean) > 0.9 - stats.t.isf(0.0005, len(mean) - 1) * error
    assert np.mean(mean) > 0.85
    assert np.sum(covered, axis=0)[0] >= stats.binom.ppf(0.0005, len(mean), 0.9)


def test_goodness_of_fit_finds_the_worker_with_another_law() -> None:
    """Workers from the law have p-values that are not small too often (false alarm 1e-4); the odd one has."""
    rng = np.random.default_rng(3)
    times = np.exp(0.2 * rng.standard_normal((80, 20)))
    times[:, 0] = np.where(rng.random(80) < 0.5, 0.8, 1.25) * np.exp(0.001 * rng.standard_normal(80))
    model = fit.fit_family(times, "lognormal")
    distance, p_value = fit.goodness_of_fit(times, times.max(), model, rng=rng)
    assert p_value[0] == 0.01
    assert np.sum(p_value[1:] < 0.05) <= stats.binom.isf(1e-4, 19, 0.05)
    scipys = [
        stats.kstest(times[:, w], lambda t, w=w: 1 - model.survival(np.tile(t[:, None], 20))[:, w]) for w in range(20)
    ]
    np.testing.assert_allclose(distance, [each.statistic for each in scipys], rtol=1e-9)


def test_a_law_that_holds_the_responses_has_no_p_value() -> None:
    times, at, _ = contaminated(np.random.default_rng(4), 20, 6)
    model = fit.fit_family(times, "pooled_empirical")
    distance, p_value = fit.goodness_of_fit(times, times.max(), model, rng=np.random.default_rng(0))
    assert p_value is None
    assert np.all((distance >= 0) & (distance < 1))
    evidence = estimate_profile(as_log(times), at, n_draws=20, n_simulated=1).evidence
    assert evidence is not None
    assert [(each.family, each.ks_p_value) for each in evidence.fits] == [("pooled_empirical", None)] * 6


def test_the_law_is_the_one_that_predicts_best_at_the_deadline_itself() -> None:
    """Lognormal in the bulk, but four workers take 2 s more in a third of the rounds."""
    rng = np.random.default_rng(0)
    scale = np.exp(0.15 * rng.standard_normal(24))  # (W,)
    times = np.exp(0.15 * rng.standard_normal((20, 24))) * scale
    times += 2.0 * (rng.random(times.shape) < np.where(np.arange(24) < 4, 0.35, 0.0))
    chosen = {}
    for at in (1.0, 2.0):
        profile = estimate_profile(as_log(times), at, n_draws=20, n_simulated=1, n_deadlines=5)
        assert profile.evidence is not None
        direct = fit.score_families(times, times.max(), np.array([at]))
        assert profile.evidence.families == direct
        chosen[at] = next(each.family for each in direct if each.family != fit.BASELINE)
        assert profile.evidence.fits[0].family == chosen[at]
        np.testing.assert_array_equal(straggle_prob_from(times, chosen[at], at), profile.straggle_prob)
        late = (times > at)[:, None]
        prob = fit.held_out(times, chosen[at], np.array([at]))
        score = -np.log(np.where(late, prob, 1 - prob)).mean()
        assert next(each.log_score for each in direct if each.family == chosen[at]) == pytest.approx(score, rel=1e-12)
    assert chosen == {1.0: "loglogistic", 2.0: "pooled_empirical"}


def test_calibration_of_a_right_model() -> None:
    """Observed frequencies are within Z standard errors of the predictions, false alarm 1e-4 over five bins."""
    times, at, _ = alike(np.random.default_rng(5), 400, 10)
    found = fit.calibration(times, "shifted_exponential", at)
    z = stats.norm.isf(1e-4 / 10)
    assert found.n_predictions == 4000
    assert np.all(np.abs(found.observed - found.predicted) < z * found.observed_error)


def test_independence_is_told_from_shocks() -> None:
    rng = np.random.default_rng(6)
    p = rng.uniform(0.05, 0.3, 40)
    p_values = [independence_test(rng.random((30, 40)) < p, p, rng=rng).p_value for _ in range(25)]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-4
    times, at, p = shocked(rng, 30, 40)
    found = independence_test(times > at, p, rng=rng)
    assert found.variance_ratio > 3
    assert found.p_value == 0.001
    assert "not independent" in found.statement
    # Two groups that move together double the variance: counts are twice those of half as many workers.
    late = rng.random((4000, 20)) < 0.3
    double = independence_test(np.hstack([late, late]), np.full(40, 0.3), rng=rng).variance_ratio
    assert abs(double - 2) < stats.norm.isf(1e-6) * 2 * math.sqrt(2 / 3999)


def test_deadline_of_shifted_exponential_workers_is_the_optimum() -> None:
    """The best point of a fine grid satisfies the stationarity of deadline (1 + 1/U), p = exp(-(t - 1))."""

    def prob(at: float) -> FloatArray:
        return np.full(4, np.exp(-max(at - 1, 0.0)))

    grid = np.linspace(0.5, 5, 20_001)
    curve = deadline_curve(prob, grid)
    exact = [at * (1 + 1 / (4 * (math.exp(at - 1) - 1))) for at in grid[grid > 1]]
    np.testing.assert_allclose(curve.time_to_error[grid > 1], exact, rtol=1e-9)
    assert np.all(np.isinf(curve.time_to_error[grid <= 1]))
    assert curve.best_s == grid[grid > 1][np.argmin(exact)]


def test_deadline_depends_on_quantization_and_custom_utility() -> None:
    def prob(at: float) -> FloatArray:
        return np.exp(-np.array([1.0, 3.0]) * (at - 1))

    grid = np.linspace(1.01, 5, 500)
    plain, noisy = deadline_curve(prob, grid), deadline_curve(prob, grid, variance_factor=5.0)
    assert noisy.best_s > plain.best_s
    own = deadline_curve(prob, grid, utility=lambda p: total_utility(p, 5.0))
    np.testing.assert_array_equal(own.time_to_error, noisy.time_to_error)
    assert total_utility(np.array([0.0, 0.5])) == math.inf
    sure = deadline_curve(lambda at: np.array([0.0 if at >= 1 else 1.0]), np.array([0.5, 1.0, 2.0]))
    assert sure.best_s == 1.0
    assert sure.time_to_error[1] == 1.0


def test_grid_stays_within_what_is_known() -> None:
    times = np.array([[1.0, 2.0, np.inf], [1.5, 9.0, 3.0]])
    np.testing.assert_array_equal(deadline_grid(times, 4.0), [1.0, 1.5, 2.0, 3.0])


def test_auto_takes_the_least_of_the_curve_and_is_scale_free() -> None:
    times, _, _ = contaminated(np.random.default_rng(8), 20, 10)
    profile, slower = (estimate_profile(as_log(times * unit), n_draws=50, n_simulated=1) for unit in (1.0, 8.0))
    assert profile.evidence is not None
    assert profile.evidence.deadline_curve is not None
    assert profile.deadline_s == profile.evidence.deadline_curve.best_s
    assert slower.deadline_s == 8 * profile.deadline_s
    np.testing.assert_allclose(slower.straggle_prob, profile.straggle_prob, rtol=1e-9)


def test_missing_responses_are_stragglers_and_limit_the_deadline() -> None:
    rng = np.random.default_rng(9)
    times = 1 + 0.1 * rng.random((40, 6))
    times[rng.random(times.shape) < 0.3 * (np.arange(6) == 2)] = np.inf
    log = as_log(times)
    profile = estimate_profile(log, log.censored_at_s, n_simulated=1)
    assert profile.evidence is not None
    assert profile.evidence.n_missing == log.n_missing > 5
    assert np.argmax(profile.straggle_prob) == 2
    assert profile.straggle_prob[2] > 0.15
    with pytest.raises(InputError, match=r"responses are missing, known only to be later than 1\.\d+ s"):
        estimate_profile(log, 2.0)


def check_interval(profile: StragglerProfile) -> None:
    """An interval contains its estimate, and lies in [0, 1]."""
    assert profile.interval is not None
    low, high = profile.interval
    assert np.all((low >= 0) & (low <= profile.straggle_prob) & (profile.straggle_prob <= high) & (high <= 1))


@settings(max_examples=8, deadline=None)
@given(
    rounds=st.integers(2, 7),
    n_workers=st.integers(2, 5),
    missing=st.sampled_from([0.0, 0.4]),
    resolution=st.sampled_from([0, 6]),
    seed=st.integers(0, 999),
)
@example(rounds=3, n_workers=3, missing=0.4, resolution=6, seed=279)  # the law sees nobody in time, the log does
def test_any_log_gives_a_profile(rounds: int, n_workers: int, missing: float, resolution: int, seed: int) -> None:
    """Few rounds, ties, many missing, outliers: probabilities in (0, 1) and in their intervals, and a valid JSON."""
    rng = np.random.default_rng(seed)
    times = np.round(1 + rng.pareto(1, (rounds, n_workers)), resolution)
    times[rng.random(times.shape) < missing] = np.inf
    each = np.arange(max(rounds, n_workers))
    times[each % rounds, each % n_workers] = 1.0  # in a log every worker and every round has a response
    profile = estimate_profile(as_log(times), n_draws=20, n_simulated=2)
    assert np.all((profile.straggle_prob > 0) & (profile.straggle_prob < 1))
    check_interval(profile)
    assert b"NaN" not in profile_to_json(profile)


@pytest.mark.parametrize("deadline_s", [0.015, 0.03, 0.05, 0.07, 0.12, 1.0])
def test_intervals_of_the_embedded_log_contain_their_estimates(deadline_s: float) -> None:
    """From deadlines that most miss to one that nobody did."""
    profile = estimate_profile(embedded_log(), deadline_s, n_draws=60, n_simulated=1, n_deadlines=5)
    check_interval(profile)


@pytest.mark.parametrize("load", ["0", "0.25", "0.5", "0.75", "1"])
def test_intervals_of_the_real_log_contain_their_estimates(canada_log: Path, load: str) -> None:
    check_interval(estimate_profile(read_log(canada_log, {"load": load}), n_draws=30, n_simulated=1, n_deadlines=10))


def test_deadline_before_every_response() -> None:
    times, _, _ = alike(np.random.default_rng(1), 10, 4)
    with pytest.raises(InputError, match=r"no worker ever answered within 0\.5 s"):
        estimate_profile(as_log(times), 0.5)


def test_profile_validates() -> None:
    for prob, message in (
        ([0.1, 1.0], r"straggle_prob\[1\] is 1.0, not in \[0, 1\): drop a worker"),
        ([math.nan], r"straggle_prob\[0\] is nan"),
        ([-0.1], r"straggle_prob\[0\] is -0.1"),
        ([], "at least one"),
        ([[0.1]], "shape"),
    ):
        with pytest.raises(InputError, match=message):
            StragglerProfile(np.array(prob))
    half = np.array([0.5])
    with pytest.raises(InputError, match="deadline_s is 0"):
        StragglerProfile(half, deadline_s=0.0)
    with pytest.raises(InputError, match="2 worker names for 1"):
        StragglerProfile(half, workers=("a", "b"))
    with pytest.raises(InputError, match="interval has shape"):
        StragglerProfile(half, interval=np.zeros((1, 2)))
    with pytest.raises(InputError, match="delay has 2 workers"):
        StragglerProfile(half, delay=Bernoulli(np.array([0.1, 0.2])))


def test_other_deadline_by_the_delay_law() -> None:
    times, at, _ = contaminated(np.random.default_rng(12), 20, 6)
    profile = estimate_profile(as_log(times), at, n_draws=20, n_simulated=1)
    assert at_deadline(profile, at, "p.json") is profile
    later, direct = at_deadline(profile, 1.5, "p.json"), estimate_profile(as_log(times), 1.5, n_simulated=1)
    assert (later.deadline_s, later.interval) == (1.5, None)
    np.testing.assert_array_equal(later.straggle_prob, direct.straggle_prob)
    with pytest.raises(InputError, match=r"p\.json: no worker ever answered within 0\.1 s"):
        at_deadline(profile, 0.1, "p.json")
    with pytest.raises(InputError, match="auto needs a log"):
        at_deadline(profile, "auto", "p.json")
    with pytest.raises(InputError, match="no delay law"):
        at_deadline(StragglerProfile(np.array([0.5])), 1.0, "p.json")
    times[0, 0] = np.inf
    with pytest.raises(InputError, match="1 responses are missing"):
        at_deadline(estimate_profile(as_log(times), at, n_simulated=1), 1e3, "p.json")


def test_bernoulli_profile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    prob = np.array([0.1, 0.0])
    path.write_bytes(profile_to_json(StragglerProfile(prob, 2.0, Bernoulli(prob, 2.0))))
    again = read_profile(path)
    assert again.delay is not None
    np.testing.assert_array_equal(again.delay.straggle_prob(2.0), prob)
    np.testing.assert_array_equal(again.delay.straggle_prob(1.9), [1.0, 1.0])


@pytest.mark.parametrize("draw", [shifted_exponential, lognormal, contaminated])
def test_json_round_trip_is_exact(tmp_path: Path, draw: object) -> None:
    assert callable(draw)
    times, at, _ = draw(np.random.default_rng(11), 12, 5)
    times[3, 2] = np.inf
    profile = estimate_profile(as_log(times), at, n_draws=50, n_simulated=3)
    path = tmp_path / "profile.json"
    path.write_bytes(profile_to_json(profile))
    again = read_profile(path)
    assert profile_to_json(again) == path.read_bytes()
    np.testing.assert_array_equal(again.straggle_prob, profile.straggle_prob)
    assert again.delay is not None
    assert profile.delay is not None
    for deadline_s in (1.0, 1.1, at, 1.7):
        np.testing.assert_array_equal(again.delay.straggle_prob(deadline_s), profile.delay.straggle_prob(deadline_s))
    drawn = [each.sample((9,), rng=np.random.default_rng(0)) for each in (again.delay, profile.delay)]
    np.testing.assert_array_equal(*drawn)


def test_hand_written_profile(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    path.write_text('{"version": 1, "straggle_prob": [0.05, 0]}')
    profile = read_profile(path)
    np.testing.assert_array_equal(profile.straggle_prob, [0.05, 0.0])
    assert (profile.deadline_s, profile.delay, profile.evidence) == (None, None, None)
    path.write_bytes(profile_to_json(profile))
    assert json.loads(path.read_text())["workers"] == 2
    np.testing.assert_array_equal(read_profile(path).straggle_prob, profile.straggle_prob)


BAD = {
    "empty": (b"", "the file is empty"),
    "not JSON": (b"straggle_prob: 1", "malformed"),
    "list": (b"[0.1]", "Expected `object`"),
    "binary": (b"\x80\x00\xff", "no valid profile.json"),
    "no version": (b'{"straggle_prob": [0.1]}', "missing required field `version`"),
    "version": (b'{"version": 2, "straggle_prob": [0.1]}', "version 2 is unknown"),
    "no prob": (b'{"version": 1}', "missing required field `straggle_prob`"),
    "none": (b'{"version": 1, "straggle_prob": []}', r"length >= 1 - at `\$.straggle_prob`"),
    "one": (b'{"version": 1, "straggle_prob": [0.1, 1.0]}', r"straggle_prob\[1\] is 1.0"),
    "negative": (b'{"version": 1, "straggle_prob": [-0.1]}', r"straggle_prob\[0\] is -0.1"),
    "NaN": (b'{"version": 1, "straggle_prob": [NaN]}', "malformed"),
    "huge": (b'{"version": 1, "straggle_prob": [1e999]}', r"\$.straggle_prob\[0\]|out of range"),
    "text": (b'{"version": 1, "straggle_prob": ["a"]}', r"at `\$.straggle_prob\[0\]`"),
    "bool": (b'{"version": 1, "straggle_prob": [true]}', r"at `\$.straggle_prob\[0\]`"),
    "unknown field": (b'{"version": 1, "straggle_prob": [0.1], "prob": 1}', "unknown field `prob`"),
    "count": (b'{"version": 1, "straggle_prob": [0.1], "workers": 2}', "workers is 2"),
    "deadline": (b'{"version": 1, "straggle_prob": [0.1], "deadline_s": 0}', r"at `\$.deadline_s`"),
    "names": (b'{"version": 1, "straggle_prob": [0.1], "worker_names": ["a", "b"]}', "2 worker names"),
    "interval": (b'{"version": 1, "straggle_prob": [0.1], "interval": [[0.1], [0.1, 0.2]]}', "interval"),
    "kind": (b'{"version": 1, "straggle_prob": [0.1], "delay": {"kind": "gamma"}}', "gamma"),
    "ragged": (
        b'{"version": 1, "straggle_prob": [0.1], "delay": '
        b'{"kind": "pooled_empirical", "concentration": 1, "response_s": [[1], [1, 2]]}}',
        "delay.response_s needs 1 numbers",
    ),
    "disagreement": (
        b'{"version": 1, "straggle_prob": [0.1], "deadline_s": 1, "delay": {"kind": "bernoulli", "prob": [0.3]}}',
        r"straggle_prob\[0\] is 0.1 but the delay law gives 0.3",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_profile_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_profile(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_unreadable_profile(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(InputError, match="cannot be read"):
            read_profile(path)


def test_schema_describes_the_format() -> None:
    schema = json.loads(msgspec.json.encode(json_schema()))
    body = schema["$defs"]["ProfileJson"]
    assert body["required"] == ["version", "straggle_prob"]
    assert body["properties"]["straggle_prob"]["items"]["exclusiveMaximum"] == 1


# ---- the command ----------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["profile", *map(str, arguments)])


def test_command_prints_a_valid_profile(tmp_path: Path) -> None:
    out = tmp_path / "profile.json"
    result = run("--json", "--deadline", "auto", "--out", out)
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert json.loads(out.read_text()) == printed
    assert (printed["version"], printed["workers"], printed["rounds"]) == (1, 16, 50)
    assert len(printed["straggle_prob"]) == len(printed["fits"]) == 16
    assert printed["fits"][0].keys() >= {"worker", "family", "parameters", "ks_distance", "ks_p_value"}
    assert printed["deadline_s"] == printed["deadline_curve"]["deadline_s"][printed["deadline_curve"]["best"]]
    assert [each.name for each in tmp_path.iterdir()] == ["profile.json"]
    np.testing.assert_array_equal(read_profile(out).straggle_prob, printed["straggle_prob"])


def test_command_on_the_real_log(canada_log: Path) -> None:
    result = run(canada_log, "--where", "load=0.5", "--deadline", "1.3")
    assert result.exit_code == 0
    assert "256 workers, 30 rounds, 0 responses missing" in result.stdout
    assert "Deadline 1.3 s" in result.stdout
    assert "not independent" in result.stdout
    assert len(result.stdout.splitlines()) < 45
    families = result.stdout.split("Deadline")[0]
    assert families.index("pooled_empirical") < families.index("same_for_all") < families.index("weibull")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--deadline", "soon"),
        ("--deadline", "-1"),
        ("--deadline", "nan"),
        ("--where", "load=1"),
        ("absent.csv",),
        ("absent.csv", "--where", "load"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    script = "import sys; from workbench.cli import main; sys.argv = ['workbench', 'profile', *sys.argv[1:]]; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--out", str(tmp_path / "out.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("workbench: ")
    assert list(tmp_path.iterdir()) == []
