"""profile.json, version 1: a straggler profile, written by `workbench profile --json` or by hand."""

import math
from os import PathLike
from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta, Struct

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import DelayModel, FloatArray
from workbench.formats.document import NonNegativeInt64, PositiveFloat, read_document
from workbench.stragglers import fit
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import Law, LocationScale
from workbench.stragglers.delays.pooled_empirical import PooledEmpirical
from workbench.stragglers.profile import ProfileEvidence, StragglerProfile, least_prob

VERSION = 1
NEVER = float(np.finfo(float).max)  # a deadline that only who never answers misses
MISFIT = 1e-9  # straggle_prob and delay may differ by rounding
SHOWN = 80  # characters of a name in a message

# The range is checked by StragglerProfile, whose message names the value.
Prob = Annotated[float, Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": 1})]


class LocationScaleJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="location_scale"):
    """Worker i's response time t, or log t, as the family has it, is location_i + scale_i z, z standard."""

    family: str  # described by schema_of
    location: Annotated[
        list[float],
        Meta(description="Shift, in seconds or log seconds as the family's axis; one number for each worker."),
    ]
    scale: Annotated[
        list[PositiveFloat],
        Meta(description="Spread, in seconds or log seconds as the family's axis; one number for each worker."),
    ]


class PooledEmpiricalJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="pooled_empirical"):
    """Each worker's own responses, mixed with those of all workers."""

    concentration: Annotated[PositiveFloat, Meta(description="How many rounds of its own the pool counts as.")]
    response_s: Annotated[
        list[list[PositiveFloat | None]],
        Meta(
            min_length=1,
            description="Response times in seconds, null where missing; one row for each round, one number for "
            "each worker in it.",
        ),
    ]


class BernoulliJson(Struct, forbid_unknown_fields=True, tag_field="kind", tag="bernoulli"):
    """Answers after answer_s seconds, or never with probability prob_i."""

    prob: Annotated[
        list[Annotated[float, Meta(ge=0, lt=1)]],
        Meta(description="Probability never to answer; one number for each worker."),
    ]
    answer_s: Annotated[float, Meta(ge=0, description="Response time of whoever answers, in seconds.")] = 0.0


DelayJson = LocationScaleJson | PooledEmpiricalJson | BernoulliJson


class FamilyScoreJson(Struct, forbid_unknown_fields=True):
    """How a family of delay laws predicts held-out rounds; less is better, errors are standard errors over rounds."""

    family: Annotated[
        str, Meta(description=f"Name of the family; `{fit.BASELINE}` takes all workers to be alike, for comparison.")
    ]
    log_score: Annotated[
        float, Meta(description="Mean of -log P(what happened) over rounds, workers and deadlines, in nats.")
    ]
    log_score_error: Annotated[float, Meta(description="Standard error of log_score, in nats.")]
    brier: Annotated[
        float, Meta(description="Mean of (p - straggled)² over rounds, workers and deadlines, without unit.")
    ]
    brier_error: Annotated[float, Meta(description="Standard error of brier, without unit.")]
    behind: Annotated[float, Meta(description="log_score minus the best family's, in nats.")]
    behind_error: Annotated[
        float, Meta(description="Standard error of behind, from the differences round by round, in nats.")
    ]


class WorkerFitJson(Struct, forbid_unknown_fields=True):
    """One worker's fitted delay law and how far its responses are from it."""

    worker: Annotated[str, Meta(description="The worker's name.")]
    family: Annotated[str, Meta(description="Name of the law's family.")]
    parameters: Annotated[
        dict[str, float],
        Meta(
            description="The law's usual parameters by name; _s is in seconds, _per_s in 1/seconds, log_ in log "
            "seconds, the others are without unit."
        ),
    ]
    ks_distance: Annotated[
        float, Meta(description="Kolmogorov-Smirnov distance between responses and law, from 0 to 1.")
    ]
    ks_p_value: Annotated[
        float | None,
        Meta(
            description="Probability of so large a distance if the law is true; null where the law holds the "
            "worker's own responses."
        ),
    ]


