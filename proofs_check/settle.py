"""Run checks and experiments, several at once: what `workbench check` prints and the report shows."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import numpy as np

from proofs_check import added, registry
from proofs_check.experiments import experiment as of_experiments
from proofs_check.experiments.experiment import Experiment, Outcome
from proofs_check.ledger import Row, ledger
from workbench.core.claims import Verdict
from workbench.core.errors import InputError
from workbench.engine.parallel import run_jobs

PROVERS = ("flint", "z3")  # modules of the extra "proofs"

Done = Callable[[int], None]  # called with the number of finished jobs


@dataclass(frozen=True)
class Checked:
    """A claim's row, what its check says now, and how long that took."""

    row: Row
    verdict: Verdict
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the ledger's."""
        return (self.verdict.status, self.verdict.grade) == (self.row.status, self.row.grade)


def all_rows() -> dict[str, Row]:
    """Return the ledger's rows and those of other packages' claims, by key."""
    return {**ledger(), **added.rows()}


def require_provers() -> None:
    """Say before the work what the checks could not do without.

    Raises
    ------
    InputError : what the checks prove with is not installed
    """
    for name in PROVERS:
        if find_spec(name) is None:
            raise InputError(f"a proof needs {name}: pip install 'straggler-workbench[proofs]'")


def run_checks(rows: Sequence[Row], n_jobs: int, done: Done | None = None) -> list[Checked]:
    """Run the checks of the rows, in their order.

    Raises
    ------
    InputError : what the checks prove with is not installed
    """
    require_provers()
    jobs: list[Callable[[], tuple[Verdict, float]]] = [partial(_verdict, row.key) for row in rows]
    results = run_jobs(jobs, n_jobs, done)
    return [Checked(row, *result) for row, result in zip(rows, results, strict=True)]


def run_experiments(keys: Sequence[str], n_jobs: int, done: Done | None = None) -> list[Outcome]:
    """Run the experiments of these keys, in their order."""
    jobs: list[Callable[[], Outcome]] = [partial(_outcome, key) for key in keys]
    return run_jobs(jobs, n_jobs, done)


def run_other_forms(rows: Mapping[str, Row], n_jobs: int, done: Done | None = None) -> dict[str, Outcome]:
    """Hold the runs of experiments against the claim's other form: the corrected for the printed, and back.

    Parameters
    ----------
    rows : the ledger, which says what corrects what

    Returns
    -------
    dict : by the experiment's key, for those whose comparison knows both forms
    """
    others = {
        key: other
        for key, each in of_experiments.experiments().items()
        if (other := _other_form(each, rows)) is not None
    }
    jobs: list[Callable[[], Outcome]] = [partial(_run_other, other) for other in others.values()]
    return dict(zip(others, run_jobs(jobs, n_jobs, done), strict=True))


def _other_form(experiment: Experiment, rows: Mapping[str, Row]) -> Experiment | None:
    """Return the experiment with the other bound, if one that has this bound compares by the same function."""
    compare, claim = experiment.compare, experiment.claim.key
    if not isinstance(compare, partial) or claim not in rows:
        return None
    for each in of_experiments.experiments().values():
        other = each.claim.key
        is_other = other in rows and (rows[claim].repair_check == other or rows[other].repair_check == claim)
        if is_other and isinstance(each.compare, partial) and each.compare.func is compare.func:
            return replace(experiment, bound=each.bound, compare=partial(compare, bound=each.bound))
    return None


def _run_other(other: Experiment) -> Outcome:
    with np.errstate(divide="ignore"):  # a form that is infinite where the experiment's own is not
        return of_experiments.run(other)


def _verdict(key: str) -> tuple[Verdict, float]:
    began = time.perf_counter()
    checks = {**registry.checks(), **added.checks()}
    verdict = checks[key]()
    return verdict, time.perf_counter() - began


def _outcome(key: str) -> Outcome:
    return of_experiments.run(of_experiments.experiments()[key])
