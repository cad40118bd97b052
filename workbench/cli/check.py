"""`workbench check`: run the checks of the papers' claims and hold them against the ledger."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
import msgspec
import numpy as np

from workbench.cli.options import JOBS
from workbench.core.errors import InputError

if TYPE_CHECKING:
    from proofs_check.experiments.experiment import Experiment, Outcome
    from proofs_check.ledger import Row
    from proofs_check.settle import Checked


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--paper", metavar="PAPER", help="All claims of one paper, for instance onebit_gc.")
@click.option("--quick", is_flag=True, help="Leave out the checks that take long.")
@click.option("--experiments", "by_simulation", is_flag=True, help="Hold bounds against simulation instead.")
@click.option("--jobs", type=JOBS, default=2, show_default=True, help="Processes; the verdicts do not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
def command(
    keys: tuple[str, ...], paper: str | None, quick: bool, by_simulation: bool, jobs: int, as_json: bool
) -> None:
    """Check the claims KEY, those that begin with KEY, or all, and print what became of each.

    The exit code is 0 only if every verdict is the ledger's, 1 if one is not; with --experiments, if every
    experiment comes out as its module expects. The claims of another package's bounds are in no ledger: their
    experiments settle them.
    """
    if by_simulation:
        if quick:
            raise InputError("--quick leaves out slow proofs: name the experiments by KEY or --paper instead")
        _experiments(keys, paper, jobs, as_json)
        return
    from proofs_check.settle import run_checks

    rows = [row for row in chosen(keys, paper) if not (quick and row.slow)]
    done = run_checks(rows, jobs, _progress(len(rows)))
    if as_json:
        click.echo(msgspec.json.encode([as_object(each) for each in done]))
    else:
        _show(done)
    if not all(each.agrees for each in done):
        sys.exit(1)


def chosen(keys: Sequence[str], paper: str | None) -> list["Row"]:
    """Return the rows of the claims that are asked for.

    Raises
    ------
    InputError : a key or a paper of which there is no claim
    """
    from proofs_check.settle import all_rows

    rows = list(all_rows().values())
    papers = list(dict.fromkeys(row.paper for row in rows))
    if paper is not None and paper not in papers:
        raise InputError(f"unknown paper '{paper}': choose one of {', '.join(papers)}")
    for key in keys:
        if not any(row.key.startswith(key) for row in rows):
            raise InputError(f"no claim begins with '{key}': `workbench check --json` names all")
    return [
        row for row in rows if (paper is None or row.paper == paper) and (not keys or row.key.startswith(tuple(keys)))
    ]


def _progress(total: int, what: str = "claims") -> Callable[[int], None] | None:
    """Keep one line of progress on a terminal's stderr."""
    if not sys.stderr.isatty():
        return None
    return lambda done: print(f"\r{done} of {total} {what}", end="\n" if done == total else "", file=sys.stderr)


def as_object(checked: "Checked") -> dict[str, object]:
    """Return one claim as plain values."""
    row, verdict = checked.row, checked.verdict
    return {
        "key": row.key,
        "item": row.item,
        "equations": row.equations,
        "statement": row.statement,
        "assumes": row.assumes,
        "status": str(verdict.status),
        "grade": str(verdict.grade),
        "explanation": verdict.explanation,
        "evidence": {name: value if np.isfinite(value) else None for name, value in verdict.evidence.items()},
        "counterexample": row.counterexample or None,
        "repair": row.repair or None,
        "repair_check": row.repair_check or None,
        "reason": row.reason or None,
        "agrees_with_ledger": checked.agrees,
        "seconds": checked.seconds,
    }


