"""profile.json, version 1: a straggler profile, written by `workbench profile --json` or by hand."""

import math
from os import PathLike
from typing import Annotated, Any, Literal, cast

import msgspec
import numpy as np
from msgspec import Meta, Struct

from workbench.core.errors import InputError
from workbench.core.types import DelayModel, FloatArray
from workbench.formats.document import read_document
from workbench.stragglers import fit
from workbench.stragglers.deadline import DeadlineCurve
from workbench.stragglers.delays import loglogistic, lognormal, shifted_exponential, weibull
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.pooled_empirical import PooledEmpirical
from workbench.stragglers.profile import Independence, ProfileEvidence, StragglerProfile, least_prob

VERSION = 1
LAWS = {module.LAW.family: module.LAW for module in (shifted_exponential, weibull, lognormal, loglogistic)}
NEVER = float(np.finfo(float).max)  # a deadline that only who never answers misses
MISFIT = 1e-9  # straggle_prob and delay may differ by rounding

# The range is checked by StragglerProfile, whose message names the value.
Prob = Annotated[float, Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": 1})]
Seconds = Annotated[float, Meta(gt=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Parametric = Literal["shifted_exponential", "weibull", "lognormal", "loglogistic"]


class LocationScaleJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="location_scale"):
    """Worker i's t (shifted_exponential) or log t (the others) is location_i + scale_i z, z standard."""

    family: Parametric
    location: list[float]
    scale: list[Positive]


class PooledEmpiricalJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="pooled_empirical"):
    """Each worker's responses, null where missing, mixed with the pool, which counts as `concentration` rounds."""

    concentration: Positive
    response_s: Annotated[list[list[Seconds | None]], Meta(min_length=1)]


class BernoulliJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="bernoulli"):
    """Answers after answer_s seconds, or never with probability prob_i."""

    prob: list[Annotated[float, Meta(ge=0, lt=1)]]
    answer_s: Annotated[float, Meta(ge=0)] = 0.0


class CalibrationJson(Struct, forbid_unknown_fields=True):
    """Held-out predicted and observed straggle frequency, bins of equally many predictions."""

    predicted: list[float]
    observed: list[float]
    observed_error: list[float]
    n_predictions: Count


class DeadlineCurveJson(Struct, forbid_unknown_fields=True):
    """Predicted time to a given error at each deadline; null is infinite; `best` is an index."""

    deadline_s: list[float]
    utility: list[float | None]
    time_to_error: list[float | None]
    best: Count


class ProfileJson(Struct, forbid_unknown_fields=True):
    """A straggler profile; `version` and `straggle_prob` are enough."""

    version: Literal[1]
    straggle_prob: Annotated[list[Prob], Meta(min_length=1)]
    deadline_s: Seconds | None = None
    workers: Count | None = None
    rounds: Count | None = None
    n_missing: Count = 0
    source: str = ""
    sha256: str = ""
    group: dict[str, str] = {}
    worker_names: list[str] = []
    interval: Annotated[list[list[float]], Meta(min_length=2, max_length=2)] | None = None
    families: list[fit.FamilyScore] = []
    fits: list[fit.WorkerFit] = []
    calibration: CalibrationJson | None = None
    independence: Independence | None = None
    deadline_curve: DeadlineCurveJson | None = None
    delay: LocationScaleJson | PooledEmpiricalJson | BernoulliJson | None = None


def read_profile(path: str | PathLike[str]) -> StragglerProfile:
    """Read profile.json.

    Raises
    ------
    InputError : the file, the place inside the JSON, what is wrong there
    """
    return read_document(path, "profile", VERSION, ProfileJson, profile_from_struct)


def profile_to_json(profile: StragglerProfile) -> bytes:
    """Return the profile as JSON that `read_profile` turns back into the same profile."""
    return msgspec.json.encode(profile_to_struct(profile))


