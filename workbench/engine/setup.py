"""From names, files and tables of plain values to what the loop needs: problem, delays, codes, schemes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.codes.code import DesignSpec, GradientCode
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import DelayModel, FloatArray, Problem, Quantizer
from workbench.engine import configure
from workbench.schemes import step_sizes
from workbench.schemes.coded_round import CodedRound, straggle_prob
from workbench.schemes.scheme import Scheme, Setting
from workbench.schemes.step_sizes import ConstantStep, StepSize
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.profile import StragglerProfile
from workbench.topologies import mixing
from workbench.topologies.mixing import Mixing

Table = Mapping[str, Any]
Design = Callable[..., GradientCode]  # as `build_code`

MOST_DESIGNS = 5
UNQUANTIZED_BITS = 32
MOST_BITS = 64
STEP_KINDS = {
    "constant": step_sizes.ConstantStep,
    "inverse_time": step_sizes.InverseTimeStep,
    "inverse_sqrt": step_sizes.InverseSqrtStep,
    "geometric": step_sizes.GeometricStep,
}


def build_problem(key: str, n_parts: int, *, seed: int, where: str = "the problem", **parameters: Any) -> Problem:
    """Build a problem of the catalogue; one that names a DATASET gets its images and labels, or another's.

    Parameters
    ----------
    parameters : of the problem's `build`, for instance n_samples; its own defaults where left out or None;
        and `dataset`, in place of the problem's own

    Raises
    ------
    InputError : an unknown key or parameter, or data that is not on this machine
    """
    module = catalogue.pick("problem", catalogue.problems(), key)
    given = {"n_parts": n_parts, "seed": seed} | parameters
    table = {name: value for name, value in given.items() if value is not None}
    data = _data_of(module, table.pop("dataset", None)) if hasattr(module, "DATASET") else {}
    with _in_range(where):
        problem: Problem = configure.call(module.build, table=table, where=where, **data)
        if not np.isfinite(problem.loss(problem.initial()[None])).all():
            raise FloatingPointError("the loss at the start")
    return problem


@contextmanager
def _in_range(where: str) -> Iterator[None]:
    """Refuse numbers, each of them allowed, from which nothing finite can be computed."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            yield
    except (ArithmeticError, MemoryError, np.linalg.LinAlgError) as error:
        raise InputError(f"{where} leads beyond the range of numbers ({error}): take more moderate values") from None


def _data_of(module: Any, name: str | None) -> dict[str, Any]:
    """Load the images and labels of a data set, by default the problem's own DATASET."""
    images, labels = catalogue.pick("data set", catalogue.datasets(), name or module.DATASET).load()
    return {"images": images, "labels": labels}


def delay_of(profile: StragglerProfile) -> DelayModel:
    """Return the profile's fitted delays; without any, workers answer just in time or never."""
    if profile.delay is not None:
        return profile.delay
    return Bernoulli(profile.straggle_prob, profile.deadline_s or 1.0)


def build_delay(table: Table, n_workers: int, *, where: str = "[delay]") -> DelayModel:
    """Build the delay law that a table names by `kind`.

    Raises
    ------
    InputError : an unknown law or parameter
    """
    kind, rest = _split(table, where)
    module = catalogue.pick("delay law", catalogue.delay_laws(), kind)
    delay: DelayModel = configure.call(module.build, n_workers, table=rest, where=where)
    return delay


def build_scheme(
    table: Table, setting: Setting, *, seed: int, where: str = "[scheme]", design: Design | None = None
) -> Scheme[Any]:
    """Build the scheme that a table names by `kind`; codes, quantizers and mixing matrices are tables inside it.

    Parameters
    ----------
    design : in place of `build_code`, for whoever knows some codes already

    Raises
    ------
    InputError : an unknown scheme or parameter
    """
    kind, rest = _split(table, where)
    module = catalogue.pick("scheme", catalogue.schemes(), kind)
    converters = _converters(rest, setting, seed, where, design or build_code)
    with _in_range(where):
        scheme: Scheme[Any] = configure.call(module.build, setting, table=rest, where=where, converters=converters)
    return scheme


def _converters(
    table: Table, setting: Setting, seed: int, where: str, design: Design
) -> dict[Any, configure.Converter]:
    """Say how a scheme's parameters that are no plain values are made of tables."""
    n_workers, deadline_s = setting.n_workers, table.get("deadline_s")
    if deadline_s is not None and (isinstance(deadline_s, bool) or not isinstance(deadline_s, int | float)):
        raise InputError(f"{where} deadline_s is {deadline_s!r}: give a positive finite number of seconds")

    def code(value: Any, where: str) -> GradientCode:
        return design(_table(value, where), setting, deadline_s=deadline_s, seed=seed, where=where)

    def quantizer(value: Any, where: str) -> Quantizer:
        return build_quantizer(_table(value, where), n_workers, where=where)

    def mixed(value: Any, where: str) -> Mixing:
        table = {"graph": value} if isinstance(value, str) else _table(value, where)

        def family(value: Any, where: str) -> Table:
            kind, rest = _split(_table(value, where), where)
            module = catalogue.pick("graph", catalogue.topologies(), kind)
            known = {"n_workers", "rng"} | (table.keys() - rest.keys())
            return {"kind": kind} | configure.arguments(module.graph, table=rest, where=where, known=known)

        found: Mixing = configure.call(
            mixing.build, n_workers, table=table, where=where, converters={mixing.Family: family}
        )
        return found

    return {StepSize: build_step_size, GradientCode: code, Quantizer: quantizer, Mixing: mixed}