class CalibrationJson(Struct, forbid_unknown_fields=True):
    """Held-out predictions at the deadline beside what happened, in bins of equally many predictions."""

    predicted: Annotated[
        list[float], Meta(description="Mean predicted straggle probability; one number for each bin, ascending.")
    ]
    observed: Annotated[list[float], Meta(description="Observed frequency of straggling; one number for each bin.")]
    observed_error: Annotated[
        list[float], Meta(description="Standard error of observed over rounds; one number for each bin.")
    ]
    n_predictions: Annotated[
        NonNegativeInt64, Meta(description="Number of predictions in all bins: rounds times workers.")
    ]


class IndependenceJson(Struct, forbid_unknown_fields=True):
    """Whether workers straggle independently, as every theorem assumes."""

    variance_ratio: Annotated[
        float,
        Meta(description="Variance of the number of stragglers a round over that of independent workers, no unit."),
    ]
    p_value: Annotated[float, Meta(description="Probability of so large a variance if workers are independent.")]
    statement: Annotated[str, Meta(description="The finding in words.")]


class DeadlineCurveJson(Struct, forbid_unknown_fields=True):
    """Predicted time to a given error at each deadline."""

    deadline_s: Annotated[list[float], Meta(description="Deadlines in seconds, ascending.")]
    utility: Annotated[
        list[float | None],
        Meta(
            description="Utility U at each deadline, without unit, null where infinite; one number for each deadline."
        ),
    ]
    time_to_error: Annotated[
        list[float | None],
        Meta(
            description="deadline x (1 + 1/U): seconds to a given error for each of the least possible number of "
            "rounds, null where infinite; one number for each deadline."
        ),
    ]
    best: Annotated[NonNegativeInt64, Meta(description="Index, from 0, of the deadline with the least time_to_error.")]


class ProfileJson(Struct, forbid_unknown_fields=True):
    """A straggler profile; `version` and `straggle_prob` are enough."""

    version: Annotated[Literal[1], Meta(description="Version of this format.")]
    straggle_prob: Annotated[
        list[Prob],
        Meta(min_length=1, description="Probability to miss the deadline; one number for each worker."),
    ]
    deadline_s: Annotated[
        PositiveFloat | None,
        Meta(description="The deadline in seconds; null or absent where a straggler is who never answers."),
    ] = None
    workers: Annotated[
        NonNegativeInt64 | None, Meta(description="W, number of workers: the length of straggle_prob, if given.")
    ] = None
    rounds: Annotated[
        NonNegativeInt64 | None,
        Meta(description="Number of rounds in the log; null or absent where the profile rests on no log."),
    ] = None
    n_missing: Annotated[NonNegativeInt64, Meta(description="Number of responses missing from the log.")] = 0
    source: Annotated[str, Meta(description="The log's path or name.")] = ""
    sha256: Annotated[str, Meta(description="SHA-256 of the log, in hexadecimal digits.")] = ""
    group: Annotated[dict[str, str], Meta(description="Which rounds of the log were taken: column to value.")] = {}
    worker_names: Annotated[list[str], Meta(description="Names of the workers; empty, or one for each worker.")] = []
    interval: Annotated[
        Annotated[list[list[float]], Meta(min_length=2, max_length=2)] | None,
        Meta(
            description="95 % intervals of straggle_prob: a row of lower and a row of upper ends, one number for each "
            "worker in a row.",
        ),
    ] = None
    families: Annotated[
        list[FamilyScoreJson], Meta(description="How well each family of delay laws predicts, best first.")
    ] = []
    fits: Annotated[
        list[WorkerFitJson], Meta(description="The fitted law of each worker; empty, or one for each worker.")
    ] = []
    calibration: Annotated[
        CalibrationJson | None, Meta(description="Predicted beside observed frequencies at the deadline.")
    ] = None
    independence: Annotated[
        IndependenceJson | None, Meta(description="Whether the log contradicts independent stragglers.")
    ] = None
    deadline_curve: Annotated[
        DeadlineCurveJson | None, Meta(description="What the choice of the deadline rests on.")
    ] = None
    delay: Annotated[
        DelayJson | None,
        Meta(description="The workers' response-time laws, which must give straggle_prob at deadline_s."),
    ] = None


