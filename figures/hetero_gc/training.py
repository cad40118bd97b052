"""What Figs. 2 to 4 of hetero_gc share: gradient codes of one bit budget that train a network side by side."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from figures.claims import Estimate, Finding, Outcome, estimate, over_readings, worst
from figures.curves import banded, first_time
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.streams import stream
from workbench.core.types import FloatArray, Trajectory

OURS, IDEAL = "optimally_structured", "wait_for_all"
BASELINES = ("osgc", "stochastic", "erasure_head", "bernoulli", "optimal_decoding", "ignore_stragglers")
METHODS = (OURS, *BASELINES, IDEAL)

SHIFT_S, DEADLINE_S = 1.0, 2.0  # α and τ: p_i = exp(−μ_i (τ − α)) [eq. 37]
RATES_PER_S = (0.5, 3.0)  # range of the μ_i
REPLICATION = 2  # computation load of the baselines, about that of the optimal structure
FLOAT_BITS = 32
ADAM_STEP = 1e-3  # [Section VI]
PILOT_SEED = 10_000  # pilots have the final seed + this one: other stragglers and quantizer noise

SIZES: Mapping[str, Mapping[str, Any]] = {  # of every training, by scale
    "quick": {"n_rounds": 12, "n_runs": 4, "n_pilots": 1, "n_samples": 200, "steps": (1.5,)},
    "paper": {"n_rounds": 80, "n_runs": 20, "n_pilots": 3, "n_samples": 1000, "steps": (0.05, 0.15, 0.5, 1.5, 4.5)},
}
N_HIDDEN = 6  # units of the network
ONE_WORLD: Mapping[str, int] = {"n_workers": 8, "bits": 3}  # of Figs. 3 and 4

DIFFERS = (
    "COCO and MobileNetV3 cannot be had: images of Fashion-MNIST are classified by a network with one hidden layer, so "
    "that the loss is a cross-entropy and not that of a detector.",
    "The text at hand lost the numbers of workers, parts and rounds, the bit budgets, the range of the rates, SGD's "
    "learning rate and the baselines' load: chosen here, W parts for W workers, rates as in Fig. 1, load 2.",
    "The lost learning rate is tuned: every method has the same step sizes tried on the same number of pilot runs with "
    "another seed, and takes the one with the least final loss; all methods at the step that suits centralized SGD are "
    "looked at too.",
)


@dataclass(frozen=True)
class World:
    """A problem, workers and a bit budget: with the seed they determine everything but the methods.

    bits : B/W, bits a coordinate of a worker, on average
    most_rate : upper end of the range of the μ_i
    problem : the sweep's table
    """

    n_workers: int
    bits: int
    n_rounds: int
    n_runs: int
    n_points: int
    problem: Mapping[str, Any] = field(hash=False)
    most_rate: float = RATES_PER_S[1]

    def document(self, schemes: Sequence[Mapping[str, Any]], *, seed: int, rates_seed: int) -> dict[str, Any]:
        """Return the sweep in which these schemes meet the same stragglers."""
        rng = stream(rates_seed, f"figures/hetero_gc/rates/{self.n_workers}")
        rates = rng.uniform(RATES_PER_S[0], self.most_rate, self.n_workers)  # (W,)
        return {
            "n_workers": self.n_workers,
            "seed": seed,
            "runs": self.n_runs,
            "iterations": self.n_rounds,
            "measure_gradients": False,
            "checkpoints": np.unique(np.linspace(0, self.n_rounds, self.n_points).astype(int)).tolist(),
            "problem": {"seed": rates_seed, **self.problem},
            "delay": {"kind": "shifted_exponential", "shift_s": SHIFT_S, "rate_per_s": rates.tolist()},
            "scheme": list(schemes),
        }

    def code(self, family: str, *, bits: int | None = None) -> dict[str, Any]:
        """Return the table of a code of this bit budget, or of another one; FLOAT_BITS leave messages as they are."""
        bits = bits or self.bits
        table = {"kind": family, "bit_budget": bits * self.n_workers, "replication": REPLICATION}
        return table | ({"quantizer": {"kind": "identity"}} if bits == FLOAT_BITS else {})

    def sgd(self, family: str, *, bits: int | None = None, error_feedback: bool = False) -> dict[str, Any]:
        """Return the table of SGD with a code."""
        if family == IDEAL:
            return {"kind": IDEAL}
        kind = "coded_error_feedback" if error_feedback else "coded_sgd"
        return {"kind": kind, "code": self.code(family, bits=bits), "deadline_s": DEADLINE_S}

    def adam(self, family: str) -> dict[str, Any]:
        """Return the table of Adam with a code; ours decodes twice."""
        if family == IDEAL:
            return {"kind": "adam", "step_size": ADAM_STEP}
        table = {"kind": "coded_adam", "code": self.code(family), "deadline_s": DEADLINE_S, "step_size": ADAM_STEP}
        return table | ({"emphasis": 1.0} if family == OURS else {})

    def all_sgd(self, families: Sequence[str] = METHODS) -> dict[str, dict[str, Any]]:
        """Return the tables of SGD with several codes, by their names."""
        return {family: self.sgd(family) for family in families}


def network(n_hidden: int, n_samples: int) -> dict[str, Any]:
    """Return the table of a network with one hidden layer on Fashion-MNIST."""
    return {"kind": "one_hidden_layer", "dataset": "fashion_mnist", "n_samples": n_samples, "n_hidden": n_hidden}


class Trained(NamedTuple):
    """What a method did: its runs with the step chosen, and its pilots' final losses at every step tried."""

    trajectory: Trajectory
    step: float
    pilots: FloatArray  # (steps, pilots)


