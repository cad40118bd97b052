"""Everything that the report tells, computed: from the log to the verdicts."""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

import numpy as np

from proofs_check.experiments.experiment import Outcome
from proofs_check.experiments.hetero_gc import check_theorem_2, check_theorem_3
from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec
from workbench.core.types import FloatArray, Problem, VarianceConstant
from workbench.engine.compare import Comparison, Separation, coded_schemes, compare, separation
from workbench.engine.parallel import run_jobs
from workbench.engine.setup import build_problem, delay_of
from workbench.moments.design_comparison import OPTIMAL, DesignComparison
from workbench.moments.design_comparison import compare as compare_designs
from workbench.moments.replay import Replayed, replay_left_out
from workbench.schemes.scheme import Setting
from workbench.stragglers.log import ResponseLog
from workbench.stragglers.profile import StragglerProfile, estimate_profile, straggle_prob_from

PACKAGES = ("numpy", "scipy", "cvxpy", "networkx", "matplotlib", "straggler-workbench")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """How long and how often one problem is trained."""

    problem: str
    n_runs: int
    n_iters: int
    pilot_runs: int
    n_samples: int | None = None  # the problem's own default


@dataclass(frozen=True)
class StudyConfig:
    """What a study depends on besides the log: it determines every number of the report."""

    n_parts: int = 64
    dim: int = 5_000_000
    bits_per_worker: int = 4
    variance_constant: VarianceConstant = "tight"
    allow_idle: bool = False
    seed: int = 0
    n_deadlines: int = 40
    trainings: tuple[Training, ...] = (
        Training("least_squares", 50, 300, 4),
        Training("softmax_regression", 10, 80, 1, 2000),
    )
    theorem_runs: int = 50
    theorem_iters: int = 300

    def spec(self, n_workers: int, dim: int) -> DesignSpec:
        """Return what a design for so many workers and coordinates is asked for."""
        return DesignSpec(
            self.n_parts,
            dim,
            self.bits_per_worker * n_workers,
            variance_constant=self.variance_constant,
            allow_idle=self.allow_idle,
        )


@dataclass(frozen=True, eq=False)
class Experiment:
    """One problem: the codes designed for its dimension, and how they train."""

    training: Training
    problem: Problem
    design: DesignComparison
    comparison: Comparison
    separations: tuple[Separation, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """The numbers of a report."""

    config: StudyConfig
    log: ResponseLog
    profile: StragglerProfile
    design: DesignComparison
    replayed: dict[str, Replayed]  # by family, on rounds left out of fit and design
    other_idle: DesignComparison  # the other answer to "may a worker idle"
    experiments: tuple[Experiment, ...]
    checks: tuple[Outcome, ...]
    versions: dict[str, str]


def run_study(log: ResponseLog, config: StudyConfig, *, n_jobs: int, progress: Progress) -> Study:
    """Profile the log, design, compare, train and judge; the result depends on log and config alone."""
    spec = config.spec(log.n_workers, config.dim)

    def utility(straggle_prob: FloatArray) -> float:
        return optimally_structured.allocate(straggle_prob, spec).utility

    progress("fitting delay laws")
    profile = estimate_profile(log, "auto", seed=config.seed, utility=utility, n_deadlines=config.n_deadlines)
    progress("designing codes")
    design = compare_designs(profile, spec, seed=config.seed)
    replayed = replay_left_out(
        log.response_s > (profile.deadline_s or np.inf), _refit(log, profile), design.spec, seed=config.seed
    )
    other = compare_designs(profile, replace(spec, allow_idle=not spec.allow_idle), seed=config.seed)
    experiments = []
    for training in config.trainings:
        experiments.append(_train(training, profile, config, n_jobs, progress))
    progress("holding Theorems 2 and 3 against simulation")
    checks = run_jobs(_theorem_jobs(profile, config), n_jobs)
    return Study(config, log, profile, design, replayed, other, tuple(experiments), tuple(checks), _versions())


def _refit(log: ResponseLog, profile: StragglerProfile) -> Callable[[np.ndarray], FloatArray]:
    """Return the function from some rounds of the log to straggle probabilities at the profile's deadline."""
    if profile.evidence is None or profile.deadline_s is None:
        raise TypeError("the profile of a log has its evidence and a deadline")
    family, deadline_s = profile.evidence.fits[0].family, profile.deadline_s
    return lambda rounds: straggle_prob_from(log.response_s[rounds], family, deadline_s)


def _train(
    training: Training, profile: StragglerProfile, config: StudyConfig, n_jobs: int, progress: Progress
) -> Experiment:
    """Design for the problem's own dimension at the same bits, and train with every code."""

    def done(stage: str, methods: int, total: int) -> None:
        progress(f"{training.problem}: {stage} {methods} of {total} methods")

    progress(f"{training.problem}: {training.n_runs} runs of {training.n_iters} rounds for every method")
    problem = build_problem(training.problem, config.n_parts, seed=config.seed, n_samples=training.n_samples)
    design = compare_designs(profile, config.spec(profile.n_workers, problem.dim), seed=config.seed)
    comparison = compare(
        coded_schemes(Setting(problem, delay_of(profile)), design.codes, deadline_s=profile.deadline_s),
        n_iters=training.n_iters,
        n_runs=training.n_runs,
        seed=config.seed,
        pilot_runs=training.pilot_runs,
        n_jobs=n_jobs,
        progress=done,
    )
    return Experiment(training, problem, design, comparison, separation(comparison, OPTIMAL))


def _theorem_jobs(profile: StragglerProfile, config: StudyConfig) -> list[Callable[[], Outcome]]:
    """Theorem 2 and both step rules of Theorem 3, on least squares, whose constants are known."""
    problem = build_problem("least_squares", config.n_parts, seed=config.seed)
    spec = config.spec(profile.n_workers, problem.dim)
    delay, deadline_s = delay_of(profile), profile.deadline_s
    # The profile keeps clear of 0 and 1 where the law need not; the theorem is about the law that is simulated.
    exact = np.minimum(delay.straggle_prob(np.inf if deadline_s is None else deadline_s), 1 - 1e-9)  # (W,)
    profile = replace(profile, straggle_prob=exact)
    bits = optimally_structured.allocate(profile.straggle_prob, spec).bits
    code = optimally_structured.design_for_bits(profile, spec, bits)

    def job(check: Callable[..., Outcome], **rule: str) -> Callable[[], Outcome]:
        runs, iters = config.theorem_runs, config.theorem_iters
        how = partial(check, deadline_s=deadline_s, n_iters=iters, n_runs=runs, seed=config.seed, **rule)
        return partial(how, problem, code, delay)

    third = (job(check_theorem_3, rule=rule) for rule in ("constant", "decaying"))
    return [job(check_theorem_2), *third]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def straggled(study: Study) -> FloatArray:
    """Return who missed the study's deadline in the log, 0/1, shape (rounds, W)."""
    return np.asarray(study.log.response_s > (study.profile.deadline_s or np.inf), float)
