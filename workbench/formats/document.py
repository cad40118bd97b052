"""Read a versioned JSON document of the workbench, or say in one line where it is wrong."""

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from workbench.core.errors import InputError

PositiveInt = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]
NonNegativeInt64 = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # numpy's int64 holds it

File = TypeVar("File", bound=Struct)
T = TypeVar("T")


class _Versioned(Struct):
    version: int


def read_document(
    path: str | PathLike[str], kind: str, version: int, layout: type[File], build: Callable[[File], T]
) -> T:
    """Read the file at `path`, laid out as `layout` in the given version, and build what it stands for.

    Parameters
    ----------
    kind : "profile" or "code", as in `workbench schema`
    build : turns the decoded file into its object; what it refuses is reported with the path

    Raises
    ------
    InputError : the file, the place inside the JSON, what is wrong there
    """
    try:
        content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): give the path of a {kind}.json") from None
    hint = f"see `workbench schema {kind}`"
    if not content.strip():
        raise InputError(f"{path}: the file is empty: {hint}")
    try:
        found = msgspec.json.decode(content, type=_Versioned).version
        if found != version:
            raise InputError(f"version {found} is unknown - at `$.version`: this workbench reads version {version}")
        file = msgspec.json.decode(content, type=layout)
        json.loads(content, object_pairs_hook=_refuse_repeats)
        return build(file)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no valid {kind}.json: {error}: {hint}") from None
    except RecursionError:
        raise InputError(f"{path}: no valid {kind}.json: nested too deeply: {hint}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _refuse_repeats(pairs: list[tuple[str, object]]) -> None:
    """Of two equal names in one object, JSON readers silently take the one or the other."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InputError(f"`{name}` is there twice in one object: keep one")
        seen.add(name)
