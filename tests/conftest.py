"""Where the tests find what does not travel with the package, and another package that adds to it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
EXAMPLE = Path(__file__).with_name("example_package")
INSTALLED_AT = "WORKBENCH_TESTS_EXAMPLE"  # set in the environment of worker processes


def pytest_configure(config: pytest.Config) -> None:
    """Install the example package where all tests and their subprocesses find it, as a user's pip would.

    The contract tests then run over its code, scheme, problem, delay law and bound too.
    """
    config.addinivalue_line("markers", "exact_moments(*keys): compares a step of these schemes with exact moments")
    if INSTALLED_AT not in os.environ:
        folder = tempfile.mkdtemp(prefix="straggler-example-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        source = shutil.copytree(EXAMPLE, Path(folder) / "source")
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
        target = str(Path(folder) / "installed")
        subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, str(source)], check=True)
        os.environ[INSTALLED_AT] = target
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [target, os.environ.get("PYTHONPATH")]))
    if os.environ[INSTALLED_AT] not in sys.path:
        sys.path.append(os.environ[INSTALLED_AT])


@pytest.fixture(scope="session")
def canada_log() -> Path:
    """Return the log of 256 AWS Lambda workers at five loads; its absence is a failure in CI."""
    path = SHARED / "data" / "aws_lambda_cnn_canada.csv"
    if not path.exists():
        message = "the recorded AWS Lambda log is not beside this checkout"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
