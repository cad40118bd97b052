"""Choose the delay law by what it predicts of rounds it has not seen, and say how well it fits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from workbench.core import catalogue
from workbench.core.types import DelayModel, FloatArray
from workbench.stragglers.delays import pooled_empirical

N_FOLDS = 5
SURE = 1e-6  # no prediction is surer than this: a law with a light tail loses by much, not by infinity
BASELINE = "same_for_all"
SAME = 1e9  # rounds of its own that a worker would need to differ from the pool


class FittedDelay(DelayModel, Protocol):
    """A delay law fitted to a log."""

    @property
    def family(self) -> str:
        """The law's name, the key of its module."""
        ...

    def survival(self, time_s: FloatArray) -> FloatArray:
        """P(response time of worker i > time_s[..., i]), shape (..., W)."""
        ...

    def worker_parameters(self) -> list[dict[str, float]]:
        """The usual parameters of each worker's law."""
        ...


class DelayFamily(Protocol):
    """A module of `workbench.stragglers.delays` that can be fitted."""

    def fit(self, response_s: FloatArray) -> FittedDelay:
        """Fit all workers to responses (rounds, W), inf where missing."""
        ...

    def posterior(
        self, response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator
    ) -> FloatArray:
        """Draw every p_i at a deadline from its posterior, shape (n_draws, W)."""
        ...


@dataclass(frozen=True)
class FamilyScore:
    """How a family predicts held-out rounds; less is better, errors are standard errors over rounds."""

    family: str
    log_score: float  # mean of -log P(what happened)
    log_score_error: float
    brier: float  # mean of (p - straggled)^2
    brier_error: float
    behind: float  # log score minus the best one's, round by round
    behind_error: float


@dataclass(frozen=True)
class Calibration:
    """Held-out predictions in B bins of equal size, least first: predicted and observed frequency."""

    predicted: FloatArray  # (B,)
    observed: FloatArray  # (B,)
    observed_error: FloatArray  # (B,), standard error over rounds
    n_predictions: int


@dataclass(frozen=True)
class WorkerFit:
    """One worker's fitted law and how far its responses are from it."""

    worker: str
    family: str
    parameters: Mapping[str, float]
    ks_distance: float
    ks_p_value: float | None  # None where it could not fail: the law contains the worker's own responses


def families() -> dict[str, DelayFamily]:
    """Return the laws that can be fitted, by name."""
    return {name: cast(DelayFamily, module) for name, module in catalogue.delays().items()}


def score_families(
    response_s: FloatArray, censored_at_s: float, deadlines_s: FloatArray | None = None
) -> tuple[FamilyScore, ...]:
    """Score every family, and no difference between workers, on blocks of rounds left out; best first.

    The score is the mean over workers and deadlines of the log score of "straggles"; the blocks are contiguous,
    since neighbouring rounds resemble each other.

    Parameters
    ----------
    response_s : responses, shape (rounds, W), inf where missing
    censored_at_s : missing responses are later than this; no deadline beyond it is used
    deadlines_s : deadlines to predict, shape (K,); pooled quantiles from 0.05 to 0.98 if None
    """
    levels = np.quantile(response_s, pooled_empirical.LEVELS, method="inverted_cdf")
    quantiles = np.unique(levels if deadlines_s is None else deadlines_s)
    deadlines = quantiles[quantiles <= censored_at_s]  # (K,)
    if not len(deadlines):  # more than half is missing
        deadlines = np.array([np.median(response_s[response_s <= censored_at_s])])
    log_score, brier = {}, {}  # family -> (rounds,)
    for name in (*families(), BASELINE):
        prob = held_out(response_s, name, deadlines)  # (rounds, K, W)
        late = response_s[:, None, :] > deadlines[:, None]  # (rounds, K, W)
        happened = np.clip(np.where(late, prob, 1 - prob), SURE, 1.0)
        log_score[name] = -np.log(happened).mean(axis=(1, 2))
        brier[name] = ((prob - late) ** 2).mean(axis=(1, 2))
    order = sorted(log_score, key=lambda name: float(log_score[name].mean()))
    best = log_score[order[0]]
    return tuple(
        FamilyScore(
            name,
            *_mean_and_error(log_score[name]),
            *_mean_and_error(brier[name]),
            *_mean_and_error(log_score[name] - best),
        )
        for name in order
    )


def held_out(response_s: FloatArray, family: str, deadlines_s: FloatArray) -> FloatArray:
    """Predict each round's straggle probabilities from the other blocks of rounds, shape (rounds, K, W)."""
    n_rounds, n_workers = response_s.shape
    prob = np.empty((n_rounds, len(deadlines_s), n_workers))
    for block in np.array_split(np.arange(n_rounds), min(N_FOLDS, n_rounds)):
        model = fit_family(np.delete(response_s, block, axis=0), family, deadlines_s)
        prob[block] = np.stack([model.straggle_prob(float(at)) for at in deadlines_s])
    return prob


