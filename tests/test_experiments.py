"""Bounds against simulation: every theorem informative and vacuous, wrong bounds refuted, unmet assumptions told."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import product

import numpy as np
import pytest

from proofs_check import registry
from proofs_check.experiments import compskip as of_compskip
from proofs_check.experiments import experiment as module
from proofs_check.experiments import onebit_gc as of_onebit_gc
from proofs_check.experiments import quantimed as of_quantimed
from proofs_check.experiments.experiment import Comparison, Experiment, Outcome, Watched, experiments, run
from proofs_check.experiments.problems import alike, disagreement_sq, sample_variance
from workbench import verdicts
from workbench.bounds import compskip, hetero_gc, onebit_gc
from workbench.cli import main
from workbench.core.claims import Status
from workbench.core.errors import InputError
from workbench.core.types import Regularity

ALL = experiments()
KINDS = ("informative", "vacuous")
# The theorems that must be among them, by the names in workbench.bounds.
THEOREMS = {
    "onebit_gc": ("theorem_1", "theorem_1_repaired", "theorem_2_repaired", "theorem_2_best", "theorem_3_repaired"),
    "hetero_gc": ("theorem_2", "theorem_3_constant", "theorem_3_decaying"),
    "compskip": ("theorem_1_repaired", "theorem_1_recursion"),
    "quantimed": ("theorem_1_repaired", "theorem_1_recursion", "theorem_2_repaired", "theorem_2_recursion"),
    "fastest_k": ("proposition_1", "lemma_1", "lemma_1_in_the_mean", "theorem_1"),
}
REFUTED = {
    "onebit_gc/theorem_2/printed",
    "onebit_gc/theorem_3/printed",
    "quantimed/theorem_2/printed",
    "quantimed/eq_11/printed",
    "fastest_k/lemma_1/in_the_mean",
    "fastest_k/lemma_1_failure/printed",
}


@cache
def outcome(key: str) -> Outcome:
    """Run an experiment once, with fewer runs where there are plenty."""
    experiment = ALL[key]
    return run(replace(experiment, n_runs=40) if experiment.n_runs == 100 else experiment)


def changed(experiment: Experiment, change: Callable[[Comparison], Comparison]) -> Experiment:
    """Return the experiment with another comparison."""
    return replace(experiment, compare=lambda *arguments: change(experiment.compare(*arguments)))


def test_every_theorem_has_both_settings() -> None:
    kinds = defaultdict(set)
    for experiment in ALL.values():
        kinds[experiment.key.rpartition("/")[0]].add(experiment.setting)
    for paper, names in THEOREMS.items():
        for name in names:
            assert kinds[f"{paper}/{name}"] >= set(KINDS)
    for bound, found in kinds.items():
        if bound in of_compskip.NEVER_INFORMATIVE:
            assert found == {"vacuous"}
        elif found & set(KINDS):
            assert found >= set(KINDS), bound
        else:  # a printed form that is no bound
            assert all(ALL[f"{bound}/{kind}"].expected is not Status.HOLDS for kind in found)
    assert all(np.isfinite(each.within) for each in ALL.values() if each.setting == "informative")
    assert {key for key, each in ALL.items() if each.expected is Status.REFUTED} == REFUTED


@pytest.mark.parametrize("key", ALL)
def test_it_comes_out_as_expected(key: str) -> None:
    """False alarm 1e-3 for each, seeds fixed."""
    found = outcome(key)
    assert found.verdict.status is ALL[key].expected, found.verdict.explanation
    assert found.as_expected, (found.looseness, found.bound[-1], found.comparison.start)
    assert found.experiment.false_alarm == 1e-3
    assert not (found.is_informative and found.is_vacuous)
    assert {each.name for each in found.verdict.assumptions} >= set(found.verdict.claim.assumes)
    if found.verdict.status is not Status.OUTSIDE_ASSUMPTIONS:
        assert all(each.holds for each in found.verdict.assumptions)
    assert found.looseness == pytest.approx(found.bound[-1] / found.band.mean[-1])
    sharper = found.comparison.recursion
    if found.verdict.status is Status.HOLDS and sharper is not None:
        assert np.all(found.band.low <= sharper.value * (1 + 1e-9))
        assert np.all(sharper.value <= found.bound * (1 + 1e-9))


@pytest.mark.parametrize("paper", THEOREMS)
def test_a_bound_that_is_too_small_is_refuted(paper: str) -> None:
    """Half of what is simulated, at the last checkpoint alone."""
    name = "theorem_3_decaying" if paper == "hetero_gc" else THEOREMS[paper][-1]
    key = f"{paper}/{name}/informative"
    share = 1 / (2 * outcome(key).looseness)

    def shrunk(found: Comparison) -> Comparison:
        return replace(found, bound=replace(found.bound, value=found.bound.value * share))

    assert run(changed(outcome(key).experiment, shrunk)).verdict.status is Status.REFUTED


UNMET = {
    "hetero_gc/theorem_2/biased": hetero_gc.UNBIASED,
    "onebit_gc/theorem_1/unbalanced": onebit_gc.BALANCED,
    "compskip/theorem_1/printed": compskip.CONTRACTION,
}


@pytest.mark.parametrize("key", UNMET)
def test_an_unmet_assumption_is_told(key: str) -> None:
    found = outcome(key)
    assert found.verdict.status is Status.OUTSIDE_ASSUMPTIONS
    assert UNMET[key] in [each.name for each in found.verdict.assumptions if not each.holds]
    assert not found.is_informative


def test_assumptions_are_measured_on_the_runs() -> None:
    """A lattice that the models leave, and a gradient bound that the runs break: bounds well kept, but no pass."""
    small = replace(
        ALL["quantimed/theorem_2_repaired/vacuous"],
        scheme=partial(of_quantimed.quantimed_dsgd, 0.1, 0.3, half_range=0.5),
        n_runs=10,
    )
    best = ALL["onebit_gc/theorem_2_best/informative"]
    claimed = partial(of_onebit_gc.compare_gradient, bound=onebit_gc.theorem_2_best, claimed_grad_bound_sq=1.0)
    for experiment in (small, replace(best, compare=claimed, n_iters=20, checkpoints=(20,), n_runs=10)):
        verdict = run(experiment).verdict
        assert verdict.status is Status.OUTSIDE_ASSUMPTIONS
        assert len([each for each in verdict.assumptions if not each.holds]) == 1


def test_an_outcome_repeats_itself() -> None:
    key = "fastest_k/lemma_1_failure_repaired/vacuous"
    first, second = outcome(key), run(ALL[key])
    np.testing.assert_array_equal(first.band.mean, second.band.mean)
    assert first.verdict == second.verdict
    other = run(replace(ALL[key], seed=1))
    assert np.any(other.band.mean != first.band.mean)


def test_the_corrected_theorem_of_compskip_is_never_informative() -> None:
    """On a grid of steps, decays and rounds it is above the first gradient, of which it bounds a least."""
    least = np.inf
    reg = Regularity(smoothness=1.0, grad_bound_sq=1.0, grad_var=0.0)  # ‖∇f(x_0)‖² = ω², Δ = ω²/(2L): its best case
    for n_iters, total, growth in product((1, 2, 3, 5, 10, 100, 1000), np.geomspace(0.3, 4, 30), (0.0, 0.5, 1.0, 3.0)):
        decay = np.exp(-growth / n_iters)
        last = decay ** (1.0 - n_iters)
        first = total / np.sum(decay ** -np.arange(float(n_iters)))
        if first * last >= 1:
            continue
        value = compskip.theorem_1_corrected(
            reg, n_iters, n_workers=1, dim=1, error_step=1e-9, error_decay=decay, first_step=1e-9 * first, loss_gap=0.5
        ).value
        least = min(least, float(value[0]))
    (promised,) = of_compskip.NEVER_INFORMATIVE.values()
    assert promised == pytest.approx((3 / 2) ** (2 / 3))
    assert promised * (1 - 1e-6) <= least <= promised * 1.01


def test_constants_of_alike_parts_are_exact() -> None:
    """Against finite differences and a plain enumeration of the samples."""
    problem = alike(6, [1.0, 3.0], spread=0.7, distance=2.0, part_size=4, sample_noise=0.3)
    rng, reg = np.random.default_rng(0), problem.regularity
    x = rng.standard_normal((5, 2))
    assert (reg.strong_convexity, reg.smoothness) == pytest.approx((1.0, 3.0))
    assert np.linalg.norm(problem.initial()) == pytest.approx(2.0)
    np.testing.assert_allclose(reg.optimum, 0, atol=1e-12)
    assert problem.loss(np.zeros((1, 2)))[0] == pytest.approx(reg.optimal_loss)
    shift = 1e-6 * np.eye(2)
    slope = np.stack([(problem.loss(x + step) - problem.loss(x - step)) / 2e-6 for step in shift], axis=1)
    np.testing.assert_allclose(problem.part_grads(x).sum(axis=1), slope, rtol=1e-6)
    np.testing.assert_allclose(disagreement_sq(problem, x), disagreement_sq(problem, x[:1])[0], rtol=1e-9)

    everywhere = np.repeat(x[:, None], 6, axis=1)  # (R, P, D)
    each = []
    for sample in range(4):
        batch = np.full((5, 6, 1), sample)
        each.append(problem.sample_grads(everywhere, batch, np.full((5, 6, 1), 6 * 4.0)))
    stacked = np.stack(each)  # (samples, R, P, D)
    np.testing.assert_allclose(stacked.mean(axis=0), 6 * problem.part_grads(x), rtol=1e-9)
    np.testing.assert_allclose(sample_variance(problem, everywhere), stacked.var(axis=0).sum(axis=2), rtol=1e-9)
    odd = alike(5, [1.0, 1.0], spread=0.7, distance=1.0)
    np.testing.assert_allclose(np.square(odd.part_grads(np.zeros((1, 2)))[0]).sum(axis=1), (0.7 / 5) ** 2)
    with pytest.raises(InputError, match="3 parts in 1 dimensions"):
        alike(3, [1.0], spread=1.0, distance=1.0)


def test_a_watched_scheme_takes_the_same_steps() -> None:
    experiment = ALL["quantimed/theorem_2_recursion/vacuous"]
    scheme = experiment.scheme()
    watched = Watched(scheme, of_quantimed.watch)
    assert (watched.name, watched.setting, watched.floats_a_run) == (scheme.name, scheme.setting, scheme.floats_a_run)
    start = watched.init(3)
    assert set(watched.measures(start)) == set(scheme.measures(start)) | {
        "error_of_all",
        "away",
        "largest",
        "sample_var",
    }


def test_experiments_are_no_checks_and_no_two_have_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [each for each in registry.checks().values() if each.__module__.startswith(module.PACKAGE)]
    monkeypatch.setattr(of_compskip, "EXPERIMENTS", of_compskip.EXPERIMENTS * 2)
    with pytest.raises(TypeError, match="two experiments of compskip/"):
        experiments()


def test_names_of_assumptions_are_those_of_the_bounds() -> None:
    assert verdicts.BOUNDED == hetero_gc.BOUNDED == onebit_gc.BOUNDED
    assert verdicts.INDEPENDENT == hetero_gc.INDEPENDENT == onebit_gc.INDEPENDENT


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", "check", "--jobs", "1", "--experiments", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return (code, *capsys.readouterr())

    return call


def test_the_command_tells_what_came_out(check: Callable[..., tuple[int, str, str]]) -> None:
    keys = ("onebit_gc/theorem_1/vacuous", "onebit_gc/theorem_2/printed", "onebit_gc/theorem_1/unbalanced")
    code, out, _ = check(*keys, "--paper", "onebit_gc", "--json")
    found = {each["key"]: each for each in json.loads(out)}
    assert code == 0
    assert set(found) == set(keys)
    assert [found[key]["status"] for key in keys] == ["holds", "refuted", "outside_assumptions"]
    assert found[keys[0]]["vacuous"]
    assert not found[keys[0]]["informative"]
    assert found[keys[1]]["looseness"] < 1
    assert {each["name"] for each in found[keys[2]]["assumptions"]} == set(onebit_gc.theorem_1.claim.assumes)
    code, out, _ = check(*keys)
    assert code == 0
    assert "3 experiments, false alarm 0.001 each; 3 as expected" in " ".join(out.split())


def test_the_command_fails_where_an_experiment_does(
    check: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "onebit_gc/theorem_1/vacuous"
    other = {key: replace(ALL[key], expected=Status.REFUTED)}
    monkeypatch.setattr(module, "experiments", lambda: other)
    code, out, _ = check(key)
    assert code == 1
    assert f"0 as expected: not {key}" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no experiment begins with 'nothing'"),
        (("--paper", "x"), "unknown paper 'x': choose one of"),
        (("--quick",), "name the experiments by KEY or --paper"),
    ],
)
def test_unknown_experiments_are_refused_in_one_line(
    check: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = check(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
