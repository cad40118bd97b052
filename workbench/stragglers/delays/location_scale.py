"""The parametric laws share one mechanism: y = location + scale * z, where y is t or log t and z is standard."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.core.types import FloatArray, UniformSource

N_BLOCKS = 10  # blocks of rounds left out in turn by the jackknife
LEAST_SCALE = 1e-9  # where all responses are equal
FARTHEST = 700.0  # exp of more overflows


@dataclass(frozen=True)
class Law:
    """A standard law on the axis of log t, or of t itself, and how its parameters are usually given."""

    family: str
    on_log_axis: bool
    quantile: Callable[[FloatArray], FloatArray]  # inverse distribution function on [0, 1)
    survival: Callable[[FloatArray], FloatArray]  # P(z > .)
    density: Callable[[FloatArray], FloatArray]
    parameters: Callable[[float, float], dict[str, float]]  # (location, scale) -> the usual parameters

    def axis(self, time_s: FloatArray) -> FloatArray:
        """The law's axis: t, or log t."""
        if not self.on_log_axis:
            return time_s
        return np.log(time_s, out=np.full(np.shape(time_s), -np.inf), where=np.asarray(time_s) > 0)


@dataclass(frozen=True)
class LocationScale:
    """Worker i's response time follows `law` at location_i and scale_i."""

    law: Law
    location: FloatArray  # (W,)
    scale: FloatArray  # (W,)

    @property
    def family(self) -> str:
        """The law's name."""
        return self.law.family

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.location)

    @property
    def kinks_s(self) -> FloatArray:
        """Where the law has corners: where responses begin, unless its axis is log t."""
        return np.empty(0) if self.law.on_log_axis else self.location

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W)."""
        y = self.law.quantile(rng.random((*shape, self.n_workers)))  # (*shape, W)
        y *= self.scale
        y += self.location
        return np.exp(np.minimum(y, FARTHEST, out=y), out=y) if self.law.on_log_axis else y

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,)."""
        return self.survival(np.full(self.n_workers, float(deadline_s)))

    def survival(self, time_s: FloatArray) -> FloatArray:
        """P(response time of worker i > time_s[..., i]), shape (..., W)."""
        return self.law.survival((self.law.axis(time_s) - self.location) / self.scale)

    def worker_parameters(self) -> list[dict[str, float]]:
        """The usual parameters of each worker's law."""
        pairs = zip(self.location.tolist(), self.scale.tolist(), strict=True)
        return [self.law.parameters(location, scale) for location, scale in pairs]


def fit_law(response_s: FloatArray, law: Law) -> LocationScale:
    """Fit every worker by its probability plot, then shrink towards the population (empirical Bayes).

    Location and log scale of worker i are normal around the population's mean with variance tau^2 and are
    seen with an error of variance s^2 (delete-block jackknife over rounds, averaged over workers), so their
    posterior mean keeps the fraction tau^2/(tau^2 + s^2) of the deviation; tau^2 by the method of moments.

    Parameters
    ----------
    response_s : responses, shape (rounds, W), inf where missing: later than every response of the worker
    """
    mean, _ = _posterior(response_s, law)
    location = mean[0] if law.on_log_axis else np.maximum(mean[0], 0.0)  # no response before the sending
    return LocationScale(law, location, np.exp(mean[1]))


def law_posterior(
    response_s: FloatArray, law: Law, deadline_s: float, n_draws: int, *, rng: np.random.Generator
) -> FloatArray:
    """Draw p_i at a deadline from the workers' posterior, shape (n_draws, W).

    The shrunken parameters are moved by a posterior deviate, which is the worker's own, and by the
    population's shift in a bootstrap over rounds, which all workers share.
    """
    (mean, spread), raw = _posterior(response_s, law), _plot_fit(response_s, law)
    rounds = len(response_s)
    prob = np.empty((n_draws, response_s.shape[1]))  # (draws, W)
    for draw in range(n_draws):
        drawn = response_s[rng.integers(rounds, size=rounds)]  # (rounds, W)
        again = _plot_fit(drawn, law) if np.isfinite(drawn).any() else raw  # (2, W)
        shift = (again - raw).mean(axis=1, keepdims=True)  # (2, 1)
        location, log_scale = mean + shift + spread * rng.standard_normal(mean.shape)
        prob[draw] = LocationScale(law, location, np.exp(log_scale)).straggle_prob(deadline_s)
    return prob


