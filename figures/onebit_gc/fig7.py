"""1-bit gradient coding on the Rosenbrock function under slightly varied parameters [onebit_gc, Fig. 7]."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from figures.claims import Finding, over_readings
from figures.curves import banded
from figures.onebit_gc import setting
from figures.onebit_gc.judge import same
from figures.onebit_gc.setting import rosenbrock_case
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.schemes.step_sizes import ConstantStep

BASE = {"step_size": 1e-5, "n_workers": 100, "replication": 10}  # [Section V-B]
SCALES = {
    "quick": {
        "n_runs": 4, "n_rounds": 50, "n_points": 11,
        "step_sizes": (8e-6, 1e-5, 1.2e-5), "workers": (80, 100), "replications": (8, 10),
    },
    "paper": {
        "n_runs": 20, "n_rounds": 100, "n_points": 41,
        "step_sizes": (8e-6, 1e-5, 1.2e-5), "workers": (80, 100, 120), "replications": (8, 9, 10, 11, 12),
    },
}  # fmt: skip
DIFFERS = (*setting.ROSENBROCK_DIFFERS, "The text does not tell the variations: up to 20 % of each parameter here.")
ALMOST = 0.1  # of the fall of the curve on the logarithmic scale


def fig7_data(
    *,
    seed: int,
    work: Work,
    n_runs: int,
    n_rounds: int,
    n_points: int,
    step_sizes: tuple[float, ...],
    workers: tuple[int, ...],
    replications: tuple[int, ...],
) -> dict[str, Quantity]:
    """Vary one parameter at a time, on the same starts and stragglers; each range holds the paper's own value."""
    rounds = tuple(np.linspace(0, n_rounds, n_points).round().astype(int).tolist())
    base = rosenbrock_case("one_bit", rounds, n_runs=n_runs)
    varied: dict[str, dict[float, setting.Case]] = {
        "step_size": {value: replace(base, steps=(ConstantStep(value),)) for value in step_sizes},
        "n_workers": {value: replace(base, n_workers=value) for value in workers},
        "replication": {value: replace(base, copies=(value,)) for value in replications},
    }
    cases = {f"{name} {value}": case for name, each in varied.items() for value, case in each.items()}
    found = setting.simulated(work, seed, cases)
    quantities = {"overhead": Quantity(("overhead",), np.array(rounds) * base.message_bits, "bit")}
    for name, each in varied.items():
        loss = np.stack([found[f"{name} {value}"].loss for value in each])  # (values, R, T+1)
        quantities[name] = Quantity((name,), np.array(list(each)))
        quantities |= banded(f"loss_by_{name}", loss, (name, "overhead"))
        quantities[f"end_by_{name}"] = Quantity((name, "run"), loss[..., -1])
    start = found[next(iter(cases))].loss[:, 0]
    return quantities | {"start": Quantity(("run",), start)}


def fig7_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentence about its Fig. 7 against the runs, panel by panel."""
    findings = {}
    for name, key in (("step_size", "learning_rate"), ("n_workers", "workers"), ("replication", "replication")):
        ends = dict(zip(data[name].tolist(), data[f"end_by_{name}"], strict=True))
        base = ends.pop(BASE[name])
        parts = {
            f"{name}={value:g}": same({"end": end}, base, data["start"], share=ALMOST) for value, end in ends.items()
        }
        findings[f"fig7_same_for_{key}"] = over_readings(parts)
    return findings
