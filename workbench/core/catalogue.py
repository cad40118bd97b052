"""Find what exists: every module of a package is one entry, its name is its key.

There is no registration: a new code, quantizer or figure is a new file, and every contract test, command and
report takes it up unasked.
"""

import importlib
import pkgutil
from types import ModuleType

from workbench.core.errors import InputError


def entries(package: str, having: str) -> dict[str, ModuleType]:
    """Return the modules of `package` that define `having`, by name.

    Parameters
    ----------
    package : dotted name of the package, for instance "workbench.codes"
    having : the attribute that makes a module an entry, for instance "design"
    """
    parent = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(parent.__path__) if not info.ispkg)
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, having)}


def codes() -> dict[str, ModuleType]:
    """Code families: modules with `design(profile, spec, *, rng) -> GradientCode`."""
    return entries("workbench.codes", "design")


def placements() -> dict[str, ModuleType]:
    """Placements of parts on workers: modules with `place(n_workers, n_parts, replication, *, rng)`.

    Those of fixed sizes have `sizes(most_workers)`, the others say in `SIZES` what they take; of an expander
    `adjacency(n_vertices, degree, *, rng)` is the graph.
    """
    return entries("workbench.codes.placements", "place")


def quantizers() -> dict[str, ModuleType]:
    """Quantizers: modules with `quantizer(bits)`."""
    return entries("workbench.quantizers", "quantizer")


def delays() -> dict[str, ModuleType]:
    """Response-time laws that can be fitted to a log: modules with `fit(response_s)`."""
    return entries("workbench.stragglers.delays", "fit")


def problems() -> dict[str, ModuleType]:
    """Problems to train on: modules with `build(n_parts, *, seed)`."""
    return entries("workbench.problems", "build")


def datasets() -> dict[str, ModuleType]:
    """Real data sets: modules with `fetch()` and `load()`."""
    return entries("workbench.datasets", "fetch")


def pick(kind: str, found: dict[str, ModuleType], key: str) -> ModuleType:
    """Return the entry `key`, or say which ones there are."""
    if key not in found:
        raise InputError(f"unknown {kind} '{key}': choose one of {', '.join(found)}")
    return found[key]
