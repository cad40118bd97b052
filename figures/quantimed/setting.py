"""What the figures of quantimed share: networks trained by each method, with what the paper leaves open filled in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

import numpy as np

from figures.work import Work
from workbench.core.types import IntArray, Trajectory

TaskName = Literal["clothing", "digits"]
Method = Literal["quantimed", "q_dsgd", "dsgd", "asynchronous_dsgd", "asynchronous_dsgd_blocking"]
Results = dict[tuple[Method, str], Trajectory]  # by method and variant

QUANTIZED: tuple[Method, ...] = ("quantimed", "q_dsgd")
SPEED = (10.0, 90.0)  # V ~ Uniform, gradients a second
MEAN_SPEED = sum(SPEED) / 2  # E[V]
FLOAT_BITS = 16
COMM_S = 3.0  # T_c, seconds of a message of FLOAT_BITS a weight
HALF_RANGE = 1.0  # of the lattice; with the paper's step sizes no weight is above 0.6 in the rounds shown
PILOT = 10_000  # pilots have the final seed + this one: other samples, start and noise

MAIN = "T = 250, s = 8, b = 20"
TUNED = "tuned alike"
CHANGES: Mapping[str, Mapping[str, int]] = {  # of the main variant, one at a time
    MAIN: {},
    "T = 1000": {"plan": 1000},
    "s = 4": {"bits": 4},
    "b = 100": {"batch_size": 100},
    "60 rounds": {"rounds": 60, "n_points": 10},
    TUNED: {},
}
OF_QUANTIZED = ("plan", "bits")  # changes that concern quantized methods alone

DIFFERS = (
    "CIFAR-10 cannot be had: two classes of Fashion-MNIST (T-shirt/top and shirt) framed to 32 x 32 pixels stand for "
    "it, so that the network has the paper's 1,024 inputs.",
    "5,000 digits of MNIST are at hand, so that a worker has 100 of them in place of 200.",
    "The paper does not say for how many rounds T the step sizes are meant (250 here, about the least with ε <= 1, "
    "and 1,000), on how many bits s the models are quantized (8 and 4), nor the batch size b (20 and 100); each is "
    "changed in turn, with fewer runs.",
    "The first 20 rounds are shown, and 60 in one variant, not all T: 50 networks of 30,000 to 40,000 weights cost "
    "minutes.",
    "The paper's step sizes are fine-tuned for its data; in the variant 'tuned alike' every method has the same number "
    "of steps tried on one pilot run of another seed, and takes the one with the least loss after half the rounds.",
    "Unstated too, and chosen: T_c in seconds and V in gradients a second, tanh units, a random normal start in "
    "place of x = 0, where hidden units would stay alike, pixels on [0, 1] less their mean, κ = largest degree + 1, a "
    "lattice over [−1, 1).",
    "The loss is that of the mean of the workers' models over all samples.",
)


@dataclass(frozen=True)
class Task:
    """One of the paper's two experiments, with its step sizes.

    problem : of the sweep's document, beside the network's size
    step, averaging : c and e of α = c/T^{1/6} and ε = e/T^{1/2}
    plain_step : α of DSGD and asynchronous DSGD
    """

    problem: Mapping[str, Any]
    n_inputs: int
    n_classes: int
    step: float
    averaging: float
    plain_step: float


TASKS: Mapping[TaskName, Task] = {
    "clothing": Task({"dataset": "fashion_mnist", "classes": [0, 6], "side": 32}, 1024, 2, 0.08, 14.0, 0.015),
    "digits": Task({}, 784, 10, 0.3, 15.0, 0.2),
}

TARGETS: Mapping[TaskName, tuple[float, ...]] = {  # losses at which methods are compared
    "clothing": (0.69, 0.67, 0.65, 0.63, 0.6, 0.55, 0.51, 0.48, 0.45, 0.43, 0.41, 0.39, 0.38, 0.37),
    "digits": (2.0, 1.75, 1.5, 1.25, 1.0, 0.85, 0.7, 0.55, 0.4),
}


@dataclass(frozen=True)
class Case:
    """One method in one setting.

    plan : T, for which α and ε are meant
    step : α ε in place of the paper's
    deadline_s : T_d in place of b/E[V]
    """

    task: TaskName
    method: Method
    n_workers: int
    n_hidden: int
    n_samples: int
    rounds: int
    n_points: int
    n_runs: int
    seed: int
    plan: int = 250
    bits: int = 8
    batch_size: int = 20
    step: float | None = None
    deadline_s: float | None = None
    comm_s: float = COMM_S

    @property
    def is_quantized(self) -> bool:
        """Whether models are sent on `bits` bits a weight."""
        return self.method in QUANTIZED

    @property
    def dim(self) -> int:
        """Weights of the network."""
        task = TASKS[self.task]
        return self.n_hidden * (task.n_inputs + 1) + task.n_classes * (self.n_hidden + 1)

    @property
    def checkpoints(self) -> IntArray:
        """Rounds after which the loss is measured, closer together at first, shape (n_points,)."""
        spaced = (self.rounds * np.linspace(0, 1, self.n_points) ** 2).round().astype(np.int64)
        return np.maximum(spaced, np.arange(self.n_points))

    @property
    def label(self) -> str:
        """What it is, in a few words."""
        step = "" if self.step is None else f" step={self.step:g}"
        deadline = "" if self.deadline_s is None else f" Td={self.deadline_s:g}"
        sent = f" T={self.plan} s={self.bits}" if self.is_quantized else ""
        return f"{self.task} {self.method}{sent} b={self.batch_size}{step}{deadline}"

    def scheme(self) -> dict[str, Any]:
        """Return the scheme's table."""
        task = TASKS[self.task]
        kind, blocking, _ = self.method.partition("_blocking")
        table: dict[str, Any] = {"kind": kind, "name": self.label}
        table["mixing"] = {"graph": "erdos_renyi", "edge_prob": 0.4}
        if self.is_quantized:
            averaging = task.averaging / sqrt(self.plan)  # ε
            step = task.step / self.plan ** (1 / 6) if self.step is None else self.step / averaging  # α
            lattice = {"kind": "lattice", "bits": self.bits, "half_range": HALF_RANGE}
            table |= {"step_size": step, "mixing_step": averaging, "quantizer": lattice}
        else:
            table |= {"step_size": task.plain_step if self.step is None else self.step, "float_bits": FLOAT_BITS}
        if kind == "quantimed":
            return table | {"deadline_s": self.deadline_s or self.batch_size / MEAN_SPEED}
        if kind == "asynchronous_dsgd":
            table["send"] = "blocking" if blocking else "overlapped"
        return table | {"batch_size": self.batch_size}

    def document(self) -> dict[str, Any]:
        """Return the document of a sweep that holds this case alone."""
        network = {"kind": "one_hidden_layer", "n_hidden": self.n_hidden, "n_samples": self.n_samples}
        return {
            "n_workers": self.n_workers,
            "seed": self.seed,
            "runs": self.n_runs,
            "iterations": self.rounds,
            "checkpoints": self.checkpoints.tolist(),
            "measure_gradients": False,
            "seconds_per_bit": self.comm_s / (FLOAT_BITS * self.dim),
            "problem": network | dict(TASKS[self.task].problem),
            "delay": {"kind": "bounded_speed", "slowest": SPEED[0], "fastest": SPEED[1]},
            "scheme": self.scheme(),
        }


