"""The report: a small study end to end, and its page; the page of the papers, from verdicts and a few runs."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures import computed
from figures.catalogue import available
from figures.hetero_gc import fig1
from figures.quantities import to_netcdf
from proofs_check import settle
from proofs_check.experiments import experiment as of_experiments
from proofs_check.experiments.experiment import experiments
from proofs_check.ledger import Row, ledger
from proofs_check.settle import Checked
from workbench.core.claims import Claim, Grade, Status, Verdict
from workbench.report import charts, page, papers
from workbench.report.mathtext import readable
from workbench.report.papers import Papers
from workbench.report.study import Study, StudyConfig, Training, run_study
from workbench.report.templates import number
from workbench.stragglers.log import embedded_log

CONFIG = StudyConfig(
    n_parts=8,
    dim=10_000,
    n_deadlines=8,
    trainings=(Training("least_squares", 4, 30, 1),),
    theorem_runs=10,
    theorem_iters=40,
)
COUNTS = {status: 1001 + i for i, status in enumerate(Status)}
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "rect"}


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study(embedded_log(), CONFIG, n_jobs=2, progress=lambda _: None)


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    return page.render(study, page.draw(study), COUNTS)


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
    assert papers.FILE in outside
    outside = [link for link in outside if link != papers.FILE]  # beside this page
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
        number(study.design.residual_bound),
        *study.versions.values(),
        *(str(count) for count in COUNTS.values()),
    ):
        assert expected in text
    for name, baseline in study.design.baselines.items():
        assert number(baseline.moments.worst_case) in text, name
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
    assert number(value) == text


def test_what_is_not_finite_is_a_dash():
    assert number(float("inf")) == number(float("nan")) == number(None) == "—"


ROWS = ledger()
TOLD = "found <b>&</b> told: x_{t+1} ≤ 2^(−t)"
RUN = (
    "onebit_gc/theorem_1/vacuous",
    "onebit_gc/theorem_1_repaired/vacuous",
    "onebit_gc/theorem_2/printed",  # one checkpoint
    "quantimed/theorem_2_recursion/vacuous",
)
PRINTED, CORRECTED = RUN[:2]


def as_in_the_ledger(row: Row) -> Checked:
    """A verdict without its check, which has tests of its own."""
    claim = Claim(row.paper, row.item, assumes=tuple(row.assumes))
    return Checked(row, Verdict(claim, row.status, row.grade, TOLD, {"steps": 3.0, "held_sq": 0.125}), 0.25)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one figure, small and quick."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "quick").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fig1.SCALES, "quick", {"n_profiles": 2, "n_workers": (4,), "bits_per_worker": (4, 8)})
        computed.compute(available()["hetero_gc/fig1"], folder / "quick", "quick", seed=1)
    return folder


@pytest.fixture(scope="module")
def settled(figures: Path) -> Papers:
    """Every claim as in the ledger, a few experiments with few runs, one figure."""
    few = {key: replace(experiments()[key], n_runs=20) for key in RUN}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_experiments, "experiments", lambda: few)
        others = settle.run_other_forms(ROWS, 1)
        outcomes = settle.run_experiments(RUN, 1)
    found = computed.stored(available()["hetero_gc/fig1"], figures)
    assert found is not None
    return Papers(tuple(map(as_in_the_ledger, ROWS.values())), tuple(outcomes), others, (found,), ("hetero_gc/fig2",))


@pytest.fixture(scope="module")
def papers_html(settled: Papers) -> str:
    return papers.render(settled, papers.draw(settled, 1))


def rows_of(html: str) -> dict[str, str]:
    """Cut the page into its claims: HTML by key."""
    pieces = re.split(r'<details class="claim \w+" id="', html)[1:]
    found = {piece.partition('"')[0]: piece for piece in pieces}
    assert len(found) == len(pieces)
    return found


def test_every_claim_is_on_the_page_once_with_its_verdict(papers_html: str) -> None:
    found = rows_of(papers_html)
    assert set(found) == set(ROWS)
    for key, row in ROWS.items():
        summary, _, inside = found[key].partition("</summary>")
        assert f'<span class="verdict {row.status}">' in summary
        assert f"by {papers.GRADES[row.grade]}" in summary
        for text, where in ((row.statement, summary), (row.counterexample, inside), (row.repair, inside)):
            assert str(readable(text)) in where, key
        assert row.reason == "" or str(readable(row.reason)) in inside
        if row.repair_check:
            assert f'href="#{row.repair_check}"' in inside
            assert f'<span class="verdict {ROWS[row.repair_check].status}">' in inside
        assert "held squared" in inside
        assert "3 steps" in inside


def test_a_figure_is_shown_with_what_the_paper_says_of_it(papers_html: str, settled: Papers) -> None:
    """Each sentence with its outcome; figures whose numbers are not at hand are named with what computes them."""
    (shown,) = re.findall(r'<figure class="paper-figure" id="hetero_gc/fig1">.*?</figure>', papers_html, re.DOTALL)
    assert "<svg" in shown
    assert "at the quick scale" in shown
    sentences = settled.figures[0].judged()
    assert len(sentences) == 4
    for each in sentences:
        assert str(readable(each.statement)) in shown
        assert f"{each.outcome.capitalize()}" in shown
    assert "<code>workbench figures hetero_gc/fig2</code>" in papers_html


def test_figures_of_the_papers_scale_come_first(figures: Path, tmp_path: Path) -> None:
    entry = available()["hetero_gc/fig1"]
    assert computed.stored(entry, tmp_path) is None
    shutil.copytree(figures, tmp_path, dirs_exist_ok=True)
    quick = computed.stored(entry, tmp_path)
    assert quick is not None
    assert quick.scale == "quick"
    assert quick.is_current
    (tmp_path / "paper").mkdir()
    notes = quick.notes | {"made_by": quick.notes["made_by"] | {"scale": "paper", "sources": "other"}}
    (tmp_path / "paper" / "hetero_gc_fig1.nc").write_bytes(to_netcdf(quick.data, {"figure": entry.key, "notes": notes}))
    found = computed.stored(entry, tmp_path)
    assert found is not None
    assert found.scale == "paper"
    assert not found.is_current


def test_every_claim_has_a_tile_with_the_mark_of_its_status(papers_html: str) -> None:
    signs = [sign for sign, _ in papers.MEANING.values()]
    assert len(set(signs)) == len(signs) == len(Status)
    tiles = re.findall(r'<a class="tile (\w+)(?: ours)?" href="#([^"]+)" title="[^"]*">(.)</a>', papers_html)
    assert sorted(key for _, key, _ in tiles) == sorted(ROWS)
    for status, key, sign in tiles:
        assert (status, sign) == (ROWS[key].status, papers.MEANING[ROWS[key].status][0])
    counts = {status: len([row for row in ROWS.values() if row.status is status]) for status in Status}
    for status, count in counts.items():
        label = papers_html.partition(f'id="show-{status}">')[2].partition("</label>")[0]
        assert f'<span class="count">{count}</span>' in label
        assert f"body:has(#show-{status}:checked)" in papers_html


def test_the_page_of_the_papers_is_self_contained(papers_html: str) -> None:
    """Every link is met on the page but that to the report beside it; no address outside but namespaces' names."""
    parsed = outline(papers_html)
    assert "report.html" in parsed.links
    assert {link[1:] for link in parsed.links if link != "report.html"} <= set(parsed.ids)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert set(re.findall(r"url\(#([^)\"]+)\)", papers_html)) <= set(parsed.ids)
    assert set(re.findall(r"https?://[^\"' ]+", papers_html)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert not re.search(r"<script [^>]|<link|@import|url\((?!#)", papers_html)
    assert not re.search(r"<td>[^<]*\b(nan|inf|None)\b", papers_html)


def test_text_is_escaped(papers_html: str) -> None:
    assert "<b>&</b>" not in papers_html
    assert papers_html.count("found &lt;b&gt;&amp;&lt;/b&gt; told: x<sub>t+1</sub> ≤ 2<sup>−t</sup>") == len(ROWS)


def test_a_verdict_that_is_not_the_ledgers_is_told(settled: Papers, papers_html: str) -> None:
    assert "Not as expected" not in papers_html
    first = settled.checked[0]
    other = replace(first, verdict=replace(first.verdict, status=Status.UNDERDETERMINED, grade=Grade.TESTED))
    told = papers.render(Papers((other, *settled.checked[1:])), {})
    assert f"<b>Not as expected:</b> {first.row.key}." in told
    assert f"Expected: {first.row.status.replace('_', ' ')}" in rows_of(told)[first.row.key]


def test_bounds_stand_beside_the_simulated_mean_in_their_claim(settled: Papers, papers_html: str) -> None:
    found = rows_of(papers_html)
    for outcome in settled.outcomes:
        inside = found[outcome.verdict.claim.key]
        assert number(float(outcome.bound[-1]), 3) in inside
        assert number(float(outcome.band.mean[-1]), 3) in inside
        assert all(each.name in inside for each in outcome.verdict.assumptions)
    assert papers_html.count("<svg") == len(RUN) - 1 + len(settled.figures)
    assert "<svg" not in found["onebit_gc/eq_22"]
    for key in ("onebit_gc/theorem_1", "onebit_gc/theorem_1_repaired"):
        assert {
            "bound as printed",
            "bound corrected",
            "recursion behind it",
            "simulated mean",
            "known without it",
        } <= set(re.findall(r">([a-z ]+)</text>", found[key]))


def test_the_other_form_is_held_against_the_same_runs(settled: Papers) -> None:
    assert set(settled.other_forms) == {PRINTED, CORRECTED}  # eq. 22's corrected form is not among the few
    outcomes = {each.experiment.key: each for each in settled.outcomes}
    for key, other in settled.other_forms.items():
        own = outcomes[key]
        np.testing.assert_array_equal(own.band.mean, other.band.mean)
        assert not np.array_equal(own.bound, other.bound)
        swapped = replace(experiments()[key], bound=other.experiment.bound, n_runs=20)
        assert other.verdict.claim == swapped.claim != own.verdict.claim


def test_numbers_in_pictures_are_short_and_labels_whole(settled: Papers) -> None:
    svg = charts.theorem(settled.outcomes[0], "name")
    assert not re.search(r"<[^>]*\d\.\d{3}[^>]*>", svg)
    assert len(svg) < 20_000

    def draw(figure: Any) -> None:
        figure.text(0.1, 0.1, "0.00123")

    assert ">0.00123<" in charts.render("name", "title", (1, 1), draw)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("x_{t+1} = x_t − γ_t²ĝ", "x<sub>t+1</sub> = x<sub>t</sub> − γ<sub>t</sub>²ĝ"),
        ("Σ_{j∈S_w} a_ij", "Σ<sub>j∈S<sub>w</sub></sub> a<sub>ij</sub>"),
        ("η_0γ^(−t) and e^{−α(t − t_k)}", "η<sub>0</sub>γ<sup>−t</sup> and e<sup>−α(t − t<sub>k</sub>)</sup>"),
        ("T^(−1/(1−2δ)), 10^69, f_i*", "T<sup>−1/(1−2δ)</sup>, 10<sup>69</sup>, f<sub>i</sub>*"),
        ("max_k f, lemma_2_repaired, hetero_gc/eq_3", "max<sub>k</sub> f, lemma_2_repaired, hetero_gc/eq_3"),
        ("a < b & c", "a &lt; b &amp; c"),
    ],
)
def test_mathematics_in_plain_text_is_set(text: str, html: str) -> None:
    assert str(readable(text)) == html


@pytest.mark.parametrize(
    ("key", "group"),
    [
        ("onebit_gc/definition_1", "Definitions, assumptions, algorithms"),
        ("compskip/theorem_1_step_2", "Equations and steps of the proofs"),
        ("compskip/theorem_1_repaired", "Lemmas, propositions, theorems"),
        ("onebit_gc/number_164_bits", "Numbers and tables"),
        ("hetero_gc/bucketing", "Said in the text"),
    ],
)
def test_claims_are_grouped_as_in_the_paper(key: str, group: str) -> None:
    assert papers.group_of(ROWS[key]) == group
