"""The page of the papers: every claim with its verdict, and the bounds against simulation."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check.experiments.experiment import Outcome
from proofs_check.ledger import Row, titles
from proofs_check.settle import Checked
from workbench.core import catalogue
from workbench.core.claims import Grade, Status
from workbench.core.types import FloatArray
from workbench.engine.parallel import run_jobs
from workbench.report import charts
from workbench.report.study import Progress
from workbench.report.templates import environment

if TYPE_CHECKING:
    from figures.computed import Computed

FILE = "papers.html"
MEANING = {  # in the order of the legend: mark, and what the status says
    Status.PROVED: ("✓", "true as printed, and proved"),
    Status.HOLDS: ("=", "true as printed wherever it was compared: mostly definitions, held against the code"),
    Status.HOLDS_WITH_ERRATUM: ("!", "true after a small correction, which is given"),
    Status.REFUTED: ("✗", "false as printed; a counterexample is given, and what is true instead"),
    Status.OUTSIDE_ASSUMPTIONS: ("∉", "used where its own assumptions do not hold"),
    Status.UNDERDETERMINED: ("?", "nothing decides it: the paper says too little, or no simulation tells"),
}
GRADES = {
    Grade.PROVED: "proof",
    Grade.RIGOROUS_NUMERICS: "rigorous numerics",
    Grade.ENUMERATED: "enumeration",
    Grade.TESTED: "test",
}
GROUPS = {  # in the page's order: name, and short beside the tiles
    "Definitions, assumptions, algorithms": "method",
    "Lemmas, propositions, theorems": "theorems",
    "Equations and steps of the proofs": "equations",
    "Said in the text": "text",
    "Numbers and tables": "numbers",
}
PATTERNS = {  # a claim is in the group of the first that its name matches
    r"(Definition|Assumption|Algorithm) \d": "Definitions, assumptions, algorithms",
    r".* step \d|Eq\. \d": "Equations and steps of the proofs",
    r"(Lemma|Theorem|Proposition|Remark|Example) \d": "Lemmas, propositions, theorems",
    r"Number|Table": "Numbers and tables",
    r"": "Said in the text",
}
FIGURES = {"fig": "Figure", "table": "Table"}
OUTCOMES = {  # of the papers' sentences about their figures: the tile's class and mark
    "reproduced": ("proved", "✓"),
    "not reproduced": ("refuted", "✗"),
    "depends on what the paper leaves open": ("underdetermined", "?"),
    "inconclusive": ("all", "~"),
}
CURVE = 3  # checkpoints that make one


@dataclass(frozen=True, eq=False)
class Papers:
    """What the page tells.

    outcomes : of the experiments that hold bounds against simulation
    other_forms : by experiment's key, the same runs against the other form of the claim, printed or corrected
    figures : those of the papers whose numbers are at hand
    absent : keys of the others
    """

    checked: tuple[Checked, ...]
    outcomes: tuple[Outcome, ...] = ()
    other_forms: Mapping[str, Outcome] = field(default_factory=dict)
    figures: "tuple[Computed, ...]" = ()
    absent: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, Checked]:
        """The claims by their keys."""
        return {each.row.key: each for each in self.checked}

    @property
    def counts(self) -> dict[Status, int]:
        """How many claims have each status."""
        return _counts(self.checked)


def _counts(checked: Iterable[Checked]) -> dict[Status, int]:
    found = Counter(each.verdict.status for each in checked)
    return {status: found[status] for status in MEANING}


def run_papers(*, figures: Path, n_jobs: int, progress: Progress) -> Papers:
    """Run every check and every experiment, and read the figures' numbers.

    Parameters
    ----------
    figures : folder in which `workbench figures` has put them
    """
    from figures.catalogue import available
    from figures.computed import stored
    from proofs_check.experiments.experiment import experiments
    from proofs_check.settle import all_rows, run_checks, run_experiments, run_other_forms

    rows = all_rows()
    progress(f"checking {len(rows)} claims of the papers")
    checked = run_checks(list(rows.values()), n_jobs)
    keys = list(experiments())
    progress(f"holding bounds against simulation in {len(keys)} experiments")
    outcomes = run_experiments(keys, n_jobs)
    other_forms = run_other_forms(rows, n_jobs)
    found = {key: stored(entry, figures) for key, entry in available().items()}
    there = tuple(each for each in found.values() if each is not None)
    return Papers(
        tuple(checked), tuple(outcomes), other_forms, there, tuple(key for key, each in found.items() if each is None)
    )


def draw(papers: Papers, n_jobs: int) -> dict[str, str]:
    """Draw the experiments that have curves, and the papers' figures: SVG by their keys."""
    curved = {each.experiment.key: each for each in papers.outcomes if np.count_nonzero(each.band.mean > 0) >= CURVE}
    jobs: list[Callable[[], str]] = [
        partial(charts.theorem, each, key.replace("/", "-"), _forms(each, papers)) for key, each in curved.items()
    ]
    jobs += [partial(charts.paper_figure, each) for each in papers.figures]
    keys = [*curved, *(each.entry.key for each in papers.figures)]
    return dict(zip(keys, run_jobs(jobs, n_jobs), strict=True))