def _posterior(response_s: FloatArray, law: Law) -> tuple[FloatArray, FloatArray]:
    """Return posterior mean and standard deviation of (location, log scale), shape (2, W) each."""
    n_workers = response_s.shape[1]
    if len(response_s) < 3:  # too few to leave one out: one law for all
        common = _plot_fit(response_s.reshape(-1, 1), law) + np.zeros(n_workers)  # (2, W)
        return common, np.zeros_like(common)
    raw = _plot_fit(response_s, law)  # (2, W)
    blocks = np.array_split(np.arange(len(response_s)), min(N_BLOCKS, len(response_s)))
    rest = (np.delete(response_s, block, axis=0) for block in blocks)
    left_out = np.stack([_plot_fit(rows, law) if np.isfinite(rows).any() else raw for rows in rest])
    # The jackknife's variance, averaged over workers; a location errs in proportion to the scale.
    error_var = (len(blocks) - 1) * left_out.var(axis=0).mean(axis=1, keepdims=True)  # s^2, (2, 1)
    scale_sq = np.exp(2 * raw[1])  # (W,)
    error_var = error_var * np.stack([scale_sq / scale_sq.mean(), np.ones(n_workers)])  # (2, W)
    centre = raw.mean(axis=1, keepdims=True)  # (2, 1)
    between = raw.var(axis=1, ddof=min(1, n_workers - 1), keepdims=True) - error_var.mean(axis=1, keepdims=True)
    worker_var = np.maximum(between, 0.0)  # tau^2, (2, 1)
    total = worker_var + error_var  # (2, W)
    kept = np.divide(worker_var, total, out=np.ones_like(total), where=total > 0)  # (2, W)
    # Morris (1983): kept and centre are estimates too.
    lost = 1 - kept  # (2, W)
    own_var = error_var * (1 - lost * (n_workers - 1) / n_workers)
    spread = np.sqrt(own_var + 2 / max(n_workers - 3, 1) * lost**2 * (raw - centre) ** 2)  # (2, W)
    return centre + kept * (raw - centre), spread


def _plot_fit(response_s: FloatArray, law: Law) -> FloatArray:
    """Regress each worker's order statistics on the law's quantiles; return (location, log scale), (2, W).

    Weights are the inverse asymptotic variances of the order statistics, f(z)^2/(q(1 - q)), so that an
    outlier counts as little as the law's own tail does.  Missing responses occupy the last ranks.
    """
    n_rounds, n_workers = response_s.shape
    level = (np.arange(n_rounds) + 0.5) / n_rounds  # (rounds,)
    z = law.quantile(level)[:, None]  # (rounds, 1)
    weight = (law.density(z[:, 0]) ** 2 / (level * (1 - level)))[:, None]  # (rounds, 1)
    y = law.axis(np.sort(response_s, axis=0))  # (rounds, W)
    latest = y[np.isfinite(y)].max()
    seen = np.isfinite(y)  # (rounds, W)
    # Who never answered is taken to have its first answer just after everything seen.
    silent = ~seen[0]
    y[0, silent], seen[0, silent] = latest, True
    weight = np.where(seen, weight, 0.0)  # (rounds, W)
    y = np.where(seen, y, 0.0)
    total = weight.sum(axis=0)  # (W,)
    z_mean, y_mean = (weight * z).sum(axis=0) / total, (weight * y).sum(axis=0) / total
    spread = (weight * (z - z_mean) ** 2).sum(axis=0)  # (W,)
    slope = (weight * (z - z_mean) * y).sum(axis=0)
    scale = np.divide(slope, spread, out=np.full(n_workers, np.nan), where=seen.sum(axis=0) > 1)
    # One response tells no scale: take the population's.
    known = scale[np.isfinite(scale)]
    scale = np.where(np.isfinite(scale), scale, np.median(known) if len(known) else LEAST_SCALE)
    scale = np.maximum(scale, LEAST_SCALE)
    return np.stack([y_mean - scale * z_mean, np.log(scale)])
