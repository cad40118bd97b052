"""The core: streams that depend on (seed, name, run) alone, the catalogue, claims, and a quick help page."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import workbench
from workbench.cli import app
from workbench.core import catalogue
from workbench.core.claims import Claim, claim, claim_of
from workbench.core.errors import InputError
from workbench.core.streams import RunStreams, stream
from workbench.core.types import Trajectory

FALSE_ALARM = 1e-6

# ---- named streams --------------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.text(max_size=30), st.integers(0, 10**6))
def test_a_stream_is_its_seed_name_and_run(seed: int, name: str, run: int) -> None:
    assert stream(seed, name, run).bytes(32) == stream(seed, name, run).bytes(32)


def test_streams_do_not_change_between_versions() -> None:
    """Published numbers rest on these draws."""
    drawn = stream(7, "stragglers", 3).random(2)
    np.testing.assert_array_equal(drawn, [0.704008175400191, 0.0068826599479552275])


def test_other_seed_name_or_run_is_another_stream() -> None:
    keys = [(seed, name, run) for seed in (0, 1) for name in ("a", "b", "a/b", "") for run in (0, 1, 2)]
    drawn = {stream(*key).bytes(16) for key in keys}
    assert len(drawn) == len(keys)


def test_streams_are_uncorrelated() -> None:
    """Correlations of all pairs of 24 streams lie within the normal quantile, false alarm 1e-6 over the pairs."""
    size = 20_000
    keys = [(seed, name, run) for seed in (0, 1) for name in ("stragglers", "quantizer/a", "b") for run in range(4)]
    draws = np.stack([stream(*key).standard_normal(size) for key in keys])  # (streams, size)
    correlation = np.corrcoef(draws)[np.triu_indices(len(keys), 1)]  # (pairs,)
    limit = stats.norm.isf(FALSE_ALARM / 2 / correlation.size) / np.sqrt(size)
    assert np.abs(correlation).max() < limit


@pytest.mark.parametrize("law", ["random", "standard_normal"])
def test_each_run_has_its_own_stream(law: str) -> None:
    """Run r of many draws what `stream(seed, name, r)` draws, one call after the other."""
    runs = RunStreams(5, "quantizer/x", 4)
    both = [getattr(runs, law)((4, 3, 2)), getattr(runs, law)((4, 5))]
    for run in range(4):
        alone = stream(5, "quantizer/x", run)
        for drawn in both:
            np.testing.assert_array_equal(drawn[run], getattr(alone, law)(drawn.shape[1:]))


@pytest.mark.parametrize("width", [6, 7])
def test_words_are_the_ones_that_numpy_draws_of_32_bits(width: int) -> None:
    """Of an odd number the other half of the last 64 bits is lost: the next draw begins with new ones."""
    runs = RunStreams(5, "q", 4)
    both = [list(runs.words((4, width))), list(runs.words((4, 1, width)))]
    for run in range(4):
        alone = stream(5, "q", run)
        for drawn in both:
            own = alone.integers(0, 2**32, 2 * (-(-width // 2)), dtype=np.uint32)  # a whole number of 64 bits
            np.testing.assert_array_equal(drawn[run].ravel(), own[:width].view(np.int32))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
@settings(max_examples=30)
def test_number_and_order_of_runs_do_not_matter(runs: list[int]) -> None:
    drawn = RunStreams(1, "s", runs).random((len(runs), 4))
    every = RunStreams(1, "s", 51).random((51, 4))
    np.testing.assert_array_equal(drawn, every[runs])


@pytest.mark.parametrize("size", [(3,), (2, 5), (1, 3), (), (5, 3)])
def test_a_draw_without_the_run_axis_is_refused(size: tuple[int, ...]) -> None:
    runs = RunStreams(0, "s", 3)
    assert len(runs) == 3
    for draw in (runs.random, runs.words, runs.standard_normal):
        with pytest.raises(ValueError, match="the first axis must be the runs"):
            draw(size)


# ---- catalogue ------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Callable[[], dict[str, ModuleType]], set[str]]] = {
    "codes": (
        catalogue.codes,
        {"optimally_structured", "bernoulli", "erasure_head", "ignore_stragglers", "one_bit", "optimal_decoding"}
        | {"osgc", "stochastic", "tandon_fractional", "tandon_cyclic", "cyclic_mds", "expander"},
    ),
    "placements": (
        catalogue.placements,
        {"disjoint", "cyclic", "bernoulli", "uniform_random", "fractional_repetition", "random_regular"}
        | {"pair_wise_balanced", "nearly_balanced", "projective_plane", "affine_plane", "hadamard_design"}
        | {"difference_set", "quadratic_residue", "expander_paley", "expander_margulis", "expander_random"},
    ),
    "quantizers": (
        catalogue.quantizers,
        {"identity", "lattice", "random_sign", "scaled_sign", "sparse_sign", "stochastic_levels", "ternary", "top_k"},
    ),
    "delays": (
        catalogue.delays,
        {"loglogistic", "lognormal", "weibull", "shifted_exponential", "pooled_empirical"},
    ),
    "problems": (
        catalogue.problems,
        {"least_squares", "logistic_regression", "one_hidden_layer", "one_vs_rest_logistic", "quadratic"}
        | {"rosenbrock", "softmax_regression"},
    ),
    "datasets": (catalogue.datasets, {"mnist"}),
}


@pytest.mark.parametrize(("found", "known"), KINDS.values(), ids=KINDS)
def test_the_catalogue_finds_what_there_is(found: Callable[[], dict[str, ModuleType]], known: set[str]) -> None:
    entries = found()
    assert known <= entries.keys()
    assert list(entries) == sorted(entries)
    assert all(module.__name__.endswith(f".{key}") for key, module in entries.items())
    assert all(module.__doc__ for module in entries.values())


def test_a_dropped_in_module_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "dropped_in"
    (package / "inner").mkdir(parents=True)
    for name, text in {"__init__": "", "zeta": "design = 1", "alpha": "design = 2", "helper": "other = 3"}.items():
        (package / f"{name}.py").write_text(text)
    (package / "inner" / "__init__.py").write_text("design = 4")
    monkeypatch.syspath_prepend(tmp_path)
    found = catalogue.entries("dropped_in", "design")
    assert {name: module.design for name, module in found.items()} == {"alpha": 2, "zeta": 1}


def test_an_unknown_key_lists_the_choices() -> None:
    found = catalogue.codes()
    assert catalogue.pick("code", found, "osgc") is found["osgc"]
    with pytest.raises(InputError, match=r"unknown code 'ogsc': choose one of bernoulli, .*tandon_fractional$"):
        catalogue.pick("code", found, "ogsc")


# ---- claims, trajectories, errors -----------------------------------------------------------------------


def test_a_claim_travels_with_its_function() -> None:
    @claim("hetero_gc", "Theorem 2", eq=13, assumes=("strong convexity",))
    def theorem_2(x: int) -> int:
        return x + 1

    assert theorem_2(1) == 2
    assert claim_of(theorem_2) == Claim("hetero_gc", "Theorem 2", 13, ("strong convexity",))
    assert claim_of(theorem_2).key == "hetero_gc/theorem_2"
    with pytest.raises(TypeError, match="carries no claim: decorate it with @claim"):
        claim_of(len)


def test_a_run_that_leaves_the_numbers_has_diverged() -> None:
    loss = np.array([[1.0, 0.5], [1.0, np.inf], [np.nan, 0.1]])  # (R, T+1)
    trajectory = Trajectory(np.array([0, 1]), loss, *(np.zeros((3, 2)) for _ in range(6)))
    np.testing.assert_array_equal(trajectory.diverged, [False, True, True])


def test_an_input_error_is_a_value_error() -> None:
    """Callers of the library who know nothing of the workbench still catch it."""
    assert issubclass(InputError, ValueError)


# ---- the help page --------------------------------------------------------------------------------------

HEAVY = ("numpy", "scipy", "cvxpy", "matplotlib", "rich", "sympy", "joblib", "networkx", "msgspec", "jinja2")


def test_help_imports_nothing_heavy() -> None:
    """The help page is quick because it loads nothing; a clock would measure the machine instead."""
    script = (
        "import sys; sys.argv = ['workbench', '--help']\n"
        "from workbench.cli import main\n"
        "main()\n"
        "import json; print(json.dumps([*sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert {"click", "workbench"} <= loaded
    assert loaded.isdisjoint(HEAVY)
    assert all(command in done.stdout for command in ("profile", "design", "simulate", "report", "schema"))


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"workbench, version {workbench.__version__}\n"
