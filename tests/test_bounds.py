"""Contract of every bound, run over the catalogue; what each paper's bounds say has tests of its own."""

import inspect
import re
from typing import Any, get_type_hints

import numpy as np
import pytest

from proofs_check.settle import all_rows
from workbench.cli.bounds import evaluate
from workbench.core import catalogue
from workbench.core.claims import Bound, claim_of
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Regularity

BOUNDS = {f"{key}/{name}": each for key, own in catalogue.bounds().items() for name, each in own.items()}
EVERY = pytest.mark.parametrize("key", BOUNDS)

CONSTANTS: dict[str, float] = {"strong_convexity": 1.0, "smoothness": 2.0, "grad_bound_sq": 4.0, "grad_var": 1.0}
CURVES: dict[str, list[float]] = {"n_iters": [6, 12, 40], "time_s": [1.0, 2.0, 8.0], "errors": [3.0, 4.0, 5.0]}
EXAMPLE: dict[str, Any] = {  # by the names of the glossary; a default is left as it is
    **CONSTANTS,
    **CURVES,
    **dict.fromkeys(("n_workers", "n_parts"), 4),
    **dict.fromkeys(("n_wait", "replication"), 2),
    **dict.fromkeys(("straggle_prob", "slack", "mixing_step"), 0.2),
    **dict.fromkeys(("step_size", "quantizer_var", "gradient_noise", "decay"), 0.1),
    **dict.fromkeys(("keep_prob", "contraction", "server_contraction", "error_step", "mixing_rate"), 0.5),
    **dict.fromkeys(("inverse_batch", "mean_inverse_speed", "wait_var"), 0.5),
    **dict.fromkeys(("held_sq", "disagreement_sq", "mean_wait", "rate", "deadline_s", "least"), 1.0),
    **dict.fromkeys(("loss_gap", "gap"), 10.0),
    "n_sent": 3,
    "n_samples": 10,
    "dim": 8,
    "part_size": 5.0,
    "utility": 3.0,
    "grad_sq": 4.0,
    "start_error_sq": 9.0,
    "most": 2.0,
    "exponent": 0.25,
    "error_decay": 0.9,
    "first_step": 0.002,
    "step_sizes": [0.1, 0.1, 0.05],
    "variance_factor": [0.5] * 4,
    "mass": [1.0, 0.5, 0.5, 2.0],
    "floor": [2.0, 1.0, 0.5, 0.25],
    "curvature": [1.0, 2.0, 1.0, 2.0],
    "centre": [[1.0], [0.0], [-1.0], [2.0]],
    "weights": (np.eye(4) / 2 + 1 / 8).tolist(),  # of a code, and of workers who mix
}
EACH_WAIT = {"mean_wait": [1.0, 2.0, 3.0, 4.0]}
PARTICULAR: dict[str, dict[str, Any]] = {  # where one name is a number here and a list there
    "fastest_k/eq_7": {"n_wait": [1, 2, 4]},
    "fastest_k/theorem_1": EACH_WAIT,
    "fastest_k/theorem_1_repaired": EACH_WAIT,
    "hetero_gc/lemma_1": {"straggle_prob": [0.2] * 4},
    "onebit_gc/lemma_2": {"replication": [2] * 4},
    "onebit_gc/theorem_1": {"replication": [2] * 4},
}
# A wider class of problems, or more noise. A start's own error is none of these: it is exact, no bound on a class.
WIDER = {"strong_convexity": 0.95} | dict.fromkeys(
    (
        *("smoothness", "grad_bound_sq", "grad_var", "grad_sq", "disagreement_sq", "held_sq", "loss_gap", "gap"),
        *("quantizer_var", "variance_factor", "inverse_batch", "gradient_noise", "wait_var"),
    ),
    1.05,
)


def parameters(key: str) -> list[str]:
    hints = get_type_hints(BOUNDS[key])
    return [name for name in inspect.signature(BOUNDS[key]).parameters if hints[name] is not Regularity]


