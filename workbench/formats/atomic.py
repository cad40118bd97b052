"""Write a file whole or not at all."""

import os
import tempfile
from os import PathLike
from pathlib import Path

from workbench.core.errors import InputError


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """Write `content` beside `path`, then put it in its place in one step.

    Raises
    ------
    InputError : the place cannot be written to
    """
    target = Path(path)
    partial = ""
    try:
        if target.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(partial).chmod(0o666 & ~mask)  # as an ordinary new file, not private as temporary ones are
        os.replace(partial, target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}): choose another place") from None
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)
