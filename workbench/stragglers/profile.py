"""The straggler profile: how likely each worker is to miss the deadline, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import BoolArray, DelayModel, FloatArray
from workbench.stragglers import fit
from workbench.stragglers.deadline import DeadlineCurve, deadline_curve, deadline_grid
from workbench.stragglers.delays import pooled_empirical
from workbench.stragglers.delays.pooled_empirical import UNSEEN, PooledEmpirical
from workbench.stragglers.log import ResponseLog

COVERAGE = 0.95
N_SIMULATED = 999  # rounds of independent workers, for the p-value of independence
UNSURE_BELOW = 0.01  # p-value


@dataclass(frozen=True)
class Independence:
    """Do workers straggle independently, as every theorem assumes?"""

    variance_ratio: float  # variance of the stragglers a round, over that of independent workers
    p_value: float
    statement: str


@dataclass(frozen=True)
class ProfileEvidence:
    """What a profile rests on."""

    rounds: int
    n_missing: int = 0
    source: str = ""
    sha256: str = ""
    group: Mapping[str, str] = field(default_factory=dict)
    families: tuple[fit.FamilyScore, ...] = ()
    fits: tuple[fit.WorkerFit, ...] = ()
    calibration: fit.Calibration | None = None
    independence: Independence | None = None
    deadline_curve: DeadlineCurve | None = None


@dataclass(frozen=True)
class StragglerProfile:
    """Each worker's probability to miss the deadline."""

    straggle_prob: FloatArray  # (W,)
    deadline_s: float | None = None
    delay: DelayModel | None = None
    interval: FloatArray | None = None  # (2, W), 95 %
    workers: tuple[str, ...] = ()
    evidence: ProfileEvidence | None = None

    def __post_init__(self) -> None:
        prob = np.asarray(self.straggle_prob, dtype=np.float64)  # (W,)
        object.__setattr__(self, "straggle_prob", prob)
        if prob.ndim != 1 or not len(prob):
            raise InputError(
                f"straggle_prob has shape {prob.shape}: give one probability for each worker, at least one"
            )
        bad = ~((prob >= 0) & (prob < 1))
        if bad.any():
            index = int(np.argmax(bad))
            raise InputError(
                f"straggle_prob[{index}] is {prob[index]}, not in [0, 1): drop a worker that never answers"
            )
        if self.deadline_s is not None and not 0 < self.deadline_s < np.inf:
            raise InputError(f"deadline_s is {self.deadline_s}: give a positive finite number of seconds")
        if self.workers and len(self.workers) != len(prob):
            raise InputError(f"{len(self.workers)} worker names for {len(prob)} straggle probabilities: match them")
        if self.delay is not None and self.delay.n_workers != len(prob):
            raise InputError(
                f"delay has {self.delay.n_workers} workers, straggle_prob {len(prob)}: give both for all workers"
            )
        if self.interval is not None and self.interval.shape != (2, len(prob)):
            raise InputError(
                f"interval has shape {self.interval.shape}: give a lower and an upper row of {len(prob)} numbers"
            )

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.straggle_prob)


