"""profile.json and code.json: exact round trips, a schema that tells, and one line for every corruption."""

import copy
import dataclasses
import json
import os
import random
import re
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.cli import app
from workbench.codes.code import MAX_PAIRS, MAX_WORKERS, DesignSpec
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core import catalogue
from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError
from workbench.core.types import Problem
from workbench.engine import loop
from workbench.engine.setup import build_problem, delay_of
from workbench.formats import code as code_format
from workbench.formats import profile as profile_format
from workbench.formats.code import code_to_json, read_code
from workbench.formats.profile import profile_to_json, read_profile
from workbench.moments.design_comparison import compare, design_baselines
from workbench.schemes.coded_sgd import CodedSgd
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep
from workbench.stragglers.delays import weibull
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.log import embedded_log
from workbench.stragglers.profile import StragglerProfile, estimate_profile

Json = Any


@cache
def fitted_profile() -> StragglerProfile:
    return estimate_profile(embedded_log(), seed=1, n_draws=20, n_simulated=3, n_deadlines=20)


@cache
def good_code() -> bytes:
    profile = StragglerProfile(np.array([0.05, 0.2, 0.4]), 1.5)
    return code_to_json(compare(profile, DesignSpec(4, 100, 16), seed=3))


@cache
def least_squares(n_parts: int) -> Problem:
    return build_problem("least_squares", n_parts, seed=0)


def good_profile() -> bytes:
    return profile_to_json(fitted_profile())


# ---- round trips ----------------------------------------------------------------------------------------


@given(
    prob=st.lists(st.just(0.0) | st.floats(1e-12, 1 - 1e-12), min_size=1, max_size=7),
    n_parts=st.integers(1, 9),
    dim=st.sampled_from([1, 2, 100, 10**6, 10**12, 10**15]),
    spare=st.integers(0, 250),
    constant=st.sampled_from(["tight", "paper", "qsgd"]),
    allow_idle=st.booleans(),
    structure=st.sampled_from(["sparse", "dense", "fewest-edges"]),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=20, deadline=None)
def test_code_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    prob: list[float],
    n_parts: int,
    dim: int,
    spare: int,
    constant: Any,
    allow_idle: bool,
    structure: Any,
    seed: int,
) -> None:
    spec = DesignSpec(n_parts, dim, 2 * len(prob) + spare, 2, constant, allow_idle, structure)
    comparison = compare(StragglerProfile(np.array(prob)), spec, seed=seed)
    path = tmp_path_factory.getbasetemp() / "code.json"
    path.write_bytes(code_to_json(comparison))
    again, code = read_code(path), comparison.optimal.code
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again.code.encode, name), getattr(code.encode, name))
    assert again.code.encode.shape == code.encode.shape
    assert isinstance(again.code.decoder, FixedDecoder)
    assert isinstance(code.decoder, FixedDecoder)
    np.testing.assert_array_equal(again.code.decoder.decode, code.decoder.decode)
    np.testing.assert_array_equal(again.code.bits, code.bits)
    assert (again.spec, again.seed, again.code.family) == (comparison.spec, seed, code.family)
    np.testing.assert_array_equal(again.profile.straggle_prob, prob)


def test_a_code_without_a_structure_is_of_the_sparse_one(tmp_path: Path) -> None:
    """Files from before there was a choice."""
    document = json.loads(good_code())
    assert document["spec"].pop("structure") == "sparse"
    del document["certificate"]["groups"], document["certificate"]["groups_upper_bound"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    assert read_code(tmp_path / "old.json").spec == DesignSpec(4, 100, 16)
    layout = json.loads(json.dumps(code_format.json_schema()))
    assert fits(document, layout, layout)


def test_the_certificate_of_fewest_edges_is_written() -> None:
    """Four equal workers on six parts: two groups."""
    spec = DesignSpec(6, 100, 16, structure="fewest-edges")
    document = json.loads(code_to_json(compare(StragglerProfile(np.full(4, 0.2)), spec, seed=0)))
    assert (document["certificate"]["groups"], document["certificate"]["groups_upper_bound"]) == (2, 2)
    assert len(document["encode"]["weight"]) == 4 + 6 - 2
    layout = json.loads(json.dumps(code_format.json_schema()))
    assert fits(document, layout, layout)


def test_a_code_carries_its_whole_profile(tmp_path: Path) -> None:
    profile = fitted_profile()
    path = tmp_path / "code.json"
    path.write_bytes(code_to_json(compare(profile, DesignSpec(8, 1000, 64), seed=0)))
    assert profile_to_json(read_code(path).profile) == profile_to_json(profile)


@given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=9), st.none() | st.floats(1e-300, 1e300), st.data()
)
@settings(max_examples=50, deadline=None)
def test_profile_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, prob: list[float], deadline_s: float | None, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.text(), min_size=len(prob), max_size=len(prob)))
    profile = StragglerProfile(np.array(prob), deadline_s, workers=tuple(names))
    path = tmp_path_factory.getbasetemp() / "profile.json"
    path.write_bytes(profile_to_json(profile))
    again = read_profile(path)
    np.testing.assert_array_equal(again.straggle_prob, profile.straggle_prob)
    assert (again.deadline_s, again.workers) == (deadline_s, tuple(names))
    assert profile_to_json(again) == path.read_bytes()