def profile_to_struct(profile: StragglerProfile) -> ProfileJson:
    """Return what profile.json holds, for a document that contains one."""
    evidence = profile.evidence or ProfileEvidence(0)
    return ProfileJson(
        version=1,
        straggle_prob=profile.straggle_prob.tolist(),
        deadline_s=profile.deadline_s,
        workers=profile.n_workers,
        rounds=evidence.rounds if profile.evidence else None,
        n_missing=evidence.n_missing,
        source=evidence.source,
        sha256=evidence.sha256,
        group=dict(evidence.group),
        worker_names=list(profile.workers),
        interval=None if profile.interval is None else profile.interval.tolist(),
        families=list(evidence.families),
        fits=list(evidence.fits),
        calibration=_calibration_to_json(evidence.calibration),
        independence=evidence.independence,
        deadline_curve=_curve_to_json(evidence.deadline_curve),
        delay=_delay_to_json(profile.delay),
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of profile.json."""
    return msgspec.json.schema(ProfileJson)


def profile_from_struct(file: ProfileJson) -> StragglerProfile:
    """Return the profile that a decoded document stands for; a contradiction inside it is an InputError."""
    evidence = None
    if file.rounds is not None:
        evidence = ProfileEvidence(
            file.rounds,
            file.n_missing,
            file.source,
            file.sha256,
            file.group,
            tuple(file.families),
            tuple(file.fits),
            _calibration_from_json(file.calibration),
            file.independence,
            _curve_from_json(file.deadline_curve),
        )
    n_workers = len(file.straggle_prob)
    if file.workers not in (None, n_workers):
        raise InputError(f"workers is {file.workers}, straggle_prob has {n_workers} numbers: correct one of them")
    if file.interval and {len(row) for row in file.interval} != {n_workers}:
        raise InputError(f"interval needs two rows of {n_workers} numbers")
    profile = StragglerProfile(
        np.array(file.straggle_prob, dtype=np.float64),
        file.deadline_s,
        _delay_from_json(file),
        None if file.interval is None else np.array(file.interval, dtype=np.float64),
        tuple(file.worker_names),
        evidence,
    )
    if profile.delay is not None:
        at = NEVER if profile.deadline_s is None else profile.deadline_s
        with np.errstate(all="ignore"):
            _check_agreement(profile, profile.delay.straggle_prob(at))
    return profile


def _check_agreement(profile: StragglerProfile, by_delay: FloatArray) -> None:
    """Refuse probabilities that were edited while the delay law beside them was not."""
    rounds = profile.evidence.rounds if profile.evidence else 0
    gap = np.abs(profile.straggle_prob - by_delay)  # (W,)
    if gap.max() > least_prob(rounds, profile.n_workers) + MISFIT:
        worst = int(np.argmax(gap))
        when = "without deadline_s" if profile.deadline_s is None else f"at {profile.deadline_s:g} s"
        raise InputError(
            f"straggle_prob[{worst}] is {profile.straggle_prob[worst]:g} but the delay law gives {by_delay[worst]:g} "
            f"{when}: correct it, or leave delay and deadline_s out"
        )


def _calibration_to_json(found: fit.Calibration | None) -> CalibrationJson | None:
    if found is None:
        return None
    lists = (found.predicted.tolist(), found.observed.tolist(), found.observed_error.tolist())
    return CalibrationJson(*lists, found.n_predictions)


def _calibration_from_json(file: CalibrationJson | None) -> fit.Calibration | None:
    if file is None:
        return None
    arrays = (np.array(file.predicted), np.array(file.observed), np.array(file.observed_error))
    return fit.Calibration(*arrays, file.n_predictions)


def _curve_to_json(curve: DeadlineCurve | None) -> DeadlineCurveJson | None:
    if curve is None:
        return None
    lists = _nulls(curve.utility), _nulls(curve.time_to_error)
    return DeadlineCurveJson(curve.deadline_s.tolist(), *lists, curve.best)


def _curve_from_json(file: DeadlineCurveJson | None) -> DeadlineCurve | None:
    if file is None:
        return None
    if not len(file.deadline_s) == len(file.utility) == len(file.time_to_error) > file.best:
        raise InputError("deadline_curve's lists differ in length, or its `best` is beyond them")
    arrays = _infinities(file.utility), _infinities(file.time_to_error)
    return DeadlineCurve(np.array(file.deadline_s), *arrays, file.best)


def _delay_to_json(delay: DelayModel | None) -> LocationScaleJson | PooledEmpiricalJson | BernoulliJson | None:
    match delay:
        case None:
            return None
        case LocationScale(law, location, scale):
            family = cast(Parametric, law.family)
            return LocationScaleJson(family, location.tolist(), scale.tolist())
        case PooledEmpirical(response_s, concentration):
            return PooledEmpiricalJson(concentration, [_nulls(row) for row in response_s])
        case Bernoulli(prob, answer_s):
            return BernoulliJson(prob.tolist(), answer_s)
        case _:
            raise TypeError(f"a profile.json cannot hold a {type(delay).__name__}")


def _delay_from_json(file: ProfileJson) -> DelayModel | None:
    match file.delay:
        case LocationScaleJson(family, location, scale):
            if len(location) != len(scale):
                raise InputError(f"delay has {len(location)} locations and {len(scale)} scales: give as many")
            return LocationScale(LAWS[family], np.array(location, dtype=float), np.array(scale, dtype=float))
        case PooledEmpiricalJson(concentration, rows):
            if {len(row) for row in rows} != {len(file.straggle_prob)}:
                raise InputError(f"delay.response_s needs {len(file.straggle_prob)} numbers in each row")
            table = np.stack([_infinities(row) for row in rows])  # (rounds, W)
            return PooledEmpirical(table, concentration)
        case BernoulliJson(prob, answer_s):
            return Bernoulli(np.array(prob, dtype=float), answer_s)
    return None


def _nulls(values: FloatArray) -> list[float | None]:
    """JSON has no infinity: null stands for it."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _infinities(values: list[float | None]) -> FloatArray:
    return np.array([math.inf if value is None else value for value in values], dtype=np.float64)
