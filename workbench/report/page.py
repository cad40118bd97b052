"""Write a study as one self-contained HTML page."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from proofs_check.experiments.experiment import Outcome
from workbench.core.claims import Assumption, Status
from workbench.engine.compare import Method, Separation, cost_to_reach, mean_band
from workbench.moments.design_comparison import OPTIMAL, DesignComparison, Evaluated, dense_moments
from workbench.report import charts, papers
from workbench.report.study import Experiment, Study
from workbench.report.templates import environment
from workbench.schemes.wait_for_all import WaitForAll
from workbench.stragglers.log import embedded_log
from workbench.verdicts import logged_independence


def draw(study: Study) -> dict[str, str]:
    """Draw every picture of the report: SVG by name."""
    svg = {
        "times": charts.response_times(study),
        "deadline": charts.deadline(study),
        "allocation": charts.allocation(study),
        "errors": charts.errors(study.design),
    }
    svg |= {each.training.problem: charts.curves(each) for each in study.experiments}
    return svg | {_name(check): charts.theorem(check, _name(check)) for check in study.checks}


def render(study: Study, pictures: dict[str, str], claims: Mapping[Status, int]) -> str:
    """Return the page: text, tables and pictures inline, nothing fetched from anywhere.

    claims : of the papers, how many have each status; the page of the papers, beside this one, shows them
    """
    evidence = study.profile.evidence
    if evidence is None:
        raise TypeError("a study's profile is estimated from its log, with evidence")
    experiments = [_experiment(each) for each in study.experiments]
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            study=study,
            config=study.config,
            log=study.log,
            profile=study.profile,
            evidence=evidence,
            design=study.design,
            headline=_headline(study.design),
            codes=_code_rows(study),
            bits=_bit_counts(study.design),
            workers=_worker_rows(study),
            used=1 - float(np.mean(study.profile.straggle_prob)),
            median_prob=float(np.median(study.profile.straggle_prob)),
            median_s=float(np.median(study.log.response_s)),
            latest_s=float(np.max(study.log.response_s[np.isfinite(study.log.response_s)])),
            fitted=evidence.fits[0].family,
            p_values=[each.ks_p_value for each in evidence.fits if each.ks_p_value is not None],
            other=study.other_idle,
            other_idle=int(np.sum(study.other_idle.optimal.code.bits == 0)),
            independence=_independence(study),
            experiments=experiments,
            waiting_wins=[
                each["training"].problem
                for each in experiments
                if each["waiting"] and each["waiting"].seconds < each["optimal"].seconds
            ],
            theorems=[{"check": check, "chart": pictures[_name(check)]} for check in study.checks],
            claims=claims,
            papers_file=papers.FILE,
            charts=pictures,
            config_json=msgspec.json.format(msgspec.json.encode(study.config), indent=2).decode(),
            trace="" if study.log.sha256 == embedded_log().sha256 else study.log.source,
            where=" ".join(f"--where {key}={value}" for key, value in study.log.group.items()),
            style=files("workbench.report").joinpath("page.css").read_text("utf-8"),
        )
    )


def _name(check: Outcome) -> str:
    """Name a check's picture after its claim and equation: the two step rules share a theorem."""
    claim = check.verdict.claim
    return f"{claim.key.replace('/', '_')}_eq{claim.equation}"


def _headline(design: DesignComparison) -> dict[str, Any]:
    """Compare the optimal code's errors, each after its best constant factor, with the least of the others."""
    ours = design.optimal.moments
    found: dict[str, Any] = {}
    for kind in ("aligned", "orthonormal"):
        errors = {name: getattr(each.moments, kind).rescaled for name, each in design.baselines.items()}
        name = min(errors, key=lambda each: errors[each])
        found[kind] = {"baseline": name, "factor": errors[name] / getattr(ours, kind).rescaled}
    return found


def _code_rows(study: Study) -> list[dict[str, Any]]:
    """One row a code, least worst case first, the optimal code's dense form after it."""
    design = study.design
    rows = [_code_row(study, name, each) for name, each in [(OPTIMAL, design.optimal), *design.baselines.items()]]
    rows.sort(key=lambda row: row["moments"].worst_case)
    dense = dense_moments(design.optimal.moments, design.spec.n_parts)
    at = next(i for i, row in enumerate(rows) if row["name"] == OPTIMAL)
    busy = int(np.sum(design.optimal.code.bits > 0))
    rows.insert(at + 1, rows[at] | {"name": "dense", "moments": dense, "load": busy})
    return rows


def _code_row(study: Study, name: str, evaluated: Evaluated) -> dict[str, Any]:
    return {
        "name": name,
        "moments": evaluated.moments,
        "replayed": study.replayed[name],
        "load": evaluated.code.load,
        "bits": int(evaluated.code.bits.sum()),
    }


def _bit_counts(design: DesignComparison) -> list[tuple[int, int]]:
    """Return (bits, workers with so many)."""
    values, counts = np.unique(design.optimal.code.bits, return_counts=True)
    return [(int(value), int(count)) for value, count in zip(values, counts, strict=True)]


def _worker_rows(study: Study) -> list[dict[str, Any]]:
    """What to tell each worker, most mass first: its probability, bits, parts and share of the data."""
    profile, code = study.profile, study.design.optimal.code
    mass, load = code.encode.sum(axis=1), code.placement.load  # (W,) each
    low, high = (np.full(profile.n_workers, np.nan),) * 2 if profile.interval is None else profile.interval
    return [
        {
            "name": profile.workers[i],
            "prob": profile.straggle_prob[i],
            "low": low[i],
            "high": high[i],
            "bits": code.bits[i],
            "parts": load[i],
            "share": mass[i] / code.n_parts,
        }
        for i in np.argsort(-mass, kind="stable")
    ]


def _independence(study: Study) -> Assumption | None:
    """Hold the theorems' independence of stragglers against the log itself."""
    evidence = study.profile.evidence
    if evidence is None or evidence.independence is None:
        return None
    return logged_independence(evidence.independence.variance_ratio, evidence.independence.p_value)


def _experiment(experiment: Experiment) -> dict[str, Any]:
    """The picture and the table of one problem, best method first."""
    apart = {each.name: each for each in experiment.separations}
    comparison = experiment.comparison
    target = float(mean_band(comparison[OPTIMAL].trajectory.loss)[0][-1])
    rows = [_method_row(method, apart.get(method.name), target) for method in comparison.methods]
    return {
        "training": experiment.training,
        "problem": experiment.problem,
        "rows": sorted(rows, key=lambda row: row["loss"]),
        "separated": sum(each.is_separated for each in experiment.separations),
        "optimal": cost_to_reach(comparison[OPTIMAL], target),
        "waiting": cost_to_reach(comparison[WaitForAll.name], target),
    }


def _method_row(method: Method, apart: Separation | None, target: float) -> dict[str, Any]:
    mean, _, high = (curve[-1] for curve in mean_band(method.trajectory.loss))
    return {
        "method": method,
        "loss": mean,
        "half": high - mean,
        "apart": apart,
        "cost": cost_to_reach(method, target),
    }
