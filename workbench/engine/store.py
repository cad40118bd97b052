"""The store of results: a folder with one NetCDF file for each configuration, its axes named."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.atomic import TEMPORARY, write_atomically
from workbench.core.errors import InputError
from workbench.core.types import Trajectory

if TYPE_CHECKING:
    import xarray as xr

SUFFIX = ".nc"
# Whatever scipy raises for what is cut or no NetCDF.
UNREADABLE = (OSError, TypeError, ValueError, LookupError)
UNITS = {
    "loss": "1",
    "error_sq": "1",
    "grad_sq": "1",
    "part_grad_sq": "1",
    "seconds": "s",
    "bits_up": "bit",
    "bits_down": "bit",
}


class Store:
    """Results by name; a file is there whole or not at all."""

    def __init__(self, folder: str | PathLike[str]) -> None:
        """Open the folder, which need not exist."""
        self.folder = Path(folder)

    def names(self) -> list[str]:
        """The names of the results that are there, in their order."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))

    def whole(self) -> set[str]:
        """The names of those that need not be computed again: a copy or a disk may have cut a file short."""
        return {name for name in self.names() if _is_whole(self.folder / f"{name}{SUFFIX}")}

    def prepare(self) -> None:
        """Make the folder, and clear away what a killed writer left half done.

        Raises
        ------
        InputError : the folder cannot be made
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be made ({error.strerror}): choose another folder") from None
        for left in self.folder.glob(f"*{TEMPORARY}"):
            left.unlink()

    def write(self, name: str, content: bytes) -> None:
        """Put one result in its place in one step."""
        write_atomically(self.folder / f"{name}{SUFFIX}", content)

    def read(self, name: str) -> "xr.Dataset":
        """Return one result.

        Raises
        ------
        InputError : a file that is no result, or none of this name
        """
        import xarray as xr

        path = self.folder / f"{name}{SUFFIX}"
        try:
            return xr.load_dataset(path, engine="scipy")
        except UNREADABLE as error:
            raise InputError(f"{path}: no result can be read here ({error}): --resume computes it again") from None

    def __iter__(self) -> Iterator["xr.Dataset"]:
        """Yield every result in order of the names."""
        return (self.read(name) for name in self.names())


def _is_whole(path: Path) -> bool:
    """Tell by the header, a tenth of the time of reading all, whether every array has its bytes."""
    from scipy.io import netcdf_file

    try:
        with netcdf_file(path, mmap=True):
            return True
    except UNREADABLE:
        return False


def to_netcdf(trajectory: Trajectory, attributes: Mapping[str, object]) -> bytes:
    """Return a trajectory as NetCDF, the same bytes for the same trajectory.

    Parameters
    ----------
    attributes : of the data set, beside the trajectory's own configuration: texts, and others as JSON
    """
    import xarray as xr

    axes = ("run", "checkpoint")
    arrays = {each.name: getattr(trajectory, each.name) for each in fields(trajectory)}
    own = {name: values for name, values in arrays.items() if name in UNITS}
    variables = {
        name: (axes, values, {"units": UNITS.get(name, "1")})
        for name, values in (own | dict(trajectory.measures)).items()
    }
    coordinates = {
        "run": np.arange(len(trajectory.loss)),
        "iteration": ("checkpoint", trajectory.iterations, {"units": "1"}),
    }
    notes = {"trajectory": json.dumps(trajectory.config, sort_keys=True)}
    for name, value in attributes.items():
        notes[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    dataset = xr.Dataset(variables, coordinates, notes)
    buffer = BytesIO()
    dataset.to_netcdf(buffer, engine="scipy")  # HDF5 takes some twenty times as long for files as small
    return buffer.getvalue()


def to_trajectory(dataset: "xr.Dataset") -> Trajectory:
    """Return the trajectory that a result holds."""
    values: dict[str, Any] = {str(name): np.asarray(array) for name, array in dataset.data_vars.items()}
    own = {name: values.pop(name) for name in UNITS}
    config = json.loads(dataset.attrs["trajectory"])
    return Trajectory(iterations=np.asarray(dataset["iteration"], np.int64), measures=values, config=config, **own)
