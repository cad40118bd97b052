"""From a table of plain values, as a configuration file holds it, to the arguments of a function."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError

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
    arguments = complete(function, table=table, where=where, known=known, n_given=len(given))
    hints = get_type_hints(function)
    ready = {
        name: _convert(value, hints.get(name, Any), f"{where} {name}", converters or {})
        for name, value in arguments.items()
    }
    return function(*given, **known, **ready)


def complete(
    function: Callable[..., Any], *, table: Mapping[str, Any], where: str, known: Mapping[str, Any], n_given: int = 0
) -> dict[str, Any]:
    """Return the table with the defaults of all parameters that it leaves out and that are not known.

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
    return {name: table.get(name, each.default) for name, each in open_ones.items()}


def _convert(value: Any, annotation: Any, where: str, converters: Mapping[Any, Converter]) -> Any:
    """Turn one value into what its annotation asks for."""
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