def test_a_hand_written_profile_is_enough_for_a_code(tmp_path: Path) -> None:
    hand, code = tmp_path / "hand.json", tmp_path / "code.json"
    hand.write_text('{"version": 1, "straggle_prob": [0.05, 0.2]}')
    numbers = ["--parts", "3", "--dim", "100", "--budget", "8"]
    designed = CliRunner().invoke(app, ["design", str(hand), *numbers, "--out", str(code)])
    assert (designed.exit_code, designed.stderr) == (0, "")
    again = read_code(code)
    np.testing.assert_array_equal(again.profile.straggle_prob, [0.05, 0.2])
    assert again.code.encode.shape == (2, 3)


def test_a_fitted_profile_keeps_its_evidence(tmp_path: Path) -> None:
    """Each part of the evidence comes back as its own type, arrays as arrays, and infinities as infinities."""
    fitted = fitted_profile()
    assert fitted.evidence is not None
    assert fitted.evidence.deadline_curve is not None
    endless = np.where(np.arange(fitted.evidence.deadline_curve.utility.size) == 1, np.inf, 1.5)
    curve = dataclasses.replace(fitted.evidence.deadline_curve, utility=endless)
    worker_fits = tuple(
        dataclasses.replace(each, ks_p_value=chance)
        for each, chance in zip(fitted.evidence.fits, [None, 0.25, *[1.0] * 98], strict=False)
    )
    evidence = dataclasses.replace(fitted.evidence, deadline_curve=curve, fits=worker_fits)
    (tmp_path / "profile.json").write_bytes(profile_to_json(dataclasses.replace(fitted, evidence=evidence)))
    again = read_profile(tmp_path / "profile.json").evidence
    assert again is not None
    assert (again.families, again.fits, again.independence) == (evidence.families, worker_fits, evidence.independence)
    for part in ("calibration", "deadline_curve"):
        old, new = getattr(evidence, part), getattr(again, part)
        assert type(old) is type(new)
        for name, value in vars(old).items():
            assert type(getattr(new, name)) is type(value)
            np.testing.assert_array_equal(getattr(new, name), value)


def test_a_new_law_of_the_catalogue_is_written_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    law = dataclasses.replace(weibull.LAW, family="stretched")
    model = LocationScale(law, np.array([0.1, -0.3]), np.array([0.5, 0.25]))
    path = tmp_path / "profile.json"
    path.write_bytes(profile_to_json(StragglerProfile(model.straggle_prob(1.5), 1.5, model)))
    refused(path, read_profile, "delay.family 'stretched' is unknown: choose one of .*lognormal.*weibull")
    module = cast(ModuleType, SimpleNamespace(fit=weibull.fit, posterior=weibull.posterior, LAW=law))
    known = catalogue.delays()
    monkeypatch.setattr(catalogue, "delays", lambda: known | {"stretched": module})
    again = read_profile(path).delay
    assert isinstance(again, LocationScale)
    assert again.law is law
    np.testing.assert_array_equal([again.location, again.scale], [model.location, model.scale])
    layout = json.loads(json.dumps(profile_format.json_schema()))
    assert fits(json.loads(path.read_bytes()), layout, layout)


# ---- the schema -----------------------------------------------------------------------------------------