def fit_family(response_s: FloatArray, family: str, deadlines_s: FloatArray | None = None) -> FittedDelay:
    """Fit one family, or the baseline in which all workers are the same, for use at some deadlines (K,)."""
    if family == BASELINE:
        return pooled_empirical.PooledEmpirical(response_s, SAME)
    if family == pooled_empirical.family:
        return pooled_empirical.fit(response_s, deadlines_s)
    return families()[family].fit(response_s)


def straggle_probs(response_s: FloatArray, family: str) -> Callable[[float], FloatArray]:
    """Return the function from a deadline to every worker's p, fitted for each deadline where that matters."""
    if family != pooled_empirical.family:
        return fit_family(response_s, family).straggle_prob
    return lambda at: pooled_empirical.fit(response_s, np.array([at])).straggle_prob(at)


def calibration(response_s: FloatArray, family: str, deadline_s: float, n_bins: int = 5) -> Calibration:
    """Compare held-out predictions at one deadline with what happened, in bins of equally many predictions."""
    prob = held_out(response_s, family, np.array([deadline_s]))[:, 0]  # (rounds, W)
    late = response_s > deadline_s  # (rounds, W)
    order = np.argsort(prob, axis=1)  # (rounds, W): bins within the round, so that each bin spans all rounds
    bins = np.array_split(order, min(n_bins, prob.shape[1]), axis=1)
    rows = np.arange(len(prob))[:, None]
    seen = [_mean_and_error(late[rows, each].mean(axis=1)) for each in bins]
    return Calibration(
        np.array([prob[rows, each].mean() for each in bins]),
        np.array([mean for mean, _ in seen]),
        np.array([error for _, error in seen]),
        prob.size,
    )


def goodness_of_fit(
    response_s: FloatArray,
    censored_at_s: float,
    model: FittedDelay,
    *,
    rng: np.random.Generator,
    n_simulated: int = 99,
) -> tuple[FloatArray, FloatArray | None]:
    """Return each worker's Kolmogorov-Smirnov distance to its fitted law and its p-value, (W,) each.

    There is no p-value for the pooled empirical law, which holds every worker's own responses.

    A fit is nearer to its own data than the truth is; hence the p-value is a parametric bootstrap: whole logs
    drawn from the fitted laws, fitted again in the same way, p = (1 + #{not nearer})/(1 + n_simulated).  It is
    conservative where the fit shrinks, since the simulated logs are then shrunk twice.

    Parameters
    ----------
    response_s : responses, shape (rounds, W), inf where missing
    censored_at_s : missing responses are later than this; laws are compared up to it
    """
    distance = _ks_distance(response_s, censored_at_s, model)  # (W,)
    if model.family == pooled_empirical.family:
        return distance, None
    farther = np.ones_like(distance)
    has_missing = bool(np.isinf(response_s).any())
    for _ in range(n_simulated):
        drawn = model.sample((len(response_s),), rng=rng)  # (rounds, W)
        if has_missing:
            drawn = np.where(drawn > censored_at_s, np.inf, drawn)
        drawn = drawn[np.isfinite(drawn).any(axis=1)]  # a log does not show a round without responses
        if not len(drawn):
            farther += 1
            continue
        farther += _ks_distance(drawn, censored_at_s, fit_family(drawn, model.family)) >= distance
    return distance, farther / (1 + n_simulated)


def _ks_distance(response_s: FloatArray, censored_at_s: float, model: FittedDelay) -> FloatArray:
    """Largest gap between each worker's responses and its law on [0, censored_at_s], shape (W,)."""
    n_rounds, n_workers = response_s.shape
    at = np.minimum(np.sort(response_s, axis=0), censored_at_s)  # (rounds, W)
    upto = np.arange(1, n_rounds + 1)[:, None] / n_rounds  # (rounds, 1)
    after = np.where(np.sort(response_s, axis=0) <= censored_at_s, upto, 0.0).max(axis=0)  # (W,)
    above = np.minimum(upto, after) - (1 - model.survival(at))
    below = (1 - model.survival(np.nextafter(at, 0.0))) - np.minimum(upto - 1 / n_rounds, after)
    end = np.abs(after - (1 - model.survival(np.full((1, n_workers), censored_at_s))[0]))
    return np.asarray(np.maximum(np.maximum(above, below).max(axis=0), end))


def _mean_and_error(values: FloatArray) -> tuple[float, float]:
    """Mean over rounds and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