def render(papers: Papers, pictures: Mapping[str, str]) -> str:
    """Return the page: text, tables and pictures inline, nothing fetched from anywhere."""
    folder = files("workbench.report")
    keys = dict.fromkeys(each.row.paper for each in papers.checked)
    return (
        environment()
        .get_template("papers.html.jinja")
        .render(
            papers=[_paper(key, papers, pictures) for key in keys],
            n_claims=len(papers.checked),
            n_ours=sum(each.row.is_ours for each in papers.checked),
            n_experiments=len(papers.outcomes),
            counts=papers.counts,
            printed=_counts(each for each in papers.checked if not each.row.is_ours),
            short=GROUPS,
            grades={GRADES[grade]: sum(each.verdict.grade is grade for each in papers.checked) for grade in GRADES},
            meaning=MEANING,
            outcomes=OUTCOMES,
            surprises=[each.row.key for each in papers.checked if not each.agrees]
            + [each.experiment.key for each in papers.outcomes if not each.as_expected],
            style="".join(folder.joinpath(name).read_text("utf-8") for name in ("page.css", "papers.css")),
        )
    )


def _paper(key: str, papers: Papers, pictures: Mapping[str, str]) -> dict[str, Any]:
    """One paper: its claims by group, each group in the paper's order."""
    own = [each for each in papers.checked if each.row.paper == key]
    rows = [_claim(each, papers, pictures) for each in own]
    return {
        "key": key,
        "title": titles().get(key) or _origin(key),
        "n_claims": len(rows),
        "counts": {status: count for status, count in _counts(own).items() if count},
        "figures": [_figure(each, pictures) for each in papers.figures if each.entry.paper == key],
        "absent": [each for each in papers.absent if each.startswith(f"{key}/")],
        "groups": {name: group for name in GROUPS if (group := [row for row in rows if row["group"] == name])},
    }


def _origin(key: str) -> str:
    """Name the package that adds the bounds of a paper that is none of ours."""
    return "Bounds of " + " and ".join(sorted(set(catalogue.packages_behind({key}).values())) or ["another package"])


def _figure(computed: "Computed", pictures: Mapping[str, str]) -> dict[str, Any]:
    """One figure: its picture, what it shows in place of the paper's, and the paper's sentences about it."""
    return {
        "key": computed.entry.key,
        "name": re.sub(r"(\D+)(\d+)", lambda match: f"{FIGURES[match[1]]} {match[2]}", computed.entry.name),
        "title": computed.entry.title,
        "svg": pictures[computed.entry.key],
        "scale": computed.scale,
        "is_current": computed.is_current,
        "differs": computed.notes["differs"],
        "judged": computed.judged(),
    }


def _claim(checked: Checked, papers: Papers, pictures: Mapping[str, str]) -> dict[str, Any]:
    """What a row of the page says of one claim."""
    row, verdict = checked.row, checked.verdict
    evidence = dict(verdict.evidence)
    return {
        "row": row,
        "group": group_of(row),
        "equations": _equations(row),
        "status": verdict.status,
        "grade": GRADES[verdict.grade],
        "explanation": verdict.explanation,
        "n_steps": int(evidence.pop("steps", 0)),
        "evidence": evidence,
        "agrees": checked.agrees,
        "seconds": checked.seconds,
        "repaired_by": papers.by_key.get(row.repair_check),
        "experiments": [
            _experiment(each, papers, pictures) for each in papers.outcomes if each.verdict.claim.key == row.key
        ],
    }


def group_of(row: Row) -> str:
    """Name the group of the page in which the claim stands."""
    return next(name for pattern, name in PATTERNS.items() if re.match(pattern, row.item))


def _equations(row: Row) -> str:
    """Name the equations that the claim's own name does not, for instance "eq. 13" or "eqs. 21–23"."""
    numbers = row.equations
    if not numbers or (len(numbers) == 1 and row.item.startswith("Eq. ")):
        return ""
    return f"eq. {numbers[0]}" if len(numbers) == 1 else f"eqs. {numbers[0]}–{numbers[-1]}"


def _experiment(outcome: Outcome, papers: Papers, pictures: Mapping[str, str]) -> dict[str, Any]:
    """What an experiment says: its numbers at the last checkpoint, its picture if it has curves."""
    band, found = outcome.band, outcome.comparison
    return {
        "outcome": outcome,
        "setting": outcome.experiment.setting.replace("_", " "),
        "bound": outcome.experiment.key.split("/")[1],
        "chart": pictures.get(outcome.experiment.key),
        "rounds": int(outcome.iterations[-1]),
        "mean": float(band.mean[-1]),
        "low": float(band.low[-1]),
        "high": float(band.high[-1]),
        "forms": {label: float(value[-1]) for label, value in _forms(outcome, papers).items()},
        "recursion": None if found.recursion is None else float(found.recursion.value[-1]),
        "known": found.start if found.known is None else found.known,
        "unmet": [each for each in outcome.verdict.assumptions if not each.holds],
    }


def _forms(outcome: Outcome, papers: Papers) -> dict[str, FloatArray]:
    """Return the forms of the bound on the same mean, printed before corrected, each (K,)."""
    row = papers.by_key[outcome.verdict.claim.key].row
    other = papers.other_forms.get(outcome.experiment.key)
    own = "bound corrected" if row.is_ours else "bound as printed" if row.repair_check else "bound"
    forms = {own: outcome.bound}
    if other is not None and np.array_equal(other.band.mean, outcome.band.mean, equal_nan=True):
        forms["bound as printed" if row.is_ours else "bound corrected"] = other.bound
    return dict(sorted(forms.items()))
