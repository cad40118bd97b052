"""Write a file whole or not at all."""

import os
import tempfile
from os import PathLike
from pathlib import Path

from workbench.core.errors import InputError

TEMPORARY = ".part"  # how a file that is being written ends; it begins with a dot


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """Write `content` beside `path`, then put it in its place in one step.

    A link stays, and what it points to is replaced. A pipe or a device, which holds no earlier content, is
    written to as it is.

    Raises
    ------
    InputError : the place cannot be written to
    """
    partial = ""
    try:
        if Path(path).is_dir():
            raise IsADirectoryError(0, "it is a directory")
        if Path(path).exists() and not Path(path).is_file():
            Path(path).write_bytes(content)
            return
        target = Path(os.path.realpath(path))
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=TEMPORARY)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)  # or a power cut could leave an empty file under the final name
        mask = os.umask(0)
        os.umask(mask)
        Path(partial).chmod(0o666 & ~mask)  # as an ordinary new file, not private as temporary ones are
        os.replace(partial, target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}): choose another place") from None
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)