def _show(done: Sequence["Checked"]) -> None:
    """Print one line a claim, and what disagrees with the ledger."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("claim", "statement", "status", "grade", "rests on", "s"):
        table.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
    for each in done:
        mark = "" if each.agrees else f" (expected: {each.row.status}, {each.row.grade})"
        table.add_row(
            each.row.key,
            each.row.statement,
            f"{each.verdict.status}{mark}",
            str(each.verdict.grade),
            each.verdict.explanation,
            f"{each.seconds:.1f}",
        )
    console = Console(highlight=False, markup=False)
    console.print(table)
    wrong = [each.row.key for each in done if not each.agrees]
    console.print(
        f"{len(done)} claims, {len(done) - len(wrong)} as expected{': not ' if wrong else ''}" + ", ".join(wrong)
    )


def _experiments(keys: Sequence[str], paper: str | None, n_jobs: int, as_json: bool) -> None:
    """Run the experiments that are asked for, and print what came of them."""
    from proofs_check.settle import run_experiments

    names = list(chosen_experiments(keys, paper))
    done = run_experiments(names, n_jobs, _progress(len(names), "experiments"))
    if as_json:
        click.echo(msgspec.json.encode([outcome_as_object(each) for each in done]))
    else:
        _show_outcomes(done)
    if not all(each.as_expected for each in done):
        sys.exit(1)


def chosen_experiments(keys: Sequence[str], paper: str | None) -> dict[str, "Experiment"]:
    """Return the experiments that are asked for, by their keys.

    Raises
    ------
    InputError : a key or a paper of which there is no experiment
    """
    from proofs_check.experiments.experiment import experiments

    known = experiments()
    papers = list(dict.fromkeys(each.claim.paper for each in known.values()))
    if paper is not None and paper not in papers:
        raise InputError(f"unknown paper '{paper}': choose one of {', '.join(papers)}")
    for key in keys:
        if not any(name.startswith(key) for name in known):
            raise InputError(f"no experiment begins with '{key}': `workbench check --experiments --json` names all")
    return {
        name: each
        for name, each in known.items()
        if (paper is None or each.claim.paper == paper) and (not keys or name.startswith(tuple(keys)))
    }


def outcome_as_object(outcome: "Outcome") -> dict[str, object]:
    """Return one outcome as plain values; numbers are those at the last checkpoint."""
    verdict, band = outcome.verdict, outcome.band
    numbers = {
        "looseness": outcome.looseness,
        "recursion_looseness": outcome.recursion_looseness,
        "bound": float(outcome.bound[-1]),
        "mean": float(band.mean[-1]),
        "low": float(band.low[-1]),
        "high": float(band.high[-1]),
        "start": outcome.comparison.start,
    }
    return {
        "key": outcome.experiment.key,
        "claim": verdict.claim.key,
        "setting": outcome.experiment.setting,
        "status": str(verdict.status),
        "expected": str(outcome.experiment.expected),
        "as_expected": outcome.as_expected,
        "informative": outcome.is_informative,
        "vacuous": outcome.is_vacuous,
        "quantity": outcome.comparison.bound.quantity,
        **{name: value if value is not None and np.isfinite(value) else None for name, value in numbers.items()},
        "iterations": int(outcome.iterations[-1]),
        "n_runs": band.n_runs,
        "false_alarm": band.false_alarm,
        "assumptions": [
            {"name": each.name, "holds": each.holds, "evidence": each.evidence} for each in verdict.assumptions
        ],
        "explanation": verdict.explanation,
        "seconds": outcome.seconds,
    }


def _show_outcomes(done: Sequence["Outcome"]) -> None:
    """Print one line an experiment, and what came out otherwise than expected."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("experiment", "verdict", "looseness", "informative", "assumptions", "s"):
        right, whole = heading in ("looseness", "s"), heading in ("experiment", "verdict")
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    for each in done:
        unmet = [one.name for one in each.verdict.assumptions if not one.holds]
        table.add_row(
            each.experiment.key,
            str(each.verdict.status) + ("" if each.as_expected else f" (expected {each.experiment.expected})"),
            f"{each.looseness:.3g}",
            "vacuous" if each.is_vacuous else "yes" if each.is_informative else "no",
            f"not met: {', '.join(unmet)}" if unmet else f"all {len(each.verdict.assumptions)} met",
            f"{each.seconds:.1f}",
        )
    console = Console(highlight=False, markup=False)
    console.print(table)
    wrong = [each.experiment.key for each in done if not each.as_expected]
    levels = sorted({f"{each.band.false_alarm:g}" for each in done})
    console.print(
        f"{len(done)} experiments, false alarm {', '.join(levels)} each; {len(done) - len(wrong)} as expected"
        f"{': not ' if wrong else ''}" + ", ".join(wrong)
    )