def fits(value: Json, schema: Json, root: Json) -> bool:
    """Whether `value` satisfies the part of JSON Schema that the formats use; an unknown keyword is an error."""
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    rules: dict[str, Callable[[Json], bool]] = {
        "$ref": lambda rule: fits(value, root["$defs"][rule.rsplit("/", 1)[1]], root),
        "type": lambda rule: isinstance(value, types[rule]) and (rule == "boolean" or not isinstance(value, bool)),
        "enum": lambda rule: value in rule,
        "anyOf": lambda rule: any(fits(value, each, root) for each in rule),
        "properties": lambda rule: all(fits(value[name], each, root) for name, each in rule.items() if name in value),
        "required": lambda rule: all(name in value for name in rule),
        "additionalProperties": lambda rule: (
            all(
                rule is not False and fits(value[name], rule, root)
                for name in value.keys() - schema["properties"].keys()
            )
            if "properties" in schema
            else all(fits(each, rule, root) for each in value.values())
        ),
        "items": lambda rule: all(fits(each, rule, root) for each in value),
        "minItems": lambda rule: len(value) >= rule,
        "maxItems": lambda rule: len(value) <= rule,
        "maxLength": lambda rule: len(value) <= rule,
        "pattern": lambda rule: re.search(rule, value) is not None,
        "minimum": lambda rule: value >= rule,
        "maximum": lambda rule: value <= rule,
        "exclusiveMinimum": lambda rule: value > rule,
        "exclusiveMaximum": lambda rule: value < rule,
        **dict.fromkeys(("title", "description", "default", "$defs", "discriminator"), lambda rule: True),
    }
    return ("type" not in schema or rules["type"](schema["type"])) and all(rules[key](schema[key]) for key in schema)


SCHEMAS = {"profile": (profile_format.json_schema, good_profile), "code": (code_format.json_schema, good_code)}


@pytest.mark.parametrize(("schema", "written"), SCHEMAS.values(), ids=SCHEMAS)
def test_what_is_written_satisfies_the_schema(schema: Callable[[], Json], written: Callable[[], bytes]) -> None:
    layout = json.loads(json.dumps(schema()))
    document = json.loads(written())
    assert fits(document, layout, layout)
    for broken in (
        document | {"version": 2},
        document | {"versoin": 1},
        {name: value for name, value in document.items() if name != "version"},
        [document],
    ):
        assert not fits(broken, layout, layout)


def properties(schema: Json, place: str = "$") -> list[tuple[str, Json]]:
    """Every property anywhere in a schema, with its place."""
    if isinstance(schema, list):
        return [each for index, part in enumerate(schema) for each in properties(part, f"{place}[{index}]")]
    if not isinstance(schema, dict):
        return []
    own = schema.get("properties", {})
    found = [(f"{place}.{name}", each) for name, each in own.items()]
    return found + [each for key, part in schema.items() for each in properties(part, f"{place}.{key}")]


@pytest.mark.parametrize(("schema", "written"), SCHEMAS.values(), ids=SCHEMAS)
def test_the_schema_describes_every_property(schema: Callable[[], Json], written: Callable[[], bytes]) -> None:
    layout = json.loads(json.dumps(schema()))
    found = properties(layout)
    assert {place.rsplit(".", 1)[1] for place, _ in found} >= {*json.loads(written()), "ks_p_value", "best", "kind"}
    assert [place for place, each in found if len(each.get("description", "").split()) < 3] == []
    assert [name for name, each in layout["$defs"].items() if not each.get("description")] == []


@pytest.mark.parametrize(("schema", "written"), SCHEMAS.values(), ids=SCHEMAS)
def test_the_schema_lists_the_laws(schema: Callable[[], Json], written: Callable[[], bytes]) -> None:
    family = schema()["$defs"]["LocationScaleJson"]["properties"]["family"]
    assert {"shifted_exponential", "weibull", "lognormal", "loglogistic"} <= set(family["enum"])
    assert not {"pooled_empirical", "bernoulli"} & set(family["enum"])


def test_the_schema_of_a_profile_asks_for_two_fields() -> None:
    layout = json.loads(json.dumps(profile_format.json_schema()))
    assert fits({"version": 1, "straggle_prob": [0.05, 0.2]}, layout, layout)
    for prob in ([], [1], [-0.1], ["0.1"], 0.1, None):
        assert not fits({"version": 1, "straggle_prob": prob}, layout, layout)