def simulated(work: Work, cases: Iterable[Case]) -> dict[Case, Trajectory]:
    """Return the trajectories of the cases."""
    return work.run_each({case: case.document() for case in cases})


@dataclass(frozen=True)
class Experiment:
    """What to simulate of one experiment.

    main : the case whose method and setting are varied
    n_variant_runs, n_tuned_runs : of every case but the methods' main ones; tuned ones take few rounds, and more runs
    asynchronous_rounds : in place of main's, by method; W updates of the workers each
    steps : α ε, or α, that "tuned alike" chooses from after half the rounds
    """

    main: Case
    n_variant_runs: int
    n_tuned_runs: int
    asynchronous_rounds: Mapping[Method, int]
    steps: tuple[float, ...]

    def case(self, method: Method, variant: str, tuned: Mapping[tuple[TaskName, Method], float]) -> Case:
        """Return the method's case in a variant; the main one where the variant does not concern the method."""
        case = self._of(method)
        changes: dict[str, Any] = {
            name: value for name, value in CHANGES[variant].items() if case.is_quantized or name not in OF_QUANTIZED
        }
        if variant == TUNED:
            return replace(case, n_runs=self.n_tuned_runs, step=tuned[self.main.task, method])
        return replace(case, n_runs=self.n_variant_runs, **changes) if changes else case

    def pilot(self, method: Method, step: float) -> Case:
        """Return one pilot run, of a seed that no figure shows."""
        case = self._of(method)
        return replace(case, step=step, n_runs=1, n_points=2, rounds=case.rounds // 2, seed=case.seed + PILOT)

    def _of(self, method: Method) -> Case:
        return replace(self.main, method=method, rounds=self.asynchronous_rounds.get(method, self.main.rounds))


def experiment_of(
    task: TaskName,
    *,
    seed: int,
    n_workers: int,
    n_hidden: Mapping[TaskName, int],
    n_samples: Mapping[TaskName, int],
    rounds: int,
    asynchronous_rounds: Mapping[Method, int],
    n_points: int,
    n_runs: int,
    n_variant_runs: int,
    n_tuned_runs: int,
    steps: tuple[float, ...],
) -> Experiment:
    """Return one task's experiment at a scale."""
    size = (n_workers, n_hidden[task], n_samples[task], rounds, n_points, n_runs, seed)
    return Experiment(Case(task, "dsgd", *size), n_variant_runs, n_tuned_runs, asynchronous_rounds, steps)


QUICK: Mapping[str, Any] = {
    "n_workers": 12,
    "n_hidden": {"clothing": 6, "digits": 10},
    "n_samples": {"clothing": 1200, "digits": 1200},
    "rounds": 10,
    "asynchronous_rounds": {"asynchronous_dsgd": 20, "asynchronous_dsgd_blocking": 8},
    "n_points": 7,
    "n_runs": 4,
    "n_variant_runs": 4,
    "n_tuned_runs": 4,
    "steps": (0.1, 0.3),
}
PAPER: Mapping[str, Any] = {
    "n_workers": 50,
    "n_hidden": {"clothing": 30, "digits": 50},
    "n_samples": {"clothing": 10_000, "digits": 5_000},
    "rounds": 20,
    "asynchronous_rounds": {"asynchronous_dsgd": 24, "asynchronous_dsgd_blocking": 14},
    "n_points": 6,
    "n_runs": 20,
    "n_variant_runs": 3,
    "n_tuned_runs": 6,
    "steps": (0.1, 0.3, 1.0, 3.0),
}


def tuned_steps(
    work: Work, experiments: Iterable[Experiment], methods: Sequence[Method]
) -> dict[tuple[TaskName, Method], float]:
    """Return for each task and method the step with the least loss at the end of its pilot run."""
    pilots = {
        (each.main.task, method, step): each.pilot(method, step)
        for each in experiments
        for method in methods
        for step in each.steps
    }
    done = simulated(work, pilots.values())
    best: dict[tuple[TaskName, Method], tuple[float, float]] = {}  # loss, step
    for (task, method, step), case in pilots.items():
        loss = float(done[case].loss[0, -1])
        best[task, method] = min(best.get((task, method), (np.inf, step)), (loss, step))
    return {each: step for each, (_, step) in best.items()}
