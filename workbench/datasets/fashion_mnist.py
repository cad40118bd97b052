"""Fashion-MNIST: 70,000 images of ten kinds of clothing, from Debian's package of it."""

import gzip
from pathlib import Path

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import IntArray
from workbench.datasets import cache, labelled_images
from workbench.datasets.labelled_images import Bytes

NAME = "fashion_mnist"
DESCRIPTION = "70,000 images of clothing of 28 x 28 pixels, 7,000 a class (Debian's dataset-fashion-mnist, 31 MB)"
PACKAGE = "dataset-fashion-mnist"
VERSION = "0.0~git20200523.55506a9-1"
PACKAGE_SHA256 = "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0"
FOLDER = "usr/share/datasets/fashion-mnist"  # in the package
INSTALLED = Path("/", FOLDER)
IMAGES = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
LABELS = ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
CONTENT_SHA256 = "2cbc59191665e1ba3f2494648f17edac5974f748ab89fb2ae05597d658161f54"
UNSIGNED_BYTE = 0x08  # IDX's code for it


def fetch() -> bool:
    """Bring the data into the cache; return False if it was there already.

    The files are taken from Debian's package, from where it is installed, or from a folder fashion_mnist in the
    cache.

    Raises
    ------
    InputError : they are nowhere
    """
    return labelled_images.keep(NAME, CONTENT_SHA256, _read)


def _read() -> tuple[Bytes, Bytes]:
    names = (*IMAGES, *LABELS)
    own = cache.cache_dir() / NAME
    for folder in (own, INSTALLED):
        if all((folder / name).is_file() for name in names):
            files = [(folder / name).read_bytes() for name in names]
            break
    else:
        members = [f"{FOLDER}/{name}" for name in names]
        try:
            files = cache.read_from_debian(PACKAGE, VERSION, PACKAGE_SHA256, members)
        except InputError as error:
            raise InputError(f"{error}; or put {', '.join(names)} of Fashion-MNIST into {own}") from None
    arrays = [read_idx(gzip.decompress(content)) for content in files]
    pixels = np.concatenate([images.reshape(len(images), -1) for images in arrays[:2]])  # (70000, 784)
    return pixels, np.concatenate(arrays[2:])


def load() -> tuple[Bytes, IntArray]:
    """Return pixels as bytes, shape (70000, 784), the 60,000 of the training set first, and classes 0 to 9.

    Raises
    ------
    InputError : the data is not here, or is not what was fetched
    """
    return labelled_images.load(NAME, "Fashion-MNIST", CONTENT_SHA256)


def read_idx(content: bytes) -> Bytes:
    """Read an array of bytes in the IDX format: two zeros, a type, the number of axes, their lengths, the values.

    Raises
    ------
    InputError : something else
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise InputError("this is no IDX file of bytes: fetch it again")
    start = 4 + 4 * content[3]
    lengths = np.frombuffer(content[4:start], ">u4").astype(int)  # (axes,)
    if len(lengths) != content[3] or len(content) != start + np.prod(lengths):
        raise InputError(f"an IDX file of {len(content)} bytes says it holds {lengths.tolist()}: fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(lengths)