def test_the_command_prints_the_schema() -> None:
    for kind, (schema, _) in SCHEMAS.items():
        assert json.loads(CliRunner().invoke(app, ["schema", kind]).stdout) == json.loads(json.dumps(schema()))


# ---- corruptions ----------------------------------------------------------------------------------------


def refused(path: Path, read: Callable[[Path], object], message: str) -> None:
    """Check that reading raises one line that names the file and matches `message`."""
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


READERS: dict[str, tuple[Callable[[Path], object], Callable[[], bytes]]] = {
    "profile": (read_profile, good_profile),
    "code": (read_code, good_code),
}

FIRST = rb'(?<="straggle_prob":)\[[^],]*'

BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda good: b"", "the file is empty"),
    "blank": (lambda good: b" \n", "the file is empty"),
    "truncated": (lambda good: good[:-10], "truncated"),
    "binary": (lambda good: bytes(range(256)), "malformed"),
    "UTF-16": (lambda good: good.decode().encode("utf-16"), "malformed"),
    "Latin-1": (lambda good: good.replace(b'"family":"', b'"family":"\xe9', 1), "can't decode"),
    "list": (lambda good: b"[" + good + b"]", "Expected `object`, got `array`"),
    "two documents": (lambda good: good + good, "malformed: trailing characters"),
    "deep list": (lambda good: b"[" * 10**5, "Expected `object`"),
    "deep field": (
        lambda good: b'{"x":' + b"[" * 10**5 + b"]" * 10**5 + b"," + good[1:],
        "nested too deeply",
    ),
    "NaN": (lambda good: good.replace(b'"straggle_prob":[', b'"straggle_prob":[NaN,'), "malformed"),
    "Infinity": (lambda good: good.replace(b'"straggle_prob":[', b'"straggle_prob":[Infinity,'), "malformed"),
    "1e999": (lambda good: good.replace(b'"straggle_prob":[', b'"straggle_prob":[1e999,'), r"out of range - at `\$"),
    "long integer": (lambda good: good.replace(b'"version":1', b'"version":' + b"1" * 5000), r"out of range - at `\$"),
    "no version": (lambda good: b'{"straggle_prob":[0.1]}', "missing required field `version`"),
    "version 2": (lambda good: good.replace(b'"version":1', b'"version":2'), r"version 2 is unknown - at `\$.version`"),
    "version 1.0": (lambda good: good.replace(b'"version":1', b'"version":1.0'), r"Expected `int`.*`\$.version`"),
    "version text": (lambda good: good.replace(b'"version":1', b'"version":"1"'), r"Expected `int`.*`\$.version`"),
    "unknown field": (lambda good: b'{"color":1,' + good[1:], "unknown field `color`"),
    "twice": (lambda good: b'{"version":1,' + good[1:], "`version` is there twice in one object"),
    "probability 1": (lambda good: re.sub(FIRST, b"[1", good), r"\[0\] is 1"),
    "probability 1.5": (lambda good: re.sub(FIRST, b"[1.5", good), r"\[0\] is 1.5"),
    "probability -0.1": (lambda good: re.sub(FIRST, b"[-0.1", good), r"\[0\] is -0.1"),
    "one probability more": (lambda good: good.replace(b'"straggle_prob":[', b'"straggle_prob":[0.1,'), "workers is"),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("corrupt", "message"), BYTES.values(), ids=BYTES)
def test_corrupt_files(tmp_path: Path, kind: str, corrupt: Callable[[bytes], bytes], message: str) -> None:
    read, good = READERS[kind]
    path = tmp_path / f"{kind}.json"
    content = corrupt(good())
    assert content != good()
    path.write_bytes(content)
    refused(path, read, message)


@pytest.mark.parametrize("kind", READERS)
def test_unreadable_paths(tmp_path: Path, kind: str) -> None:
    for path in (tmp_path, tmp_path / "absent.json", tmp_path / ("x" * 300)):
        refused(path, READERS[kind][0], f"cannot be read .*: give the path of a {kind}.json")


@pytest.mark.parametrize("kind", READERS)
def test_a_byte_order_mark_is_no_mistake(tmp_path: Path, kind: str) -> None:
    read, good = READERS[kind]
    (tmp_path / "marked.json").write_bytes(b"\xef\xbb\xbf" + good())
    read(tmp_path / "marked.json")