def example(key: str) -> dict[str, Any]:
    """Plain values for all that the bound takes, as the command line would give them."""
    signature = inspect.signature(BOUNDS[key]).parameters
    needed = [name for name in parameters(key) if signature[name].default is inspect.Parameter.empty]
    unknown = [name for name in needed if name not in EXAMPLE]
    assert not unknown, f"{key} takes {unknown}: use the glossary's names, or give EXAMPLE values and them defaults"
    of_loss = CONSTANTS if Regularity in get_type_hints(BOUNDS[key]).values() else {}
    return {**of_loss, **{name: EXAMPLE[name] for name in parameters(key) if name in EXAMPLE}} | PARTICULAR.get(key, {})


def value(key: str, **changed: Any) -> FloatArray:
    return np.asarray(evaluate(BOUNDS[key], example(key) | changed, key).value)


def test_the_catalogue_has_the_bounds_of_every_paper_and_package() -> None:
    assert {"compskip", "fastest_k", "hetero_gc", "onebit_gc", "quantimed", "polyak"} <= set(catalogue.bounds())
    assert set(PARTICULAR) <= set(BOUNDS)


@EVERY
def test_it_says_what_it_bounds_and_whose_claim_it_is(key: str) -> None:
    """The command line, `check` and the page of the papers show its first line; somewhere is a formula."""
    function = BOUNDS[key]
    claim, text = claim_of(function), inspect.getdoc(function) or ""
    assert claim.paper == key.partition("/")[0]
    assert claim.key in all_rows()
    assert text.partition("\n")[0].rstrip().endswith(".")
    assert re.search(r"\.\. math::|[≤=²^√`]", text)
    assert get_type_hints(function)["return"] is Bound
    assert evaluate(function, example(key), key).quantity


@EVERY
def test_it_is_finite_and_not_negative_and_changes_nothing(key: str) -> None:
    table = {name: np.asarray(each, float) if isinstance(each, list) else each for name, each in example(key).items()}
    before = {name: np.copy(each) for name, each in table.items()}
    found = value(key, **table)
    assert found.dtype == float
    assert np.all(np.isfinite(found))
    assert np.all(found >= 0)
    assert all(np.array_equal(table[name], each) for name, each in before.items())
    np.testing.assert_array_equal(value(key), found)


def curve(key: str) -> str | None:
    """The parameter over which the bound is a curve."""
    return next((name for name in (*CURVES, "n_wait") if isinstance(example(key).get(name), list)), None)


CURVED = pytest.mark.parametrize("key", [key for key in BOUNDS if curve(key)])


@CURVED
def test_a_curve_is_its_points(key: str) -> None:
    name = str(curve(key))
    points = example(key)[name]
    found = value(key)
    assert found.shape == (len(points),)
    for index, point in enumerate(points):
        np.testing.assert_allclose(value(key, **{name: point}).ravel(), found[index], rtol=1e-12)
    np.testing.assert_allclose(value(key, **{name: points[::-1]}), found[::-1], rtol=1e-12)
    assert value(key, **{name: []}).shape == (0,)


@EVERY
def test_a_wider_class_of_problems_has_no_smaller_bound(key: str) -> None:
    found, table = value(key), example(key)
    for name in WIDER.keys() & table.keys():
        wider = (np.asarray(table[name]) * WIDER[name]).tolist()
        assert np.all(value(key, **{name: wider}) >= found * (1 - 1e-12)), name


@EVERY
def test_what_is_missing_or_unknown_is_refused(key: str) -> None:
    function, table = BOUNDS[key], example(key)
    for name in parameters(key):
        if inspect.signature(function).parameters[name].default is inspect.Parameter.empty:
            with pytest.raises(InputError, match=f"needs '{name}'"):
                evaluate(function, {other: each for other, each in table.items() if other != name}, key)
    with pytest.raises(InputError, match="has no 'no_such_thing'"):
        value(key, no_such_thing=1.0)
    if Regularity in get_type_hints(function).values():
        with pytest.raises(InputError, match="claims None"):
            evaluate(function, {name: each for name, each in table.items() if name not in CONSTANTS}, key)


@EVERY
def test_values_that_no_problem_has_give_no_bound(key: str) -> None:
    """Rounds and seconds before the start are refused; -1 for anything else is, or gives what a bound may be."""
    for name, each in example(key).items():
        below = -np.ones(np.shape(each), np.int64 if isinstance(each, int) else float)
        try:
            found = value(key, **{name: below.tolist()})
        except InputError:
            continue
        assert name not in ("n_iters", "time_s")
        assert np.all(np.isnan(found) | (found >= 0)), name
