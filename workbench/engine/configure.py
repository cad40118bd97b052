"""From a table of plain values, as a configuration file holds it, to the arguments of a function."""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError

MOST_INTEGER = 2**63 - 1

Converter = Callable[[Any, str], Any]  # the value found, and where; returns the argument


def call(
    function: Callable[..., Any],
    *given: Any,
    table: Mapping[str, Any],
    where: str,
    converters: Mapping[Any, Converter] | None = None,
    **known: Any,
) -> Any:
    """Call `function` with what is given, and with the keyword arguments that the table names.

    Parameters
    ----------
    given, known : arguments that the table may not name
    where : the table's place, for instance "[scheme]"
    converters : for annotations that are no plain values, by annotation

    Raises
    ------
    InputError : a key that is no parameter, one that is missing, a value of another type
    """
    ready = arguments(function, table=table, where=where, known=known, n_given=len(given), converters=converters)
    return function(*given, **known, **ready)


def arguments(
    function: Callable[..., Any],
    *,
    table: Mapping[str, Any],
    where: str,
    known: Collection[str],
    n_given: int = 0,
    converters: Mapping[Any, Converter] | None = None,
) -> dict[str, Any]:
    """Return what the table names as the function takes it; what it leaves out keeps its default.

    Raises
    ------
    InputError : as for `call`
    """
    check_names(function, table=table, where=where, known=known, n_given=n_given)
    hints = _hints(function)
    return {name: _convert(value, hints[name], f"{where} {name}", converters or {}) for name, value in table.items()}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters' annotations; that of the result may name what only a type checker can evaluate."""
    found = {name: each.annotation for name, each in inspect.signature(function).parameters.items()}
    if any(isinstance(each, str) for each in found.values()):
        found |= get_type_hints(function)
    return {name: Any if each is inspect.Parameter.empty else each for name, each in found.items()}


def check_names(
    function: Callable[..., Any], *, table: Mapping[str, Any], where: str, known: Collection[str], n_given: int = 0
) -> None:
    """Hold the table's keys against the parameters that are not known.

    Raises
    ------
    InputError : a key that is no parameter, or a parameter without default that is missing
    """
    parameters = list(inspect.signature(function).parameters.values())[n_given:]
    open_ones = {parameter.name: parameter for parameter in parameters if parameter.name not in known}
    for name in table:
        if name not in open_ones:
            raise InputError(f"{where} has no '{name}': it takes {', '.join(open_ones) or 'nothing'}")
    missing = [name for name, each in open_ones.items() if each.default is each.empty and name not in table]
    if missing:
        raise InputError(f"{where} needs '{missing[0]}': it takes {', '.join(open_ones)}")


def _convert(value: Any, annotation: Any, where: str, converters: Mapping[Any, Converter]) -> Any:
    """Turn one value into what its annotation asks for."""
    check_numbers(value, where)
    for kind, converter in converters.items():
        if annotation == kind:
            return converter(value, where)
        if annotation == kind | None:
            return None if value is None else converter(value, where)
    kinds = {getattr(each, "__origin__", each) for each in (annotation, *get_args(annotation))}
    if value is None and type(None) in kinds:
        return None
    if annotation == npt.ArrayLike or np.ndarray in kinds:
        return _array(value, where, scalar=annotation == npt.ArrayLike)
    try:
        return msgspec.convert(value, annotation, dec_hook=_from_plain)
    except msgspec.ValidationError as error:
        raise InputError(f"{where} is {_shown(value)}: {error}") from None


def check_numbers(value: Any, where: str) -> None:
    """Refuse NaN, infinity and integers beyond 64 bits, wherever in a value they are: no parameter is one of these.

    Raises
    ------
    InputError : the first of them
    """
    if isinstance(value, Mapping):
        for name, each in value.items():
            check_numbers(each, f"{where} {name}".strip())
    elif isinstance(value, list):
        for each in value:
            check_numbers(each, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} is {value}: give a finite number")
    elif isinstance(value, int) and abs(value) > MOST_INTEGER:
        raise InputError(f"{where} is {_shown(value)}: integers have 64 bits")


def _array(value: Any, where: str, *, scalar: bool) -> npt.NDArray[np.generic]:
    """Let a list of numbers, lists of them, or one number where that will do, stand for an array."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "iuf" or not (array.ndim or scalar):
        raise InputError(f"{where} is {_shown(value)}: give {'a number or ' if scalar else ''}a list of numbers")
    return array if scalar else array.astype(np.float64)


def _from_plain(kind: Any, value: Any) -> Any:
    """Let a text stand for a path; msgspec asks for what it does not know."""
    if kind is Path:
        return Path(msgspec.convert(value, str))
    raise NotImplementedError(f"no plain value stands for a {kind}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
