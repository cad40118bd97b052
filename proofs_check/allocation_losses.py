"""Bit budgets on which Algorithm 1 of hetero_gc, or plain greedy, misses the optimum; kept as data.

    python -m proofs_check.allocation_losses     # write allocation_losses.csv again: random instances, and a hunt

The hunt climbs to larger losses by small changes, for each method, variance constant and rule about idle workers: from
what earlier hunts left in the file, from the worst of the random instances, and from fresh ones. It takes half an hour.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from workbench.core.types import FloatArray, VarianceConstant
from workbench.quantizers.stochastic_levels import variance_constant
from workbench.solvers import bit_allocation
from workbench.solvers.bit_allocation import Allocation

DATA = Path(__file__).with_suffix(".csv")
METHODS = {"algorithm_1": bit_allocation.solve_algorithm_1, "greedy": bit_allocation.solve_greedy}
CONSTANTS: tuple[VarianceConstant, ...] = ("tight", "paper", "qsgd")
SAME = 1e-12  # relative difference of utilities that count as equal
N_RANDOM = 10_000
MOST_WORKERS = 8
HUNT_STARTS, HUNT_STEPS = 4, 1000  # starts of each sort


@dataclass(frozen=True)
class BitBudget:
    """One instance of (b-SP1); probabilities have four digits, so that it can be read and typed."""

    straggle_prob: tuple[float, ...]
    dim: int
    constant: VarianceConstant
    budget: int
    allow_idle: bool

    def variance_of_bits(self, bits: FloatArray) -> FloatArray:
        """Return ω of a number of bits a coordinate."""
        return variance_constant(bits, self.dim, self.constant)

    def solve(self, solver: bit_allocation.Solver) -> Allocation:
        """Give the instance to a solver."""
        p = np.array(self.straggle_prob)
        return solver(p, self.variance_of_bits, self.budget, allow_idle=self.allow_idle)

    def loss(self, method: str) -> float:
        """Return how far the method stays below the optimum, relative to it; 0 if equal up to rounding."""
        loss = 1 - self.solve(METHODS[method]).utility / self.solve(bit_allocation.solve_structured).utility
        return loss if loss > SAME else 0.0


@dataclass(frozen=True)
class Loss:
    """An instance, the method that misses its optimum, by how much, and whether chance or the hunt found it."""

    found_by: str
    method: str
    instance: BitBudget
    loss: float


def random_instance(seed: int) -> BitBudget:
    """Draw any dimension, one to eight reliable and unreliable workers, and any budget; constants and rules in turn."""
    rng = np.random.default_rng(seed)
    n_workers = int(rng.integers(1, MOST_WORKERS + 1))
    prob = rng.uniform(0, 1) ** 3 * rng.uniform(0, 0.95, n_workers)
    allow_idle = bool(seed // len(CONSTANTS) % 2)
    return _valid(
        BitBudget(
            tuple(prob.tolist()),
            round(10 ** rng.uniform(0, 7)),
            CONSTANTS[seed % len(CONSTANTS)],
            int(rng.integers(2 if allow_idle else 2 * n_workers, 20 * n_workers + 1)),
            allow_idle,
        )
    )


def hunt(start: BitBudget, method: str, *, seed: int, steps: int = HUNT_STEPS) -> Loss:
    """Climb to an instance of larger loss: change a few numbers, keep what is not worse."""
    rng = np.random.default_rng(seed)
    best, most = start, start.loss(method)
    for _ in range(steps):
        changed = _changed(best, rng)
        if (loss := changed.loss(method)) >= most:
            best, most = changed, loss
    return Loss("hunt", method, best, most)


def _changed(instance: BitBudget, rng: np.random.Generator) -> BitBudget:
    """Change the workers, the dimension or the budget a little, and now and then much."""
    scale = 10 ** rng.uniform(-3, 0)
    prob, budget, dim = list(instance.straggle_prob), instance.budget, instance.dim
    kind = rng.integers(5)
    if kind == 0 and len(prob) < MOST_WORKERS:
        prob.append(float(rng.uniform(0, 0.95)))
        budget += int(rng.integers(2, 16))
    elif kind == 1 and len(prob) > 1:
        del prob[int(rng.integers(len(prob)))]
        budget -= int(rng.integers(2, 16))
    elif kind == 2:
        dim = round(dim * math.exp(2 * scale * rng.standard_normal()))
    elif kind == 3:
        budget += int(rng.integers(-3, 4))
    else:
        for i in np.flatnonzero(rng.random(len(prob)) < 0.5):
            prob[i] *= math.exp(scale * rng.standard_normal())
    return _valid(replace(instance, straggle_prob=tuple(prob), budget=budget, dim=dim))


def _valid(instance: BitBudget) -> BitBudget:
    """Round the probabilities to four digits, and clip everything to where the problem makes sense."""
    prob = tuple(float(f"{min(max(p, 1e-4), 0.99):.4g}") for p in instance.straggle_prob)
    least = 2 if instance.allow_idle else 2 * len(prob)
    budget = min(max(instance.budget, least), 32 * len(prob))
    return replace(instance, straggle_prob=prob, budget=budget, dim=min(max(instance.dim, 1), 10**8))


def read_losses(path: Path = DATA) -> list[Loss]:
    """Read the kept losses."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Loss(
                row["found_by"],
                row["method"],
                BitBudget(
                    tuple(map(float, row["straggle_prob"].split())),
                    int(row["dim"]),
                    next(constant for constant in CONSTANTS if constant == row["variance_constant"]),
                    int(row["budget"]),
                    row["allow_idle"] == "yes",
                ),
                float(row["loss"]),
            )
            for row in csv.DictReader(file)
        ]


