"""The numbers behind a figure: arrays with named axes and units, as NetCDF and as CSV."""

import csv
import json
import math
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]  # values alone, by name: what claims and drawings read


class Quantity(NamedTuple):
    """Values and the names of their axes; a quantity named like its only axis holds that axis' coordinates."""

    axes: tuple[str, ...]
    values: npt.ArrayLike
    unit: str = "1"


Data = Mapping[str, Quantity]


def arrays(data: Data) -> dict[str, Array]:
    """Return the values by name.

    Raises
    ------
    ValueError : axes that do not fit the values, or whose length differs between two quantities
    """
    found: dict[str, Array] = {}
    lengths: dict[str, int] = {}
    for name, (axes, values, _) in data.items():
        found[name] = np.asarray(values)
        if len(axes) != found[name].ndim:
            raise ValueError(f"{name} has axes {axes} and shape {found[name].shape}: name every axis")
        for axis, length in zip(axes, found[name].shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(f"axis {axis} is {length} long in {name} and {lengths[axis]} before")
    return found


def to_netcdf(data: Data, attributes: Mapping[str, object]) -> bytes:
    """Return the quantities as NetCDF, the same bytes for the same numbers.

    Parameters
    ----------
    attributes : of the file: texts, and others as JSON
    """
    import xarray as xr

    values = arrays(data)
    variables = {name: (each.axes, values[name], {"units": each.unit}) for name, each in data.items()}
    notes = {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in attributes.items()
    }
    buffer = BytesIO()
    xr.Dataset(variables, attrs=notes).to_netcdf(buffer, engine="scipy")
    return buffer.getvalue()


def from_netcdf(path: Path) -> tuple[dict[str, Quantity], dict[str, str]]:
    """Read quantities and attributes back, without xarray, which takes longer to import than a figure to draw.

    Raises
    ------
    InputError : a file that is not what `to_netcdf` wrote
    """
    io: Any = import_module("scipy.io")  # untyped, and not needed where nothing is kept
    try:
        with io.netcdf_file(path, mmap=False) as file:
            data = {name: _quantity(variable) for name, variable in file.variables.items()}
            return data, {name: value.decode() for name, value in file._attributes.items()}
    except (OSError, TypeError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path}: no numbers of a figure can be read here ({error}): remove it") from None


def _quantity(variable: Any) -> Quantity:
    """Undo what NetCDF 3 does to texts, truth values and integers."""
    axes, values, notes = variable.dimensions, np.asarray(variable.data), variable._attributes
    if values.dtype.kind == "S":  # one character a cell
        axes, values = axes[:-1], np.char.decode(np.ascontiguousarray(values).view(f"S{values.shape[-1]}")[..., 0])
    elif values.dtype.kind == "i":
        values = values.astype(bool if notes.get("dtype") == b"bool" else np.int64)
    else:
        values = values.astype(float)
    return Quantity(axes, values, notes["units"].decode())


def to_csv(data: Data) -> dict[str, bytes]:
    """Return one table for each set of axes, "" or ".axis-axis" -> CSV: a row a cell, coordinates first.

    The largest set has the plain name "".
    """
    values = arrays(data)
    coordinates = {name for name, each in data.items() if each.axes == (name,)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, each in data.items():
        if name not in coordinates:
            groups.setdefault(each.axes, []).append(name)
    if not groups:
        groups = {(name,): [] for name in coordinates}
    largest = max(groups, key=lambda axes: (len(groups[axes]) * _cells(axes, groups, values), axes))
    return {
        "" if axes == largest else "." + ("-".join(axes) or "numbers"): _table(axes, names, values, coordinates)
        for axes, names in groups.items()
    }


def _cells(axes: tuple[str, ...], groups: Mapping[tuple[str, ...], list[str]], values: Arrays) -> int:
    return values[groups[axes][0]].size if groups[axes] else 1


def _table(axes: tuple[str, ...], names: list[str], values: Arrays, coordinates: set[str]) -> bytes:
    shape = values[names[0]].shape if names else values[axes[0]].shape
    columns: dict[str, Array] = {}
    places = np.unravel_index(np.arange(math.prod(shape)), shape) if shape else ()  # of the rows, one an axis
    for axis, index in zip(axes, places, strict=True):
        columns[axis] = values[axis][index] if axis in coordinates else index
    columns |= {name: values[name].ravel() for name in names}
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue().encode()