def build_step_size(value: Any, where: str) -> StepSize:
    """Build a step size from a number, or from a table with its `kind`.

    Raises
    ------
    InputError : a number that is not positive, an unknown kind
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        configure.check_numbers(value, where)
        return ConstantStep(float(value))
    kind, rest = _split(_table(value, where), where)
    if kind not in STEP_KINDS:
        raise InputError(f"{where} has kind '{kind}': choose one of {', '.join(STEP_KINDS)}")
    step_size: StepSize = configure.call(STEP_KINDS[kind], table=rest, where=where)
    return step_size


def build_quantizer(table: Table, n_workers: int, *, where: str) -> Quantizer:
    """Build the quantizer that a table names by `kind`, with `bits` a coordinate for every worker.

    Raises
    ------
    InputError : an unknown quantizer or parameter
    """
    kind, rest = _split(table, where)
    module = catalogue.pick("quantizer", catalogue.quantizers(), kind)
    bits = rest.pop("bits", UNQUANTIZED_BITS)
    each = bits if isinstance(bits, list) else [bits]
    if len(each) not in (1, n_workers) or not all(type(own) is int and 0 <= own <= MOST_BITS for own in each):
        raise InputError(
            f"{where} bits: give a whole number up to {MOST_BITS}, or one for each of the {n_workers} workers"
        )
    quantizer: Quantizer = configure.call(
        module.quantizer, np.broadcast_to(each, n_workers).copy(), table=rest, where=where
    )
    return quantizer


def build_code(table: Table, setting: Setting, *, deadline_s: float | None, seed: int, where: str) -> GradientCode:
    """Design the code family that a table names by `kind` for the delays at the deadline.

    Beside the parameters of the design (replication, bit_budget, ...) the table may replace what the family itself
    would take: `quantizer`, a table, and `decoder`, a table. Where links take time, who misses the deadline depends
    on the size of the messages and hence on the design, which is repeated until both agree.

    Raises
    ------
    InputError : an unknown code, decoder, quantizer or parameter
    """
    kind, rest = _split(table, where)
    module = catalogue.pick("code", catalogue.codes(), kind)
    quantizer, decoder = rest.pop("quantizer", None), rest.pop("decoder", None)
    rest.setdefault("bit_budget", UNQUANTIZED_BITS * setting.n_workers)
    sizes: dict[str, Any] = {"n_parts": setting.problem.n_parts, "dim": setting.problem.dim}
    spec: DesignSpec = configure.call(DesignSpec, table=rest, where=where, **sizes)
    spec.check_size(setting.n_workers)
    straggle_prob_now = straggle_prob(setting, deadline_s, np.zeros(setting.n_workers))  # (W,)
    for _ in range(MOST_DESIGNS):
        profile = StragglerProfile(straggle_prob_now)
        code: GradientCode = module.design(profile, spec, rng=stream(seed, f"design/{kind}"))
        code = _changed(code, setting, profile.straggle_prob, quantizer, decoder, where)
        straggle_prob_now = CodedRound(setting, code, deadline_s).straggle_prob
        if np.allclose(straggle_prob_now, profile.straggle_prob, rtol=1e-12, atol=0):
            break
    return code


def _changed(
    code: GradientCode, setting: Setting, straggle_prob: FloatArray, quantizer: Any, decoder: Any, where: str
) -> GradientCode:
    """Replace the family's quantizer and decoder by those that tables name, if they do."""
    if quantizer is not None:
        inside = f"{where} quantizer"
        changed = build_quantizer(_table(quantizer, inside), setting.n_workers, where=inside)
        code = replace(code, quantizer=changed.with_bits(np.where(code.bits > 0, changed.bits_per_coordinate, 0)))
    if decoder is not None:
        inside = f"{where} decoder"
        name, parameters = _split(_table(decoder, inside), inside)
        found = catalogue.pick("decoder", catalogue.decoders(), name)
        takes_dim = "dim" in inspect.signature(found.decoder).parameters
        needs_dim: dict[str, Any] = {"dim": setting.problem.dim} if takes_dim else {}
        decoding = configure.call(found.decoder, code, straggle_prob, table=parameters, where=inside, **needs_dim)
        code = replace(code, decoder=decoding)
    return code


def _split(table: Table, where: str) -> tuple[str, dict[str, Any]]:
    """Return a table's kind and the rest of it."""
    kind = table.get("kind")
    if not isinstance(kind, str):
        raise InputError(f"{where} needs 'kind', the name of what it is")
    return kind, {name: value for name, value in table.items() if name != "kind"}


def _table(value: Any, where: str) -> dict[str, Any]:
    """Return a table; a name alone stands for the table with this kind."""
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, dict):
        raise InputError(f"{where} is {value!r}: give a name, or a table with its kind")
    return dict(value)