def write_losses(losses: list[Loss], path: Path = DATA) -> None:
    """Write the losses, the hunted ones first, then by method, the worst first."""
    header = ("found_by", "method", "variance_constant", "allow_idle", "dim", "budget", "straggle_prob", "loss")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for each in sorted(losses, key=lambda each: (each.found_by, each.method, -each.loss)):
            instance = each.instance
            prob = " ".join(map(repr, instance.straggle_prob))
            idle = "yes" if instance.allow_idle else "no"
            rule = (instance.constant, idle, instance.dim, instance.budget)
            writer.writerow((each.found_by, each.method, *rule, prob, f"{each.loss:.6g}"))


def random_losses(seeds: range) -> Iterator[Loss]:
    """Yield what the methods lose on the random instances, where they lose."""
    for seed in seeds:
        instance = random_instance(seed)
        for method in METHODS:
            if loss := instance.loss(method):
                yield Loss("chance", method, instance, loss)


def hunted_losses(known: list[Loss]) -> Iterator[Loss]:
    """Yield the largest loss of several hunts for each method, constant and rule, never less than what is known."""
    for method, constant, allow_idle in product(METHODS, CONSTANTS, (False, True)):
        kind = method, constant, allow_idle
        met = [each for each in known if (each.method, each.instance.constant, each.instance.allow_idle) == kind]
        met.sort(key=lambda each: -each.loss)
        starts = [each.instance for each in met[:HUNT_STARTS]]
        for seed in range(N_RANDOM, N_RANDOM + HUNT_STARTS):
            starts.append(_valid(replace(random_instance(seed), constant=constant, allow_idle=allow_idle)))
        hunts = (hunt(start, method, seed=seed) for seed, start in enumerate(starts))
        worst = max(hunts, key=lambda each: each.loss)
        print(worst, flush=True)
        yield worst


if __name__ == "__main__":
    by_chance = list(random_losses(range(N_RANDOM)))
    hunted = [each for each in read_losses() if each.found_by == "hunt"]
    write_losses([*by_chance, *hunted_losses([*hunted, *by_chance])])
