"""Whatever a sweep's options are set to, its configuration runs, or one line says why not, before anything runs."""

import inspect
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest

from workbench.codes.code import DesignSpec, GradientCode
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import Quantizer
from workbench.datasets import fashion_mnist, mnist
from workbench.engine import setup, sweep
from workbench.engine.sweep import Table, check, plan, run_configuration
from workbench.schemes.step_sizes import StepSize
from workbench.topologies import mixing
from workbench.topologies.mixing import Mixing

Document = dict[str, Any]
HUGE = 10**12
NUMBERS = (-1, 0, 2, -0.5, 1e308, float("inf"), float("nan"), HUGE, 2**63 - 1, 10**30)
VALUES = (*NUMBERS, "x", [], {}, True, [1, [2]], date(1979, 5, 27))
WHOLE = {"kind": "quadratic", "dim": 3}
CODED = {"kind": "coded_sgd", "step_size": 0.01, "deadline_s": 1.0}
NAMED = {StepSize: 0.01, GradientCode: "osgc", Mixing: "ring", Quantizer: "identity"}
HAS_GROUPS = "tandon_fractional"
PLAIN = {int: 1, float: 1.0, str: "x", bool: True}


def some_value(annotation: Any) -> Any:
    """A value for a parameter that has no default."""
    if annotation in NAMED:
        return NAMED[annotation]
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) is list:
        return [some_value(get_args(annotation)[0])]
    return PLAIN[annotation] if annotation in PLAIN else some_value(get_args(annotation)[0])


def taken(function: Any, *known: str) -> tuple[Document, list[str]]:
    """Values for the parameters that need one, and all parameters, but those that are known."""
    found = {name: each for name, each in inspect.signature(function).parameters.items() if name not in known}
    needed = [name for name, each in found.items() if each.default is each.empty]
    return {name: some_value(get_type_hints(function)[name]) for name in needed}, list(found)


def document(**tables: Any) -> Document:
    base = {"n_workers": 4, "runs": 2, "iterations": 2, "problem": WHOLE, "delay": {"kind": "exponential"}}
    base["delay"]["rate_per_s"] = 2.0
    return deepcopy(base | {"scheme": {"kind": "wait_for_all", "step_size": 0.01}} | tables)


def scheme(**options: Any) -> Document:
    return {"scheme": CODED | options} if "code" in options else {"scheme": options}


def entries() -> Iterator[tuple[str, Document, tuple[str, ...], list[str]]]:
    """Every entry of the catalogue in a document: what it is called, the document, its table's place, its options."""
    for key, module in catalogue.problems().items():
        needs, options = taken(module.build, "images", "labels", "n_parts", "seed")
        options += ["n_parts", "seed", *(["dataset"] if hasattr(module, "DATASET") else [])]
        small = {"dim": 3} if "dim" in options else {}
        yield f"problem/{key}", document(problem={"kind": key} | needs | small), ("problem",), options
    for key, module in catalogue.delay_laws().items():
        needs, options = taken(module.build, "n_workers")
        yield f"delay/{key}", document(delay={"kind": key} | needs), ("delay",), options
    for key, module in catalogue.schemes().items():
        needs, options = taken(module.build, "setting")
        more = {"grad_var": 1.0} if "grad_var" in options else {}
        yield f"scheme/{key}", document(**scheme(kind=key, **needs, **more)), ("scheme",), options
    _, designs = taken(DesignSpec, "n_parts", "dim")
    for key in catalogue.codes():
        inside = document(**scheme(code={"kind": key}))
        yield f"code/{key}", inside, ("scheme", "code"), [*designs, "quantizer", "decoder"]
    for key, module in catalogue.decoders().items():
        needs, options = taken(module.decoder, "code", "straggle_prob", "dim")
        code = {"kind": HAS_GROUPS if key == "first_responder" else "osgc", "decoder": {"kind": key} | needs}
        yield f"decoder/{key}", document(**scheme(code=code)), ("scheme", "code", "decoder"), options
    for key, module in catalogue.quantizers().items():
        needs, options = taken(module.quantizer, "bits")
        quantizer = {"kind": key, "bits": 8} | needs
        inside = document(**scheme(kind="sgd", step_size=0.01, batch_size=1, quantizer=quantizer))
        yield f"quantizer/{key}", inside, ("scheme", "quantizer"), [*options, "bits"]
    for key, module in catalogue.topologies().items():
        needs, options = taken(module.graph, "n_workers", "rng")
        degree = {"degree": 2} if "degree" in options else {}
        inside = document(**scheme(kind="dsgd", step_size=0.01, mixing={"graph": {"kind": key} | needs | degree}))
        yield f"graph/{key}", inside, ("scheme", "mixing", "graph"), options
    _, options = taken(mixing.build, "n_workers")
    yield "mixing", document(**scheme(kind="dsgd", step_size=0.01, mixing={})), ("scheme", "mixing"), options
    for key, kind in setup.STEP_KINDS.items():
        needs, options = taken(kind)
        inside = document(**scheme(kind="wait_for_all", step_size={"kind": key} | needs))
        yield f"step_size/{key}", inside, ("scheme", "step_size"), options
    yield "top", document(), (), [each.name for each in msgspec.structs.fields(Table)]


ENTRIES = {name: (whole, place, options) for name, whole, place, options in entries()}
CELLS = {f"{name}/{option}": (name, option) for name in ENTRIES for option in ENTRIES[name][2]}


