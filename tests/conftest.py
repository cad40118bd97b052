"""Where the tests find what does not travel with the package."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
