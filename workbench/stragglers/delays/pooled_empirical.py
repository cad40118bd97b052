"""Each worker's own responses, mixed with everybody's: the posterior mean of a Dirichlet process."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import betaln

from workbench.core.types import FloatArray, IntArray, UniformSource
from workbench.stragglers.log import recorded_responses

family = "pooled_empirical"
# Pooled quantiles of the deadlines at which workers are compared where no deadline is named.
LEVELS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
CONCENTRATIONS = np.geomspace(0.5, 1e6, 50)
UNSEEN = 0.5  # of a response later than everything seen: a deadline no one ever missed is still missed at times


@dataclass(frozen=True)
class PooledEmpirical:
    r"""Worker i's law is F_i = (kappa F_pool + n F_own)/(kappa + n), over n rounds.

    F_pool is the law of all workers' responses, half a response later than everything seen included; kappa
    says how many rounds of its own a worker needs until they outweigh the pool.  Missing responses never arrive;
    a draw of the half one, whose time nobody knows, comes right after the latest response seen.
    """

    response_s: FloatArray  # (rounds, W), inf where missing
    concentration: float  # kappa

    @property
    def family(self) -> str:
        """The law's name."""
        return family

    @property
    def n_workers(self) -> int:
        """W."""
        return int(self.response_s.shape[1])

    @cached_property
    def _pool(self) -> FloatArray:
        return np.sort(self.response_s, axis=None)  # (rounds * W,)

    @cached_property
    def _own(self) -> FloatArray:
        return np.sort(self.response_s, axis=0)  # (rounds, W)

    @cached_property
    def _own_ranks(self) -> IntArray:
        """Ranks of the own responses in the pool, ascending, the workers laid end to end, (W * rounds,)."""
        ranks = np.searchsorted(self._pool, self._own.T, side="right")  # (W, rounds)
        return np.asarray(ranks + self._ladder[:, None]).ravel()

    @cached_property
    def _ladder(self) -> IntArray:
        """What keeps the ranks of one worker above those of the one before, shape (W,)."""
        return np.arange(self.n_workers) * (len(self._pool) + 1)

    @cached_property
    def _own_cdf(self) -> FloatArray:
        """F_i at worker i's own responses, shape (W, rounds)."""
        return 1 - self.survival(self._own).T

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W); infinite where the worker never answers."""
        uniform = rng.random((*shape, self.n_workers))  # (*shape, W)
        n_rounds, n_workers = self._own.shape
        # How many of its own responses the worker has left behind at this level: one search in the
        # workers' distributions laid end to end.
        ladder = self._own_cdf + np.arange(n_workers)[:, None]  # (W, rounds)
        passed = np.searchsorted(ladder.ravel(), uniform + np.arange(n_workers))
        passed = np.clip(passed - n_rounds * np.arange(n_workers), 0, n_rounds)  # (*shape, W)
        late = np.inf if np.isinf(self._pool[-1]) else np.nextafter(self._pool[-1], np.inf)
        padded = np.vstack([self._own, np.full(n_workers, late)])  # (rounds + 1, W)
        next_own = padded[passed, np.arange(n_workers)]
        # Between two of its own responses only the pool's law rises.
        level = (uniform * (self.concentration + n_rounds) - passed) / self.concentration
        rank = np.ceil(level * (len(self._pool) + UNSEEN)).astype(int) - 1
        pool = np.append(self._pool, late)
        return np.asarray(np.minimum(pool[np.clip(rank, 0, len(self._pool))], next_own))

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,): (kappa S_pool + s_i)/(kappa + n), s_i own stragglers."""
        return self.survival(np.full(self.n_workers, float(deadline_s)))

    def survival(self, time_s: FloatArray) -> FloatArray:
        """P(response time of worker i > time_s[..., i]), shape (..., W)."""
        n_rounds, n_workers = self.response_s.shape
        rank = np.searchsorted(self._pool, time_s, side="right")  # (..., W)
        upto = np.searchsorted(self._own_ranks, rank + self._ladder, side="right")
        own_late = n_rounds - (upto - n_rounds * np.arange(n_workers))  # s_i, (..., W)
        pooled = 1 - rank / (len(self._pool) + UNSEEN)
        return np.asarray((self.concentration * pooled + own_late) / (self.concentration + n_rounds))

    def worker_parameters(self) -> list[dict[str, float]]:
        """What each worker's law rests on: the weight of its own rounds, their number and their median."""
        n_rounds = len(self.response_s)
        own = n_rounds / (self.concentration + n_rounds)
        median = self._own[(n_rounds - 1) // 2]  # (W,)
        found = np.isfinite(median)
        return [
            {"own_weight": own, "rounds": float(n_rounds)} | ({"own_median_s": float(value)} if known else {})
            for value, known in zip(median, found, strict=True)
        ]


def build(n_workers: int, *, log: Path | None = None, where: dict[str, str] | None = None) -> PooledEmpirical:
    """Fit a recorded log: its workers' own laws, but workers and rounds independent, unlike those of `replay`.

    Parameters
    ----------
    log : a CSV file, of whose workers the first are taken; the embedded log if left out
    where : grouping column -> value, until one group of the log is left
    """
    return fit(recorded_responses(n_workers, log, where))


def fit(response_s: FloatArray, deadlines_s: FloatArray | None = None) -> PooledEmpirical:
    """Choose kappa by the beta-binomial likelihood of the workers' straggle counts, summed over deadlines.

    Workers may be alike at one deadline and unlike at another: name the deadlines the law is for.

    Parameters
    ----------
    response_s : responses, shape (rounds, W), inf where missing
    deadlines_s : seconds, shape (K,); pooled quantiles from 0.05 to 0.98 if None
    """
    late = _late(response_s, _levels(response_s) if deadlines_s is None else deadlines_s)  # (rounds, K, W)
    return PooledEmpirical(response_s, _concentration(late.sum(axis=0), len(response_s)))


def posterior(response_s: FloatArray, deadline_s: float, n_draws: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw every p_i at a deadline from Beta(kappa S_pool + s_i, kappa F_pool + n - s_i), shape (n_draws, W).

    kappa and S_pool are those of a bootstrap over rounds, drawn jointly for all workers.
    """
    n_rounds, n_workers = response_s.shape
    late_now = _late(response_s, np.array([deadline_s]))  # (rounds, 1, W)
    own = late_now.sum(axis=(0, 1))  # s_i, (W,)
    prob = np.empty((n_draws, n_workers))  # (draws, W)
    for draw in range(n_draws):
        times = np.bincount(rng.integers(n_rounds, size=n_rounds), minlength=n_rounds)  # (rounds,)
        count = np.tensordot(times, late_now, axes=1)  # (1, W)
        kappa = _concentration(count, n_rounds)
        pooled = (count.sum() + UNSEEN) / (n_rounds * n_workers + 2 * UNSEEN)
        prob[draw] = rng.beta(kappa * pooled + own, kappa * (1 - pooled) + n_rounds - own)
    return prob


def _levels(response_s: FloatArray) -> FloatArray:
    """Pooled quantiles of the responses that came, shape (levels,)."""
    return np.unique(np.quantile(response_s[np.isfinite(response_s)], LEVELS, method="inverted_cdf"))


def _late(response_s: FloatArray, deadlines_s: FloatArray) -> IntArray:
    """Who straggled at each deadline, 0 or 1, shape (rounds, deadlines, W)."""
    return (response_s[:, None, :] > deadlines_s[:, None]).astype(np.int64)


def _concentration(count: IntArray, n_rounds: int) -> float:
    """Maximise the marginal likelihood of the counts (levels, W) of n_rounds over the grid of kappa."""
    n_levels, n_workers = count.shape
    pooled = (count.sum(axis=1) + UNSEEN) / (n_rounds * n_workers + 2 * UNSEEN)  # S_pool, (levels,)
    # Counts repeat: weigh the n + 1 possible ones by how often they occur.
    index = count + (n_rounds + 1) * np.arange(n_levels)[:, None]
    often = np.bincount(index.ravel(), minlength=n_levels * (n_rounds + 1)).reshape(n_levels, -1)
    late = CONCENTRATIONS[:, None, None] * pooled[:, None]  # (grid, levels, 1)
    intime = CONCENTRATIONS[:, None, None] - late
    value = np.arange(n_rounds + 1)  # (n + 1,)
    gain = betaln(late + value, intime + n_rounds - value) - betaln(late, intime)  # (grid, levels, n + 1)
    return float(CONCENTRATIONS[np.argmax((gain * often).sum(axis=(1, 2)))])