def estimate_profile(
    log: ResponseLog,
    deadline_s: float | Literal["auto"] = "auto",
    *,
    seed: int = 0,
    utility: Callable[[FloatArray], float] | None = None,
    n_deadlines: int = 200,
    n_draws: int = 400,
    n_simulated: int = 99,
) -> StragglerProfile:
    """Fit the delay law that predicts best, and take each worker's straggle probability at the deadline.

    "auto" chooses the deadline with the law that predicts left-out rounds best over all deadlines; law and
    probabilities are then those that predict best at the deadline itself.

    Parameters
    ----------
    log : response times of one group
    deadline_s : seconds, or "auto": the least deadline x (1 + 1/U(deadline)) of hetero_gc's Theorem 2
    seed : of intervals and simulated p-values
    utility : p (W,) -> U that "auto" weighs deadlines by, at `n_deadlines` of them; without quantization if None
    n_draws : posterior draws behind the 95 % intervals (given the deadline), from every family that predicts as
        well as the best within two standard errors
    n_simulated : logs simulated for the p-values of the goodness of fit

    Raises
    ------
    InputError : a deadline that the log says nothing about
    """
    response_s = log.response_s
    grid = deadline_grid(response_s, log.censored_at_s, n_deadlines)
    anywhere = fit.straggle_probs(response_s, _best(fit.score_families(response_s, log.censored_at_s)))
    curve = deadline_curve(lambda at: _possible(anywhere(at), log.n_rounds), grid, utility=utility)
    at = curve.best_s if deadline_s == "auto" else deadline_s
    _check_deadline(at, log)
    # Beyond everything seen nobody is late, and nothing can be compared there.
    here = np.array([at]) if at <= log.censored_at_s else None
    scores = fit.score_families(response_s, log.censored_at_s, here)
    family = _best(scores)
    model = fit.fit_family(response_s, family, here)
    prob = _possible(model.straggle_prob(at), log.n_rounds)  # (W,)
    if response_s.min() > at:  # a law of few responses may give up workers who did answer
        _check_anyone(prob, at, log.n_rounds, log.source)
    families = [family, *(score.family for score in scores if score.behind <= 2 * score.behind_error)]
    draws = _posterior(response_s, at, families, n_draws, rng=stream(seed, "profile/interval"))  # (draws, W)
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)  # (W,) each
    # The draws mix families that predict alike; where the chosen one lies outside, its estimate is the end.
    interval = np.stack([np.minimum(low, prob), np.maximum(high, prob)])  # (2, W)
    distance, p_value = fit.goodness_of_fit(response_s, log.censored_at_s, model, rng=stream(seed, "profile/goodness"))
    fits = tuple(
        fit.WorkerFit(worker, family, parameters, float(gap), None if chance is None else float(chance))
        for worker, parameters, gap, chance in zip(
            log.workers,
            model.worker_parameters(),
            distance,
            [None] * log.n_workers if p_value is None else p_value,
            strict=True,
        )
    )
    evidence = ProfileEvidence(
        log.n_rounds,
        log.n_missing,
        log.source,
        log.sha256,
        log.group,
        scores,
        fits,
        fit.calibration(response_s, family, at),
        independence_test(response_s > at, prob, rng=stream(seed, "profile/independence")),
        curve,
    )
    return StragglerProfile(prob, at, model, interval, log.workers, evidence)


def straggle_prob_from(response_s: FloatArray, family: str, deadline_s: float) -> FloatArray:
    """Return p (W,) at a deadline by one family, from responses (rounds, W) alone."""
    model = fit.fit_family(response_s, family, np.array([deadline_s]))
    return _possible(model.straggle_prob(deadline_s), len(response_s))


def _best(scores: Sequence[fit.FamilyScore]) -> str:
    """Name the best family; the baseline, workers all alike, is the limit of one of them and not chosen."""
    return next(score.family for score in scores if score.family != fit.BASELINE)


def independence_test(straggled: BoolArray, straggle_prob: FloatArray, *, rng: np.random.Generator) -> Independence:
    """Compare the variance of the number of stragglers a round with that of independent workers.

    Independent workers give sum p_i(1 - p_i); the p-value is the share of simulated logs of independent
    workers with at least the observed variance.

    Parameters
    ----------
    straggled : shape (rounds, W)
    straggle_prob : p, shape (W,)
    """
    n_rounds = len(straggled)
    expected = float(np.sum(straggle_prob * (1 - straggle_prob)))
    observed = float(straggled.sum(axis=1).var(ddof=1))
    simulated = np.array(
        [(rng.random(straggled.shape) < straggle_prob).sum(axis=1).var(ddof=1) for _ in range(N_SIMULATED)]
    )
    p_value = float((1 + np.sum(simulated >= observed)) / (1 + N_SIMULATED))
    ratio = observed / expected if expected > 0 else 1.0
    if p_value < UNSURE_BELOW:
        statement = (
            f"stragglers are not independent: their number varies {ratio:.1f} times as much from round to round "
            f"as independent workers' would (p = {p_value:.2g}); the theorems' error bounds assume independence"
        )
    else:
        statement = (
            f"{n_rounds} rounds do not contradict independent stragglers "
            f"(variance ratio {ratio:.2f}, p = {p_value:.2g})"
        )
    return Independence(ratio, p_value, statement)