DELAY = {"kind": "bernoulli", "prob": [0.05, 0.2, 0.4]}
POOLED = {"kind": "pooled_empirical", "concentration": 1, "response_s": [[1, 2, None]]}
SCALED = {"kind": "location_scale", "family": "weibull", "location": [0, 0, 0], "scale": [1, 1, 1]}

FIELDS: dict[str, tuple[tuple[str | int, ...], Json, str]] = {
    "family a number": (("family",), 3, r"Expected `str`.*\$.family"),
    "family empty": (("family",), "", r"\$.family"),
    "family markup": (("family",), "[/red]", r"\$.family"),
    "decode short": (("decode",), [1.0], "decode has 1 numbers for 3 workers"),
    "decode text": (("decode", 1), "1", r"\$.decode\[1\]"),
    "decode null": (("decode", 1), None, r"\$.decode\[1\]"),
    "bits long": (("bits",), [2, 2, 2, 2], "bits has 4 numbers for 3 workers"),
    "bits 1": (("bits", 0), 1, "worker 0 has 1 bits: give 2 to 32, or 0: idle"),
    "bits 33": (("bits", 0), 33, r"<= 32 - at `\$.bits\[0\]`"),
    "bits -1": (("bits", 0), -1, r">= 0 - at `\$.bits\[0\]`"),
    "bits 2.5": (("bits", 0), 2.5, r"Expected `int`.*\$.bits\[0\]"),
    "bits huge": (("bits", 0), 10**30, r"<= 32 - at `\$.bits\[0\]`"),
    "bits 0": (("bits", 0), 0, "worker 0 has 0 bits but holds parts"),
    "bits over budget": (("bits",), [6, 6, 6], "bits add up to 18, more than the bit_budget 16"),
    "seed negative": (("seed",), -1, r">= 0 - at `\$.seed`"),
    "seed huge": (("seed",), 2**64, r"<= .*\$.seed"),
    "no parts": (("spec", "n_parts"), 0, r"\$.spec.n_parts"),
    "other parts": (("spec", "n_parts"), 3, "encode.part names part 3, but there are 3, counted from 0"),
    "parts 10^9": (("spec", "n_parts"), 10**9, "take at most 3333333 parts"),
    "parts 10^30": (("spec", "n_parts"), 10**30, "n_parts is 10+: it must be at least 1 and at most"),
    "dim 0": (("spec", "dim"), 0, r"\$.spec.dim"),
    "dim 10^30": (("spec", "dim"), 10**30, "dim is 10+: it must be at least 1 and at most"),
    "budget 1": (("spec", "bit_budget"), 1, "bit_budget is 1: one worker needs 2"),
    "budget 10^30": (("spec", "bit_budget"), 10**30, "bit_budget is 10+"),
    "replication 0": (("spec", "replication"), 0, r"\$.spec.replication"),
    "constant": (
        ("spec", "variance_constant"),
        "loose",
        r"Invalid enum value 'loose' - at `\$.spec.variance_constant`",
    ),
    "idle a number": (("spec", "allow_idle"), 1, r"Expected `bool`.*\$.spec.allow_idle"),
    "structure": (("spec", "structure"), "round", r"Invalid enum value 'round' - at `\$.spec.structure`"),
    "rows descend": (("encode", "row_start"), [0, 4, 2, 6], "encode.row_start must have 4 ascending numbers"),
    "rows from 1": (("encode", "row_start", 0), 1, "encode.row_start must have 4 ascending numbers from 0"),
    "rows short": (("encode", "row_start"), [0, 6], "encode.row_start must have 4 ascending numbers"),
    "rows empty": (("encode", "row_start"), [], "encode.row_start must have 4 ascending numbers"),
    "rows huge": (("encode", "row_start", 3), 10**30, r"\$.encode.row_start\[3\]"),
    "part -1": (("encode", "part", 0), -1, r">= 0 - at `\$.encode.part\[0\]`"),
    "part 4": (("encode", "part", 0), 4, "encode.part names part 4, but there are 4, counted from 0"),
    "part huge": (("encode", "part", 0), 10**30, r"\$.encode.part\[0\]"),
    "part twice": (("encode", "part", 1), 0, "encode.part must ascend within each row"),
    "weights short": (("encode", "weight"), [1.0], "parts and 1 weights"),
    "weight 0": (("encode", "weight", 1), 0, r"encode.weight\[1\] is 0"),
    "encode empty": (("encode",), {"row_start": [0] * 4, "part": [], "weight": []}, "encode is empty"),
    "no workers": (("profile", "straggle_prob"), [], r"length >= 1 - at `\$.profile.straggle_prob`"),
    "other version inside": (("profile", "version"), 2, r"\$.profile.version"),
    "deadline 0": (("profile", "deadline_s"), 0, r"\$.profile.deadline_s"),
    "other law": (("profile", "delay"), DELAY | {"prob": [0.1, 0.2, 0.4]}, r"straggle_prob\[0\] is 0.05 but"),
    "certain straggler": (("profile", "delay"), DELAY | {"prob": [1, 0.2, 0.4]}, r"< 1.0 - at `\$.profile.delay.prob"),
    "concentration 0": (("profile", "delay"), POOLED | {"concentration": 0}, r"\$.profile.delay.concentration"),
    "concentration huge": (("profile", "delay"), POOLED | {"concentration": 1e308}, r"straggle_prob\[\d\] is"),
    "response 0": (("profile", "delay"), POOLED | {"response_s": [[1, 0, 2]]}, r"\$.profile.delay.response_s"),
    "no rounds": (("profile", "delay"), POOLED | {"response_s": []}, r"\$.profile.delay.response_s"),
    "scale 0": (("profile", "delay"), SCALED | {"scale": [1, 0, 1]}, r"\$.profile.delay.scale\[1\]"),
    "scales short": (("profile", "delay"), SCALED | {"scale": [1, 1]}, "3 locations and 2 scales"),
    "unknown law": (("profile", "delay"), SCALED | {"family": "pooled_empirical"}, "unknown: choose one of .*weibull"),
    "hostile law": (("profile", "delay"), SCALED | {"family": "a\n" * 999}, r"delay.family 'a\\na.*: choose one of"),
    "interval reversed": (
        ("profile", "interval"),
        [[0.01, 0.3, 0.3], [0.1, 0.1, 0.5]],
        r"interval\[0\]\[1\] is 0.3, above interval\[1\]\[1\], 0.1: give the lower end first",
    ),
    "interval above": (
        ("profile", "interval"),
        [[0.01, 0.1, 0.45], [0.1, 0.3, 0.5]],
        r"straggle_prob\[2\] is 0.4, outside its interval from 0.45 to 0.5: correct it, or",
    ),
    "interval below": (("profile", "interval"), [[0, 0.1, 0.3], [0.04, 0.3, 0.5]], "outside its interval from 0.0 to"),
    "interval ragged": (("profile", "interval"), [[0, 0.1, 0.3], [0.1, 0.3]], "interval needs two rows of 3 numbers"),
    "interval one row": (("profile", "interval"), [[0, 0.1, 0.3]], r"length >= 2 - at `\$.profile.interval`"),
    "location huge": (("profile", "delay"), SCALED | {"location": [1e308] * 3}, r"straggle_prob\[\d\] is"),
}