def trained(
    work: Work,
    world: World,
    tables: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    n_pilots: int,
    steps: Sequence[float],
) -> dict[str, Trained]:
    """Tune every method alike, and run it with the step of the least mean final loss of its pilots.

    Parameters
    ----------
    tables : schemes without step size, by the method's name
    """
    named = {(method, step): f"{method} {step:g}" for method in tables for step in steps}

    def schemes(chosen: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
        return [{**tables[method], "name": named[method, step], "step_size": step} for method, step in chosen]

    pilot = replace(world, n_runs=n_pilots, n_points=2)
    tried = work.run(pilot.document(schemes(named), seed=seed + PILOT_SEED, rates_seed=seed))
    pilots = {
        method: np.stack([final_loss(tried[named[method, step]]) for step in steps]) for method in tables
    }  # (steps, pilots) each
    best = {method: steps[int(loss.mean(axis=1).argmin())] for method, loss in pilots.items()}
    final = work.run(world.document(schemes(best.items()), seed=seed, rates_seed=seed))
    return {method: Trained(final[named[method, step]], step, pilots[method]) for method, step in best.items()}


def adapted(work: Work, world: World, families: Sequence[str] = METHODS, *, seed: int) -> dict[str, Trained]:
    """Run every code with Adam at the paper's learning rate."""
    schemes = [{**world.adam(family), "name": family} for family in families]
    final = work.run(world.document(schemes, seed=seed, rates_seed=seed))
    return {family: Trained(final[family], ADAM_STEP, np.full((0, 0), np.nan)) for family in families}


def final_loss(trajectory: Trajectory) -> FloatArray:
    """Loss of each run at the last checkpoint, infinite where it diverged, shape (R,)."""
    last = trajectory.loss[:, -1]
    return np.where(np.isfinite(last), last, np.inf)


def curves(panels: Mapping[str, Mapping[str, Trained]], methods: Sequence[str]) -> dict[str, Quantity]:
    """Return loss over rounds, what each run ends with, and what the tuning did, panel by panel.

    `loss` (panel, method, checkpoint) with its band; `final` (panel, method, run); `step` (panel, method);
    `rounds_ahead` (panel, method, run), of ours; `common` (panel, method, pilot), final losses of the pilots at the
    step that suits the ideal method best; of a method that a panel lacks nothing is finite.
    """
    some = next(iter(next(iter(panels.values())).values())).trajectory
    n_pilots = max(each.pilots.shape[1] for found in panels.values() for each in found.values())
    shape = (len(panels), len(methods))
    loss = np.full((*shape, *some.loss.shape), np.nan)  # (panels, methods, R, T+1)
    ahead = np.full((*shape, len(some.loss)), np.nan)  # (panels, methods, R)
    common = np.full((*shape, n_pilots), np.nan)  # (panels, methods, pilots)
    step = np.full(shape, np.nan)  # (panels, methods)
    for p, found in enumerate(panels.values()):
        for m, method in enumerate(methods):
            if method not in found:
                continue
            each = found[method]
            loss[p, m], step[p, m] = each.trajectory.loss, each.step
            if OURS in found:
                ahead[p, m] = _rounds_ahead(found[OURS].trajectory, each.trajectory)
            if each.pilots.size and IDEAL in found:
                at = int(found[IDEAL].pilots.mean(axis=1).argmin())
                common[p, m] = each.pilots[at]
    axes = ("panel", "method")
    return {
        "panel": Quantity(("panel",), np.array(list(panels))),
        "method": Quantity(("method",), np.array(list(methods))),
        "round": Quantity(("checkpoint",), some.iterations),
        **banded("loss", loss, (*axes, "checkpoint")),
        "final": Quantity((*axes, "run"), loss[..., -1]),
        "rounds_ahead": Quantity((*axes, "run"), ahead),
        "common": Quantity((*axes, "pilot"), common),
        "step": Quantity(axes, step),
    }


def _rounds_ahead(ours: Trajectory, theirs: Trajectory) -> FloatArray:
    """How many rounds earlier ours has the other's final loss than the other, run by run, shape (R,).

    Where ours never has it, that counts as the first round after the last one.
    """
    rounds = np.broadcast_to(ours.iterations.astype(float), ours.loss.shape)  # (R, T+1)
    excess, own = (each.loss - final_loss(theirs)[:, None] for each in (ours, theirs))  # (R, T+1) each
    never = rounds[:, -1] + 1
    needed, took = (np.nan_to_num(first_time(each, rounds, 0.0), nan=never[0]) for each in (excess, own))  # (R,) each
    return took - needed


def gap(ours: FloatArray, theirs: FloatArray, *, n_looks: int = 1) -> Estimate:
    """How much more loss the other ends with; a run that diverged makes a mean infinite.

    Parameters
    ----------
    ours, theirs : final losses of the same noise histories, shape (R,)
    """
    fine, other_fine = np.isfinite(ours).all(), np.isfinite(theirs).all()
    if fine and other_fine:
        return estimate(theirs - ours, n_looks=n_looks)
    if fine or other_fine:
        sure = np.inf if fine else -np.inf
        return Estimate(sure, sure, sure)
    return Estimate(np.nan, -np.inf, np.inf)


def beats_all(data: Arrays, panels: Sequence[str], *, of: Literal["final", "common"] = "final") -> Finding:
    """Judge "ours ends with less loss than every baseline" in some panels, intervals simultaneous."""
    pairs = [(p, m) for p in panels for m in BASELINES if not np.isnan(row(data, p, m, of)).any()]
    return beaten({f"{p}, {m}": gap(row(data, p, OURS, of), row(data, p, m, of), n_looks=len(pairs)) for p, m in pairs})


def beaten(gaps: Mapping[str, Estimate]) -> Finding:
    """Judge "all of them end with more loss": how many do, and by how little the least does."""
    outcomes = [each.above(0.0) for each in gaps.values()]
    counts = Counter(outcomes)
    name = min(gaps, key=lambda each: gaps[each].mean)
    told = f"{counts[Outcome.REPRODUCED]} of {len(gaps)} comparisons favour ours"
    told += f", {counts[Outcome.NOT_REPRODUCED]} the other, {counts[Outcome.INCONCLUSIVE]} neither"
    evidence = {name: each.mean for name, each in gaps.items()}
    return Finding(worst(outcomes), f"{told}; least that with {name}: {gaps[name]}", evidence)


def beats_at_any_step(data: Arrays, panels: Sequence[str]) -> Finding:
    """Judge `beats_all` with the steps tuned for each method, and at the one that suits centralized SGD."""
    common = beats_all(data, panels, of="common")
    return over_readings({"steps tuned": beats_all(data, panels), "SGD's best step": common})


def excess(data: Arrays, panel: str, method: str) -> Estimate:
    """Final loss over that of centralized SGD, less 1, over paired runs."""
    ratio = row(data, panel, method) / row(data, panel, IDEAL)  # (R,)
    return estimate(ratio - 1) if np.isfinite(ratio).all() else Estimate(np.inf, np.inf, np.inf)


def row(data: Arrays, panel: str, method: str, of: str = "final") -> FloatArray:
    """Return what `of` holds of a method in a panel, by default each run's final loss, shape (R,)."""
    found: FloatArray = data[of][data["panel"].tolist().index(panel), data["method"].tolist().index(method)]
    return found
