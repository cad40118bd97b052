"""Find what exists: every module of a package is one entry, its name is its key.

There is no registration: a new code, quantizer or scheme is a new file, and every contract test, command and
report takes it up unasked. An installed package adds its own through entry points of the groups "workbench.codes",
"workbench.schemes", ...
"""

import importlib
import pkgutil
from collections.abc import Callable, Set
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType

from workbench.core.claims import Claim
from workbench.core.errors import InputError

GROUPS = (
    "proofs_check.experiments",
    "workbench.bounds",
    "workbench.codes",
    "workbench.codes.decoders",
    "workbench.codes.placements",
    "workbench.datasets",
    "workbench.problems",
    "workbench.quantizers",
    "workbench.schemes",
    "workbench.stragglers.delays",
    "workbench.topologies",
)  # of entry points: the packages whose modules other packages may add to


def entries(package: str, having: str) -> dict[str, ModuleType]:
    """Return the modules of `package` that define `having`, and those other packages add to it, by name.

    Another package adds a module through an entry point whose group is `package`.

    Parameters
    ----------
    package : dotted name of the package, for instance "workbench.codes"
    having : the attribute that makes a module an entry, for instance "design"

    Raises
    ------
    InputError : an added module that cannot be loaded, lacks `having`, or has the name of another one
    """
    return dict(_entries(package, having))


@cache
def _entries(package: str, having: str) -> dict[str, ModuleType]:
    """Look through folders and entry points, which takes a millisecond, once in a process."""
    parent = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(parent.__path__) if not info.ispkg)
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    found = {name: module for name, module in modules.items() if hasattr(module, having)}
    for name, module in sorted(_added(package).items()):
        if name in modules:
            raise InputError(f"{module.__name__} adds '{name}' to {package}, which has one already: rename it")
        if hasattr(module, having):
            found[name] = module
    return dict(sorted(found.items()))


@cache
def _installed() -> EntryPoints:
    """Read the entry points of every installed package, which takes a while."""
    return EntryPoints(point for group in GROUPS for point in entry_points(group=group))


@cache
def _added(group: str) -> dict[str, ModuleType]:
    """Load the modules that installed packages add to a group."""
    added: dict[str, ModuleType] = {}
    for point in _installed().select(group=group):
        if point.name in added:
            raise InputError(f"two installed packages add '{point.name}' to {group}: remove one")
        try:
            module = point.load()
        except Exception as error:  # whatever a foreign module raises while it is imported
            raise InputError(
                f"{point.value} cannot be loaded as '{point.name}' of {group} ({error!r}): mend or remove its package"
            ) from None
        if not isinstance(module, ModuleType):
            raise InputError(f"{point.value}, added to {group} as '{point.name}', is no module: name a module")
        added[point.name] = module
    return added


def packages_behind(names: Set[str]) -> dict[str, str]:
    """Return name and version of the installed packages that add entries of these names, by "group: name"."""
    return {
        f"{point.group}: {point.name}": f"{point.dist.name} {point.dist.version}"
        for group in GROUPS
        for point in _installed().select(group=group)
        if point.name in names and point.dist is not None
    }


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


def delay_laws() -> dict[str, ModuleType]:
    """Response-time laws of given parameters: modules with `build(n_workers, *, ...) -> DelayModel`."""
    return entries("workbench.stragglers.delays", "build")


def decoders() -> dict[str, ModuleType]:
    """Decoders of any code: modules with `decoder(code, straggle_prob, ...)`."""
    return entries("workbench.codes.decoders", "decoder")


def topologies() -> dict[str, ModuleType]:
    """Graphs over which workers talk to each other: modules with `graph(n_workers, ..., rng)`."""
    return entries("workbench.topologies", "graph")


def schemes() -> dict[str, ModuleType]:
    """Algorithms: modules with `build(setting, *, step_size, ...) -> Scheme`."""
    return entries("workbench.schemes", "build")


def bounds() -> dict[str, dict[str, Callable[..., object]]]:
    """Bounds as functions marked `@claim`, by their claim's key and name, of every paper and added package."""
    modules = entries("workbench.bounds", "__name__")
    marked = {
        key: {name: each for name, each in vars(module).items() if isinstance(getattr(each, "claim", None), Claim)}
        for key, module in modules.items()
    }
    return {key: functions for key, functions in marked.items() if functions}


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
