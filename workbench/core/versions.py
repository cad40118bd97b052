"""Versions of whatever a computed number depends on."""

from functools import cache
from importlib.metadata import version

from workbench import __version__

PACKAGES = ("numpy", "scipy", "networkx")  # the last draws random graphs


def determining() -> dict[str, str]:
    """Return the versions, by package: a number that another one computed is not taken for this one's."""
    return {"workbench": __version__} | {each: installed(each) for each in PACKAGES}


@cache
def installed(package: str) -> str:
    """Return a package's version; to look it up takes a millisecond."""
    return version(package)