def laws() -> dict[str, Law]:
    """Return the location-scale laws of the catalogue by family."""
    found = [module.LAW for module in catalogue.delays().values() if hasattr(module, "LAW")]
    return {law.family: law for law in found}


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
    # The evidence's fields have the same names here.
    evidence = msgspec.to_builtins(profile.evidence, enc_hook=_nulls) if profile.evidence else {}
    file = msgspec.convert(
        {"version": VERSION, "straggle_prob": profile.straggle_prob.tolist()} | evidence, ProfileJson
    )
    file.deadline_s = profile.deadline_s
    file.workers = profile.n_workers
    file.worker_names = list(profile.workers)
    file.interval = None if profile.interval is None else profile.interval.tolist()
    file.delay = _delay_to_json(profile.delay)
    return file


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of profile.json."""
    return schema_of(ProfileJson)


def schema_of(layout: type[Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a document that holds a profile, with the laws that there are now."""
    schema = msgspec.json.schema(layout)
    for delay in get_args(DelayJson):  # msgspec takes no description of a tag
        schema["$defs"][delay.__name__]["properties"]["kind"]["description"] = "Which of the delay laws this is."
    plain = ", ".join(name for name, law in laws().items() if not law.on_log_axis)
    schema["$defs"][LocationScaleJson.__name__]["properties"]["family"] |= {
        "description": f"Law of z, on the axis of t in seconds for {plain}, of log t for the others.",
        "enum": list(laws()),
    }
    return schema


def profile_from_struct(file: ProfileJson) -> StragglerProfile:
    """Return the profile that a decoded document stands for; a contradiction inside it is an InputError."""
    curve = file.deadline_curve
    if curve and not len(curve.deadline_s) == len(curve.utility) == len(curve.time_to_error) > curve.best:
        raise InputError("deadline_curve's lists differ in length, or its `best` is beyond them")
    evidence = None
    if file.rounds is not None:
        evidence = msgspec.convert(
            file, ProfileEvidence, from_attributes=True, dec_hook=lambda _, values: _infinities(values)
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
    if profile.interval is not None:
        _check_interval(profile.interval, profile.straggle_prob)
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


def _check_interval(interval: FloatArray, straggle_prob: FloatArray) -> None:
    """Refuse an interval (2, W) that is none, or that the probability (W,) was edited out of."""
    bad = ~((interval[0] <= straggle_prob) & (straggle_prob <= interval[1]))  # (W,)
    if not bad.any():
        return
    worst = int(np.argmax(bad))
    low, high = interval[:, worst]
    if low > high:
        raise InputError(f"interval[0][{worst}] is {low}, above interval[1][{worst}], {high}: give the lower end first")
    raise InputError(
        f"straggle_prob[{worst}] is {straggle_prob[worst]}, outside its interval from {low} to {high}: correct it, "
        "or leave interval out"
    )


def _delay_to_json(delay: DelayModel | None) -> DelayJson | None:
    match delay:
        case None:
            return None
        case LocationScale(law, location, scale):
            return LocationScaleJson(law.family, location.tolist(), scale.tolist())
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
            known = laws()
            if family not in known:
                name = ascii(family[:SHOWN])
                raise InputError(f"delay.family {name} is unknown: choose one of {', '.join(known)}")
            return LocationScale(known[family], np.array(location, dtype=float), np.array(scale, dtype=float))
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
