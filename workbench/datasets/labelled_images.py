"""Labelled images in the cache: written whole or not at all, checked on every load."""

import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError
from workbench.core.types import IntArray
from workbench.datasets import cache

Bytes = npt.NDArray[np.uint8]


def keep(name: str, content_sha256: str, download: Callable[[], tuple[Bytes, Bytes]]) -> bool:
    """Put images (M, pixels) and labels (M,) into the cache; return False if they were there already.

    Parameters
    ----------
    content_sha256 : of the pixels and the labels as bytes

    Raises
    ------
    InputError : the download failed, or brought something else
    """
    path = _path(name)
    here = _read(path) if path.exists() else None
    if here is not None and _checksum(*here) == content_sha256:
        return False
    images, labels = download()
    if _checksum(images, labels) != content_sha256:
        raise InputError(f"what was fetched for {name} is not the data known by that name (wrong SHA-256)")
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    np.savez(buffer, images=images, labels=labels)
    write_atomically(path, buffer.getvalue())
    return True


def load(name: str, title: str, content_sha256: str) -> tuple[Bytes, IntArray]:
    """Return images (M, pixels) as bytes and labels (M,) from the cache.

    Raises
    ------
    InputError : the data is not here, or is not what was fetched
    """
    path = _path(name)
    if not path.exists():
        raise InputError(f"{title} is not on this machine: run `workbench data fetch {name}`")
    content = _checked(path, path.stat().st_mtime_ns, content_sha256)
    if content is None:
        raise InputError(f"{path} is damaged (wrong SHA-256): run `workbench data fetch {name}`")
    return content


@lru_cache(maxsize=2)
def _checked(path: Path, changed_ns: int, content_sha256: str) -> tuple[Bytes, IntArray] | None:
    """Read a file, once for each change of it; None if it is not what it should be."""
    content = _read(path)
    if content is None or _checksum(*content) != content_sha256:
        return None
    images, labels = content[0], content[1].astype(np.int64)
    images.flags.writeable = labels.flags.writeable = False  # whoever loads later gets the same arrays
    return images, labels


def _path(name: str) -> Path:
    return cache.cache_dir() / f"{name}.npz"


def _read(path: Path) -> tuple[Bytes, Bytes] | None:
    """Return images and labels, None if they cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return data["images"], data["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _checksum(images: Bytes, labels: Bytes) -> str:
    return sha256(images.tobytes() + labels.tobytes()).hexdigest()
