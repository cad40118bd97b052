"""The report: a small study end to end, and the page it becomes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from figures.hetero_gc.fig1 import fig1_data
from figures.quantities import arrays
from workbench.core.claims import Status
from workbench.report import page
from workbench.report import study as study_module
from workbench.report.study import Study, StudyConfig, Training, run_study
from workbench.stragglers.log import embedded_log

CONFIG = StudyConfig(
    n_parts=8,
    dim=10_000,
    n_deadlines=8,
    trainings=(Training("least_squares", 4, 30, 1),),
    theorem_runs=10,
    theorem_iters=40,
)
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "rect"}


def small_figure() -> dict[str, Any]:
    return arrays(fig1_data(seed=1, n_profiles=2, bits_per_worker=(4, 8)))


@pytest.fixture(scope="module", autouse=True)
def small_paper_figure() -> Iterator[None]:
    """The paper's figure has its own tests, and takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "_figure_job", lambda: small_figure)
        yield


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study(embedded_log(), CONFIG, n_jobs=2, progress=lambda _: None)


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    return page.render(study, page.draw(study))


class Outline(HTMLParser):
    """Collects what a page refers to, and whether its elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, _tag, attrs):
        self._note(attrs)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def _note(self, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href"):
                self.links.append(value)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    assert not parsed.open
    return parsed


def test_the_page_is_self_contained(html):
    """Every reference stays inside the page and is met there; identifiers are unique."""
    parsed = outline(html)
    outside = [link for link in parsed.links if not link.startswith("data:image/png;base64,")]  # the heat map's pixels
    assert all(link.startswith("#") for link in outside)
    assert {link[1:] for link in outside} <= set(parsed.ids)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert not re.search(r"<script|@import|url\((?!#)", html)
    assert set(re.findall(r"url\(#([^)\"]+)\)", html)) <= set(parsed.ids)


def test_the_page_tells_the_whole_story(html, study):
    text = " ".join(outline(html).text)
    for expected in (
        study.log.sha256,
        study.log.source,
        "Independence.",
        "Theorem 2, eq. 28",
        "Theorem 3, eq. 29",
        "Theorem 3, eq. 30",
        f"--seed {CONFIG.seed}",
        page.number(study.design.residual_bound),
        *study.versions.values(),
    ):
        assert expected in text
    for name, baseline in study.design.baselines.items():
        assert page.number(baseline.moments.worst_case) in text, name
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_a_study_depends_on_log_and_configuration_alone(study):
    again = run_study(embedded_log(), CONFIG, n_jobs=1, progress=lambda _: None)
    assert again.profile.deadline_s == study.profile.deadline_s
    for first, second in zip(study.experiments, again.experiments, strict=True):
        for one, other in zip(first.comparison.methods, second.comparison.methods, strict=True):
            np.testing.assert_array_equal(one.trajectory.loss, other.trajectory.loss)
    for one, other in zip(study.checks, again.checks, strict=True):
        np.testing.assert_array_equal(one.band.mean, other.band.mean)
        np.testing.assert_array_equal(one.bound, other.bound)
        assert one.verdict == other.verdict


def test_the_theorems_hold_with_their_assumptions_looked_at(study):
    assert [check.verdict.status for check in study.checks] == [Status.HOLDS] * 3
    for check in study.checks:
        assert set(check.verdict.claim.assumes) <= {a.name for a in check.verdict.assumptions}
        assert all(a.holds for a in check.verdict.assumptions)


def test_the_study_follows_its_configuration(study):
    idle = run_study(
        embedded_log(),
        replace(CONFIG, allow_idle=True, trainings=(), theorem_iters=5),
        n_jobs=2,
        progress=lambda _: None,
    )
    assert idle.design.spec.allow_idle
    assert not idle.other_idle.spec.allow_idle
    assert not study.design.spec.allow_idle
    assert idle.design.allocation.utility >= idle.other_idle.allocation.utility


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.1235"), (1234.5, "1,234"), (123456, "123,456"), (2.5e7, "2.5·10⁷"), (3e-9, "3·10⁻⁹")],
)
def test_numbers_are_written_for_people(value, text):
    assert page.number(value) == text


def test_what_is_not_finite_is_a_dash():
    assert page.number(float("inf")) == page.number(float("nan")) == page.number(None) == "—"
