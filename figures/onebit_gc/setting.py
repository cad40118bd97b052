"""What the figures of onebit_gc share: one run in each of many worlds, read over the communication overhead."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse

from figures.curves import banded, first_time
from figures.quantities import Quantity
from figures.work import Work
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import uniform_random
from workbench.core import catalogue, versions
from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Problem, Trajectory
from workbench.engine.loop import simulate
from workbench.problems import least_squares, rosenbrock, two_class_logistic
from workbench.problems.least_squares import LeastSquares
from workbench.quantizers import identity, random_sign
from workbench.schemes.coded_sgd import CodedSgd, State
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import ConstantStep, InverseTimeStep, StepSize
from workbench.stragglers.delays.bernoulli import Bernoulli

ProblemName = Literal["regression", "rosenbrock", "mnist", "fashion_mnist"]
Method = Literal["one_bit", "stochastic", "one_bit_ignoring"]

METHODS: tuple[Method, ...] = ("one_bit", "stochastic", "one_bit_ignoring")
STEP_OF_REGRESSION = InverseTimeStep(1e-5)  # [Section V-A]
STEP_OF_ROSENBROCK = ConstantStep(1e-5)  # [Section V-B]
STEP_ON_IMAGES = InverseTimeStep(1e-3)  # [Section V-C]
ZETA = 64  # bits of a floating-point number: 164 and 6400 bits at dimension 100 [Section V-A]
IMAGES = 100  # of both classes together [Section V-C]
CLASSES = {"mnist": (0, 2), "fashion_mnist": (0, 1)}  # digits 0 and 2; T-shirt/top and trouser
DIMS = {"regression": 100, "rosenbrock": 1001, "mnist": 784, "fashion_mnist": 784}
PILOT_WORLD = 10**6  # pilots live in worlds that no figure shows
DIVERGED = 1e100  # a loss from there on is infinite: its square would be

DIFFERS = (
    "The paper tells neither the number of runs nor the length of its curves: here the mean and a 95 % band over runs.",
    "Data and placement are drawn once, as in the paper; each run has a start, stragglers and signs of its own.",
    "Overheads count 64 bits a floating-point number, as the paper's 164 and 6400 bits do.",
)

REGRESSION_DIFFERS = (
    *DIFFERS,
    "The error is the distance to the minimiser, which lies within 0.04 of the weights that the data come from.",
)
ROSENBROCK_DIFFERS = (
    DIFFERS[0],
    "Each run has a placement, start, stragglers and signs of its own.",
    DIFFERS[2],
)


@dataclass(frozen=True)
class Case:
    """One method in one setting, as plain values: with the seed it determines every number of its runs.

    copies : d of equal shares of the parts, one share after the other
    steps : step sizes; each is tried in every world, on the same noise
    checkpoints : rounds after which the iterate is measured, the last one being the last round
    n_worlds, n_runs : draws of data and placement, and runs in each, which differ in start, stragglers and signs
    pixel_scale : the brightest pixel of an image
    """

    problem: ProblemName
    method: Method
    steps: tuple[StepSize, ...]
    checkpoints: tuple[int, ...]
    copies: tuple[int, ...]
    n_worlds: int
    n_runs: int = 1
    straggle_prob: float = 0.1
    n_workers: int = 100
    pixel_scale: float = 1.0
    first_world: int = 0

    @property
    def message_bits(self) -> int:
        """ρ, bits of a message: D + ζ, or Dζ where it is not quantized."""
        dim = DIMS[self.problem]
        return dim * ZETA if self.method == "stochastic" else dim + ZETA


@dataclass(frozen=True)
class _EachStep:
    """η_t of each row: the step sizes in turn, each for n_runs rows."""

    steps: tuple[StepSize, ...]
    n_runs: int

    def __call__(self, iteration: int, rows: IntArray) -> FloatArray:
        """η at iteration t >= 1 for the rows (R,), shape (R,)."""
        return np.repeat([np.asarray(step(iteration, rows), float) for step in self.steps], self.n_runs)


@dataclass(frozen=True)
class _FromOwnStarts:
    """A scheme whose runs start apart, measured on the same loss in one part: part gradients are not asked for.

    starts : shape (R, D)
    setting : of what is measured
    """

    scheme: CodedSgd
    setting: Setting
    starts: FloatArray

    @property
    def name(self) -> str:
        """The scheme's."""
        return self.scheme.name

    @property
    def floats_a_run(self) -> int:
        """The scheme's."""
        return self.scheme.floats_a_run

    def init(self, n_runs: int) -> State:
        """Start all runs where they start."""
        return State(self.starts.copy())

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Take a round of the scheme."""
        return self.scheme.step(state, iteration, noise)

    def iterate(self, state: State) -> FloatArray:
        """x, shape (R, D)."""
        return state.x

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """Nothing besides."""
        return {}


class Tuned(NamedTuple):
    """A method at some overheads, with the step size that is best at each on the pilot runs."""

    loss: FloatArray  # (looks, R)
    error_sq: FloatArray  # (looks, R)
    steps: tuple[StepSize, ...]  # (looks,)


def regression(
    method: Method, copies: tuple[int, ...], *, n_rounds: int, n_runs: int, straggle_prob: float = 0.1
) -> Case:
    """Return a case of Section V-A, measured after every round."""
    rounds = tuple(range(n_rounds + 1))
    return Case("regression", method, (STEP_OF_REGRESSION,), rounds, copies, 1, n_runs, straggle_prob)


def rosenbrock_case(method: Method, rounds: tuple[int, ...], *, n_runs: int) -> Case:
    """Return the case of Section V-B: replication 10, p = 0.1, every run with a placement of its own."""
    return Case("rosenbrock", method, (STEP_OF_ROSENBROCK,), rounds, (10,), n_runs)


def images_case(dataset: ProblemName, pixel_scale: float, method: Method, longest: int, *, n_runs: int) -> Case:
    """Return a case of Section V-C with ten workers, measured after every round that an overhead allows."""
    copies = 1 if method == "one_bit_ignoring" else 2
    case = Case(dataset, method, (STEP_ON_IMAGES,), (), (copies,), 1, n_runs, n_workers=10, pixel_scale=pixel_scale)
    return replace(case, checkpoints=tuple(range(longest // case.message_bits + 1)))


def rounds_within(overheads: Iterable[int], message_bits: int) -> tuple[int, ...]:
    """Return the numbers of whole rounds that some overheads in bits allow, ascending, each once."""
    return tuple(sorted({overhead // message_bits for overhead in overheads}))


def at_overheads(values: FloatArray, iterations: IntArray, message_bits: int, overheads: IntArray) -> FloatArray:
    """Return the values (R, T+1) after as many whole rounds as each overhead (G,) allows, shape (R, G).

    Raises
    ------
    ValueError : a round that was not measured
    """
    rounds = overheads // message_bits  # (G,)
    if not np.isin(rounds, iterations).all():
        raise ValueError(f"rounds {np.setdiff1d(rounds, iterations).tolist()} were not measured: add them")
    return values[:, np.searchsorted(iterations, rounds)]


def overhead_to_match(values: FloatArray, bits: FloatArray, goals: FloatArray) -> FloatArray:
    """Return the overhead at which each run is first as low as the goals, NaN where never, shape (looks, R).

    Parameters
    ----------
    values, bits : at the checkpoints, shape (R, T+1)
    goals : of each run at each look, shape (R, looks)
    """
    return np.stack([first_time(values - goal[:, None], bits, 0.0) for goal in goals.T])


def tuned(
    work: Work,
    seed: int,
    cases: Mapping[str, Case],
    candidates: tuple[StepSize, ...],
    overheads: IntArray,
    *,
    n_pilots: int,
) -> dict[str, Tuned]:
    """Give every method the same step sizes to try on as many pilots, and run it with those that are best.

    For each overhead the step with the least mean loss over the pilots is taken; one that diverges is never.
    """
    pilots = {}
    for name, case in cases.items():
        rounds = rounds_within(overheads.tolist(), case.message_bits)
        fewer = replace(case, n_runs=n_pilots) if case.n_worlds == 1 else replace(case, n_worlds=n_pilots)
        pilots[name] = replace(fewer, steps=candidates, checkpoints=rounds, first_world=PILOT_WORLD)
    tried = simulated(work, seed, pilots)
    chosen = {}  # name -> index of the best candidate at each overhead, (looks,)
    for name, case in pilots.items():
        loss = at_overheads(tried[name].loss, tried[name].iterations, case.message_bits, overheads)  # (rows, looks)
        known = np.where(np.isfinite(loss), loss, np.inf)
        by_step = known.reshape(case.n_worlds, len(candidates), case.n_runs, len(overheads))
        chosen[name] = by_step.mean(axis=(0, 2)).argmin(axis=0)
    finals = {
        f"{name} {at}": _stopped_early(cases[name], candidates[at], overheads[best == at])
        for name, best in chosen.items()
        for at in np.unique(best)
    }
    found = simulated(work, seed, finals)
    results = {}
    for name, best in chosen.items():
        own = [found[f"{name} {at}"] for at in best]
        ends = overheads // cases[name].message_bits  # (looks,)
        at_end = [np.searchsorted(each.iterations, end) for each, end in zip(own, ends, strict=True)]
        loss_at = np.stack([each.loss[:, end] for each, end in zip(own, at_end, strict=True)])  # (looks, R)
        error_at = np.stack([each.error_sq[:, end] for each, end in zip(own, at_end, strict=True)])  # (looks, R)
        results[name] = Tuned(loss_at, error_at, tuple(candidates[at] for at in best))
    return results


def _stopped_early(case: Case, step: StepSize, overheads: IntArray) -> Case:
    """Return the case with another step size until the last of the overheads; itself if that is its own."""
    rounds = rounds_within(overheads.tolist(), case.message_bits)
    if case.steps == (step,) and set(rounds) <= set(case.checkpoints):
        return case
    return replace(case, steps=(step,), checkpoints=rounds)


def written(step: StepSize) -> str:
    """Write a step size as a formula of the round t, for instance 1e-05/t."""
    return f"{step.scale:g}/t" if isinstance(step, InverseTimeStep) else f"{step(1, np.zeros(1, int)):g}"


def residual(loss: FloatArray) -> FloatArray:
    """√(2F), which for the regression is ‖Ax − b‖."""
    return np.sqrt(2 * loss)


def regression_curves(axis: str, cases: Mapping[str, Case], found: Mapping[str, Trajectory]) -> dict[str, Quantity]:
    """Return residual and error over the overhead, one curve a case along `axis`, and their levels.

    A level is the mean over the rounds of log10, for each run: how low the curve lies.
    """
    (message_bits,) = {case.message_bits for case in cases.values()}
    iterations = next(iter(found.values())).iterations
    samples = {
        "residual": np.stack([residual(found[name].loss) for name in cases]),  # (cases, R, T+1)
        "error": np.stack([np.sqrt(found[name].error_sq) for name in cases]),
    }
    quantities = {"overhead": Quantity(("overhead",), iterations * message_bits, "bit")}
    for name, values in samples.items():
        quantities |= banded(name, values, (axis, "overhead"))
        quantities[f"{name}_level"] = Quantity((axis, "run"), np.log10(values[..., 1:]).mean(axis=-1))
    return quantities


def simulated(work: Work, seed: int, cases: Mapping[str, Case]) -> dict[str, Trajectory]:
    """Return the trajectories of the cases by name, rows (world, step); those in the store are not run again."""
    origin = [sha256(Path(__file__).read_bytes()).hexdigest(), versions.determining()]
    kept = {
        name: f"onebit_gc-{case.method}-{sha256(repr([case, seed, origin]).encode()).hexdigest()[:16]}"
        for name, case in cases.items()
    }
    done = work.keep({kept[name]: partial(run, case, seed) for name, case in cases.items()})
    return {name: done[key] for name, key in kept.items()}


def run(case: Case, seed: int) -> Trajectory:
    """Simulate a case, world by world; rows are ordered by world, step size and run. A loss that diverges is ∞."""
    worlds = range(case.first_world, case.first_world + case.n_worlds)
    found = [_in_world(case, int(stream(seed, "figures/onebit_gc/worlds", each).integers(2**62))) for each in worlds]
    names = ("loss", "error_sq", "grad_sq", "part_grad_sq", "seconds", "bits_up", "bits_down")
    joined: dict[str, Any] = {  # (rows, T+1) each
        name: np.concatenate([getattr(each, name) for each in found]) for name in names
    }
    joined["loss"] = np.where(joined["loss"] < DIVERGED, joined["loss"], np.inf)
    return replace(found[0], **joined)


def _in_world(case: Case, seed: int) -> Trajectory:
    """Draw data, placement and starts, and run every step size on the same stragglers and quantizer draws."""
    problem = build_problem(case.problem, seed, case.pixel_scale)
    delay = Bernoulli(np.full(case.n_workers, case.straggle_prob))
    step_size = _EachStep(case.steps, case.n_runs)
    scheme = CodedSgd(Setting(problem, delay), build_code(case, problem, seed), step_size)
    starts = starts_of(seed, case.n_runs, problem.dim)  # (runs, D)
    rows = np.tile(starts, (len(case.steps), 1))  # (steps x runs, D)
    return simulate(
        _FromOwnStarts(scheme, Setting(in_one_part(problem), delay), rows),
        n_iters=case.checkpoints[-1],
        n_runs=case.n_runs,
        n_repeats=len(case.steps),
        seed=seed,
        checkpoints=case.checkpoints,
        chunk_runs=len(rows),
    )


def starts_of(seed: int, n_runs: int, dim: int) -> FloatArray:
    """Draw the start of each run of a world, normal with variance 1 a coordinate, shape (runs, D)."""
    return np.stack([stream(seed, "figures/onebit_gc/start", each).standard_normal(dim) for each in range(n_runs)])


@lru_cache(maxsize=8)
def build_problem(name: ProblemName, seed: int, pixel_scale: float = 1.0) -> Any:
    """Draw the problem of Section V-A, V-B or V-C, its start included; every part is one sample."""
    if name == "regression":
        return least_squares.onebit_gc(1000, seed=seed)
    if name == "rosenbrock":
        return rosenbrock.build(1000, seed=seed)
    images, labels = _images(name)
    unit = two_class_logistic.build(
        IMAGES, seed=seed, images=images, labels=labels, classes=CLASSES[name], n_samples=IMAGES
    )
    return replace(unit, features=pixel_scale * unit.features)


@cache
def _images(dataset: str) -> tuple[Any, IntArray]:
    """Load a data set once in each process: pixels (M, 784) and labels (M,)."""
    images, labels = catalogue.pick("data set", catalogue.datasets(), dataset).load()
    return images, labels


def in_one_part(problem: Any) -> Any:
    """Return the same loss with all samples in one part."""
    if isinstance(problem, LeastSquares):
        whole = (1, -1, problem.dim)
        return replace(problem, design=problem.design.reshape(whole), target=problem.target.reshape(1, -1))
    return replace(problem, starts=problem.starts[[0, -1]])


def build_code(case: Case, problem: Problem, seed: int) -> GradientCode:
    """Give part j to d_j workers at random, with weight 1/d_j, decoded with 1/(1 − p) [onebit_gc, eq. 5]."""
    copies = np.repeat(case.copies, problem.n_parts // len(case.copies))  # (P,)
    rng = stream(seed, "figures/onebit_gc/placement")
    holds = uniform_random.place(case.n_workers, problem.n_parts, copies, rng=rng).holds  # (W, P)
    encode = (holds @ sparse.diags_array(1 / copies)).tocsr()
    all_send = np.ones(case.n_workers, np.int64)  # (W,)
    quantizer = (identity if case.method == "stochastic" else random_sign).quantizer(all_send)
    decoder = FixedDecoder(np.full(case.n_workers, 1 / (1 - case.straggle_prob)))
    return GradientCode("sgc" if case.method == "stochastic" else "one_bit", encode, decoder, quantizer)