@pytest.fixture(autouse=True)
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the images of digits: 60 of 5 x 5 pixels."""
    rng = np.random.default_rng(1)
    images, labels = rng.random((60, 25)), np.arange(60) % 10
    for dataset in (mnist, fashion_mnist):
        monkeypatch.setattr(dataset, "load", lambda: (images, labels))


def run(whole: Document) -> None:
    (configuration,) = plan(whole)
    assert np.isfinite(run_configuration(configuration).loss[:, 0]).all()


def refusal(whole: Document) -> str | None:
    """What the check says of the one configuration, None if nothing."""
    try:
        check(plan(whole))
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_runs_with_what_it_needs(name: str) -> None:
    run(ENTRIES[name][0])


@pytest.mark.parametrize("cell", CELLS)
def test_any_value_of_an_option_runs_or_is_refused_in_one_line(cell: str) -> None:
    name, option = CELLS[cell]
    whole, place, _ = ENTRIES[name]
    for value in VALUES:
        changed = deepcopy(whole)
        table = changed
        for step in place:
            table = table[step]
        table[option] = deepcopy(value)
        try:
            said = refusal(changed)
            if said is None:
                run(changed)  # what is not refused by now must not be any more
        except Exception as error:
            raise AssertionError(f"{cell} = {value!r}") from error
        assert said is None or (said and "\n" not in said)


REFUSED = {
    "constant": (
        {"scheme.step_size": {"kind": "constant", "value": -0.5}},
        r"^wait_for_all step_size=.*: step_size is -0.5: a s",
    ),
    "inverse_sqrt": ({"scheme.step_size": {"kind": "inverse_sqrt", "scale": -0.5}}, "scale is -0.5: a step size is"),
    "shift": (
        {"scheme.step_size": {"kind": "inverse_time", "scale": 1.0, "shift": -1}},
        r"t \+ shift must be positive",
    ),
    "ratio": ({"scheme.step_size": {"kind": "geometric", "first": 0.1, "ratio": 0}}, "ratio is 0.0: a step size is"),
    "seed": ({"problem.seed": -1}, "seed is -1: it must not be negative"),
    "n_parts": ({"problem.n_parts": "x"}, r"\[problem\] n_parts is 'x': Expected `int`"),
    "nan": ({"problem.disagreement": float("nan")}, "^problem disagreement is nan: give a finite number"),
    "inside": ({"problem.spectrum": [1.0, float("inf")]}, "^problem spectrum is inf: give a finite number"),
    "too large": ({"problem.dim": 10**30}, "problem dim is 1000000000000000000000000000000: integers have 64 bits"),
    "too many": ({"problem.dim": 10**6}, r"n_parts = 4 and dim = 1000000: 4e\+12 numbers are more than 1e\+09"),
    "out of range": ({"problem.disagreement": 1e300}, r"\[problem\] leads beyond the range of numbers"),
    "one cell": ({"scheme.step_size": 0.1, "runs": 0}, "runs"),
}


@pytest.mark.parametrize(("cells", "match"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_what_and_where(cells: Document, match: str) -> None:
    """A good cell comes first: none of it is run."""
    good = {"seed": [0, 1]}
    with pytest.raises(InputError, match=match):
        check(plan(document(grid=good | {key: [value] for key, value in cells.items()})))


def test_a_check_builds_each_problem_and_code_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def counted(name: str) -> None:
        function = getattr(sweep, name)
        monkeypatch.setattr(sweep, name, lambda *given, **how: built.append(name) or function(*given, **how))

    for name in ("build_problem", "build_code", "build_scheme"):
        counted(name)
    sweep._problem.cache_clear()
    grid = {"scheme.step_size": [0.1, 0.2], "problem.dim": [3, 4], "seed": [0, 1, 2]}
    check(plan(document(**scheme(code={"kind": "osgc"}), grid=grid)))
    assert sorted(built) == ["build_code"] * 2 + ["build_problem"] * 2 + ["build_scheme"] * 4


def test_a_code_is_built_once_for_all_lengths_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    design = sweep.build_code
    monkeypatch.setattr(
        sweep, "build_code", lambda code, *given, **how: built.append(code) or design(code, *given, **how)
    )
    checked: list[int] = []
    grid = {"runs": [1, 2], "iterations": [3, 4], "scheme.deadline_s": [1.0, 2.0], "seed": [0, 1]}
    check(plan(document(**scheme(code={"kind": "osgc"}), grid=grid)), checked.append)
    assert len(built) == 2
    assert checked == [2] * 8


DENSE = {"kind": "erdos_renyi", "edge_prob": 0.9}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"mixing": {"graph": DENSE, "edge_prob": 0.4}}, {"mixing": {"graph": DENSE}}),
        (
            {"quantizer": {"kind": "lattice", "bits": [8], "half_range": 4.0}},
            {"quantizer": {"kind": "lattice", "bits": 8, "half_range": 4.0}},
        ),
    ],
    ids=["a graph's own parameter comes before the mixing's", "one number in a list is for all workers"],
)
def test_what_is_written_otherwise_means_the_same(written: Document, meant: Document) -> None:
    good = {"kind": "q_dsgd", "step_size": 0.1, "mixing_step": 0.5, "mixing": {"graph": "ring"}}
    good["quantizer"] = {"kind": "lattice", "bits": 4, "half_range": 4.0}
    losses = [run_configuration(plan(document(scheme=good | each))[0]).loss for each in (written, meant, {})]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])


def test_the_same_number_has_the_same_name() -> None:
    def name(step_size: float) -> str:
        return plan(document(scheme={"kind": "wait_for_all", "step_size": step_size}))[0].name

    assert name(1) == name(1.0) != name(1.5)
