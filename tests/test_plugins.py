"""What another package adds through entry points is taken up by the catalogue, the commands and the contract tests."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check import added, settle
from proofs_check.experiments import experiment as of_experiments
from proofs_check.experiments.experiment import Comparison
from proofs_check.ledger import ledger
from workbench.core import catalogue
from workbench.core.claims import Status, claim_of
from workbench.report import papers
from workbench.report.templates import number

WORKBENCH = Path(sys.executable).parent / "workbench"
ADDED = {
    "codes": (catalogue.codes, "neighbours"),
    "schemes": (catalogue.schemes, "heavy_ball"),
    "problems": (catalogue.problems, "log_cosh"),
    "delay laws": (catalogue.delay_laws, "pareto"),
    "bounds": (catalogue.bounds, "polyak"),
}


def workbench(*arguments: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ if path is None else os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [WORKBENCH, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


@pytest.mark.parametrize(("found", "name"), ADDED.values(), ids=ADDED)
def test_the_catalogue_holds_what_the_package_adds(found, name):
    entries = found()
    assert name in entries
    assert list(entries) == sorted(entries)


def test_results_name_the_package_behind_them():
    behind = catalogue.packages_behind({"heavy_ball", "fastest_k"})
    assert behind == {"workbench.schemes: heavy_ball": "straggler-example 1.0"}


def test_design_compares_the_added_code_with_the_others(tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text('{"version": 1, "straggle_prob": [0.1, 0.2, 0.3, 0.4]}')
    done = workbench("design", profile, "--parts", "4", "--dim", "100", "--budget", "16", "--json")
    assert done.returncode == 0, done.stderr
    baselines = json.loads(done.stdout)["baselines"]
    names = baselines if isinstance(baselines, dict) else {each["family"] for each in baselines}
    assert {"neighbours", "osgc"} <= set(names)


def test_bounds_lists_and_evaluates_the_added_bound():
    listed = json.loads(workbench("bounds", "--json").stdout)
    assert {"polyak/theorem_4", "hetero_gc/theorem_2"} <= set(listed)
    parameters = {"strong_convexity": 1, "smoothness": 4, "n_iters": [0, 1, 2], "loss_gap": 16}
    options = [text for name, value in parameters.items() for text in ("--param", f"{name}={json.dumps(value)}")]
    done = workbench("bounds", "polyak/theorem_4", *options, "--json")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout)["value"], [16, 12, 9])
    one = ["--param", "strong_convexity=1", "--param", "smoothness=4", "--param", "n_iters=1"]
    assert workbench("bounds", "polyak/theorem_4", *one).stdout == "F(x_T) − F* <= 0.75\n"


def test_check_settles_the_claim_of_the_added_bound_by_its_experiments():
    done = workbench("check", "polyak/theorem_4", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["status"], found["grade"], found["agrees_with_ledger"]) == ("holds", "tested", True)
    assert found["assumes"] == ["smoothness", "Polyak-Łojasiewicz inequality"]
    assert "informative: the mean of 10 runs stays below the bound" in found["explanation"]
    done = workbench("check", "--experiments", "--paper", "polyak", "--json")
    assert done.returncode == 0, done.stderr
    assert [each["vacuous"] for each in json.loads(done.stdout)] == [False, True]


OWN = {key: each for key, each in of_experiments.experiments().items() if key.startswith("polyak/")}


def half(*found: Any) -> Comparison:
    """Half the bound, which is attained at the start."""
    whole = OWN["polyak/theorem_4/informative"].compare(*found)
    return replace(whole, bound=replace(whole.bound, value=whole.bound.value / 2))


HALF = replace(OWN["polyak/theorem_4/informative"], setting="half", compare=half)


@pytest.mark.parametrize(
    ("experiments", "status", "said"),
    [
        (OWN, Status.HOLDS, "vacuous: the mean of 10 runs stays below the bound"),
        ({**OWN, "polyak/theorem_4/half": HALF}, Status.REFUTED, "half: at checkpoint 0 the mean of 10 runs is"),
        ({}, Status.UNDERDETERMINED, added.NOT_SIMULATED),
    ],
    ids=["all hold", "one is refuted", "none"],
)
def test_the_gravest_experiment_settles_a_claim(experiments, status, said, monkeypatch):
    monkeypatch.setattr(of_experiments, "experiments", lambda: experiments)
    verdict = added.checks()["polyak/theorem_4"]()
    assert (verdict.status, verdict.claim) == (status, claim_of(catalogue.bounds()["polyak"]["theorem_4"]))
    assert said in verdict.explanation
    expected = Status.HOLDS if experiments else Status.UNDERDETERMINED
    assert added.rows()["polyak/theorem_4"].status is expected


def test_no_claim_of_ours_is_settled_so():
    assert set(added.rows()) == {"polyak/theorem_4"}
    assert set(settle.all_rows()) == {*ledger(), "polyak/theorem_4"}


def test_the_page_of_the_papers_shows_the_added_bound_as_ours(tmp_path, monkeypatch):
    """Claim, verdict, curves and numbers; of ours there is nothing here, as that takes minutes."""
    monkeypatch.setattr(settle, "ledger", dict)
    monkeypatch.setattr(of_experiments, "experiments", lambda: OWN)
    found = papers.run_papers(figures=tmp_path, n_jobs=1, progress=lambda _: None)
    html = papers.render(found, papers.draw(found, 1))
    assert "<h2>Bounds of straggler-example 1.0 <small>polyak</small></h2>" in html
    assert 'class="tile holds" href="#polyak/theorem_4"' in html
    row = html.partition('<details class="claim holds" id="polyak/theorem_4">')[2]
    assert row.count("<svg") == row.count("simulated mean of 10 runs") == len(OWN) == 2
    for outcome in found.outcomes:
        assert outcome.verdict.explanation in row
        assert number(float(outcome.bound[-1]), 3) in row
        assert number(float(outcome.band.mean[-1]), 3) in row
    assert "Not as expected" not in html


def test_simulate_runs_added_problem_delay_and_scheme_together(tmp_path):
    config = tmp_path / "added.toml"
    text = """
        n_workers = 3
        [problem]
        kind = "log_cosh"
        [delay]
        kind = "pareto"
        shape = 2.5
        [[scheme]]
        kind = "heavy_ball"
        step_size = 0.05
        [[scheme]]
        kind = "coded_sgd"
        code = { kind = "neighbours", quantizer = "identity" }
        deadline_s = 1.5
        step_size = 0.05
    """
    config.write_text(textwrap.dedent(text))
    done = workbench("simulate", config, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [each["label"] for each in results] == ["heavy_ball", "coded_sgd"]
    assert all(np.isfinite(each["loss"]["mean"]) for each in results)


# ---- packages that are broken ------------------------------------------------------------------------------


def package(folder: Path, entry_points: str, source: str = "") -> str:
    """Lay out an installed package by hand, and return the path that brings it in alone."""
    info = folder / "broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    (folder / "broken_module.py").write_text(source)
    return str(folder)


BROKEN = {
    "a module that does not load": (
        "[workbench.schemes]\nbroken = broken_module\n",
        "raise RuntimeError('no licence')",
        "broken_module cannot be loaded as 'broken' of workbench.schemes (RuntimeError('no licence'))",
    ),
    "a module that is not there": (
        "[workbench.schemes]\nbroken = nowhere\n",
        "",
        "nowhere cannot be loaded as 'broken' of workbench.schemes",
    ),
    "a name that is taken": (
        "[workbench.schemes]\nfastest_k = broken_module\n",
        "build = print",
        "broken_module adds 'fastest_k' to workbench.schemes, which has one already: rename it",
    ),
    "no module": (
        "[workbench.schemes]\nbroken = broken_module:build\n",
        "def build(): pass",
        "broken_module:build, added to workbench.schemes as 'broken', is no module",
    ),
    "the same name twice": (
        "[workbench.schemes]\nheavy_ball = broken_module\nheavy-ball = broken_module\n",
        "build = print",
        None,  # two names that differ only for people are two entries
    ),
}


@pytest.mark.parametrize(("points", "source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_package_is_named_in_one_line(points, source, message, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(
        'n_workers = 2\nproblem = { kind = "quadratic", dim = 2 }\ndelay = { kind = "exponential", rate_per_s = 1.0 }\n'
        'scheme = { kind = "wait_for_all", step_size = 0.1 }\n'
    )
    (tmp_path / "site").mkdir()
    done = workbench("simulate", config, path=package(tmp_path / "site", points, source))
    if message is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