def at_deadline(profile: StragglerProfile, deadline_s: float | Literal["auto"], source: str) -> StragglerProfile:
    """Return the profile at another deadline by its delay law, without what was estimated for the first one.

    The pooled empirical law holds the log; how far it trusts each worker's own responses is chosen anew.

    Raises
    ------
    InputError : the profile holds no delay law, or one that says nothing about this deadline
    """
    if deadline_s == "auto":
        raise InputError(f"{source}: --deadline auto needs a log, and this is a profile: give seconds, or the log")
    if deadline_s == profile.deadline_s:
        return profile
    if profile.delay is None:
        known = "at no stated deadline" if profile.deadline_s is None else f"at {profile.deadline_s:g} s only"
        raise InputError(
            f"{source}: it gives probabilities {known}, no delay law for {deadline_s:g} s: leave --deadline out, "
            "or profile a log"
        )
    evidence = profile.evidence
    rounds = evidence.rounds if evidence else 0
    curve = evidence.deadline_curve if evidence else None
    if evidence and curve and evidence.n_missing and deadline_s > curve.deadline_s[-1]:
        raise InputError(
            f"{source}: {evidence.n_missing} responses are missing: give a deadline up to {curve.deadline_s[-1]:g} s, "
            f"not {deadline_s:g} s"
        )
    delay = profile.delay
    if isinstance(delay, PooledEmpirical):  # it holds the log, and workers may differ more, or less, at this deadline
        seen = deadline_s <= delay.response_s[np.isfinite(delay.response_s)].max()
        delay = pooled_empirical.fit(delay.response_s, np.array([deadline_s]) if seen else None)
        evidence = evidence and replace(evidence, fits=())
    prob = _possible(delay.straggle_prob(deadline_s), rounds)  # (W,)
    _check_anyone(prob, deadline_s, rounds, source)
    return replace(
        profile,
        straggle_prob=prob,
        deadline_s=deadline_s,
        delay=delay,
        interval=None,
        evidence=evidence and replace(evidence, calibration=None, independence=None),
    )


def least_prob(rounds: int, n_workers: int) -> float:
    """Return half a response of the whole log: however light a law's tail, that much may come late, or in time."""
    return UNSEEN / (rounds * n_workers + 1) if rounds else 0.0


def _possible(prob: FloatArray, rounds: int) -> FloatArray:
    """Keep probabilities (..., W) as far from 0 and 1 as so many rounds leave room for."""
    least = least_prob(rounds, prob.shape[-1])
    return np.clip(prob, least, 1 - least)


def _check_anyone(prob: FloatArray, deadline_s: float, rounds: int, source: str) -> None:
    if prob.min() >= 1 - least_prob(rounds, len(prob)):
        raise InputError(f"{source}: no worker ever answered within {deadline_s:g} s: give a later deadline")


def _posterior(
    response_s: FloatArray, deadline_s: float, families: Sequence[str], n_draws: int, *, rng: np.random.Generator
) -> FloatArray:
    """Draw p in equal shares from families that predict alike, shape (draws, W)."""
    modules = [fit.families()[name] for name in dict.fromkeys(families) if name != fit.BASELINE]
    share = -(-n_draws // len(modules))
    return np.concatenate([module.posterior(response_s, deadline_s, share, rng=rng) for module in modules])


def _check_deadline(deadline_s: float, log: ResponseLog) -> None:
    if not 0 < deadline_s < np.inf:
        raise InputError(f"the deadline is {deadline_s}: give a positive finite number of seconds, or auto")
    if log.n_missing and deadline_s > log.censored_at_s:
        raise InputError(
            f"{log.source}: {log.n_missing} responses are missing, known only to be later than "
            f"{log.censored_at_s:g} s: give a deadline up to that, not {deadline_s:g} s"
        )