def put(document: Json, place: tuple[str | int, ...], value: Json) -> bytes:
    """Return the document with the value at the place as JSON."""
    changed = copy.deepcopy(document)
    at = changed
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return json.dumps(changed).encode()


def test_an_interval_may_end_at_the_probability(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{"version": 1, "straggle_prob": [0.1, 0.2], "interval": [[0.1, 0.0], [0.3, 0.2]]}')
    np.testing.assert_array_equal(read_profile(path).interval, [[0.1, 0.0], [0.3, 0.2]])


@pytest.mark.parametrize(("place", "value", "message"), FIELDS.values(), ids=FIELDS)
def test_corrupt_fields_of_a_code(tmp_path: Path, place: tuple[str | int, ...], value: Json, message: str) -> None:
    path = tmp_path / "code.json"
    path.write_bytes(put(json.loads(good_code()), place, value))
    refused(path, read_code, message)


def test_every_field_of_a_code_is_required(tmp_path: Path) -> None:
    path = tmp_path / "code.json"
    document = json.loads(good_code())
    for name in document:
        path.write_text(json.dumps({key: value for key, value in document.items() if key != name}))
        refused(path, read_code, f"missing required field `{name}`")


@pytest.mark.parametrize(
    "delay", [DELAY, POOLED | {"response_s": [[1, 1, 1]]}, SCALED], ids=["bernoulli", "pooled", "law"]
)
def test_without_a_deadline_only_silence_is_straggling(tmp_path: Path, delay: Json) -> None:
    """Without a deadline a simulation takes a worker for a straggler iff it never answers; so must the profile."""
    path = tmp_path / "profile.json"
    silent = delay is DELAY
    agree, differ = ([0.05, 0.2, 0.4], [0.05, 0.2, 0.5]) if silent else ([0.0, 0.0, 0.0], [0.0, 0.3, 0.0])
    if delay["kind"] != "pooled_empirical":
        path.write_text(json.dumps({"version": 1, "straggle_prob": agree, "delay": delay}))
        np.testing.assert_array_equal(read_profile(path).straggle_prob, agree)
    path.write_text(json.dumps({"version": 1, "straggle_prob": differ, "delay": delay}))
    refused(path, read_profile, r"straggle_prob\[\d\] is .* without deadline_s: correct it, or leave delay")


def test_what_would_not_fit_is_refused() -> None:
    spec = DesignSpec(MAX_PAIRS // 100, 100, 100)
    spec.check_size(100)
    with pytest.raises(InputError, match=r"101 workers and 100000 parts .* take at most 99009 parts"):
        spec.check_size(101)
    with pytest.raises(InputError, match=f"{MAX_WORKERS + 1} workers: .* at most {MAX_WORKERS}"):
        DesignSpec(1, 1, 1).check_size(MAX_WORKERS + 1)


NASTY = (0, 1, -1, 2, 33, 10**9, 2**63, 10**30, 0.5, -0.0, 1e308, 5e-324, "", "x", "[/x]", None, True, [], {}, [[]])
NASTY_BYTES = (b"NaN", b"1e999", b"\x00", b"\xff", b"}", b"[" * 2000, b'"', b"-", b"\\ud800")


def mutated(document: Json, rng: random.Random) -> bytes:
    """Change one place of the document at random: a value, a list's length, a name, or raw bytes."""
    changed = copy.deepcopy(document)
    at = changed
    while True:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = rng.choice(keys)
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.2:
            break
        at = at[key]
    action = rng.randrange(4)
    if action == 0:
        del at[key]
    elif action == 1 and isinstance(at, list):
        at.append(at[key])
    else:
        at[key] = rng.choice(NASTY)
    content = json.dumps(changed).encode()
    if rng.random() < 0.2:
        place = rng.randrange(len(content))
        content = content[:place] + rng.choice(NASTY_BYTES) + content[place + rng.randrange(3) :]
    return content


def test_what_passes_the_reader_can_be_simulated(tmp_path: Path) -> None:
    """100 mutations of a code: an InputError that names the file, or baselines and two rounds of training."""
    rng = random.Random(20240607)
    path = tmp_path / "code.json"
    document = json.loads(good_code())
    document["profile"]["delay"] = DELAY
    passed, complaints = 0, []
    for _ in range(100):
        path.write_bytes(mutated(document, rng))
        try:
            designed = read_code(path)
        except InputError as error:
            complaints.append(str(error))
            continue
        passed += 1
        design_baselines(designed.profile, designed.spec, seed=designed.seed)
        setting = Setting(least_squares(designed.spec.n_parts), delay_of(designed.profile))
        trajectory = loop.simulate(
            CodedSgd(setting, designed.code, ConstantStep(0.01), designed.profile.deadline_s),
            n_iters=2,
            n_runs=2,
            seed=0,
        )
        assert trajectory.loss.shape[0] == 2
    assert 5 < passed < 50
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in complaints)


# ---- writing --------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "code.json"
    target.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(InputError, match=r"cannot be written .No space left on device.: choose another place"):
            write_atomically(target, b"new")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"code.json": b"old"}
    write_atomically(target, b"new")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"code.json": b"new"}


def test_a_written_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_atomically(tmp_path / "written", b"")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_bytes(b"old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_atomically(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_atomically(pipe, b"content")
    reader.join(10)
    assert heard == [b"content"]
    assert pipe.is_fifo()


def test_a_directory_cannot_be_written(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent" / "code.json"):
        with pytest.raises(InputError, match="cannot be written"):
            write_atomically(place, b"")
    assert list(tmp_path.iterdir()) == []
