"""Find every check: a function of this package that is marked with a claim and needs no argument."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType

import proofs_check
from workbench.core.claims import Claim, Verdict

Check = Callable[..., Verdict]  # a parameter is a constant that tests spoil


def checks() -> dict[str, Check]:
    """Return the checks by their claim's key, in order of modules and lines.

    Raises
    ------
    TypeError : two checks of one claim
    """
    found: dict[str, Check] = {}
    for module in _modules():
        for each in vars(module).values():
            claim = getattr(each, "claim", None)
            if isinstance(claim, Claim) and getattr(each, "__module__", "") == module.__name__:
                if claim.key in found:
                    raise TypeError(f"two checks of {claim.key}: {found[claim.key]!r} and {each!r}")
                found[claim.key] = each
    return found


def _modules() -> Iterator[ModuleType]:
    """Import the modules of the package, those of the papers' own packages included."""
    for info in pkgutil.walk_packages(proofs_check.__path__, "proofs_check."):
        if not info.ispkg:
            yield importlib.import_module(info.name)
